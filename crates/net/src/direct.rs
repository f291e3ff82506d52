use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::address::RawAddr;
use crate::checked;
use crate::control::Control;
use crate::socket::Socket;
use wire::Fragments;

/// What every path of `IPv6` carries (RFC 8200 §5).
const LEAST_IPV6_MTU: u16 = 1280;

/// Whether the system refused a datagram because of its length.
pub fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

impl Socket {
    /// Sends a run of datagrams of `segment` bytes each, only the last of which may be shorter, to one destination
    /// with one system call; a socket whose device cannot cut runs takes one call for each.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing was sent because the system's buffer is full. Other errors are the
    /// system's; datagrams of a run that is cut here may have left before.
    pub fn send(&self, to: SocketAddr, bytes: &[u8], segment: usize) -> io::Result<()> {
        self.send_from(None, to, bytes, segment)
    }

    /// As [`send`](Self::send), leaving from the local address `from` where the socket is bound to a wildcard.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_from(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        bytes: &[u8],
        segment: usize,
    ) -> io::Result<()> {
        let segment = segment.max(1);
        if bytes.len() <= segment {
            return self.send_message(from, to, bytes, None);
        }
        if !self.is_plain() {
            match self.send_message(from, to, bytes, u16::try_from(segment).ok()) {
                // The device cannot check-sum segments, or the run is more than it takes.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => self.set_plain(),
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                result => return result,
            }
        }
        bytes.chunks(segment).try_for_each(|datagram| self.send_message(from, to, datagram, None))
    }

    /// Sends one datagram that is not like others about fragments, with a few system calls more: it is rare.
    ///
    /// What must not be cut leaves whatever the system believes of the path (`IP_PMTUDISC_PROBE`), with the DF bit of
    /// `IPv4`. What may be cut leaves without that bit, and in `IPv6`, where routers do not cut, in packets that every
    /// path carries.
    ///
    /// # Errors
    /// As [`send`](Self::send). If the datagram must not be cut and the first link does not take it, [`is_too_long`].
    pub fn send_alone(&self, to: SocketAddr, bytes: &[u8], fragments: Fragments) -> io::Result<()> {
        let v4 = self.local().is_ipv4();
        let wanted = match fragments {
            Fragments::Usual => return self.send(to, bytes, bytes.len()),
            Fragments::Never if v4 => libc::IP_PMTUDISC_PROBE,
            Fragments::Never => libc::IPV6_PMTUDISC_PROBE,
            Fragments::Allowed if v4 => libc::IP_PMTUDISC_DONT,
            Fragments::Allowed => libc::IPV6_PMTUDISC_DONT,
        };
        let limited = !v4 && fragments == Fragments::Allowed;
        let former = self.discovery()?;
        self.set_discovery(wanted)?;
        if limited {
            self.limit_path(LEAST_IPV6_MTU)?;
        }
        let result = self.send_message(None, to, bytes, None);
        if limited {
            self.limit_path(0)?;
        }
        self.set_discovery(former)?;
        result
    }

    fn send_message(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        bytes: &[u8],
        segment: Option<u16>,
    ) -> io::Result<()> {
        let mut name = RawAddr::new(to);
        let mut control = Control::EMPTY;
        if let Some(segment) = segment {
            control.segment(segment);
        }
        if let Some(from) = from {
            control.source(from);
        }
        let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        #[expect(
            unsafe_code,
            reason = "a header of zeroes is a valid empty one, and all its pointers name locals and the caller's \
                      bytes, which outlive the call; the system only reads what is to be sent"
        )]
        let result = unsafe {
            let mut header: libc::msghdr = std::mem::zeroed();
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = name.len();
            header.msg_iov = &raw mut part;
            header.msg_iovlen = 1;
            let written = control.written().len();
            if written > 0 {
                header.msg_control = control.as_mut_ptr();
                header.msg_controllen = written;
            }
            libc::sendmsg(self.fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        match result {
            0.. => Ok(()),
            _failed => checked(-1).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inbox, Options, Poller};
    use std::time::Duration;

    fn open(address: &str) -> Socket {
        Socket::bind(address.parse().unwrap(), &Options::default()).unwrap()
    }

    #[test]
    fn what_one_datagram_wants_does_not_stay_with_the_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (a, b) = (open(address), open(address));
            let (mut poller, mut inbox) = (Poller::new().unwrap(), Inbox::new());
            poller.add(&b, 0).unwrap();
            for value in [libc::IP_PMTUDISC_WANT, libc::IP_PMTUDISC_DONT] {
                a.set_discovery(value).unwrap();
                for fragments in [Fragments::Never, Fragments::Allowed, Fragments::Usual] {
                    let bytes = [7; 9000];
                    a.send_alone(b.local(), &bytes, fragments).unwrap();
                    assert_eq!(a.discovery().unwrap(), value, "{address} {fragments:?}");
                    poller.wait(Some(Duration::from_secs(10))).unwrap();
                    let slots = inbox.receive(&b, 1).unwrap();
                    assert_eq!(slots.map(|slot| inbox.bytes(slot).to_vec()).collect::<Vec<_>>(), [bytes]);
                    inbox.clear();
                }
            }
        }
    }

    /// The loopback takes almost everything, so the socket itself is narrow here.
    #[test]
    fn what_must_not_be_cut_is_refused_where_it_does_not_fit() {
        let (a, b) = (open("[::1]:0"), open("[::1]:0"));
        a.limit_path(1400).unwrap();
        let send = |len| a.send_alone(b.local(), &[7; 2000][..len], Fragments::Never);
        assert!(send(1400 - 48).is_ok());
        assert!(is_too_long(&send(1400 - 47).unwrap_err()));
        assert!(a.send(b.local(), &[7; 2000], 2000).is_ok(), "others are cut");
    }
}

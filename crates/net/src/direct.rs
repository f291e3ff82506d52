use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::address::RawAddr;
use crate::checked;
use crate::control::Control;
use crate::socket::Socket;

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

//! Control messages (`cmsg(3)`), read and written as plain bytes: the layout is a fixed header and a payload,
//! both aligned to the machine's word, so that no pointer arithmetic is needed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a control buffer: room for a segment size and packet information of either family.
pub(crate) const CONTROL_BYTES: usize = 64;

const WORD: usize = size_of::<usize>();
/// `struct cmsghdr`: length as a word, level and type as C integers.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// What the kernel says about a received message, or we say about one to send.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control {
    bytes: [u8; CONTROL_BYTES],
    len: usize,
}

/// The control messages of one receive.
#[derive(Default)]
pub(crate) struct Received {
    /// Bytes per datagram of a run that arrived as one (`UDP_GRO`).
    pub(crate) segment: Option<usize>,
    /// The local address the datagrams were sent to (`IP_PKTINFO`).
    pub(crate) local: Option<IpAddr>,
}

impl Control {
    pub(crate) const EMPTY: Self = Self { bytes: [0; CONTROL_BYTES], len: 0 };

    /// Asks the kernel to cut the message into datagrams of `segment` bytes (`UDP_SEGMENT`).
    pub(crate) fn segment(&mut self, segment: u16) {
        self.put(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
    }

    /// Asks the kernel to send from `local`, which a socket bound to a wildcard needs to know.
    pub(crate) fn source(&mut self, local: IpAddr) {
        match local {
            IpAddr::V4(ip) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                self.put(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(ip) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&ip.octets());
                self.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    fn put(&mut self, level: libc::c_int, kind: libc::c_int, payload: &[u8]) {
        let length = HEADER + payload.len();
        let out = &mut self.bytes[self.len..];
        out[..WORD].copy_from_slice(&length.to_ne_bytes());
        out[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        out[WORD + 4..WORD + 8].copy_from_slice(&kind.to_ne_bytes());
        out[HEADER..length].copy_from_slice(payload);
        self.len += length.next_multiple_of(WORD);
    }

    /// For `msg_control` of a send.
    pub(crate) fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// For the kernel to write into.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// Reads the first `len` bytes, which the kernel wrote.
    pub(crate) fn read(&self, len: usize) -> Received {
        let mut received = Received::default();
        let mut rest = &self.bytes[..len.min(CONTROL_BYTES)];
        while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
            let length = usize::from_ne_bytes(*header.first_chunk().expect("a header starts with a word"));
            let Some(payload) = length.checked_sub(HEADER).and_then(|n| body.get(..n)) else { break };
            let level = libc::c_int::from_ne_bytes([header[8], header[9], header[10], header[11]]);
            let kind = libc::c_int::from_ne_bytes([header[12], header[13], header[14], header[15]]);
            received.take(level, kind, payload);
            rest = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        }
        received
    }
}

impl Received {
    fn take(&mut self, level: libc::c_int, kind: libc::c_int, payload: &[u8]) {
        if (level, kind) == (libc::SOL_UDP, libc::UDP_GRO) {
            let size = payload.first_chunk().map_or(0, |b| libc::c_int::from_ne_bytes(*b));
            self.segment = usize::try_from(size).ok().filter(|n| *n > 0);
        } else if (level, kind) == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
            // struct in_pktinfo: interface, local address, destination address.
            let ip = payload.get(4..).and_then(|b| b.first_chunk::<4>());
            self.local = ip.map(|b| IpAddr::V4(Ipv4Addr::from(*b)));
        } else if (level, kind) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
            self.local = payload.first_chunk::<16>().map(|b| IpAddr::V6(Ipv6Addr::from(*b)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for local in ["192.0.2.7", "2001:db8::7"] {
            let local: IpAddr = local.parse().unwrap();
            let mut control = Control::EMPTY;
            control.source(local);
            control.put(libc::SOL_UDP, libc::UDP_GRO, &1200i32.to_ne_bytes());
            let received = control.read(control.written().len());
            assert_eq!((received.local, received.segment), (Some(local), Some(1200)));
        }
    }

    #[test]
    fn a_cut_or_lying_header_is_ignored() {
        let mut control = Control::EMPTY;
        control.put(libc::SOL_UDP, libc::UDP_GRO, &1200i32.to_ne_bytes());
        assert_eq!(control.read(HEADER).segment, None, "the payload is missing");
        for length in [0usize, HEADER - 1, 1 << 40, usize::MAX] {
            control.bytes[..WORD].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(control.read(CONTROL_BYTES).segment, None, "length {length}");
        }
    }
}

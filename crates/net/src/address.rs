use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A `sockaddr_in` or `sockaddr_in6` as the kernel reads and writes it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct RawAddr {
    bytes: [u8; 28],
    len: u32,
}

impl RawAddr {
    /// Room for the kernel to write either family.
    pub(crate) const EMPTY: Self = Self { bytes: [0; 28], len: 28 };

    pub(crate) fn new(address: SocketAddr) -> Self {
        let mut raw = Self::EMPTY;
        raw.bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                raw.bytes[..2].copy_from_slice(&family(libc::AF_INET));
                raw.bytes[4..8].copy_from_slice(&v4.ip().octets());
                raw.len = 16;
            }
            SocketAddr::V6(v6) => {
                raw.bytes[..2].copy_from_slice(&family(libc::AF_INET6));
                raw.bytes[8..24].copy_from_slice(&v6.ip().octets());
                raw.bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            }
        }
        raw
    }

    /// The address the kernel wrote, `None` for a family that no UDP socket of ours speaks.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        let b = &self.bytes;
        let port = u16::from_be_bytes([b[2], b[3]]);
        if b[..2] == family(libc::AF_INET) {
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(b[4], b[5], b[6], b[7])), port))
        } else if b[..2] == family(libc::AF_INET6) {
            let ip = Ipv6Addr::from(*b[8..].first_chunk::<16>()?);
            let scope = u32::from_ne_bytes(*b[24..].first_chunk::<4>()?);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)))
        } else {
            None
        }
    }

    /// For `msg_name`, `bind` and the like.
    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }

    /// For the kernel to write into.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        self.bytes.as_mut_ptr().cast()
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
}

/// `sa_family_t` in the machine's byte order.
fn family(family: libc::c_int) -> [u8; 2] {
    u16::try_from(family).expect("address families are small numbers").to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in ["192.0.2.1:0", "127.0.0.1:65535", "[2001:db8::1]:3478", "[::]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddr::new(address).get(), Some(address));
        }
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, 3));
        assert_eq!(RawAddr::new(scoped).get(), Some(scoped));
        assert_eq!(RawAddr::EMPTY.get(), None);
    }
}

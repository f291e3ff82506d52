use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::RawAddr;
use crate::checked;

/// How a socket is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Runs of equal-sized datagrams from one sender arrive as one message where the kernel can (`UDP_GRO`).
    pub runs: bool,
    /// Several sockets may share the address (`SO_REUSEPORT`); the kernel spreads senders over them by hash, so
    /// that one sender always meets the same socket.
    pub reuse_port: bool,
    /// Bytes of kernel memory for datagrams that wait to be received; `None` leaves the system's default. The
    /// system silently caps it at `net.core.rmem_max`.
    pub receive_buffer: Option<u32>,
    /// Bytes of kernel memory for datagrams that wait to be sent; `None` leaves the system's default.
    pub send_buffer: Option<u32>,
}

impl Default for Options {
    /// Runs, an address of its own, buffers as the system has them.
    fn default() -> Self {
        Self { runs: true, reuse_port: false, receive_buffer: None, send_buffer: None }
    }
}

/// A UDP socket, bound and never blocking.
///
/// A socket bound to a
/// wildcard address asks for `IP_PKTINFO`, so that an answer leaves from the address that was asked.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
    /// The device below once refused to segment: runs leave one datagram at a time from then on.
    plain: AtomicBool,
}

impl Socket {
    /// Opens a socket on `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// What the system says, above all [`io::ErrorKind::AddrInUse`] and [`io::ErrorKind::AddrNotAvailable`].
    pub fn bind(address: SocketAddr, options: &Options) -> io::Result<Self> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        #[expect(unsafe_code, reason = "a system call without pointers; the descriptor is owned at once")]
        let fd = unsafe {
            let fd = libc::socket(family, kind, 0);
            checked(fd)?;
            OwnedFd::from_raw_fd(fd)
        };
        let set = |level, name, value| set_option(fd.as_fd(), level, name, value);
        if options.reuse_port {
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        if address.is_ipv6() {
            set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        if address.ip().is_unspecified() {
            match address.ip() {
                IpAddr::V4(_) => set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
                IpAddr::V6(_) => set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?,
            }
        }
        for (name, bytes) in
            [(libc::SO_RCVBUF, options.receive_buffer), (libc::SO_SNDBUF, options.send_buffer)]
        {
            if let Some(bytes) = bytes {
                set(libc::SOL_SOCKET, name, libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX))?;
            }
        }
        if options.runs {
            // A kernel before 5.0 does not know it: datagrams then arrive one by one.
            let _ = set(libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        bind(fd.as_fd(), address)?;
        let inner = UdpSocket::from(fd);
        let local = if address.port() == 0 { inner.local_addr()? } else { address };
        Ok(Self { inner, local, plain: AtomicBool::new(false) })
    }

    /// The address it is bound to, with the port that the system chose.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Forbids or allows routers to fragment what is sent from now on (the DF bit of `IPv4`).
    /// A longer datagram than the path takes is then refused instead of cut.
    ///
    /// # Errors
    /// What the system says; none is known for a UDP socket.
    pub fn set_dont_fragment(&self, on: bool) -> io::Result<()> {
        let (level, name, value) = match (self.local.is_ipv4(), on) {
            (true, true) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
            (true, false) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT),
            (false, true) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
            (false, false) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
        };
        set_option(self.inner.as_fd(), level, name, value)
    }

    /// Takes `bytes` as the longest packet that the path carries, whatever the device says (`IPV6_MTU`): longer
    /// datagrams leave in fragments. At least 1280 (RFC 8200 §5); 0 takes the limit away.
    ///
    /// # Errors
    /// What the system says, above all for an `IPv4` socket, which has no such limit.
    pub fn limit_path(&self, bytes: u16) -> io::Result<()> {
        set_option(self.inner.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MTU, libc::c_int::from(bytes))
    }

    /// What the socket is set to about fragments.
    pub(crate) fn discovery(&self) -> io::Result<libc::c_int> {
        let (level, name) = self.discovery_option();
        option(self.inner.as_fd(), level, name)
    }

    /// Sets what [`discovery`](Self::discovery) tells.
    pub(crate) fn set_discovery(&self, value: libc::c_int) -> io::Result<()> {
        let (level, name) = self.discovery_option();
        set_option(self.inner.as_fd(), level, name, value)
    }

    const fn discovery_option(&self) -> (libc::c_int, libc::c_int) {
        if self.local.is_ipv4() {
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)
        } else {
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER)
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }

    /// Whether runs must leave one datagram at a time.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }

    pub(crate) fn set_plain(&self) {
        self.plain.store(true, Ordering::Relaxed);
    }
}

fn set_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).expect("an integer is short");
    #[expect(unsafe_code, reason = "the pointer and length name a local integer that outlives the call")]
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    checked(result).map(drop)
}

fn option(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).expect("an integer is short");
    #[expect(
        unsafe_code,
        reason = "both pointers name local integers, which outlive the call and are as long as said"
    )]
    let result =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) };
    checked(result).map(|_| value)
}

fn bind(fd: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    let raw = RawAddr::new(address);
    #[expect(unsafe_code, reason = "the pointer and length name a local address that outlives the call")]
    let result = unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.len()) };
    checked(result).map(drop)
}

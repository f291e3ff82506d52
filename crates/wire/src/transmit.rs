use std::net::SocketAddr;

/// What carries the bytes between two socket addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A TCP connection, one framed message at a time.
    Tcp,
    /// A TLS connection over TCP, one framed message at a time.
    Tls,
}

/// Whether a datagram may be cut into fragments on its way (the DF bit of IPv4; in IPv6 only the sender cuts).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Fragments {
    /// As the system does it: nobody has reason to care.
    #[default]
    Usual,
    /// It must arrive whole or not at all, for it asks whether the path carries it. A driver that cannot promise this
    /// drops it.
    Never,
    /// It is longer than the path is known to carry, and must get through: routers may cut it.
    Allowed,
}

/// Where the bytes that a machine wrote into the caller's buffer must go.
///
/// The bytes stay in the buffer; this is addressing only. With `segment_size` set, the buffer holds a run of
/// equal-sized datagrams to one destination (only the last may be shorter), to be sent with one system call
/// where the kernel can split it (UDP GSO).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// What carries it; for a stream, `from` and `to` name the connection.
    pub transport: Transport,
    /// Our address: the socket to send from.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// How many bytes of the buffer are to be sent.
    pub len: usize,
    /// Bytes per datagram when `len` holds several; `None` for a single datagram.
    pub segment_size: Option<usize>,
    /// Whether it may be cut on its way; anything but [`Fragments::Usual`] is a single datagram.
    pub fragments: Fragments,
}

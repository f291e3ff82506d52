use crate::{FiveTuple, RelayId};
use std::net::SocketAddr;
use std::ops::{Deref, Range};

/// Datagrams that arrived together from one sender (a GRO run). [`Server::handle_input`](crate::Server::handle_input)
/// consumes from the front; the driver calls it until the run [is empty](Run::is_empty).
#[derive(Debug)]
pub struct Run<'a> {
    /// The datagrams, one after the other.
    pub bytes: &'a [u8],
    /// Bytes per datagram; only the last may be shorter. Zero is read as "one datagram".
    pub segment: usize,
    consumed: usize,
}

impl<'a> Run<'a> {
    /// A run of datagrams of `segment` bytes each.
    pub const fn new(bytes: &'a [u8], segment: usize) -> Self {
        Self { bytes, segment, consumed: 0 }
    }

    /// A single datagram, or one framed message of a stream.
    pub const fn single(bytes: &'a [u8]) -> Self {
        Self::new(bytes, bytes.len())
    }

    /// Whether every datagram was consumed. A run that is one datagram without payload is so from the start:
    /// pass it to `handle_input` once.
    pub const fn is_empty(&self) -> bool {
        self.consumed >= self.bytes.len()
    }

    /// Where the next datagram starts in `bytes`.
    pub(crate) const fn position(&self) -> usize {
        self.consumed
    }

    /// The datagram that starts at `at`; empty when `at` is the end.
    pub(crate) fn datagram(&self, at: usize) -> &'a [u8] {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let segment = if self.segment == 0 { rest.len() } else { self.segment };
        &rest[..segment.min(rest.len())]
    }

    /// Consumes everything before `at`.
    pub(crate) fn advance_to(&mut self, at: usize) {
        self.consumed = at;
    }
}

/// Who sent a [`Run`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Whoever sends to the server's own listening address.
    Client(FiveTuple),
    /// Whoever sends to a relayed transport address.
    Peer {
        /// The relayed transport address that received it.
        relay: RelayId,
        /// The sender.
        from: SocketAddr,
    },
}

/// Where forwarded bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// To a client of this server, from the listening address it uses.
    Client(FiveTuple),
    /// To a peer, from a relayed transport address.
    Peer {
        /// The socket to send from.
        relay: RelayId,
        /// The peer.
        to: SocketAddr,
    },
}

/// "Send this part of the input on": `run.bytes[bytes]`, cut into datagrams of `segment` bytes; of each, drop
/// the first `strip` bytes and put `header` before the rest.
///
/// It fits one `sendmsg` with an iovec per part and `UDP_SEGMENT`. All but the last datagram come out equally
/// long. To a stream each datagram is one message, written in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Who gets it.
    pub to: Destination,
    /// The part of `run.bytes` that is meant.
    pub bytes: Range<usize>,
    /// Bytes per input datagram, `strip` included; only the last may be shorter.
    pub segment: usize,
    /// Bytes to leave out at the front of each datagram.
    pub strip: usize,
    /// Bytes to send in front of each datagram.
    pub header: Header,
    /// Zero bytes to send behind the datagram, 0 to 3. When not zero, there is exactly one datagram.
    pub pad: usize,
    /// Send it with the "don't fragment" bit (RFC 8656 §15): DF for IPv4, no fragment header for IPv6.
    pub dont_fragment: bool,
}

/// What goes before a forwarded datagram: nothing (to a peer), the 4 bytes of ChannelData, or the head of a
/// Data indication (36 bytes for an IPv4 peer, 48 for an IPv6 peer).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; 48],
    len: u8,
}

impl Header {
    /// No header.
    pub const EMPTY: Self = Self { bytes: [0; 48], len: 0 };

    /// The head of a ChannelData message with `length` bytes of application data (RFC 8656 §12.4).
    pub(crate) fn channel_data(number: u16, length: u16) -> Self {
        let mut bytes = [0; 48];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        Self { bytes, len: 4 }
    }

    /// A header that `fill` writes; it returns how many bytes it wrote.
    pub(crate) fn with(fill: impl FnOnce(&mut [u8; 48]) -> u8) -> Self {
        let mut bytes = [0; 48];
        let len = fill(&mut bytes);
        Self { bytes, len }
    }
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Header").field(&&**self).finish()
    }
}

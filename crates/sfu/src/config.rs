use std::net::SocketAddr;
use std::time::Duration;

use peer::Certificate;
use wire::Transport;

/// A way to reach the forwarder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// UDP, or TCP for a listener whose connections carry framed messages (RFC 4571, RFC 6544). TLS is none.
    pub transport: Transport,
    /// What [`peer::Received::local`] and [`wire::Transmit::from`] speak of: the socket as the driver knows it.
    pub socket: SocketAddr,
    /// What members are told: another one than the socket's behind a translator of addresses.
    pub advertised: SocketAddr,
}

/// What an [`crate::Sfu`] is told at its beginning.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity for DTLS; all members see its fingerprint.
    pub certificate: Certificate,
    /// All ways to reach this forwarder. At least one; those for UDP are tried first by members.
    pub addresses: Vec<Address>,
    /// The wall clock at the beginning, as time since the Unix epoch: senders' reports carry it.
    pub since_epoch: Duration,
    /// Rooms at a time, 10,000.
    pub max_rooms: usize,
    /// Members of all rooms at a time, 10,000.
    pub max_members: usize,
    /// Media sections of one member, 128.
    pub max_sections: usize,
    /// What a receiver's path is taken to carry at first, in bits per second, 2,500,000: what is not sent at all is not
    /// measured, so this is enough for one screen or one large picture without smaller encodings.
    pub start_bitrate: u64,
    /// What a receiver's path is taken to carry at most, in bits per second, 20,000,000.
    pub max_bitrate: u64,
    /// How long after a keyframe was asked of a source it may be asked again, 500 ms.
    pub keyframe_pause: Duration,
    /// The largest message of the data channel `room`, in bytes, 16,384.
    pub max_message: usize,
    /// Bytes per second that one member may send on it, 65,536; four seconds' worth may come at once.
    pub message_rate: u64,
    /// Bytes that may wait for one member; messages beyond are not delivered to it, and counted. 1 MiB.
    pub message_queue: usize,
    /// Events that wait to be polled at most, 65,536; beyond, the oldest is dropped and counted.
    pub max_events: usize,
}

impl Config {
    /// The usual limits for this identity and these addresses.
    pub fn new(certificate: Certificate, addresses: Vec<Address>) -> Self {
        Self {
            certificate,
            addresses,
            since_epoch: Duration::ZERO,
            max_rooms: 10_000,
            max_members: 10_000,
            max_sections: 128,
            start_bitrate: 2_500_000,
            max_bitrate: 20_000_000,
            keyframe_pause: Duration::from_millis(500),
            max_message: 16 << 10,
            message_rate: 64 << 10,
            message_queue: 1 << 20,
            max_events: 65_536,
        }
    }
}

/// What a room is told at its beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomConfig {
    /// Members at a time, 1,000.
    pub max_members: usize,
    /// Voices that are forwarded at a time at most, the loudest, 8. A member with fewer voice slots gets fewer.
    pub voices: usize,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self { max_members: 1_000, voices: 8 }
    }
}

/// How a member takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinConfig {
    /// What stands before its messages on the data channel when others get them; 0 is the server. Who joins a room is to
    /// have a number of its own there.
    pub number: u32,
    /// Whether what it sends is taken. Otherwise its sections are answered as inactive.
    pub publish: bool,
    /// Whether it is sent anything. Otherwise its slots are answered as inactive.
    pub subscribe: bool,
    /// Whether all of its slots belong to one MediaStream, so that a player keeps sound and picture in step: for a
    /// viewer with a slot of each. Otherwise the slots belong to none, and the program says which go together.
    pub one_stream: bool,
}

impl Default for JoinConfig {
    /// Both, and the number 1; slots of no stream.
    fn default() -> Self {
        Self { number: 1, publish: true, subscribe: true, one_stream: false }
    }
}

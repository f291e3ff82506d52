//! The ways out of a media thread: which socket or stream something leaves by.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use net::{Outbox, Socket};
use turn::{FiveTuple, Forward};

use super::counters::Snapshot;
use super::pipe::{Pipe, Pushed};
use super::relays::Relays;

/// The lower half of a listener's key starts here; no relay has so great an index.
pub(super) const LISTENERS: u64 = 0xffff_0000;

/// The socket of a key.
pub(super) fn named<'s>(listeners: &'s [Socket], relays: &'s Relays, key: u64) -> Option<&'s Socket> {
    match (key & 0xffff_ffff).checked_sub(LISTENERS) {
        Some(index) => listeners.get(usize::try_from(index).unwrap_or(usize::MAX)),
        None => relays.find(key),
    }
}

/// The key of the listener that a client sends to, and the address to answer from if it has several.
pub(super) fn listener_of(listeners: &[Socket], local: SocketAddr) -> Option<(u64, Option<IpAddr>)> {
    let keyed = || (LISTENERS..).zip(listeners.iter().map(Socket::local));
    if let Some((key, _)) = keyed().find(|(_, address)| *address == local) {
        return Some((key, None));
    }
    let wildcard = |address: &SocketAddr| {
        address.ip().is_unspecified()
            && address.port() == local.port()
            && address.is_ipv4() == local.is_ipv4()
    };
    keyed().find(|(_, address)| wildcard(address)).map(|(key, _)| (key, Some(local.ip())))
}

/// Queues a copy of one forwarded datagram.
pub(super) fn send_copy(
    outbox: &mut Outbox,
    (key, to, from): (u64, SocketAddr, Option<IpAddr>),
    forward: &Forward,
    bytes: &[u8],
) {
    let payload = &bytes[forward.strip.min(bytes.len())..];
    let pad = &[0; 3][..forward.pad.min(3)];
    let length = forward.header.len() + payload.len() + pad.len();
    outbox.send(key, to, from, &[&forward.header, payload, pad], length);
}

/// Writes forwarded datagrams into the pipe of a stream client, each as one message.
pub(super) fn to_stream(
    streams: &HashMap<FiveTuple, Arc<Pipe>>,
    snapshot: &mut Snapshot,
    client: FiveTuple,
    forward: &Forward,
    bytes: &[u8],
) {
    let Some(pipe) = streams.get(&client) else { return };
    for datagram in bytes.chunks(forward.segment.max(1)) {
        let payload = &datagram[forward.strip.min(datagram.len())..];
        let parts: [&[u8]; 3] = [&forward.header, payload, &[0; 3][..forward.pad.min(3)]];
        if pipe.push_output(parts.into_iter()) == Pushed::Full {
            snapshot.dropped_slow_stream += 1;
        }
    }
}

/// Writes a message into the pipe of a stream client, behind its length (RFC 4571 §2).
pub(super) fn to_framed_stream(
    streams: &HashMap<FiveTuple, Arc<Pipe>>,
    snapshot: &mut Snapshot,
    client: FiveTuple,
    message: &[u8],
) {
    let (Some(pipe), Ok(length)) = (streams.get(&client), u16::try_from(message.len())) else { return };
    let parts: [&[u8]; 2] = [&length.to_be_bytes(), message];
    if pipe.push_output(parts.into_iter()) == Pushed::Full {
        snapshot.dropped_slow_stream += 1;
    }
}

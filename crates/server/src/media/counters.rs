//! What the media threads count, for whoever watches: written by a thread about itself, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

/// The names of the counters, once: of the atomics, of the snapshot, and of the sum.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of all media threads together.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters of one thread.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn publish(&self, snapshot: &Snapshot) {
                $(self.$name.store(snapshot.$name, Ordering::Relaxed);)*
            }

            pub(super) fn add_to(&self, sum: &mut Snapshot) {
                $(sum.$name += self.$name.load(Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    /// Allocations that exist now.
    allocations,
    /// Allocations granted since the start.
    allocated,
    /// Payload bytes relayed from clients to peers.
    bytes_up,
    /// Payload bytes relayed from peers to clients.
    bytes_down,
    /// Packets relayed from clients to peers.
    packets_up,
    /// Packets relayed from peers to clients.
    packets_down,
    /// Packets handed from client to client without a relay socket; counted in both directions as well.
    packets_between_clients,
    /// Requests answered with success.
    success_responses,
    /// Requests answered with an error, wrong credentials among them.
    error_responses,
    /// STUN Binding requests answered.
    bindings,
    /// Dropped: neither STUN nor ChannelData, or malformed.
    dropped_malformed,
    /// Dropped: no allocation for it.
    dropped_no_allocation,
    /// Dropped: no permission for the peer.
    dropped_no_permission,
    /// Dropped: the peer's address is not allowed.
    dropped_forbidden,
    /// Dropped: above the user's bandwidth.
    dropped_bandwidth,
    /// Dropped: too many requests without credentials.
    dropped_rate,
    /// Dropped: too many responses wait.
    dropped_queue,
    /// Dropped: the stream client is too slow.
    dropped_slow_stream,
    /// Dropped: the system did not take it.
    dropped_by_system,
    /// System calls that received.
    receive_calls,
    /// System calls that sent.
    send_calls,
    /// Datagrams sent.
    datagrams_sent,
    /// Runs that the system would not cut and that were sent one datagram at a time.
    uncut_runs,
    /// Stream clients connected now.
    streams,
    /// Media connections of rooms now.
    legs,
    /// Rooms that are forwarded now.
    conferences,
    /// Packets of media that came from members.
    media_received,
    /// Packets of media forwarded to members, each counted once for each.
    media_forwarded,
    /// Packets sent again because they were asked for.
    media_resent,
    /// Packets sent to find out what a path carries.
    media_probes,
    /// Keyframes asked of members.
    media_keyframe_requests,
    /// Messages of members passed on to others.
    media_messages,
    /// Bytes that came from members, of whatever kind.
    media_bytes_in,
    /// Bytes sent to members.
    media_bytes_out,
    /// Datagrams sent to members.
    media_datagrams_sent,
    /// System calls that sent them.
    media_send_calls,
    /// Datagrams, or runs of them, handed over to the thread of their room.
    media_crossed,
    /// Packets handed to other parts of their room, each counted once for each part.
    media_shared,
    /// Dropped: the receiver does not know the codec, or has no path.
    media_dropped_unsent,
    /// Dropped: the receiver was too late.
    media_dropped_overrun,
    /// Asked for again, and not there any more.
    media_dropped_unanswered,
    /// Messages of members that were too long, too many, or whose receiver did not keep up.
    media_dropped_messages,
    /// Runs that the system did not take.
    media_dropped_by_system,
    /// Handed over too fast for the other thread.
    media_dropped_crossing,
    /// Handed too fast to another part of the room.
    media_dropped_sharing,
    /// Events that the rendezvous did not take in time.
    media_dropped_events,
    /// Rounds of the loop.
    rounds,
}

impl Snapshot {
    /// Takes over what the TURN machine and the outbox count.
    pub(super) const fn take(&mut self, turn: &turn::Stats, sent: net::Counters) {
        self.allocations = turn.allocations;
        self.allocated = turn.allocated;
        self.bytes_up = turn.bytes_from_clients;
        self.bytes_down = turn.bytes_from_peers;
        self.packets_up = turn.packets_from_clients;
        self.packets_down = turn.packets_from_peers;
        self.packets_between_clients = turn.packets_in_memory;
        self.success_responses = turn.success_responses;
        self.error_responses = turn.error_responses;
        self.bindings = turn.bindings;
        self.dropped_malformed = turn.dropped.malformed;
        self.dropped_no_allocation = turn.dropped.no_allocation;
        self.dropped_no_permission = turn.dropped.no_permission;
        self.dropped_forbidden = turn.dropped.forbidden;
        self.dropped_bandwidth = turn.dropped.bandwidth;
        self.dropped_rate = turn.dropped.rate;
        self.dropped_queue = turn.dropped.queue;
        self.dropped_by_system = sent.refused;
        self.send_calls = sent.calls;
        self.datagrams_sent = sent.sent;
        self.uncut_runs = sent.uncut;
    }
}

//! The sending half: queues, fragments in flight, acknowledgements, losses, what is given up.

mod abandon;
mod acknowledge;
mod congestion;
mod loss;
mod message;
mod pacer;
mod scheduler;
mod transmit;

pub(crate) use message::Outgoing;

use crate::packet::Init;
use crate::ranges::Ranges;
use crate::rtt::Rtt;
use crate::streams::Streams;
use congestion::Congestion;
use loss::Loss;
use message::{Message, Messages, Stream};
use pacer::Pacer;
use scheduler::Scheduler;
use std::collections::VecDeque;
use wire::Instant;

/// TSNs in flight at most, so that stream sequence numbers (16 bits) and gap blocks stay unambiguous.
const MOST_IN_FLIGHT: usize = 32_000;

/// How a fragment in flight is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Flying,
    /// Found lost, waits to be sent again.
    Lost,
    /// Acknowledged in a gap block.
    Acked,
    /// Its message was given up.
    Abandoned,
}

/// A fragment that was sent. Where its bytes are, the message knows.
struct Sent {
    at: Instant,
    message: u32,
    offset: u32,
    fragment: u32,
    len: u16,
    transmissions: u16,
    state: State,
    /// It went in a packet that not every path carries.
    large: bool,
}

/// Messages of which a part was sent.
#[derive(Default)]
struct Begun {
    bytes: usize,
    count: usize,
}

impl Begun {
    const fn begin(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.count += 1;
    }

    const fn end(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.count -= 1;
    }
}

/// What a fragment in flight costs beside its payload.
const CHUNK_COST: usize = 16;

/// One side's outbound data. TSNs have 64 bits inside, which never wrap.
pub(crate) struct Sender {
    mtu: usize,
    /// What every path carries.
    base: usize,
    interleaving: bool,
    /// Whether the peer understands FORWARD-TSN.
    partial: bool,
    next: u64,
    /// Every TSN up to here has arrived.
    acked: u64,
    /// What was sent since: the place of TSN `acked + 1 + i` is `i`.
    ring: VecDeque<Sent>,
    messages: Messages,
    streams: Streams<Stream>,
    scheduler: Scheduler,
    /// Acknowledged behind `acked`.
    sacked: Ranges,
    fresh: Vec<(u64, u64)>,
    loss: Loss,
    /// Bytes in flight as congestion control counts them, and as the peer's window does.
    flight: usize,
    outstanding: usize,
    peer_window: usize,
    /// Bytes of messages of which a part was sent, and up to how many further ones are begun: a peer cannot
    /// hand over any of them before it is whole, so together they must stay well below its window.
    begun: Begun,
    most_begun: usize,
    congestion: Congestion,
    pacer: Pacer,
    pub(crate) rtt: Rtt,
    /// Bytes given to `queue` and not acknowledged.
    held: usize,
    /// Up to here the peer may take everything as received (RFC 3758 §3.5).
    advanced: u64,
    forward_due: bool,
    forward_at: Instant,
    low: VecDeque<u16>,
    drained: VecDeque<u16>,
}

impl Sender {
    pub(crate) fn new(initial_tsn: u32, config: &crate::Config, now: Instant) -> Self {
        let next = (1 << 32) + u64::from(initial_tsn);
        Self {
            mtu: config.mtu,
            base: config.mtu,
            interleaving: false,
            partial: false,
            next,
            acked: next - 1,
            ring: VecDeque::new(),
            messages: Messages::default(),
            streams: Streams::new(),
            scheduler: Scheduler::default(),
            sacked: Ranges::default(),
            fresh: Vec::new(),
            loss: Loss::new(next),
            flight: 0,
            outstanding: 0,
            peer_window: 0,
            begun: Begun::default(),
            most_begun: 0,
            congestion: Congestion::new(config.mtu),
            pacer: Pacer::new(now),
            rtt: Rtt::new(config.rto_initial, config.rto_min, config.rto_max),
            held: 0,
            advanced: next - 1,
            forward_due: false,
            forward_at: Instant::ZERO,
            low: VecDeque::new(),
            drained: VecDeque::new(),
        }
    }

    /// What the peer said of itself is known.
    pub(crate) const fn established(&mut self, peer: &Init, interleaving: bool) {
        self.peer_window = peer.window as usize;
        self.most_begun = self.peer_window / 4;
        self.partial = peer.extensions.forward_tsn;
        self.interleaving = interleaving;
    }

    /// The largest packet.
    pub(crate) const fn mtu(&self) -> usize {
        self.mtu
    }

    /// The path carries packets of another size.
    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.congestion.resize(mtu);
        self.loss.hole.reset();
    }

    /// Whether large packets are lost, and nothing but size can be why.
    pub(crate) const fn is_in_black_hole(&self) -> bool {
        self.mtu > self.base && self.loss.hole.is_there()
    }

    /// Whether a probe of the path may go along: there is data for which it matters, none is known to be lost, and
    /// the window is no narrower than two such packets.
    pub(crate) fn can_spare(&self, bytes: usize) -> bool {
        !self.scheduler.is_empty() && self.loss.queue.is_empty() && self.congestion.window() >= 2 * bytes
    }

    /// A probe went along: it takes its turn at the bottleneck, and does not count as in flight, so that its loss is
    /// no sign of congestion (RFC 8899 §3).
    pub(crate) fn spare(&mut self, bytes: usize) {
        self.pacer.sent(bytes);
    }

    pub(crate) fn open(&mut self, stream: u16, priority: u16) {
        self.streams.insert(stream, Stream::new(priority));
    }

    /// Forgets a stream and what waits on it.
    pub(crate) fn close(&mut self, stream: u16) {
        let Some(mut gone) = self.streams.remove(stream) else { return };
        self.scheduler.remove(stream);
        for index in gone.queue.drain(..) {
            let message = self.messages.get_mut(index);
            self.held -= message.data.len() - message.sent;
            if message.sent > 0 {
                self.begun.end(message.data.len());
            }
            message.abandoned = true;
            if message.unacked == 0 {
                self.messages.remove(index);
            }
        }
    }

    /// Bytes given and not acknowledged.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn queue(&mut self, now: Instant, outgoing: Outgoing, counted: bool) {
        let id = outgoing.stream;
        let Some(stream) = self.streams.get_mut(id) else { return };
        let len = outgoing.data.len();
        self.held += len;
        if counted {
            stream.buffered += len;
            stream.was_above |= stream.buffered > stream.threshold;
        }
        stream.pending += 1;
        if stream.queue.is_empty() {
            self.scheduler.add(id, stream.pass);
        }
        stream.queue.push_back(self.messages.insert(Message::new(outgoing, now)));
    }

    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(stream).map_or(0, |s| s.buffered)
    }

    pub(crate) fn set_threshold(&mut self, stream: u16, threshold: usize) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.threshold = threshold;
            stream.was_above = stream.buffered > threshold;
        }
    }

    /// A stream whose buffered amount fell to its threshold.
    pub(crate) fn next_low(&mut self) -> Option<u16> {
        self.low.pop_front()
    }

    /// A stream of which everything was acknowledged or given up just now.
    pub(crate) fn next_drained(&mut self) -> Option<u16> {
        self.drained.pop_front()
    }

    pub(crate) fn is_drained(&self, stream: u16) -> bool {
        self.streams.get(stream).is_none_or(|s| s.pending == 0)
    }

    /// Whether nothing is queued and nothing is unacknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.ring.is_empty() && self.scheduler.is_empty()
    }

    /// The last TSN that arrived in line, and the next to be sent, for RE-CONFIG and SHUTDOWN.
    pub(crate) const fn acked(&self) -> u64 {
        self.acked
    }

    /// What the peer said it has room for.
    pub(crate) fn peer_window(&self) -> u32 {
        crate::num::u32_of(self.peer_window)
    }

    /// Bytes that may be in flight, for statistics.
    pub(crate) const fn window(&self) -> usize {
        self.congestion.window()
    }

    fn place(&self, tsn: u64) -> usize {
        usize::try_from(tsn - self.acked - 1).expect("the ring is in memory")
    }

    /// Takes `len` sent bytes off what is buffered on a stream.
    fn unbuffer(stream: &mut Stream, id: u16, protocol: u32, len: usize, low: &mut VecDeque<u16>) {
        if protocol == crate::dcep::protocol::DCEP {
            return;
        }
        stream.buffered = stream.buffered.saturating_sub(len);
        if stream.was_above && stream.buffered <= stream.threshold {
            stream.was_above = false;
            low.push_back(id);
        }
    }

    /// A message is over: acknowledged to its end, or given up.
    fn release(&mut self, index: u32) {
        let message = self.messages.remove(index);
        if let Some(stream) = self.streams.get_mut(message.stream) {
            stream.pending -= 1;
            if stream.pending == 0 {
                self.drained.push_back(message.stream);
            }
        }
    }
}

const _: () = assert!(std::mem::size_of::<Sent>() <= 32, "sixteen million bytes in flight stay cheap");

//! The handshake of DTLS inside of checks and their answers (draft-hancke-webrtc-sped), so that keys are found while a path
//! is.
//!
//! ```text
//! check:  ACK of what has come, one datagram of our flight    ->
//!         <-  answer: ACK of what has come, one datagram of theirs
//! ```
//!
//! The agent does not look into the datagrams; what arrives is worth as much as any datagram. A flight of several is sent
//! with one check: requests of their own carry the rest on the same pair, at once. They open no more NAT mappings, which
//! is what checks are paced for (RFC 8445 §B.1). Before a path has answered, all of it together stays within an allowance,
//! so that nobody is flooded on the word of a peer that names a victim as its candidate. As soon as a pair is selected, DTLS
//! goes there by itself; only acknowledgements still travel, until the handshake is complete.

use super::input::Path;
use super::output::Out;
use super::pair::{Purpose, Sent};
use super::{Agent, CheckedPair};
use crate::PairState;
use std::collections::VecDeque;
use stun::attribute::{DtlsInStun, DtlsInStunAck};
use stun::{Message, TransactionId, Writer};
use wire::{Instant, Short};

/// The longest datagram that fits a check of at most 1,200 bytes: with user names of 8 characters, what TURN adds, and room
/// to spare. Checks with longer names leave out what does not fit.
pub const MAX_EMBEDDED: usize = 1024;
/// The longest message with a datagram in it.
const MAX_MESSAGE: usize = 1200;
/// MESSAGE-INTEGRITY and FINGERPRINT.
const TRAILER: usize = 24 + 8;
/// Datagrams of one flight.
const MAX_PIECES: usize = 16;
/// Datagrams that one check sends along in requests of their own.
const MAX_ALONG: usize = 3;
/// Datagrams that wait for the driver.
const MAX_RECEIVED: usize = 16;
/// Bytes for paths that have not answered yet: at once, and in each second (RFC 8445 §B.1 has 14,600 bytes under way).
const ALLOWANCE: u64 = 14_600;

/// Whether DTLS travels in checks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Embedding {
    /// Not at all.
    Off,
    /// We have offered it: it begins when the peer's description or one of its checks says that it knows it.
    Offered,
    /// Both sides know it.
    On,
}

/// A datagram of our flight.
struct Piece {
    checksum: u32,
    bytes: Vec<u8>,
    /// Whether a message has carried it.
    sent: bool,
}

/// What there is of it while it is not off.
pub(super) struct Embedded {
    agreed: bool,
    /// The peer has shown that it knows it.
    heard: bool,
    /// The handshake is complete: late datagrams are still acknowledged.
    ended: bool,
    /// How many flights there were.
    flight: u32,
    pieces: Vec<Piece>,
    /// Whose turn it is.
    next: usize,
    /// What the peer is to hear of, the newest last.
    acks: Vec<[u8; 4]>,
    received: VecDeque<Vec<u8>>,
    /// What is left of the allowance, and since when.
    left: u64,
    since: Instant,
}

impl Embedded {
    fn new(now: Instant) -> Box<Self> {
        Box::new(Self {
            agreed: false,
            heard: false,
            ended: false,
            flight: 0,
            pieces: Vec::new(),
            next: 0,
            acks: Vec::new(),
            received: VecDeque::new(),
            left: ALLOWANCE,
            since: now,
        })
    }

    /// Notes that this datagram has come.
    fn acknowledge(&mut self, datagram: &[u8]) {
        let checksum = DtlsInStunAck::checksum(datagram).to_be_bytes();
        if !self.acks.contains(&checksum) {
            if self.acks.len() >= DtlsInStunAck::MAX {
                self.acks.remove(0);
            }
            self.acks.push(checksum);
        }
    }

    /// Whether messages have the attributes.
    fn speaks(&self) -> bool {
        (self.agreed || self.heard) && (!self.ended || !self.acks.is_empty())
    }

    /// Whether so many bytes may go to whoever has not answered yet.
    fn allows(&mut self, now: Instant, bytes: usize) -> bool {
        let elapsed = now.saturating_since(self.since).as_micros();
        let grown = u64::try_from(elapsed * u128::from(ALLOWANCE) / 1_000_000).unwrap_or(ALLOWANCE);
        if grown > 0 {
            self.left = self.left.saturating_add(grown).min(ALLOWANCE);
            self.since = now;
        }
        let enough = self.left.checked_sub(bytes as u64);
        self.left = enough.unwrap_or(self.left);
        enough.is_some()
    }

    fn turn(&self) -> Option<usize> {
        (!self.pieces.is_empty()).then(|| self.next % self.pieces.len())
    }
}

/// What one message is to carry.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    speaks: bool,
    piece: Option<usize>,
}

impl Load {
    /// Whether a datagram is meant to be in it.
    pub(super) const fn carries(self) -> bool {
        self.piece.is_some()
    }
}

impl Agent {
    /// Whether DTLS may travel in checks. What has begun is not begun anew.
    pub fn set_embedding(&mut self, now: Instant, embedding: Embedding) {
        match embedding {
            Embedding::Off => self.embedded = None,
            Embedding::Offered | Embedding::On => {
                let embedded = self.embedded.get_or_insert_with(|| Embedded::new(now));
                embedded.agreed |= embedding == Embedding::On;
            }
        }
    }

    /// Whether the handshake is to go into checks now: both sides know it, there is no path yet, and it has not ended.
    pub fn is_embedding(&self) -> bool {
        let wanted = |e: &Embedded| (e.agreed || e.heard) && !e.ended;
        self.selected.is_none() && !self.closed && self.embedded.as_deref().is_some_and(wanted)
    }

    /// Whether the peer has shown in its checks or answers that it knows DTLS in them.
    pub fn peer_embeds(&self) -> bool {
        self.embedded.as_deref().is_some_and(|embedded| embedded.heard)
    }

    /// Takes the datagrams of our newest flight, in place of those before: each is carried until the peer acknowledges it
    /// or a pair is selected. Those over [`MAX_EMBEDDED`] bytes or above 16 are left out: DTLS sends them again by itself.
    pub fn embed(&mut self, now: Instant, flight: impl IntoIterator<Item = Vec<u8>>) {
        let Some(embedded) = &mut self.embedded else { return };
        let fits = |bytes: &Vec<u8>| !bytes.is_empty() && bytes.len() <= MAX_EMBEDDED;
        let piece = |bytes: Vec<u8>| Piece { checksum: DtlsInStunAck::checksum(&bytes), bytes, sent: false };
        embedded.pieces = flight.into_iter().filter(fits).take(MAX_PIECES).map(piece).collect();
        embedded.next = 0;
        embedded.flight = embedded.flight.wrapping_add(1);
        // Where the peer has been heard, and our check is on its way already, nothing better will come soon.
        let generation = self.current.generation;
        let heard = |pair: &CheckedPair| {
            let written = pair.check.as_ref().is_some_and(|(sent, _)| sent.times > 0);
            pair.generation == generation
                && pair.state == PairState::InProgress
                && pair.last_request.is_some()
                && written
        };
        let best = self.pairs.iter().filter(|(_, pair)| heard(pair)).max_by_key(|(_, pair)| pair.priority);
        if let Some(id) = best.map(|(id, _)| *id) {
            self.send_along(now, id, None);
        }
    }

    /// Notes a datagram of the handshake that came by itself, so that the peer hears of it.
    pub fn acknowledge_embedded(&mut self, datagram: &[u8]) {
        if let Some(embedded) = self.embedded.as_deref_mut().filter(|e| (e.agreed || e.heard) && !e.ended) {
            embedded.acknowledge(datagram);
        }
    }

    /// The next datagram that a check or an answer of the peer has brought.
    pub fn poll_embedded(&mut self) -> Option<Vec<u8>> {
        self.embedded.as_deref_mut()?.received.pop_front()
    }

    /// The datagrams that no message has carried and nobody acknowledged: with a pair selected they go there.
    pub fn take_unsent(&mut self) -> Vec<Vec<u8>> {
        let pieces = self.embedded.as_deref_mut().map(|e| std::mem::take(&mut e.pieces)).unwrap_or_default();
        pieces.into_iter().filter(|piece| !piece.sent).map(|piece| piece.bytes).collect()
    }

    /// The handshake is complete and goes on by itself if it must.
    pub fn end_embedding(&mut self) {
        if let Some(embedded) = &mut self.embedded {
            embedded.ended = true;
            embedded.pieces = Vec::new();
        }
    }

    /// Takes what a message of the peer brings, whose integrity is proven.
    pub(super) fn take_embedded(&mut self, message: &Message<'_>) {
        let Some(embedded) = &mut self.embedded else { return };
        let data = message.get::<DtlsInStun<'_>>().ok().flatten();
        let acks = message.get::<DtlsInStunAck<'_>>().ok().flatten();
        embedded.heard |= data.is_some() || acks.is_some();
        for checksum in acks.into_iter().flat_map(DtlsInStunAck::checksums) {
            embedded.pieces.retain(|piece| piece.checksum != checksum);
        }
        let Some(DtlsInStun(datagram)) = data else { return };
        match datagram.first() {
            None => {}
            // RFC 7983 §7.
            Some(20..=63) if embedded.received.len() < MAX_RECEIVED => {
                embedded.acknowledge(datagram);
                embedded.received.push_back(datagram.to_vec());
                self.stats.embedded_received += 1;
            }
            Some(20..=63) => self.stats.dropped.full += 1,
            Some(_) => self.stats.dropped.malformed += 1,
        }
    }

    /// What a message on this path is to carry: the datagram with this checksum, or the one whose turn it is.
    pub(super) fn load(&mut self, now: Instant, path: Path, wanted: Option<u32>) -> Load {
        let free = self.selected.is_none();
        let Some(embedded) = self.embedded.as_deref_mut().filter(|embedded| embedded.speaks()) else {
            return Load::default();
        };
        if embedded.pieces.is_empty() {
            return Load { speaks: true, piece: None };
        }
        let proven = self.pairs.values().any(|pair| pair.is_valid() && pair.is_on(path));
        let turn = match wanted {
            Some(checksum) => embedded.pieces.iter().position(|piece| piece.checksum == checksum),
            None => embedded.turn(),
        };
        let piece = turn.filter(|at| {
            let len = embedded.pieces[*at].bytes.len();
            free && !embedded.ended && (proven || embedded.allows(now, len))
        });
        if let (Some(at), None) = (piece, wanted) {
            embedded.next = at + 1;
        }
        Load { speaks: true, piece }
    }

    /// Puts the attributes into a message, before its integrity. Whether a datagram is among them.
    pub(super) fn put_load(&self, w: &mut Writer<'_>, load: Load, buf: usize) -> Result<bool, Short> {
        let Some(embedded) = self.embedded.as_deref().filter(|_| load.speaks) else { return Ok(false) };
        w.put(&DtlsInStunAck::new(&embedded.acks))?;
        let Some(piece) = load.piece.and_then(|at| embedded.pieces.get(at)) else { return Ok(false) };
        let room = buf.min(MAX_MESSAGE).saturating_sub(w.len());
        if 4 + piece.bytes.len().next_multiple_of(4) + TRAILER > room {
            return Ok(false);
        }
        w.put(&DtlsInStun(&piece.bytes))?;
        Ok(true)
    }

    /// The message is written.
    pub(super) fn loaded(&mut self, load: Load, carries: bool) {
        let Some(embedded) = self.embedded.as_deref_mut().filter(|_| load.speaks) else { return };
        if embedded.ended {
            embedded.acks.clear();
        }
        if let Some(piece) = load.piece.filter(|_| carries).and_then(|at| embedded.pieces.get_mut(at)) {
            piece.sent = true;
            self.stats.embedded_sent += 1;
        }
    }

    /// A check of this pair carries one datagram: the rest of the flight goes with it, unless a check that was given up for
    /// a newer one has just taken it.
    pub(super) fn carry_along(&mut self, now: Instant, pair_id: u32, load: Load, again: bool) {
        let flight = self.embedded.as_deref().map(|embedded| embedded.flight);
        let carried = self.pairs.get(&pair_id).map(|pair| pair.carried);
        if again || flight != carried {
            self.send_along(now, pair_id, load.piece);
        }
    }

    fn send_along(&mut self, now: Instant, pair_id: u32, but: Option<usize>) {
        let role = self.role;
        let pieces =
            self.embedded.as_deref().filter(|_| self.selected.is_none()).map(|e| e.pieces.as_slice());
        let rest = pieces.unwrap_or_default().iter().enumerate().filter(|(at, _)| Some(*at) != but);
        let most = if but.is_some() { MAX_ALONG } else { MAX_ALONG + 1 };
        let rest: Vec<u32> = rest.map(|(_, piece)| piece.checksum).take(most).collect();
        if let (Some(pair), Some(embedded)) = (self.pairs.get_mut(&pair_id), &self.embedded) {
            pair.carried = embedded.flight;
        }
        for checksum in rest {
            let id = TransactionId(self.rng.array());
            let Some(pair) = self.pairs.get_mut(&pair_id) else { return };
            pair.keep(Sent { id, at: now, times: 0, role, nominate: None, purpose: Purpose::Carrier });
            self.push_out(Out::Carrier(pair_id, id, checksum));
        }
    }
}

//! What DTLS 1.3 does beside the handshake and after it: acknowledgements (RFC 9147 §7) and new keys (§8).

use wire::{Instant, Reader};

use crate::flight::Flight;
use crate::handshake::{Fault, Link};
use crate::machine::Dtls;
use crate::message::{KEY_UPDATE, NEW_SESSION_TICKET, end, vec16};
use crate::reassembly::Message;
use crate::record::{ACK, HANDSHAKE, Record, Sealer};
use crate::{Role, Stats};

/// Records of one epoch after which new keys are asked for: well below the 2^24.5 that RFC 9147 §4.5.3 allows.
const UPDATE_AFTER: u64 = 1 << 23;
/// Records that are acknowledged at once; more are acknowledged when the peer sends them again.
const MAX_PENDING: usize = 64;
/// Bytes of a record number in an ACK.
const NUMBER: usize = 16;
/// Retransmissions to a peer that should acknowledge and does not.
const MAX_ROUNDS: u32 = 12;

/// The state of both.
#[derive(Debug)]
pub(crate) struct PostHandshake {
    /// (epoch, sequence number) of records that the peer waits to hear of.
    pending: Vec<(u16, u64)>,
    due: bool,
    /// Whether our KeyUpdate is out.
    updating: bool,
    /// The sequence number at which new keys are asked for.
    update_at: u64,
}

impl Default for PostHandshake {
    fn default() -> Self {
        Self { pending: Vec::new(), due: false, updating: false, update_at: u64::MAX }
    }
}

impl PostHandshake {
    pub(crate) const fn update_at(&self) -> u64 {
        self.update_at
    }

    pub(crate) const fn connected(&mut self) {
        self.update_at = UPDATE_AFTER;
    }

    /// Notes a record with handshake messages, if it is one that has no other answer: the last flight of the
    /// client and what comes after the handshake.
    pub(crate) fn note(&mut self, role: Role, record: &Record) {
        let last_flight = role == Role::Server && record.epoch == 2;
        if (last_flight || record.epoch >= 3) && self.pending.len() < MAX_PENDING {
            self.pending.push((record.epoch, record.seq));
        }
    }

    /// The handshake is complete here, so what was noted is acknowledged.
    pub(crate) fn acknowledge(&mut self) {
        self.due = !self.pending.is_empty();
    }

    pub(crate) const fn is_due(&self) -> bool {
        self.due
    }

    /// Writes an ACK of all that is noted and fits; the length of its datagram.
    pub(crate) fn write(&mut self, link: &mut Link, buf: &mut [u8]) -> Option<usize> {
        self.due = false;
        let epoch = link.records.seal_data.as_ref()?.keys.epoch;
        let (start, overhead) = link.records.shape(epoch);
        let room = buf.len().min(link.config.mtu).checked_sub(overhead + 2)? / NUMBER;
        let count = self.pending.len().min(room);
        let len = 2 + count * NUMBER;
        let data = &mut buf[start..start + len];
        data[..2].copy_from_slice(&u16::try_from(count * NUMBER).ok()?.to_be_bytes());
        for (out, (epoch, seq)) in data[2..].chunks_exact_mut(NUMBER).zip(self.pending.drain(..count)) {
            out[..8].copy_from_slice(&u64::from(epoch).to_be_bytes());
            out[8..].copy_from_slice(&seq.to_be_bytes());
        }
        self.due = !self.pending.is_empty();
        link.records.seal(epoch, ACK, buf, len).map(|(_, len)| len)
    }

    /// Takes the body of an authentic ACK.
    pub(crate) fn on_ack(&mut self, link: &mut Link, stats: &mut Stats, data: &[u8]) {
        let mut r = Reader::new(data);
        let numbers = vec16(&mut r).and_then(|numbers| end(&r).map(|()| numbers));
        let Ok((numbers, [])) = numbers.map(|numbers| numbers.as_chunks::<NUMBER>()) else {
            stats.malformed += 1;
            return;
        };
        let mut complete = false;
        for number in numbers {
            let half = |at: usize| u64::from_be_bytes(*number[at..].first_chunk().expect("eight bytes"));
            complete |= link.flight.acknowledge(half(0), half(8));
        }
        if complete {
            link.flight = Flight::default();
            if std::mem::take(&mut self.updating) {
                self.switch(link);
            }
        }
    }

    /// The peer knows of our new keys: they are used from now on (RFC 9147 §8).
    fn switch(&mut self, link: &mut Link) {
        let epoch = link.records.seal_data.as_ref().and_then(|s| s.keys.epoch.checked_add(1));
        if let (Some(traffic), Some(epoch)) = (&mut link.traffic, epoch) {
            link.records.seal_data = Some(Sealer::new(traffic.next_seal(epoch)));
            self.update_at = UPDATE_AFTER;
        }
    }

    /// Says that new keys follow.
    pub(crate) fn update(&mut self, link: &mut Link) {
        self.update_at = u64::MAX;
        let Some(epoch) = link.records.seal_data.as_ref().map(|sealer| sealer.keys.epoch) else { return };
        if link.traffic.is_none() || self.updating {
            return;
        }
        self.updating = true;
        link.begin_flight(true);
        let raw = link.message(KEY_UPDATE, &[0]); // update_not_requested
        link.flight.push(HANDSHAKE, epoch, raw);
    }

    /// Takes a message that came after the handshake.
    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<(), Fault> {
        let (Some(traffic), Some(open)) = (&mut link.traffic, &link.records.open_data) else {
            return Err(Fault::Unexpected);
        };
        match (message.kind(), message.body()) {
            // We never resume: certificates cost little, and a ticket ties connections together.
            (NEW_SESSION_TICKET, _) if link.config.role == Role::Client => Ok(()),
            (KEY_UPDATE, [request @ 0..=1]) if message.epoch == open.keys.epoch => {
                let epoch = open.keys.epoch.checked_add(1).ok_or(Fault::Unexpected)?;
                let keys = traffic.next_open(epoch);
                link.records.update_open(keys);
                if *request == 1 {
                    self.update(link);
                }
                Ok(())
            }
            (KEY_UPDATE, _) => Err(Fault::Malformed),
            _ => Err(Fault::Unexpected),
        }
    }

    /// Gives up on a peer that does not acknowledge new keys. The last flight of the handshake is not sent again by
    /// itself any more, but still when the peer repeats its own: the path may have been dead for longer than that.
    pub(crate) fn handle_timeout(&mut self, flight: &mut Flight) {
        if flight.rounds() <= MAX_ROUNDS {
            return;
        }
        if std::mem::take(&mut self.updating) {
            *flight = Flight::default();
        } else {
            flight.rest();
        }
    }
}

impl Dtls {
    /// Takes new keys for what we send, in DTLS 1.3 (RFC 9147 §8); in DTLS 1.2 and before the connection it does
    /// nothing. It happens by itself before a key has sealed too much.
    pub fn update_keys(&mut self, _now: Instant) {
        if self.is_connected() {
            self.update_keys_now();
        }
    }
}

use std::collections::VecDeque;
use std::mem;

use wire::{Instant, Rng};

use crate::flight::Flight;
use crate::handshake::{Fault, Identity, Link, Negotiation, Offer, Progress, alert};
use crate::post_handshake::PostHandshake;
use crate::reassembly::{Message, Outcome, Reassembly};
use crate::record::{ACK, ALERT, APPLICATION_DATA, HANDSHAKE, Record};
use crate::records::Records;
use crate::{Closed, Config, Connected, Event, Fingerprint, Role, SealError, Stats};

const WARNING: u8 = 1;
const FATAL: u8 = 2;
/// How long a handshake goes on after an alert in the clear, which may be forged.
const AFTER_PLAIN_ALERT: std::time::Duration = std::time::Duration::from_secs(2);

/// One DTLS connection. The crate's documentation shows how to drive it.
#[derive(Debug)]
pub struct Dtls {
    link: Link,
    reassembly: Reassembly,
    state: State,
    /// When a handshake that is not complete is given up.
    deadline: Option<Instant>,
    /// Whether somebody else carries the handshake: see [`Dtls::hold`].
    held: bool,
    /// What the peer said in the clear.
    plain_alert: Option<u8>,
    /// An alert to be sent: its level and description.
    alert: Option<[u8; 2]>,
    post: PostHandshake,
    events: VecDeque<Event>,
    stats: Stats,
}

#[derive(Debug)]
enum State {
    Handshake(Box<Negotiation>),
    /// Complete, but no fingerprint of the peer has been set yet.
    Unproven(Box<Connected>),
    Open,
    Closed,
}

impl Dtls {
    /// A connection at its beginning. A client wants to send at once; a server waits.
    pub fn new(mut config: Config, seed: Rng, now: Instant) -> Self {
        config.mtu = config.mtu.clamp(256, 16_384);
        let role = config.role;
        let deadline = (role == Role::Client).then(|| now + config.handshake_timeout);
        let mut link = Link {
            config,
            rng: seed,
            records: Records::default(),
            flight: Flight::default(),
            next_message: 0,
            peer_certificate: Vec::new(),
            traffic: None,
        };
        let negotiation = match role {
            Role::Client => Negotiation::Offer(Offer::new(&mut link)),
            Role::Server => Negotiation::Listen,
        };
        Self {
            link,
            reassembly: Reassembly::default(),
            state: State::Handshake(Box::new(negotiation)),
            deadline,
            held: false,
            plain_alert: None,
            alert: None,
            post: PostHandshake::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Takes one datagram in which no application data is expected; any data in it is dropped.
    pub fn handle_input(&mut self, now: Instant, datagram: &mut [u8]) {
        self.open(now, datagram).for_each(drop);
    }

    /// Takes one datagram and yields the application data of each of its records, decrypted where it stands.
    /// Everything else is handled on the way, at the latest when what is returned is dropped.
    #[inline]
    pub fn open<'a>(&'a mut self, now: Instant, datagram: &'a mut [u8]) -> Opened<'a> {
        Opened { dtls: self, rest: datagram, now }
    }

    /// Where in the buffer for [`Dtls::seal`] the data begins: at most [`crate::MAX_HEADER_LEN`]. It does not
    /// change while connected.
    #[inline]
    pub fn header_len(&self) -> usize {
        self.link.records.seal_data.as_ref().map_or(crate::MAX_HEADER_LEN, |s| s.keys.header_len())
    }

    /// How much longer a record is than its data: at most [`crate::MAX_OVERHEAD`]. It does not change while
    /// connected, so that equal data makes equal records.
    #[inline]
    pub fn overhead(&self) -> usize {
        self.link.records.seal_data.as_ref().map_or(crate::MAX_OVERHEAD, |s| s.keys.overhead())
    }

    /// Makes one record, in place, of the `len` bytes of application data that stand at [`Dtls::header_len`] in
    /// `buf`, and returns its whole length: `len` + [`Dtls::overhead`]. The record begins at the start of `buf`.
    ///
    /// # Errors
    /// When not connected, when `buf` is too short or `len` over 16384, or when the sequence numbers are used up.
    #[inline]
    pub fn seal(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SealError> {
        if !matches!(self.state, State::Open) {
            return Err(SealError::NotConnected);
        }
        let sealer = self.link.records.seal_data.as_mut().ok_or(SealError::NotConnected)?;
        let exhausted = sealer.is_exhausted();
        let record = sealer.seal(APPLICATION_DATA, buf, len);
        self.stats.data_sent += u64::from(record.is_some());
        if sealer.seq >= self.post.update_at() {
            self.update_keys_now();
        }
        record.ok_or(if exhausted { SealError::Exhausted } else { SealError::Length })
    }

    /// Sets the fingerprints that the peer's certificate may have, one of which must match. Once the peer is
    /// proven this changes nothing.
    pub fn set_remote_fingerprints(&mut self, now: Instant, fingerprints: Vec<Fingerprint>) {
        if matches!(self.state, State::Open | State::Closed) {
            return;
        }
        self.link.config.remote_fingerprints = fingerprints;
        match self.link.identity() {
            Identity::Unknown => {}
            Identity::Wrong => self.fail(now, Fault::Fingerprint),
            Identity::Proven => {
                if let State::Unproven(connected) = &self.state {
                    let connected = connected.clone();
                    self.connect(connected);
                }
            }
        }
    }

    /// The peer's certificate in DER, once it has come.
    pub fn remote_certificate(&self) -> Option<&[u8]> {
        Some(&self.link.peer_certificate[..]).filter(|der| !der.is_empty())
    }

    /// Writes the next datagram of the handshake, or an alert; its length. `buf` should have room for
    /// [`Config::mtu`]: with less, datagrams are smaller, and below 128 bytes nothing may fit.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if self.link.flight.is_sending() {
            let link = &mut self.link;
            let len = link.flight.poll_transmit(now, &mut link.records, buf, link.config.mtu);
            if len > 0 {
                return Some(len);
            }
        }
        if self.post.is_due()
            && let Some(len) = self.post.write(&mut self.link, buf)
        {
            return Some(len);
        }
        self.alert.take().and_then(|alert| self.write_alert(alert, buf))
    }

    fn write_alert(&mut self, alert: [u8; 2], buf: &mut [u8]) -> Option<usize> {
        let records = &mut self.link.records;
        let sealers = [&records.seal_data, &records.seal_handshake];
        let epoch = sealers.into_iter().flatten().map(|s| s.keys.epoch).next().unwrap_or(0);
        let (start, _) = records.shape(epoch);
        buf.get_mut(start..start + 2)?.copy_from_slice(&alert);
        records.seal(epoch, ALERT, buf, 2).map(|(_, len)| len)
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Says whether somebody else carries the datagrams of the handshake and repeats them until they arrive, as checks of
    /// ICE do while there is no path (draft-hancke-webrtc-sped). Meanwhile nothing is due here: each datagram is
    /// written once, and the handshake takes as long as it takes. From then on, time runs as at the beginning. With `again`
    /// the flight that is under way is written anew, for what was written before reaches nobody.
    pub fn hold(&mut self, now: Instant, held: bool, again: bool) {
        self.held = held;
        self.link.flight.hold(now, held, again);
        if let (State::Handshake(_), Some(_)) = (&self.state, self.deadline) {
            let patience = self.plain_alert.map_or(self.link.config.handshake_timeout, |_| AFTER_PLAIN_ALERT);
            self.deadline = Some(now + patience);
        }
    }

    /// When [`Dtls::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.held {
            return None;
        }
        match (self.link.flight.due(), self.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.held {
            return;
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.end(Closed::Timeout(self.plain_alert), Some([FATAL, alert::USER_CANCELED]));
            return;
        }
        self.stats.retransmissions += u64::from(self.link.flight.handle_timeout(now));
        if !matches!(self.state, State::Handshake(_)) {
            self.post.handle_timeout(&mut self.link.flight);
        }
    }

    pub(crate) fn update_keys_now(&mut self) {
        self.post.update(&mut self.link);
    }

    /// Ends the connection and tells the peer (close_notify).
    pub fn close(&mut self, _now: Instant) {
        self.end(Closed::Local, Some([WARNING, alert::CLOSE_NOTIFY]));
    }

    /// Whether data may flow.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// What was counted since the beginning.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn on_record(&mut self, now: Instant, record: &Record, data: &[u8]) {
        match record.content {
            HANDSHAKE => self.on_handshake(now, record, data),
            ALERT => self.on_alert(now, record, data),
            ACK if record.epoch > 0 => self.post.on_ack(&mut self.link, &mut self.stats, data),
            // The epoch of a record says what ChangeCipherSpec would.
            _ => {}
        }
    }

    fn on_handshake(&mut self, now: Instant, record: &Record, mut data: &[u8]) {
        if record.epoch == 0 && !matches!(self.state, State::Handshake(_)) {
            self.stats.unexpected += 1; // anybody's: it would only take up room
            return;
        }
        let (mut repeated, mut taken) = (false, true);
        while !data.is_empty() {
            let (outcome, len) = self.reassembly.add(data, record.epoch);
            data = &data[len..];
            match outcome {
                Outcome::Kept => {}
                Outcome::Repeated => repeated = true,
                Outcome::Malformed => {
                    self.stats.malformed += 1;
                    taken = false;
                }
                Outcome::Refused => {
                    self.stats.unexpected += 1;
                    taken = false;
                }
            }
        }
        if taken && self.link.records.is_13() {
            self.post.note(self.link.config.role, record);
        }
        self.deadline = match self.state {
            State::Handshake(_) => self.deadline.or(Some(now + self.link.config.handshake_timeout)),
            _ => self.deadline,
        };
        while let Some(message) = self.reassembly.take() {
            if self.on_message(now, &message) {
                self.reassembly.accept();
            }
        }
        if !matches!(self.state, State::Handshake(_)) {
            self.post.acknowledge();
        }
        if repeated {
            let gap = self.link.config.retransmit_after;
            self.stats.retransmissions += u64::from(self.link.flight.peer_repeats(now, gap));
        }
    }

    /// Whether the message was the one awaited.
    fn on_message(&mut self, now: Instant, message: &Message) -> bool {
        let negotiation = match &mut self.state {
            State::Handshake(negotiation) => negotiation,
            State::Unproven(_) | State::Open if self.link.records.is_13() && message.epoch > 0 => {
                if let Err(fault) = self.post.on_message(&mut self.link, message) {
                    self.fail(now, fault);
                }
                return true;
            }
            // Renegotiation, which RFC 8842 leaves no room for.
            _ => {
                self.stats.unexpected += 1;
                return false;
            }
        };
        match negotiation.on_message(&mut self.link, message) {
            Ok(Progress::More) => {}
            Ok(Progress::Become(next)) => *negotiation = next,
            Ok(Progress::Done(connected)) => {
                self.deadline = None;
                self.link.records.rest_handshake();
                match self.link.identity() {
                    Identity::Proven => self.connect(connected),
                    Identity::Unknown => self.state = State::Unproven(connected),
                    Identity::Wrong => self.fail(now, Fault::Fingerprint),
                }
            }
            // In the clear anybody may have sent it: the true one may still come.
            Err(Fault::Malformed) if message.epoch == 0 => {
                self.stats.malformed += 1;
                return false;
            }
            Err(Fault::Unexpected) if message.epoch == 0 => {
                self.stats.unexpected += 1;
                return false;
            }
            Err(fault) => self.fail(now, fault),
        }
        true
    }

    fn connect(&mut self, connected: Box<Connected>) {
        self.state = State::Open;
        if self.link.traffic.is_some() {
            self.post.connected();
        }
        self.events.push_back(Event::Connected(connected));
    }

    fn on_alert(&mut self, now: Instant, record: &Record, data: &[u8]) {
        let &[level, description] = data else {
            self.stats.malformed += 1;
            return;
        };
        if record.epoch == 0 {
            // Anybody may have sent it, so it only shortens the wait.
            if let (State::Handshake(_), Some(deadline)) = (&self.state, self.deadline) {
                self.plain_alert = Some(description);
                self.deadline = Some(deadline.min(now + AFTER_PLAIN_ALERT));
            }
            return;
        }
        if description == alert::CLOSE_NOTIFY {
            self.end(Closed::Peer, Some([WARNING, alert::CLOSE_NOTIFY]));
        } else if level == FATAL {
            self.end(Closed::Alert(description), None);
        }
    }

    fn fail(&mut self, _now: Instant, fault: Fault) {
        let (alert, closed) = match fault {
            Fault::Malformed => {
                let alert = alert::DECODE_ERROR;
                (alert, Closed::Protocol { alert, what: "a message of the peer is malformed" })
            }
            Fault::Unexpected => {
                let alert = alert::UNEXPECTED_MESSAGE;
                (alert, Closed::Protocol { alert, what: "a message of the peer does not belong there" })
            }
            Fault::Fatal(alert, what) => (alert, Closed::Protocol { alert, what }),
            Fault::Fingerprint => (alert::BAD_CERTIFICATE, Closed::Fingerprint),
        };
        self.end(closed, Some([FATAL, alert]));
    }

    /// Everything is over, except that an alert may still go out.
    fn end(&mut self, closed: Closed, alert: Option<[u8; 2]>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.state = State::Closed;
        self.deadline = None;
        self.alert = alert;
        self.reassembly = Reassembly::default();
        self.post = PostHandshake::default();
        self.link.flight = Flight::default();
        self.events.push_back(Event::Closed(closed));
    }
}

/// The application data of one datagram, record by record: see [`Dtls::open`].
#[derive(Debug)]
pub struct Opened<'a> {
    dtls: &'a mut Dtls,
    rest: &'a mut [u8],
    now: Instant,
}

impl<'a> Iterator for Opened<'a> {
    type Item = &'a mut [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a mut [u8]> {
        let dtls = &mut *self.dtls;
        while !self.rest.is_empty() && !matches!(dtls.state, State::Closed) {
            let found = dtls.link.records.open(self.rest, &mut dtls.stats);
            let (head, tail) = mem::take(&mut self.rest).split_at_mut(found.len);
            self.rest = tail;
            let Some(record) = found.record else {
                if dtls.link.records.is_worn_out() {
                    dtls.end(Closed::Forgeries, None);
                }
                continue;
            };
            let data = &mut head[record.data.clone()];
            if record.content != APPLICATION_DATA {
                dtls.on_record(self.now, &record, data);
            } else if record.epoch > 0 && matches!(dtls.state, State::Open) {
                if !dtls.link.flight.is_empty() && !dtls.link.flight.awaits_answer() {
                    dtls.link.flight = Flight::default(); // the peer has all of it, or it could not send data
                }
                dtls.stats.data_received += 1;
                return Some(data);
            } else {
                dtls.stats.early_data += 1;
            }
        }
        None
    }
}

impl Drop for Opened<'_> {
    /// What was not looked at is handled all the same.
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

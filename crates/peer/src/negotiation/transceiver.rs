//! Transceivers (W3C WebRTC §5.4): what one wants to send and receive in one media section.

use super::codec::Codec;
use super::config::MediaKind;
use super::error::Misuse;
use sdp::Direction;
use wire::Rng;

/// Names a transceiver of one negotiation, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransceiverId(pub(super) u32);

/// How a transceiver begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransceiverInit {
    /// What is wanted.
    pub direction: Direction,
    /// The streams that what is sent belongs to, by identifier; what shares one is played in step.
    pub streams: Vec<String>,
    /// The names (`rid`) of the encodings to send side by side (RFC 8853), at most 8; none or one is no simulcast.
    pub send_rids: Vec<String>,
    /// The names of the encodings to receive side by side, at most 8. Only an offer of ours asks for them.
    pub receive_rids: Vec<String>,
}

impl Default for TransceiverInit {
    fn default() -> Self {
        Self {
            direction: Direction::SendRecv,
            streams: Vec::new(),
            send_rids: Vec::new(),
            receive_rids: Vec::new(),
        }
    }
}

/// The most encodings of one source.
pub(super) const MAX_ENCODINGS: usize = 8;
/// The most streams that one source belongs to.
const MAX_STREAMS: usize = 16;

/// One RTP stream that we send, and its retransmissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Its name if there are several.
    pub rid: Option<String>,
    /// Its source.
    pub ssrc: u32,
    /// The source of its retransmissions, if the negotiated codec has them.
    pub rtx_ssrc: u32,
}

/// What one wants to send and receive in one media section, and what has been agreed.
#[derive(Clone, Debug)]
pub struct Transceiver {
    pub(super) id: TransceiverId,
    pub(super) kind: MediaKind,
    pub(super) direction: Direction,
    pub(super) current_direction: Option<Direction>,
    pub(super) mid: Option<String>,
    /// `stop` has been called; the next description says so.
    pub(super) stopping: bool,
    pub(super) streams: Vec<String>,
    pub(super) track: String,
    pub(super) encodings: Vec<Encoding>,
    pub(super) receive_rids: Vec<String>,
    pub(super) preferences: Option<Vec<Codec>>,
    /// Something is there to be sent (W3C: the sender has a track).
    pub(super) has_track: bool,
    /// It has been sending once, and so `add_track` does not take it.
    pub(super) has_sent: bool,
    /// `add_track` made it, and so an offer of the other side may take it (RFC 8829 §5.10).
    pub(super) by_add_track: bool,
    /// The offer that is pending made it, and so a rollback takes it away.
    pub(super) by_pending_offer: bool,
    /// The other side has announced to send.
    pub(super) receiving: bool,
    /// The streams that what is received belongs to.
    pub(super) remote_streams: Vec<String>,
}

impl Transceiver {
    pub(super) fn new(id: TransceiverId, kind: MediaKind, init: TransceiverInit, rng: &mut Rng) -> Self {
        let mut rids: Vec<Option<String>> = match init.send_rids.len() {
            0 | 1 => vec![None],
            _ => init.send_rids.into_iter().map(Some).collect(),
        };
        Self {
            id,
            kind,
            direction: init.direction,
            current_direction: None,
            mid: None,
            stopping: false,
            streams: init.streams,
            track: word(rng, 24),
            encodings: rids.drain(..).map(|rid| Encoding::new(rid, rng)).collect(),
            receive_rids: init.receive_rids,
            preferences: None,
            has_track: init.direction.sends(),
            has_sent: false,
            by_add_track: false,
            by_pending_offer: false,
            receiving: false,
            remote_streams: Vec::new(),
        }
    }

    /// Its name for verbs.
    pub fn id(&self) -> TransceiverId {
        self.id
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// What is wanted; `inactive` once it is being stopped.
    pub fn direction(&self) -> Direction {
        if self.stopping { Direction::Inactive } else { self.direction }
    }

    /// What was agreed last; `None` before.
    pub fn current_direction(&self) -> Option<Direction> {
        self.current_direction
    }

    /// Its media section, once it has one.
    pub fn mid(&self) -> Option<&str> {
        self.mid.as_deref()
    }

    /// Whether it has been told to stop and the other side has not agreed yet.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// What is sent if it sends: more than one with names is simulcast.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// Whether the other side has announced to send here.
    pub fn is_receiving(&self) -> bool {
        self.receiving
    }
}

impl Encoding {
    pub(super) fn new(rid: Option<String>, rng: &mut Rng) -> Self {
        // Zero is kept free: some programs take it for "none".
        let mut ssrc = || u32::from_be_bytes(rng.array()).max(1);
        let (first, mut second) = (ssrc(), ssrc());
        while second == first {
            second = ssrc();
        }
        Self { rid, ssrc: first, rtx_ssrc: second }
    }
}

impl TransceiverInit {
    /// Refuses names that cannot stand in a description.
    pub(super) fn check(&self) -> Result<(), Misuse> {
        check_streams(&self.streams)?;
        for rids in [&self.send_rids, &self.receive_rids] {
            // RFC 8852 §3: letters and digits; 16 bytes fit the short form of the header extension.
            let fits =
                |rid: &str| (1..=16).contains(&rid.len()) && rid.bytes().all(|b| b.is_ascii_alphanumeric());
            let twice = |(at, rid): (usize, &String)| rids[..at].contains(rid);
            let wrong = rids.iter().enumerate().find(|(at, rid)| !fits(rid) || twice((*at, rid)));
            if let Some((_, rid)) = wrong.or(rids.iter().enumerate().nth(MAX_ENCODINGS)) {
                return Err(Misuse::Name(rid.clone()));
            }
        }
        Ok(())
    }
}

/// Stream identifiers are tokens of at most 64 characters (RFC 8830 §2), each once.
pub(super) fn check_streams(streams: &[String]) -> Result<(), Misuse> {
    let fits = |name: &str| {
        (1..=64).contains(&name.len()) && name != "-" && name.bytes().all(|b| matches!(b, b'!'..=b'~'))
    };
    let wrong = streams.iter().enumerate().find(|(at, name)| !fits(name) || streams[..*at].contains(name));
    match wrong.or(streams.iter().enumerate().nth(MAX_STREAMS)) {
        Some((_, name)) => Err(Misuse::Name(name.clone())),
        None => Ok(()),
    }
}

/// A random word of ice-chars without `+` and `/`, so that it fits everywhere: 5.9 bits a character.
pub(super) fn word(rng: &mut Rng, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| {
        let at = usize::try_from(rng.below(62)).expect("62 fits a usize");
        char::from(ALPHABET[at])
    };
    (0..length).map(letter).collect()
}

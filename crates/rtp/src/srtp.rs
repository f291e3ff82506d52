//! SRTP and SRTCP (RFC 3711, RFC 7714): packets are protected and unprotected in place, with keys derived
//! once and no allocation per packet.
//!
//! One master key serves one direction: [`Protect`] with our key, [`Unprotect`] with the peer's. Both keep, for
//! each synchronization source, the highest index and which of the last 1024 (RTCP: 128) were seen.
//!
//! The number of sources is bounded by [`Config::max_sources`]. A receiver makes state for a source only after a
//! packet of it was authentic, and when its table is full it forgets the source that was heard longest ago. A sender
//! never forgets one, because a source that came back with its counter at zero would repeat key stream: it
//! refuses new ones.
//!
//! Left out: master key identifiers, key derivation rates other than zero, null ciphers, unencrypted RTCP
//! (the E bit): WebRTC uses none of them (RFC 8827 §6.5).

mod cipher;
mod profile;
mod sources;
mod window;

pub use profile::Profile;

use crate::packet::Layout;
use cipher::{Cipher, Use};
use crypto::Secret;
use sources::Sources;
use window::Seen;

/// The highest index of RTP: a rollover counter of 32 bits before a sequence number.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
/// The highest index of RTCP.
const MAX_RTCP_INDEX: u64 = (1 << 31) - 1;

/// How much state a direction may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most synchronization sources, at least 1; each takes about 200 bytes once it is there.
    pub max_sources: usize,
}

impl Default for Config {
    /// 1024 sources.
    fn default() -> Self {
        Self { max_sources: 1024 }
    }
}

/// Why keys cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// The master key does not have [`Profile::key_len`] bytes.
    Key {
        /// How many it should have.
        expected: usize,
    },
    /// The master salt does not have [`Profile::salt_len`] bytes.
    Salt {
        /// How many it should have.
        expected: usize,
    },
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, expected) = match self {
            Self::Key { expected } => ("key", expected),
            Self::Salt { expected } => ("salt", expected),
        };
        write!(f, "the SRTP master {what} must have {expected} bytes for this profile")
    }
}

impl std::error::Error for KeyError {}

/// Why a packet of ours cannot be protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtectError {
    /// It is no RTP or RTCP packet, or its length lies outside the buffer.
    Malformed,
    /// The buffer has no room behind the packet for [`Profile::rtp_overhead`] or [`Profile::rtcp_overhead`].
    Short,
    /// A packet of this source with this sequence number was protected before, or may have been: it lies too far
    /// back to tell. Protecting it would repeat key stream.
    Repeated,
    /// The table of sources is full; see [`Config::max_sources`].
    TooManySources,
    /// All indices of this master key are used up: negotiate new keys (RFC 3711 §9.2).
    Exhausted,
}

impl std::fmt::Display for ProtectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "this is no RTP or RTCP packet: its header or its length is wrong",
            Self::Short => "the buffer has no room for the authentication tag behind the packet",
            Self::Repeated => "a packet with this sequence number was sent before; take the next number",
            Self::TooManySources => "too many synchronization sources; raise `max_sources`",
            Self::Exhausted => "the master key is used up; restart the DTLS session for new keys",
        })
    }
}

impl std::error::Error for ProtectError {}

/// Why a received packet is to be dropped. None of these is a reason to do more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// It is no protected packet.
    Malformed,
    /// It came before.
    Replayed,
    /// It lies further back than the replay window.
    TooOld,
    /// It was not made with the peer's key, or was changed on its way. Its bytes are now unspecified.
    Forged,
}

/// What happened in one direction; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packets that passed.
    pub packets: u64,
    /// Packets that were [`Rejected::Malformed`].
    pub malformed: u64,
    /// Packets that were [`Rejected::Replayed`].
    pub replayed: u64,
    /// Packets that were [`Rejected::TooOld`].
    pub too_old: u64,
    /// Packets that were [`Rejected::Forged`].
    pub forged: u64,
}

/// The session keys of one direction. They are derived with the first packet: many who are sent media send none.
struct Keys {
    profile: Profile,
    /// The master key, and the salt behind it.
    master: Secret,
    rtp: Option<Cipher>,
    rtcp: Option<Cipher>,
}

impl Keys {
    fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, KeyError> {
        if key.len() != profile.key_len() {
            return Err(KeyError::Key { expected: profile.key_len() });
        }
        if salt.len() != profile.salt_len() {
            return Err(KeyError::Salt { expected: profile.salt_len() });
        }
        Ok(Self { profile, master: Secret::of(&[key, salt]), rtp: None, rtcp: None })
    }

    #[inline]
    fn rtp(&mut self) -> &Cipher {
        let Self { profile, master, rtp, .. } = self;
        rtp.get_or_insert_with(|| derive(*profile, master, Use::Rtp))
    }

    #[inline]
    fn rtcp(&mut self) -> &Cipher {
        let Self { profile, master, rtcp, .. } = self;
        rtcp.get_or_insert_with(|| derive(*profile, master, Use::Rtcp))
    }
}

#[cold]
fn derive(profile: Profile, master: &[u8], what: Use) -> Cipher {
    let (key, salt) = master.split_at(profile.key_len());
    Cipher::new(profile, key, salt, what)
}

/// Protects what we send.
pub struct Protect {
    keys: Keys,
    sources: Sources,
}

impl Protect {
    /// Takes the keys of our direction.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8], config: &Config) -> Result<Self, KeyError> {
        Ok(Self { keys: Keys::new(profile, key, salt)?, sources: Sources::new(config.max_sources.max(1)) })
    }

    /// The profile in use.
    pub fn profile(&self) -> Profile {
        self.keys.profile
    }

    /// Reads what the next packet needs, in two passes of which the second finds its way by the first: see
    /// `peer::Peer::fetch`.
    #[inline]
    pub fn fetch(&self, pass: u8) -> u64 {
        self.sources.fetch(pass)
    }

    /// Protects the RTP packet in the first `len` bytes of `buf` and gives its new length. Packets of a source may
    /// come a little out of order, but each sequence number once.
    pub fn protect(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let header = Layout::of(packet).map_err(|_| ProtectError::Malformed)?.payload;
        if buf.len() - len < self.keys.profile.rtp_overhead() {
            return Err(ProtectError::Short);
        }
        let (sequence, ssrc) = rtp_ids(buf);
        let window = &mut self.sources.find_or_refuse(ssrc).ok_or(ProtectError::TooManySources)?.rtp;
        let index = guess_index(window.highest(), sequence);
        if index > MAX_RTP_INDEX {
            return Err(ProtectError::Exhausted);
        }
        if window.look(index) != Seen::New {
            return Err(ProtectError::Repeated);
        }
        window.take(index);
        Ok(self.keys.rtp().seal_rtp(buf, header, len, ssrc, index))
    }

    /// Protects the compound RTCP packet in the first `len` bytes of `buf` and gives its new length.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        let packet = buf.get(..len).ok_or(ProtectError::Malformed)?;
        let ssrc = rtcp_ssrc(packet).ok_or(ProtectError::Malformed)?;
        if buf.len() - len < self.keys.profile.rtcp_overhead() {
            return Err(ProtectError::Short);
        }
        let window = &mut self.sources.find_or_refuse(ssrc).ok_or(ProtectError::TooManySources)?.rtcp;
        // The first packet has index 1 here, as libsrtp counts: RFC 3711 §3.4 only wants them to follow.
        let index = window.highest().unwrap_or(0) + 1;
        if index > MAX_RTCP_INDEX {
            return Err(ProtectError::Exhausted);
        }
        window.take(index);
        let index = u32::try_from(index).expect("it is below 2^31");
        Ok(self.keys.rtcp().seal_rtcp(buf, len, ssrc, index))
    }
}

/// Checks and decrypts what we receive.
pub struct Unprotect {
    keys: Keys,
    sources: Sources,
    stats: Stats,
}

impl Unprotect {
    /// Takes the keys of the peer's direction.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8], config: &Config) -> Result<Self, KeyError> {
        Ok(Self {
            keys: Keys::new(profile, key, salt)?,
            sources: Sources::new(config.max_sources.max(1)),
            stats: Stats::default(),
        })
    }

    /// The profile in use.
    pub fn profile(&self) -> Profile {
        self.keys.profile
    }

    /// What was received until now.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many sources are remembered.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Checks and decrypts an RTP packet in place and gives the length of the plain packet at its beginning.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let result = self.open_rtp(packet);
        self.count(result)
    }

    /// Checks and decrypts a compound RTCP packet in place and gives its plain length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let result = self.open_rtcp(packet);
        self.count(result)
    }

    fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let header = Layout::of(packet).map_err(|_| Rejected::Malformed)?.payload;
        if packet.len() < header + self.keys.profile.rtp_overhead() {
            return Err(Rejected::Malformed);
        }
        let (sequence, ssrc) = rtp_ids(packet);
        let known = self.sources.find(ssrc).map(|source| &source.rtp);
        let index = guess_index(known.and_then(|window| window.highest()), sequence);
        if index > MAX_RTP_INDEX {
            return Err(Rejected::TooOld);
        }
        known.map_or(Ok(()), |window| fresh(window.look(index)))?;
        let len = self.keys.rtp().open_rtp(packet, header, ssrc, index).ok_or(Rejected::Forged)?;
        self.sources.find_or_replace(ssrc).rtp.take(index);
        Ok(len)
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let ssrc = rtcp_ssrc(packet).ok_or(Rejected::Malformed)?;
        let index = self.keys.rtcp().rtcp_index(packet).ok_or(Rejected::Malformed)?;
        let known = self.sources.find(ssrc).map(|source| &source.rtcp);
        known.map_or(Ok(()), |window| fresh(window.look(index.into())))?;
        let len = self.keys.rtcp().open_rtcp(packet, ssrc, index).ok_or(Rejected::Forged)?;
        self.sources.find_or_replace(ssrc).rtcp.take(index.into());
        Ok(len)
    }

    fn count(&mut self, result: Result<usize, Rejected>) -> Result<usize, Rejected> {
        let counter = match result {
            Ok(_) => &mut self.stats.packets,
            Err(Rejected::Malformed) => &mut self.stats.malformed,
            Err(Rejected::Replayed) => &mut self.stats.replayed,
            Err(Rejected::TooOld) => &mut self.stats.too_old,
            Err(Rejected::Forged) => &mut self.stats.forged,
        };
        *counter += 1;
        result
    }
}

impl std::fmt::Debug for Protect {
    /// Says nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protect").field("profile", &self.keys.profile).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unprotect {
    /// Says nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, stats, .. } = self;
        f.debug_struct("Unprotect")
            .field("profile", &keys.profile)
            .field("stats", stats)
            .finish_non_exhaustive()
    }
}

fn fresh(seen: Seen) -> Result<(), Rejected> {
    match seen {
        Seen::New => Ok(()),
        Seen::Repeated => Err(Rejected::Replayed),
        Seen::TooOld => Err(Rejected::TooOld),
    }
}

/// Sequence number and source of a packet whose header was checked.
fn rtp_ids(packet: &[u8]) -> (u16, u32) {
    let sequence = u16::from_be_bytes([packet[2], packet[3]]);
    (sequence, u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]))
}

/// The source that sent an RTCP packet; `None` when it is no RTCP packet.
fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let ssrc = packet.get(4..8)?;
    (packet[0] >> 6 == 2).then(|| u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]))
}

/// The index of a packet: the rollover counter that puts it closest to the highest index (RFC 3711 §3.3.1). A new
/// source begins at rollover counter 0. The result may exceed the highest allowed index by one round.
fn guess_index(highest: Option<u64>, sequence: u16) -> u64 {
    let sequence = u64::from(sequence);
    let Some(highest) = highest else { return sequence };
    let (round, last) = (highest >> 16, highest & 0xffff);
    let round = if last < 0x8000 && sequence > last + 0x8000 {
        // Before the first round there is none; the packet then counts as one of the first.
        round.saturating_sub(1)
    } else if last >= 0x8000 && sequence < last - 0x8000 {
        round + 1
    } else {
        round
    };
    round << 16 | sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_closest_one() {
        let at = |round: u64, sequence: u64| round << 16 | sequence;
        let cases = [
            (None, 0xffff, at(0, 0xffff)),
            (Some(at(0, 0xffff)), 0, at(1, 0)),
            (Some(at(1, 0)), 0xffff, at(0, 0xffff)),
            (Some(at(5, 0x7fff)), 0xffff, at(5, 0xffff)),
            (Some(at(5, 0x7ffe)), 0xffff, at(4, 0xffff)),
            (Some(at(5, 0x8000)), 0, at(5, 0)),
            (Some(at(5, 0x8001)), 0, at(6, 0)),
            (Some(at(0, 3)), 0xfff0, at(0, 0xfff0)),
        ];
        for (highest, sequence, expected) in cases {
            assert_eq!(guess_index(highest, sequence), expected, "{highest:?} {sequence:#x}");
        }
    }

    #[test]
    fn the_rollover_counter_ends() {
        let mut protect =
            Protect::new(Profile::AeadAes128Gcm, &[1; 16], &[2; 12], &Config::default()).unwrap();
        protect.sources.find_or_insert(0).rtp.take(MAX_RTP_INDEX);
        protect.sources.find_or_insert(0).rtcp.take(MAX_RTCP_INDEX);
        let mut buf = [0; 100];
        buf[0] = 0x80;
        assert_eq!(protect.protect(&mut buf, 12), Err(ProtectError::Exhausted));
        assert_eq!(protect.protect_rtcp(&mut buf, 12), Err(ProtectError::Exhausted));
    }
}

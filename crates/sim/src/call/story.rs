//! What a seed decides.

use std::time::Duration;

use wire::Rng;

use crate::{Nat, Weather};

/// Something that happens in the middle of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disaster {
    /// This side moves to another network: its address is gone, another one comes, behind a NAT of the same kind.
    Move(usize),
    /// The NAT of this side forgets everything.
    Forget(usize),
    /// The STUN and TURN server starts anew.
    RelayRestart,
    /// Nothing arrives anywhere for so many milliseconds.
    Silence(u64),
    /// This side asks for new ICE credentials.
    RestartIce(usize),
}

/// What a seed decides before the call begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// Where it comes from.
    pub seed: u64,
    /// What stands before each side.
    pub nats: [Nat; 2],
    /// The network until it calms down.
    pub weather: Weather,
    /// How long the signalling takes in one direction.
    pub signalling: Duration,
    /// Whether each side has an account at the relay; who needs one has.
    pub relays: [bool; 2],
    /// Whether each side puts the parameters of SCTP into its descriptions.
    pub sctp_in_sdp: [bool; 2],
    /// Whether each side takes the handshake of DTLS in checks.
    pub dtls_in_stun: [bool; 2],
    /// Whether each side shows pictures. If side 1 does, both make an offer at the same time.
    pub media: [bool; 2],
    /// Whether each side looks for what the path carries.
    pub probes_path: [bool; 2],
    /// Bytes of the longest IP packet that the paths between all of them carry: what is longer disappears, if it may not
    /// be cut.
    pub carried: usize,
    /// The same after the disasters, for the rest of the call.
    pub carried_later: usize,
    /// What goes wrong while the call is set up, and how long after its beginning.
    pub early: Option<(Duration, Disaster)>,
    /// What goes wrong, in this order.
    pub disasters: Vec<Disaster>,
}

impl Disaster {
    fn draw(pick: &mut impl FnMut(usize) -> usize) -> Self {
        match pick(6) {
            0 | 1 => Self::Move(pick(2)),
            2 => Self::Forget(pick(2)),
            3 => Self::RelayRestart,
            4 => Self::Silence(500 + pick(14_000) as u64),
            _ => Self::RestartIce(pick(2)),
        }
    }
}

impl Story {
    /// The story of this seed.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let mut pick = |bound: usize| usize::try_from(rng.below(bound as u64)).expect("a small number");
        let nats = [Nat::ALL[pick(6)], Nat::ALL[pick(6)]];
        let relays = match (nats[0].is_direct_with(nats[1]), nats.contains(&Nat::UdpBlocked)) {
            (true, _) => [pick(2) == 0, pick(2) == 0],
            // Without UDP only one's own relay is reached; otherwise one relay serves both, most of the time.
            (false, true) => nats.map(|nat| nat == Nat::UdpBlocked || pick(2) == 0),
            (false, false) => [true; 2],
        };
        let lossy = pick(3) > 0;
        let low = pick(60) as u64;
        let weather = Weather {
            loss: if lossy { pick(120) as u64 } else { 0 },
            duplication: pick(40) as u64,
            corruption: if lossy { pick(20) as u64 } else { 0 },
            min_delay: Duration::from_millis(1 + low),
            max_delay: Duration::from_millis(1 + low + pick(40) as u64),
        };
        let media = [pick(3) == 0, pick(5) == 0];
        let sctp_in_sdp = [pick(3) > 0, pick(3) > 0];
        let dtls_in_stun = [pick(3) > 0, pick(3) > 0];
        let signalling = Duration::from_millis(5 + pick(150) as u64);
        let early =
            (pick(3) == 0).then(|| (Duration::from_millis(pick(1500) as u64), Disaster::draw(&mut pick)));
        let count = if pick(2) == 0 { 0 } else { 1 + pick(3) };
        let disasters = (0..count).map(|_| Disaster::draw(&mut pick)).collect();
        let probes_path = [pick(4) > 0, pick(4) > 0];
        let carried = [1300, 1400, 1500, 9000][pick(4)];
        let carried_later = if pick(3) == 0 { 1300 } else { carried };
        Self {
            seed,
            nats,
            weather,
            signalling,
            relays,
            sctp_in_sdp,
            dtls_in_stun,
            media,
            probes_path,
            carried,
            carried_later,
            early,
            disasters,
        }
    }
}

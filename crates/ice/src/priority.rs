//! Priorities of candidates and pairs, and foundations (RFC 8445 §5.1.2, §6.1.2.3, §5.1.1.3).

use crate::{CandidateKind, Protocol, Role, TcpType};
use std::net::IpAddr;
use wire::Transport;

/// The priority of a candidate of component 1 (RFC 8445 §5.1.2.1).
pub(crate) const fn candidate(type_preference: u8, local_preference: u16) -> u32 {
    (type_preference as u32) << 24 | (local_preference as u32) << 8 | 255
}

/// The priority of a pair (RFC 8445 §6.1.2.3), where `local` is the priority of our candidate.
pub(crate) fn pair(role: Role, local: u32, remote: u32) -> u64 {
    let (controlling, controlled) = match role {
        Role::Controlling => (u64::from(local), u64::from(remote)),
        Role::Controlled => (u64::from(remote), u64::from(local)),
    };
    // A priority of 2^31 and above breaks RFC 8445 §5.1.2; a peer that has it gets the highest pair priority.
    (controlling.min(controlled) << 32)
        .saturating_add(2 * controlling.max(controlled) + u64::from(controlling > controlled))
}

/// The type preference (RFC 8445 §5.1.2.2). Streams come after datagrams (RFC 6544 §4.2), and of relays that
/// reached by UDP comes before that reached by TCP and that by TLS.
pub(crate) const fn type_preference(kind: CandidateKind, protocol: Protocol, via: Option<Transport>) -> u8 {
    match (kind, protocol, via) {
        (CandidateKind::Host, Protocol::Udp, _) => 126,
        (CandidateKind::PeerReflexive, Protocol::Udp, _) => 110,
        (CandidateKind::ServerReflexive, Protocol::Udp, _) => 100,
        (CandidateKind::Host, Protocol::Tcp, _) => 90,
        (CandidateKind::PeerReflexive, Protocol::Tcp, _) => 80,
        (CandidateKind::ServerReflexive, Protocol::Tcp, _) => 70,
        (CandidateKind::Relayed, _, Some(Transport::Udp) | None) => 2,
        (CandidateKind::Relayed, _, Some(Transport::Tcp)) => 1,
        (CandidateKind::Relayed, _, Some(Transport::Tls)) => 0,
    }
}

/// The local preference of the `position`-th address of its family: the families take turns, IPv6 first
/// (RFC 8421 §4), in the order in which the driver gives the addresses. A stream's direction takes the upper
/// three bits (RFC 6544 §4.2).
pub(crate) fn local_preference(ip: IpAddr, position: usize, tcp_type: Option<TcpType>) -> u16 {
    let turn = u16::try_from(position).unwrap_or(u16::MAX).min(0x7f) * 2 + u16::from(ip.is_ipv4());
    match tcp_type {
        None => u16::MAX - (turn << 8),
        Some(direction) => {
            let direction: u16 = match direction {
                TcpType::Active => 6,
                TcpType::Passive => 4,
                TcpType::SimultaneousOpen => 2,
            };
            direction << 13 | (0x1fff - (turn << 4))
        }
    }
}

/// What makes two candidates share a foundation: type, the address of the base, the server's address, the
/// transport protocol, and that to a relay's server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundationKey {
    pub(crate) kind: CandidateKind,
    pub(crate) base: IpAddr,
    pub(crate) server: Option<IpAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) via: Option<Transport>,
}

/// Foundations are handed out in order, so that they tell nothing of the addresses behind them. When there are
/// too many, the last number is shared: that costs speed, not correctness.
#[derive(Default)]
pub(crate) struct Foundations(Vec<FoundationKey>);

impl Foundations {
    const MAX: usize = 512;

    pub(crate) fn of(&mut self, key: FoundationKey) -> u32 {
        let at = self.0.iter().position(|known| *known == key).unwrap_or_else(|| {
            if self.0.len() < Self::MAX {
                self.0.push(key);
            }
            self.0.len() - 1
        });
        u32::try_from(at + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_priorities() {
        use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
        // RFC 8839 §5.1: the example candidates; RFC 8445 §5.1.2.1: 126 and 65535 give 2130706431.
        for (kind, preference, expected) in [
            (Host, 65_535, 2_130_706_431),
            (ServerReflexive, 65_535, 1_694_498_815),
            (PeerReflexive, 65_535, 1_862_270_975),
            (Relayed, 65_535, 2 << 24 | 0xff_ffff),
            (Host, 0, 126 << 24 | 255),
        ] {
            let preference_of_type = type_preference(kind, Protocol::Udp, None);
            assert_eq!(candidate(preference_of_type, preference), expected, "{kind:?}");
        }
    }

    #[test]
    fn pair_priorities_agree_on_both_sides() {
        // 2^32*MIN(G,D) + 2*MAX(G,D) + (G>D?1:0)
        for (g, d, expected) in [
            (1, 2, (1 << 32) + 4),
            (2, 1, (1 << 32) + 5),
            (7, 7, (7 << 32) + 14),
            (u32::MAX, u32::MAX, u64::MAX),
            (2_130_706_431, 1_694_498_815, (1_694_498_815 << 32) + 2 * 2_130_706_431 + 1),
        ] {
            assert_eq!(pair(Role::Controlling, g, d), expected);
            assert_eq!(pair(Role::Controlled, d, g), expected);
        }
    }

    #[test]
    fn families_take_turns_and_directions_come_first() {
        let v4: IpAddr = [192, 0, 2, 1].into();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let order = [(v6, 0), (v4, 0), (v6, 1), (v4, 1), (v4, 1000)];
        let preferences = order.map(|(ip, position)| local_preference(ip, position, None));
        assert!(preferences.is_sorted_by(|a, b| a > b), "{preferences:?}");
        let directions = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen];
        let preferences = directions.map(|d| local_preference(v4, 1000, Some(d)));
        assert!(preferences.is_sorted_by(|a, b| a > b), "{preferences:?}");
        assert_eq!(local_preference(v6, 0, Some(TcpType::Active)), 6 << 13 | 0x1fff);
    }

    #[test]
    fn foundations_are_shared_by_equals_only() {
        let mut foundations = Foundations::default();
        let key = FoundationKey {
            kind: CandidateKind::Host,
            base: [192, 0, 2, 1].into(),
            server: None,
            protocol: Protocol::Udp,
            via: None,
        };
        assert_eq!(foundations.of(key), 1);
        assert_eq!(foundations.of(FoundationKey { protocol: Protocol::Tcp, ..key }), 2);
        assert_eq!(foundations.of(FoundationKey { base: [192, 0, 2, 2].into(), ..key }), 3);
        assert_eq!(foundations.of(FoundationKey { server: Some([192, 0, 2, 9].into()), ..key }), 4);
        assert_eq!(foundations.of(key), 1);
    }
}

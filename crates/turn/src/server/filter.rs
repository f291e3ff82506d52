//! Who may be a peer. By default nobody who could only be reached because the server stands where it stands:
//! loopback, link-local, private networks, and the server itself (RFC 8656 §21.1.5, §21.4).

use crate::{Config, IpNet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) struct Filter {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Filter {
    pub(super) fn new(config: &Config) -> Self {
        let mut deny = config.deny.clone();
        deny.extend(config.own_ips.iter().copied().map(IpNet::single));
        deny.extend(config.relay_ips.iter().flat_map(|ip| [ip.bind, ip.advertise]).map(IpNet::single));
        deny.extend(config.alternate.iter().flat_map(|a| a.ips).map(IpNet::single));
        Self { allow: config.allow.clone(), deny }
    }

    /// Whether a peer may have this address. The allow list wins over everything.
    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        let listed = |list: &[IpNet], ip| list.iter().any(|net| net.contains(ip));
        if listed(&self.allow, ip) {
            return true;
        }
        !listed(&self.deny, ip) && is_public(ip) && inner(ip).is_none_or(|v4| !listed(&self.deny, v4.into()))
    }
}

/// Whether an address is one of the public Internet: none of this machine, its links, private networks or groups.
/// What an IPv6 address leads to in IPv4 must be public as well.
pub fn is_public(ip: IpAddr) -> bool {
    match (ip, inner(ip)) {
        (IpAddr::V4(ip), _) => is_public_v4(ip),
        (IpAddr::V6(ip), None) => is_public_v6(ip),
        (IpAddr::V6(_), Some(v4)) => is_public_v4(v4),
    }
}

fn inner(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => embedded(ip),
    }
}

/// The IPv4 address that packets to a 6to4 (RFC 3056) or NAT64 (RFC 6052) address end at.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    match (a, b, c, d, e, f) {
        (0x2002, _, _, _, _, _) => Some(from_segments(b, c)),
        (0x0064, 0xff9b, 0, 0, 0, 0) => Some(from_segments(g, h)),
        (_, _, _, _, _, _) => None,
    }
}

fn from_segments(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// The special-purpose registry of IPv4 (RFC 6890) without the documentation blocks, which lead nowhere.
const fn is_public_v4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        [0 | 10 | 127 | 224..=255, ..]  // this network, private, loopback, multicast, reserved and broadcast
            | [100, 64..=127, ..]       // shared address space (RFC 6598)
            | [169, 254, ..]            // link-local, where clouds keep their metadata services
            | [172, 16..=31, ..]        // private
            | [192, 168, ..]            // private
            | [192, 0, 0, _]            // protocol assignments
            | [192, 88, 99, _]          // 6to4 relays (RFC 7526)
            | [198, 18..=19, ..] // benchmarks
    )
}

/// Global unicast only: this leaves out unspecified, loopback, IPv4-mapped and -compatible addresses, unique
/// local, link-local, site-local and multicast. Teredo and ORCHID (2001::/23) are no hosts to relay to.
const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000 && !(a == 0x2001 && b < 0x0200)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RelayIp;

    #[test]
    fn peers() {
        let net = |text: &str| text.parse().expect("a block");
        let relay: IpAddr = [203, 0, 113, 1].into();
        let filter = Filter::new(&Config {
            allow: vec![net("10.1.0.0/16"), net("fd00::/64")],
            deny: vec![net("198.51.100.0/24")],
            own_ips: vec!["2001:db8::1".parse().expect("an address")],
            relay_ips: vec![RelayIp { bind: [192, 168, 0, 9].into(), advertise: relay }],
            ..Config::default()
        });
        let check = |ip: &str, expected| {
            assert_eq!(filter.allows(ip.parse().expect("an address")), expected, "{ip}");
        };
        for ip in ["8.8.8.8", "192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::2", "2a00::1"] {
            check(ip, true);
        }
        for ip in ["10.1.2.3", "fd00::5"] {
            check(ip, true); // the allow list
        }
        for ip in ["10.2.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "172.16.0.1", "192.168.1.1"] {
            check(ip, false);
        }
        for ip in ["100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.0.1"] {
            check(ip, false);
        }
        for ip in ["::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd01::1", "ff02::1", "64:ff9b:1::1"] {
            check(ip, false);
        }
        for ip in ["::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "2001::1"] {
            check(ip, false); // IPv4 in disguise
        }
        check("2002:808:808::1", true); // 6to4 of 8.8.8.8
        check("2002:7f00:1::1", false);
        check("2002:c0a8:101::1", false);
        check("64:ff9b::808:808", true); // NAT64 of 8.8.8.8
        check("64:ff9b::a01:203", false);
        check("64:ff9b::c633:6401", false); // of a denied one
        for ip in ["198.51.100.7", "203.0.113.1", "192.168.0.9", "2001:db8::1"] {
            check(ip, false); // the deny list and our own
        }
    }
}

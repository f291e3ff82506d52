use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a server allows and offers. `Default` has the values that RFC 8656 recommends; `None` means unlimited.
#[derive(Clone)]
pub struct Config {
    /// The realm of the long-term credentials (RFC 8489 §9.2), 1 to 127 bytes.
    pub realm: String,
    /// The SOFTWARE attribute of authenticated answers, at most 127 bytes; empty leaves it out.
    pub software: String,
    /// The secret of time-limited credentials, shared with whoever issues them: the user name is
    /// `expiry:name` with the expiry in Unix seconds, the password is base64(HMAC-SHA1(secret, user name)).
    pub secret: Option<Vec<u8>>,
    /// Users with a lasting password: (name, password).
    pub users: Vec<(String, String)>,
    /// Where relayed transport addresses may be; at most one per address family is used.
    pub relay_ips: Vec<RelayIp>,
    /// The ports of relayed transport addresses that belong to this machine alone (RFC 8656 §7.2 recommends
    /// the dynamic range). Another machine of the same program has another share.
    pub relay_ports: RangeInclusive<u16>,
    /// The relay ports of all machines of this program together; `None`: there is only this one. A peer
    /// address with a port of another share goes through the kernel.
    pub all_relay_ports: Option<RangeInclusive<u16>>,
    /// All addresses of this host. They may not be peers, relayed transport addresses excepted.
    pub own_ips: Vec<IpAddr>,
    /// Peers that are allowed although the default or `deny` refuses them.
    pub allow: Vec<IpNet>,
    /// UDP addresses of this host that are allowed although `own_ips` are not, each with its port and no other: services
    /// of the same program, at most a few.
    pub services: Vec<SocketAddr>,
    /// Peers that are refused beside the default: loopback, link-local, private, shared, multicast,
    /// unspecified, broadcast, reserved, and the IPv6 addresses that embed one of those.
    pub deny: Vec<IpNet>,
    /// Allocations at the same time, all users together.
    pub max_allocations: usize,
    /// Allocations at the same time per user (486 above).
    pub allocations_per_user: Option<u32>,
    /// Payload bytes per second and direction that a user may relay, all allocations together. A burst of
    /// one second's worth, at least 64 KiB, passes.
    pub bandwidth_per_user: Option<u64>,
    /// Permissions of one allocation (508 above).
    pub permissions_per_allocation: usize,
    /// Channels of one allocation (508 above).
    pub channels_per_allocation: usize,
    /// Peer connections of one TCP allocation (508 above).
    pub connections_per_allocation: usize,
    /// The lifetime an allocation gets that asks for none or for less (RFC 8656 §3.2: 600 s).
    pub default_lifetime: Duration,
    /// The longest lifetime an allocation gets (RFC 8656 §7.2: 3,600 s).
    pub max_lifetime: Duration,
    /// How long a permission lasts (RFC 8656 §9: 300 s).
    pub permission_lifetime: Duration,
    /// How long a channel binding lasts (RFC 8656 §12: 600 s).
    pub channel_lifetime: Duration,
    /// How long a reserved port waits for its taker (RFC 8656 §7.2: 30 s).
    pub reservation_lifetime: Duration,
    /// How long a peer connection waits for its ConnectionBind (RFC 6062 §5.4: 30 s).
    pub connection_lifetime: Duration,
    /// How long a nonce is accepted (RFC 8656 §5: at most one hour).
    pub nonce_lifetime: Duration,
    /// Answers per second to one unauthenticated address (IPv4 address or IPv6 /64), so that a forged source
    /// gains nothing. A burst of one second's worth passes.
    pub unauthenticated_rate: Option<u32>,
    /// Whether allocations may move to another client address (RFC 8016).
    pub mobility: bool,
    /// Whether TCP allocations are offered (RFC 6062).
    pub tcp_relay: bool,
    /// The addresses of NAT behaviour discovery (RFC 5780 §6); `None` leaves the usage out.
    pub alternate: Option<Alternate>,
}

/// One address that relayed transport addresses are opened on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayIp {
    /// The address sockets are bound to.
    pub bind: IpAddr,
    /// The address clients are told; another one behind a one-to-one NAT.
    pub advertise: IpAddr,
}

/// The four listening addresses of NAT behaviour discovery: two addresses of one family, each with the same
/// two UDP ports. The driver listens on all four, and sends from `Transmit::from`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alternate {
    /// The primary and the alternate address.
    pub ips: [IpAddr; 2],
    /// The primary and the alternate port.
    pub ports: [u16; 2],
}

/// A block of addresses, as in `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpNet {
    /// The first address of the block.
    pub address: IpAddr,
    /// How many leading bits are fixed: 0 to 32, or 0 to 128.
    pub prefix: u8,
}

/// What is wrong in a [`Config`], in words for the person who wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError(pub String);

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: "visavis".to_owned(),
            software: "visavis".to_owned(),
            secret: None,
            users: Vec::new(),
            relay_ips: Vec::new(),
            relay_ports: 49_152..=65_535,
            all_relay_ports: None,
            own_ips: Vec::new(),
            allow: Vec::new(),
            services: Vec::new(),
            deny: Vec::new(),
            max_allocations: 100_000,
            allocations_per_user: None,
            bandwidth_per_user: None,
            permissions_per_allocation: 256,
            channels_per_allocation: 256,
            connections_per_allocation: 64,
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            permission_lifetime: Duration::from_secs(300),
            channel_lifetime: Duration::from_secs(600),
            reservation_lifetime: Duration::from_secs(30),
            connection_lifetime: Duration::from_secs(30),
            nonce_lifetime: Duration::from_secs(3600),
            unauthenticated_rate: Some(1000),
            mobility: true,
            tcp_relay: true,
            alternate: None,
        }
    }
}

impl Config {
    /// Says what is wrong, where, and what would be right.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |text: String| Err(ConfigError(text));
        if !(1..=127).contains(&self.realm.len()) {
            return fail(format!("realm: has {} bytes, must have 1 to 127", self.realm.len()));
        }
        if self.software.len() > 127 {
            return fail(format!("software: has {} bytes, may have 127 at most", self.software.len()));
        }
        if self.secret.as_ref().is_some_and(Vec::is_empty) {
            return fail(
                "secret: is empty; give random bytes, or none to offer no time-limited credentials"
                    .to_owned(),
            );
        }
        for (name, _) in &self.users {
            if !(1..=508).contains(&name.len()) {
                return fail(format!("users: the name {name:?} must have 1 to 508 bytes"));
            }
        }
        for (i, ip) in self.relay_ips.iter().enumerate() {
            if ip.bind.is_ipv4() != ip.advertise.is_ipv4() {
                return fail(format!(
                    "relay_ips: {} and {} must be of the same family",
                    ip.bind, ip.advertise
                ));
            }
            if ip.advertise.is_unspecified() || ip.advertise.is_multicast() {
                return fail(format!(
                    "relay_ips: {} cannot be told to clients; give the address they can reach",
                    ip.advertise
                ));
            }
            if self.relay_ips[..i].iter().any(|other| other.bind.is_ipv4() == ip.bind.is_ipv4()) {
                return fail(format!(
                    "relay_ips: {} is a second address of its family; give one per family",
                    ip.bind
                ));
            }
        }
        self.validate_ranges()
    }

    fn validate_ranges(&self) -> Result<(), ConfigError> {
        let fail = |text: String| Err(ConfigError(text));
        let (first, last) = (*self.relay_ports.start(), *self.relay_ports.end());
        if first == 0 || first > last {
            return fail(format!(
                "relay_ports: {first}-{last} holds no port; give a range such as 49152-65535"
            ));
        }
        if let Some(all) = &self.all_relay_ports
            && (first < *all.start() || last > *all.end())
        {
            return fail(format!(
                "relay_ports: {first}-{last} is not within all_relay_ports {}-{}",
                all.start(),
                all.end()
            ));
        }
        for net in self.allow.iter().chain(&self.deny) {
            if net.prefix > IpNet::bits(net.address) {
                return fail(format!("allow or deny: {}/{} has too long a prefix", net.address, net.prefix));
            }
        }
        if self.default_lifetime > self.max_lifetime {
            return fail(format!(
                "default_lifetime: {:?} is above max_lifetime {:?}",
                self.default_lifetime, self.max_lifetime
            ));
        }
        if let Some(alternate) = &self.alternate {
            let [a, b] = alternate.ips;
            if a == b || a.is_ipv4() != b.is_ipv4() || alternate.ports[0] == alternate.ports[1] {
                return fail(
                    "alternate: needs two different addresses of one family and two different ports"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    /// The relay ports of all machines of this program.
    pub(crate) fn ports_of_all(&self) -> &RangeInclusive<u16> {
        self.all_relay_ports.as_ref().unwrap_or(&self.relay_ports)
    }
}

impl std::fmt::Debug for Config {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("realm", &self.realm)
            .field("secret", &self.secret.as_ref().map(|_| "…"))
            .field("users", &self.users.len())
            .field("relay_ips", &self.relay_ips)
            .field("relay_ports", &self.relay_ports)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Alternate {
    /// The listening address with the other address and the other port, and whether `local` is one of the four.
    pub(crate) fn other(&self, local: SocketAddr, change_ip: bool, change_port: bool) -> Option<SocketAddr> {
        let ip = self.ips.iter().position(|ip| *ip == local.ip())?;
        let port = self.ports.iter().position(|port| *port == local.port())?;
        Some(SocketAddr::new(
            self.ips[ip ^ usize::from(change_ip)],
            self.ports[port ^ usize::from(change_port)],
        ))
    }
}

impl IpNet {
    /// The block that holds `address` alone.
    pub const fn single(address: IpAddr) -> Self {
        Self { address, prefix: Self::bits(address) }
    }

    /// Whether `ip` lies in the block. Families never match each other.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32u32.saturating_sub(u32::from(self.prefix));
                (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128u32.saturating_sub(u32::from(self.prefix));
                (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    const fn bits(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }
}

impl std::str::FromStr for IpNet {
    type Err = ConfigError;

    /// Reads `10.0.0.0/8`, or an address alone.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError(format!(
                "{text:?} is no block of addresses; write for example 10.0.0.0/8 or fd00::/8"
            ))
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
            None => Self::bits(address),
        };
        if prefix > Self::bits(address) {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let check = |net: &str, ip: &str, expected| {
            let net: IpNet = net.parse().unwrap();
            assert_eq!(net.contains(ip.parse().unwrap()), expected, "{net:?} {ip}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("fc00::/7", "fdff::1", true);
        check("fc00::/7", "fe00::1", false);
        check("::/0", "2001:db8::1", true);
        assert!("10.0.0.0/33".parse::<IpNet>().is_err());
        assert!("ten".parse::<IpNet>().is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |change: fn(&mut Config), word: &str| {
            let mut config = Config::default();
            change(&mut config);
            let error = config.validate().expect_err(word).0;
            assert!(error.starts_with(word), "{error}");
        };
        assert_eq!(Config::default().validate(), Ok(()));
        check(|c| c.realm.clear(), "realm");
        check(|c| c.secret = Some(Vec::new()), "secret");
        check(|c| c.relay_ports = RangeInclusive::new(2, 1), "relay_ports");
        check(|c| c.all_relay_ports = Some(1..=2), "relay_ports");
        check(|c| c.default_lifetime = Duration::from_secs(7200), "default_lifetime");
        check(|c| c.deny = vec![IpNet { address: [10, 0, 0, 0].into(), prefix: 40 }], "allow or deny");
    }
}

//! The media plane as the configuration wants it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::addresses;
use crate::config::{Config, Net};
use crate::media::{ForwardConfig, MediaConfig, MediaPlane};
use crate::recording::Queue;

/// Bits per second to one member where there is no limit: no screen and no camera sends as much.
const MOST_BITRATE: u64 = 1_000_000_000;

/// Starts STUN, TURN and the forwarder of rooms at `stun`; members come over TCP to `https` as well.
///
/// # Errors
/// When the media plane cannot start; it says why.
pub(crate) fn start(
    config: &Config,
    secret: Vec<u8>,
    stun: SocketAddr,
    (https, recorder): (Option<SocketAddr>, Option<Arc<Queue>>),
) -> Result<MediaPlane> {
    let networks =
        |nets: &[Net]| nets.iter().map(|n| turn::IpNet { address: n.address, prefix: n.prefix }).collect();
    let relay_ips = relay_ips(config, stun);
    if relay_ips.is_empty() {
        tracing::warn!("this machine has no address to relay from: TURN will refuse allocations");
    }
    let own_ips: Vec<IpAddr> =
        addresses::all().into_iter().chain(config.external_ip.0.iter().copied()).collect();
    let turn = turn::Config {
        realm: config.public_host.0.clone().unwrap_or_else(|| "visavis".to_owned()),
        secret: Some(secret),
        relay_ips,
        relay_ports: config.relay_ports.first..=config.relay_ports.last,
        own_ips,
        allow: networks(&config.relay_allow.0),
        deny: networks(&config.relay_deny.0),
        max_allocations: config.allocations.as_usize(),
        allocations_per_user: config.allocations_per_user.0,
        bandwidth_per_user: config.bandwidth_per_user.0,
        ..turn::Config::default()
    };
    let threads = config.media_threads.0.and_then(|n| NonZeroUsize::new(n.into()));
    let forward = ForwardConfig {
        external: config.external_ip.0.clone(),
        own: addresses::reachable(),
        bitrate: config.conference_bandwidth.0.map_or(MOST_BITRATE, |bytes| 8 * bytes),
        people_per_thread: config.conference_thread.as_usize(),
        streams: [Some(stun), https].into_iter().flatten().collect(),
    };
    let forward = Some(forward);
    let media = MediaConfig { threads, listen: vec![stun], turn, forward, ..MediaConfig::default() };
    MediaPlane::start_recording(media, recorder).context("cannot start STUN and TURN")
}

/// One address for each family: the one STUN listens on, else the one that packets to the world leave from.
fn relay_ips(config: &Config, stun: SocketAddr) -> Vec<turn::RelayIp> {
    let mut relay_ips = Vec::new();
    for v4 in [true, false] {
        let listening = Some(stun.ip()).filter(|ip| ip.is_ipv4() == v4 && !ip.is_unspecified());
        // An IPv4 listener on one address says that only that one is to be used.
        let other_family = !stun.ip().is_unspecified() && stun.ip().is_ipv4() != v4;
        let Some(bind) = listening.or_else(|| if other_family { None } else { outward(v4) }) else {
            continue;
        };
        let external = config.external_ip.0.iter().find(|ip| ip.is_ipv4() == v4);
        relay_ips.push(turn::RelayIp { bind, advertise: external.copied().unwrap_or(bind) });
    }
    relay_ips
}

/// The address of this machine that packets to the world leave from; without a way to the world its first address.
fn outward(v4: bool) -> Option<IpAddr> {
    // No packet is sent: connecting a datagram socket only asks the routing table. The addresses are those of
    // documentation (RFC 5737, RFC 3849), which lead along the default route.
    let (any, far): (IpAddr, IpAddr) = if v4 {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(203, 0, 113, 1).into())
    } else {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    };
    let routed = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((far, 9))?;
        socket.local_addr()
    });
    let usable = |ip: &IpAddr| ip.is_ipv4() == v4 && !ip.is_unspecified() && !is_link_local(*ip);
    let routed = routed.ok().map(|a| a.ip()).filter(usable);
    routed.or_else(|| addresses::reachable().into_iter().find(usable)).or_else(|| {
        // A machine that is all alone still relays between its own programs.
        v4.then_some(Ipv4Addr::LOCALHOST.into())
    })
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

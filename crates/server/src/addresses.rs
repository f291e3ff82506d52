//! This machine's name and addresses.

use std::net::IpAddr;

/// Every address of every interface, without IPv6 link-local ones: those need a zone, which no URL can carry.
pub fn all() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list this machine's addresses");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> =
        interfaces.iter().map(|i| i.ip()).filter(|ip| !is_link_local(*ip)).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Those of [`all`] under which others can reach this machine, IPv4 first.
pub fn reachable() -> Vec<IpAddr> {
    all().into_iter().filter(|ip| !ip.is_loopback()).collect()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The machine's host name in lower case; `localhost` if it has none that could stand in a certificate.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let valid = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|l| {
            (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    if valid { name } else { "localhost".to_owned() }
}

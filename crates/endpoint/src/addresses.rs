use std::io;
use std::net::IpAddr;

/// The addresses of this machine that another one may reach: of all interfaces that are up, without link-local ones;
/// with the loopback only if there is nothing else.
pub(crate) fn of_this_machine() -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> =
        if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect();
    found.sort();
    found.dedup();
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let outside: Vec<IpAddr> = found.iter().copied().filter(usable).collect();
    if outside.is_empty() { Ok(found.into_iter().filter(IpAddr::is_loopback).collect()) } else { Ok(outside) }
}

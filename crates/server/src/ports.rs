//! Opening listening sockets, and saying who has a port that is taken.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use anyhow::Result;
use tokio::net::TcpListener;

use crate::config::{Key, Settings};

/// A listener on `address`, which `key` names.
///
/// # Errors
/// When it cannot be opened: the message says which port, which key sets it, and who has it.
pub(crate) async fn tcp(key: &str, address: SocketAddr, settings: &Settings) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| failure("TCP", key, address, settings, &e))
}

/// Sees whether `address` is free for datagrams. The media threads share their port, so that two servers of one
/// user would share it too without noticing.
///
/// # Errors
/// As [`tcp`].
pub(crate) fn udp_is_free(key: &str, address: SocketAddr, settings: &Settings) -> Result<()> {
    UdpSocket::bind(address).map(drop).map_err(|e| failure("UDP", key, address, settings, &e))
}

fn failure(
    transport: &str,
    key: &str,
    address: SocketAddr,
    settings: &Settings,
    error: &io::Error,
) -> anyhow::Error {
    let origin = settings.origin(key);
    let env = Key::named(key).map(Key::env).unwrap_or_default();
    let what = format!("cannot listen on {transport} {address} (key `{key}`, {origin})");
    let elsewhere = format!("choose another address with --{key} IP:PORT (or {env})");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(transport, address.port());
            let by = holder.map_or_else(|| "by another program".to_owned(), |h| format!("by {h}"));
            anyhow::anyhow!(
                "{what}: port {} is taken {by}. Stop that program, or {elsewhere}.",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "{what}: ports below {} need a privilege (for systemd, \
             AmbientCapabilities=CAP_NET_BIND_SERVICE). Grant it, or {elsewhere}.",
            unprivileged_start()
        ),
        io::ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("{what}: {} is not an address of this machine; {elsewhere}.", address.ip())
        }
        _ => anyhow::anyhow!("{what}: {error}; {elsewhere}."),
    }
}

fn unprivileged_start() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    text.trim().parse().unwrap_or(1024)
}

/// The process that has `port`, as `NAME (process ID)`, if `/proc` tells.
fn holder(transport: &str, port: u16) -> Option<String> {
    let tables = match transport {
        "UDP" => ["/proc/net/udp", "/proc/net/udp6"],
        _ => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let tables: Vec<String> = tables.iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
    let inodes: Vec<String> = tables
        .iter()
        .flat_map(|table| inodes(table, port, transport == "TCP"))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let name = process.file_name();
        let Some(id) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|f| fs::read_link(f.path()).ok());
        if links.any(|link| link.to_str().is_some_and(|l| inodes.iter().any(|i| i == l))) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", command.trim()));
        }
    }
    None
}

/// The inodes of the sockets in a table of `/proc/net` that are bound to `port`; of TCP only those that listen.
fn inodes(table: &str, port: u16, listening: bool) -> Vec<&str> {
    const LISTEN: &str = "0A";
    let wanted = format!("{port:04X}");
    let row = |line: &'_ str| -> Option<usize> {
        let mut fields = line.split_ascii_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let matches = local.rsplit_once(':').is_some_and(|(_, p)| p == wanted);
        (matches && (!listening || state == LISTEN)).then_some(9)
    };
    let lines = table.lines().skip(1);
    lines.filter_map(|line| line.split_ascii_whitespace().nth(row(line)?)).filter(|i| *i != "0").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_in_the_kernel_table() {
        let table =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000
   1: 0100007F:20FB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000";
        assert_eq!(inodes(table, 8443, true), ["4711"]);
        assert_eq!(inodes(table, 8443, false), ["4711", "4712"]);
        assert!(inodes(table, 80, false).is_empty());
    }
}

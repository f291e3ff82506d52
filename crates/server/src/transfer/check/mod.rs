//! `visavis check`: what the network between here and a server allows.

mod relay;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{ArgMatches, Command};
use serde::Serialize;
use stun::attribute::XorMappedAddress;
use stun::{Class, Message, Method, TransactionId, Writer};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout_at};
use wire::Transport;

use self::relay::Relay;
use super::command;
use crate::addresses;
use crate::client::secure::Connector;
use crate::client::servers::Url;
use crate::client::signalling::Signalling;
use crate::signal::protocol::IceServer;

/// How long one test may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long an answer over UDP may take before it is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// The server.
    server: String,
    /// Milliseconds for a connection, its TLS, and a welcome.
    signalling_ms: f64,
    /// This machine's addresses: the host candidates.
    addresses: Vec<IpAddr>,
    /// Our addresses as STUN servers see them: the server-reflexive candidates.
    reflexive: Vec<SocketAddr>,
    /// Whether UDP goes through.
    udp: bool,
    /// Milliseconds there and back over UDP.
    round_trip_ms: Option<f64>,
    /// Whether an address of this machine is seen from outside; `None` if nothing is known.
    behind_nat: Option<bool>,
    /// `same` or `differs`: whether two addresses or ports of the server see the same address of ours.
    mapping: Option<&'static str>,
    /// Each way to a relay.
    relays: Vec<RelayReport>,
    /// Bytes per second to ourselves through the relay, if it serves such an address.
    throughput: Option<f64>,
    /// Whether a call would work.
    works: bool,
}

#[derive(Debug, Serialize)]
struct RelayReport {
    transport: &'static str,
    server: String,
    /// The address that it gave: the relayed candidate.
    relayed: Option<SocketAddr>,
    /// Milliseconds until it was there.
    ms: Option<f64>,
    error: Option<String>,
}

/// `visavis check`.
pub(crate) fn command() -> Command {
    Command::new("check")
        .about("Says what the network between here and a server allows")
        .after_help("Ends with 0 if a call would work, else with 1.")
        .args(command::server())
}

/// Runs it.
pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    let report = Runtime::new().context("cannot start the runtime").and_then(|runtime| {
        let report = runtime.block_on(check(matches));
        runtime.shutdown_timeout(Duration::from_secs(1));
        report
    });
    match report {
        Ok(report) => {
            if matches.get_flag("json") {
                println!("{}", serde_json::to_string(&report).unwrap_or_default());
            } else {
                print!("{}", text(&report));
            }
            ExitCode::from(u8::from(!report.works))
        }
        Err(error) => {
            eprintln!("visavis: {error:#}");
            ExitCode::from(if command::is_usage(&error) { 2 } else { 1 })
        }
    }
}

async fn check(matches: &ArgMatches) -> Result<Report> {
    let (address, connector, _) = command::reach(matches, "")?;
    let started = Instant::now();
    let (signalling, welcome) = Signalling::open(&address, &connector, "visavis check", None, false).await?;
    let mut report = Report {
        server: address.to_string(),
        signalling_ms: milliseconds(started),
        addresses: addresses::reachable(),
        ..Report::default()
    };
    let mapped = ask_stun(&welcome.ice_servers, &mut report).await;
    ask_relays(&welcome.ice_servers, &connector, mapped, &mut report).await;
    report.works = report.udp || report.relays.iter().any(|relay| relay.relayed.is_some());
    signalling.close().await;
    Ok(report)
}

/// Asks each STUN and TURN server over UDP who we are, from one socket for each family. Gives the socket that got an
/// answer and what it is seen as.
async fn ask_stun(servers: &[IceServer], report: &mut Report) -> Option<(UdpSocket, SocketAddr)> {
    let mut targets = BTreeSet::new();
    for url in urls(servers).filter(|(url, _)| url.transport == Transport::Udp).map(|(url, _)| url) {
        targets.extend(url.resolve().await);
    }
    let mut found = None;
    for v4 in [true, false] {
        let family: Vec<SocketAddr> = targets.iter().copied().filter(|t| t.is_ipv4() == v4).collect();
        let Some(first) = family.first() else { continue };
        let Ok(socket) = udp(*first).await else { continue };
        let mut seen = BTreeSet::new();
        let mut answers = 0;
        for target in family {
            let Ok(mapped) = binding(&socket, target).await else { continue };
            report.udp = true;
            answers += 1;
            seen.insert(mapped);
            // The first answer may have waited for a route or for a sleeping processor.
            for _ in 0..3 {
                let started = Instant::now();
                if binding(&socket, target).await.is_ok() {
                    let ms = milliseconds(started);
                    report.round_trip_ms =
                        Some(report.round_trip_ms.map_or(ms, |before: f64| before.min(ms)));
                }
            }
        }
        if answers > 1 {
            note_mapping(report, seen.len() == 1);
        }
        report.reflexive.extend(&seen);
        if let (None, Some(mapped)) = (&found, seen.first()) {
            found = Some((socket, *mapped));
        }
    }
    if !report.reflexive.is_empty() {
        let own = addresses::all();
        report.behind_nat = Some(report.reflexive.iter().any(|mapped| !own.contains(&mapped.ip())));
    }
    found
}

fn note_mapping(report: &mut Report, same: bool) {
    if report.mapping != Some("differs") {
        report.mapping = Some(if same { "same" } else { "differs" });
    }
}

async fn ask_relays(
    servers: &[IceServer],
    connector: &Connector,
    mapped: Option<(UdpSocket, SocketAddr)>,
    report: &mut Report,
) {
    for (url, credentials) in urls(servers).filter(|(url, _)| url.turn) {
        let transport = match url.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        };
        let server = format!("{}:{}", url.host, url.port);
        let mut entry = RelayReport { transport, server, relayed: None, ms: None, error: None };
        let started = Instant::now();
        let deadline = started + PATIENCE;
        let allocated = match (url.resolve().await.first(), credentials) {
            (None, _) => Err(io::Error::other("nobody knows the name")),
            (_, None) => Err(io::Error::other("the server gave no credentials")),
            (Some(server), Some(credentials)) => {
                Relay::allocate(&url, *server, credentials, connector, deadline).await
            }
        };
        match allocated {
            Err(error) => entry.error = Some(error.to_string()),
            Ok(mut relay) => {
                (entry.relayed, entry.ms) = (Some(relay.relayed), Some(milliseconds(started)));
                if let (Some((socket, mapped)), None) = (&mapped, report.throughput)
                    && mapped.is_ipv4() == relay.relayed.is_ipv4()
                    && let Ok(Some((seen, rate))) = relay.burst(socket, mapped.ip(), deadline).await
                {
                    // The relayed address is another address or port of the server: a second opinion.
                    note_mapping(report, seen == *mapped);
                    report.throughput = (rate > 0.0).then_some(rate);
                }
                relay.close().await;
            }
        }
        report.relays.push(entry);
    }
}

/// Every URL with the credentials that belong to it.
fn urls(servers: &[IceServer]) -> impl Iterator<Item = (Url, Option<(&str, &str)>)> {
    servers.iter().flat_map(|server| {
        let credentials = server.username.as_deref().zip(server.credential.as_deref());
        server.urls.iter().filter_map(move |url| Some((Url::read(url)?, credentials)))
    })
}

/// A socket of the family of `target`.
async fn udp(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).await
}

/// Our address as this server sees it (RFC 8489 §2).
async fn binding(socket: &UdpSocket, server: SocketAddr) -> io::Result<SocketAddr> {
    let id = TransactionId(crypto::random());
    let mut request = [0; 64];
    let short = |_| io::Error::other("a request of 64 bytes");
    let mut writer = Writer::new(&mut request, Class::Request, Method::BINDING, id).map_err(short)?;
    writer.put_fingerprint().map_err(short)?;
    let len = writer.len();
    let mut answer = [0; 1_500];
    for _ in 0..4 {
        socket.send_to(&request[..len], server).await?;
        let deadline = Instant::now() + ASK_AGAIN;
        while let Ok(received) = timeout_at(deadline, socket.recv_from(&mut answer)).await {
            let (len, from) = received?;
            let Ok(message) = Message::parse(&answer[..len]) else { continue };
            if from == server
                && message.transaction_id() == id
                && let Ok(Some(XorMappedAddress(mapped))) = message.get()
            {
                return Ok(mapped);
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
}

/// The report for people.
fn text(report: &Report) -> String {
    let join = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut rows = vec![
        ("Server", format!("{} answers in {} ms", report.server, report.signalling_ms)),
        ("Our addresses", join(report.addresses.iter().map(ToString::to_string).collect())),
        ("Seen from outside as", join(report.reflexive.iter().map(ToString::to_string).collect())),
        (
            "UDP",
            match report.round_trip_ms {
                Some(ms) => format!("works, {ms} ms there and back"),
                None => "no answer".to_owned(),
            },
        ),
        (
            "NAT",
            match (report.behind_nat, report.mapping) {
                (None, _) => "unknown".to_owned(),
                (Some(false), _) => "none in between".to_owned(),
                (Some(true), Some("same")) => {
                    "one that direct calls pass: its mapping stays the same".to_owned()
                }
                (Some(true), Some(_)) => {
                    "one that is hard to pass: its mapping differs by destination".to_owned()
                }
                (Some(true), None) => "there is one; its mapping is not known".to_owned(),
            },
        ),
    ];
    for relay in &report.relays {
        let result = match (&relay.relayed, &relay.error) {
            (Some(relayed), _) => format!("{relayed}, {} ms", relay.ms.unwrap_or_default()),
            (None, error) => format!("no: {}", error.as_deref().unwrap_or("unknown")),
        };
        let name = match relay.transport {
            "udp" => "Relay over UDP",
            "tcp" => "Relay over TCP",
            _ => "Relay over TLS",
        };
        rows.push((name, result));
    }
    if report.relays.is_empty() {
        rows.push(("Relay", "the server offers none".to_owned()));
    }
    let throughput = report.throughput.map(|rate| format!("{:.1} Mbit/s through the relay", rate * 8e-6));
    rows.push(("Throughput", throughput.unwrap_or_else(|| "not measured".to_owned())));
    rows.push(("A call", if report.works { "would work" } else { "would not work" }.to_owned()));
    rows.iter().map(|(label, value)| format!("{label:<22}{value}\n")).collect()
}

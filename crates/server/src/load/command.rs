//! The command line of `visavis load`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::people::{MOST_SLOTS, Person, Town};
use super::plane::{Ask, Plane, Show};
use super::process::Process;
use super::report::Report;
use crate::client::address::Address;
use crate::client::output::Output;
use crate::join::feed::Shape;
use crate::transfer::command::{self as transfer, Usage, is_usage};

/// People at most: as many sessions as a server takes from one address.
const MOST_PEOPLE: usize = 1000;
/// The longest that it runs.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long people may take to sign off.
const SIGN_OFF: Duration = Duration::from_secs(5);

/// `visavis load`.
pub(crate) fn command() -> Command {
    let count = |name: &'static str, default: &'static str, help: &'static str| {
        let parser = value_parser!(u32).range(0..=1000);
        Arg::new(name).long(name).value_name("N").default_value(default).value_parser(parser).help(help)
    };
    Command::new("load")
        .about("Puts synthetic people into rooms of a server, and says what becomes of their pictures")
        .after_help(
            "Only for a server of your own: one that is not on this machine must be confirmed with \
             --yes-this-is-my-server. Ends with 0 when everybody came in and saw something, 1 if not, 2 when it was \
             called wrongly, 130 when it was interrupted; what is known then is printed.",
        )
        .arg(count("rooms", "1", "Rooms"))
        .arg(count("publishers", "2", "People in each room who show a picture, and see the others'"))
        .arg(count("receivers", "3", "People in each room who only see"))
        .arg(count("ramp", "20", "People who come each second"))
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .default_value("30s")
                .value_parser(crate::join::command::read_time)
                .help("How long it runs once everybody has been sent: 30s, 5m; an hour at most"),
        )
        .arg(
            Arg::new("pattern")
                .long("pattern")
                .value_name("WxH@FPS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("640x360@30")
                .value_parser(|text: &str| text.parse::<Shape>())
                .conflicts_with("synthetic")
                .help("Show real pictures, which take time to encode here"),
        )
        .arg(
            Arg::new("synthetic")
                .long("synthetic")
                .action(ArgAction::SetTrue)
                .help("Show bytes that nobody decodes, 30 pictures per second [default]"),
        )
        .arg(
            Arg::new("bitrate")
                .long("bitrate")
                .value_name("KBIT/S")
                .value_parser(value_parser!(u32).range(50..=20_000))
                .help("Of each publisher [default: 500]"),
        )
        .arg(
            Arg::new("confirmed")
                .long("yes-this-is-my-server")
                .action(ArgAction::SetTrue)
                .help("The server is on another machine, and yours"),
        )
        .args(transfer::server())
}

/// Runs it.
pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    let mut output = Output::new(matches.get_flag("json"));
    let report = Runtime::new().context("cannot start the runtime").and_then(|runtime| {
        let report = runtime.block_on(load(matches, &mut output));
        runtime.shutdown_timeout(Duration::from_secs(1));
        report
    });
    match report {
        Ok(report) => {
            output.say("report", json!(report), &report.text());
            match (report.interrupted, report.is_good()) {
                (true, _) => ExitCode::from(130),
                (false, true) => ExitCode::SUCCESS,
                (false, false) => ExitCode::from(1),
            }
        }
        Err(error) => {
            output.say("failed", json!({ "error": format!("{error:#}") }), "");
            eprintln!("visavis: {error:#}");
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

struct Size {
    rooms: usize,
    publishers: usize,
    people: usize,
}

fn size(matches: &ArgMatches) -> Result<Size> {
    let count = |name: &str| {
        let count = matches.get_one::<u32>(name).copied().unwrap_or(0);
        usize::try_from(count).unwrap_or(usize::MAX)
    };
    let (rooms, publishers) = (count("rooms"), count("publishers"));
    let people = publishers + count("receivers");
    let wrong = if rooms == 0 || publishers == 0 {
        "there must be a room and a publisher at least".to_owned()
    } else if people < 3 {
        "a room must have three people at least: two talk straight to each other, and the server has nothing to do".to_owned()
    } else if rooms * people > MOST_PEOPLE {
        format!("{} people are too many: {MOST_PEOPLE} at most come from one machine", rooms * people)
    } else if publishers > MOST_SLOTS {
        format!("{publishers} publishers in a room are too many: {MOST_SLOTS} at most are seen here")
    } else {
        return Ok(Size { rooms, publishers, people });
    };
    Err(Usage(wrong).into())
}

fn is_loopback(address: &Address) -> bool {
    address.host == "localhost" || address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn load(matches: &ArgMatches, output: &mut Output) -> Result<Report> {
    let size = size(matches)?;
    let (address, connector, _) = transfer::reach(matches, "")?;
    let local = is_loopback(&address);
    if !local && !matches.get_flag("confirmed") {
        let text = format!(
            "{address} is on another machine; a load may keep others from talking. If it is yours, say \
             --yes-this-is-my-server"
        );
        return Err(Usage(text).into());
    }
    let time = matches.get_one::<Duration>("for").copied().unwrap_or(LONGEST).min(LONGEST);
    let rate = matches.get_one::<u32>("bitrate").map(|kilobits| kilobits * 1000);
    let show = match matches.get_one::<Shape>("pattern") {
        Some(shape) => Show::Pattern { shape: *shape, rate },
        None => Show::Synthetic { rate: rate.unwrap_or(500_000), pace: 30 },
    };
    let own = own_address(&address).await?;
    let (asks, asked) = mpsc::channel();
    let plane = Plane::new(size.rooms, &show, own, asked)?;
    let waker = plane.waker();
    let process = local.then(|| Process::listening_at(address.port)).flatten();
    let before = process.and_then(Process::cpu);
    let prefix = format!("load-{:08x}", u32::from_be_bytes(crypto::random())).into();
    let (end, over) = watch::channel(false);
    let thread = std::thread::Builder::new().name("load".into()).spawn(|| plane.run())?;
    let town = Town { address, connector, prefix, asks, waker, publishers: size.publishers, over };
    let text = format!("{} rooms with {} people each come to {}", size.rooms, size.people, town.address);
    output.say("begun", json!({ "rooms": size.rooms, "people": size.people }), &text);

    let begun = Instant::now();
    let ramp = matches.get_one::<u32>("ramp").copied().unwrap_or(20).max(1);
    let mut people = JoinSet::new();
    let (interrupted, errors) = fill(&town, &size, ramp, time, &mut people).await;
    let seconds = begun.elapsed();
    let cpu = process.and_then(Process::cpu).zip(before).map(|(after, before)| after.saturating_sub(before));
    // It is counted while everybody is there; then they sign off.
    let _ = town.asks.send(Ask::End);
    town.waker.wake();
    let rooms = tokio::task::spawn_blocking(|| thread.join()).await?;
    let rooms = rooms.map_err(|_| anyhow::anyhow!("the thread of the people has failed"))?;
    let _ = end.send(true);
    let _ = timeout(SIGN_OFF, async { while people.join_next().await.is_some() {} }).await;
    let mut report = Report::new(seconds, &rooms, cpu, errors.into_iter().collect());
    report.interrupted = interrupted;
    Ok(report)
}

/// Sends people in, and waits for the end. Whether somebody pressed Ctrl-C, and what went wrong.
async fn fill(
    town: &Town,
    size: &Size,
    ramp: u32,
    time: Duration,
    people: &mut JoinSet<Result<()>>,
) -> (bool, BTreeSet<String>) {
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut errors = BTreeSet::new();
    let begun = Instant::now();
    // One in each room, then the next: all rooms fill at once.
    let mut coming = (0..size.people)
        .flat_map(|number| (0..size.rooms).map(move |room| (room, number)))
        .enumerate()
        .peekable();
    let mut end = None;
    loop {
        let next = match coming.peek() {
            Some((at, _)) => begun + Duration::from_secs(1) * u32::try_from(*at).unwrap_or(u32::MAX) / ramp,
            None => *end.get_or_insert_with(|| Instant::now() + time),
        };
        tokio::select! {
            _ = &mut interrupt => return (true, errors),
            () = sleep_until(next) => match coming.next() {
                Some((_, (room, number))) => {
                    people.spawn(Person::live(town.clone(), room, number));
                }
                None => return (false, errors),
            },
            Some(ended) = people.join_next(), if !people.is_empty() => {
                let error = match ended {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => format!("{error:#}"),
                    Err(error) => error.to_string(),
                };
                if errors.len() < 10 {
                    errors.insert(error);
                }
            }
        }
    }
}

/// The address of this machine that the server sees.
async fn own_address(server: &Address) -> Result<IpAddr> {
    let unknown = || format!("nobody knows the name {}", server.host);
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await.with_context(unknown)?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(|address| !address.is_ipv4());
    let to = found.first().with_context(unknown)?;
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    // Nothing is sent: the system says which address it would use.
    socket.connect(to).with_context(|| format!("no way to {to}"))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (arguments, said) in [
            (&["--rooms", "0"][..], "a room and a publisher"),
            (&["--publishers", "1", "--receivers", "1"], "three people"),
            (&["--rooms", "500", "--receivers", "10"], "1000 at most"),
            (&["--publishers", "21"], "20 at most"),
        ] {
            let matches = command().try_get_matches_from([&["load"], arguments].concat()).unwrap();
            let error = size(&matches).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
        for (url, wanted) in [
            ("http://localhost:8080", true),
            ("http://127.0.0.9", true),
            ("http://[::1]", true),
            ("https://call.example", false),
        ] {
            assert_eq!(is_loopback(&Address::read(url).unwrap().0), wanted, "{url}");
        }
    }
}

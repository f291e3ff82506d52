//! A negotiator behind standard input and output, for tests against browsers and other stacks.
//!
//! One command a line: `audio`, `video`, `simulcast`, `data`, `stop MID`, `restart`; `offer` and `answer` write the
//! local description; `take offer` and `take answer` read one. Descriptions end with a line of one dot. Every command
//! is answered, by `ok`, by an error, or by a description.

use peer::negotiation::*;
use std::io::{BufRead, Lines, StdinLock, Write};
use wire::Rng;

const FINGERPRINT: &str = "sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:\
                           33:E8:70:88:A2";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let config =
        Config { fingerprints: vec![FINGERPRINT.to_owned()], receive_simulcast: true, ..Config::default() };
    let mut negotiator = Negotiator::new(config, Rng::from_number(seed))?;
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = lines.next().transpose()? {
        let said = match obey(&mut negotiator, &line, &mut lines) {
            Ok(said) => said,
            Err(error) => format!("error: {error}"),
        };
        println!("{said}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn obey(
    negotiator: &mut Negotiator,
    line: &str,
    lines: &mut Lines<StdinLock<'_>>,
) -> Result<String, Box<dyn std::error::Error>> {
    let init = |rids: &[&str]| TransceiverInit {
        streams: vec!["stream".to_owned()],
        send_rids: rids.iter().map(|&rid| rid.to_owned()).collect(),
        ..TransceiverInit::default()
    };
    match line.split_once(' ').unwrap_or((line, "")) {
        ("audio", _) => drop(negotiator.add_transceiver(MediaKind::Audio, init(&[]))?),
        ("video", _) => drop(negotiator.add_transceiver(MediaKind::Video, init(&[]))?),
        ("simulcast", _) => drop(negotiator.add_transceiver(MediaKind::Video, init(&["h", "m", "l"]))?),
        ("data", _) => negotiator.use_data_channels()?,
        ("restart", _) => negotiator.restart_ice()?,
        ("stop", mid) => {
            let id = negotiator.transceiver_by_mid(mid).ok_or("no such section")?.id();
            negotiator.stop(id)?;
        }
        ("offer" | "answer", _) => {
            negotiator.set_local_description(None)?;
            let description = negotiator.local_description().ok_or("no description")?;
            return Ok(description.sdp + ".");
        }
        ("take", kind) => {
            let kind = if kind == "offer" { SdpType::Offer } else { SdpType::Answer };
            let text = lines.map_while(Result::ok).take_while(|line| line != ".");
            let sdp = text.map(|line| line + "\r\n").collect();
            negotiator.set_remote_description(&Description { kind, sdp })?;
            // To send what is asked for as well: every transceiver goes both ways.
            let ids: Vec<_> =
                negotiator.transceivers().iter().filter(|t| !t.is_stopping()).map(Transceiver::id).collect();
            if kind == SdpType::Offer {
                for id in ids {
                    negotiator.set_direction(id, Direction::SendRecv)?;
                }
            }
        }
        ("agreed", _) => return Ok(agreed(&negotiator.negotiated())),
        _ => return Err("no such command".into()),
    }
    Ok("ok".to_owned())
}

/// `MID DIRECTION CODEC RID,RID …` of every section, and of the data channels `MID data SIZE`.
fn agreed(negotiated: &Negotiated) -> String {
    let mut parts: Vec<String> = Vec::new();
    for transceiver in &negotiated.transceivers {
        let sent = transceiver.encodings.iter().filter_map(|encoding| encoding.rid.as_deref());
        let rids: Vec<&str> = sent.chain(transceiver.receive_rids.iter().map(String::as_str)).collect();
        let codec = transceiver.send_codecs.first().map_or("none", |codec| codec.name.as_str());
        parts.push(format!("{} {} {codec} {}", transceiver.mid, transceiver.direction, rids.join(",")));
    }
    parts.extend(negotiated.data.iter().map(|data| {
        format!(
            "{} data {}",
            data.mid,
            data.max_message_size.map_or("any".to_owned(), |size| size.to_string())
        )
    }));
    parts.join(";")
}

//! Raw bytes as a course of events at the rendezvous, for the fuzzer and for the replay of its corpus.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use wire::Instant;

use super::bus::{Command, Event, Identity, Request, SocketId};
use super::doors::{DoorCommand, DoorId, Glance, Purpose};
use super::forwarding::{LegKey, MediaEvent, RoomKey, Source};
use super::protocol::{CallId, ClientFrame, ClientMessage, Person, ServerMessage};
use super::rendezvous::{Config, Rendezvous};

/// Reads one line as one step: the first byte says at which of 16 sockets, the second what happens there, and the
/// rest is a text frame.
///
/// `h` says hello as one of 8 people, `c` closes, `g` signs off, `t` lets up to two minutes pass, `d` drains,
/// `m` is something that the forwarder tells of its room or leg of that number, `o` something at an HTTP door; `@call` in
/// a frame stands for the conference that its socket was told of last. Anything
/// else hands the rest of the line in as a frame. The machine may not panic, and must come to rest: its next deadline
/// is never in the past.
pub fn signal_frames(data: &[u8]) {
    let config =
        Config { secret: vec![7; 32], forwarding: true, members_per_conference: 5, ..Config::default() };
    let mut now = Instant::ZERO;
    let mut rendezvous = Rendezvous::new(config, [7; 32], now);
    let mut calls: BTreeMap<SocketId, CallId> = BTreeMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let [socket, what, rest @ ..] = line else { continue };
        let id = SocketId(u64::from(socket % 16));
        match what {
            b't' => now += Duration::from_millis(u64::from(rest.first().copied().unwrap_or_default()) * 500),
            b'c' | b'g' => {
                rendezvous.handle_input(now, Command::Closed { socket: id, goodbye: *what == b'g' });
            }
            b'd' => rendezvous.handle_input(now, Command::Drain),
            b'o' => rendezvous.handle_input(now, door(*socket, rest)),
            b'm' => rendezvous.handle_input(now, Command::Media(media(*socket, rest))),
            b'h' => rendezvous.handle_input(now, hello(id, rest)),
            _ => {
                if let Some(command) = frame(id, rest, calls.get(&id)) {
                    rendezvous.handle_input(now, command);
                }
            }
        }
        rendezvous.handle_timeout(now);
        assert!(rendezvous.poll_timeout().is_none_or(|due| due > now), "a deadline is left in the past");
        while let Some(event) = rendezvous.poll_event() {
            if let Event::Send { frame, socket } = event {
                if let ServerMessage::Conference { call, .. } = &frame.message {
                    calls.insert(socket, call.clone());
                }
                serde_json::to_string(&frame).expect("every frame can be written");
            }
        }
    }
}

fn hello(socket: SocketId, rest: &[u8]) -> Command {
    let number = rest.first().copied().unwrap_or_default() % 8;
    let resume = match serde_json::from_slice(rest) {
        Ok(ClientFrame { message: ClientMessage::Hello { resume, .. }, .. }) => resume,
        Ok(_) | Err(_) => None,
    };
    let person =
        Person { id: format!("person-{number}"), name: format!("P{}", number / 2), verified: number == 0 };
    let identity = Some(Identity { person, token: String::new(), grant: None });
    Command::Hello {
        socket,
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)),
        identity,
        resume,
        conferences: !number.is_multiple_of(4),
    }
}

fn media(number: u8, rest: &[u8]) -> MediaEvent {
    let [what, other, ..] = *rest else { return MediaEvent::RoomLost { room: RoomKey(u64::from(number)) } };
    let (leg, other) = (LegKey(u64::from(number % 16)), LegKey(u64::from(other % 16)));
    match what % 8 {
        0 if what & 32 != 0 => MediaEvent::Sending { leg, source: Source::Camera, sending: what & 8 != 0 },
        1 if what & 32 != 0 => MediaEvent::Unplayable { leg, slot: 0 },
        2 if what & 32 != 0 => MediaEvent::Paused { leg, slot: 0, paused: what & 8 != 0 },
        0 => MediaEvent::Answer { leg, answer: Ok(String::new()) },
        1 => MediaEvent::Answer { leg, answer: Err(String::new()) },
        2 => MediaEvent::Connected { leg },
        3 => MediaEvent::Lost { leg, over: what & 8 != 0 },
        4 => MediaEvent::Voices { leg, slots: vec![Some(other), None] },
        5 => MediaEvent::Speaking { room: RoomKey(u64::from(number % 4)), legs: vec![leg, other] },
        6 => MediaEvent::Shown { leg, slot: 0, source: Some((other, Source::Camera)) },
        _ => MediaEvent::Wanted { leg, rids: Vec::new() },
    }
}

/// Somebody at one of 8 doors of the room `r`: an encoder or a viewer who comes, offers again, or goes.
fn door(number: u8, rest: &[u8]) -> Command {
    let what = rest.first().copied().unwrap_or_default();
    let holder = format!("encoder-{}", what / 8 % 4);
    let purpose = match what & 32 {
        0 => Purpose::Publish { name: holder.clone(), holder },
        _ => Purpose::Watch { invited: what & 64 != 0, glance: Glance::default() },
    };
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, number % 8));
    let command = match what % 8 {
        0..=3 => DoorCommand::Enter { address, room: "r".to_owned(), purpose, sdp: String::new() },
        4 => DoorCommand::Offer { sdp: String::new() },
        5 => DoorCommand::Candidate { candidate: String::new() },
        _ => DoorCommand::Leave,
    };
    Command::Door { door: DoorId(u64::from(number % 8)), command }
}

fn frame(socket: SocketId, text: &[u8], call: Option<&CallId>) -> Option<Command> {
    let text = String::from_utf8_lossy(text).replace("@call", call.map_or("", |call| call));
    let ClientFrame { seq, ack, message } = serde_json::from_str(&text).ok()?;
    Some(Command::Frame { socket, seq, ack, request: Request::Message(message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_and_what_its_forwarder_tells_come_to_rest() {
        let meet = br#".{"type":"meet","seq":1,"room":"r","media":{"audio":true,"video":true}}"#;
        let mut course = Vec::new();
        for (socket, person) in [(b'a', b'1'), (b'b', b'2'), (b'c', b'3')] {
            course.extend([socket, b'h', person, b'\n', socket]);
            course.extend([&meet[..], b"\n"].concat());
        }
        // Legs 0 to 2, by every event; then sockets that close, and time.
        for (leg, what) in (0..=2u8).flat_map(|leg| (0..12u8).map(move |what| (leg, what))) {
            course.extend([leg, b'm', what, (leg + 1) % 3, b'\n']);
        }
        // Doors 0 to 7, by everything that happens there, and the room in groups meanwhile.
        let action = r#"{"kind":"start","groups":[{"name":"g"}],"rest":true}"#;
        let start = format!(r#"{{"type":"breakout","seq":2,"call":"@call","action":{action}}}"#);
        course.extend(format!("a.{start}\nb.{start}\nc.{start}\n").into_bytes());
        for (door, what) in (0..8u8).flat_map(|door| (0..=127u8).step_by(3).map(move |what| (door, what))) {
            course.extend([door, b'o', what, b'\n']);
        }
        course.extend(b"ac\nat\x06\nbt\xff\nct\xff\nbg\ncg\n");
        signal_frames(&course);
    }

    #[test]
    fn a_course_of_events_and_junk_both_come_to_rest() {
        signal_frames(b"");
        signal_frames(
            b"ah1\nbh2\na.{\"type\":\"invite\",\"seq\":1,\"call\":\"0123456789012345678901\",\"to\":\"P1\",\
            \"media\":{\"audio\":true,\"video\":true}}\nbt\xff\nac\nbg\n\xff\xff\xff\nad",
        );
    }
}

use peer::negotiation::*;
use wire::{Reader, Rng, Short};

/// Plays a list of commands on a negotiator: verbs at any time, and descriptions of the other side that are sound,
/// cut, bent, or anything at all. Whatever is refused changes nothing, and what is written can be read.
pub fn negotiator(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or(0));
    let mut commands = Reader::new(data.get(1..).unwrap_or_default());
    while world.play(&mut commands).is_ok() {}
}

/// Sections that a run may have: a hundred commands, not a hundred sections.
const MAX_SECTIONS: usize = 6;

struct World {
    /// The one that is tried, and another that it talks to.
    sides: [Negotiator; 2],
    /// Descriptions that can be sent, bent or not.
    sent: Vec<Description>,
}

impl World {
    fn new(bits: u8) -> Self {
        let side = |seed| {
            let config = Config {
                fingerprints: vec!["sha-256 AB:CD".to_owned()],
                receive_simulcast: bits & 1 != 0,
                ice_lite: bits & 2 != 0,
                max_sections: MAX_SECTIONS,
                ..Config::default()
            };
            Negotiator::new(config, Rng::from_number(seed)).expect("the configuration is sound")
        };
        Self { sides: [side(1), side(2)], sent: Vec::new() }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let command = commands.u8()?;
        let at = usize::from(command >> 7);
        match command & 0x1f {
            0..=7 => self.verb(at, command & 0x1f, commands.u8()?),
            8..=11 => self.write(at),
            12..=15 => self.deliver(at, None),
            16 | 17 => {
                let bend = (commands.u8()?, commands.u8()?, commands.u8()?);
                self.deliver(at, Some(bend));
            }
            18 => {
                let length = usize::from(commands.u8()?);
                let text = String::from_utf8_lossy(commands.take(length)?).into_owned();
                let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n".to_owned();
                self.take(at, &Description { kind: kind(command), sdp: head + &text });
            }
            19 => self.take(at, &Description { kind: SdpType::Rollback, sdp: String::new() }),
            20 => {
                drop(self.sides[at].set_local_description(Some(&Description {
                    kind: SdpType::Rollback,
                    sdp: String::new(),
                })))
            }
            21 => {
                let section = usize::from(commands.u8()?);
                let _ = self.sides[at].remote_candidate(
                    "1 1 udp 1 192.0.2.1 1 typ host",
                    None,
                    Some(section),
                    None,
                );
                self.sides[at].add_local_candidate("1 1 udp 1 192.0.2.1 1 typ host");
            }
            _ => while self.sides[at].poll_event().is_some() {},
        }
        self.check(at);
        Ok(())
    }

    fn verb(&mut self, at: usize, verb: u8, bits: u8) {
        let side = &mut self.sides[at];
        let kind = if bits & 1 == 0 { MediaKind::Audio } else { MediaKind::Video };
        let direction = Direction::new(bits & 2 != 0, bits & 4 != 0);
        let ids: Vec<_> = side.transceivers().iter().map(Transceiver::id).collect();
        let id = ids.get(usize::from(bits >> 3) % ids.len().max(1)).copied();
        let rids = || ["h", "m", "l"].map(str::to_owned).to_vec();
        match (verb, id) {
            (0, _) => {
                let (send_rids, receive_rids) = (
                    if bits & 8 != 0 { rids() } else { vec![] },
                    if bits & 16 != 0 { rids() } else { vec![] },
                );
                let init = TransceiverInit { direction, streams: vec![], send_rids, receive_rids };
                let _ = side.add_transceiver(kind, init);
            }
            (1, _) => drop(side.add_track(kind, vec!["s".to_owned()])),
            (2, _) => drop(side.use_data_channels()),
            (3, _) => drop(side.restart_ice()),
            (4, Some(id)) => drop(side.set_direction(id, direction)),
            (5, Some(id)) => drop(side.stop(id)),
            (6, Some(id)) => drop(side.remove_track(id)),
            (7, Some(id)) => drop(side.set_codec_preferences(id, &[Codec::video(0, 0, "VP9", "")])),
            _ => {}
        }
    }

    /// Writes what is due.
    fn write(&mut self, at: usize) {
        let side = &mut self.sides[at];
        if side.set_local_description(None).is_ok() {
            let description = side.local_description().expect("it was just set");
            sdp::Session::parse(&description.sdp).expect("what is written can be read");
            self.sent.push(description);
        }
    }

    /// Gives a side the last description of the other, perhaps bent: a byte, and lines cut out, doubled or swapped.
    fn deliver(&mut self, at: usize, bend: Option<(u8, u8, u8)>) {
        let Some(last) = self.sent.last() else { return };
        let mut description = last.clone();
        if let Some((how, where_, what)) = bend {
            description.sdp = bent(&description.sdp, how, where_, what);
            if how & 0x40 != 0 {
                description.kind = kind(what);
            }
        }
        self.take(at, &description);
    }

    /// Whatever is refused changes nothing.
    fn take(&mut self, at: usize, description: &Description) {
        let side = &mut self.sides[at];
        let before = (side.signaling_state(), side.negotiated(), side.transceivers().len());
        if side.set_remote_description(description).is_err() {
            let after = (side.signaling_state(), side.negotiated(), side.transceivers().len());
            assert_eq!(before, after);
        }
    }

    fn check(&self, at: usize) {
        let side = &self.sides[at];
        let agreed = side.negotiated();
        assert!(agreed.transceivers.len() <= MAX_SECTIONS);
        assert!(side.transceivers().len() <= 2 * MAX_SECTIONS);
        for transceiver in &agreed.transceivers {
            let own = side.transceiver(transceiver.id).expect("it is one of ours");
            assert_eq!(own.mid(), Some(transceiver.mid.as_str()));
            assert!(!own.encodings().is_empty());
            assert_eq!(transceiver.send_codecs.len(), transceiver.receive_codecs.len());
        }
        assert!(agreed.ice.is_some() || agreed.transceivers.is_empty());
    }
}

fn kind(bits: u8) -> SdpType {
    match bits & 3 {
        0 | 1 => SdpType::Offer,
        2 => SdpType::Answer,
        _ => SdpType::Pranswer,
    }
}

fn bent(text: &str, how: u8, at: u8, what: u8) -> String {
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    let (first, second) = (usize::from(at) % lines.len(), usize::from(what) % lines.len());
    match how & 7 {
        0 => drop(lines.remove(first)),
        1 => lines.insert(first, lines[second].clone()),
        2 => lines.swap(first, second),
        3 => lines.truncate(first),
        4 => lines[first].push(char::from(what & 0x7f)),
        5 => drop(lines[first].pop()),
        6 => lines[first] = lines[first].replace(|c: char| c.is_ascii_digit(), &(what % 10).to_string()),
        _ => {
            // A whole section again at the end.
            let start = lines.iter().position(|line| line.starts_with("m=")).unwrap_or(0);
            lines.extend_from_within(start..);
        }
    }
    lines.join("\r\n")
}

//! The peer connection with the server: what is sent, and slots for what is received.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use endpoint::{Connection, Events, Options};
use peer::negotiation::{
    Description, Direction, MediaKind, SdpType, SignalingState, TransceiverId, TransceiverInit,
};
use peer::{ChannelConfig, StreamId};

use super::outgoing::{Outgoing, RIDS, Source};
use crate::signal::protocol::{Member, MemberNumber, Picture, Secret, View, Want};

/// Voice slots: while no more people send sound, everybody is heard.
const VOICES: usize = 8;
/// Picture slots at the beginning, and at most: a description has 64 KiB.
const PICTURES: usize = 8;
const MOST_PICTURES: usize = 20;

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sends {
    pub(crate) microphone: bool,
    pub(crate) camera: bool,
    /// The camera in several encodings.
    pub(crate) simulcast: bool,
    pub(crate) screen: bool,
}

/// A picture slot.
#[derive(Clone, Copy, Debug)]
struct Slot {
    transceiver: TransceiverId,
    /// What was asked for.
    wanted: Option<View>,
    /// It carried something else before: what it shows is what the server says.
    used: bool,
    shown: Option<View>,
}

/// The sections of the descriptions.
#[derive(Clone, Debug, Default)]
struct Sections {
    microphone: Option<TransceiverId>,
    camera: Option<TransceiverId>,
    screen: Option<TransceiverId>,
    voices: Vec<TransceiverId>,
    pictures: Vec<TransceiverId>,
}

/// Being in a conference.
pub(crate) struct Conference {
    pub(crate) call: String,
    /// The conference of the main room, by which one comes back.
    pub(crate) main: String,
    pub(crate) ticket: Secret,
    pub(crate) you: MemberNumber,
    pub(crate) members: BTreeMap<MemberNumber, Member>,
    pub(crate) speaking: Vec<MemberNumber>,
    pub(crate) connection: Connection,
    pub(crate) events: Events,
    pub(crate) connected: bool,
    /// Tells its timestamps from those of other connections.
    pub(crate) way: u64,
    sends: Sends,
    sections: Sections,
    heard: Vec<Option<MemberNumber>>,
    slots: Vec<Slot>,
    /// An offer waits for its answer.
    offered: bool,
}

/// How a conference begins.
pub(crate) struct Beginning {
    pub(crate) call: String,
    pub(crate) main: String,
    pub(crate) ticket: Secret,
    pub(crate) you: MemberNumber,
    pub(crate) members: Vec<Member>,
    pub(crate) way: u64,
    pub(crate) sends: Sends,
}

impl Conference {
    /// Opens sockets; nothing is offered yet.
    ///
    /// # Errors
    /// No socket.
    pub(crate) fn new(beginning: Beginning, config: peer::Config, options: &Options) -> Result<Self> {
        let (connection, events) = Connection::start(config, options)
            .context("cannot open a socket for the connection to the server")?;
        let Beginning { call, main, ticket, you, members, way, sends } = beginning;
        Ok(Self {
            call,
            main,
            ticket,
            you,
            members: members.into_iter().map(|member| (member.number, member)).collect(),
            speaking: Vec::new(),
            connection,
            events,
            connected: false,
            way,
            sends,
            sections: Sections::default(),
            heard: Vec::new(),
            slots: Vec::new(),
            offered: false,
        })
    }

    /// Makes an offer with slots for so many pictures; what there was stays.
    pub(crate) async fn offer(&mut self, pictures: usize) -> Result<String> {
        let (sends, mut sections) = (self.sends, self.sections.clone());
        let (sections, sdp) = self
            .connection
            .with(move |peer, now| {
                if sections.voices.is_empty() {
                    add_sources(peer, &sends, &mut sections)?;
                    let channel = |label: &str, id| ChannelConfig {
                        label: label.to_owned(),
                        negotiated: Some(StreamId(id)),
                        ..ChannelConfig::default()
                    };
                    peer.create_data_channel(now, channel("room", 1))?;
                    for _ in 0..VOICES {
                        sections.voices.push(add(peer, MediaKind::Audio, Direction::RecvOnly, &[])?);
                    }
                }
                while sections.pictures.len() < pictures.clamp(PICTURES, MOST_PICTURES) {
                    sections.pictures.push(add(peer, MediaKind::Video, Direction::RecvOnly, &[])?);
                }
                peer.set_local_description(now, None)?;
                let offer = peer.local_description().context("no offer was made")?;
                anyhow::Ok((sections, offer.sdp))
            })
            .await??;
        let known = self.slots.len();
        let slot = |transceiver: &TransceiverId| Slot {
            transceiver: *transceiver,
            wanted: None,
            used: false,
            shown: None,
        };
        self.slots.extend(sections.pictures.iter().skip(known).map(slot));
        self.sections = sections;
        self.offered = true;
        Ok(sdp)
    }

    /// Takes the server's answer.
    pub(crate) async fn answered(&mut self, sdp: String) -> Result<()> {
        self.offered = false;
        self.connection
            .with(move |peer, now| {
                if peer.signaling_state() != SignalingState::HaveLocalOffer {
                    return Ok(());
                }
                peer.set_remote_description(now, &Description { kind: SdpType::Answer, sdp })
            })
            .await?
            .context("the server's answer cannot be used")
    }

    /// Gives everybody's pictures a slot. The layout if it has changed, and whether more slots are needed.
    pub(crate) fn lay_out(&mut self, height: u16) -> (Option<Vec<Option<Want>>>, bool) {
        let mut wanted = Vec::new();
        for member in self.members.values().filter(|member| member.number != self.you) {
            let view = |source| View { member: member.number, source };
            wanted.extend(member.sending.screen.then(|| view(Picture::Screen)));
            wanted.extend(member.sending.camera.then(|| view(Picture::Camera)));
        }
        let before: Vec<_> = self.slots.iter().map(|slot| slot.wanted).collect();
        for slot in &mut self.slots {
            if slot.wanted.is_some_and(|view| !wanted.contains(&view)) {
                slot.wanted = None;
            }
        }
        wanted.retain(|view| !before.contains(&Some(*view)));
        let missing = wanted.len();
        let mut free = self.slots.iter_mut().filter(|slot| slot.wanted.is_none());
        for view in wanted {
            let Some(slot) = free.next() else { break };
            // What it carried before may still be on its way.
            slot.used = slot.shown.is_some() || slot.used;
            slot.wanted = Some(view);
        }
        let given = self
            .slots
            .iter()
            .zip(&before)
            .filter(|(slot, before)| slot.wanted != **before && slot.wanted.is_some());
        let short = given.count() < missing && self.slots.len() < MOST_PICTURES;
        let changed = self.slots.iter().zip(&before).any(|(slot, before)| slot.wanted != *before);
        let want = |slot: &Slot| {
            let View { member, source } = slot.wanted?;
            Some(Want { member, source, height })
        };
        (changed.then(|| self.slots.iter().map(want).collect()), short && !self.offered)
    }

    /// How many slots there would be with some more.
    pub(crate) fn more_slots(&self) -> usize {
        self.slots.len() + PICTURES
    }

    /// The server says what a slot shows. What to ask a keyframe for, because its beginning went by unknown.
    pub(crate) fn shown(&mut self, slot: u16, view: Option<View>) -> Option<TransceiverId> {
        let slot = self.slots.get_mut(usize::from(slot))?;
        let news = slot.used && view.is_some() && slot.shown != view;
        slot.shown = view;
        slot.used |= view.is_some();
        news.then_some(slot.transceiver)
    }

    /// Whose sound the voice slots carry.
    pub(crate) fn set_voices(&mut self, slots: Vec<Option<MemberNumber>>) {
        self.heard = slots;
    }

    /// Whose a section is now: the member, and whether it is their screen.
    pub(crate) fn whose(&self, section: TransceiverId) -> Option<(&Member, bool)> {
        if let Some(at) = self.sections.voices.iter().position(|id| *id == section) {
            let number = (*self.heard.get(at)?)?;
            return Some((self.members.get(&number)?, false));
        }
        let slot = self.slots.iter().find(|slot| slot.transceiver == section)?;
        // A slot that was never used carries what was asked for and nothing else.
        let view = if slot.used { slot.shown } else { slot.wanted }?;
        Some((self.members.get(&view.member)?, view.source == Picture::Screen))
    }

    /// Sends a frame.
    pub(crate) async fn send(&self, out: Outgoing) -> Result<Result<(), peer::MediaError>> {
        let section = match out.source {
            Source::Microphone => self.sections.microphone,
            Source::Camera => self.sections.camera,
            Source::Screen => self.sections.screen,
        };
        let (Some(section), true) = (section, self.connected) else { return Ok(Ok(())) };
        let simulcast = self.sends.simulcast;
        Ok(self.connection.with(move |peer, now| out.send(peer, now, section, simulcast)).await?)
    }
}

/// The sections of what is sent: the camera before the screen, also where there is none.
fn add_sources(peer: &mut peer::Peer, sends: &Sends, sections: &mut Sections) -> Result<()> {
    if sends.microphone {
        sections.microphone = Some(add(peer, MediaKind::Audio, Direction::SendOnly, &[])?);
    }
    if sends.camera || sends.screen {
        let direction = if sends.camera { Direction::SendOnly } else { Direction::Inactive };
        let rids: &[&str] = if sends.simulcast { &RIDS } else { &[] };
        sections.camera = Some(add(peer, MediaKind::Video, direction, rids)?);
    }
    if sends.screen {
        sections.screen = Some(add(peer, MediaKind::Video, Direction::SendOnly, &[])?);
    }
    Ok(())
}

fn add(peer: &mut peer::Peer, kind: MediaKind, direction: Direction, rids: &[&str]) -> Result<TransceiverId> {
    let streams = if direction.sends() { vec!["join".to_owned()] } else { Vec::new() };
    let send_rids = rids.iter().map(|rid| (*rid).to_owned()).collect();
    let init = TransceiverInit { direction, streams, send_rids, receive_rids: Vec::new() };
    Ok(peer.with_negotiator(|negotiator| negotiator.add_transceiver(kind, init))?)
}

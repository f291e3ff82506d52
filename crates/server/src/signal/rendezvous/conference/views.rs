//! What viewers are shown, who have nobody to choose for them: the screen that is shared, else who speaks.

use super::Conference;
use super::doors::Holder;
use crate::signal::doors::Glance;
use crate::signal::forwarding::{LegKey, MediaCommand, Source, Wish};
use crate::signal::protocol::{CallId, MemberNumber, Picture, Sending, ServerMessage};
use crate::signal::rendezvous::Rendezvous;
use crate::signal::rendezvous::timers::Timer;

/// A player shows the picture as large as it can.
const HEIGHT: u16 = 2160;

impl Conference {
    /// What one who glances like that sees, given what they see now.
    fn view(&self, glance: Glance, now: Option<Wish>) -> Option<Wish> {
        let sends = |number: &MemberNumber, source: Source| {
            let member = self.members.get(number)?;
            let Sending { camera, screen, .. } = member.sending;
            let sends = if source == Source::Screen { screen } else { camera };
            let leg = member.leg.filter(|_| sends)?;
            Some(Wish { leg, source, height: HEIGHT })
        };
        let allowed = |source| match glance.source {
            Some(Picture::Camera) => source == Source::Camera,
            Some(Picture::Screen) => source == Source::Screen,
            None => true,
        };
        let of = |numbers: &[MemberNumber], source: Source| {
            let numbers = numbers.iter().filter(|_| allowed(source));
            numbers.filter(|n| glance.member.is_none_or(|m| m == **n)).find_map(|n| sends(n, source))
        };
        let everybody: Vec<MemberNumber> = self.members.keys().copied().collect();
        let encoders: Vec<MemberNumber> =
            self.members.iter().filter(|(_, m)| m.encoder.is_some()).map(|(n, _)| *n).collect();
        // What is shown stays as long as it is as good as anything else.
        let same = |source| {
            let shown = now.filter(|now| now.source == source)?;
            let owner = self.members.iter().find(|(_, m)| m.leg == Some(shown.leg))?.0;
            of(&[*owner], source)
        };
        (same(Source::Screen).or_else(|| of(&everybody, Source::Screen)))
            .or_else(|| of(&self.speaking, Source::Camera))
            .or_else(|| same(Source::Camera))
            .or_else(|| of(&encoders, Source::Camera))
            .or_else(|| of(&everybody, Source::Camera))
    }
}

impl Rendezvous {
    /// Somebody sends something else, speaks, has come or gone: do viewers see something else?
    pub(super) fn look_at_views(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        if conference.viewers.is_empty() {
            if conference.stage.take().is_some() {
                let room = conference.key;
                self.forwarder(MediaCommand::Stage { room, wish: None });
            }
            return;
        }
        let wish = conference.view(Glance::default(), conference.stage);
        let room = conference.key;
        if std::mem::replace(&mut conference.stage, wish) != wish {
            self.forwarder(MediaCommand::Stage { room, wish });
        }
        let Some(conference) = self.conferences.get(call) else { return };
        let mut commands = Vec::new();
        for door in &conference.viewers {
            let Some(place) = self.doors.get_mut(door) else { continue };
            let Holder::Viewer { leg, glance, told } = &mut place.holder else { continue };
            if *glance == Glance::default() {
                continue;
            }
            let leg = *leg;
            let wish = conference.view(*glance, told.0);
            if std::mem::replace(&mut told.0, wish) != wish {
                commands.push(MediaCommand::Layout { leg, slots: vec![wish] });
            }
            let of = |number| conference.members.get(&number).and_then(|member| member.leg);
            let to: Option<LegKey> = glance.member.and_then(of);
            // Who asked for one member does not hear another instead.
            if to.is_some() && std::mem::replace(&mut told.1, to) != to {
                commands.push(MediaCommand::Listen { leg, to });
            }
        }
        for command in commands {
            self.forwarder(command);
        }
    }

    /// Members are told how many watch: at once, and then not again for a moment.
    pub(super) fn viewers_changed(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        if conference.viewers_due.is_none() {
            let due = self.now + self.config.viewers_delay;
            conference.viewers_due = Some(due);
            self.timers.set(due, Timer::Viewers(call.clone()));
        }
    }

    pub(in crate::signal::rendezvous) fn tell_viewers(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        conference.viewers_due = None;
        let count = conference.watchers();
        if std::mem::replace(&mut conference.viewers_told, count) != count {
            self.tell_members_of_the_moment(
                call,
                None,
                &ServerMessage::Watchers { call: call.clone(), count },
            );
        }
    }

    /// A source of a member begins or ends at the forwarder: of an encoder nobody else says so.
    pub(super) fn source_sends(&mut self, leg: LegKey, source: Source, sending: bool) {
        let Some((call, number)) = self.legs.get(&leg).cloned() else { return };
        let Some((_, member)) = self.of_leg(leg) else { return };
        let Some(encoder) = &mut member.encoder else { return };
        match source {
            Source::Microphone => encoder.flowing.microphone = sending,
            Source::Camera => encoder.flowing.camera = sending,
            Source::Screen => encoder.flowing.screen = sending,
        }
        if self.show_sending(&call, number) {
            self.tell_of(&call, number);
        }
    }
}

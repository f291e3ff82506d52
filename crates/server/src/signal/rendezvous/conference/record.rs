//! Recording a conference: what everybody is told of it, and what the recorder is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use wire::Instant;

use super::Conference;
use crate::signal::admin::What;
use crate::signal::bus::Event;
use crate::signal::forwarding::MediaCommand;
use crate::signal::protocol::{CallId, ErrorCode, MemberNumber, Person, Recording, Role, ServerMessage};
use crate::signal::recording::{Attendant, RecordingCommand, RecordingEvent};
use crate::signal::rendezvous::Rendezvous;
use crate::signal::rendezvous::calls::Failure;

/// A recording that goes on.
#[derive(Clone, Debug)]
pub(super) struct Running {
    id: String,
    by: Person,
    since: Instant,
    bytes: u64,
}

impl Rendezvous {
    /// A moderator begins or ends the recording. What is so already stays so.
    pub(super) fn record(&mut self, call: &CallId, by: MemberNumber, on: bool) -> Result<(), Failure> {
        if !self.config.recording {
            let message = "this server does not record: its administrator can turn `recordings` on";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        let Some(conference) = self.conferences.get(call) else { return Ok(()) };
        if conference.recording.is_some() == on {
            return Ok(());
        }
        if on && conference.group.is_some() {
            let message = "groups are not recorded: what is recorded is the main room";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        if on && self.is_encrypted(&conference.room) {
            let message = "the room is end-to-end encrypted: the server could keep no more than noise";
            return Err((ErrorCode::Encryption, message.to_owned()));
        }
        if on {
            self.begin_recording(call, by);
        } else {
            self.stop_recording(call, None);
        }
        Ok(())
    }

    fn begin_recording(&mut self, call: &CallId, by: MemberNumber) {
        // What a call of two sends does not pass here: it has to come over first.
        self.finish_from(call, None);
        let id = self.recording_id();
        let Some(conference) = self.conferences.get(call) else { return };
        let person = conference.members.get(&by).and_then(|member| self.person_of(member));
        // An application is nobody.
        let nobody = || Person { id: String::new(), name: String::new(), verified: false };
        let by = person.unwrap_or_else(nobody);
        let people =
            conference.members.keys().filter_map(|number| self.attendant(conference, *number)).collect();
        let (room, name, speaking) = (conference.key, conference.room.clone(), conference.speaking.clone());
        let begin = RecordingCommand::Begin { id: id.clone(), room, name, by: by.clone(), people };
        self.events.push_back(Event::Recording(begin));
        let spoken = RecordingCommand::Speaking { id: id.clone(), members: speaking };
        self.events.push_back(Event::Recording(spoken));
        let since = self.now;
        if let Some(conference) = self.conferences.get_mut(call) {
            conference.recording = Some(Running { id, by, since, bytes: 0 });
        }
        self.notice_of_recording(call);
        self.forwarder(MediaCommand::Record { room, on: true });
        self.tell_recording(call, None);
        self.look_at_pair(call);
    }

    /// A name that no command takes for an option of its own.
    fn recording_id(&mut self) -> String {
        loop {
            let id = BASE64.encode(self.rng.array::<16>());
            if !id.starts_with('-') {
                return id;
            }
        }
    }

    fn notice_of_recording(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let room = conference.room.clone();
        if let Some(recording) = self.described_recording(conference) {
            self.notice(&room, Some(call), What::Recording(*recording));
        }
    }

    fn stop_recording(&mut self, call: &CallId, problem: Option<String>) {
        if self.end_recording(call) {
            self.tell_recording(call, problem);
            self.look_at_pair(call);
        }
    }

    /// The recording is over, because somebody ended it or the conference is over. Whether there was one.
    pub(super) fn end_recording(&mut self, call: &CallId) -> bool {
        let Some(conference) = self.conferences.get_mut(call) else { return false };
        let Some(running) = conference.recording.take() else { return false };
        let room = conference.key;
        self.forwarder(MediaCommand::Record { room, on: false });
        self.events.push_back(Event::Recording(RecordingCommand::End { id: running.id }));
        true
    }

    fn tell_recording(&mut self, call: &CallId, problem: Option<String>) {
        let Some(conference) = self.conferences.get(call) else { return };
        let recording = self.described_recording(conference);
        let message = ServerMessage::Recording { call: call.clone(), recording, problem };
        self.tell_members(call, None, &message);
    }

    pub(super) fn described_recording(&self, conference: &Conference) -> Option<Box<Recording>> {
        let Running { id, by, since, bytes } = conference.recording.clone()?;
        let seconds = self.now.saturating_since(since).as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Some(Box::new(Recording { id, by, seconds, bytes }))
    }

    fn attendant(&self, conference: &Conference, number: MemberNumber) -> Option<Attendant> {
        let member = conference.members.get(&number)?;
        Some(Attendant {
            number,
            person: self.person_of(member)?,
            owner: member.role == Role::Owner,
            sending: member.sending,
            leg: member.leg,
        })
    }

    /// Somebody has come, or is another than before.
    pub(super) fn record_member(&mut self, call: &CallId, number: MemberNumber) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(running) = &conference.recording else { return };
        let id = running.id.clone();
        if let Some(member) = self.attendant(conference, number) {
            self.events.push_back(Event::Recording(RecordingCommand::Member { id, member }));
        }
    }

    pub(super) fn record_left(&mut self, call: &CallId, number: MemberNumber) {
        if let Some(id) = self.recording_of(call) {
            self.events.push_back(Event::Recording(RecordingCommand::Left { id, number }));
        }
    }

    pub(super) fn record_speaking(&mut self, call: &CallId, members: &[MemberNumber]) {
        if let Some(id) = self.recording_of(call) {
            let members = members.to_vec();
            self.events.push_back(Event::Recording(RecordingCommand::Speaking { id, members }));
        }
    }

    fn recording_of(&self, call: &CallId) -> Option<String> {
        self.conferences.get(call)?.recording.as_ref().map(|running| running.id.clone())
    }

    /// The recorder has something to tell. What is about a recording of before is of no interest.
    pub(in crate::signal::rendezvous) fn recording_event(&mut self, event: RecordingEvent) {
        let (RecordingEvent::Written { id, .. }
        | RecordingEvent::Finished { id, .. }
        | RecordingEvent::Failed { id, .. }) = &event;
        let of =
            |conference: &Conference| conference.recording.as_ref().is_some_and(|running| running.id == *id);
        let found = self.conferences.iter().find(|(_, conference)| of(conference));
        let call = found.map(|(call, _)| call.clone());
        match event {
            RecordingEvent::Written { bytes, .. } => {
                if let Some(call) = call {
                    self.written(&call, bytes);
                }
            }
            // Its conference may have another recording by now, or be over.
            RecordingEvent::Finished { id, room, bytes } => {
                self.notice(&room, None, What::Recorded { id, bytes, problem: None });
            }
            RecordingEvent::Failed { id, room, bytes, message } => {
                if let Some(call) = call {
                    self.stop_recording(&call, Some(message.clone()));
                }
                self.notice(&room, None, What::Recorded { id, bytes, problem: Some(message) });
            }
        }
    }

    /// Owners see how much was written.
    fn written(&mut self, call: &CallId, bytes: u64) {
        if let Some(running) = self.conferences.get_mut(call).and_then(|c| c.recording.as_mut()) {
            running.bytes = bytes;
        }
        let Some(conference) = self.conferences.get(call) else { return };
        let recording = self.described_recording(conference);
        let message = ServerMessage::Recording { call: call.clone(), recording, problem: None };
        let owners = conference.members.values().filter(|member| member.role == Role::Owner);
        for session in owners.map(|member| member.session).collect::<Vec<_>>() {
            self.tell_moment(session, message.clone());
        }
    }
}

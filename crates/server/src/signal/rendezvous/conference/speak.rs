//! What members say about themselves.

use unicode_segmentation::UnicodeSegmentation as _;

use super::Mute;
use super::moderate::no_such_member;
use crate::signal::admin::What;
use crate::signal::forwarding::{MediaCommand, Source};
use crate::signal::protocol::{CallId, ErrorCode, MemberNumber, Role, Sending, ServerMessage};
use crate::signal::rendezvous::calls::{Failure, wrong_state};
use crate::signal::rendezvous::session::Link;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// Bytes of a reaction: the longest emoji sequences have fewer.
const REACTION_BYTES: usize = 32;
/// Bytes of what is said to one member: a session description of a data channel has fewer.
const WHISPER_BYTES: usize = 8 * 1024;

impl Rendezvous {
    pub(in crate::signal::rendezvous) fn set_sending(
        &mut self,
        key: SessionKey,
        call: &CallId,
        mut sending: Sending,
    ) -> Result<(), Failure> {
        let confirmed = self.sessions.get(&key).map_or(0, |session| session.outbox.confirmed());
        let (conference, number) = self.seat(key, call)?;
        let Some(member) = conference.members.get_mut(&number) else { return Ok(()) };
        if member.role == Role::Attendee && sending != Sending::default() {
            let message = "an attendee sends nothing: ask an owner for the floor";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        let mut unmuted = None;
        if let Mute::By(_, at) = member.mute
            && sending.microphone
        {
            if confirmed >= at {
                member.mute = Mute::No;
                unmuted = member.leg;
            } else {
                // Said before they knew that they are muted.
                sending.microphone = false;
            }
        }
        let changed = std::mem::replace(&mut member.sending, sending) != sending;
        if let Some(leg) = unmuted {
            self.forwarder(MediaCommand::Allow { leg, source: Source::Microphone, allowed: true });
        }
        if changed {
            self.tell_of(call, number);
        }
        Ok(())
    }

    pub(in crate::signal::rendezvous) fn express(
        &mut self,
        key: SessionKey,
        call: &CallId,
        hand: Option<bool>,
        reaction: Option<String>,
    ) -> Result<(), Failure> {
        let (conference, number) = self.seat(key, call)?;
        let Some(member) = conference.members.get_mut(&number) else { return Ok(()) };
        if reaction.as_deref().is_some_and(|reaction| !is_reaction(reaction)) {
            return Err(wrong_state(
                "a reaction is one character as people see it, such as an emoji, at most 32 bytes",
            ));
        }
        let raised = hand.is_some_and(|hand| std::mem::replace(&mut member.hand, hand) != hand);
        if raised {
            self.tell_of(call, number);
            self.notice_of(call, number, What::Hand);
        }
        if let Some(reaction) = reaction {
            let message = ServerMessage::Expressed { call: call.clone(), member: number, reaction };
            self.tell_members_of_the_moment(call, Some(number), &message);
        }
        Ok(())
    }
}

impl Rendezvous {
    /// Passes something on to one other member. Nobody can fill the queue of another with it.
    pub(in crate::signal::rendezvous) fn whisper(
        &mut self,
        key: SessionKey,
        call: &CallId,
        to: MemberNumber,
        text: String,
    ) -> Result<(), Failure> {
        let (conference, from) = self.seat(key, call)?;
        let member = conference.members.get(&to).filter(|member| member.encoder.is_none() && to != from);
        let session = member.ok_or_else(no_such_member)?.session;
        if !(1..=WHISPER_BYTES).contains(&text.len()) {
            return Err(wrong_state("what is whispered has 1 to 8192 bytes"));
        }
        let Some(other) = self.sessions.get(&session) else { return Ok(()) };
        let (messages, bytes) = (self.config.unconfirmed_messages / 2, self.config.unconfirmed_bytes / 2);
        let hears = matches!(other.link, Link::Attached(_));
        if !hears || other.outbox.len() >= messages || other.outbox.bytes() >= bytes {
            return Err(wrong_state("they cannot be reached at this moment: try again a little later"));
        }
        self.tell(session, ServerMessage::Whispered { call: call.clone(), from, text });
        Ok(())
    }
}

fn is_reaction(text: &str) -> bool {
    text.len() <= REACTION_BYTES
        && text.graphemes(true).count() == 1
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::is_reaction;

    #[test]
    fn a_reaction_is_one_character_as_people_see_it() {
        for text in ["👍", "👏🏽", "❤️", "👨‍👩‍👧", "🇫🇷", "!", "é", "e\u{301}"] {
            assert!(is_reaction(text), "{text}");
        }
        for text in ["", "ok", "👍👍", " ", "\n", "\u{7}", "e\u{301}e"] {
            assert!(!is_reaction(text), "{text:?}");
        }
        assert!(!is_reaction(&format!("e{}", "\u{301}".repeat(16))), "33 bytes");
    }
}

//! The numbers of a signalling session: what was said and not acknowledged, and what was heard.

use std::collections::VecDeque;

use crate::signal::protocol::{ClientFrame, ClientMessage, Resume, Secret, ServerFrame, ServerMessage};

/// Messages of ours that wait for an acknowledgement. Beyond them the server is not there any more.
const OUTBOX_MOST: usize = 256;

/// A session as the client keeps it, over as many sockets as it takes.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    session: Option<Secret>,
    said: u64,
    heard: u64,
    acknowledged: u64,
    outbox: VecDeque<(u64, ClientMessage)>,
}

/// What came of a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message, for the first time.
    Message(ServerMessage),
    /// Nothing new.
    Nothing,
    /// A number is missing: the socket is of no use any more, the next one brings it.
    Gap,
}

impl Numbers {
    /// What a `hello` says of the session that goes on.
    pub(crate) fn resume(&self) -> Option<Resume> {
        let session = self.session.clone()?;
        Some(Resume { session, received: self.heard })
    }

    /// Gives a message its number. It is kept until it is acknowledged.
    pub(crate) fn say(&mut self, message: ClientMessage) -> ClientFrame {
        self.said += 1;
        if self.outbox.len() >= OUTBOX_MOST {
            self.session = None;
            self.outbox.pop_front();
        }
        self.outbox.push_back((self.said, message.clone()));
        self.frame(Some(self.said), message)
    }

    /// A frame without a number.
    pub(crate) fn unnumbered(&mut self, message: ClientMessage) -> ClientFrame {
        self.frame(None, message)
    }

    fn frame(&mut self, seq: Option<u64>, message: ClientMessage) -> ClientFrame {
        self.acknowledged = self.heard;
        ClientFrame { seq, ack: Some(self.heard), message }
    }

    /// Whether something was heard that the server was not told of.
    pub(crate) const fn owes(&self) -> bool {
        self.acknowledged < self.heard
    }

    /// How many messages that is.
    pub(crate) const fn owed(&self) -> u64 {
        self.heard - self.acknowledged
    }

    /// The `welcome` on a new socket. Gives the frames to send again, and whether an earlier session was lost: what
    /// it had not acknowledged is then lost too.
    pub(crate) fn welcome(
        &mut self,
        session: Secret,
        resumed: bool,
        received: u64,
    ) -> (Vec<ClientFrame>, bool) {
        let lost = self.said > 0 && !resumed;
        if resumed {
            self.forget(received);
        } else {
            *self = Self::default();
        }
        self.session = Some(session);
        let again: Vec<_> = self.outbox.iter().cloned().collect();
        (again.into_iter().map(|(seq, message)| self.frame(Some(seq), message)).collect(), lost)
    }

    /// A frame of the server.
    pub(crate) fn hear(&mut self, frame: ServerFrame) -> Heard {
        if let Some(ack) = frame.ack {
            self.forget(ack);
        }
        match frame.seq {
            Some(seq) if seq <= self.heard => Heard::Nothing,
            Some(seq) if seq > self.heard + 1 => Heard::Gap,
            Some(seq) => {
                self.heard = seq;
                Heard::Message(frame.message)
            }
            None => Heard::Nothing,
        }
    }

    fn forget(&mut self, up_to: u64) {
        self.outbox.retain(|(seq, _)| *seq > up_to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret("s".to_owned())
    }

    fn frame(seq: u64, ack: u64) -> ServerFrame {
        ServerFrame { seq: Some(seq), ack: Some(ack), message: ServerMessage::Draining }
    }

    #[test]
    fn a_session_goes_on_over_sockets_with_nothing_lost_or_repeated() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.resume(), None);
        assert_eq!(numbers.welcome(secret(), false, 0), (vec![], false));
        assert_eq!(numbers.say(ClientMessage::IceServers).seq, Some(1));
        assert_eq!(numbers.say(ClientMessage::IceServers).seq, Some(2));
        assert!(!numbers.owes());
        assert_eq!(numbers.hear(frame(1, 1)), Heard::Message(ServerMessage::Draining));
        assert_eq!(numbers.hear(frame(1, 1)), Heard::Nothing);
        assert_eq!(numbers.hear(frame(3, 1)), Heard::Gap);
        assert_eq!(numbers.owed(), 1);
        assert_eq!(numbers.resume(), Some(Resume { session: secret(), received: 1 }));
        let (again, lost) = numbers.welcome(secret(), true, 1);
        assert!(!lost && again.iter().map(|f| f.seq).eq([Some(2)]) && again[0].ack == Some(1));
        assert!(!numbers.owes());
        let (again, lost) = numbers.welcome(secret(), false, 0);
        assert!(lost && again.is_empty());
        assert_eq!(numbers.say(ClientMessage::IceServers).seq, Some(1));
    }

    #[test]
    fn a_server_that_never_acknowledges_does_not_fill_the_memory() {
        let mut numbers = Numbers::default();
        numbers.welcome(secret(), false, 0);
        for _ in 0..2 * OUTBOX_MOST {
            numbers.say(ClientMessage::IceServers);
        }
        assert_eq!(numbers.outbox.len(), OUTBOX_MOST);
        assert_eq!(numbers.resume(), None);
    }
}

//! Tickets let two people take up their call again after the server has forgotten it.
//!
//! A ticket is `FLAGS TAG PEER ~ ROOM`: a hexadecimal digit (1 the holder is polite, 2 the peer sends sound, 4 a picture,
//! 8 the room is end-to-end encrypted), 22 characters of base64url of the tag, the other person's id, and the room if they met in one. The tag is an
//! HMAC-SHA256 under the server's secret over call, holder and the rest, cut to 128 bits. It never ends: alone it makes
//! nobody ring, since both must come.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::signal::protocol::{Media, Role};

const TAG: usize = 22;
/// Set in the flags under the tag of a place in a conference: no ticket is both.
const SEAT: u8 = 0x80;

/// What a ticket says about its holder's call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    pub(super) polite: bool,
    /// The other person's id.
    pub(super) peer: String,
    /// What the other meant to send when the call began.
    pub(super) peer_media: Media,
    pub(super) room: Option<String>,
    /// Whether the room is end-to-end encrypted.
    pub(super) encrypted: bool,
}

/// What a ticket says about its holder's place in a conference: `c`, a digit for the role (and 4 if the room is
/// end-to-end encrypted), the tag, the number, `~`, and the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) role: Role,
    pub(super) number: u32,
    pub(super) room: String,
    pub(super) encrypted: bool,
}

pub(super) struct Tickets(crypto::HmacSha256);

impl Tickets {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(crypto::HmacSha256::new(secret))
    }

    pub(super) fn print(&self, call: &str, holder: &str, ticket: &Ticket) -> String {
        let flags = u8::from(ticket.polite)
            | u8::from(ticket.peer_media.audio) << 1
            | u8::from(ticket.peer_media.video) << 2
            | u8::from(ticket.encrypted) << 3;
        let rest = format!("{}~{}", ticket.peer, ticket.room.as_deref().unwrap_or_default());
        format!("{flags:x}{}{rest}", BASE64.encode(self.tag(call, holder, flags, &rest)))
    }

    /// What the ticket says, if this server gave it to `holder` for `call`.
    pub(super) fn verify(&self, call: &str, holder: &str, text: &str) -> Option<Ticket> {
        let flags = u8::from_str_radix(text.get(..1)?, 16).ok()?;
        let tag = BASE64.decode(text.get(1..=TAG)?).ok()?;
        let rest = text.get(1 + TAG..)?;
        if !crypto::constant_time_eq(&tag, &self.tag(call, holder, flags, rest)) {
            return None;
        }
        let (peer, room) = rest.rsplit_once('~')?;
        Some(Ticket {
            polite: flags & 1 != 0,
            peer: peer.to_owned(),
            peer_media: Media { audio: flags & 2 != 0, video: flags & 4 != 0 },
            room: (!room.is_empty()).then(|| room.to_owned()),
            encrypted: flags & 8 != 0,
        })
    }

    pub(super) fn print_seat(&self, call: &str, holder: &str, seat: &Seat) -> String {
        let role = match seat.role {
            Role::Attendee => 0,
            Role::Presenter => 1,
            Role::Owner => 2,
        } | u8::from(seat.encrypted) << 2;
        let rest = format!("{}~{}", seat.number, seat.room);
        format!("c{role}{}{rest}", BASE64.encode(self.tag(call, holder, SEAT | role, &rest)))
    }

    /// What the ticket says, if this server gave it to `holder` for the conference `call`.
    pub(super) fn verify_seat(&self, call: &str, holder: &str, text: &str) -> Option<Seat> {
        let text = text.strip_prefix('c')?;
        let flags = text.get(..1)?.parse::<u8>().ok()?;
        let role = match flags & 3 {
            0 => Role::Attendee,
            1 => Role::Presenter,
            2 => Role::Owner,
            _ => return None,
        };
        if flags > 7 {
            return None;
        }
        let tag = BASE64.decode(text.get(1..=TAG)?).ok()?;
        let rest = text.get(1 + TAG..)?;
        if !crypto::constant_time_eq(&tag, &self.tag(call, holder, SEAT | flags, rest)) {
            return None;
        }
        let (number, room) = rest.split_once('~')?;
        let (number, room) = (number.parse().ok()?, room.to_owned());
        Some(Seat { role, number, room, encrypted: flags & 4 != 0 })
    }

    fn tag(&self, call: &str, holder: &str, flags: u8, rest: &str) -> [u8; 16] {
        // Lengths before texts, so that no two sets of fields spell the same bytes.
        let length = |text: &str| (text.len() as u64).to_be_bytes();
        let (call_length, holder_length) = (length(call), length(holder));
        let tag = self.0.tag(&[
            b"visavis ticket\0",
            &[flags],
            &call_length,
            call.as_bytes(),
            &holder_length,
            holder.as_bytes(),
            rest.as_bytes(),
        ]);
        *tag.first_chunk().expect("a SHA-256 tag is longer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_holder_and_call_only() {
        let tickets = Tickets::new(b"secret");
        for (room, encrypted) in [(None, false), (Some("room-1".to_owned()), true)] {
            let ticket = Ticket {
                polite: true,
                peer: "b~1".into(),
                peer_media: Media { audio: true, video: false },
                room,
                encrypted,
            };
            let text = tickets.print("call", "a", &ticket);
            assert_eq!(tickets.verify("call", "a", &text), Some(ticket));
            assert_eq!(tickets.verify("call", "b~1", &text), None);
            assert_eq!(tickets.verify("cal", "la", &text), None);
            assert_eq!(Tickets::new(b"other").verify("call", "a", &text), None);
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let bent = String::from_utf8(bytes).unwrap();
                assert_eq!(tickets.verify("call", "a", &bent), None, "{bent}");
            }
        }
        let seat = Seat { role: Role::Presenter, number: 7, room: "r".into(), encrypted: true };
        let text = tickets.print_seat("call", "a", &seat);
        assert_eq!(tickets.verify_seat("call", "a", &text), Some(seat));
        assert_eq!(tickets.verify_seat("call", "b", &text), None);
        assert_eq!(tickets.verify("call", "a", &text), None);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let bent = String::from_utf8(bytes).unwrap();
            assert_eq!(tickets.verify_seat("call", "a", &bent), None, "{bent}");
        }
        assert_eq!(tickets.verify("call", "a", ""), None);
        assert_eq!(tickets.verify("call", "a", "é"), None);
    }
}

//! What passes before a call is accepted, so that little is left to do then.
//!
//! A ringing device sends its offer to the caller and gets an answer: descriptions pass at once. So do relayed candidates,
//! which tell where a relay is and nothing else once the rest is cut off: the two can have a path and keys while it rings.
//! Other candidates would tell where somebody is, so both sides hand theirs over and the server keeps them until that device
//! accepts; then each side is given the other's with `started`. Of what was kept for devices that do not accept nobody hears
//! anything.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::calls::{Call, Device, Failure, Ringing, no_such_call, wrong_state};
use super::config::Config;
use super::frames::candidate_size;
use super::{Rendezvous, SessionKey};
use crate::signal::protocol::{CallId, Candidate, Description, ErrorCode, ServerMessage};

/// What one side has for the other.
pub(super) enum Relayed {
    Description(Description),
    Candidate(Option<Candidate>),
}

/// Between the caller and one ringing device.
#[derive(Default)]
pub(super) struct Early {
    pub(super) from_caller: Lane,
    pub(super) from_device: Lane,
}

/// One direction of it.
#[derive(Default)]
pub(super) struct Lane {
    descriptions: usize,
    description_bytes: usize,
    /// Relayed candidates that have passed.
    relayed: usize,
    candidate_bytes: usize,
    /// The newest; when there are too many the oldest go, which belong to earlier descriptions.
    pub(super) candidates: VecDeque<Candidate>,
}

/// From one side to the other.
struct Way<'a> {
    to: SessionKey,
    /// The number of the device, if it comes from one.
    from: Option<u32>,
    lane: &'a mut Lane,
}

impl Lane {
    /// Whether another description may pass.
    fn describe(&mut self, description: &Description, config: &Config) -> Result<(), Failure> {
        self.descriptions += 1;
        self.description_bytes += description.sdp.len();
        if self.descriptions > config.early_descriptions
            || self.description_bytes > config.early_description_bytes
        {
            let message = "too many descriptions before the call is accepted: wait for `started`";
            return Err((ErrorCode::RateLimited, message.to_owned()));
        }
        Ok(())
    }

    /// The candidate as it may pass, if it may.
    fn pass(&mut self, candidate: &Candidate, config: &Config) -> Option<Candidate> {
        let bare = bare_relayed(candidate).filter(|_| self.relayed < config.early_relayed)?;
        self.relayed += 1;
        Some(bare)
    }

    fn keep(&mut self, candidate: Candidate, config: &Config) {
        self.candidate_bytes += candidate_size(&candidate);
        self.candidates.push_back(candidate);
        while self.candidates.len() > config.early_candidates
            || self.candidate_bytes > config.early_candidate_bytes
        {
            let gone = self.candidates.pop_front();
            self.candidate_bytes -= gone.as_ref().map_or(0, candidate_size);
        }
    }
}

impl Ringing {
    /// The way of something that `key` says before the call is accepted. `None` if that device rings no more.
    fn way(&mut self, key: SessionKey, device: Option<u32>) -> Result<Option<Way<'_>>, Failure> {
        let caller = self.caller.session;
        let not_yet = || wrong_state("nothing passes before the call is accepted: wait for `started`");
        if key == caller {
            let number = device.filter(|number| self.early && *number < self.numbers).ok_or_else(not_yet)?;
            let Some(rung) = self.rung.iter_mut().find(|rung| rung.number == number) else { return Ok(None) };
            let early = rung.early.as_mut().ok_or_else(not_yet)?;
            return Ok(Some(Way { to: rung.session, from: None, lane: &mut early.from_caller }));
        }
        let rung = self.rung.iter_mut().find(|rung| rung.session == key).ok_or_else(no_such_call)?;
        let early = rung.early.as_mut().ok_or_else(not_yet)?;
        Ok(Some(Way { to: caller, from: Some(rung.number), lane: &mut early.from_device }))
    }

    /// Another device to ring at.
    pub(super) fn add(&mut self, session: SessionKey, config: &Config) -> bool {
        let number = self.numbers;
        let early = self.early && usize::try_from(number).is_ok_and(|n| n < config.early_devices);
        self.numbers += 1;
        self.rung.push(Device { session, number, early: early.then(Box::default) });
        early
    }
}

impl Rendezvous {
    /// Passes something on to the other of the two, and to nobody else.
    pub(super) fn relay(
        &mut self,
        key: SessionKey,
        call: &CallId,
        device: Option<u32>,
        what: Relayed,
    ) -> Result<(), Failure> {
        match self.calls.get_mut(call) {
            Some(Call::Running(running)) => {
                let other = running.other(key).ok_or_else(no_such_call)?;
                // It was on its way to a device when another one accepted.
                if device.is_some() && device != running.device {
                    return Ok(());
                }
                self.tell(other, what.message(call.clone(), None));
                Ok(())
            }
            Some(Call::Ringing(ringing)) => {
                let Some(Way { to, from, lane }) = ringing.way(key, device)? else { return Ok(()) };
                match what {
                    Relayed::Description(ref description) => {
                        lane.describe(description, &self.config)?;
                        self.tell(to, what.message(call.clone(), from));
                    }
                    Relayed::Candidate(Some(candidate)) => match lane.pass(&candidate, &self.config) {
                        Some(bare) => {
                            let message = Relayed::Candidate(Some(bare)).message(call.clone(), from);
                            self.tell(to, message);
                        }
                        None => lane.keep(candidate, &self.config),
                    },
                    Relayed::Candidate(None) => {}
                }
                Ok(())
            }
            Some(Call::Rejoining(waiting)) if waiting.session == key => {
                Err(wrong_state("the other is not back yet: wait for `started`"))
            }
            Some(Call::Rejoining(_)) | None => Err(no_such_call()),
        }
    }
}

impl Relayed {
    fn message(self, call: CallId, device: Option<u32>) -> ServerMessage {
        match self {
            Self::Description(description) => ServerMessage::Description { call, device, description },
            Self::Candidate(candidate) => ServerMessage::Candidate { call, device, candidate },
        }
    }
}

/// A relayed candidate (RFC 8839 §5.1) with nothing in it of the one who sent it: neither the address from which they reach
/// the relay (`raddr`), nor what browsers add of their networks. `None` if it is of another kind.
fn bare_relayed(candidate: &Candidate) -> Option<Candidate> {
    let mut words = candidate.candidate.split_ascii_whitespace();
    let head = [(); 8].map(|()| words.next().unwrap_or_default());
    let [_, component, transport, priority, address, port, "typ", "relay"] = head else { return None };
    let address: IpAddr = address.parse().ok()?;
    let (component, priority, port): (u8, u32, u16) =
        (component.parse().ok()?, priority.parse().ok()?, port.parse().ok()?);
    if !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    // A foundation may be made from the address behind it; each relayed address is one of its own.
    let nowhere = if address.is_ipv4() { "0.0.0.0" } else { "::" };
    let line = format!(
        "candidate:relay{port} {component} udp {priority} {address} {port} typ relay raddr {nowhere} rport 0"
    );
    Some(Candidate { candidate: line, ..candidate.clone() })
}

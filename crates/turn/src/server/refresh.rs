//! Refresh (RFC 8656 §8) and mobility (RFC 8016 §3.2).

use super::allocation::{Allocation, slot};
use super::auth::optional;
use super::reply::Request;
use super::{Server, Timer};
use std::time::Duration;
use stun::attribute::{ErrorCode, Lifetime, MobilityTicket, RequestedAddressFamily};
use wire::Instant;

/// A ticket is an allocation's name, how often it had moved, and a tag over both.
const TICKET_LEN: usize = 8 + 4 + 16;

impl Server {
    pub(super) fn handle_refresh(
        &mut self,
        now: Instant,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        let ticket = optional::<MobilityTicket<'_>>(&request.message)?;
        let index = match (self.find(&request.client), ticket) {
            (None, Some(MobilityTicket(ticket))) => self.move_here(request, ticket)?,
            (_, _) => self.allocation_of(request)?,
        };
        let asked = optional::<Lifetime>(&request.message)?;
        let family = match optional::<RequestedAddressFamily>(&request.message)? {
            None => None,
            Some(family) => Some(family.family().ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?),
        };
        let Some(allocation) = self.allocations.get(index) else { return Err(ErrorCode::SERVER_ERROR) };
        let relays = allocation.relays;
        if family.is_some_and(|family| relays[slot(family)].is_none()) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if asked == Some(Lifetime(0)) {
            match (family, relays) {
                // One of two families is given back, the other goes on.
                (Some(family), [Some(_), Some(_)]) => {
                    relays[slot(family)].into_iter().for_each(|relay| self.close_relay(relay));
                }
                (_, _) => self.release(now, index, false),
            }
            self.succeed(&request.reply, |w| w.put(&Lifetime(0)));
            return Ok(());
        }
        let lifetime = self.lifetime(asked);
        self.extend(now, index, lifetime);
        let ticket = self.ticket(index);
        let seconds = Lifetime(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
        self.succeed(&request.reply, |w| {
            w.put(&seconds)?;
            ticket.map_or(Ok(()), |ticket| w.put(&MobilityTicket(&ticket)))
        });
        Ok(())
    }

    pub(super) fn extend(&mut self, now: Instant, index: u32, lifetime: Duration) {
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let old = std::mem::replace(&mut allocation.expires, now + lifetime);
        self.timers.change(Timer::Allocation(index), Some(old), Some(now + lifetime));
    }

    /// The live allocation of a request's 5-tuple, which must be its sender's (RFC 8656 §5).
    pub(super) fn allocation_of(&self, request: &Request<'_>) -> Result<u32, ErrorCode<'static>> {
        let index = self.live(&request.client).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        self.check_owner(index, request)?;
        Ok(index)
    }

    fn check_owner(&self, index: u32, request: &Request<'_>) -> Result<(), ErrorCode<'static>> {
        let allocation = self.allocations.get(index).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let same = self.users.name(allocation.user) == &*request.identity.name;
        if same { Ok(()) } else { Err(ErrorCode::WRONG_CREDENTIALS) }
    }

    /// Moves an allocation to the 5-tuple that shows its ticket. Each ticket is good once: a move makes a new
    /// one, and the one before the last move is refused, whoever kept it.
    fn move_here(&mut self, request: &Request<'_>, ticket: &[u8]) -> Result<u32, ErrorCode<'static>> {
        if !self.config.mobility {
            return Err(ErrorCode::MOBILITY_FORBIDDEN);
        }
        let index = self.read_ticket(ticket).ok_or(ErrorCode::BAD_REQUEST)?;
        self.check_owner(index, request)?;
        let Some(Allocation { client, moves, .. }) = self.allocations.get_mut(index) else {
            return Err(ErrorCode::SERVER_ERROR);
        };
        let old = std::mem::replace(client, request.client);
        *moves = moves.map(|moves| moves.wrapping_add(1));
        self.clients.remove(&old, index);
        self.clients.insert(&request.client, index);
        Ok(index)
    }

    fn read_ticket(&self, ticket: &[u8]) -> Option<u32> {
        let name = u64::from_be_bytes(*ticket.first_chunk()?);
        let index = self.allocations.find(name)?;
        let expected = self.ticket(index)?;
        (crypto::constant_time_eq(ticket, &expected) && self.is_live(index)).then_some(index)
    }

    /// The ticket of an allocation that may move.
    pub(super) fn ticket(&self, index: u32) -> Option<[u8; TICKET_LEN]> {
        let moves = self.allocations.get(index)?.moves?;
        let mut ticket = [0; TICKET_LEN];
        ticket[..8].copy_from_slice(&self.allocations.name(index).to_be_bytes());
        ticket[8..12].copy_from_slice(&moves.to_be_bytes());
        let tag = self.ticket_key.tag(&[&ticket[..12]]);
        ticket[12..].copy_from_slice(&tag[..16]);
        Some(ticket)
    }
}

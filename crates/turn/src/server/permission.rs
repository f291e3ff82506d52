//! CreatePermission (RFC 8656 §10) and ChannelBind (RFC 8656 §12).

use super::Server;
use super::allocation::BindError;
use super::reply::Request;
use crate::RelayKind;
use std::net::SocketAddr;
use stun::attribute::{ChannelNumber, ErrorCode, XorPeerAddress};
use wire::Instant;

impl Server {
    /// All peers of the request, or none.
    pub(super) fn handle_create_permission(
        &mut self,
        now: Instant,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        let index = self.allocation_of(request)?;
        let limit = self.config.permissions_per_allocation;
        let Some(allocation) = self.allocations.get(index) else { return Err(ErrorCode::SERVER_ERROR) };
        let (mut peers, mut new) = (0, 0);
        for peer in request.message.all::<XorPeerAddress>() {
            let XorPeerAddress(peer) = peer.map_err(|_| ErrorCode::BAD_REQUEST)?;
            if allocation.relay_for(peer.ip()).is_none() {
                return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
            }
            // A permission is for an address whatever the port (RFC 8656 §9); of our own, data is let through to some ports.
            let own = self.is_relay_ip(peer.ip()) || self.is_service_ip(peer.ip());
            if !own && !self.filter.allows(peer.ip()) {
                return Err(ErrorCode::FORBIDDEN);
            }
            peers += 1;
            new += usize::from(!allocation.knows(peer.ip()));
        }
        if peers == 0 {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let expires = now + self.config.permission_lifetime;
        let Some(allocation) = self.allocations.get_mut(index) else { return Err(ErrorCode::SERVER_ERROR) };
        // Forgetting old ones may forget one of these: then it is new, and `new` was counted too low by it.
        let bound = limit.saturating_sub(peers - new);
        if new > 0 && !allocation.has_room(now, new, bound) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        for XorPeerAddress(peer) in request.message.all::<XorPeerAddress>().flatten() {
            allocation.permit(peer.ip(), expires);
        }
        self.succeed(&request.reply, |_| Ok(()));
        Ok(())
    }

    pub(super) fn handle_channel_bind(
        &mut self,
        now: Instant,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        let index = self.allocation_of(request)?;
        let number = request.message.get::<ChannelNumber>();
        let peer = request.message.get::<XorPeerAddress>();
        let (Ok(Some(ChannelNumber(number))), Ok(Some(XorPeerAddress(peer)))) = (number, peer) else {
            return Err(ErrorCode::BAD_REQUEST);
        };
        // RFC 8656 §12 narrowed the numbers to 0x4000-0x4FFF; clients of RFC 5766 §11 use them up to 0x7FFE,
        // and nothing else that shares the port begins with such a byte (RFC 7983 §7).
        if !(0x4000..=0x7ffe).contains(&number) {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let peer = SocketAddr::new(peer.ip(), peer.port());
        let allowed = self.may_be_peer(peer);
        let Some(allocation) = self.allocations.get_mut(index) else { return Err(ErrorCode::SERVER_ERROR) };
        if allocation.relay_for(peer.ip()).is_none() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if allocation.kind != RelayKind::Udp {
            return Err(ErrorCode::BAD_REQUEST); // RFC 6062 §4.1: no channels over TCP relays
        }
        if !allowed {
            return Err(ErrorCode::FORBIDDEN);
        }
        allocation.can_bind(now, number, peer, self.config.channels_per_allocation).map_err(|e| match e {
            BindError::Conflict => ErrorCode::BAD_REQUEST,
            BindError::Full => ErrorCode::INSUFFICIENT_CAPACITY,
        })?;
        let limit = self.config.permissions_per_allocation;
        if !allocation.knows(peer.ip()) && !allocation.has_room(now, 1, limit) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        allocation.bind(number, peer, now + self.config.channel_lifetime);
        allocation.permit(peer.ip(), now + self.config.permission_lifetime);
        self.succeed(&request.reply, |_| Ok(()));
        Ok(())
    }
}

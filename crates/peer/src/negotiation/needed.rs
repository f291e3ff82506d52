//! When an offer is due (W3C WebRTC §4.7.3, "check if negotiation is needed").

use super::transceiver::Transceiver;
use super::{Event, Negotiator, Pair, SdpType, SignalingState, Use};
use sdp::Attribute;

impl Negotiator {
    /// Looks again whether an offer is due, and tells once that it has become so. While a negotiation is under way
    /// the question waits for its end.
    pub(super) fn update_negotiation_needed(&mut self) {
        if self.state != SignalingState::Stable {
            return;
        }
        let needed = self.is_negotiation_needed();
        if needed && !self.needed {
            self.event(Event::NegotiationNeeded);
        }
        self.needed = needed;
    }

    fn is_negotiation_needed(&self) -> bool {
        let ice = self.current.as_ref().and_then(|pair| pair.ice.as_ref());
        if self.replace.is_some() && self.replace.as_ref() == ice {
            return true;
        }
        if self.wants_data && !self.slots.iter().any(|slot| slot.usage == Use::Data) {
            return true;
        }
        self.transceivers.iter().any(|transceiver| {
            let section = self.slots.iter().position(|slot| slot.usage == Use::Transceiver(transceiver.id));
            match (&self.current, section) {
                _ if transceiver.stopping => true,
                (Some(pair), Some(section)) => is_outdated(transceiver, pair, section),
                _ => true,
            }
        })
    }
}

/// Whether a transceiver wants something else than its section says.
fn is_outdated(transceiver: &Transceiver, pair: &Pair, section: usize) -> bool {
    let (local, remote) = (&pair.local.session, &pair.remote.session);
    let (Some(ours), Some(theirs)) = (local.media.get(section), remote.media.get(section)) else {
        return true;
    };
    let wanted = transceiver.direction();
    let (said, heard) = (local.direction(ours), remote.direction(theirs).reversed());
    // W3C compares the streams even where the other side does not let us send and so none are written; two sides
    // that both only send would offer to each other for ever.
    if wanted.sends() && said.sends() {
        let said = ours.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Msid(msid) => Some(msid.stream.as_str()),
            _ => None,
        });
        let mut said: Vec<_> = said.collect();
        let mut streams: Vec<_> = transceiver.streams.iter().map(String::as_str).collect();
        if streams.is_empty() {
            streams.push("-");
        }
        said.sort_unstable();
        streams.sort_unstable();
        if said != streams {
            return true;
        }
    }
    if pair.local.kind == SdpType::Offer {
        said != wanted && heard != wanted
    } else {
        said != wanted.and(heard)
    }
}

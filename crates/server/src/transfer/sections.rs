//! The media sections and channels that every peer connection of a call has (PEER.md).

use anyhow::Result;
use peer::negotiation::TransceiverInit;
use peer::{ChannelConfig, ChannelId, Peer, StreamId};
use wire::Instant as MachineInstant;

/// Both channels, negotiated by number, so that no label needs to be believed.
pub(crate) fn channels(peer: &mut Peer, now: MachineInstant) -> Result<(ChannelId, ChannelId)> {
    let config = |label: &str, id| ChannelConfig {
        label: label.to_owned(),
        negotiated: Some(StreamId(id)),
        ..ChannelConfig::default()
    };
    let control = peer.create_data_channel(now, config("control", 0))?;
    Ok((control, peer.create_data_channel(now, config("bulk", 1))?))
}

/// Takes the sections of the other side's first offer for our own use.
pub(crate) fn adopted(peer: &mut Peer, now: MachineInstant) -> Result<(ChannelId, ChannelId)> {
    peer.with_negotiator(|negotiator| {
        let sections: Vec<_> = negotiator.transceivers().iter().map(|t| t.id()).collect();
        for section in sections {
            negotiator.set_direction(section, TransceiverInit::default().direction)?;
        }
        anyhow::Ok(())
    })?;
    channels(peer, now)
}

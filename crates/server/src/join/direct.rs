//! A call of two: the way straight to the other, as pages have it (`web/client/PEER.md`).

use anyhow::Result;
use peer::negotiation::{MediaKind, TransceiverId};
use peer::{MediaError, Peer};

use super::outgoing::{Outgoing, Source};
use crate::signal::protocol::{Person, Secret};
use crate::transfer::link::Link;

/// Being in a call of two.
pub(crate) struct Direct {
    pub(crate) call: String,
    pub(crate) ticket: Secret,
    pub(crate) peer: Person,
    pub(crate) link: Link,
    /// Tells its timestamps from those of other connections.
    pub(crate) way: u64,
    /// The section of the other's screen, once it was looked for.
    pub(crate) screen: Option<TransceiverId>,
    /// There is a path.
    pub(crate) connected: bool,
    /// The other has said hello: media that is sent now arrives.
    pub(crate) greeted: bool,
    /// The conference that it goes on for, until it has media.
    pub(crate) replaces: Option<String>,
}

/// The section of a source: sound, camera, screen, in this order.
fn section(peer: &Peer, source: Source) -> Option<TransceiverId> {
    let (kind, at) = match source {
        Source::Microphone => (MediaKind::Audio, 0),
        Source::Camera => (MediaKind::Video, 0),
        Source::Screen => (MediaKind::Video, 1),
    };
    let mut sections = peer.negotiator().transceivers().iter().filter(|section| section.kind() == kind);
    sections.nth(at).map(|section| section.id())
}

impl Direct {
    /// Sends a frame; of several sizes only the largest is.
    pub(crate) async fn send(&self, out: Outgoing) -> Result<Result<(), MediaError>> {
        if !self.greeted || out.layer.is_some_and(|layer| layer != 2) {
            return Ok(Ok(()));
        }
        let send = move |peer: &mut Peer, now| {
            let section = section(peer, out.source).ok_or(MediaError::NoTransceiver)?;
            out.send(peer, now, section, false)
        };
        Ok(self.link.connection().with(send).await?)
    }

    /// Whether a section carries the other's screen.
    pub(crate) async fn is_screen(&mut self, id: TransceiverId) -> bool {
        if self.screen.is_none() {
            let find = |peer: &mut Peer, _| section(peer, Source::Screen);
            self.screen = self.link.connection().with(find).await.ok().flatten();
        }
        self.screen == Some(id)
    }
}

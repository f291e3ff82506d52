//! The path to the other side: one peer connection after the other, each of a higher generation, with the control and
//! the bulk channel. `web/client/PEER.md` tells the rules.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use endpoint::{Connection, Events, Options};
use peer::negotiation::{Description, MediaKind, SdpType, SignalingState, TransceiverInit};
use peer::{ChannelId, ConnectionState, DtlsClosed, Event, Kind};
use tokio::time::Instant;

use super::control::Control;
use super::sdp;
use super::sections::{adopted, channels};
use crate::signal::protocol::{self, Candidate, DescriptionKind};

/// How long a path may be silent, which often mends itself, before it is looked for anew.
const DISCONNECTED_PATIENCE: Duration = Duration::from_secs(2);
/// From one restart to the next.
const RESTART_EVERY: Duration = Duration::from_secs(7);
/// Restarts in vain, after which a new peer connection is made.
const RESTARTS_MOST: u32 = 3;
/// Candidates kept for a description that has not come yet.
const EARLY_MOST: usize = 256;

/// What the link has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// For the other side.
    Description(protocol::Description),
    /// For the other side; `None` at the end of them.
    Candidate(Option<Candidate>),
    /// There is a path.
    Connected,
    /// It has broken.
    Broken,
    /// Both channels are open.
    Open,
    /// The channels are gone; the other side ended them in good order, or not.
    Closed { by_peer: bool },
    /// Data goes this way now.
    Path(Way),
    /// A message of the control channel.
    Control(Control),
    /// A message of the bulk channel.
    Bulk(Bytes),
    /// A frame has come, a keyframe is wanted, or the rate is another: for who sends or receives media.
    Media(Box<Event>),
}

/// What [`Link::wait`] woke up for.
pub(crate) enum Wake {
    /// There is something to tell.
    News,
    /// The path is to be mended.
    Mend,
    /// Something happened.
    Event(Box<Event>),
}

/// How data goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    /// Whether through a relay.
    pub(crate) relayed: bool,
    /// Our end and theirs.
    pub(crate) ends: String,
}

/// The present peer connection.
struct Present {
    connection: Connection,
    events: Events,
    opened: bool,
    control: Option<(ChannelId, bool)>,
    bulk: Option<(ChannelId, bool)>,
}

/// The link.
pub(crate) struct Link {
    config: peer::Config,
    options: Options,
    /// The number of the present peer connection.
    pub(crate) generation: u32,
    polite: bool,
    present: Present,
    early: VecDeque<Candidate>,
    restarts: u32,
    mend_at: Option<Instant>,
    connected: bool,
    news: VecDeque<News>,
}

impl Link {
    /// A link that has not begun; `generation` is 1 unless this side had been in the call before.
    ///
    /// # Errors
    /// No socket could be opened.
    pub(crate) fn new(
        config: peer::Config,
        tls: Arc<rustls::ClientConfig>,
        polite: bool,
        generation: u32,
    ) -> Result<Self> {
        let options = Options { tls: Some(tls), ..Options::default() };
        let present = Present::start(&config, &options)?;
        Ok(Self {
            config,
            options,
            generation,
            polite,
            present,
            early: VecDeque::new(),
            restarts: 0,
            mend_at: None,
            connected: false,
            news: VecDeque::new(),
        })
    }

    /// Makes the first offer of this generation.
    pub(crate) async fn open(&mut self) -> Result<()> {
        if self.present.opened {
            return Ok(());
        }
        self.present.opened = true;
        let channels = self
            .present
            .connection
            .with(|peer, now| {
                let stream =
                    || TransceiverInit { streams: vec!["call".to_owned()], ..TransceiverInit::default() };
                peer.with_negotiator(|negotiator| {
                    negotiator.add_transceiver(MediaKind::Audio, stream())?;
                    negotiator.add_transceiver(MediaKind::Video, stream())?;
                    negotiator.add_transceiver(MediaKind::Video, TransceiverInit::default())
                })?;
                let channels = channels(peer, now)?;
                peer.set_local_description(now, None)?;
                anyhow::Ok((channels, peer.local_description()))
            })
            .await??;
        self.take_channels(channels.0);
        self.announce(channels.1);
        Ok(())
    }

    /// The polite side gives way.
    pub(crate) fn set_polite(&mut self, polite: bool) {
        self.polite = polite;
    }

    /// Both were told that the call goes on, and what was under way may be lost.
    pub(crate) async fn rejoined(&mut self) -> Result<()> {
        let pending = self
            .present
            .connection
            .with(|peer, _| {
                let offering = peer.signaling_state() == SignalingState::HaveLocalOffer;
                offering.then(|| peer.local_description()).flatten()
            })
            .await?;
        match pending {
            Some(offer) => self.announce(Some(offer)),
            None if !self.connected && !self.polite => self.restart().await?,
            None => {}
        }
        Ok(())
    }

    /// A description of the other side.
    pub(crate) async fn describe(&mut self, description: &protocol::Description) -> Result<()> {
        let kind = match description.kind {
            DescriptionKind::Offer => SdpType::Offer,
            DescriptionKind::Answer => SdpType::Answer,
            // Pages never send these two.
            DescriptionKind::Pranswer | DescriptionKind::Rollback => return Ok(()),
        };
        let (sdp, generation) = sdp::take_generation(&description.sdp);
        if generation < self.generation {
            return Ok(());
        }
        if generation > self.generation {
            self.renew(generation)?;
        }
        let (state, first) = self
            .present
            .connection
            .with(|peer, _| (peer.signaling_state(), peer.negotiator().remote_description().is_none()))
            .await?;
        match (kind, state) {
            (SdpType::Offer, SignalingState::Stable) => {}
            (SdpType::Offer, _) if !self.polite => return Ok(()),
            // Our own sections would stay beside those of the offer.
            (SdpType::Offer, _) if first => self.renew(self.generation)?,
            (SdpType::Answer, SignalingState::HaveLocalOffer) | (SdpType::Offer, _) => {}
            _ => return Ok(()),
        }
        let adopt = kind == SdpType::Offer && !std::mem::replace(&mut self.present.opened, true);
        let result = self
            .present
            .connection
            .with(move |peer, now| {
                peer.set_remote_description(now, &Description { kind, sdp })?;
                if kind != SdpType::Offer {
                    return anyhow::Ok((None, None));
                }
                let channels = if adopt { Some(adopted(peer, now)?) } else { None };
                peer.set_local_description(now, None)?;
                Ok((channels, peer.local_description()))
            })
            .await?;
        match result {
            Ok((channels, answer)) => {
                if let Some(channels) = channels {
                    self.take_channels(channels);
                }
                self.announce(answer);
            }
            Err(error) => tracing::warn!("the other side's description cannot be used: {error:#}"),
        }
        self.add_early().await
    }

    /// A candidate of the other side.
    pub(crate) async fn candidate(&mut self, candidate: Option<Candidate>) -> Result<()> {
        let Some(candidate) = candidate.filter(|candidate| !candidate.candidate.is_empty()) else {
            return Ok(());
        };
        if self.early.len() >= EARLY_MOST {
            self.early.pop_front();
        }
        self.early.push_back(candidate);
        self.add_early().await
    }

    async fn add_early(&mut self) -> Result<()> {
        let remote = self.present.connection.with(|peer, _| peer.negotiator().remote_description()).await?;
        let Some(remote) = remote else { return Ok(()) };
        let known = sdp::user_fragments(&remote.sdp);
        let belongs =
            |c: &Candidate| sdp::user_fragment_of(c).is_none_or(|fragment| known.contains(fragment));
        let (now, later) = std::mem::take(&mut self.early).into_iter().partition::<VecDeque<_>, _>(belongs);
        self.early = later;
        if now.is_empty() {
            return Ok(());
        }
        self.present
            .connection
            .with(move |peer, at| {
                for c in &now {
                    let index = c.sdp_m_line_index.map(usize::from);
                    let (mid, fragment) = (c.sdp_mid.as_deref(), c.username_fragment.as_deref());
                    if let Err(error) = peer.add_ice_candidate(at, &c.candidate, mid, index, fragment) {
                        tracing::debug!("a candidate of the other side is dropped: {error}");
                    }
                }
            })
            .await?;
        Ok(())
    }

    /// Another peer connection of a later generation, after the present one.
    fn renew(&mut self, generation: u32) -> Result<()> {
        self.generation = generation;
        self.present = Present::start(&self.config, &self.options)?;
        self.restarts = 0;
        self.mend_at = None;
        if std::mem::take(&mut self.connected) {
            self.news.push_back(News::Broken);
        }
        Ok(())
    }

    fn take_channels(&mut self, (control, bulk): (ChannelId, ChannelId)) {
        self.present.control = Some((control, false));
        self.present.bulk = Some((bulk, false));
    }

    fn announce(&mut self, description: Option<Description>) {
        let Some(description) = description else { return };
        let kind = match description.kind {
            SdpType::Offer => DescriptionKind::Offer,
            SdpType::Answer => DescriptionKind::Answer,
            SdpType::Pranswer => DescriptionKind::Pranswer,
            SdpType::Rollback => DescriptionKind::Rollback,
        };
        let sdp = sdp::with_generation(&description.sdp, self.generation);
        self.news.push_back(News::Description(protocol::Description { kind, sdp }));
    }

    async fn restart(&mut self) -> Result<()> {
        self.present
            .connection
            .with(|peer, _| match peer.negotiator().remote_description() {
                Some(_) => peer.restart_ice(),
                None => Ok(()),
            })
            .await??;
        Ok(())
    }

    /// Waits until there is something to do. May be dropped and called again at any time.
    pub(crate) async fn wait(&mut self) -> Result<Wake> {
        if !self.news.is_empty() {
            return Ok(Wake::News);
        }
        let mend = async {
            match self.mend_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.present.events.next() => {
                Ok(Wake::Event(Box::new(event.context("the connection's thread has ended")?)))
            }
            () = mend => Ok(Wake::Mend),
        }
    }

    /// Does what [`Link::wait`] found. What there is to tell is given by [`Link::news`].
    pub(crate) async fn act(&mut self, wake: Wake) -> Result<()> {
        match wake {
            Wake::News => Ok(()),
            Wake::Mend => self.mend().await,
            Wake::Event(event) => match *event {
                Event::NegotiationNeeded => self.offer_again().await,
                event => {
                    self.follow(event);
                    Ok(())
                }
            },
        }
    }

    /// The next thing to tell.
    pub(crate) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    async fn offer_again(&mut self) -> Result<()> {
        let offer = self
            .present
            .connection
            .with(|peer, now| {
                if !peer.negotiator().negotiation_needed() {
                    return anyhow::Ok(None);
                }
                peer.set_local_description(now, None)?;
                Ok(peer.local_description())
            })
            .await??;
        self.announce(offer);
        Ok(())
    }

    async fn mend(&mut self) -> Result<()> {
        self.mend_at = None;
        self.restarts += 1;
        if self.restarts > RESTARTS_MOST {
            self.renew(self.generation + 1)?;
            return self.open().await;
        }
        self.mend_at = Some(Instant::now() + RESTART_EVERY);
        self.restart().await
    }

    fn follow(&mut self, event: Event) {
        match event {
            Event::IceCandidate(candidate) => {
                let candidate = candidate.map(|c| Candidate {
                    candidate: c.candidate,
                    sdp_mid: c.mid,
                    sdp_m_line_index: c.index.and_then(|index| u16::try_from(index).ok()),
                    username_fragment: Some(c.ufrag),
                });
                self.news.push_back(News::Candidate(candidate));
            }
            Event::ConnectionState(state) => self.follow_state(state),
            Event::SelectedPair(pair) => {
                let relay = |kind| kind == peer::CandidateKind::Relayed;
                self.news.push_back(News::Path(Way {
                    relayed: relay(pair.local_kind) || relay(pair.remote_kind),
                    ends: format!("{} - {}", pair.local, pair.remote),
                }));
            }
            Event::DtlsClosed(why) => {
                let by_peer = why == DtlsClosed::Peer;
                self.news.push_back(News::Closed { by_peer });
                if !by_peer {
                    // No restart of ICE mends that.
                    self.restarts = RESTARTS_MOST;
                    self.mend_at = Some(Instant::now() + DISCONNECTED_PATIENCE);
                }
            }
            Event::SctpClosed(_) | Event::ChannelClosed(_) => {
                self.news.push_back(News::Closed { by_peer: true });
            }
            Event::ChannelOpened(channel) => self.opened(channel),
            Event::Message(channel, Kind::Text, data) if self.is_control(channel) => {
                let message = std::str::from_utf8(&data).ok().and_then(Control::read);
                self.news.extend(message.map(News::Control));
            }
            Event::Message(channel, Kind::Binary, data) if self.is_bulk(channel) => {
                self.news.push_back(News::Bulk(data.into()));
            }
            event @ (Event::Frame(_) | Event::KeyframeRequested { .. } | Event::Target(_)) => {
                self.news.push_back(News::Media(Box::new(event)));
            }
            _ => {}
        }
    }

    fn follow_state(&mut self, state: ConnectionState) {
        let patience = match state {
            ConnectionState::Connected => {
                self.restarts = 0;
                self.mend_at = None;
                if !std::mem::replace(&mut self.connected, true) {
                    self.news.push_back(News::Connected);
                }
                return;
            }
            ConnectionState::Disconnected => DISCONNECTED_PATIENCE,
            ConnectionState::Failed => Duration::ZERO,
            ConnectionState::New | ConnectionState::Connecting | ConnectionState::Closed => return,
        };
        if std::mem::take(&mut self.connected) {
            self.news.push_back(News::Broken);
        }
        let at = Instant::now() + patience;
        self.mend_at = Some(self.mend_at.map_or(at, |before| before.min(at)));
    }

    fn opened(&mut self, channel: ChannelId) {
        for (id, open) in [&mut self.present.control, &mut self.present.bulk].into_iter().flatten() {
            *open |= *id == channel;
        }
        if let (Some((_, true)), Some((_, true))) = (self.present.control, self.present.bulk) {
            self.news.push_back(News::Open);
        }
    }

    fn is_control(&self, channel: ChannelId) -> bool {
        self.present.control.is_some_and(|(id, _)| id == channel)
    }

    fn is_bulk(&self, channel: ChannelId) -> bool {
        self.present.bulk.is_some_and(|(id, _)| id == channel)
    }

    /// Says something on the control channel, if there is one; what must not be lost is said again on the next.
    pub(crate) async fn say(&self, message: &Control) {
        let Some((channel, true)) = self.present.control else { return };
        let _ = self.present.connection.send(channel, Kind::Text, message.write().into()).await;
    }

    /// The present peer connection, for media.
    pub(crate) fn connection(&self) -> Connection {
        self.present.connection.clone()
    }

    /// Where frames are sent to, while there is a bulk channel.
    pub(crate) fn bulk(&self) -> Option<(Connection, ChannelId)> {
        let (channel, open) = self.present.bulk?;
        open.then(|| (self.present.connection.clone(), channel))
    }

    /// Waits until what was said has left, at most half a second.
    pub(crate) async fn flush(&self) {
        let Some((channel, true)) = self.present.control else { return };
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            match self.present.connection.with(move |peer, _| peer.buffered_amount(channel)).await {
                Ok(0) | Err(_) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

impl Present {
    fn start(config: &peer::Config, options: &Options) -> Result<Self> {
        let (connection, events) = Connection::start(config.clone(), options)
            .context("cannot open a socket for the connection to the other side")?;
        Ok(Self { connection, events, opened: false, control: None, bulk: None })
    }
}

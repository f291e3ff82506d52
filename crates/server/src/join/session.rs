//! Taking part in a room, from the meeting to the end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use endpoint::Events;
use peer::{ConnectionState, Event, Format, MediaError, ReceivedFrame};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::conference::{Conference, Sends};
use super::direct::Direct;
use super::feed::Feed;
use super::outgoing::{Outgoing, RIDS};
use super::publish::{Controls, Published, Publisher};
use super::record::Recorder;
use super::status::Meter;
use crate::client::address::Address;
use crate::client::output::Output;
use crate::client::secure::Connector;
use crate::client::signalling::Signalling;
use crate::signal::protocol::{ClientMessage, IceServer, Media, MemberNumber};
use crate::transfer::control::{Control, PROGRAM, Sending, VERSION};
use crate::transfer::link::{Link, News, Wake};

/// What is sent last is given so long to leave.
const LINGER: Duration = Duration::from_millis(500);
/// Kept free for sound and for what is said beside it, in bits per second.
const BESIDE: u64 = 60_000;
/// How often fresh credentials for TURN are asked for; they are good for an hour.
const RENEW: Duration = Duration::from_secs(1500);

/// What is to be done.
pub(crate) struct Plan {
    pub(crate) address: Address,
    pub(crate) connector: Connector,
    pub(crate) room: String,
    /// What the others see.
    pub(crate) name: String,
    /// What is played; it begins when somebody can hear it.
    pub(crate) feeds: Vec<Feed>,
    pub(crate) sends: Sends,
    pub(crate) recorder: Option<Recorder>,
    /// When to leave; else at a signal, and if there is nothing to record when everything was played.
    pub(crate) time: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// As it was meant to.
    Done,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Being in a room.
pub(crate) struct Session<'a> {
    pub(super) plan: Plan,
    pub(super) output: &'a mut Output,
    pub(super) signal: Signalling,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) direct: Option<Direct>,
    pub(super) conference: Option<Conference>,
    pub(super) controls: Arc<Controls>,
    publisher: Option<Publisher>,
    /// Which encodings the conference wants; `None` before it said so.
    pub(super) wanted: Option<Vec<String>>,
    pub(super) ways: u64,
    pub(super) meet_at: Option<Instant>,
    leave_at: Option<Instant>,
    meter: Meter,
    /// Frames that were not sent because the path was too narrow.
    refused: u64,
    pub(super) exit: Option<Exit>,
}

impl<'a> Session<'a> {
    /// Says hello to the server, and that one comes.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub(crate) async fn open(plan: Plan, output: &'a mut Output) -> Result<Self> {
        let (signal, welcome) =
            Signalling::open(&plan.address, &plan.connector, &plan.name, None, true).await?;
        let leave_at = plan.time.map(|time| Instant::now() + time);
        let mut session = Self {
            plan,
            output,
            signal,
            ice_servers: welcome.ice_servers,
            direct: None,
            conference: None,
            controls: Arc::default(),
            publisher: None,
            wanted: None,
            ways: 0,
            meet_at: None,
            leave_at,
            meter: Meter::default(),
            refused: 0,
            exit: None,
        };
        session.meet().await;
        Ok(session)
    }

    /// Says something before it begins.
    pub(crate) fn announce(self, event: &str, fields: serde_json::Value, text: &str) -> Self {
        self.output.say(event, fields, text);
        self
    }

    pub(super) async fn meet(&mut self) {
        self.meet_at = None;
        let Sends { microphone, camera, screen, .. } = self.plan.sends;
        let media = Media { audio: microphone, video: camera || screen };
        let room = self.plan.room.clone();
        self.signal.say(ClientMessage::Meet { room, media, encrypted: false }).await;
    }

    /// Runs to the end. What was recorded is finished in any case.
    ///
    /// # Errors
    /// What kept it from going on.
    pub(crate) async fn run(mut self) -> Result<Exit> {
        let result = self.take_part().await;
        self.leave().await;
        // The thread that plays ends before the files are finished, so that nothing comes any more.
        self.publisher = None;
        let recorded = self.finish_recording().await;
        self.signal.close().await;
        let exit = result?;
        recorded?;
        Ok(exit)
    }

    async fn take_part(&mut self) -> Result<Exit> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renew = interval(RENEW);
        renew.tick().await;
        loop {
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            tokio::select! {
                () = either(&mut interrupt, &mut terminate) => return Ok(Exit::Interrupted),
                notice = self.signal.next() => self.notice(notice).await?,
                wake = linked(&mut self.direct) => self.direct_woke(wake?).await?,
                event = happened(&mut self.conference) => match event {
                    Some(event) => self.conference_event(event).await?,
                    None => bail!("the thread of the connection has ended"),
                },
                published = played(&mut self.publisher) => self.published(published).await?,
                _ = ticks.tick() => self.report().await,
                _ = renew.tick() => self.signal.say(ClientMessage::IceServers).await,
                () = until(self.leave_at) => return Ok(Exit::Done),
                () = until(self.meet_at) => self.meet().await,
            }
        }
    }

    /// Says goodbye everywhere.
    async fn leave(&mut self) {
        if let Some(direct) = self.direct.take() {
            direct.link.say(&Control::End).await;
            direct.link.flush().await;
            self.signal.say(ClientMessage::End { call: direct.call }).await;
        }
        match self.conference.take() {
            Some(conference) => self.signal.say(ClientMessage::End { call: conference.call }).await,
            None => self.signal.say(ClientMessage::Leave { room: self.plan.room.clone() }).await,
        }
    }

    async fn finish_recording(&mut self) -> Result<()> {
        let Some(recorder) = self.plan.recorder.take() else { return Ok(()) };
        let left_out = recorder.left_out();
        let recorded = tokio::task::spawn_blocking(|| recorder.finish()).await??;
        for file in recorded {
            let [sound, pictures] = file.frames;
            let path = file.path.display().to_string();
            let seconds = file.duration.as_secs_f64();
            let text =
                format!("Recorded {path}: {seconds:.1} s, {pictures} pictures, {sound} packets of sound");
            let fields = json!({ "file": path, "seconds": seconds, "pictures": pictures, "sound": sound });
            self.output.say("recorded", fields, &text);
        }
        if left_out > 0 {
            let text = format!("{left_out} frames were not recorded, because the disk was too slow.");
            self.output.say("left-out", json!({ "frames": left_out }), &text);
        }
        Ok(())
    }

    async fn direct_woke(&mut self, wake: Wake) -> Result<()> {
        let Some(direct) = &mut self.direct else { return Ok(()) };
        direct.link.act(wake).await?;
        while let Some(news) = self.direct.as_mut().and_then(|direct| direct.link.news()) {
            self.direct_news(news).await?;
        }
        Ok(())
    }

    async fn direct_news(&mut self, news: News) -> Result<()> {
        let Some(direct) = &mut self.direct else { return Ok(()) };
        let call = direct.call.clone();
        match news {
            News::Description(description) => {
                self.signal.say(ClientMessage::Description { call, device: None, description }).await;
            }
            News::Candidate(candidate) => {
                self.signal.say(ClientMessage::Candidate { call, device: None, candidate }).await
            }
            News::Connected => direct.connected = true,
            News::Broken | News::Closed { .. } => {
                (direct.connected, direct.greeted) = (false, false);
                self.follow_wanted();
            }
            News::Open => {
                let Sends { microphone, camera, screen, .. } = self.plan.sends;
                let sending = Sending { microphone, camera, screen };
                let (page, program) = (self.plan.room.clone(), PROGRAM.to_owned());
                direct.link.say(&Control::Hello { version: VERSION, page, sending, program }).await;
            }
            News::Path(way) => {
                let (relayed, ends) = (way.relayed, way.ends);
                let text = if relayed {
                    "Connected through a relay."
                } else {
                    "Connected straight to the other side."
                };
                self.output.say(
                    "connected",
                    json!({ "forwarded": false, "relayed": relayed, "ends": ends }),
                    text,
                );
            }
            News::Control(Control::Hello { .. }) => self.direct_greeted().await?,
            News::Control(_) | News::Bulk(_) => {}
            News::Media(event) => self.direct_media(*event).await?,
        }
        Ok(())
    }

    /// The other hears and sees from now on.
    async fn direct_greeted(&mut self) -> Result<()> {
        let Some(direct) = &mut self.direct else { return Ok(()) };
        direct.greeted = true;
        if let Some(conference) = direct.replaces.take() {
            self.signal.say(ClientMessage::End { call: conference }).await;
            self.conference = None;
        }
        self.follow_wanted();
        self.controls.want_keyframe(None);
        self.start_publishing()
    }

    async fn direct_media(&mut self, event: Event) -> Result<()> {
        let Some(direct) = &mut self.direct else { return Ok(()) };
        match event {
            Event::Frame(frame) => {
                let Some(recorder) = &self.plan.recorder else { return Ok(()) };
                let screen = frame.format.is_video() && direct.is_screen(frame.transceiver).await;
                let way = way(direct.way, &frame);
                recorder.take(&direct.peer.id, &direct.peer.name, screen, way, frame);
            }
            Event::KeyframeRequested { rid, .. } => self.controls.want_keyframe(rid.as_deref()),
            Event::Target(rate) => self.controls.set_rate(rate.saturating_sub(BESIDE)),
            _ => {}
        }
        Ok(())
    }

    async fn conference_event(&mut self, event: Event) -> Result<()> {
        let Some(conference) = &mut self.conference else { return Ok(()) };
        match event {
            Event::ConnectionState(ConnectionState::Connected) => {
                if !std::mem::replace(&mut conference.connected, true) {
                    self.output.say(
                        "connected",
                        json!({ "forwarded": true }),
                        "Connected through the server.",
                    );
                }
                self.controls.want_keyframe(None);
                self.start_publishing()?;
            }
            Event::ConnectionState(ConnectionState::Failed) => {
                conference.connected = false;
                let (call, ticket) = (conference.call.clone(), conference.ticket.clone());
                self.output.say("broken", json!({}), "The connection to the server is broken; coming back …");
                self.signal.say(ClientMessage::Rejoin { call, ticket }).await;
            }
            Event::Frame(frame) => {
                let Some(recorder) = &self.plan.recorder else { return Ok(()) };
                if let Some((member, screen)) = conference.whose(frame.transceiver) {
                    let way = way(conference.way, &frame);
                    recorder.take(&member.person.id, &member.person.name, screen, way, frame);
                }
            }
            Event::KeyframeRequested { rid, .. } => self.controls.want_keyframe(rid.as_deref()),
            Event::Target(rate) => self.controls.set_rate(rate.saturating_sub(BESIDE)),
            _ => {}
        }
        Ok(())
    }

    fn start_publishing(&mut self) -> Result<()> {
        if !self.plan.feeds.is_empty() {
            let feeds = std::mem::take(&mut self.plan.feeds);
            self.publisher = Some(Publisher::start(feeds, self.controls.clone())?);
        }
        Ok(())
    }

    /// The pattern is drawn in the sizes that somebody wants.
    pub(super) fn follow_wanted(&self) {
        let direct = self.direct.as_ref().is_some_and(|direct| direct.greeted);
        let conference: Vec<&str> = match (&self.conference, &self.wanted) {
            (Some(_), Some(wanted)) if self.plan.sends.simulcast => {
                wanted.iter().map(String::as_str).collect()
            }
            (Some(_), _) => RIDS.to_vec(),
            (None, _) => Vec::new(),
        };
        self.controls.set_wanted(conference.into_iter().chain(direct.then_some("h")));
    }

    async fn published(&mut self, published: Option<Published>) -> Result<()> {
        match published {
            Some(Published::Frame(out)) => self.send(out).await,
            Some(Published::Failed(error)) => bail!(error),
            Some(Published::Ended) | None => {
                self.publisher = None;
                self.output.say("played", json!({}), "Everything was played.");
                if self.plan.time.is_none() && self.plan.recorder.is_none() {
                    self.leave_at = Some(Instant::now() + LINGER);
                }
                self.say_sending(false).await;
                Ok(())
            }
        }
    }

    /// Tells what is sent, or that nothing is any more.
    pub(super) async fn say_sending(&mut self, on: bool) {
        let Sends { microphone, camera, screen, .. } = self.plan.sends;
        let (microphone, camera, screen) = (microphone && on, camera && on, screen && on);
        if let Some(direct) = &self.direct {
            direct.link.say(&Control::Sending { sending: Sending { microphone, camera, screen } }).await;
        }
        if let Some(conference) = &self.conference {
            let call = conference.call.clone();
            self.signal.say(ClientMessage::Sending { call, microphone, camera, screen }).await;
        }
    }

    async fn send(&mut self, out: Outgoing) -> Result<()> {
        let (format, layer) = (out.format, out.layer);
        let mut results = Vec::with_capacity(2);
        if let Some(conference) = &self.conference {
            results.push(conference.send(out.clone()).await?);
        }
        if let Some(direct) = &self.direct {
            results.push(direct.send(out).await?);
        }
        for error in results.into_iter().filter_map(Result::err) {
            match error {
                MediaError::NoCodec => bail!(
                    "the other side takes no {}: play a file of another codec, VP8 goes everywhere",
                    name_of(format)
                ),
                MediaError::Refused(_) => {
                    self.refused += 1;
                    self.controls.want_keyframe(layer.and_then(|layer| RIDS.get(layer).copied()));
                }
                // It has just broken, or is being negotiated: the next ones go.
                _ => {}
            }
        }
        Ok(())
    }

    async fn report(&mut self) {
        let (way, connection) = match (&self.direct, &self.conference) {
            (Some(direct), _) if direct.greeted => (direct.way, direct.link.connection()),
            (_, Some(conference)) if conference.connected => (conference.way, conference.connection.clone()),
            _ => return,
        };
        let Ok(stats) = connection.with(|peer, _| peer.get_stats()).await else { return };
        let rates = self.meter.take(way, &stats);
        let names = |numbers: &[MemberNumber]| -> Vec<String> {
            let Some(conference) = &self.conference else { return Vec::new() };
            let name = |number: &MemberNumber| Some(plain(&conference.members.get(number)?.person.name));
            numbers.iter().filter_map(name).collect()
        };
        let (people, speaking) = match (&self.conference, &self.direct) {
            (Some(conference), _) => {
                let others: Vec<_> =
                    conference.members.keys().filter(|n| **n != conference.you).copied().collect();
                (names(&others), names(&conference.speaking))
            }
            (None, Some(direct)) => (vec![plain(&direct.peer.name)], Vec::new()),
            (None, None) => (Vec::new(), Vec::new()),
        };
        let mut fields = rates.fields();
        fields["people"] = json!(people);
        fields["speaking"] = json!(speaking);
        fields["refused"] = json!(self.refused);
        let voices =
            if speaking.is_empty() { String::new() } else { format!("  {} speaks", speaking.join(", ")) };
        let who = if people.len() > 4 { format!("{} people", people.len() + 1) } else { people.join(", ") };
        self.output.status(fields, &format!("{who}{voices}  {}", rates.line()));
    }
}

/// A name without what could move the cursor.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}

/// Each connection counts the timestamps of sound and of pictures for itself.
fn way(connection: u64, frame: &ReceivedFrame) -> u64 {
    connection << 1 | u64::from(frame.format.is_video())
}

const fn name_of(format: Format) -> &'static str {
    match format {
        Format::Opus => "Opus",
        Format::Vp8 => "VP8",
        Format::Vp9 => "VP9",
        Format::H264 => "H.264",
        Format::Av1 => "AV1",
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn linked(direct: &mut Option<Direct>) -> Result<Wake> {
    match direct {
        Some(Direct { link, .. }) => Link::wait(link).await,
        None => pending().await,
    }
}

async fn happened(conference: &mut Option<Conference>) -> Option<Event> {
    match conference {
        Some(Conference { events, .. }) => Events::next(events).await,
        None => pending().await,
    }
}

async fn played(publisher: &mut Option<Publisher>) -> Option<Published> {
    match publisher {
        Some(publisher) => publisher.next().await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

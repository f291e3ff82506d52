//! A transfer from the beginning to the end: the meeting, the link, the files, one event after the other.

mod meeting;
mod waiting;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::Instant;

use self::waiting::{Here, here, poll, until, wait};
use super::control::{Control, PROGRAM, Sending, Stop, VERSION};
use super::disk::Disk;
use super::files::{Effect, Files, Over};
use super::link::{Link, News, Wake};
use super::outgoing::{self, Source};
use super::place::Place;
use super::prompt::{Answer, Prompt};
use crate::client::address::Address;
use crate::client::output::{self, Output};
use crate::client::secure::Connector;
use crate::client::signalling::{Signalling, Welcome};
use crate::signal::protocol::{ClientMessage, IceServer, Media, Secret};

/// How long the first path may take.
const CONNECT: Duration = Duration::from_secs(45);
/// How long somebody who went without a word may take to come back, before the meeting begins anew.
const GONE: Duration = Duration::from_secs(10);
/// From one attempt to enter a room to the next.
const AGAIN: Duration = Duration::from_secs(3);

/// How a transfer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Everything arrived.
    Done,
    /// Something did not.
    Failed,
    /// The other side did not want it, or this side did not.
    Refused,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Where received files go, and who decides.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// The thread that writes.
    pub(crate) disk: Disk,
    /// Asks; `None` takes everything.
    pub(crate) prompt: Option<Prompt>,
    /// What another process needs to take this one's place.
    pub(crate) place: Place,
}

/// What is to be done.
pub(crate) struct Plan {
    /// The server.
    pub(crate) address: Address,
    /// TLS to it.
    pub(crate) connector: Connector,
    /// Where to meet.
    pub(crate) code: String,
    /// What the other side sees.
    pub(crate) name: String,
    /// What to send.
    pub(crate) sources: Vec<Source>,
    /// What to do with what comes; `None` refuses it.
    pub(crate) receiving: Option<Receiving>,
    /// How long to wait for the other side.
    pub(crate) patience: Duration,
}

type Sent = (u32, Result<(), SendFailure>);

/// Why a frame was not sent.
enum SendFailure {
    /// The file cannot be read.
    File(String),
    /// The channel is gone; the next one begins where the other side says.
    Channel,
}

struct Call {
    id: String,
    ticket: Secret,
}

/// A transfer under way.
pub(crate) struct Session<'a> {
    plan: Plan,
    output: &'a mut Output,
    signal: Signalling,
    ice_servers: Vec<IceServer>,
    page: String,
    files: Files,
    call: Option<Call>,
    link: Option<Link>,
    /// The other side has said hello on the present channels, and these are open.
    greeted: bool,
    open: bool,
    other_page: Option<String>,
    /// The other side is this program, too: it needs no time to save what it got.
    other_program: bool,
    present: bool,
    connected: bool,
    /// Whether data was last said to go through a relay.
    relayed: Option<bool>,
    sending: Option<Pin<Box<dyn Future<Output = Sent> + Send>>>,
    questions: VecDeque<u32>,
    /// Until when the other side must come, the path be there, or somebody come back.
    until: Option<(Instant, Wait)>,
    meet_at: Option<Instant>,
    told_all: bool,
    exit: Option<Exit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Meeting,
    Connecting,
    Return,
}

impl<'a> Session<'a> {
    /// Says hello to the server.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub(crate) async fn open(mut plan: Plan, output: &'a mut Output) -> Result<Self> {
        let identity = plan.receiving.as_ref().and_then(|receiving| receiving.place.identity());
        let (signal, welcome) =
            Signalling::open(&plan.address, &plan.connector, &plan.name, identity, false).await?;
        let files = Files::new(std::mem::take(&mut plan.sources));
        let mut session = Self {
            plan,
            output,
            signal,
            ice_servers: welcome.ice_servers.clone(),
            page: crypto::random::<12>().iter().map(|b| format!("{b:02x}")).collect(),
            files,
            call: None,
            link: None,
            greeted: false,
            open: false,
            other_page: None,
            other_program: false,
            present: true,
            connected: false,
            relayed: None,
            sending: None,
            questions: VecDeque::new(),
            until: None,
            meet_at: None,
            told_all: false,
            exit: None,
        };
        session.welcomed(&welcome);
        session.meet().await;
        Ok(session)
    }

    /// Says something before it begins.
    pub(crate) fn announce(self, say: impl FnOnce(&mut Output)) -> Self {
        say(self.output);
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What kept it from going on.
    pub(crate) async fn run(mut self) -> Result<Exit> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let result = loop {
            if let Err(error) = self.settle().await {
                break Err(error);
            }
            if let Some(exit) = self.exit {
                break Ok(exit);
            }
            let deadline = [self.until.map(|(at, _)| at), self.meet_at].into_iter().flatten().min();
            let step = tokio::select! {
                _ = &mut interrupt => {
                    break Ok(if self.told_all { Exit::Done } else { Exit::Interrupted });
                }
                notice = self.signal.next() => self.notice(notice).await,
                wake = wait(&mut self.link) => self.linked(wake).await,
                sent = poll(&mut self.sending) => {
                    self.sent(sent);
                    Ok(())
                }
                here = here(&mut self.plan.receiving) => {
                    match here {
                        Here::Disk(done) => self.files.written(done),
                        Here::Person(answer) => self.decided(answer),
                    }
                    Ok(())
                }
                () = until(deadline) => self.late().await,
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        self.leave(&result).await;
        result
    }

    /// Says goodbye: the end if all is over, else that this side may come back.
    async fn leave(mut self, result: &Result<Exit>) {
        if let Some(link) = &self.link {
            let over = matches!(result, Ok(Exit::Done | Exit::Refused)) || self.plan.receiving.is_none();
            link.say(if over { &Control::End } else { &Control::Leaving }).await;
            link.flush().await;
        }
        if let Some(call) = self.call.take() {
            self.signal.say(ClientMessage::End { call: call.id }).await;
        }
        self.signal.close().await;
        if let Some(receiving) = &self.plan.receiving {
            receiving.place.forget();
        }
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        self.ice_servers.clone_from(&welcome.ice_servers);
        if let Some(receiving) = &mut self.plan.receiving {
            receiving.place.keep_identity(&welcome.identity);
        }
    }

    async fn meet(&mut self) {
        self.meet_at = None;
        self.until.get_or_insert((Instant::now() + self.plan.patience, Wait::Meeting));
        let room = self.plan.code.clone();
        self.signal.say(ClientMessage::Meet { room, media: Media::default(), encrypted: false }).await;
    }

    /// Does what the files want, sends what can go, and sees whether that was all.
    async fn settle(&mut self) -> Result<()> {
        loop {
            while let Some(effect) = self.files.effects.pop_front() {
                self.effect(effect).await;
            }
            self.pump();
            if self.files.effects.is_empty() {
                break;
            }
        }
        let (done, size, moving) = self.files.progress();
        if moving && self.open {
            self.output.progress(
                done,
                size,
                if self.plan.receiving.is_some() { "Receiving" } else { "Sending" },
            );
        }
        if self.plan.receiving.is_none() && self.files.all_sent() && !self.told_all {
            self.told_all = true;
            let exit = self.result();
            if self.other_program || exit != Exit::Done {
                self.exit = Some(exit);
            } else {
                let text = "Everything has arrived. The other side can save it now; Ctrl-C ends the call.";
                self.output.say("arrived", json!({}), text);
            }
        }
        Ok(())
    }

    fn result(&self) -> Exit {
        match (self.files.done, self.files.refused, self.files.failed) {
            (_, _, 1..) => Exit::Failed,
            (_, 1.., 0) => Exit::Refused,
            (0, 0, 0) => Exit::Failed,
            (1.., 0, 0) => Exit::Done,
        }
    }

    async fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Say(message) => {
                if let Some(link) = &self.link {
                    link.say(&message).await;
                }
            }
            Effect::Work(job) => {
                if let Some(receiving) = &self.plan.receiving {
                    receiving.disk.work(job);
                }
            }
            Effect::Offered(number) => match self.plan.receiving.as_ref().map(|r| r.prompt.is_some()) {
                Some(true) => {
                    self.questions.push_back(number);
                    self.ask();
                }
                Some(false) => self.files.decide(number, true),
                None => self.files.decide(number, false),
            },
            Effect::Over(over) => self.told_over(&over),
        }
    }

    fn told_over(&mut self, over: &Over) {
        let Over { name, size, why, ours, error } = over;
        let amount = output::size(*size);
        let state = match why {
            None => "done",
            Some(Stop::Refused) => "refused",
            Some(Stop::Cancelled) => "cancelled",
            Some(Stop::Failed) => "failed",
        };
        let text = match (why, ours, error) {
            (None, _, _) => format!("{name}  {amount}, verified"),
            (Some(Stop::Refused), true, _) => format!("{name}  {amount}, not taken"),
            (Some(Stop::Refused), false, _) => format!("{name}  the other side does not want it"),
            (Some(Stop::Cancelled), ..) => format!("{name}  cancelled"),
            (Some(Stop::Failed), _, Some(error)) => format!("{name}  failed: {error}"),
            (Some(Stop::Failed), _, None) => format!("{name}  failed at the other side"),
        };
        self.output.say("file", json!({ "name": name, "size": size, "state": state, "error": error }), &text);
    }

    /// Asks about the file that has waited longest, if there is nobody asked already.
    fn ask(&mut self) {
        let Some(prompt) = self.plan.receiving.as_mut().and_then(|r| r.prompt.as_mut()) else { return };
        let Some((name, size)) = self.questions.front().and_then(|number| self.files.offered(*number)) else {
            return;
        };
        if prompt.ask() {
            let shown: String = name.chars().filter(|c| !c.is_control()).collect();
            self.output.ask(&format!("Take {shown} ({})? [Y]es, [n]o, [a]ll:", output::size(size)));
        }
    }

    fn decided(&mut self, answer: Answer) {
        let count = if answer == Answer::All { self.questions.len() } else { 1 };
        if answer == Answer::All
            && let Some(receiving) = &mut self.plan.receiving
        {
            receiving.prompt = None;
        }
        for number in self.questions.drain(..count.min(self.questions.len())) {
            self.files.decide(number, answer != Answer::No);
        }
        self.ask();
    }

    fn pump(&mut self) {
        if self.sending.is_some() || !self.open {
            return;
        }
        let Some((connection, channel)) = self.link.as_ref().and_then(Link::bulk) else { return };
        let Some((number, reader, next)) = self.files.next_frame() else { return };
        self.sending = Some(Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || outgoing::message(number, &reader, next)).await;
            let message = match read {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => return (number, Err(SendFailure::File(error.to_string()))),
                Err(error) => return (number, Err(SendFailure::File(error.to_string()))),
            };
            let sent = connection.send(channel, peer::Kind::Binary, message).await;
            (number, sent.map_err(|_| SendFailure::Channel))
        }));
    }

    fn sent(&mut self, (number, result): Sent) {
        self.sending = None;
        match result {
            Ok(()) | Err(SendFailure::Channel) => {}
            Err(SendFailure::File(error)) => self.files.unreadable(number, error),
        }
    }

    async fn linked(&mut self, wake: Result<Wake>) -> Result<()> {
        let Some(link) = &mut self.link else { return Ok(()) };
        link.act(wake?).await?;
        self.keep_generation();
        while let Some(news) = self.link.as_mut().and_then(Link::news) {
            self.news(news).await?;
        }
        Ok(())
    }

    async fn news(&mut self, news: News) -> Result<()> {
        let call = self
            .call
            .as_ref()
            .map(|call| call.id.clone())
            .context("there is a call while there is a link")?;
        match news {
            News::Description(description) => {
                self.signal.say(ClientMessage::Description { call, device: None, description }).await;
            }
            News::Candidate(candidate) => {
                self.signal.say(ClientMessage::Candidate { call, device: None, candidate }).await
            }
            News::Connected => {
                self.connected = true;
                self.until = None;
            }
            News::Broken => {
                self.connected = false;
                self.output.pause();
                self.output.say("broken", json!({}), "The path is broken; looking for another …");
                self.watch_return();
            }
            News::Path(way) => {
                let (kind, text) =
                    if way.relayed { ("relayed", "through a relay") } else { ("direct", "directly") };
                // Which of several direct paths it is changes often at the beginning.
                let told = self.relayed.replace(way.relayed) == Some(way.relayed);
                let text = if told { String::new() } else { format!("Connected {text}: {}", way.ends) };
                self.output.say("path", json!({ "path": kind, "ends": way.ends }), &text);
            }
            News::Open => {
                self.open = true;
                let (page, program) = (self.page.clone(), PROGRAM.to_owned());
                let hello = Control::Hello { version: VERSION, page, sending: Sending::default(), program };
                if let Some(link) = &self.link {
                    link.say(&hello).await;
                }
                self.resume();
            }
            News::Closed { by_peer } => {
                self.closed();
                if by_peer {
                    self.connected = false;
                    self.watch_return();
                }
            }
            News::Control(message) => self.heard(message),
            News::Bulk(message) => self.files.bulk(&message),
            // A page may send pictures as well.
            News::Media(_) => {}
        }
        Ok(())
    }

    /// Both channels are open and the other side has said hello: what a break interrupted goes on.
    fn resume(&mut self) {
        if self.open && self.greeted {
            self.files.resume();
        }
    }

    fn heard(&mut self, message: Control) {
        match message {
            Control::Hello { page, program, .. } => {
                if self.other_page.as_ref().is_some_and(|before| *before != page) {
                    self.files.other_page();
                }
                self.other_page = Some(page);
                self.other_program = program == PROGRAM;
                let resumed = std::mem::replace(&mut self.greeted, true);
                if !resumed {
                    self.resume();
                }
            }
            // The server says it too; whichever comes first.
            Control::End => self.over_by_other(),
            message => self.files.control(message, self.plan.receiving.is_some()),
        }
    }

    fn over_by_other(&mut self) {
        if self.plan.receiving.is_some() {
            if self.files.all_received() {
                self.exit = Some(self.result());
            } else {
                self.exit = Some(Exit::Failed);
                let text = "The other side has ended it before everything had arrived; what came is kept.";
                self.output.say("ended", json!({}), text);
            }
        } else if self.told_all {
            self.exit = Some(self.result());
        } else {
            self.exit = Some(Exit::Failed);
            self.output.say("ended", json!({}), "The other side has hung up before everything had arrived.");
        }
    }
}

//! Where the rendezvous' events go: to sockets, HTTP doors, applications, the forwarder of media, the
//! recorder.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::admin::{Notice, Reply};
use super::bus::{Command, Event, SocketId};
use super::doors::{DoorEvent, DoorId};
use super::forwarding::MediaCommand;
use super::outbox::{Item, Outbox};
use super::protocol::ErrorCode;
use super::rendezvous::Rendezvous;
use crate::recording::{Message, Queue};

/// What an application's request brought.
pub(super) type Answer = Result<Reply, (ErrorCode, String)>;

/// The way back to somebody; it comes with their first command.
pub(super) enum Way {
    Socket(Arc<Outbox>),
    Door(mpsc::Sender<DoorEvent>),
    Answer(oneshot::Sender<Answer>),
}

/// All ways.
pub(super) struct Ways {
    sockets: HashMap<SocketId, Arc<Outbox>>,
    doors: HashMap<DoorId, mpsc::Sender<DoorEvent>>,
    /// Applications that wait for an answer; each gets one while its command is handled.
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    forwarder: Option<mpsc::Sender<MediaCommand>>,
    recorder: Option<Arc<Queue>>,
    notices: Option<mpsc::Sender<Notice>>,
}

impl Ways {
    pub(super) fn new(
        forwarder: Option<mpsc::Sender<MediaCommand>>,
        recorder: Option<Arc<Queue>>,
        notices: Option<mpsc::Sender<Notice>>,
    ) -> Self {
        let (sockets, doors, answers) = Default::default();
        Self { sockets, doors, answers, forwarder, recorder, notices }
    }

    /// The first command of a socket or a door, and every one of an application, brings the way back.
    pub(super) fn learn(&mut self, command: &Command, way: Option<Way>) {
        match (command, way) {
            (Command::Hello { socket, .. }, Some(Way::Socket(outbox))) => {
                self.sockets.insert(*socket, outbox);
            }
            (Command::Door { door, .. }, Some(Way::Door(events))) => {
                self.doors.insert(*door, events);
            }
            (Command::Admin { request, .. }, Some(Way::Answer(answer))) => {
                self.answers.insert(*request, answer);
            }
            _ => {}
        }
    }

    /// A socket is closed.
    pub(super) fn forget(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    /// Takes everything that the rendezvous has to say where it belongs.
    pub(super) async fn deliver(&mut self, rendezvous: &mut Rendezvous) {
        while let Some(event) = rendezvous.poll_event() {
            match event {
                Event::Welcome { socket, welcome } => self.push(socket, Item::Welcome(welcome)),
                Event::Send { socket, frame } => self.push(socket, Item::Frame(frame)),
                Event::Close { socket, code, message } => self.push(socket, Item::Close(code, message)),
                Event::Door { door, event } => self.tell_door(door, event),
                Event::Media(command) => {
                    // The forwarder never waits for the rendezvous, so it takes this in the end.
                    if let Some(forwarder) = &self.forwarder {
                        let _ = forwarder.send(command).await;
                    }
                }
                Event::Recording(command) => {
                    if let Some(recorder) = &self.recorder {
                        recorder.command(Message::Command(command));
                    }
                }
                Event::Admin { request, answer } => {
                    if let Some(waiting) = self.answers.remove(&request) {
                        // Whoever asked may have gone away meanwhile.
                        let _ = waiting.send(answer);
                    }
                }
                Event::Notice(notice) => {
                    if self.notices.as_ref().is_some_and(|notices| notices.try_send(notice).is_err()) {
                        metrics::counter!("visavis_webhook_events_dropped_total", "reason" => "queue")
                            .increment(1);
                    }
                }
            }
        }
    }

    fn push(&self, socket: SocketId, item: Item) {
        if let Some(outbox) = self.sockets.get(&socket) {
            outbox.push(item);
        }
    }

    fn tell_door(&mut self, door: DoorId, event: DoorEvent) {
        let last = matches!(event, DoorEvent::Refused(..) | DoorEvent::Ended(_));
        if let Some(way) = self.doors.get(&door)
            && way.try_send(event).is_err()
        {
            // There are never so many offers under way; the resource may be gone.
            tracing::debug!(door = door.0, "a door does not listen");
        }
        if last {
            // Closes the channel, so that the end is noticed even if the event is not.
            self.doors.remove(&door);
        }
    }
}

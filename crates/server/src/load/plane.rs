//! The thread that all people's peers and sockets live on.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use ::media::pattern::Pattern;
use ::media::vp8;
use anyhow::Result;
use net::{Clock, Poller, Waker};
use tokio::sync::oneshot;
use wire::Instant;

use super::member::{Member, Tools};
use super::report::{Room, Tally};
use crate::join::feed::Shape;

/// The head of a VP8 keyframe of 1280 by 720 (RFC 6386 §9.1), for pictures that nobody decodes.
const KEYFRAME: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
/// A keyframe has so many times the bytes of another picture.
const KEYFRAME_SIZE: usize = 4;
/// How long the poller sleeps at most.
const LOOK: Duration = Duration::from_millis(20);

/// What people's sessions ask for.
pub(super) enum Ask {
    /// Somebody new: in which room, whether they publish. The answer is their number here.
    Come { room: usize, publishes: bool, told: oneshot::Sender<Result<usize>> },
    /// An offer with so many picture slots. Since so long they wait.
    Offer { member: usize, slots: usize, waited: Duration, told: oneshot::Sender<Result<String>> },
    /// The server's answer.
    Answer { member: usize, sdp: String },
    /// It is over: count.
    End,
}

/// What is shown.
#[derive(Clone, Debug)]
pub(super) enum Show {
    /// Bytes that nobody decodes: bits per second, pictures per second.
    Synthetic { rate: u32, pace: u32 },
    /// Real pictures.
    Pattern { shape: Shape, rate: Option<u32> },
}

enum Source {
    Synthetic { len: usize, pace: u32 },
    Pattern { pattern: Pattern, encoder: Box<vp8::Encoder>, pace: u32 },
}

/// The thread's own.
pub(super) struct Plane {
    clock: Clock,
    poller: Poller,
    members: Vec<Member>,
    rooms: Vec<Tally>,
    tools: Tools,
    source: Source,
    frame: u32,
    address: IpAddr,
    asks: Receiver<Ask>,
}

impl Plane {
    pub(super) fn new(rooms: usize, show: &Show, address: IpAddr, asks: Receiver<Ask>) -> Result<Self> {
        let source = match show {
            Show::Synthetic { rate, pace } => {
                let len = usize::try_from(rate / 8 / pace.max(&1)).unwrap_or(usize::MAX);
                Source::Synthetic { len: len.max(64), pace: *pace }
            }
            Show::Pattern { shape, rate } => {
                let Shape { width, height, pace } = *shape;
                let rate = rate.unwrap_or(500_000);
                let encoder = Box::new(vp8::Encoder::new(width, height, rate, pace)?);
                Source::Pattern { pattern: Pattern::new(width, height, "load"), encoder, pace }
            }
        };
        Ok(Self {
            clock: Clock::start(),
            poller: Poller::new()?,
            members: Vec::new(),
            rooms: vec![Tally::default(); rooms],
            tools: Tools::new(),
            source,
            frame: 0,
            address,
            asks,
        })
    }

    pub(super) fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Runs until it is told to end; what was counted.
    pub(super) fn run(mut self) -> Vec<Room> {
        let pace = match self.source {
            Source::Synthetic { pace, .. } | Source::Pattern { pace, .. } => pace.max(1),
        };
        let mut next = self.clock.now();
        while self.obey() {
            let now = self.clock.now();
            if next <= now {
                // What is late by more than a picture is not made up for.
                let interval = Duration::from_secs(1) / pace;
                next = if now.saturating_since(next) > interval { now } else { next } + interval;
                self.show(now);
            }
            self.turn(next);
        }
        self.finish()
    }

    /// Does what was asked; false when nobody is there any more to ask.
    fn obey(&mut self) -> bool {
        loop {
            let ask = match self.asks.try_recv() {
                Err(TryRecvError::Disconnected) => return false,
                Ok(ask) => ask,
                Err(TryRecvError::Empty) => return true,
            };
            let now = self.clock.now();
            // Who asked may have gone.
            match ask {
                Ask::Come { room, publishes, told } => {
                    let _ = told.send(self.come(now, room, publishes));
                }
                Ask::Offer { member, slots, waited, told } => {
                    let Some(found) = self.members.get_mut(member) else { continue };
                    let asked = Instant::ZERO + now.saturating_since(Instant::ZERO).saturating_sub(waited);
                    let _ = told.send(found.offer(now, asked, slots, &mut self.tools));
                }
                Ask::End => return false,
                Ask::Answer { member, sdp } => {
                    let Some(found) = self.members.get_mut(member) else { continue };
                    if let Err(error) = found.answered(now, sdp) {
                        tracing::warn!("{error:#}");
                    }
                    found.look(now, &mut self.tools, &mut self.rooms[found.room]);
                }
            }
        }
    }

    fn come(&mut self, now: Instant, room: usize, publishes: bool) -> Result<usize> {
        let member = Member::new(room, publishes, self.address, now)?;
        let number = self.members.len();
        self.poller.add(&member.socket, number as u64)?;
        self.members.push(member);
        Ok(number)
    }

    /// Waits for datagrams, a deadline or the next picture.
    fn turn(&mut self, next: Instant) {
        let now = self.clock.now();
        let due = self.members.iter().filter_map(Member::due).min().map_or(next, |due| due.min(next));
        if self.poller.wait(Some(due.saturating_since(now).min(LOOK))).is_err() {
            return;
        }
        for event in 0..self.poller.len() {
            let member = self.poller.ready(event).and_then(|key| usize::try_from(key).ok());
            if let Some(member) = member.and_then(|member| self.members.get_mut(member)) {
                member.receive(self.clock.now(), &mut self.tools, &mut self.rooms[member.room]);
            }
        }
        let now = self.clock.now();
        for member in &mut self.members {
            if member.due().is_some_and(|due| due <= now) {
                member.look(now, &mut self.tools, &mut self.rooms[member.room]);
            }
        }
    }

    /// Everybody who publishes shows the next picture.
    fn show(&mut self, now: Instant) {
        let mut publishers =
            self.members.iter_mut().filter(|member| member.publishes && member.connected).peekable();
        if publishers.peek().is_none() {
            return;
        }
        self.frame = self.frame.wrapping_add(1);
        match &mut self.source {
            Source::Synthetic { len, pace } => {
                let timestamp = self.frame.wrapping_mul(90_000 / (*pace).max(1));
                for member in publishers {
                    let keyframe = std::mem::take(&mut member.keyframe_wanted);
                    let mut picture = vec![0; if keyframe { *len * KEYFRAME_SIZE } else { *len }];
                    picture[..KEYFRAME.len()].copy_from_slice(&KEYFRAME);
                    picture[0] |= u8::from(!keyframe);
                    member.publish(now, &picture, keyframe, timestamp, &mut self.rooms[member.room]);
                    member.look(now, &mut self.tools, &mut self.rooms[member.room]);
                }
            }
            Source::Pattern { pattern, encoder, pace } => {
                let timestamp = self.frame.wrapping_mul(90_000 / (*pace).max(1));
                let mut publishers: Vec<&mut Member> = publishers.collect();
                // All show the same, so a keyframe for one is one for all.
                let wanted =
                    publishers.iter_mut().fold(false, |any, m| std::mem::take(&mut m.keyframe_wanted) | any);
                let encoded = encoder.encode(&pattern.draw(self.frame, net::unix_time()), wanted);
                for member in publishers {
                    let tally = &mut self.rooms[member.room];
                    member.publish(now, &encoded.data, encoded.keyframe, timestamp, tally);
                    member.look(now, &mut self.tools, tally);
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Room> {
        let mut rooms: Vec<Room> =
            self.rooms.iter().map(|tally| Room { tally: tally.clone(), ..Room::default() }).collect();
        let now = self.clock.now();
        for member in &mut self.members {
            let room = &mut rooms[member.room];
            let (received, lost) = member.packets();
            room.people += 1;
            room.joined += usize::from(member.connected);
            room.tally.packets += received;
            room.tally.lost += u64::try_from(lost).unwrap_or(0);
            member.close(now, &mut self.tools);
        }
        rooms
    }
}

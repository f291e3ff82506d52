//! str0m: a thread for each of two machines, driven as its documentation shows.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::{AHEAD, Task};

static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// One machine and its socket.
struct End {
    rtc: Rtc,
    socket: UdpSocket,
    /// The sender: how long its messages are, and whom to tell that the channel is open.
    sends: Option<(usize, mpsc::Sender<()>)>,
    channel: Option<ChannelId>,
}

impl End {
    fn new(sends: Option<(usize, mpsc::Sender<()>)>) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let mut rtc = Rtc::new(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?).context("a candidate")?;
        Ok(Self { rtc, socket, sends, channel: None })
    }

    /// Does what the machine wants until it waits; until when.
    fn drain(&mut self) -> Result<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination)?;
                }
                Output::Event(Event::ChannelOpen(channel, _)) => {
                    self.channel = Some(channel);
                    if let Some((_, opened)) = &self.sends {
                        let _ = opened.send(());
                    }
                }
                Output::Event(Event::ChannelData(data)) => {
                    RECEIVED.fetch_add(data.data.len() as u64, Ordering::Relaxed);
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Writes one message if there is room. The machine is to be drained after each.
    fn write(&mut self, message: &[u8]) -> Result<bool> {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else { return Ok(false) };
        Ok(channel.buffered_amount() < AHEAD && channel.write(true, message)?)
    }

    fn run(mut self) -> Result<()> {
        let message = vec![0x5a; self.sends.as_ref().map_or(0, |(bytes, _)| *bytes)];
        let mut buffer = vec![0; 2000];
        let address = self.socket.local_addr()?;
        loop {
            let mut due = self.drain()?;
            while !message.is_empty() && self.write(&message)? {
                due = self.drain()?;
            }
            let wait = due.saturating_duration_since(Instant::now());
            self.socket
                .set_read_timeout(Some(wait.clamp(Duration::from_millis(1), Duration::from_millis(100))))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((len, source)) => {
                    let contents = buffer[..len].try_into()?;
                    let receive = Receive { proto: Protocol::Udp, source, destination: address, contents };
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                }
                Err(_) => self.rtc.handle_input(Input::Timeout(Instant::now()))?,
            }
        }
    }
}

/// Two machines on two threads.
pub(crate) fn run(task: Task) -> Result<()> {
    let begin = Instant::now();
    let (opened, open) = mpsc::channel();
    let (mut near, mut far) = (End::new(Some((task.bytes, opened)))?, End::new(None)?);
    let mut change = near.rtc.sdp_api();
    change.add_channel("bulk".into());
    let (offer, pending) = change.apply().context("an offer")?;
    let answer = far.rtc.sdp_api().accept_offer(offer)?;
    near.rtc.sdp_api().accept_answer(pending, answer)?;
    for end in [near, far] {
        std::thread::spawn(move || {
            if let Err(error) = end.run() {
                eprintln!("str0m: {error}");
                std::process::exit(1);
            }
        });
    }
    open.recv_timeout(Duration::from_secs(20)).map_err(|_| anyhow!("no channel opened"))?;
    crate::measure(task, &RECEIVED, begin.elapsed())
}

//! Bulk data one way between two drivers on two threads.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use endpoint::{Driver, Options};
use net::Waker;
use peer::negotiation::Description;
use peer::{ChannelConfig, ChannelId, Config, Event, Kind, LocalCandidate};
use serde_json::{Value, json};
use wire::Instant;

use crate::process::Process;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Bytes given to the channel ahead of what was sent: the usual mark of programs for browsers.
const AHEAD: usize = 4 << 20;
/// Longest wait of a thread before it looks at whether the other one has ended.
const PATIENCE: Duration = Duration::from_millis(100);
/// Longest wait for a connection, and for each message after.
const LONGEST: Duration = Duration::from_secs(20);

/// What goes from one end to the other beside the connection.
enum Signal {
    Description(Description),
    Candidate(LocalCandidate),
}

/// One end: its peer, and the way to the other end.
struct End {
    driver: Driver,
    tell: mpsc::Sender<Signal>,
    hear: mpsc::Receiver<Signal>,
    other: Waker,
    over: Arc<AtomicBool>,
    /// The port by which the other end reaches this one, if not by its own.
    port: Option<u16>,
}

impl End {
    /// Tells the other end of a candidate.
    fn offer(&self, mut candidate: LocalCandidate) -> Result<()> {
        if let Some(port) = self.port {
            let Some(through) = crate::link::through(&candidate.candidate, port) else { return Ok(()) };
            candidate.candidate = through;
        }
        self.say(Signal::Candidate(candidate))
    }

    fn say(&self, signal: Signal) -> Result<()> {
        self.tell.send(signal).map_err(|_| anyhow!("the other end has gone"))?;
        self.other.wake();
        Ok(())
    }

    /// Takes what the other end says; an offer is answered.
    fn listen(&mut self) -> Result<()> {
        while let Ok(signal) = self.hear.try_recv() {
            let now = self.driver.now();
            match signal {
                Signal::Description(description) => {
                    let offer = description.kind == peer::negotiation::SdpType::Offer;
                    self.driver.peer.set_remote_description(now, &description)?;
                    if offer {
                        self.describe()?;
                    }
                }
                Signal::Candidate(LocalCandidate { candidate, mid, index, ufrag }) => {
                    self.driver.peer.add_ice_candidate(
                        now,
                        &candidate,
                        mid.as_deref(),
                        index,
                        Some(&ufrag),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn describe(&mut self) -> Result<()> {
        let now = self.driver.now();
        self.driver.peer.set_local_description(now, None)?;
        let mut description = self.driver.peer.local_description().context("there is a description")?;
        if let Some(port) = self.port {
            description.sdp = led_through(&description.sdp, port);
        }
        self.say(Signal::Description(description))
    }

    /// The next event that is not about finding each other.
    fn event(&mut self) -> Result<Option<Event>> {
        loop {
            match self.driver.poll_event() {
                Some(Event::IceCandidate(Some(candidate))) => self.offer(*candidate)?,
                Some(Event::IceCandidate(None)) => {}
                other => return Ok(other),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

impl Drop for End {
    /// However one end ends, the other does, too.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        self.other.wake();
    }
}

/// Opens a channel and sends until the receiver has seen enough. How long it took from the offer to the open
/// channel.
fn send(mut end: End, bytes: usize) -> Result<Duration> {
    let begin = end.driver.now();
    let channel = end.driver.peer.create_data_channel(begin, ChannelConfig::default())?;
    end.describe()?;
    let message = Bytes::from(vec![0x5a; bytes]);
    let mut opened: Option<Instant> = None;
    while !end.is_over() {
        end.listen()?;
        while let Some(event) = end.event()? {
            match event {
                Event::ChannelOpened(_) => opened = Some(end.driver.now()),
                Event::DtlsClosed(reason) => return Err(anyhow!("the connection has ended: {reason:?}")),
                _ => {}
            }
        }
        if opened.is_some() {
            fill(&mut end.driver, channel, &message)?;
        } else {
            ensure!(end.driver.now().saturating_since(begin) < LONGEST, "no channel opened");
        }
        end.driver.turn(Some(PATIENCE))?;
    }
    Ok(opened.context("the other end has gone before a channel opened")?.saturating_since(begin))
}

/// Keeps the channel's buffer at its mark.
fn fill(driver: &mut Driver, channel: ChannelId, message: &Bytes) -> Result<()> {
    let now = driver.now();
    let mut waits = driver.peer.buffered_amount(channel);
    while waits < AHEAD {
        match driver.peer.send(now, channel, Kind::Binary, message.clone()) {
            Ok(()) => waits += message.len(),
            Err(peer::SendError::Full) => break,
            Err(error) => return Err(anyhow!("a message was not taken: {error}")),
        }
    }
    Ok(())
}

/// What the receiver saw in the time that counts.
struct Seen {
    bytes: u64,
    wall: Duration,
    cpu: Duration,
}

/// Receives: first to warm up, then what counts.
fn receive(mut end: End, bytes: usize, length: Duration) -> Result<Seen> {
    let mut last = end.driver.now();
    let mut begin = None;
    let mut counted: Option<(Instant, u64, u64)> = None;
    let mut received: u64 = 0;
    loop {
        ensure!(!end.is_over(), "the sender has ended");
        end.listen()?;
        let before = received;
        while let Some(event) = end.event()? {
            if let Event::Message(_, _, data) = event {
                ensure!(data.len() == bytes, "a message came as {} bytes", data.len());
                received += data.len() as u64;
            }
        }
        let now = end.driver.now();
        if received > before {
            last = now;
        }
        ensure!(now.saturating_since(last) < LONGEST, "nothing comes");
        let began = *begin.get_or_insert(now);
        if received == 0 {
            begin = None;
        } else if let Some((at, had, cpu)) = counted {
            let wall = now.saturating_since(at);
            if wall >= length {
                let cpu = Duration::from_nanos(Process(std::process::id()).cpu_nanos()? - cpu);
                return Ok(Seen { bytes: received - had, wall, cpu });
            }
        } else if now.saturating_since(began) >= length / 5 {
            counted = Some((now, received, Process(std::process::id()).cpu_nanos()?));
        }
        end.driver.turn(Some(PATIENCE))?;
    }
}

/// A description whose candidates have the port of the path.
fn led_through(sdp: &str, port: u16) -> String {
    let line = |line: &str| match line.strip_prefix("a=candidate:") {
        Some(_) => crate::link::through(&line[2..], port).map(|candidate| format!("a={candidate}\r\n")),
        None => Some(format!("{line}\r\n")),
    };
    sdp.lines().filter_map(line).collect()
}

/// What is sent, and how.
pub(crate) struct Shape {
    /// Bytes of a message.
    pub(crate) bytes: usize,
    /// The ports of a path.
    pub(crate) through: Option<[u16; 2]>,
    /// The largest packet that is looked for.
    pub(crate) packet: Option<usize>,
}

/// Measures for so long.
pub(crate) fn run(shape: Shape, length: Duration) -> Result<Value> {
    let Shape { bytes, through, packet } = shape;
    let options = Options { addresses: vec![LOOPBACK], ..Options::default() };
    let driver = || {
        let mut config = Config::new(endpoint::certificate());
        config.sctp.max_mtu = packet.unwrap_or(config.sctp.max_mtu);
        Driver::new(config, &options)
    };
    let (near, far) = (driver()?, driver()?);
    let ((to_far, from_near), (to_near, from_far)) = (mpsc::channel(), mpsc::channel());
    let over = Arc::new(AtomicBool::new(false));
    let (near_waker, far_waker) = (near.waker(), far.waker());
    let near = End {
        driver: near,
        tell: to_far,
        hear: from_far,
        other: far_waker,
        over: over.clone(),
        port: through.map(|ports| ports[1]),
    };
    let far = End {
        driver: far,
        tell: to_near,
        hear: from_near,
        other: near_waker,
        over,
        port: through.map(|ports| ports[0]),
    };
    let sender = std::thread::Builder::new().name("sender".into()).spawn(move || send(near, bytes))?;
    let seen = receive(far, bytes, length);
    let setup = sender.join().map_err(|_| anyhow!("the sender has panicked"))?;
    let (setup, seen) = match (setup, seen) {
        (Ok(setup), Ok(seen)) => (setup, seen),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let bits = seen.bytes as f64 * 8.0 / 1e9;
    Ok(json!({
        "bytes": bytes,
        "gbit_s": bits / seen.wall.as_secs_f64(),
        "gbit_s_per_core": bits / seen.cpu.as_secs_f64(),
        "delivered": seen.bytes,
        "wall_ms": seen.wall.as_millis(),
        "cpu_ms": seen.cpu.as_millis(),
        "setup_ms": setup.as_secs_f64() * 1000.0,
    }))
}

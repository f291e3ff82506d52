//! Relaying: bursts go in on one side of the server, are counted on the other, and answered by the next burst.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use net::{Clock, Inbox, Outbox, Poller, Socket};
use wire::Instant;

use crate::client::{CHANNEL, Client, Server, peers};
use crate::process::Process;

/// Which way packets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Direction {
    /// From client to peer.
    Up,
    /// From peer to client.
    Down,
    /// From client to client, both allocated on this server.
    Client,
}

/// The shape of the load.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Shape {
    /// Which way packets go.
    #[arg(long)]
    pub(crate) direction: Direction,
    /// Payload bytes per packet.
    #[arg(long, default_value_t = 1000)]
    pub(crate) bytes: usize,
    /// Packets per burst, as the packets of one video frame.
    #[arg(long, default_value_t = 8)]
    pub(crate) burst: usize,
    /// Bursts leave and arrive as runs (UDP_SEGMENT, UDP_GRO), as a network card would merge them; without it
    /// every packet is a system call of its own.
    #[arg(long)]
    pub(crate) runs: bool,
    /// Clients that send in turn.
    #[arg(long, default_value_t = 200)]
    pub(crate) clients: usize,
    /// Packets on their way at the same time, all clients together.
    #[arg(long, default_value_t = 256)]
    pub(crate) window: usize,
    /// Milliseconds to measure, after a quarter of that to warm up.
    #[arg(long, default_value_t = 2000)]
    pub(crate) millis: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Measured {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// The server's CPU time.
    pub(crate) cpu_nanos: u64,
    pub(crate) wall_nanos: u64,
    pub(crate) nanos_per_packet: f64,
    pub(crate) packets_per_core_second: f64,
}

/// One flow: a socket that sends bursts, and one where they arrive.
struct Flow {
    sender: usize,
    to: SocketAddr,
    receiver: usize,
    waiting: usize,
    since: Instant,
}

struct Load {
    sockets: Vec<Socket>,
    flows: Vec<Flow>,
    /// What a burst looks like when it is sent, and how long a datagram is then and on arrival.
    burst: Vec<u8>,
    sent_bytes: usize,
    received_bytes: usize,
    in_flight: usize,
    next: usize,
    delivered: u64,
    lost: u64,
}

/// A burst that is not complete after this long has lost the rest.
const LOST: Duration = Duration::from_millis(100);

/// Relays for the time asked and measures.
pub(crate) fn run(server: &mut Server, process: Process, shape: Shape) -> Result<Measured> {
    ensure!(shape.bytes >= 4 && shape.burst >= 1 && shape.clients >= 1, "a load needs clients and packets");
    let mut clients = server.allocate(shape.clients, shape.runs)?;
    let mut load = match shape.direction {
        Direction::Up | Direction::Down => {
            let peers = peers(shape.clients, server.address, shape.runs)?;
            let addresses: Vec<_> = peers.iter().map(Socket::local).collect();
            server.bind(&mut clients, &addresses)?;
            Load::with_peers(shape, server.address, &clients, peers)
        }
        Direction::Client => {
            let addresses: Vec<_> =
                (0..clients.len()).map(|i| clients[neighbour(i, &clients)].relayed()).collect();
            server.bind(&mut clients, &addresses)?;
            Load::between(shape, server.address, &clients)
        }
    };
    // The sockets of clients come first in the load, in their order.
    let (sockets, rest): (Vec<_>, Vec<_>) = clients.into_iter().map(Client::split).unzip();
    load.sockets.splice(0..0, sockets);
    let measured = load.measure(shape, process)?;
    let sockets = load.sockets.drain(..rest.len());
    let mut clients: Vec<_> = sockets.zip(rest).map(Client::join).collect();
    server.release(&mut clients)?;
    Ok(measured)
}

/// Clients talk in pairs: with each other, or the last of an odd number with itself.
fn neighbour(index: usize, clients: &[Client]) -> usize {
    (index ^ 1).min(clients.len() - 1)
}

impl Load {
    fn with_peers(shape: Shape, server: SocketAddr, clients: &[Client], peers: Vec<Socket>) -> Self {
        let count = clients.len();
        let flow = |i: usize| match shape.direction {
            Direction::Up | Direction::Client => Flow::new(i, server, count + i),
            Direction::Down => Flow::new(count + i, clients[i].relayed(), i),
        };
        let flows = (0..count).map(flow).collect();
        let (sent, received) = if shape.direction == Direction::Up {
            (shape.bytes + 4, shape.bytes)
        } else {
            (shape.bytes, shape.bytes + 4)
        };
        Self::new(shape, peers, flows, sent, received)
    }

    fn between(shape: Shape, server: SocketAddr, clients: &[Client]) -> Self {
        let flows = (0..clients.len()).map(|i| Flow::new(i, server, neighbour(i, clients))).collect();
        Self::new(shape, Vec::new(), flows, shape.bytes + 4, shape.bytes + 4)
    }

    fn new(shape: Shape, sockets: Vec<Socket>, flows: Vec<Flow>, sent: usize, received: usize) -> Self {
        let mut packet = vec![0x80; sent];
        if shape.direction != Direction::Down {
            packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
            packet[2..4].copy_from_slice(&u16::try_from(shape.bytes).unwrap_or(u16::MAX).to_be_bytes());
        }
        Self {
            sockets,
            flows,
            burst: packet.repeat(shape.burst),
            sent_bytes: sent,
            received_bytes: received,
            in_flight: 0,
            next: 0,
            delivered: 0,
            lost: 0,
        }
    }

    fn measure(&mut self, shape: Shape, process: Process) -> Result<Measured> {
        let (clock, mut poller) = (Clock::start(), Poller::new()?);
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        let mut by_receiver = vec![usize::MAX; self.sockets.len()];
        for (i, flow) in self.flows.iter().enumerate() {
            by_receiver[flow.receiver] = i;
            poller.add(&self.sockets[flow.receiver], flow.receiver as u64)?;
        }
        let start = clock.now() + Duration::from_millis(shape.millis / 4);
        let end = start + Duration::from_millis(shape.millis);
        let mut before = None;
        loop {
            let now = clock.now();
            if now >= start && before.is_none() {
                before = Some((process.cpu_nanos()?, now));
                (self.delivered, self.lost) = (0, 0);
            }
            if now >= end {
                break;
            }
            self.send(shape, now, &inbox, &mut outbox);
            // Never asleep: otherwise the server would be charged for waking this process with every packet.
            poller.wait(Some(Duration::ZERO))?;
            for event in 0..poller.len() {
                let Some(key) = poller.ready(event) else { continue };
                let receiver = usize::try_from(key)?;
                self.receive(shape, receiver, by_receiver[receiver], &mut inbox)?;
            }
        }
        let (cpu, from) = before.unwrap_or_default();
        let cpu_nanos = process.cpu_nanos()? - cpu;
        let wall = clock.now().saturating_since(from).as_nanos();
        ensure!(self.delivered > 0, "not one packet came through");
        let nanos = precise(cpu_nanos) / precise(self.delivered);
        Ok(Measured {
            delivered: self.delivered,
            lost: self.lost,
            cpu_nanos,
            wall_nanos: u64::try_from(wall)?,
            nanos_per_packet: nanos,
            packets_per_core_second: 1e9 / nanos,
        })
    }

    /// Starts bursts until the window is full. One look at every flow at most.
    fn send(&mut self, shape: Shape, now: Instant, inbox: &Inbox, outbox: &mut Outbox) {
        for _ in 0..self.flows.len() {
            if self.in_flight + shape.burst > shape.window.max(shape.burst) {
                break;
            }
            self.next = (self.next + 1) % self.flows.len();
            let flow = &mut self.flows[self.next];
            if flow.waiting > 0 {
                if now.saturating_since(flow.since) < LOST {
                    continue;
                }
                self.lost += flow.waiting as u64;
                self.in_flight -= flow.waiting;
            }
            (flow.waiting, flow.since) = (shape.burst, now);
            self.in_flight += shape.burst;
            let socket = &self.sockets[flow.sender];
            if shape.runs {
                outbox.send(0, flow.to, None, &[&self.burst], self.sent_bytes);
                outbox.flush(inbox, |_| Some(socket));
            } else {
                for packet in self.burst.chunks(self.sent_bytes) {
                    outbox.send(0, flow.to, None, &[packet], packet.len());
                    outbox.flush(inbox, |_| Some(socket));
                }
            }
        }
    }

    fn receive(&mut self, shape: Shape, receiver: usize, flow: usize, inbox: &mut Inbox) -> Result<()> {
        inbox.clear();
        for slot in inbox.receive(&self.sockets[receiver], shape.burst.max(2))? {
            let (message, bytes) = (inbox.message(slot), inbox.bytes(slot));
            let count = bytes.len().div_ceil(message.segment);
            ensure!(
                bytes.len() == count * self.received_bytes,
                "packets of {} bytes arrive with {}",
                self.received_bytes,
                message.segment
            );
            self.delivered += count as u64;
            let waiting = &mut self.flows[flow].waiting;
            // What was given up as lost and comes after all is no longer waited for.
            let awaited = count.min(*waiting);
            *waiting -= awaited;
            self.in_flight -= awaited;
        }
        Ok(())
    }
}

impl Flow {
    const fn new(sender: usize, to: SocketAddr, receiver: usize) -> Self {
        Self { sender, to, receiver, waiting: 0, since: Instant::ZERO }
    }
}

/// Counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a quotient is wanted")]
pub(crate) const fn precise(n: u64) -> f64 {
    n as f64
}

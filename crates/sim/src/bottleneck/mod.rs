//! Flows that share a bottleneck: one queue with drop-tail and a rate, the same delay for all, some random loss behind
//! it. Our data channel is the real machine; TCP is a model of its congestion control.

mod flow;
mod tcp;

use std::collections::BTreeMap;
use std::time::Duration;

use wire::{Instant, Rng};

use flow::Flow;
pub use tcp::Algorithm;

/// What all flows go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Bits per second.
    pub rate: u64,
    /// Bytes that may wait.
    pub queue: u64,
    /// The way there; the way back takes as long and has no queue.
    pub delay: Duration,
    /// Packets lost at random on the way there, of a thousand.
    pub loss: u64,
}

/// Who sends as much as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// A data channel of ours, reliable and ordered.
    DataChannel,
    /// TCP with this congestion control, selective acknowledgements and segments of 1,448 bytes.
    Tcp(Algorithm),
}

/// A packet on its way: whose, and what it says there or back.
pub(crate) enum Load {
    Bytes(Vec<u8>),
    Number(u64),
}

struct Packet {
    flow: usize,
    back: bool,
    load: Load,
}

/// Bytes that IP, UDP and DTLS, or IP and TCP, add on the wire.
const OVERHEAD: u64 = 60;

struct World {
    now: Instant,
    link: Link,
    rng: Rng,
    busy: Instant,
    flying: BTreeMap<(Instant, u64), Packet>,
    counter: u64,
    flows: Vec<Flow>,
}

/// Runs these flows, each of which begins at its time, and gives the bits per second that each delivers from
/// `from` until `to`.
pub fn run(seed: u64, link: Link, senders: &[(Sender, Duration)], from: Duration, to: Duration) -> Vec<f64> {
    let start = Instant::from_nanos(1_000_000_000);
    let mut rng = Rng::from_number(seed);
    let flows = senders.iter().map(|(sender, after)| Flow::new(*sender, start + *after, &mut rng)).collect();
    let mut world = World { now: start, link, rng, busy: start, flying: BTreeMap::new(), counter: 0, flows };
    world.run_until(start + from);
    let before: Vec<u64> = world.flows.iter().map(Flow::delivered).collect();
    world.run_until(start + to);
    let seconds = to.saturating_sub(from).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |(flow, before): (&Flow, &u64)| (flow.delivered() - before) as f64 * 8.0 / seconds;
    world.flows.iter().zip(&before).map(rate).collect()
}

impl World {
    fn run_until(&mut self, end: Instant) {
        self.pump();
        loop {
            let timers = self.flows.iter().filter_map(Flow::poll_timeout);
            let next = timers.chain(self.flying.keys().next().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let Packet { flow, back, load } = entry.remove();
                if let Some(answer) = self.flows[flow].arrive(self.now, back, load) {
                    self.send(flow, true, answer);
                }
            }
            for flow in &mut self.flows {
                flow.handle_timeout(self.now);
            }
            self.pump();
        }
        self.now = end;
    }

    fn pump(&mut self) {
        for flow in 0..self.flows.len() {
            for back in [false, true] {
                while let Some(load) = self.flows[flow].poll_transmit(self.now, back) {
                    self.send(flow, back, load);
                }
            }
        }
    }

    fn send(&mut self, flow: usize, back: bool, load: Load) {
        let mut at = self.now + self.link.delay;
        if !back {
            let len = OVERHEAD + load.len();
            let wait = self.busy.saturating_since(self.now);
            let waiting = wait.as_nanos() * u128::from(self.link.rate) / 8_000_000_000;
            if waiting + u128::from(len) > u128::from(self.link.queue) {
                return;
            }
            let takes = Duration::from_nanos(len * 8_000_000_000 / self.link.rate);
            self.busy = self.busy.max(self.now) + takes;
            at = self.busy + self.link.delay;
            if self.rng.chance(self.link.loss) {
                return;
            }
        }
        self.counter += 1;
        self.flying.insert((at, self.counter), Packet { flow, back, load });
    }
}

impl Load {
    const fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Number(_) => tcp::SEGMENT,
        }
    }
}

//! Goodput in virtual time over a link with a bottleneck, and what Reno could have had there.

use crate::basic::messages;
use crate::world::{Link, World, config};
use bytes::Bytes;
use sctp::{ChannelConfig, Config, Kind};
use std::time::Duration;

const MESSAGE: usize = 64 << 10;

/// Bits per second that reach the application in `time`, after `warm_up`.
fn goodput(rate: u64, queue: usize, loss: u64, warm_up: u64, time: u64) -> f64 {
    let there = Link { delay: Duration::from_millis(50), loss, rate: Some((rate, queue)), ..Link::default() };
    let back = Link { rate: None, loss: 0, ..there.clone() };
    let side = || Config { zero_checksum: true, receive_window: 16 << 20, ..config() };
    let mut world = World::new(7, [side(), side()], [there, back]);
    world.connect();
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    let data = Bytes::from(vec![1; MESSAGE]);
    let mut run = |seconds: u64| {
        let end = world.now + Duration::from_secs(seconds);
        let mut bytes = 0;
        while world.now < end {
            while world.sides[0].buffered_amount(channel) < 1 << 20
                && world.sides[0].send(world.now, channel, Kind::Binary, data.clone()).is_ok()
            {}
            world.step();
            bytes += messages(&world, 1).iter().map(Vec::len).sum::<usize>();
            world.events[1].clear();
        }
        bytes as f64 * 8.0 / seconds as f64
    };
    run(warm_up);
    run(time)
}

/// Mathis et al. 1997: the most that Reno has in the mean, in bits per second.
fn reno(packet: f64, round_trip: f64, loss: f64) -> f64 {
    packet * 8.0 / round_trip * (1.5 / loss).sqrt()
}

/// 100 ms and 1 % loss: both a slow and a fast path are used, where Reno has 1.2 Mbit/s.
#[test]
fn random_loss_does_not_stop_the_flow() {
    let bound = reno(1188.0, 0.1, 0.01);
    for (rate, queue, share) in [(20_000_000, 250_000, 0.8), (1_000_000_000, 12_500_000, 0.25)] {
        let found = goodput(rate, queue, 10, 3, 4);
        println!("{rate} bit/s: {:.1} Mbit/s, Reno {:.1}", found / 1e6, bound / 1e6);
        assert!(found > 3.0 * bound, "{rate}: {found} is not three times {bound}");
        assert!(found > share * rate as f64, "{rate}: {found}");
    }
}

/// Without random loss the queue is the only limit.
#[test]
fn a_clean_path_is_filled() {
    for queue in [60_000, 250_000, 1_000_000] {
        let found = goodput(20_000_000, queue, 0, 5, 20);
        assert!(found > 0.85 * 20e6, "{queue}: {found}");
    }
}

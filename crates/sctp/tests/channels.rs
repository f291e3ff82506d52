//! Data channels: identifiers, closing, thresholds, shares.

use crate::basic::messages;
use crate::world::{Fault, Link, World, config};
use bytes::Bytes;
use sctp::{ChannelConfig, ChannelId, Config, Event, Kind, OpenError, SendError, priority};
use std::time::Duration;

#[test]
fn identifiers_have_the_parity_of_the_side_and_are_used_again() {
    let mut world = World::connected(1);
    let open = |w: &mut World, side: usize| {
        let now = w.now;
        w.sides[side].open_channel(now, ChannelConfig::default()).unwrap()
    };
    let ids: Vec<_> = (0..3).map(|_| open(&mut world, 0).0).collect();
    assert_eq!(ids, [0, 2, 4]);
    assert_eq!(open(&mut world, 1).0, 1);
    for round in 0..3 {
        let channel = ChannelId(2);
        world.sides[0].send(world.now, channel, Kind::Text, Bytes::from(vec![round; 3000])).unwrap();
        world.sides[0].close_channel(world.now, channel);
        let late = world.sides[0].send(world.now, channel, Kind::Text, Bytes::new());
        assert_eq!(late, Err(SendError::NoChannel));
        let closed = Event::ChannelClosed { channel };
        world.run_until(|w| w.events.iter().all(|e| e.contains(&closed)));
        assert_eq!(messages(&world, 1), [vec![round; 3000]]);
        world.events = [Vec::new(), Vec::new()];
        assert_eq!(open(&mut world, 0), channel);
    }
}

#[test]
fn misuse_says_what_is_wrong() {
    let mut world = World::connected(1);
    let negotiated = |id| ChannelConfig { negotiated: Some(ChannelId(id)), ..ChannelConfig::default() };
    let now = world.now;
    assert_eq!(world.sides[0].open_channel(now, negotiated(7)), Ok(ChannelId(7)));
    assert_eq!(world.sides[0].open_channel(now, negotiated(7)), Err(OpenError::Id));
    assert_eq!(world.sides[0].open_channel(now, negotiated(65_535)), Err(OpenError::Id));
    let long = ChannelConfig { label: "x".repeat(65_536), ..ChannelConfig::default() };
    assert_eq!(world.sides[0].open_channel(now, long), Err(OpenError::TooLong));
    let small = Config { remote_max_message_size: Some(10), send_buffer: 25, ..config() };
    let mut world = World::new(1, [small, config()], [Link::default(), Link::default()]);
    let id = world.sides[0].open_channel(now, negotiated(0)).unwrap();
    let mut send = |len| world.sides[0].send(now, id, Kind::Binary, Bytes::from(vec![0; len]));
    assert_eq!(send(11), Err(SendError::TooLarge(10)));
    assert_eq!([send(10), send(10), send(10)], [Ok(()), Ok(()), Err(SendError::Full)]);
}

#[test]
fn the_low_threshold_is_told_once_per_fall() {
    let mut world = World::connected(1);
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    world.sides[0].set_buffered_amount_low_threshold(channel, 10_000);
    let low = Event::BufferedAmountLow { channel };
    for _ in 0..3 {
        world.events[0].clear();
        for _ in 0..4 {
            world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![0; 30_000])).unwrap();
        }
        assert_eq!(world.sides[0].buffered_amount(channel), 120_000);
        world.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
        assert_eq!(world.events[0].iter().filter(|e| **e == low).count(), 1);
    }
}

#[test]
fn all_streams_may_be_open() {
    let mut world = World::connected(1);
    let count = 3000;
    for _ in 0..count {
        world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    }
    let last = ChannelConfig { negotiated: Some(ChannelId(65_534)), ..ChannelConfig::default() };
    for side in &mut world.sides {
        side.open_channel(world.now, last.clone()).unwrap();
    }
    world.sides[1].send(world.now, ChannelId(65_534), Kind::Text, Bytes::from_static(b"top")).unwrap();
    let opened = |w: &World, side: usize| {
        w.events[side].iter().filter(|e| matches!(e, Event::ChannelOpened { .. })).count()
    };
    world.run_until(|w| opened(w, 0) == count + 1 && opened(w, 1) == count + 1);
    assert_eq!(messages(&world, 0), [b"top"]);
}

/// Over a slow link: what each of four channels with large messages gets follows from its priority, and with
/// interleaving a small message passes by a large one.
#[test]
fn shares_follow_priorities() {
    let slow = Link { rate: Some((8_000_000, 100_000)), ..Link::default() };
    for interleaving in [false, true] {
        let side = || Config { interleaving, ..config() };
        let mut world = World::new(1, [side(), side()], [slow.clone(), Link::default()]);
        world.connect();
        let priorities = [priority::VERY_LOW, priority::LOW, priority::MEDIUM, priority::HIGH];
        let ids = priorities.map(|priority| {
            let config = ChannelConfig { priority, ..ChannelConfig::default() };
            world.sides[0].open_channel(world.now, config).unwrap()
        });
        for id in ids {
            for _ in 0..200 {
                world.sides[0].send(world.now, id, Kind::Binary, Bytes::from(vec![0; 20_000])).unwrap();
            }
        }
        world.run_for(Duration::from_secs(5));
        let got = ids.map(|id| {
            let of = |e: &&Event| matches!(e, Event::Message { channel, .. } if *channel == id);
            world.events[1].iter().filter(of).count() as f64
        });
        let unit = got.iter().sum::<f64>() / 15.0;
        for (got, weight) in got.into_iter().zip([1.0, 2.0, 4.0, 8.0]) {
            assert!((got - unit * weight).abs() <= 3.0, "{got} {unit} {weight} {interleaving}");
        }
    }
}

#[test]
fn a_small_message_passes_by_a_large_one() {
    let slow = Link { rate: Some((8_000_000, 100_000)), ..Link::default() };
    let took = |interleaving| {
        let side = || Config { interleaving, max_message_size: 8 << 20, ..config() };
        let mut world = World::new(1, [side(), side()], [slow.clone(), Link::default()]);
        world.connect();
        let [large, small] =
            [(); 2].map(|()| world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap());
        world.sides[0].send(world.now, large, Kind::Binary, Bytes::from(vec![0; 2_000_000])).unwrap();
        world.run_for(Duration::from_millis(300));
        let start = world.now;
        world.sides[0].send(world.now, small, Kind::Binary, Bytes::from_static(b"now")).unwrap();
        world.run_until(|w| messages(w, 1).contains(&b"now".to_vec()));
        world.now.saturating_since(start)
    };
    let (with, without) = (took(true), took(false));
    assert!(with < Duration::from_millis(250), "{with:?}");
    assert!(without > Duration::from_millis(1000), "{without:?}");
}

/// Many large messages at once over a small window: the sender begins no more than the peer can hold, so
/// nothing waits for a timeout.
#[test]
fn interleaving_leaves_room_in_a_small_window() {
    let small = Config { receive_window: 1 << 17, max_receive_window: 1 << 17, ..config() };
    let mut world = World::new(1, [config(), small], [Link::default(), Link::default()]);
    world.connect();
    for _ in 0..50 {
        let id = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
        world.sides[0].send(world.now, id, Kind::Binary, Bytes::from(vec![1; 50_000])).unwrap();
    }
    world.run_until(|w| messages(w, 1).len() == 50);
    assert_eq!(world.sides[0].stats().timeouts, 0);
    assert!(world.sides[1].stats().dropped.window == 0, "{}", world.report());
}

/// What a side opens when it is connected may overtake its COOKIE ACK; whatever is late, a channel is told once.
#[test]
fn a_channel_is_told_once_whatever_is_late() {
    for late in 0..10 {
        let mut world = World::new(1, [config(), config()], [Link::default(), Link::default()]);
        world.fault = Some((late, Fault::Delay));
        world.sides[0].connect(world.now);
        world.run_until(|w| w.sides[1].is_connected());
        let channel = world.sides[1].open_channel(world.now, ChannelConfig::default()).unwrap();
        let told = |world: &World, side: usize| {
            let is =
                |event: &&Event| matches!(event, Event::ChannelOpened { channel: c, .. } if *c == channel);
            world.events[side].iter().filter(is).count()
        };
        world.run_until(|w| told(w, 0) > 0 && told(w, 1) > 0);
        world.run_for(Duration::from_secs(5));
        assert_eq!([told(&world, 0), told(&world, 1)], [1, 1], "packet {late} is late");
    }
}

use crate::world::{Link, World, config};
use bytes::Bytes;
use sctp::{Association, ChannelConfig, ChannelId, Config, Event, Kind, Reason, SendError};
use std::time::Duration;

pub(crate) fn messages(world: &World, side: usize) -> Vec<Vec<u8>> {
    let data = |e: &Event| match e {
        Event::Message { data, .. } => Some(data.clone()),
        _ => None,
    };
    world.events[side].iter().filter_map(data).collect()
}

fn echo_works(configs: [Config; 2]) -> World {
    let mut world = World::new(1, configs, [Link::default(), Link::default()]);
    let label = ChannelConfig { label: "chat".into(), protocol: "p".into(), ..ChannelConfig::default() };
    let channel = world.sides[0].open_channel(world.now, label.clone()).unwrap();
    assert_eq!(channel, ChannelId(0));
    let large: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
    world.sides[0].send(world.now, channel, Kind::Text, Bytes::from_static(b"hello")).unwrap();
    world.sides[0].send(world.now, channel, Kind::Binary, Bytes::new()).unwrap();
    world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(large.clone())).unwrap();
    world.connect();
    world.run_until(|w| messages(w, 1).len() == 3);
    assert_eq!(messages(&world, 1), [b"hello".to_vec(), vec![], large]);
    let config = Box::new(label);
    let opened = |remote| Event::ChannelOpened { channel, remote, config: config.clone() };
    assert_eq!(world.events[1][..2], [Event::Connected, opened(true)]);
    assert!(world.events[0].contains(&opened(false)));
    world.sides[1].send(world.now, channel, Kind::Text, Bytes::from_static(b"back")).unwrap();
    world.run_until(|w| !messages(w, 0).is_empty());
    assert_eq!(messages(&world, 0), [b"back"]);
    world
}

#[test]
fn messages_arrive_whatever_is_negotiated() {
    for bits in 0..16 {
        let side = |interleaving, zero_checksum| Config { interleaving, zero_checksum, ..config() };
        echo_works([side(bits & 1 != 0, bits & 2 != 0), side(bits & 4 != 0, bits & 8 != 0)]);
    }
}

/// Whoever begins, the association comes up, in two round trips with the first message on board.
#[test]
fn one_side_begins_or_both() {
    for (who, round_trips) in [(vec![0], 4), (vec![1], 4), (vec![0, 1], 4)] {
        let mut world = World::new(1, [config(), config()], [Link::default(), Link::default()]);
        let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
        world.sides[0].send(world.now, channel, Kind::Text, Bytes::from_static(b"x")).unwrap();
        let start = world.now;
        for side in who {
            world.sides[side].connect(world.now);
        }
        world.run_until(|w| !messages(w, 1).is_empty());
        let took = world.now.saturating_since(start);
        assert!(took <= Duration::from_millis(20 * round_trips), "{took:?}");
    }
}

/// Parameters from signalling: the first packet is data.
#[test]
fn parameters_from_signalling_spare_the_handshake() {
    let mut world = World::new(1, [config(), config()], [Link::default(), Link::default()]);
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    world.sides[0].send(world.now, channel, Kind::Text, Bytes::from_static(b"x")).unwrap();
    let start = world.now;
    let parameters = world.sides.each_ref().map(Association::init_parameters);
    assert!(world.sides[0].accept_parameters(start, &parameters[1][..30]).is_err());
    world.sides[0].accept_parameters(start, &parameters[1]).unwrap();
    world.sides[1].accept_parameters(start, &parameters[0]).unwrap();
    assert!(world.sides[1].accept_parameters(start, &parameters[0]).is_err());
    world.run_until(|w| !messages(w, 1).is_empty());
    assert_eq!(world.now.saturating_since(start), Duration::from_millis(20));
}

/// Some stacks drop an INIT or INIT ACK with a parameter that they do not know. They are sent none for long.
#[test]
fn who_may_not_know_a_parameter_is_spared_it() {
    let zero_checksum = |packet: &[u8]| packet.windows(4).any(|part| part == [0x80, 0x01, 0, 8]);
    let side = |zero_checksum| Config { zero_checksum, ..config() };
    for told in [true, false] {
        let mut world = World::new(1, [side(true), side(told)], [Link::default(), Link::default()]);
        world.log = Some(Vec::new());
        world.sides[1].connect(world.now);
        world.run_until(|w| w.sides.iter().all(Association::is_connected));
        let log = world.log.unwrap();
        let answer = log.iter().find(|(from, packet)| *from == 0 && packet[12] == 2).unwrap();
        assert_eq!(zero_checksum(&answer.1), told);
    }
    let mut now = wire::Instant::from_nanos(1);
    let mut lonely = Association::new(side(true), [7; 32], now);
    lonely.connect(now);
    let mut buf = [0; 1500];
    let inits = [0; 4].map(|_| {
        let len = lonely.poll_transmit(now, &mut buf).unwrap().len;
        now = lonely.poll_timeout().unwrap();
        lonely.handle_timeout(now);
        zero_checksum(&buf[..len])
    });
    assert_eq!(inits, [true, true, false, false]);
}

#[test]
fn shutdown_delivers_what_was_sent() {
    for both in [false, true] {
        let mut world = World::connected(1);
        let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
        world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![7; 200_000])).unwrap();
        world.sides[0].shutdown(world.now);
        if both {
            world.sides[1].shutdown(world.now);
        }
        let late = world.sides[0].send(world.now, channel, Kind::Binary, Bytes::new());
        assert_eq!(late, Err(SendError::Closed));
        world.run_until(|w| w.events.iter().all(|e| e.contains(&Event::Closed(Reason::Shutdown))));
        assert_eq!(messages(&world, 1).len(), 1);
        assert!(world.events[1].contains(&Event::ChannelClosed { channel }));
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.sides.each_ref().map(Association::poll_timeout), [None, None]);
    }
}

#[test]
fn abort_is_heard_and_silence_is_noticed() {
    let mut world = World::connected(1);
    world.sides[1].abort(world.now);
    world.run_until(|w| w.events[0].contains(&Event::Closed(Reason::RemoteAbort(12))));
    assert!(world.events[1].contains(&Event::Closed(Reason::LocalAbort)));

    let dead = Link { loss: 1000, ..Link::default() };
    let mut world = World::new(1, [config(), config()], [dead.clone(), dead]);
    world.sides[0].connect(world.now);
    world.run_until(|w| w.events[0].contains(&Event::Closed(Reason::Timeout)));
    assert_eq!(world.sides[0].stats().packets_sent, 9);
}

/// A side that lost everything connects again with the other, which notices (RFC 9260 §5.2.4.1).
#[test]
fn a_restart_is_noticed() {
    let mut world = echo_works([config(), config()]);
    let mut fresh = Association::new(config(), [9; 32], world.now);
    fresh.connect(world.now);
    world.sides[0] = fresh;
    world.events[1].clear();
    world.run_until(|w| w.events[1].contains(&Event::Connected));
    assert_eq!(world.events[1][0], Event::ChannelClosed { channel: ChannelId(0) });
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    world.sides[0].send(world.now, channel, Kind::Text, Bytes::from_static(b"again")).unwrap();
    world.run_until(|w| messages(w, 1).last().is_some_and(|m| m == b"again"));
}

#[test]
fn heartbeats_notice_a_dead_path() {
    let mut world = echo_works([config(), config()]);
    let dead = Config { heartbeat: None, ..config() };
    world.run_for(Duration::from_secs(600));
    assert!(world.sides[0].is_connected());
    world.sides[1] = Association::new(dead, [9; 32], world.now);
    world.run_until(|w| w.events[0].contains(&Event::Closed(Reason::Timeout)));
}

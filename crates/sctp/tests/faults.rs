//! Packet n of a whole session is dropped, doubled, delayed, corrupted, for every n.

use crate::basic::messages;
use crate::world::{Fault, Link, World, config};
use bytes::Bytes;
use sctp::{ChannelConfig, Config, Event, Kind, Reason, Reliability};

/// Handshake, messages both ways, the close of a channel, shutdown. Says how many packets that took.
fn session(interleaving: bool, fault: Option<(u64, Fault)>) -> u64 {
    let side = || Config { interleaving, ..config() };
    let mut world = World::new(1, [side(), side()], [Link::default(), Link::default()]);
    world.fault = fault;
    world.connect();
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    let partial = ChannelConfig { reliability: Reliability::Retransmits(0), ..ChannelConfig::default() };
    let lossy = world.sides[1].open_channel(world.now, partial).unwrap();
    for n in 0..3 {
        let data = Bytes::from(vec![n; 5000]);
        world.sides[0].send(world.now, channel, Kind::Binary, data.clone()).unwrap();
        world.sides[1].send(world.now, lossy, Kind::Binary, data).unwrap();
    }
    let reliable = |w: &World| messages(w, 1).len() == 3;
    world.run_until(|w| reliable(w) && w.sides[1].unacknowledged_amount() == 0);
    let closed = |w: &World, side: usize| w.events[side].contains(&Event::ChannelClosed { channel });
    world.sides[0].close_channel(world.now, channel);
    world.run_until(|w| closed(w, 0) && closed(w, 1));
    world.sides[0].shutdown(world.now);
    world.run_until(|w| w.events.iter().all(|e| e.contains(&Event::Closed(Reason::Shutdown))));
    let expected: Vec<_> = (0..3).map(|n| vec![n; 5000]).collect();
    assert_eq!(messages(&world, 1), expected, "{fault:?}");
    let got = messages(&world, 0);
    assert!(got.len() + 1 >= expected.len() || fault.is_some());
    assert!(got.iter().all(|m| expected.contains(m)), "{fault:?}");
    world.packets
}

#[test]
fn any_packet_may_suffer_anything() {
    for interleaving in [false, true] {
        let packets = session(interleaving, None);
        assert!(packets > 30, "{packets}");
        for n in 0..packets {
            for fault in [Fault::Drop, Fault::Duplicate, Fault::Delay, Fault::Corrupt] {
                session(interleaving, Some((n, fault)));
            }
        }
    }
}

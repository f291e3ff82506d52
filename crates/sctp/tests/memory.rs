//! What a peer can make this side hold.

use crate::world::{World, config};
use bytes::Bytes;
use sctp::packet::{Data, Flags, checksum};
use sctp::{ChannelConfig, Config, Event, Kind};
use wire::Rng;

/// A packet that passes every check but its sense.
fn packet(tag: u32, chunk: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x13, 0x88, 0x13, 0x88];
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(chunk);
    let sum = checksum(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// An association with a peer that says what it likes: its tag, and the last TSN seen.
fn victim(interleaving: bool) -> (World, u32, u32) {
    let side =
        |window| Config { interleaving, receive_window: window, max_receive_window: window, ..config() };
    let links = [crate::world::Link::default(), crate::world::Link::default()];
    let mut world = World::new(1, [side(1 << 18), side(1 << 18)], links);
    world.connect();
    world.log = Some(Vec::new());
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from_static(b"x")).unwrap();
    world.run_until(|w| w.events[1].iter().any(|e| matches!(e, Event::Message { .. })));
    let log = world.log.take().unwrap();
    let (mut tag, mut tsn) = (0, 0);
    for (from, bytes) in log {
        let packet = sctp::packet::Packet::parse(&bytes).unwrap();
        for chunk in packet.chunks().flatten().filter(|c| from == 0 && (c.kind == 0 || c.kind == 64)) {
            (tag, tsn) = (packet.tag, Data::parse(&chunk).unwrap().tsn);
        }
    }
    (world, tag, tsn)
}

/// Fragments without end, in any order, on any stream, while the application reads nothing: what is held
/// stays below the window and one message, as the counters tell.
#[test]
fn fragments_without_end_are_bounded() {
    for (interleaving, seed) in [(false, 1), (false, 2), (true, 3), (true, 4)] {
        let (mut world, tag, first) = victim(interleaving);
        world.reading[1] = false;
        let before = world.sides[1].stats().bytes_received;
        let mut rng = Rng::from_number(seed);
        let mut buf = vec![0; 2000];
        for _ in 0..20_000 {
            let any = |rng: &mut Rng, n: u64| u32::try_from(rng.below(n)).unwrap();
            let flags =
                Flags(any(&mut rng, 2).to_be_bytes()[3] << 1 | any(&mut rng, 2).to_be_bytes()[3] << 2);
            let data = Data {
                tsn: first.wrapping_add(2 + any(&mut rng, 60_000)),
                stream: u16::try_from(rng.below(65_536)).unwrap(),
                flags,
                message: any(&mut rng, 4),
                protocol: 53,
                fragment: any(&mut rng, 10),
                payload: &vec![1; usize::try_from(1 + rng.below(1000)).unwrap()],
            };
            let len = data.write(interleaving, &mut buf);
            world.sides[1].handle_input(world.now, &packet(tag, &buf[..len]));
        }
        let held = world.sides[1].stats().bytes_received - before;
        assert!(held <= (1 << 18), "{held} bytes are held in a window of 256 KiB");
        assert!(world.sides[1].stats().dropped.window > 10_000, "{:?}", world.sides[1].stats());
    }
}

/// A reader that stops stops the writer; when it goes on, nothing is missing.
#[test]
fn a_reader_that_rests_stops_the_writer() {
    let (mut world, _, _) = victim(false);
    world.reading[1] = false;
    world.events[1].clear();
    let channel = sctp::ChannelId(0);
    for n in 0..40 {
        world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![n; 30_000])).unwrap();
    }
    world.run_for(std::time::Duration::from_secs(20));
    assert!(world.sides[0].buffered_amount(channel) > 500_000);
    world.reading[1] = true;
    world.run_until(|w| w.events[1].len() == 40);
    assert_eq!(world.sides[1].stats().timeouts, 0);
}

/// Requests without end are answered within bounds: answers that find no room are dropped.
#[test]
fn answers_are_bounded() {
    let (mut world, tag, _) = victim(false);
    for kind in [4, 0x7f] {
        for _ in 0..10_000 {
            world.sides[1].handle_input(world.now, &packet(tag, &[kind, 0, 0, 8, 1, 2, 3, 4]));
        }
    }
    assert!(world.sides[1].stats().dropped.queue > 19_000);
    let mut buf = [0; 1500];
    let mut packets = 0;
    while world.sides[1].poll_transmit(world.now, &mut buf).is_some() {
        packets += 1;
    }
    assert!(packets < 40, "{packets}");
}

/// A message above the largest closes its channel and nothing else.
#[test]
fn a_message_too_large_closes_its_channel() {
    for interleaving in [false, true] {
        let small = Config { max_message_size: 10_000, interleaving, ..config() };
        let links = [crate::world::Link::default(), crate::world::Link::default()];
        let large = Config { interleaving, ..config() };
        let mut world = World::new(1, [large, small], links);
        world.connect();
        let [bad, good] =
            [(); 2].map(|()| world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap());
        world.sides[0].send(world.now, bad, Kind::Binary, Bytes::from(vec![1; 10_001])).unwrap();
        world.sides[0].send(world.now, good, Kind::Binary, Bytes::from(vec![2; 10_000])).unwrap();
        world.run_until(|w| w.events.iter().all(|e| e.contains(&Event::ChannelClosed { channel: bad })));
        world.run_until(|w| !crate::basic::messages(w, 1).is_empty());
        assert_eq!(crate::basic::messages(&world, 1), [vec![2; 10_000]]);
    }
}

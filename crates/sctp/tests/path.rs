//! How large packets become, over links that carry only so much.

use crate::basic::messages;
use crate::world::{Link, World, config};
use bytes::Bytes;
use sctp::{Association, ChannelConfig, ChannelId, Config, Kind};
use std::time::Duration;

/// IPv4, UDP and a record of DTLS 1.2 with AES-GCM.
const OVERHEAD: usize = 20 + 8 + 37;
const BASE: usize = 1188;
const MESSAGE: usize = 50_000;

/// Two sides that may look for larger packets, and a channel; packets of `mtu` bytes with all headers pass.
fn world(seed: u64, mtu: usize, change: impl Fn(&mut Link)) -> (World, ChannelId) {
    let mut link = Link { mtu: mtu - OVERHEAD, ..Link::default() };
    change(&mut link);
    let side = || Config { max_retransmits: 30, max_mtu: 16_200, ..config() };
    let mut world = World::new(seed, [side(), side()], [link.clone(), link]);
    world.connect();
    for side in &mut world.sides {
        side.use_path(Some(OVERHEAD));
    }
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    (world, channel)
}

/// Keeps the sender busy for so long; the longest time in which nothing arrived.
fn busy(world: &mut World, channel: ChannelId, time: Duration) -> Duration {
    let end = world.now + time;
    let data = Bytes::from(vec![7; MESSAGE]);
    let (mut last, mut longest) = (world.now, Duration::ZERO);
    let mut received = 0;
    while world.now < end {
        while world.sides[0].buffered_amount(channel) < 1 << 20
            && world.sides[0].send(world.now, channel, Kind::Binary, data.clone()).is_ok()
        {}
        world.step();
        longest = longest.max(world.now.saturating_since(last));
        let now = world.sides[1].stats().bytes_received;
        if now > received {
            (received, last) = (now, world.now);
        }
    }
    longest
}

/// What was sent arrives, all of it and whole.
fn finish(world: &mut World) {
    world.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
    assert_eq!(
        messages(world, 1).len() as u64,
        world.sides[0].stats().messages_sent - 1,
        "{}",
        world.report()
    );
    assert!(messages(world, 1).iter().all(|m| m.len() == MESSAGE && m.iter().all(|b| *b == 7)));
}

/// A slow link, so that the tests are not about a million packets.
fn slow(link: &mut Link) {
    link.rate = Some((4_000_000, 60_000));
}

#[test]
fn packets_grow_to_what_the_path_carries() {
    for (mtu, found) in [(1280, 1212), (1300, 1232), (1400, 1332), (1450, 1372), (1492, 1424), (1500, 1432)] {
        let (mut world, channel) = world(1, mtu, slow);
        let stall = busy(&mut world, channel, Duration::from_secs(30));
        let stats = *world.sides[0].stats();
        assert_eq!(world.sides[0].packet_size(), found, "{mtu}: {}", world.report());
        assert_eq!((stats.timeouts, stats.path_shrinks), (0, 0), "{mtu}: a lost probe is no loss");
        assert!(stall < Duration::from_millis(100), "{mtu}: nothing for {stall:?}");
        finish(&mut world);
    }
    for (mtu, found) in [(9000, 8932), (65_535, 16_200)] {
        let (mut world, channel) = world(1, mtu, slow);
        busy(&mut world, channel, Duration::from_secs(10));
        assert_eq!(world.sides[0].packet_size(), found, "{mtu}: {}", world.report());
        finish(&mut world);
    }
}

/// Who was not told that it may, does not ask; neither does who has little to say, and at rest nothing is due.
#[test]
fn nobody_asks_without_leave_or_need() {
    let (mut quiet, channel) = world(1, 1500, slow);
    for _ in 0..200 {
        quiet.sides[0].send(quiet.now, channel, Kind::Binary, Bytes::from(vec![7; 900])).unwrap();
        quiet.run_for(Duration::from_millis(50));
    }
    let (mut off, channel) = world(1, 1500, slow);
    off.sides[0].use_path(None);
    busy(&mut off, channel, Duration::from_secs(3));
    for world in [&quiet, &off] {
        assert_eq!((world.sides[0].stats().path_probes, world.sides[0].packet_size()), (0, BASE));
    }
    let side = || Config { heartbeat: None, ..config() };
    let link = Link { mtu: 1400 - OVERHEAD, ..Link::default() };
    let mut world = World::new(1, [side(), side()], [link.clone(), link]);
    world.connect();
    world.sides[0].use_path(Some(OVERHEAD));
    let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
    busy(&mut world, channel, Duration::from_millis(500));
    world.run_for(Duration::from_secs(10));
    assert!(world.sides[0].stats().path_probes > 0);
    assert_eq!(world.sides.each_ref().map(Association::poll_timeout), [None, None]);
}

/// Whichever probe is lost, the size is found, and the transfer does not notice.
#[test]
fn any_probe_may_be_lost() {
    for mtu in [1400, 1500] {
        let (mut world, channel) = self::world(1, mtu, slow);
        busy(&mut world, channel, Duration::from_secs(40));
        let (probes, expected) = (world.probes, world.sides[0].packet_size());
        assert!((3..40).contains(&probes), "{probes}");
        for lost in 0..probes {
            let (mut world, channel) = self::world(1, mtu, slow);
            world.lost_probe = Some(lost);
            let stall = busy(&mut world, channel, Duration::from_secs(40));
            assert_eq!(world.sides[0].packet_size(), expected, "{mtu} without probe {lost}");
            assert!(stall < Duration::from_millis(100), "{mtu} without probe {lost}: nothing for {stall:?}");
            assert_eq!(world.sides[0].stats().timeouts, 0);
        }
    }
}

/// A path that drops at random delays the search and is not taken for one that is narrow.
#[test]
fn losses_of_all_sizes_are_no_black_hole() {
    for loss in [10, 50, 100] {
        let (mut world, channel) = world(3, 1500, |link| {
            slow(link);
            link.loss = loss;
            link.jitter = Duration::from_millis(5);
        });
        busy(&mut world, channel, Duration::from_secs(60));
        let stats = world.sides[0].stats();
        assert_eq!(stats.path_shrinks, 0, "{loss}: {}", world.report());
        assert_eq!(world.sides[0].packet_size(), 1432, "{loss}: {}", world.report());
    }
}

/// The path becomes narrower in the middle of a transfer and says nothing. What was cut for it before goes in
/// fragments; nothing arrives for no longer than it takes to time out once; and the new size is found.
#[test]
fn a_path_that_narrows_is_noticed() {
    for (before, after, found) in
        [(1500, 1400, 1332), (1500, 1300, 1232), (1500, 1280, 1212), (9000, 1500, 1432)]
    {
        for seed in 0..4 {
            let (mut world, channel) = world(seed, before, slow);
            busy(&mut world, channel, Duration::from_millis(7000 + 77 * seed));
            assert!(world.sides[0].packet_size() > after - OVERHEAD, "{}", world.report());
            world.change_links(|link| link.mtu = after - OVERHEAD);
            let stall = busy(&mut world, channel, Duration::from_secs(40));
            let what = format!("{before} to {after}, seed {seed}: {}", world.report());
            assert!(stall < Duration::from_secs(1), "nothing for {stall:?}: {what}");
            assert_eq!(world.sides[0].packet_size(), found, "{what}");
            assert_eq!(world.sides[0].stats().path_shrinks, 1, "{what}");
            finish(&mut world);
        }
    }
}

/// The same while short messages on another channel get through, so that nothing ever times out.
#[test]
fn a_path_that_narrows_is_noticed_beside_short_messages() {
    let (mut world, channel) = world(1, 1500, slow);
    busy(&mut world, channel, Duration::from_secs(3));
    assert_eq!(world.sides[0].packet_size(), 1432);
    world.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
    world.change_links(|link| link.mtu = 1400 - OVERHEAD);
    let other = ChannelConfig { ordered: false, ..ChannelConfig::default() };
    let other = world.sides[0].open_channel(world.now, other).unwrap();
    world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![7; MESSAGE])).unwrap();
    for _ in 0..100 {
        world.sides[0].send(world.now, other, Kind::Binary, Bytes::from(vec![7; 100])).unwrap();
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.sides[0].packet_size(), BASE, "{}", world.report());
    assert_eq!(world.sides[0].unacknowledged_amount(), 0, "{}", world.report());
    assert_eq!(world.sides[0].stats().path_shrinks, 1);
}

/// Where the usual packets are cut on their way, the size is what passes whole.
#[test]
fn fragments_on_the_way_do_not_deceive() {
    let (mut world, channel) = world(1, 1400, |link| {
        slow(link);
        link.cuts = true;
    });
    busy(&mut world, channel, Duration::from_secs(30));
    assert_eq!(world.sides[0].packet_size(), 1332);
    // Later it is narrower, and nothing is lost for it: the next search notices.
    world.change_links(|link| link.mtu = 1300 - OVERHEAD);
    busy(&mut world, channel, Duration::from_secs(5));
    assert_eq!(world.sides[0].packet_size(), 1332);
    world.run_for(Duration::from_secs(600));
    busy(&mut world, channel, Duration::from_secs(40));
    assert_eq!(world.sides[0].packet_size(), 1232, "{}", world.report());
    finish(&mut world);
}

/// Another path: all begins anew, and what was cut for the old one arrives, whatever it meets.
#[test]
fn another_path_begins_at_the_base() {
    let (mut world, channel) = world(1, 9000, slow);
    busy(&mut world, channel, Duration::from_secs(5));
    assert_eq!(world.sides[0].packet_size(), 8932);
    world.change_links(|link| link.mtu = 1400 - OVERHEAD);
    world.sides[0].use_path(Some(OVERHEAD));
    assert_eq!(world.sides[0].packet_size(), BASE);
    let stall = busy(&mut world, channel, Duration::from_secs(40));
    assert!(stall < Duration::from_secs(1), "nothing for {stall:?}");
    assert_eq!((world.sides[0].packet_size(), world.sides[0].stats().path_shrinks), (1332, 0));
    world.sides[0].use_path(None);
    finish(&mut world);
}

/// After ten minutes a wider path is found; a restart of the other side begins anew.
#[test]
fn a_wider_path_is_found_in_time() {
    let (mut world, channel) = world(1, 1400, slow);
    busy(&mut world, channel, Duration::from_secs(30));
    finish(&mut world);
    world.change_links(|link| link.mtu = 1500 - OVERHEAD);
    world.run_for(Duration::from_secs(500));
    busy(&mut world, channel, Duration::from_secs(5));
    assert_eq!(world.sides[0].packet_size(), 1332);
    world.run_for(Duration::from_secs(100));
    busy(&mut world, channel, Duration::from_secs(20));
    assert_eq!(world.sides[0].packet_size(), 1432);
    let mut fresh = Association::new(config(), [9; 32], world.now);
    fresh.connect(world.now);
    world.sides[1] = fresh;
    world.run_until(|w| w.sides[1].is_connected());
    assert_eq!(world.sides[0].packet_size(), BASE);
}

/// A system that refuses a probe is believed at once: nobody waits.
#[test]
fn refused_probes_cost_no_time() {
    let (mut world, channel) = world(1, 65_535, slow);
    world.first_link = 1340;
    let begin = world.now;
    while world.sides[0].stats().path_probes < 5 {
        busy(&mut world, channel, Duration::from_millis(10));
    }
    let took = world.now.saturating_since(begin);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!(world.sides[0].packet_size(), 1332);
}

/// A probe is a whole packet of the size: a heartbeat and what pads it. Without room for it there is none.
#[test]
fn a_probe_is_a_padded_heartbeat() {
    let (mut world, channel) = world(1, 1500, slow);
    world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![7; 300_000])).unwrap();
    world.log = Some(Vec::new());
    world.run_until(|w| w.sides[0].stats().path_probes > 0);
    let log = world.log.take().unwrap();
    let probe = log.iter().map(|(_, bytes)| bytes).find(|bytes| bytes[12] == 4).unwrap();
    let packet = sctp::packet::Packet::parse(probe).unwrap();
    let chunks: Vec<_> = packet.chunks().map(|c| c.map(|c| (c.kind, c.value.len())).unwrap()).collect();
    assert_eq!((probe.len(), chunks), (1432, vec![(4, 16), (132, 1396)]));
    assert!(packet.checksum_holds());

    let (mut small, channel) = self::world(1, 1500, slow);
    small.sides[0].send(small.now, channel, Kind::Binary, Bytes::from(vec![7; 300_000])).unwrap();
    small.buffer = 1200;
    small.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
    assert_eq!(small.sides[0].stats().path_probes, 0);
}

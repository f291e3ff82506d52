//! Seeded sessions against a model of what may arrive.

use crate::basic::messages;
use crate::world::{Link, World, config};
use bytes::Bytes;
use sctp::{ChannelConfig, ChannelId, Config, Event, Kind, Reliability};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::Rng;

const SEEDS: u64 = 60;

struct Planned {
    config: ChannelConfig,
    id: ChannelId,
    sent: u32,
}

fn link(rng: &mut Rng) -> Link {
    Link {
        delay: Duration::from_millis(1 + rng.below(80)),
        jitter: Duration::from_millis(rng.below(3) * 15),
        loss: rng.below(4) * 30,
        duplication: rng.below(3) * 20,
        corruption: rng.below(3) * 10,
        rate: (rng.below(2) == 0).then_some((4_000_000, 60_000)),
        mtu: [1215, 1335, 1435, 20_000][usize::try_from(rng.below(4)).unwrap()],
        cuts: rng.below(3) == 0,
    }
}

/// Number, then a pattern that follows from it: what is torn or mixed shows.
fn message(number: u32, len: usize) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..len).map(|i| (number as usize * 31 + i * 7).to_le_bytes()[0]));
    Bytes::from(bytes)
}

fn session(seed: u64) {
    let mut rng = Rng::from_number(seed);
    let side = |rng: &mut Rng| Config {
        interleaving: rng.below(3) != 0,
        receive_window: 1 << (16 + rng.below(5)),
        max_retransmits: 100,
        max_mtu: if rng.below(2) == 0 { 16_200 } else { 1448 },
        max_init_retransmits: 100,
        rto_max: Duration::from_secs(2),
        ..config()
    };
    let configs = [side(&mut rng), side(&mut rng)];
    let links = [link(&mut rng), link(&mut rng)];
    let what = format!("seed {seed}: {links:?}");
    let mut world = World::new(seed, configs, links);
    world.connect();
    for side in &mut world.sides {
        side.use_path((rng.below(4) != 0).then_some(65));
    }
    let mut channels: Vec<Planned> = (0..1 + rng.below(5))
        .map(|n| {
            let reliability = match rng.below(4) {
                0 => Reliability::Retransmits(u32::try_from(rng.below(3)).unwrap()),
                1 => Reliability::Lifetime(Duration::from_millis(rng.below(400))),
                _ => Reliability::Reliable,
            };
            let config = ChannelConfig {
                label: n.to_string(),
                ordered: rng.below(2) == 0,
                reliability,
                priority: 128 << rng.below(4),
                ..ChannelConfig::default()
            };
            let id = world.sides[0].open_channel(world.now, config.clone()).unwrap();
            Planned { config, id, sent: 0 }
        })
        .collect();
    for _ in 0..60 {
        let which = usize::try_from(rng.below(channels.len() as u64)).unwrap();
        let channel = &mut channels[which];
        let len = [0, 10, 900, 1160, 5000, 40_000][usize::try_from(rng.below(6)).unwrap()];
        let data = message(channel.sent, len);
        world.sides[0].send(world.now, channel.id, Kind::Binary, data).unwrap();
        channel.sent += 1;
        if rng.below(20) == 0 {
            // To a narrower path in the middle of it.
            world.change_links(|link| link.mtu = link.mtu.min(1250));
        }
        if rng.below(3) == 0 {
            world.run_for(Duration::from_millis(rng.below(100)));
        }
    }
    world.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
    let ids: Vec<_> = channels.iter().map(|c| c.id).collect();
    for id in &ids {
        world.sides[0].close_channel(world.now, *id);
    }
    let closed = |w: &World, side: usize| {
        w.events[side].iter().filter(|e| matches!(e, Event::ChannelClosed { .. })).count() == ids.len()
    };
    world.run_until(|w| closed(w, 0) && closed(w, 1));
    check(&world, &channels, &what);
}

/// What arrived is what the channels promise.
fn check(world: &World, channels: &[Planned], what: &str) {
    let mut arrived: BTreeMap<ChannelId, Vec<u32>> = BTreeMap::new();
    for event in &world.events[1] {
        let Event::Message { channel, data, .. } = event else { continue };
        let number = u32::from_be_bytes(data[..4].try_into().unwrap());
        assert_eq!(data[..], message(number, data.len() - 4)[..], "{what}: a message is torn");
        arrived.entry(*channel).or_default().push(number);
    }
    for channel in channels {
        let mut numbers = arrived.remove(&channel.id).unwrap_or_default();
        let what = format!("{what}\n{:?}\n{numbers:?}\n{}", channel.config, world.report());
        if channel.config.ordered {
            assert!(numbers.is_sorted(), "{what}");
        }
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|w| w[0] < w[1]), "twice: {what}");
        assert!(numbers.iter().all(|n| *n < channel.sent), "{what}");
        if channel.config.reliability == Reliability::Reliable {
            assert_eq!(numbers.len(), channel.sent as usize, "{what}");
        }
    }
    assert!(arrived.is_empty());
}

#[test]
fn seeded_sessions_keep_what_channels_promise() {
    for seed in 0..SEEDS {
        session(seed);
    }
}

/// The same seed gives the same packets.
#[test]
fn runs_repeat() {
    let run = || {
        let lossy = Link { loss: 50, jitter: Duration::from_millis(10), ..Link::default() };
        let mut world = World::new(5, [config(), config()], [lossy.clone(), lossy]);
        world.log = Some(Vec::new());
        world.connect();
        let channel = world.sides[0].open_channel(world.now, ChannelConfig::default()).unwrap();
        world.sides[0].send(world.now, channel, Kind::Binary, Bytes::from(vec![1; 100_000])).unwrap();
        world.run_until(|w| messages(w, 1).len() == 1);
        world.log.unwrap()
    };
    assert!(run() == run());
}

/// Without retransmits, no TSN of the channel is ever on the wire twice.
#[test]
fn no_retransmits_means_none() {
    for interleaving in [false, true] {
        let lossy = Link { loss: 200, ..Link::default() };
        let side = || Config { interleaving, ..config() };
        let mut world = World::new(3, [side(), side()], [lossy, Link::default()]);
        world.connect();
        let config = ChannelConfig {
            reliability: Reliability::Retransmits(0),
            ordered: false,
            negotiated: Some(ChannelId(4)),
            ..ChannelConfig::default()
        };
        for side in &mut world.sides {
            side.open_channel(world.now, config.clone()).unwrap();
        }
        world.log = Some(Vec::new());
        for number in 0..300 {
            world.sides[0].send(world.now, ChannelId(4), Kind::Binary, message(number, 3000)).unwrap();
        }
        world.run_until(|w| w.sides[0].unacknowledged_amount() == 0);
        let mut tsns = std::collections::BTreeSet::new();
        for (from, packet) in world.log.take().unwrap() {
            for chunk in sctp::packet::Packet::parse(&packet).unwrap().chunks().flatten() {
                if from == 0 && (chunk.kind == 0 || chunk.kind == 64) {
                    assert!(tsns.insert(chunk.value[..4].to_vec()), "sent again: {:?}", &chunk.value[..4]);
                }
            }
        }
        let count = messages(&world, 1).len();
        assert!(
            (60..200).contains(&count),
            "{count} of 300 messages of three fragments, of which 20 % are lost"
        );
        assert_eq!(world.sides[0].stats().abandoned, 300 - count as u64);
    }
}

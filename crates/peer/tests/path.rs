//! How large the packets of data channels become on a path.

use std::time::Duration;

use peer::{ChannelId, DtlsVersion, Event, Kind};

use crate::pair::Pair;

const MESSAGE: usize = 60_000;

/// Two peers that talk, of which those look for what the path carries that do.
fn pair(probing: [bool; 2], versions: &[DtlsVersion]) -> (Pair, ChannelId) {
    pair_up_to(1448, probing, versions)
}

fn pair_up_to(most: usize, probing: [bool; 2], versions: &[DtlsVersion]) -> (Pair, ChannelId) {
    let mut pair = Pair::with(1, |side, config| {
        config.probe_path = probing[side];
        config.sctp.max_mtu = most;
        config.dtls_versions = versions.to_vec();
    });
    let channel = pair.peers[0].create_data_channel(pair.now, Default::default()).unwrap();
    pair.introduce();
    pair.until("the channel opens", |pair| pair.heard(0, |event| *event == Event::ChannelOpened(channel)));
    (pair, channel)
}

/// Messages to the other side, which arrive.
fn talk(pair: &mut Pair, channel: ChannelId, messages: usize) {
    for n in 0..messages {
        pair.events[1].clear();
        let data = vec![u8::try_from(n % 251).unwrap(); MESSAGE];
        pair.peers[0].send(pair.now, channel, Kind::Binary, data.clone()).unwrap();
        pair.collect();
        let is = |event: &Event| matches!(event, Event::Message(_, _, came) if *came == data);
        pair.until("the message arrives", |pair| pair.heard(1, is));
    }
}

fn size(pair: &Pair, side: usize) -> usize {
    pair.peers[side].get_stats().data_packet_size.unwrap()
}

/// The largest packet of a multiple of four bytes that fits with DTLS, UDP and IPv4 around it; DTLS takes 22 or 37.
#[test]
fn packets_grow_by_leave_of_the_driver() {
    for (version, carried, most, expected) in [
        (DtlsVersion::Dtls12, 1500, 1448, 1432),
        (DtlsVersion::Dtls13, 1500, 1448, 1448),
        (DtlsVersion::Dtls12, 1400, 1448, 1332),
        (DtlsVersion::Dtls12, 1260, 1448, 1188),
        (DtlsVersion::Dtls12, 20_000, 16_200, 16_200),
    ] {
        let (mut pair, channel) = pair_up_to(most, [true, false], &[version]);
        pair.carried = carried;
        while pair.now < wire::Instant::from_nanos(0) + Duration::from_secs(40) {
            talk(&mut pair, channel, 1);
        }
        assert_eq!((size(&pair, 0), size(&pair, 1)), (expected, 1188), "{version:?} {carried}");
        assert_eq!(pair.cut, 0);
    }
    let (mut pair, channel) = self::pair([false, true], &[DtlsVersion::Dtls13, DtlsVersion::Dtls12]);
    talk(&mut pair, channel, 100);
    assert_eq!((size(&pair, 0), size(&pair, 1), pair.whole, pair.cut), (1188, 1188, 0, 0));
}

/// What was cut for a path that has become narrow still arrives; after a restart of ICE all begins anew.
#[test]
fn another_path_is_another_size() {
    let (mut pair, channel) = pair([true, true], &[DtlsVersion::Dtls12]);
    talk(&mut pair, channel, 50);
    assert_eq!(size(&pair, 0), 1432);
    pair.peers[0].send(pair.now, channel, Kind::Binary, vec![7; 250_000]).unwrap();
    pair.pass(Duration::from_millis(15));
    pair.carried = 1300;
    talk(&mut pair, channel, 1);
    assert!(pair.cut > 0, "{:?}", pair.peers[0].get_stats().data);
    assert_eq!(size(&pair, 0), 1188);
    pair.carried = 1500;
    pair.peers[0].restart_ice().unwrap();
    pair.negotiate(0);
    pair.pass(Duration::from_secs(1));
    assert_eq!(size(&pair, 0), 1188);
    talk(&mut pair, channel, 20);
    assert_eq!(size(&pair, 0), 1432);
}

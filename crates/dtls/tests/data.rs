use dtls::{Dtls, SealError, Version};

use crate::link::Pair;

const ALL: &[&[Version]] = &[&[Version::Dtls12], &[Version::Dtls13]];

fn record(end: &mut Dtls, data: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; data.len() + end.overhead()];
    let at = end.header_len();
    buf[at..at + data.len()].copy_from_slice(data);
    let len = end.seal(&mut buf, data.len()).unwrap();
    buf.truncate(len);
    buf
}

#[test]
fn a_datagram_of_several_records_yields_each() {
    for versions in ALL {
        let mut pair = Pair::of(versions, 1);
        pair.assert_works("before");
        let now = pair.now;
        let mut datagram = Vec::new();
        for i in 0..50u8 {
            datagram.extend(record(&mut pair.ends[0], &vec![i; usize::from(i)]));
        }
        let mut copy = datagram.clone();
        let opened: Vec<Vec<u8>> = pair.ends[1].open(now, &mut datagram).map(|data| data.to_vec()).collect();
        let expected: Vec<Vec<u8>> = (0..50u8).map(|i| vec![i; usize::from(i)]).collect();
        assert_eq!(opened, expected);
        assert_eq!(pair.ends[1].open(now, &mut copy).count(), 0, "all of it is a replay");
        assert_eq!(pair.ends[1].stats().replayed, 50);
    }
}

#[test]
fn order_does_not_matter_within_the_window() {
    for versions in ALL {
        let mut pair = Pair::of(versions, 1);
        pair.assert_works("before");
        let now = pair.now;
        let mut records: Vec<_> = (0..100u8).map(|i| record(&mut pair.ends[0], &[i])).collect();
        records.reverse();
        for (i, mut record) in (0..100u8).rev().zip(records) {
            assert_eq!(pair.ends[1].open(now, &mut record).next().unwrap(), [i]);
        }
    }
}

#[test]
fn misuse_is_told_and_breaks_nothing() {
    for versions in ALL {
        let mut pair = Pair::of(versions, 1);
        assert_eq!(pair.ends[0].seal(&mut [0; 100], 10), Err(SealError::NotConnected));
        assert!(pair.ends[0].header_len() <= dtls::MAX_HEADER_LEN);
        pair.assert_works("before");
        let overhead = pair.ends[0].overhead();
        assert!(overhead <= dtls::MAX_OVERHEAD);
        assert_eq!(pair.ends[0].seal(&mut vec![0; overhead + 9], 10), Err(SealError::Length));
        assert_eq!(pair.ends[0].seal(&mut vec![0; 20_000], 16_385), Err(SealError::Length));
        let whole = pair.ends[0].seal(&mut vec![0; 20_000], 16_384);
        assert_eq!(whole, Ok(16_384 + overhead));
        pair.assert_works("after");
    }
}

/// Epochs go on, although headers have only two bits of them (RFC 9147 §4.2.1).
#[test]
fn keys_change_while_data_flows() {
    let mut pair = Pair::of(&[Version::Dtls13], 1);
    pair.assert_works("before");
    for round in 0..20u8 {
        pair.received = Default::default();
        for end in [0, 1] {
            if round % 3 != end {
                let now = pair.now;
                pair.ends[usize::from(end)].update_keys(now);
            }
        }
        for i in 0..30u8 {
            for from in [0, 1] {
                pair.send(from, &[round, i]);
            }
            pair.step();
        }
        pair.settle();
        let expected: Vec<Vec<u8>> = (0..30).map(|i| vec![round, i]).collect();
        assert_eq!(pair.received, [expected.clone(), expected], "round {round}");
    }
    for end in &pair.ends {
        assert_eq!((end.stats().forged, end.stats().no_key), (0, 0));
    }
    let now = pair.now;
    pair.ends[0].update_keys(now);
    pair.ends[0].update_keys(now);
    pair.assert_works("asked for twice");
}

#[test]
fn a_lost_update_of_keys_is_repeated() {
    for lost in 0..3 {
        let mut pair = Pair::of(&[Version::Dtls13], 1);
        pair.assert_works("before");
        let first = pair.sent;
        let mut pair = pair.with_fate(move |n, bytes| {
            if n == first + lost { Vec::new() } else { vec![(std::time::Duration::ZERO, bytes)] }
        });
        let now = pair.now;
        pair.ends[1].update_keys(now);
        pair.settle();
        pair.assert_works(&format!("{lost}"));
    }
}

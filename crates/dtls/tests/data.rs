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

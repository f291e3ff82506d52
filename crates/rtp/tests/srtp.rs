use rtp::srtp::*;
use rtp::{Header, Packet, Writer};
use wire::Rng;

fn pair(profile: Profile, config: &Config) -> (Protect, Unprotect) {
    let (key, salt) = (&[3; 32][..profile.key_len()], &[5; 14][..profile.salt_len()]);
    let protect = Protect::new(profile, key, salt, config).unwrap();
    (protect, Unprotect::new(profile, key, salt, config).unwrap())
}

fn packet(buf: &mut [u8], sequence: u16, ssrc: u32) -> usize {
    let header = Header { payload_type: 96, sequence_number: sequence, ssrc, ..Header::default() };
    let mut w = Writer::new(buf, &header, &[1]).unwrap();
    w.payload(&sequence.to_be_bytes()).unwrap();
    w.payload(&[7; 40]).unwrap();
    w.finish()
}

fn protected(protect: &mut Protect, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut buf = [0; 200];
    let len = packet(&mut buf, sequence, ssrc);
    let len = protect.protect(&mut buf, len).unwrap();
    buf[..len].to_vec()
}

/// Over a link that loses, doubles, reorders and corrupts, and over several rollovers: what is given out is what was
/// sent, once.
#[test]
fn a_bad_link_gives_nothing_wrong_and_nothing_twice() {
    for profile in Profile::ALL {
        let (mut protect, mut unprotect) = pair(profile, &Config::default());
        let mut rng = Rng::from_number(profile.id().into());
        let (mut held, mut taken) = (Vec::new(), std::collections::BTreeSet::new());
        let (mut intact, mut corrupted) = (0, 0);
        for index in 0..150_000_u64 {
            let sequence = u16::try_from(index & 0xffff).unwrap();
            // Most numbers are never sent at all: the rollover is estimated from few packets.
            if !rng.chance(40) {
                continue;
            }
            let bytes = protected(&mut protect, sequence, 9);
            match rng.below(10) {
                0 => continue,
                1 => held.push((index, bytes)),
                2 => {
                    let mut bytes = bytes;
                    let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                    bytes[at] ^= 1 << rng.below(8);
                    let result = unprotect.unprotect(&mut bytes);
                    assert!(result.is_err(), "{profile:?}: byte {at} was changed");
                    corrupted += 1;
                }
                _ => {
                    for mut copy in [bytes.clone(), bytes] {
                        if let Ok(len) = unprotect.unprotect(&mut copy) {
                            assert!(taken.insert(index), "{profile:?}: {index} came twice");
                            let plain = Packet::parse(&copy[..len]).unwrap();
                            assert_eq!(plain.payload()[..2], sequence.to_be_bytes());
                            assert_eq!(plain.payload()[2..], [7; 40]);
                            intact += 1;
                        }
                    }
                }
            }
            while held.first().is_some_and(|(at, _)| at + 500 < index) {
                let (at, mut bytes) = held.remove(0);
                assert!(
                    unprotect.unprotect(&mut bytes).is_ok() && taken.insert(at),
                    "a late packet is taken"
                );
            }
        }
        let stats = unprotect.stats();
        assert!(intact > 3000 && corrupted > 300, "{intact} {corrupted}");
        assert_eq!(stats.replayed, intact, "each intact packet came twice");
        assert!(stats.forged + stats.malformed + stats.too_old >= corrupted * 9 / 10, "{stats:?}");
    }
}

#[test]
fn rtcp_is_protected_in_both_directions_of_its_index() {
    for profile in Profile::ALL {
        let (mut protect, mut unprotect) = pair(profile, &Config::default());
        let mut datagrams = Vec::new();
        for _ in 0..200 {
            let mut buf = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2].to_vec();
            buf.resize(12 + profile.rtcp_overhead(), 0);
            assert_eq!(protect.protect_rtcp(&mut buf, 12), Ok(buf.len()));
            datagrams.push(buf);
        }
        assert!(rtp::is_rtcp(&datagrams[0]));
        let opened = unprotect.unprotect_rtcp(&mut datagrams[150].clone());
        assert_eq!(opened, Ok(12), "{profile:?}");
        assert_eq!(unprotect.unprotect_rtcp(&mut datagrams[150].clone()), Err(Rejected::Replayed));
        assert_eq!(unprotect.unprotect_rtcp(&mut datagrams[22].clone()), Ok(12), "128 back");
        assert_eq!(unprotect.unprotect_rtcp(&mut datagrams[21].clone()), Err(Rejected::TooOld), "129 back");
        for at in 0..datagrams[199].len() {
            let mut forged = datagrams[199].clone();
            forged[at] ^= 4;
            assert!(unprotect.unprotect_rtcp(&mut forged).is_err(), "{profile:?}: byte {at} was changed");
        }
        for len in 0..datagrams[199].len() {
            assert!(unprotect.unprotect_rtcp(&mut datagrams[199][..len].to_vec()).is_err(), "{len} bytes");
        }
        assert_eq!(unprotect.unprotect_rtcp(&mut datagrams[199].clone()), Ok(12));
    }
}

#[test]
fn a_sender_refuses_what_would_repeat_key_stream() {
    let (mut protect, _) = pair(Profile::AeadAes128Gcm, &Config { max_sources: 2 });
    let mut buf = [0; 200];
    let mut protect = |sequence, ssrc| {
        let len = packet(&mut buf, sequence, ssrc);
        protect.protect(&mut buf, len).map(|_| ())
    };
    assert_eq!(protect(5, 1), Ok(()));
    assert_eq!(protect(5, 1), Err(ProtectError::Repeated));
    assert_eq!(protect(3, 1), Ok(()), "late, but not yet sent");
    assert_eq!(protect(5, 2), Ok(()));
    assert_eq!(protect(5, 3), Err(ProtectError::TooManySources));
    assert_eq!(protect(6, 1), Ok(()));
}

#[test]
fn mistakes_are_told() {
    let key = |len: usize, salt: usize| {
        Protect::new(Profile::AeadAes256Gcm, &[0; 32][..len], &[0; 14][..salt], &Config::default())
            .map(|_| ())
    };
    assert_eq!(key(16, 12), Err(KeyError::Key { expected: 32 }));
    assert_eq!(key(32, 14), Err(KeyError::Salt { expected: 12 }));
    let (mut protect, _) = pair(Profile::AeadAes128Gcm, &Config::default());
    let mut buf = [0; 100];
    let len = packet(&mut buf, 1, 1);
    assert_eq!(protect.protect(&mut buf[..len + 15], len), Err(ProtectError::Short));
    assert_eq!(protect.protect(&mut buf, 101), Err(ProtectError::Malformed));
    assert_eq!(protect.protect(&mut buf, 11), Err(ProtectError::Malformed));
    assert_eq!(protect.protect_rtcp(&mut buf, 7), Err(ProtectError::Malformed));
}

/// Memory of a receiver stays bounded, and only authentic packets take any.
#[test]
fn forged_sources_take_no_memory_and_authentic_ones_a_bounded_amount() {
    let (mut protect, mut unprotect) = pair(Profile::AeadAes128Gcm, &Config { max_sources: 1000 });
    let bound = 8;
    let (_, mut small) = pair(Profile::AeadAes128Gcm, &Config { max_sources: bound });
    for ssrc in 0..100 {
        let mut forged = protected(&mut protect, 1, ssrc);
        assert!(small.unprotect(&mut forged.clone()).is_ok());
        forged[11] ^= 0x80;
        assert_eq!(unprotect.unprotect(&mut forged), Err(Rejected::Forged));
    }
    assert_eq!((unprotect.sources(), small.sources()), (0, bound));
}

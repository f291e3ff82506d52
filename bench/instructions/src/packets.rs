//! Formats and ciphers.

use std::hint::black_box;

use dtls::{Certificate, Config, Dtls, Role, Version};
use rtp::extension::{Elements, Kind, Map};
use rtp::srtp::{Config as SrtpConfig, Profile, Protect, Unprotect};
use rtp::{Header, Packet, Writer};
use stun::attribute::{Priority, Username};
use stun::{Class, Integrity, Key, Message, Method, TransactionId};
use wire::{Instant, Rng};

use crate::Run;

fn write_check(buf: &mut [u8], key: &Key) -> usize {
    let mut w =
        stun::Writer::new(buf, Class::Request, Method::BINDING, TransactionId([7; 12])).expect("room");
    w.put(&Username("wXURXNuz:3M9qCGdK")).expect("room");
    w.put(&Priority(1_694_498_815)).expect("room");
    w.put_integrity(key, Integrity::Sha1).expect("room");
    w.put_fingerprint().expect("room");
    w.len()
}

pub(crate) fn stun_write() -> Run {
    let (key, mut buf) = (Key::new(b"VOkJxbRl1RmTxUk/WvJxBt"), [0; 200]);
    Box::new(move || {
        black_box(write_check(black_box(&mut buf), &key));
    })
}

pub(crate) fn stun_parse() -> Run {
    let (key, mut buf) = (Key::new(b"VOkJxbRl1RmTxUk/WvJxBt"), [0; 200]);
    let len = write_check(&mut buf, &key);
    Box::new(move || {
        let message = Message::parse(black_box(&buf[..len])).expect("it was written whole");
        let name = message.get::<Username<'_>>().expect("well-formed").expect("there");
        black_box((message.check_fingerprint(), name.0.len()));
        assert!(message.verify(&key));
    })
}

fn map() -> Map {
    let mut map = Map::default();
    map.set(Kind::TransportSequence, 1).expect("a free number");
    map
}

fn write_rtp(buf: &mut [u8], sequence_number: u16, map: &Map) -> usize {
    let header = Header { payload_type: 96, sequence_number, ssrc: 7, ..Header::default() };
    let mut w = Writer::new(buf, &header, &[]).expect("room");
    let elements = Elements { transport_sequence: Some(sequence_number), ..Elements::default() };
    w.elements(&elements, map).expect("room");
    w.payload(&[1; 1100]).expect("room");
    w.finish()
}

pub(crate) fn rtp_parse() -> Run {
    let (map, mut buf) = (map(), [0; 1500]);
    let len = write_rtp(&mut buf, 5, &map);
    Box::new(move || {
        let packet = Packet::parse(black_box(&buf[..len])).expect("it was written whole");
        black_box((
            packet.sequence_number(),
            packet.elements(&map).transport_sequence,
            packet.payload().len(),
        ));
    })
}

fn srtp(profile: Profile, both: bool) -> Run {
    let (key, salt) = (&[3; 32][..profile.key_len()], &[5; 14][..profile.salt_len()]);
    let config = SrtpConfig::default();
    let mut protect = Protect::new(profile, key, salt, &config).expect("good keys");
    let mut unprotect = Unprotect::new(profile, key, salt, &config).expect("good keys");
    let (map, mut template) = (map(), [0; 1500]);
    let len = write_rtp(&mut template, 0, &map);
    let (mut buf, mut number) = (template, 0u16);
    Box::new(move || {
        // A new number over what is there: the cost of ciphers does not depend on what they encrypt.
        buf[..12].copy_from_slice(&template[..12]);
        buf[2..4].copy_from_slice(&number.to_be_bytes());
        buf[12..20].copy_from_slice(&template[12..20]);
        number = number.wrapping_add(1);
        let sealed = protect.protect(black_box(&mut buf), len).expect("numbers go up");
        if both {
            assert_eq!(unprotect.unprotect(&mut buf[..sealed]), Ok(len));
        }
    })
}

pub(crate) fn srtp_gcm_protect() -> Run {
    srtp(Profile::AeadAes128Gcm, false)
}

pub(crate) fn srtp_gcm_both() -> Run {
    srtp(Profile::AeadAes128Gcm, true)
}

pub(crate) fn srtp_cm_protect() -> Run {
    srtp(Profile::Aes128CmHmacSha1_80, false)
}

pub(crate) fn srtp_cm_both() -> Run {
    srtp(Profile::Aes128CmHmacSha1_80, true)
}

const DATA: usize = 1200;

fn dtls(version: Version, both: bool) -> Run {
    let mut rng = Rng::from_number(1);
    let [ours, theirs] = [0, 1].map(|_| Certificate::generate(&mut rng, 1_767_225_600));
    let mut end = |own: &Certificate, other: &Certificate, role| {
        let config = Config {
            remote_fingerprints: vec![other.fingerprint()],
            versions: vec![version],
            ..Config::new(own.clone(), role)
        };
        Dtls::new(config, rng.fork(), Instant::ZERO)
    };
    let mut client = end(&ours, &theirs, Role::Client);
    let mut server = end(&theirs, &ours, Role::Server);
    let mut buf = [7; 1500];
    for _ in 0..6 {
        carry(&mut client, &mut server, &mut buf);
        carry(&mut server, &mut client, &mut buf);
    }
    assert!(client.is_connected() && server.is_connected());
    Box::new(move || {
        let len = client.seal(black_box(&mut buf[..DATA + dtls::MAX_OVERHEAD]), DATA).expect("connected");
        if both {
            let mut opened = server.open(Instant::ZERO, &mut buf[..len]);
            assert_eq!(opened.next().map(|data| data.len()), Some(DATA));
        }
    })
}

fn carry(from: &mut Dtls, to: &mut Dtls, buf: &mut [u8]) {
    while let Some(len) = from.poll_transmit(Instant::ZERO, buf) {
        to.handle_input(Instant::ZERO, &mut buf[..len]);
    }
}

pub(crate) fn dtls12_seal() -> Run {
    dtls(Version::Dtls12, false)
}

pub(crate) fn dtls12_both() -> Run {
    dtls(Version::Dtls12, true)
}

pub(crate) fn dtls13_seal() -> Run {
    dtls(Version::Dtls13, false)
}

pub(crate) fn dtls13_both() -> Run {
    dtls(Version::Dtls13, true)
}

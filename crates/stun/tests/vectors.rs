//! The samples of RFC 5769 and RFC 8489 appendix B.1: read, verified, and written again to the byte.

use std::net::SocketAddr;
use stun::attribute::{
    Algorithm, Attribute, Fingerprint, IceControlled, Nonce, PasswordAlgorithm, Priority, Realm, Software,
    UserHash, Username, XorMappedAddress,
};
use stun::{Class, Integrity, Key, LongTerm, Message, Method, TransactionId, Writer};

const SHORT_TERM: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const LONG_TERM: LongTerm<'_> =
    LongTerm { username: "マトリックス", realm: "example.org", password: "TheMatrIX" };

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Asserts the value of one attribute.
fn same<'a, A: Attribute<'a> + PartialEq + std::fmt::Debug>(message: &Message<'a>, expected: A) {
    assert_eq!(message.get::<A>(), Ok(Some(expected)));
}

/// Both samples of §2.2 and §2.3 differ in their address only.
fn check_response(hex: &str, address: &str) {
    let bytes = bytes(hex);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
    let address: SocketAddr = address.parse().unwrap();
    same(&message, Software("test vector"));
    same(&message, XorMappedAddress(address));
    assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
    assert!(message.verify(&Key::new(SHORT_TERM.as_bytes())));
    assert!(!message.verify(&Key::new(b"another")));

    // The samples pad with blanks, which we do not: apart from that byte, what the tags cover is the same.
    let mut out = [0; 200];
    let mut w = Writer::new(&mut out, Class::Success, Method::BINDING, message.transaction_id()).unwrap();
    w.put(&Software("test vector")).unwrap();
    w.put(&XorMappedAddress(address)).unwrap();
    let len = w.len();
    assert_eq!((out[35], bytes[35]), (0, b' '));
    assert_eq!((&out[20..35], &out[36..len]), (&bytes[20..35], &bytes[36..len]));
}

#[test]
fn rfc_5769_request() {
    let bytes = bytes(include_str!("../../../vectors/stun/rfc5769-request.hex"));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    same(&message, Software("STUN test client"));
    same(&message, Priority(0x6e00_01ff));
    same(&message, IceControlled(0x932f_f9b1_5126_3b36));
    same(&message, Username("evtj:h6vY"));
    assert_eq!(message.integrity(), Some(Integrity::Sha1));
    assert!(message.verify(&Key::new(SHORT_TERM.as_bytes())));
    assert!(!message.verify(&Key::new(b"VOkJxbRl1RmTxUk/WvJxBT")));
    assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
    for i in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[i] ^= 0x80;
        let fooled = Message::parse(&damaged).is_ok_and(|m| m.check_fingerprint() == Fingerprint::Valid);
        assert!(!fooled, "byte {i}");
    }
}

#[test]
fn rfc_5769_responses() {
    check_response(include_str!("../../../vectors/stun/rfc5769-response-ipv4.hex"), "192.0.2.1:32853");
    check_response(
        include_str!("../../../vectors/stun/rfc5769-response-ipv6.hex"),
        "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
    );
}

#[test]
fn rfc_5769_long_term_is_written_to_the_byte() {
    let bytes = bytes(include_str!("../../../vectors/stun/rfc5769-long-term.hex"));
    let message = Message::parse(&bytes).unwrap();
    let key = LONG_TERM.key(Algorithm::Md5);
    assert!(message.verify(&key));
    let mut out = [0; 200];
    let mut w = Writer::new(&mut out, Class::Request, Method::BINDING, message.transaction_id()).unwrap();
    w.put(&Username(LONG_TERM.username)).unwrap();
    w.put(&Nonce("f//499k954d6OL34oL9FSTvy64sA")).unwrap();
    w.put(&Realm(LONG_TERM.realm)).unwrap();
    w.put_integrity(&key, Integrity::Sha1).unwrap();
    let len = w.len();
    assert_eq!(out[..len], bytes);
}

#[test]
fn rfc_8489_sha256_is_written_to_the_byte() {
    let bytes = bytes(include_str!("../../../vectors/stun/rfc8489-b1.hex"));
    let message = Message::parse(&bytes).unwrap();
    let key = LONG_TERM.key(Algorithm::Sha256);
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert!(message.verify(&key));
    assert!(!message.verify(&LONG_TERM.key(Algorithm::Md5)));
    let mut out = [0; 200];
    let id = TransactionId([0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e]);
    let mut w = Writer::new(&mut out, Class::Request, Method::BINDING, id).unwrap();
    w.put(&UserHash(stun::user_hash(LONG_TERM.username, LONG_TERM.realm))).unwrap();
    w.put(&Nonce("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")).unwrap();
    w.put(&Realm(LONG_TERM.realm)).unwrap();
    w.put(&PasswordAlgorithm(Algorithm::Sha256)).unwrap();
    w.put_integrity(&key, Integrity::Sha256).unwrap();
    let len = w.len();
    assert_eq!(out[..len], bytes);
}

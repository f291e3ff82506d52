//! What a receiver may look at, and what is not a message at all.

use stun::attribute::{Fingerprint, Lifetime, Software, UnknownAttributes, Username};
use stun::{Class, Integrity, Key, Malformed, Message, Method, TransactionId, Writer};

const ID: TransactionId = TransactionId([9; 12]);

#[test]
fn attributes_behind_integrity_are_invisible() {
    let key = Key::new(b"key");
    let mut buf = [0; 300];
    let mut w = Writer::new(&mut buf, Class::Request, Method::REFRESH, ID).unwrap();
    w.put(&Lifetime(1)).unwrap();
    w.put_integrity(&key, Integrity::Sha1).unwrap();
    w.put(&Username("intruder")).unwrap();
    w.put_integrity(&key, Integrity::Sha256).unwrap();
    w.put(&Software("intruder")).unwrap();
    w.put_fingerprint().unwrap();
    let len = w.len();
    let message = Message::parse(&buf[..len]).unwrap();
    let kinds: Vec<u16> = message.attributes().map(|a| a.kind).collect();
    assert_eq!(kinds, [0x000d, 0x0008, 0x001c, 0x8028]);
    assert_eq!(message.get::<Username>(), Ok(None));
    assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
    assert!(message.verify(&key));
}

#[test]
fn a_cut_sha256_tag_verifies_down_to_16_bytes() {
    let key = Key::new(b"key");
    let check = |len: usize, expected| {
        let mut full = [0; 100];
        let mut w = Writer::new(&mut full, Class::Request, Method::BINDING, ID).unwrap();
        w.put_integrity(&key, Integrity::Sha256).unwrap();
        // The tag covers a header that counts the cut attribute.
        let hmac = crypto::HmacSha256::new(b"key");
        let mut message = full[..20].to_vec();
        message[2..4].copy_from_slice(&u16::try_from(4 + len).unwrap().to_be_bytes());
        let tag = hmac.tag(&[&message]);
        message.extend([0, 0x1c, 0, u8::try_from(len).unwrap()]);
        message.extend(&tag[..len]);
        assert_eq!(Message::parse(&message).unwrap().verify(&key), expected, "{len} bytes");
    };
    check(12, false);
    check(16, true);
    check(20, true);
    check(32, true);
}

#[test]
fn unknown_required_attributes_are_listed_once() {
    let mut buf = [0; 300];
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, ID).unwrap();
    for kind in [0x7000, 0x7001, 0x7000, 0x8055, 0x0006] {
        w.put_raw(kind, b"x").unwrap();
    }
    let len = w.len();
    let mut expected = UnknownAttributes::default();
    expected.add(0x7000);
    expected.add(0x7001);
    assert_eq!(Message::parse(&buf[..len]).unwrap().unknown_required(), Some(expected));
}

#[test]
fn what_is_not_a_message() {
    let mut buf = [0; 100];
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, ID).unwrap();
    w.put(&Software("abc")).unwrap();
    w.put_fingerprint().unwrap();
    let len = w.len();
    let good = buf[..len].to_vec();
    assert!(Message::parse(&good).is_ok());
    let check = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        assert_eq!(Message::parse(&bytes).err(), Some(Malformed), "{name}");
    };
    check("empty", &|b| b.clear());
    check("header cut", &|b| b.truncate(19));
    check("body cut", &|b| b.truncate(24));
    check("trailing byte", &|b| b.push(0));
    check("first bits", &|b| b[0] = 0x40);
    check("cookie", &|b| b[4] = 0);
    check("odd length", &|b| b[3] -= 1);
    check("attribute beyond the end", &|b| b[23] = 200);
    check("something behind FINGERPRINT", &|b| {
        b.extend([0x80, 0x22, 0, 0]);
        b[3] += 4;
    });
}

#[test]
fn a_small_buffer_is_short() {
    let mut buf = [0; 30];
    assert!(Writer::new(&mut buf[..19], Class::Request, Method::BINDING, ID).is_err());
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, ID).unwrap();
    assert!(w.put(&Software("too long for it")).is_err());
}

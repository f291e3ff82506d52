//! `vectors/srtp`: samples of RFC 7714 and packets made by libsrtp.

use rtp::srtp::*;
use serde_json::Value;

fn bytes(value: &Value) -> Vec<u8> {
    let hex: Vec<u8> = value.as_str().unwrap().bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn load(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/srtp").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What libsrtp protected is what we protect, byte by byte, and we read it back; over a rollover, out of order, and
/// with header extensions, contributing sources and padding.
#[test]
fn packets_are_those_of_libsrtp() {
    for case in load("libsrtp.json").as_array().unwrap() {
        let id = u16::try_from(case["profile"].as_u64().unwrap()).unwrap();
        let profile = Profile::of_id(id).unwrap();
        let (key, salt) = (bytes(&case["key"]), bytes(&case["salt"]));
        let mut protect = Protect::new(profile, &key, &salt, &Config::default()).unwrap();
        let mut unprotect = Unprotect::new(profile, &key, &salt, &Config::default()).unwrap();
        let packets = case["packets"].as_array().unwrap();
        assert!(packets.len() > 10);
        for packet in packets {
            let (plain, expected) = (bytes(&packet["plain"]), bytes(&packet["protected"]));
            let rtcp = rtp::is_rtcp(&plain);
            let mut buf = plain.clone();
            buf.resize(plain.len() + 32, 0);
            let sealed = if rtcp {
                protect.protect_rtcp(&mut buf, plain.len())
            } else {
                protect.protect(&mut buf, plain.len())
            };
            assert_eq!(buf[..sealed.unwrap()], expected, "{profile:?} {packet}");
            let mut buf = expected;
            let opened =
                if rtcp { unprotect.unprotect_rtcp(&mut buf) } else { unprotect.unprotect(&mut buf) };
            assert_eq!(buf[..opened.unwrap()], plain, "{profile:?} {packet}");
        }
    }
}

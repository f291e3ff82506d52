//! The handshake of DTLS inside of checks (draft-hancke-webrtc-sped).

use crate::player::{Out, PEER, PWD, Script, controlled};
use crate::world::addr;
use ice::{Agent, Config, Credentials, Embedding, Local, MAX_EMBEDDED};
use stun::attribute::{
    Attribute, DtlsInStun, DtlsInStunAck, IceControlling, Priority, Username, XorMappedAddress,
};
use stun::{Class, Integrity, Key, Method, TransactionId, Writer};
use wire::Instant;

/// A datagram that begins as DTLS does.
fn datagram(fill: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![fill; len];
    bytes[0] = 22;
    bytes
}

fn checksum(datagram: &[u8]) -> [u8; 4] {
    DtlsInStunAck::checksum(datagram).to_be_bytes()
}

/// What a played message carries.
#[derive(Clone, Copy, Default)]
struct Cargo<'a> {
    data: Option<&'a [u8]>,
    acks: Option<&'a [[u8; 4]]>,
}

impl Cargo<'_> {
    fn put(self, w: &mut Writer<'_>) {
        if let Some(acks) = self.acks {
            w.put(&DtlsInStunAck::new(acks)).unwrap();
        }
        if let Some(data) = self.data {
            w.put(&DtlsInStun(data)).unwrap();
        }
    }
}

fn request(script: &mut Script, from: &str, cargo: Cargo<'_>, pwd: Option<&str>) {
    script.counter = script.counter.wrapping_add(1);
    let own = script.agent.credentials().clone();
    let mut buf = [0; 2000];
    let id = TransactionId([script.counter; 12]);
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, id).unwrap();
    w.put(&Username(&format!("{}:peer", own.ufrag))).unwrap();
    w.put(&Priority(1_800_000_000)).unwrap();
    w.put(&IceControlling(0)).unwrap();
    cargo.put(&mut w);
    w.put_integrity(&Key::new(pwd.unwrap_or(&own.pwd).as_bytes()), Integrity::Sha1).unwrap();
    w.put_fingerprint().unwrap();
    let len = w.len();
    script.input(from, &buf[..len]);
}

fn answer(script: &mut Script, out: &Out, cargo: Cargo<'_>) {
    let mut buf = [0; 2000];
    let id = out.message().transaction_id();
    let mut w = Writer::new(&mut buf, Class::Success, Method::BINDING, id).unwrap();
    w.put(&XorMappedAddress(addr(crate::player::OURS))).unwrap();
    cargo.put(&mut w);
    w.put_integrity(&Key::new(PWD.as_bytes()), Integrity::Sha1).unwrap();
    w.put_fingerprint().unwrap();
    let len = w.len();
    script.input(&out.to.to_string(), &buf[..len]);
}

fn data(out: &Out) -> Option<Vec<u8>> {
    out.message().get().unwrap().map(|DtlsInStun(bytes)| bytes.to_vec())
}

fn acks(out: &Out) -> Option<Vec<[u8; 4]>> {
    let acks = out.message().get::<DtlsInStunAck<'_>>().unwrap();
    acks.map(|acks| acks.checksums().map(u32::to_be_bytes).collect())
}

fn carries_nothing(out: &Out) -> bool {
    out.message().attributes().all(|a| a.kind != DtlsInStun::KIND && a.kind != DtlsInStunAck::KIND)
}

fn received(script: &mut Script) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| script.agent.poll_embedded()).collect()
}

/// With one candidate of the peer and this much of an agreement.
fn embedding(agreement: Embedding) -> Script {
    let mut script = Script::new(controlled());
    let now = script.now;
    script.agent.set_embedding(now, agreement);
    script.introduce();
    let line = format!("candidate:1 1 udp 2000000000 {} 7000 typ host", addr(PEER[0]).ip());
    script.agent.add_remote(now, line.parse().unwrap());
    script
}

#[test]
fn who_does_not_know_it_does_not_notice() {
    for agreement in [Embedding::Off, Embedding::Offered] {
        let mut script = embedding(agreement);
        let now = script.now;
        script.agent.embed(now, [datagram(1, 900)]);
        request(&mut script, PEER[0], Cargo::default(), None);
        let sent = script.sent();
        assert_eq!(sent.len(), 2, "a check and an answer");
        assert!(sent.iter().all(carries_nothing), "{agreement:?}");
        assert!(!script.agent.is_embedding() && !script.agent.peer_embeds());
    }
    // Who has not offered it does not take it either.
    let mut script = embedding(Embedding::Off);
    let hello = datagram(1, 900);
    request(&mut script, PEER[0], Cargo { data: Some(&hello), acks: Some(&[]) }, None);
    assert!(script.sent().iter().all(carries_nothing) && received(&mut script).is_empty());
}

/// The offerer learns it from the first check, which may overtake the answer.
#[test]
fn the_first_check_says_it_before_the_answer() {
    let mut script = embedding(Embedding::Offered);
    let hello = datagram(1, 900);
    request(&mut script, PEER[0], Cargo { data: Some(&hello), acks: Some(&[]) }, None);
    assert!(script.agent.is_embedding());
    assert_eq!(received(&mut script), [hello.clone()]);
    let sent = script.sent();
    let response = sent.iter().find(|out| out.message().class() == Class::Success).unwrap();
    assert_eq!((acks(response), data(response)), (Some(vec![checksum(&hello)]), None));
}

#[test]
fn a_flight_goes_with_one_check_and_each_piece_until_it_is_acknowledged() {
    let mut script = embedding(Embedding::On);
    let flight = [datagram(1, 1000), datagram(2, 999), datagram(3, 10)];
    script.agent.embed(script.now, flight.clone());
    let sent = script.sent();
    let carried: Vec<_> = sent.iter().filter_map(data).collect();
    assert_eq!(carried, flight, "in order, on the same pair, at once");
    let ids: std::collections::BTreeSet<_> = sent.iter().map(|out| out.message().transaction_id()).collect();
    assert_eq!(ids.len(), 3, "each is a request of its own");
    assert!(sent.iter().all(|out| out.to == addr(PEER[0]) && out.bytes.len() <= 1200));
    // Nothing comes: the check is sent again, and all with it; but not what is acknowledged.
    script.pass(500);
    assert_eq!(script.sent().iter().filter_map(data).count(), 3);
    let two = [checksum(&flight[0]), checksum(&flight[2])];
    request(&mut script, PEER[0], Cargo { data: None, acks: Some(&two) }, None);
    let again: Vec<_> = script.sent().iter().filter_map(data).collect();
    assert!(again.iter().all(|bytes| *bytes == flight[1]) && !again.is_empty(), "{}", again.len());
    assert!(script.agent.peer_embeds());
    // An answer makes a path: from now on DTLS goes there, and checks only acknowledge.
    script.pass(500);
    let sent = script.sent();
    let finished = datagram(9, 50);
    answer(&mut script, &sent[0], Cargo { data: Some(&finished), acks: Some(&[]) });
    assert!(script.agent.selected().is_some() && !script.agent.is_embedding());
    assert_eq!(received(&mut script), [finished]);
    request(&mut script, PEER[0], Cargo { data: None, acks: Some(&[]) }, None);
    let sent = script.sent();
    assert!(!sent.is_empty() && sent.iter().all(|out| data(out).is_none() && acks(out).is_some()));
    assert!(script.agent.take_unsent().is_empty(), "every piece was on its way");
}

/// A flight that comes when the check is out already goes at once where the peer was heard.
#[test]
fn a_flight_does_not_wait_for_the_next_check() {
    let mut script = embedding(Embedding::On);
    let hello = datagram(1, 900);
    request(&mut script, PEER[0], Cargo { data: Some(&hello), acks: Some(&[]) }, None);
    assert!(script.sent().iter().all(|out| data(out).is_none()));
    let flight = [datagram(2, 1000), datagram(3, 1000)];
    script.agent.embed(script.now, flight.clone());
    let carried: Vec<_> = script.sent().iter().filter_map(data).collect();
    assert_eq!(carried, flight);
    // What no message has carried is for the path.
    let late = [datagram(4, 1000)];
    let check = Script::sent(&mut script);
    assert!(check.is_empty());
    script.agent.embed(script.now, late.clone());
    assert_eq!(script.agent.take_unsent(), late);
}

/// A peer that names victims as its candidates, or sends from their addresses, has little flood them.
#[test]
fn what_goes_to_whoever_has_not_answered_is_bounded() {
    let mut script = embedding(Embedding::On);
    let now = script.now;
    script.agent.embed(now, (0..4).map(|fill| datagram(fill, MAX_EMBEDDED)));
    let carried = |script: &mut Script| -> usize {
        script.sent().iter().filter_map(data).map(|bytes| bytes.len()).sum()
    };
    let mut total = carried(&mut script);
    for port in 1..200 {
        let victim = format!("203.0.113.9:{port}");
        request(&mut script, &victim, Cargo { data: None, acks: Some(&[]) }, None);
        total += carried(&mut script);
    }
    assert!((13_000..=14_600).contains(&total), "{total} bytes at once");
    let mut later = 0;
    for millis in 0..100 {
        script.pass(10);
        let victim = format!("203.0.113.9:{}", 1000 + millis);
        request(&mut script, &victim, Cargo { data: None, acks: Some(&[]) }, None);
        later += carried(&mut script);
    }
    assert!((10_000..=14_600).contains(&later), "{later} bytes in the second after");
}

#[test]
fn junk_is_dropped_and_counted() {
    let mut script = embedding(Embedding::On);
    let hello = datagram(1, 900);
    request(&mut script, PEER[0], Cargo { data: Some(&hello), acks: None }, Some(PWD));
    assert!(received(&mut script).is_empty() && !script.agent.peer_embeds(), "without the password");
    for (bytes, why) in [(vec![], "nothing"), (vec![0, 1, 2], "STUN"), (vec![0x80; 100], "media")] {
        request(&mut script, PEER[0], Cargo { data: Some(&bytes), acks: None }, None);
        assert!(received(&mut script).is_empty(), "{why}");
    }
    assert_eq!(script.agent.stats().dropped.malformed, 2);
    for fill in 0..100 {
        let bytes = datagram(fill, 1000);
        request(&mut script, PEER[0], Cargo { data: Some(&bytes), acks: None }, None);
    }
    let kept = received(&mut script).len();
    assert!(kept < 30, "{kept} wait for a driver that does not ask");
    let sent = script.sent();
    assert!(sent.iter().filter_map(acks).all(|acks| acks.len() <= 4));
}

/// The handshake is complete here, but the peer may not know: what it still carries is acknowledged once.
#[test]
fn what_comes_late_is_acknowledged_once() {
    let mut script = embedding(Embedding::On);
    let finished = datagram(7, 100);
    request(&mut script, PEER[0], Cargo { data: Some(&finished), acks: Some(&[]) }, None);
    script.agent.end_embedding();
    script.sent();
    request(&mut script, PEER[0], Cargo { data: None, acks: None }, None);
    assert!(script.sent().iter().all(carries_nothing));
    request(&mut script, PEER[0], Cargo { data: Some(&finished), acks: None }, None);
    let sent = script.sent();
    let told: Vec<_> = sent.iter().filter_map(acks).collect();
    assert_eq!(told, [vec![checksum(&finished)]]);
    request(&mut script, PEER[0], Cargo { data: None, acks: None }, None);
    assert!(script.sent().iter().all(carries_nothing));
}

/// User names may have 256 characters: what does not fit beside them stays out, and the check goes.
#[test]
fn a_check_never_grows_over_its_limit() {
    let mut agent = Agent::new(Config::default(), [1; 32], Instant::ZERO);
    agent.add_local(Instant::ZERO, Local::host(addr(crate::player::OURS))).unwrap();
    agent.set_embedding(Instant::ZERO, Embedding::On);
    agent.embed(Instant::ZERO, [datagram(1, MAX_EMBEDDED), datagram(2, 500)]);
    let peer = Credentials { ufrag: "u".repeat(256), pwd: PWD.to_owned() };
    agent.set_remote_credentials(Instant::ZERO, peer, false).unwrap();
    agent.add_remote(
        Instant::ZERO,
        "candidate:1 1 udp 2000000000 198.51.100.1 7000 typ host".parse().unwrap(),
    );
    let mut buf = [0; 1500];
    let mut sizes = Vec::new();
    while let Some(transmit) = agent.poll_transmit(Instant::ZERO, &mut buf) {
        sizes.push(transmit.len);
    }
    assert!(!sizes.is_empty() && sizes.iter().all(|len| *len <= 1200), "{sizes:?}");
}

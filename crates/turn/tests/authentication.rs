//! Who is let in (RFC 8489 §9.2), and what strangers cost.

use crate::bench::{Bench, REALM, client, config, key, udp};
use std::time::Duration;
use stun::attribute::{
    Algorithm, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, Software, UserHash, Username,
};
use stun::{Class, Integrity, Method, NonceCookie, Writer, rest};
use turn::Config;

#[test]
fn a_stranger_is_challenged_in_few_bytes() {
    let mut bench = Bench::new(config());
    let answer = bench.learn_nonce(client(1));
    let message = answer.message();
    assert_eq!(message.get::<Realm<'_>>(), Ok(Some(Realm(REALM))));
    assert_eq!(message.get::<PasswordAlgorithms<'_>>(), Ok(Some(PasswordAlgorithms::BOTH)));
    let nonce = message.get::<Nonce<'_>>().unwrap().unwrap().0;
    let cookie = NonceCookie { password_algorithms: true, username_anonymity: true };
    assert_eq!(NonceCookie::of(nonce), Some(cookie));
    assert!(!message.has::<Software<'_>>());
    assert!(answer.len() <= 140, "{} bytes answer 28", answer.len());
}

#[test]
fn strangers_are_answered_at_a_rate() {
    let mut bench = Bench::new(Config { unauthenticated_rate: Some(10), ..config() });
    let mut request = [0; 20];
    Writer::new(&mut request, Class::Request, Method::ALLOCATE, stun::TransactionId([1; 12])).unwrap();
    let answers = |bench: &mut Bench| (0..50).filter(|_| bench.raw(client(9), &request).is_some()).count();
    assert_eq!(answers(&mut bench), 10);
    assert_eq!(bench.server.stats().dropped.rate, 40);
    bench.wait(Duration::from_secs(1));
    assert_eq!(answers(&mut bench), 10);
}

#[test]
fn a_nonce_is_good_for_its_address_and_its_time() {
    let mut bench = Bench::new(Config { nonce_lifetime: Duration::from_secs(60), ..config() });
    bench.learn_nonce(client(1));
    let stolen = bench.nonces[&client(1)].clone();
    bench.nonces.insert(client(2), stolen);
    assert_eq!(bench.request(client(2), Method::ALLOCATE, udp).code(), 438);
    bench.wait(Duration::from_millis(59_999));
    assert_eq!(bench.request(client(1), Method::ALLOCATE, udp).code(), 0);
    bench.wait(Duration::from_millis(1));
    let stale = bench.request(client(1), Method::REFRESH, |_| Ok(()));
    assert_eq!(stale.code(), 438);
    let nonce = stale.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
    bench.nonces.insert(client(1), nonce);
    assert_eq!(bench.request(client(1), Method::REFRESH, |_| Ok(())).code(), 0);
}

#[test]
fn only_the_password_opens() {
    let mut bench = Bench::new(config());
    let check = |bench: &mut Bench, user, password, code| {
        let from = client(u16::try_from(bench.nonces.len()).unwrap() + 1);
        assert_eq!(bench.request_as(user, password, from, Method::ALLOCATE, udp).code(), code, "{user}");
    };
    check(&mut bench, "alice", "north", 0);
    check(&mut bench, "alice", "south", 401);
    check(&mut bench, "carol", "north", 401);
    check(&mut bench, "bob", "south", 0);
}

/// Sends an Allocate that is built by `fill` after the transport; gives the code.
fn allocate_with(bench: &mut Bench, port: u16, fill: impl Fn(&mut Writer<'_>, &str)) -> (u16, Vec<u8>) {
    bench.learn_nonce(client(port));
    let nonce = bench.nonces[&client(port)].clone();
    let id = bench.id();
    let mut buf = [0; 600];
    let mut w = Writer::new(&mut buf, Class::Request, Method::ALLOCATE, id).unwrap();
    udp(&mut w).unwrap();
    fill(&mut w, &nonce);
    let len = w.len();
    let answer = bench.raw(client(port), &buf[..len]).unwrap();
    (answer.code(), answer.message().bytes().to_vec())
}

#[test]
fn sha256_and_user_hash_are_understood() {
    let mut bench = Bench::new(config());
    let alice = key("alice", "north", Algorithm::Sha256);
    let (code, answer) = allocate_with(&mut bench, 1, |w, nonce| {
        w.put(&UserHash(stun::user_hash("alice", REALM))).unwrap();
        w.put(&Realm(REALM)).unwrap();
        w.put(&Nonce(nonce)).unwrap();
        w.put(&PasswordAlgorithms::BOTH).unwrap();
        w.put(&PasswordAlgorithm(Algorithm::Sha256)).unwrap();
        w.put_integrity(&alice, Integrity::Sha256).unwrap();
    });
    assert_eq!(code, 0);
    let message = stun::Message::parse(&answer).unwrap();
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert!(message.verify(&alice));
}

#[test]
fn a_downgrade_in_the_path_is_noticed() {
    let mut bench = Bench::new(config());
    for (port, offered) in [(1, PasswordAlgorithms(&[0, 1, 0, 0])), (2, PasswordAlgorithms(&[0, 2, 0, 0]))] {
        let (code, _) = allocate_with(&mut bench, port, |w, nonce| {
            w.put(&Username("alice")).unwrap();
            w.put(&Realm(REALM)).unwrap();
            w.put(&Nonce(nonce)).unwrap();
            w.put(&offered).unwrap();
            w.put(&PasswordAlgorithm(Algorithm::Md5)).unwrap();
            w.put_integrity(&key("alice", "north", Algorithm::Md5), Integrity::Sha1).unwrap();
        });
        assert_eq!(code, ErrorCode::BAD_REQUEST.code);
    }
}

#[test]
fn integrity_without_its_companions_is_a_bad_request() {
    let mut bench = Bench::new(config());
    let alice = key("alice", "north", Algorithm::Md5);
    for missing in 0..3 {
        let (code, _) = allocate_with(&mut bench, missing + 1, |w, nonce| {
            if missing != 0 {
                w.put(&Username("alice")).unwrap();
            }
            if missing != 1 {
                w.put(&Realm(REALM)).unwrap();
            }
            if missing != 2 {
                w.put(&Nonce(nonce)).unwrap();
            }
            w.put_integrity(&alice, Integrity::Sha1).unwrap();
        });
        assert_eq!(code, 400);
    }
}

#[test]
fn time_limited_credentials_open_until_they_expire() {
    let mut bench = Bench::new(Config { secret: Some(b"secret".to_vec()), users: Vec::new(), ..config() });
    let (user, password) = rest::issue(b"secret", "alice", 1_000_060);
    let code = |bench: &mut Bench, port, method| {
        bench.request_as(&user, &password, client(port), method, udp).code()
    };
    assert_eq!(code(&mut bench, 1, Method::ALLOCATE), 401); // no wall clock yet
    bench.server.set_time(bench.now, 1_000_000);
    assert_eq!(code(&mut bench, 1, Method::ALLOCATE), 0);
    bench.wait(Duration::from_millis(59_999));
    assert_eq!(code(&mut bench, 2, Method::ALLOCATE), 0);
    bench.wait(Duration::from_millis(1));
    assert_eq!(code(&mut bench, 3, Method::ALLOCATE), 401);
    // A call outlives the credentials that began it, and the user may come back with newer ones.
    assert_eq!(code(&mut bench, 1, Method::REFRESH), 0);
    let (user, password) = rest::issue(b"secret", "alice", 1_009_999);
    assert_eq!(bench.request_as(&user, &password, client(1), Method::REFRESH, |_| Ok(())).code(), 0);
    let (user, password) = rest::issue(b"secret", "mallory", 1_009_999);
    assert_eq!(bench.request_as(&user, &password, client(1), Method::REFRESH, |_| Ok(())).code(), 441);
    let (user, password) = rest::issue(b"guess", "alice", 1_009_999);
    assert_eq!(bench.request_as(&user, &password, client(4), Method::ALLOCATE, udp).code(), 401);
}

#[test]
fn secrets_are_not_shown() {
    let config = Config { secret: Some(b"hush".to_vec()), ..config() };
    let shown = format!("{config:?} {:?}", Bench::new(config.clone()).server);
    assert!(!shown.contains("hush") && !shown.contains("104, 117") && !shown.contains("north"), "{shown}");
}

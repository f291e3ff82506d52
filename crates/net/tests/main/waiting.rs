use std::net::UdpSocket;
use std::time::Duration;

use net::{Clock, Inbox, Options, Poller, Socket};

#[test]
fn a_socket_is_reported_until_it_is_empty() {
    let mut poller = Poller::new().unwrap();
    let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), &Options::default()).unwrap();
    poller.add(&socket, 42).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        sender.send_to(b"x", socket.local()).unwrap();
    }
    let mut inbox = Inbox::new();
    for _ in 0..2 {
        assert!(!poller.wait(Some(Duration::from_secs(10))).unwrap());
        assert_eq!((poller.len(), poller.ready(0)), (1, Some(42)));
        assert_eq!(inbox.receive(&socket, 1).unwrap().len(), 1);
    }
    poller.wait(Some(Duration::ZERO)).unwrap();
    assert!(poller.is_empty());
    drop(socket);
    poller.wait(Some(Duration::ZERO)).unwrap();
    assert!(poller.is_empty(), "a dropped socket is watched no more");
}

#[test]
fn a_ring_before_or_during_a_wait_ends_it_once() {
    let mut poller = Poller::new().unwrap();
    let waker = poller.waker();
    waker.wake();
    waker.wake();
    assert!(poller.wait(None).unwrap());
    assert!(!poller.wait(Some(Duration::ZERO)).unwrap(), "two rings of one pause are one");
    let thread = std::thread::spawn(move || waker.wake());
    assert!(poller.wait(None).unwrap());
    thread.join().unwrap();
}

#[test]
fn a_wait_lasts_as_long_as_asked() {
    let (mut poller, clock) = (Poller::new().unwrap(), Clock::start());
    let before = clock.now();
    poller.wait(Some(Duration::from_micros(1500))).unwrap();
    assert!(clock.now().saturating_since(before) >= Duration::from_micros(1500), "never early");
}

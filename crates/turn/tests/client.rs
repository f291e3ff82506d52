//! The client machine against the server machine, without loss: every message arrives at once.

use crate::bench::{Bench, client, config, output, stream};
use std::net::SocketAddr;
use std::time::Duration;
use turn::{Client, ClientConfig, ClientEvent, Closed, Config, Destination, FiveTuple, Rejected, SendError};
use wire::{Instant, Transport};

struct Pair {
    bench: Bench,
    client: Client,
    tuple: FiveTuple,
    events: Vec<ClientEvent>,
}

impl Pair {
    fn new(tuple: FiveTuple, change: impl Fn(&mut ClientConfig), server: Config) -> Self {
        let mut config = ClientConfig {
            transport: tuple.transport,
            local: tuple.remote,
            server: tuple.local,
            username: "alice".to_owned(),
            password: "north".to_owned(),
            ..ClientConfig::default()
        };
        change(&mut config);
        let client = Client::new(config, [9; 32], Instant::ZERO);
        Self { bench: Bench::new(server), client, tuple, events: Vec::new() }
    }

    /// Passes messages on until nobody has more to say.
    fn settle(&mut self) {
        let mut buf = [0; 1500];
        while let Some(transmit) = self.client.poll_transmit(self.bench.now, &mut buf) {
            assert_eq!((transmit.from, transmit.to), (self.tuple.remote, self.tuple.local));
            assert!(self.bench.forward(self.tuple, &buf[..transmit.len]).is_none());
            self.bench.drain();
            while let Some(answer) = self.bench.answer(&self.tuple) {
                assert!(self.client.handle_input(self.bench.now, answer.message().bytes()).is_none());
            }
        }
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.bench.now + duration;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.bench.now = due;
            self.bench.wait(Duration::ZERO);
            self.client.handle_timeout(due);
            self.settle();
        }
        self.bench.now = end;
        self.bench.wait(Duration::ZERO);
    }

    fn allocated(&mut self) -> SocketAddr {
        self.client.allocate(self.bench.now).unwrap();
        self.settle();
        let [ClientEvent::Allocated { relayed, mapped }] = self.events[..] else {
            panic!("{:?}", self.events)
        };
        assert_eq!(mapped, self.tuple.remote);
        self.events.clear();
        relayed
    }
}

const PEER: &str = "203.0.113.9:7000";

#[test]
fn an_allocation_is_held_for_an_hour_and_given_back() {
    for tuple in [client(1), stream(1, Transport::Tcp)] {
        let mut pair = Pair::new(tuple, |_| (), config());
        let relayed = pair.allocated();
        let peer: SocketAddr = PEER.parse().unwrap();
        let now = pair.bench.now;
        let mut buf = [0; 100];
        assert_eq!(pair.client.send(now, peer, b"hello", &mut buf), Err(SendError::NotPermitted));
        pair.client.permit(now, peer.ip()).unwrap();
        pair.settle();
        assert_eq!(pair.events, [ClientEvent::Permitted(peer.ip())]);
        for hour in 0..2 {
            let now = pair.bench.now;
            let sent = pair.client.send(now, peer, b"hello", &mut buf).unwrap();
            let bytes = buf[..sent.len].to_vec();
            let forward = pair.bench.forward(tuple, &bytes).unwrap();
            assert_eq!(output(&forward, &bytes), [b"hello"], "hour {hour}");
            let relay = pair.bench.relay(relayed);
            assert_eq!(forward.to, Destination::Peer { relay, to: peer });
            let forward = pair.bench.peer_sends(relay, PEER, b"there").unwrap();
            let bytes = &output(&forward, b"there")[0];
            let received = pair.client.handle_input(now, bytes).unwrap();
            assert_eq!((received.from, received.data), (peer, &b"there"[..]));
            pair.wait(Duration::from_secs(3700));
            pair.client.bind(pair.bench.now, peer).unwrap(); // the second hour by a channel
            pair.settle();
        }
        assert!(pair.events.contains(&ClientEvent::Bound(peer)));
        assert_eq!(
            pair.client.send(pair.bench.now, peer, b"hello", &mut buf).unwrap().len,
            if tuple == client(1) { 9 } else { 12 }
        );
        pair.client.close(pair.bench.now);
        pair.settle();
        assert_eq!(pair.events.last(), Some(&ClientEvent::Closed(Closed::Requested)));
        assert_eq!((pair.bench.server.stats().allocations, pair.client.poll_timeout()), (0, None));
        assert_eq!(pair.client.permit(pair.bench.now, peer.ip()), Err(Rejected::WrongState));
    }
}

#[test]
fn a_stale_nonce_is_replaced() {
    let mut pair =
        Pair::new(client(1), |_| (), Config { nonce_lifetime: Duration::from_secs(60), ..config() });
    pair.allocated();
    pair.wait(Duration::from_secs(3700));
    assert_eq!((pair.events.len(), pair.bench.server.stats().allocations), (0, 1));
}

#[test]
fn refusals_are_told() {
    let mut pair = Pair::new(client(1), |c| c.password = "guess".to_owned(), config());
    pair.client.allocate(pair.bench.now).unwrap();
    pair.settle();
    assert_eq!(pair.events, [ClientEvent::Closed(Closed::Rejected(401))]);

    let mut pair = Pair::new(client(1), |_| (), config());
    pair.allocated();
    let peer: SocketAddr = "127.0.0.1:22".parse().unwrap();
    pair.client.permit(pair.bench.now, peer.ip()).unwrap();
    pair.client.bind(pair.bench.now, peer).unwrap();
    pair.settle();
    assert_eq!(pair.events, [ClientEvent::Refused(peer.ip(), 403); 2]);
}

#[test]
fn silence_ends_it() {
    let mut client = Client::new(ClientConfig::default(), [1; 32], Instant::ZERO);
    client.allocate(Instant::ZERO).unwrap();
    let mut buf = [0; 1500];
    let mut sent = 0;
    while let Some(due) = client.poll_timeout() {
        while client.poll_transmit(due, &mut buf).is_some() {
            sent += 1;
        }
        client.handle_timeout(due);
    }
    assert_eq!(sent, 7);
    assert_eq!(client.poll_event(), Some(ClientEvent::Closed(Closed::TimedOut)));
}

/// A server that starts anew knows nothing of the allocation, and says so when it is asked for anything.
#[test]
fn a_server_that_starts_anew_ends_it() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let ask: [fn(&mut Client, Instant, SocketAddr); 3] = [
        |client, now, _| client.refresh(now).unwrap(),
        |client, now, peer| client.permit(now, peer.ip()).unwrap(),
        |client, now, peer| client.bind(now, peer).unwrap(),
    ];
    for ask in ask {
        let mut pair = Pair::new(client(1), |_| (), config());
        pair.allocated();
        let now = pair.bench.now;
        pair.client.refresh(now).unwrap();
        pair.client.refresh(now).unwrap();
        pair.settle();
        assert_eq!(pair.events, [], "it is still there");
        pair.bench = Bench::new(config());
        pair.bench.now = now;
        ask(&mut pair.client, now, peer);
        pair.settle();
        assert_eq!(pair.events, [ClientEvent::Closed(Closed::Rejected(437))]);
        assert_eq!(pair.client.refresh(now), Err(Rejected::WrongState));
    }
}

#[test]
fn it_moves_with_its_allocation() {
    let mut pair = Pair::new(client(1), |c| c.mobility = true, config());
    let relayed = pair.allocated();
    let peer: SocketAddr = PEER.parse().unwrap();
    pair.client.permit(pair.bench.now, peer.ip()).unwrap();
    pair.settle();
    pair.tuple = client(2);
    pair.client.move_to(pair.bench.now, client(2).remote).unwrap();
    pair.settle();
    let relay = pair.bench.relay(relayed);
    let forward = pair.bench.peer_sends(relay, PEER, b"there").unwrap();
    assert_eq!(forward.to, Destination::Client(client(2)));
    pair.wait(Duration::from_secs(3700));
    assert_eq!(pair.bench.server.stats().allocations, 1);
}

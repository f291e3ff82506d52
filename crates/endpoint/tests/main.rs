//! Two connections on the loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use endpoint::{Connection, Events, Options};
use peer::negotiation::Description;
use peer::{ChannelConfig, ChannelId, Config, Event, Kind, LocalCandidate, Pair};

const PATIENCE: Duration = Duration::from_secs(20);

mod tcp;

fn loopback() -> Options {
    Options { addresses: vec!["127.0.0.1".parse().unwrap()], ..Options::default() }
}

/// Two sides with a channel, which the first has offered and opened.
struct Two {
    a: Connection,
    a_events: Events,
    b: Connection,
    b_events: Events,
    channel: ChannelId,
}

impl Two {
    async fn connect(a: &Options, b: &Options) -> Self {
        let start = |options| Connection::start(Config::new(endpoint::certificate()), options).unwrap();
        let ((a, a_events), (b, b_events)) = (start(a), start(b));
        let open = |peer: &mut peer::Peer, now| peer.create_data_channel(now, ChannelConfig::default());
        let channel = a.with(open).await.unwrap().unwrap();
        let mut two = Self { a, a_events, b, b_events, channel };
        two.negotiate().await;
        until(&mut two.a_events, |event| (event == Event::ChannelOpened(channel)).then_some(())).await;
        two
    }

    /// One exchange of descriptions, which have all candidates.
    async fn negotiate(&mut self) {
        let gathered = |event| (event == Event::IceCandidate(None)).then_some(());
        self.a.with(|peer, now| peer.set_local_description(now, None)).await.unwrap().unwrap();
        until(&mut self.a_events, gathered).await;
        let offer = described(&self.a).await;
        let accept = move |peer: &mut peer::Peer, now| {
            peer.set_remote_description(now, &offer).unwrap();
            peer.set_local_description(now, None).unwrap();
        };
        self.b.with(accept).await.unwrap();
        until(&mut self.b_events, gathered).await;
        let answer = described(&self.b).await;
        self.a.with(move |peer, now| peer.set_remote_description(now, &answer)).await.unwrap().unwrap();
    }

    /// Restarts ICE, with candidates after the descriptions.
    async fn restart(&mut self) {
        let offer = |peer: &mut peer::Peer, now| {
            peer.restart_ice().unwrap();
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap()
        };
        let offer = self.a.with(offer).await.unwrap();
        let answer = move |peer: &mut peer::Peer, now| {
            peer.set_remote_description(now, &offer).unwrap();
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap()
        };
        let answer = self.b.with(answer).await.unwrap();
        self.a.with(move |peer, now| peer.set_remote_description(now, &answer)).await.unwrap().unwrap();
        for (events, to) in [(&mut self.a_events, &self.b), (&mut self.b_events, &self.a)] {
            let mut told = Vec::new();
            until(events, |event| match event {
                Event::IceCandidate(Some(candidate)) => {
                    told.push(candidate);
                    None
                }
                event => (event == Event::IceCandidate(None)).then_some(()),
            })
            .await;
            let add = move |peer: &mut peer::Peer, now| {
                for told in told {
                    let LocalCandidate { candidate, mid, index, ufrag } = &*told;
                    peer.add_ice_candidate(now, candidate, mid.as_deref(), *index, Some(ufrag)).unwrap();
                }
            };
            to.with(add).await.unwrap();
        }
    }

    /// Messages from the first to the second, which arrive whole and in order.
    async fn carry(&mut self, messages: usize, size: usize) {
        let (sender, channel) = (self.a.clone(), self.channel);
        let sending = tokio::spawn(async move {
            for n in 0..messages {
                let data = vec![u8::try_from(n % 251).unwrap(); size];
                sender.send(channel, Kind::Binary, data.into()).await.unwrap();
            }
        });
        for n in 0..messages {
            let data = until(&mut self.b_events, |event| match event {
                Event::Message(_, Kind::Binary, data) => Some(data),
                _ => None,
            })
            .await;
            assert!(
                data.len() == size && data.iter().all(|byte| usize::from(*byte) == n % 251),
                "message {n}"
            );
        }
        sending.await.unwrap();
    }

    /// What carries the data, as both sides have it. A channel may open before there is one: its packets come with
    /// the checks.
    async fn pairs(&mut self) -> [Pair; 2] {
        [selected(&self.a, &mut self.a_events).await, selected(&self.b, &mut self.b_events).await]
    }
}

async fn selected(connection: &Connection, events: &mut Events) -> Pair {
    let known = connection.with(|peer, _| peer.selected_pair().copied()).await.unwrap();
    let told = |event| if let Event::SelectedPair(pair) = event { Some(pair) } else { None };
    if let Some(pair) = known { pair } else { until(events, told).await }
}

async fn described(connection: &Connection) -> Description {
    connection.with(|peer, _| peer.local_description().unwrap()).await.unwrap()
}

/// Waits for the event that `is` knows.
async fn until<T>(events: &mut Events, mut is: impl FnMut(Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = is(events.next().await.expect("the connection lives")) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_cross_and_the_end_is_heard() {
    let mut two = Two::connect(&loopback(), &loopback()).await;
    two.carry(400, 200_000).await;
    let Two { a, a_events, mut b_events, b: _b, .. } = two;
    drop((a, a_events));
    tokio::time::timeout(PATIENCE, async {
        while let Some(event) = b_events.next().await {
            if matches!(event, Event::DtlsClosed(_)) {
                return;
            }
        }
        panic!("the end is not heard");
    })
    .await
    .unwrap();
}

/// How large packets of data are now.
async fn packet_size(connection: &Connection) -> usize {
    connection.with(|peer, _| peer.get_stats().data_packet_size.unwrap()).await.unwrap()
}

/// Packets grow with bulk to the most that is looked for, for the loopback carries more; and begin anew after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_grow_to_what_the_path_carries() {
    let mut two = Two::connect(&loopback(), &loopback()).await;
    let before = two.pairs().await;
    for _ in 0..2 {
        while packet_size(&two.a).await != 1188 {
            two.a_events.next().await.unwrap();
        }
        // A probe may be lost for want of room in a socket, and is sent again a second later.
        while packet_size(&two.a).await == 1188 {
            two.carry(20, 200_000).await;
        }
        assert_eq!(packet_size(&two.a).await, 1448);
        assert_eq!(packet_size(&two.b).await, 1188, "who sends nothing finds nothing");
        two.restart().await;
    }
    assert_eq!(two.pairs().await.map(|pair| pair.local), before.map(|pair| pair.local));
}

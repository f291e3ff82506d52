//! Two connections on the loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use endpoint::{Connection, Events, Options};
use peer::{ChannelConfig, Config, Event, Kind};

const PATIENCE: Duration = Duration::from_secs(20);

async fn start() -> (Connection, Events) {
    let options = Options { addresses: vec!["127.0.0.1".parse().unwrap()], ..Options::default() };
    Connection::start(Config::new(endpoint::certificate()), &options).unwrap()
}

/// Passes on what one side finds, and waits for the event that `is` knows.
async fn until<T>(events: &mut Events, other: &Connection, mut is: impl FnMut(Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = events.next().await.expect("the connection lives");
            if let Event::IceCandidate(Some(candidate)) = &event {
                let candidate = candidate.clone();
                let added = move |peer: &mut peer::Peer, now| {
                    let (mid, ufrag) = (candidate.mid.as_deref(), Some(&*candidate.ufrag));
                    // What the description had already may come again.
                    let _ = peer.add_ice_candidate(now, &candidate.candidate, mid, candidate.index, ufrag);
                };
                other.with(added).await.unwrap();
            }
            if let Some(found) = is(event) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_cross_and_the_end_is_heard() {
    let ((a, mut a_events), (b, mut b_events)) = (start().await, start().await);
    let channel =
        a.with(|peer, now| peer.create_data_channel(now, ChannelConfig::default())).await.unwrap().unwrap();
    let offer = a
        .with(|peer, now| {
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap()
        })
        .await
        .unwrap();
    let answer = b
        .with(move |peer, now| {
            peer.set_remote_description(now, &offer).unwrap();
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap()
        })
        .await
        .unwrap();
    a.with(move |peer, now| peer.set_remote_description(now, &answer)).await.unwrap().unwrap();
    until(&mut a_events, &b, |event| (event == Event::ChannelOpened(channel)).then_some(())).await;

    let (messages, size) = (400usize, 200_000usize);
    let sender = a.clone();
    let sending = tokio::spawn(async move {
        for n in 0..messages {
            let data = vec![u8::try_from(n % 251).unwrap(); size];
            sender.send(channel, Kind::Binary, data.into()).await.unwrap();
        }
    });
    for n in 0..messages {
        let data = until(&mut b_events, &a, |event| match event {
            Event::Message(_, Kind::Binary, data) => Some(data),
            _ => None,
        })
        .await;
        assert!(data.len() == size && data.iter().all(|byte| usize::from(*byte) == n % 251), "message {n}");
    }
    sending.await.unwrap();
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

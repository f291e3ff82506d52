//! Our own engine through our own relay, and through nothing else, over each transport.
#![expect(clippy::expect_used, reason = "a test that meets what it did not expect fails")]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use endpoint::{Connection, Events, Options};
use peer::{ChannelConfig, Config, Event, Kind, TurnServer};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use server::media::{MediaConfig, MediaPlane};
use tokio::net::TcpListener;
use wire::Transport;

const PATIENCE: Duration = Duration::from_secs(20);

/// A media plane behind UDP, TCP and TLS ports, and what its clients must trust.
struct Relay {
    media: MediaPlane,
    udp: SocketAddr,
    tcp: SocketAddr,
    tls: SocketAddr,
    trust: Arc<rustls::ClientConfig>,
}

impl Relay {
    async fn start() -> Self {
        let ip = "127.0.0.1".parse().expect("an address");
        let turn = turn::Config {
            users: vec![("alice".to_owned(), "wonder".to_owned())],
            relay_ips: vec![turn::RelayIp { bind: ip, advertise: ip }],
            allow: vec![turn::IpNet::single(ip)],
            ..turn::Config::default()
        };
        let socket = std::net::UdpSocket::bind((ip, 0)).expect("a port");
        let udp = socket.local_addr().expect("an address");
        drop(socket);
        let config =
            MediaConfig { threads: NonZeroUsize::new(1), listen: vec![udp], turn, ..MediaConfig::default() };
        let media = MediaPlane::start(config).expect("the media plane starts");
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("a certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certified.cert.der().clone()).expect("a root");
        let trust = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = listen(&media, None).await;
        let tls = listen(&media, Some(tokio_rustls::TlsAcceptor::from(Arc::new(server)))).await;
        Self { media, udp, tcp, tls, trust: Arc::new(trust) }
    }

    /// A connection that may use one relay alone.
    fn connect(&self, transport: Transport) -> (Connection, Events) {
        let address = match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
        };
        let server = TurnServer {
            address,
            name: "localhost".to_owned(),
            transport,
            username: "alice".to_owned(),
            password: "wonder".to_owned(),
        };
        let config =
            Config { turn_servers: vec![server], relay_only: true, ..Config::new(endpoint::certificate()) };
        let loopback = vec!["127.0.0.1".parse().expect("an address")];
        let options = Options { addresses: loopback, tls: Some(self.trust.clone()), ..Options::default() };
        Connection::start(config, &options).expect("a connection")
    }
}

async fn listen(media: &MediaPlane, tls: Option<tokio_rustls::TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let media = media.clone();
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let (media, tls) = (media.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => media.serve_stream(stream, address, remote, Transport::Tcp).await,
                    Some(tls) => {
                        let stream = tls.accept(stream).await.expect("a handshake");
                        media.serve_stream(stream, address, remote, Transport::Tls).await;
                    }
                }
            });
        }
    });
    address
}

/// Passes candidates on until the event that `is` knows.
async fn until(events: &mut Events, other: &Connection, mut is: impl FnMut(&Event) -> bool) -> Event {
    let wait = async {
        loop {
            let event = events.next().await.expect("the connection lives");
            if let Event::IceCandidate(Some(candidate)) = &event {
                assert!(candidate.candidate.contains("typ relay"), "{candidate:?}");
                let candidate = candidate.clone();
                let add = move |peer: &mut peer::Peer, now| {
                    let (mid, ufrag) = (candidate.mid.as_deref(), Some(&*candidate.ufrag));
                    peer.add_ice_candidate(now, &candidate.candidate, mid, candidate.index, ufrag)
                };
                other.with(add).await.expect("the connection lives").expect("a candidate");
            }
            if is(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_talks_through_the_relay_over_udp_tcp_and_tls() {
    let relay = Relay::start().await;
    let pairs = [Transport::Udp, Transport::Tcp, Transport::Tls];
    for (one, other) in pairs.iter().zip(pairs.iter().cycle().skip(1)) {
        let ((a, mut a_events), (b, mut b_events)) = (relay.connect(*one), relay.connect(*other));
        let create = |peer: &mut peer::Peer, now| {
            let channel = peer.create_data_channel(now, ChannelConfig::default()).expect("a channel");
            peer.set_local_description(now, None).expect("an offer");
            (channel, peer.local_description().expect("an offer"))
        };
        let (channel, offer) = a.with(create).await.expect("alive");
        let answer = move |peer: &mut peer::Peer, now| {
            peer.set_remote_description(now, &offer).expect("an offer");
            peer.set_local_description(now, None).expect("an answer");
            peer.local_description().expect("an answer")
        };
        let answer = b.with(answer).await.expect("alive");
        a.with(move |peer, now| peer.set_remote_description(now, &answer))
            .await
            .expect("alive")
            .expect("good");
        let message = vec![3; 50_000];
        let opened = until(&mut a_events, &b, |event| *event == Event::ChannelOpened(channel));
        let heard = until(&mut b_events, &a, |event| matches!(event, Event::Message(..)));
        let said = async {
            opened.await;
            a.send(channel, Kind::Binary, message.clone().into()).await.expect("room");
        };
        let (heard, ()) = tokio::join!(heard, said);
        assert!(
            matches!(heard, Event::Message(_, Kind::Binary, data) if data == message),
            "{one:?} {other:?}"
        );
        let pair = a.with(|peer, _| peer.selected_pair().copied()).await.expect("alive").expect("a pair");
        assert_eq!(pair.local_kind.as_str(), "relay");
    }
    relay.media.shutdown();
}

//! Members of a room whose network lets no UDP through: ICE over TCP (RFC 6544), on threads that the kernel does not
//! choose.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use endpoint::{Connection, Options};
use peer::negotiation::{Description, SdpType};
use peer::{ChannelConfig, ChannelId, Event, Kind, Peer, Received, StreamId, TurnServer};
use serde_json::json;
use server::media::{ForwardConfig, Forwarding, MediaConfig, MediaPlane, StartError};
use server::signal::forwarding::{LegKey, MediaCommand, MediaEvent, Part, RoomKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use wire::{Rng, Transport};

use crate::support::{Folder, Server, Socket};

const PATIENCE: Duration = Duration::from_secs(20);
/// Where connections from a member begin, as far as ICE knows.
const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// A peer that connects by TCP alone.
struct Member {
    peer: Peer,
    channel: ChannelId,
    clock: net::Clock,
    stream: Option<(TcpStream, SocketAddr)>,
    bytes: Vec<u8>,
}

impl Member {
    fn new(clock: net::Clock) -> Self {
        let now = clock.now();
        let certificate = peer::Certificate::generate(&mut Rng::new(crypto::random()), net::unix_seconds());
        let mut peer = Peer::new(peer::Config::new(certificate), crypto::random(), now).unwrap();
        let config = ChannelConfig { negotiated: Some(StreamId(1)), ..ChannelConfig::default() };
        let channel = peer.create_data_channel(now, config).unwrap();
        peer.add_local_address(now, peer::Local::tcp(LOCAL.into(), peer::TcpType::Active));
        peer.end_of_local_addresses(now);
        Self { peer, channel, clock, stream: None, bytes: Vec::new() }
    }

    fn offer(&mut self) -> String {
        let now = self.clock.now();
        self.peer.set_local_description(now, None).unwrap();
        self.peer.local_description().unwrap().sdp
    }

    /// Takes an answer, of whose candidates only that for TCP at this port is left.
    fn answered(&mut self, sdp: &str, port: u16) {
        let at = format!(" {port} typ host tcptype passive");
        let left = |line: &&str| !line.starts_with("a=candidate") || line.contains(&at);
        let sdp = sdp.lines().filter(left).map(|line| format!("{line}\r\n")).collect();
        let now = self.clock.now();
        self.peer.set_remote_description(now, &Description { kind: SdpType::Answer, sdp }).unwrap();
    }

    /// Runs until an event that `is` knows.
    async fn until(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let run = async {
            loop {
                while let Some(event) = self.peer.poll_event() {
                    if is(&event) {
                        // What the other side waits for is not kept back.
                        self.flush().await;
                        return event;
                    }
                }
                self.turn().await;
            }
        };
        match timeout(PATIENCE, run).await {
            Ok(event) => event,
            Err(_) => panic!("{what} does not come: {:?}", self.peer.get_stats()),
        }
    }

    /// Runs until the forwarder is connected as well, which waits for its last words.
    async fn known(&mut self, link: &mut Forwarding, leg: LegKey) {
        tokio::select! {
            _ = event(link, |event| *event == MediaEvent::Connected { leg }) => {}
            _ = self.until("nothing", |_| false) => unreachable!(),
        }
    }

    async fn flush(&mut self) {
        let mut buf = vec![0; 65_536];
        while let Some(transmit) = self.peer.poll_transmit(self.clock.now(), &mut buf) {
            assert_eq!(transmit.transport, Transport::Tcp);
            if self.stream.is_none() {
                self.stream = Some((TcpStream::connect(transmit.to).await.unwrap(), transmit.to));
            }
            let Some((stream, _)) = self.stream.as_mut().filter(|(_, to)| *to == transmit.to) else {
                continue;
            };
            for message in buf[..transmit.len].chunks(transmit.segment_size.unwrap_or(transmit.len)) {
                let length = u16::try_from(message.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length, message].concat()).await.unwrap();
            }
        }
    }

    async fn turn(&mut self) {
        self.flush().await;
        let due = self.peer.poll_timeout().map_or(PATIENCE, |at| at.saturating_since(self.clock.now()));
        let Some((stream, remote)) = &mut self.stream else {
            sleep(due).await;
            return self.peer.handle_timeout(self.clock.now());
        };
        tokio::select! {
            read = stream.read_buf(&mut self.bytes) => assert_ne!(read.unwrap(), 0, "the stream stays open"),
            () = sleep(due) => self.peer.handle_timeout(self.clock.now()),
        }
        while let Some(length) = self.bytes.first_chunk().map(|head| usize::from(u16::from_be_bytes(*head))) {
            if self.bytes.len() < 2 + length {
                break;
            }
            let mut message: Vec<u8> = self.bytes.drain(..2 + length).skip(2).collect();
            let received =
                Received { transport: Transport::Tcp, local: LOCAL.into(), remote: *remote, segment: length };
            self.peer.handle_input(self.clock.now(), received, &mut message);
        }
    }
}

/// A media plane on a free port. Between the choice of one and its use another program may take it.
fn start(config: &MediaConfig) -> MediaPlane {
    loop {
        match MediaPlane::start(config.clone()) {
            Ok(media) => return media,
            Err(StartError::Listen { error, .. }) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn event(link: &mut Forwarding, is: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
    let wait = async {
        loop {
            let event = link.events.recv().await.expect("the forwarder lives");
            if is(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, wait).await.expect("the event comes")
}

/// What one hears when the other says something.
async fn tell(from: &mut Member, to: &mut Member) -> Vec<u8> {
    let now = from.clock.now();
    from.peer.send(now, from.channel, Kind::Binary, b"over TCP".to_vec()).unwrap();
    // Both run: one sends while the other waits.
    tokio::select! {
        heard = to.until("the message", |event| matches!(event, Event::Message(..))) => match heard {
            Event::Message(_, _, data) => data,
            _ => unreachable!(),
        },
        _ = from.until("nothing", |_| false) => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_over_tcp_to_the_thread_of_their_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap();
    let forward = ForwardConfig {
        external: Vec::new(),
        own: Vec::new(),
        bitrate: 10_000_000,
        people_per_thread: 100,
        streams: vec![tcp],
    };
    let config = MediaConfig {
        threads: NonZeroUsize::new(3),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        forward: Some(forward),
        ..MediaConfig::default()
    };
    let media = start(&config);
    let served = media.clone();
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let media = served.clone();
            tokio::spawn(async move { media.serve_stream(stream, tcp, remote, Transport::Tcp).await });
        }
    });
    let mut link = media.forwarding().expect("there is a forwarder");
    assert!(media.forwarding().is_none(), "which is given away once");
    let clock = net::Clock::start();
    // One room on each thread: a stream finds the thread of its room.
    for room in 0..3 {
        let open = MediaCommand::Open { room: RoomKey(room), members: 5 };
        link.commands.send(open).await.unwrap();
        let mut members = Vec::new();
        for number in 1..=2 {
            let leg = LegKey(room * 10 + u64::from(number));
            link.commands
                .send(MediaCommand::Join { room: RoomKey(room), leg, number, part: Part::Member })
                .await
                .unwrap();
            let mut member = Member::new(clock);
            let sdp = member.offer();
            link.commands.send(MediaCommand::Offer { leg, sdp }).await.unwrap();
            let MediaEvent::Answer { answer: Ok(answer), .. } =
                event(&mut link, |event| matches!(event, MediaEvent::Answer { .. })).await
            else {
                panic!("the offer is answered");
            };
            assert!(answer.contains(" tcp ") && answer.contains("tcptype passive"), "{answer}");
            member.answered(&answer, tcp.port());
            let channel = member.channel;
            member.until("the channel", |event| *event == Event::ChannelOpened(channel)).await;
            member.known(&mut link, leg).await;
            members.push(member);
        }
        // Who has just come may miss what is said; by saying something itself the second shows that it is there.
        let [one, other] = &mut members[..] else { unreachable!() };
        assert_eq!(tell(other, one).await, b"\0\0\0\x02over TCP");
        assert_eq!(tell(one, other).await, b"\0\0\0\x01over TCP");
    }
    assert_eq!(media.stats().legs, 6);
    assert_eq!(media.stats().conferences, 3);
    // Streams for nobody are closed, and disturb nothing.
    let mut stranger = TcpStream::connect(tcp).await.unwrap();
    let mut check = vec![0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    stranger.write_all(&check).await.unwrap();
    let end = timeout(PATIENCE, stranger.read(&mut [0; 1])).await.expect("it is closed at once");
    assert!(matches!(end, Ok(0) | Err(_)), "nothing is said");
    media.shutdown();
}

/// Where nothing but TURN gets through, the relay reaches the forwarder of the same server, and no other port of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_through_the_relay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap();
    let ip = LOCAL.0.into();
    let turn = turn::Config {
        users: vec![("alice".to_owned(), "wonder".to_owned())],
        relay_ips: vec![turn::RelayIp { bind: ip, advertise: ip }],
        ..turn::Config::default()
    };
    let forward = ForwardConfig {
        external: Vec::new(),
        own: Vec::new(),
        bitrate: 10_000_000,
        people_per_thread: 100,
        streams: Vec::new(),
    };
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let config = MediaConfig { turn, listen, forward: Some(forward), ..MediaConfig::default() };
    let media = start(&config);
    let served = media.clone();
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let media = served.clone();
            tokio::spawn(async move { media.serve_stream(stream, tcp, remote, Transport::Tcp).await });
        }
    });
    let mut link = media.forwarding().expect("there is a forwarder");
    let (room, leg) = (RoomKey(0), LegKey(0));
    link.commands.send(MediaCommand::Open { room, members: 5 }).await.unwrap();
    link.commands.send(MediaCommand::Join { room, leg, number: 1, part: Part::Member }).await.unwrap();
    let server = TurnServer {
        address: tcp,
        name: "localhost".to_owned(),
        transport: Transport::Tcp,
        username: "alice".to_owned(),
        password: "wonder".to_owned(),
    };
    let config = peer::Config {
        turn_servers: vec![server],
        relay_only: true,
        ..peer::Config::new(endpoint::certificate())
    };
    let options = Options { addresses: vec![ip], ..Options::default() };
    let (connection, mut events) = Connection::start(config, &options).unwrap();
    let offer = connection.with(|peer, now| {
        let config = ChannelConfig { negotiated: Some(StreamId(1)), ..ChannelConfig::default() };
        let channel = peer.create_data_channel(now, config).unwrap();
        peer.set_local_description(now, None).unwrap();
        (channel, peer.local_description().unwrap().sdp)
    });
    let (channel, sdp) = offer.await.unwrap();
    link.commands.send(MediaCommand::Offer { leg, sdp }).await.unwrap();
    let MediaEvent::Answer { answer: Ok(sdp), .. } =
        event(&mut link, |event| matches!(event, MediaEvent::Answer { .. })).await
    else {
        panic!("the offer is answered");
    };
    let answer = Description { kind: SdpType::Answer, sdp };
    connection.with(move |peer, now| peer.set_remote_description(now, &answer)).await.unwrap().unwrap();
    let opened = async { while events.next().await.expect("it lives") != Event::ChannelOpened(channel) {} };
    timeout(PATIENCE, opened).await.expect("the channel opens");
    event(&mut link, |event| *event == MediaEvent::Connected { leg }).await;
    let pair = connection.with(|peer, _| peer.selected_pair().copied()).await.unwrap().unwrap();
    assert_eq!((pair.local_kind.as_str(), pair.remote), ("relay", media.addresses()[0]));
    media.shutdown();
}

/// The port of HTTPS is often the only one that a network lets through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_comes_over_the_port_of_https() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--media-threads", "2"]);
    let mut sockets = ["Ann", "Bob", "Cyd"].map(|name| {
        let mut socket = Socket::open(&server);
        socket.say(&json!({"type": "hello", "protocol": 1, "name": name, "conferences": true}));
        socket.hear("welcome");
        socket
    });
    let media = json!({"audio": true, "video": true});
    for (socket, told) in sockets.iter_mut().zip(["waiting", "started", "conference"]) {
        socket.say(&json!({"type": "meet", "seq": 1, "room": "r", "media": media}));
        socket.hear(told);
    }
    let ann = &mut sockets[0];
    let call = ann.hear("conference")["call"].clone();
    let mut member = Member::new(net::Clock::start());
    let description = json!({"type": "offer", "sdp": member.offer()});
    ann.say(&json!({"type": "description", "seq": 2, "call": call, "description": description}));
    let answer = ann.hear("description");
    let port = server.https.expect("HTTPS is served").port();
    member.answered(answer["description"]["sdp"].as_str().unwrap(), port);
    let channel = member.channel;
    member.until("the channel", |event| *event == Event::ChannelOpened(channel)).await;
    assert_eq!(member.stream.as_ref().map(|(_, to)| to.port()), Some(port));
    // The member may be done before the server is, which waits for its last words.
    let stays = tokio::spawn(async move { member.until("nothing", |_| false).await });
    assert_eq!(sockets[1].hear("member")["member"]["number"], 3);
    assert_eq!(sockets[1].hear("member")["member"]["connected"], true);
    stays.abort();
}

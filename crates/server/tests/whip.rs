//! WHIP and WHEP from end to end: a real server, real sockets, an encoder and a player that are the engine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use endpoint::{Connection, Events};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{Event, Format, Frame, Peer};
use serde_json::{Value, json};
use tokio::time::{Duration, interval, timeout};

use crate::room_link::{Way, picture};
use crate::room_page::{Book, Page};
use crate::support::{Answer, Folder, Server};

const PATIENCE: Duration = Duration::from_secs(30);
const SDP: (&str, &str) = ("content-type", "application/sdp");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");

/// Frames by who made them, and whether they are pictures.
type Seen = BTreeMap<(u8, bool), u32>;

/// One connection of an encoder or a player.
struct Program {
    connection: Connection,
    events: Option<Events>,
    sections: Vec<TransceiverId>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// How many frames of sound and pictures came, by who made them.
    seen: Arc<(Mutex<Seen>, tokio::sync::Notify)>,
}

impl Program {
    async fn new(sections: &[(MediaKind, Direction)], codec: &'static str) -> Self {
        let loopback = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let options = endpoint::Options { addresses: loopback, ..endpoint::Options::default() };
        let mut config = peer::Config::new(endpoint::certificate());
        config.negotiation.video_codecs.retain(|known| codec.is_empty() || known.name == codec);
        let (connection, events) = Connection::start(config, &options).unwrap();
        let sections = sections.to_vec();
        let add = move |peer: &mut Peer, _| {
            let one = |(kind, direction)| {
                let init = TransceiverInit { direction, ..TransceiverInit::default() };
                peer.with_negotiator(|n| n.add_transceiver(kind, init)).unwrap()
            };
            sections.into_iter().map(one).collect()
        };
        let sections = connection.with(add).await.unwrap();
        Self { connection, events: Some(events), sections, tasks: Vec::new(), seen: Arc::default() }
    }

    async fn encoder() -> Self {
        let send = Direction::SendOnly;
        Self::new(&[(MediaKind::Audio, send), (MediaKind::Video, send)], "VP8").await
    }

    async fn player() -> Self {
        let receive = Direction::RecvOnly;
        Self::new(&[(MediaKind::Audio, receive), (MediaKind::Video, receive)], "").await
    }

    async fn offer(&self) -> String {
        let offer = |peer: &mut Peer, now| {
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap().sdp
        };
        self.connection.with(offer).await.unwrap()
    }

    async fn answered(&self, sdp: &str) {
        let description = Description { kind: SdpType::Answer, sdp: sdp.to_owned() };
        let take = move |peer: &mut Peer, now| peer.set_remote_description(now, &description).unwrap();
        self.connection.with(take).await.unwrap();
    }

    /// Offers, and is answered.
    async fn enter(&self, server: &Server, path: &str, key: Option<&str>) -> Answer {
        let answer = post(server, path, key, &self.offer().await).await;
        if answer.status == 201 {
            self.answered(answer.text()).await;
        }
        answer
    }

    /// Sends sound and pictures that say `mark`, for ever.
    fn publish(&mut self, mark: u8) {
        let (connection, sections) = (self.connection.clone(), self.sections.clone());
        let mut events = self.events.take().unwrap();
        let wanted = Arc::new(Mutex::new(true));
        let keyframe = wanted.clone();
        self.tasks.push(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::KeyframeRequested { .. } = event {
                    *keyframe.lock().unwrap() = true;
                }
            }
        }));
        self.tasks.push(tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(40));
            for count in 0.. {
                ticks.tick().await;
                let (sections, keyframe) = (sections.clone(), std::mem::take(&mut *wanted.lock().unwrap()));
                let send = move |peer: &mut Peer, now| {
                    let data = vec![mark; 80];
                    let sound = Frame { data: &data, timestamp: count * 1920, ..Frame::default() };
                    let _ = peer.send_frame(now, sections[0], &sound);
                    let data = picture(mark, 1200, 360, keyframe);
                    let (timestamp, format) = (count * 3600, Some(Format::Vp8));
                    let frame = Frame { data: &data, timestamp, keyframe, format, ..Frame::default() };
                    peer.send_frame(now, sections[1], &frame).is_ok()
                };
                match connection.with(send).await {
                    Ok(sent) => *wanted.lock().unwrap() |= keyframe && !sent,
                    Err(_) => return,
                }
            }
        }));
    }

    /// Counts what comes.
    fn play(&mut self) {
        let (mut events, seen) = (self.events.take().unwrap(), self.seen.clone());
        self.tasks.push(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Frame(frame) = event {
                    let mark = (frame.data[frame.data.len() - 1], frame.format == Format::Vp8);
                    *seen.0.lock().unwrap().entry(mark).or_default() += 1;
                    seen.1.notify_waiters();
                }
            }
        }));
    }

    fn count(&self, mark: u8, picture: bool) -> u32 {
        self.seen.0.lock().unwrap().get(&(mark, picture)).copied().unwrap_or_default()
    }

    /// Waits for more sound and pictures of somebody.
    async fn plays(&self, mark: u8) {
        let before = [self.count(mark, false), self.count(mark, true)];
        let wait = async {
            loop {
                let changed = self.seen.1.notified();
                if self.count(mark, false) > before[0] + 5 && self.count(mark, true) > before[1] + 5 {
                    return;
                }
                changed.await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "{mark}: {:?}", self.seen.0.lock().unwrap());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn send(
    server: &Server,
    (method, path): (&'static str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (address, path, body) = (server.http, path.to_owned(), body.to_owned());
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    tokio::task::spawn_blocking(move || {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut stream = crate::support::connect(address);
        crate::support::exchange(&mut stream, &address.to_string(), method, &path, &headers, &body)
    })
    .await
    .unwrap()
}

fn authorization(key: &str) -> String {
    format!("Bearer {key}")
}

async fn post(server: &Server, path: &str, key: Option<&str>, offer: &str) -> Answer {
    let bearer = key.map(authorization);
    let mut headers = vec![SDP];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    send(server, ("POST", path), &headers, offer).await
}

async fn patch(server: &Server, path: &str, more: &[(&str, &str)], fragment: &str) -> Answer {
    send(server, ("PATCH", path), &[&[FRAGMENT][..], more].concat(), fragment).await
}

/// A key of the room that this page is in.
async fn key(page: &Page, room: &str, door: &str) -> String {
    let is = |m: &Value| m["type"] == "key" && m["door"] == *door;
    page.say(json!({"type": "key", "room": room, "door": door}));
    page.until("a key", |book| book.log.iter().any(is)).await;
    page.read(|book| book.log.iter().rev().find(|m| is(m)).unwrap()["key"].as_str().unwrap().to_owned())
}

fn member(number: u64, is: impl Fn(&Value) -> bool) -> impl Fn(&Book) -> bool {
    move |book| {
        let of = |m: &&Value| m["type"] == "member" && m["member"]["number"] == number;
        book.log.iter().rev().find(of).is_some_and(|m| is(&m["member"]))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoder_is_a_member_that_everybody_sees_and_players_watch() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--media-threads", "2"]);
    let ann = Page::open(server.http, 1).await;
    ann.meet("r");
    ann.until("she waits", |book| book.log.iter().any(|m| m["type"] == "waiting")).await;
    let (publish, watch) = (key(&ann, "r", "publish").await, key(&ann, "r", "watch").await);

    let mut encoder = Program::encoder().await;
    let entered = encoder.enter(&server, "/whip/r?name=Stage%20left", Some(&publish)).await;
    assert_eq!(entered.status, 201, "{}", entered.text());
    assert_eq!(entered.header("content-type"), "application/sdp");
    assert!(entered.header("location").starts_with("/whip/r/"), "{entered:?}");
    assert!(entered.header("etag").starts_with('"'), "{entered:?}");
    assert!(entered.header("link").contains("rel=\"ice-server\""), "{entered:?}");
    encoder.publish(9);
    ann.sees(&[9], Way::Forwarded).await;
    ann.until("its sound", |book| book.sounds.get(&9).is_some_and(|n| *n > 10)).await;
    let sends = |m: &Value| m["sending"]["camera"] == true && m["sending"]["microphone"] == true;
    let named = |m: &Value| m["person"]["name"] == "Stage left" && m["kind"] == "encoder";
    ann.until("what it sends", member(1, move |m| sends(m) && named(m) && m["connected"] == true)).await;

    let bob = Page::open(server.http, 2).await;
    bob.meet("r");
    bob.sees(&[1, 9], Way::Forwarded).await;

    let mut player = Program::player().await;
    let number = ann.read(|book| book.you);
    let entered = player.enter(&server, "/whep/r?member=1", Some(&watch)).await;
    assert_eq!(entered.status, 201, "{}", entered.text());
    let streams: Vec<&str> =
        entered.text().lines().filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next()).collect();
    assert_eq!(streams, ["room", "room"], "sound and pictures are one stream");
    player.play();
    player.plays(9).await;
    assert_eq!([1, 2].map(|mark| player.count(mark, false) + player.count(mark, true)), [0, 0]);
    let mut other = Program::player().await;
    let path = format!("/whep/r?member={number}");
    assert_eq!(other.enter(&server, &path, Some(&watch)).await.status, 201);
    other.play();
    other.plays(1).await;
    let watchers = |count: u64| {
        move |book: &Book| {
            book.log.iter().rev().find(|m| m["type"] == "watchers").is_some_and(|m| m["count"] == count)
        }
    };
    bob.until("two watch", watchers(2)).await;
    drop(other);
    bob.until("one watches", watchers(1)).await;

    // Who removes it ends its session, and its key opens nothing any more.
    let call = ann.read(|book| book.conference.clone()).unwrap();
    let action = json!({"kind": "remove", "member": 1});
    ann.say(json!({"type": "moderate", "call": call, "action": action}));
    bob.until("it is gone", |book| !book.members.contains_key(&1)).await;
    let again = Program::encoder().await.enter(&server, "/whip/r", Some(&publish)).await;
    assert_eq!(again.status, 403, "{}", again.text());
}

const CANDIDATE: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
    a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n";

/// Fragments that a session takes, and those that it does not (RFC 9725 §4.3.1).
async fn what_is_refused(server: &Server, path: &str, (bearer, matching): ((&str, &str), (&str, &str))) {
    let fresh = "a=ice-ufrag:FRESH\r\na=ice-pwd:fresh-password-of-22-chars\r\n";
    let any = ("if-match", "*");
    for (headers, body, status) in [
        (&[][..], CANDIDATE, 401),
        (&[("authorization", "Bearer vk1.x.x"), matching], CANDIDATE, 401),
        (&[bearer], CANDIDATE, 428),
        (&[bearer, ("if-match", "\"other\"")], CANDIDATE, 412),
        (&[bearer, matching], CANDIDATE, 204),
        (&[bearer, ("if-match", "\"other\", W/\"x\"")], CANDIDATE, 412),
        (&[bearer, matching], "{\"candidate\": 1}", 400),
        (&[bearer, matching], fresh, 422),
        (&[bearer, any], "", 422),
        (&[bearer, any], "a=ice-ufrag:FRESH\r\n", 400),
    ] {
        let answer = patch(server, path, headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {body:?}: {}", answer.text());
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.json()["detail"].as_str().unwrap().len() > 20, "{answer:?}");
        }
    }
    let wrong = send(server, ("PATCH", path), &[("content-type", "text/plain"), bearer, matching], "x").await;
    assert_eq!(wrong.status, 415);
    for method in ["GET", "PUT", "POST", "HEAD"] {
        assert_eq!(send(server, (method, path), &[bearer], "").await.status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_restarted_and_ended_by_who_began_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let ann = Page::open(server.http, 1).await;
    ann.meet("r");
    ann.until("she waits", |book| book.log.iter().any(|m| m["type"] == "waiting")).await;
    let key = key(&ann, "r", "publish").await;
    let bearer = authorization(&key);
    let bearer = ("authorization", bearer.as_str());
    let mut encoder = Program::encoder().await;
    let entered = encoder.enter(&server, "/whip/r", Some(&key)).await;
    let (path, etag) = (entered.header("location").to_owned(), entered.header("etag").to_owned());
    let matching = ("if-match", etag.as_str());
    encoder.publish(9);
    ann.sees(&[9], Way::Forwarded).await;

    let any = ("if-match", "*");
    what_is_refused(&server, &path, (bearer, matching)).await;

    // ICE begins anew over the same session, and goes on by the new credentials only.
    let restart = |peer: &mut Peer, now| {
        peer.restart_ice().unwrap();
        peer.set_local_description(now, None).unwrap();
        peer.local_description().unwrap().sdp
    };
    let offer = encoder.connection.with(restart).await.unwrap();
    let lines =
        offer.lines().filter(|line| line.starts_with("a=ice-ufrag:") || line.starts_with("a=ice-pwd:"));
    let fragment: String = lines.take(2).map(|line| format!("{line}\r\n")).collect();
    let restarted = patch(&server, &path, &[bearer, any], &fragment).await;
    assert_eq!(restarted.status, 200, "{}", restarted.text());
    assert_eq!(restarted.header("content-type"), "application/trickle-ice-sdpfrag");
    let fresh = restarted.header("etag").to_owned();
    assert!(!fresh.is_empty() && fresh != etag);
    assert!(restarted.text().contains("a=candidate:"), "{}", restarted.text());
    encoder.answered(&with_fragment(entered.text(), restarted.text())).await;
    ann.sees(&[9], Way::Forwarded).await;
    assert_eq!(
        patch(&server, &path, &[bearer, matching], CANDIDATE).await.status,
        412,
        "of the old generation"
    );
    assert_eq!(patch(&server, &path, &[bearer, ("if-match", &fresh)], CANDIDATE).await.status, 204);

    assert_eq!(send(&server, ("DELETE", &path), &[], "").await.status, 401);
    assert_eq!(send(&server, ("DELETE", &path), &[bearer], "").await.status, 200);
    ann.until("it is gone", |book| !book.members.contains_key(&1)).await;
    for method in ["DELETE", "PATCH"] {
        assert_eq!(send(&server, (method, &path), &[bearer, FRAGMENT], "").await.status, 404);
    }
}

/// An earlier answer with what a fragment brings instead (RFC 9725 §4.3.2).
fn with_fragment(answer: &str, fragment: &str) -> String {
    let value = |name: &str| fragment.lines().find(|line| line.starts_with(name)).unwrap();
    let lines = answer.lines().map(|line| {
        ["a=ice-ufrag:", "a=ice-pwd:"]
            .iter()
            .find(|name| line.starts_with(**name))
            .map_or(line, |name| value(name))
    });
    lines.map(|line| format!("{line}\r\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let ann = Page::open(server.http, 1).await;
    ann.meet("r");
    ann.until("she waits", |book| book.log.iter().any(|m| m["type"] == "waiting")).await;
    let (publish, watch) = (key(&ann, "r", "publish").await, key(&ann, "r", "watch").await);
    let sends = Program::encoder().await.offer().await;
    let receives = Program::player().await.offer().await;
    let without = sends.replace("opus", "foo").replace("VP8", "bar");
    let large = format!("{sends}a=x:{}\r\n", "x".repeat(70_000));
    for (path, token, offer, status, said) in [
        ("/whip/r", None, &sends, 401, "Connect an encoder"),
        ("/whip/r", Some("junk"), &sends, 401, "none of this server's"),
        ("/whip/s", Some(&*publish), &sends, 403, "another room"),
        ("/whip/r", Some(&*watch), &sends, 403, "for watching"),
        ("/whep/r", Some(&*publish), &receives, 403, "for an encoder"),
        ("/whip/r", Some(&*publish), &receives, 422, "sends nothing"),
        ("/whep/r", Some(&*watch), &sends, 422, "receives nothing"),
        ("/whip/r", Some(&*publish), &without, 422, "offer Opus"),
        ("/whip/r", Some(&*publish), &"v=0\r\nm=audio 9 RTP/AVP 0\r\n".to_owned(), 400, ""),
        ("/whip/r", Some(&*publish), &large, 413, "65536"),
        ("/whip/r?name=%E2%80%AE", Some(&*publish), &sends, 400, "a name has"),
        ("/whep/r?member=x", Some(&*watch), &receives, 400, "member=NUMBER"),
        ("/whep/q", None, &receives, 409, "nobody is in this room"),
        ("/whep/a%20b", None, &receives, 404, "1 to 64 characters"),
    ] {
        let answer = post(&server, path, token, offer).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
        assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!("about:blank")));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("www-authenticate"), if status == 401 { "Bearer" } else { "" });
        assert_eq!(answer.header("retry-after"), if status == 409 { "5" } else { "" });
    }
    let kind =
        send(&server, ("POST", "/whip/r"), &[("authorization", &authorization(&publish))], &sends).await;
    assert_eq!((kind.status, kind.header("accept-post")), (415, "application/sdp"));
    assert_eq!(send(&server, ("GET", "/whip/r"), &[], "").await.status, 405);
    let options = send(&server, ("OPTIONS", "/whip/r"), &[("origin", "https://elsewhere.example")], "").await;
    assert_eq!((options.status, options.header("accept-post")), (204, "application/sdp"));
    assert!(options.header("access-control-allow-methods").contains("POST"));
    assert!(options.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(options.header("link"), "", "servers are for those who may come in");
    let bearer = authorization(&publish);
    let options = send(&server, ("OPTIONS", "/whip/r"), &[("authorization", &bearer)], "").await;
    assert!(options.header("link").contains("rel=\"ice-server\""));
    let options = send(&server, ("OPTIONS", "/whip/r/x"), &[], "").await;
    assert!(options.header("access-control-allow-methods").contains("PATCH"));
    // Nobody came in by any of these.
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("visavis_conference_encoders 0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_watches_if_an_owner_says_so_and_an_encoder_that_dies_is_gone() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let ann = Page::open(server.http, 1).await;
    ann.meet("r");
    ann.until("she waits", |book| book.log.iter().any(|m| m["type"] == "waiting")).await;
    let publish = key(&ann, "r", "publish").await;
    let mut encoder = Program::encoder().await;
    assert_eq!(encoder.enter(&server, "/whip/r", Some(&publish)).await.status, 201);
    encoder.publish(9);
    ann.sees(&[9], Way::Forwarded).await;
    let player = Program::player().await;
    assert_eq!(player.enter(&server, "/whep/r", None).await.status, 401);
    let call = ann.read(|book| book.conference.clone()).unwrap();
    ann.say(json!({"type": "moderate", "call": call, "action": {"kind": "watching", "on": true}}));
    ann.until("watching is on", |book| {
        book.log.iter().any(|m| m["type"] == "settings" && m["watching"] == true)
    })
    .await;
    let mut player = Program::player().await;
    assert_eq!(player.enter(&server, "/whep/r", None).await.status, 201);
    player.play();
    // The stage is the encoder's as long as nobody speaks; the engine says nothing of how loud its sound is.
    let wait = async {
        while player.count(9, true) < 10 {
            player.seen.1.notified().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the encoder's picture");
    // It begins again with the same key, and takes its own place.
    let mut again = Program::encoder().await;
    assert_eq!(again.enter(&server, "/whip/r", Some(&publish)).await.status, 201);
    again.publish(8);
    ann.sees(&[8], Way::Forwarded).await;
    assert_eq!(ann.read(|book| book.members.len()), 2);
    drop(again);
    ann.until("it is gone", |book| !book.members.contains_key(&1)).await;
}

//! The interface for applications, from outside: rooms, people, tokens, and what is told by webhooks.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Server, Socket};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// How long an event may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> String {
    format!("shop.{SECRET}")
}

/// A server that the application `shop` may use.
pub(crate) fn start(folder: &Folder, more: &[&str]) -> Server {
    let path = folder.path().join("api-keys");
    std::fs::write(&path, format!("# ours\n{}\n", key())).unwrap();
    let mut flags = vec!["--api-keys", path.to_str().unwrap()];
    flags.extend(more);
    Server::start(folder, &flags)
}

fn ask_as(server: &Server, bearer: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {bearer}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.send(method, &format!("/api/v1{path}"), &headers, &body)
}

pub(crate) fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    ask_as(server, &key(), method, path, body)
}

/// The status of a problem and the last word of its type.
pub(crate) fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status);
    assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
    (answer.status, body["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
}

fn signed(secret: &str, claims: &Value) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let tag = crypto::HmacSha256::new(secret.as_bytes()).tag(&[text.as_bytes()]);
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Comes with a token; the answer to `hello`.
fn come(server: &Server, token: &str, identity: Option<&str>) -> (Socket, Value) {
    let mut socket = Socket::open(server);
    let identity = identity.map_or(Value::Null, Into::into);
    socket.say(
        &json!({ "type": "hello", "protocol": 1, "token": token, "identity": identity, "conferences": true }),
    );
    let answer = socket.next();
    (socket, answer)
}

fn meet(socket: &mut Socket, room: &str) {
    socket.say(&json!({ "type": "meet", "seq": 1, "room": room, "media": { "audio": true, "video": true } }));
}

#[test]
fn nobody_may_without_a_key() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    assert_eq!(problem(&ask(&server, "GET", "/status", &Value::Null)), (404, "off".into()));
    drop(server);
    let server = start(&folder, &[]);
    let bare = server.get("/api/v1/rooms");
    assert_eq!(
        (problem(&bare), bare.header("www-authenticate")),
        ((401, "unauthorized".into()), "Bearer realm=\"visavis\"")
    );
    let now = server::clock::unix_seconds();
    let token = |secret: &str, scope: &str, exp: u64| {
        signed(secret, &json!({ "iss": "shop", "scope": scope, "exp": exp }))
    };
    for (bearer, status) in [
        (key(), 200),
        (format!("shop.{SECRET}0"), 401),
        (format!("school.{SECRET}"), 401),
        (SECRET.to_owned(), 401),
        (token(SECRET, "api", now + 60), 200),
        (token(SECRET, "api", now - 1), 401),
        (token(SECRET, "join", now + 60), 401),
        (token(&SECRET.replace('0', "1"), "api", now + 60), 401),
    ] {
        assert_eq!(ask_as(&server, &bearer, "GET", "/status", &Value::Null).status, status, "{bearer}");
    }
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "shop.short\n").unwrap();
    let refused = crate::support::run(
        &[
            "serve",
            "--data",
            folder.path().join("other").to_str().unwrap(),
            "--api-keys",
            wrong.to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
            "--https",
            "off",
            "--stun",
            "off",
        ],
        "",
    );
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("line 1: the secret") && !said.contains("short"),
        "{said}"
    );
}

#[test]
fn the_document_has_every_route_and_every_route_is_in_the_document() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let document = server.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let real = path.replace("{room}", "nowhere").replace("{number}", "7").replace("{recording}", "none");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(&server, method, &real, &json!({}));
            let operation = &operations[method.to_lowercase()];
            if operation.is_null() {
                assert_eq!(answer.status, 405, "{method} {path} is served and not in the document");
                continue;
            }
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            let kind = answer.json()["type"].as_str().unwrap_or_default().to_owned();
            assert!(!kind.ends_with("no-such-request"), "{method} {path} is in the document and not served");
            let status = answer.status.to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path} answers {status}");
        }
    }
    assert_eq!(ids.len(), 31, "{ids:?}");
    assert_eq!(problem(&ask(&server, "GET", "/nothing", &Value::Null)), (404, "no-such-request".into()));
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn rooms_are_set_up_changed_listed_and_ended() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let physics = json!({ "room": "physics", "settings": { "title": "Physics", "role": "attendee", "emptyTimeout": null } });
    let made = ask(&server, "POST", "/rooms", &physics);
    assert_eq!(made.status, 201, "{made:?}");
    let room = made.json();
    assert_eq!((&room["kept"], &room["started"], &room["members"]), (&json!(true), &Value::Null, &json!(0)));
    assert_eq!(room["link"], format!("http://{}/r/physics", server.http));
    assert_eq!(ask(&server, "POST", "/rooms", &physics).status, 200, "the same again");
    let other = json!({ "room": "physics", "settings": { "title": "Chemistry" } });
    assert_eq!(problem(&ask(&server, "POST", "/rooms", &other)), (409, "conflict".into()));
    for (settings, status, code) in [
        (json!({ "title": "" }), 422, "invalid"),
        (json!({ "ends": 1 }), 422, "invalid"),
        (json!({ "maxMembers": 0 }), 422, "invalid"),
        (json!({ "emptyTimeout": 0 }), 422, "invalid"),
        (json!({ "role": "king" }), 400, "malformed"),
        (json!({ "lobby": true }), 400, "malformed"),
    ] {
        let answer = ask(&server, "PATCH", "/rooms/physics", &settings);
        assert_eq!(problem(&answer), (status, code.into()), "{settings}");
    }
    assert_eq!(problem(&ask(&server, "POST", "/rooms", &json!({ "room": "a b" }))), (422, "invalid".into()));
    let changed = ask(&server, "PATCH", "/rooms/physics", &json!({ "locked": true, "title": null })).json();
    assert_eq!(
        (&changed["settings"]["locked"], &changed["settings"]["title"], &changed["settings"]["role"]),
        (&json!(true), &Value::Null, &json!("attendee"))
    );

    let bearer = format!("Bearer {}", key());
    let headers =
        [("authorization", &*bearer), ("content-type", "application/json"), ("idempotency-key", "order 7")];
    let first = server.send("POST", "/api/v1/rooms", &headers, "{}");
    let again = server.send("POST", "/api/v1/rooms", &headers, "{}");
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["room"], again.json()["room"]);

    // What was answered is kept, also by a server that loses its power.
    server.kill();
    let server = start(&folder, &[]);
    let kept = ask(&server, "GET", "/rooms/physics", &Value::Null).json();
    assert_eq!(kept["settings"], changed["settings"]);
    let page = ask(&server, "GET", "/rooms?limit=1", &Value::Null).json();
    let rest =
        ask(&server, "GET", &format!("/rooms?after={}", page["next"].as_str().unwrap()), &Value::Null).json();
    assert_eq!((page["rooms"].as_array().unwrap().len(), rest["rooms"].as_array().unwrap().len()), (1, 1));
    assert_eq!(problem(&ask(&server, "GET", "/rooms?limit=0", &Value::Null)).0, 422);
    assert_eq!(problem(&ask(&server, "GET", "/rooms?limit=x", &Value::Null)).0, 400);
    assert_eq!(ask(&server, "DELETE", "/rooms/physics", &Value::Null).status, 204);
    assert_eq!(
        problem(&ask(&server, "DELETE", "/rooms/physics", &Value::Null)),
        (404, "no-such-room".into())
    );
    server.kill();
    let server = start(&folder, &[]);
    assert_eq!(ask(&server, "GET", "/rooms/physics", &Value::Null).status, 404);
}

#[test]
fn a_token_lets_somebody_in_and_only_there() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    ask(
        &server,
        "POST",
        "/rooms",
        &json!({ "room": "exam", "settings": { "entry": "token", "role": "attendee" } }),
    );
    let token = |body: Value| ask(&server, "POST", "/rooms/exam/tokens", &body);
    assert_eq!(problem(&token(json!({ "name": "" }))), (422, "invalid".into()));
    assert_eq!(problem(&token(json!({ "name": "Ann", "validFor": 0 }))), (422, "invalid".into()));
    let ann = token(json!({ "name": "Ann", "subject": "7", "role": "owner", "once": true })).json();
    let text = ann["token"].as_str().unwrap();
    assert_eq!(ann["link"], format!("http://{}/r/exam#token={text}", server.http));

    let (mut socket, welcome) = come(&server, text, None);
    assert_eq!((&welcome["me"]["name"], &welcome["me"]["id"]), (&json!("Ann"), &ann["person"]));
    meet(&mut socket, "exam");
    let conference = socket.hear("conference");
    assert_eq!((&conference["role"], &conference["you"]), (&json!("owner"), &json!(1)));
    let people = ask(&server, "GET", "/rooms/exam/members", &Value::Null).json();
    assert_eq!(
        (&people["members"][0]["subject"], &people["members"][0]["name"]),
        (&json!("7"), &json!("Ann"))
    );

    // Once is once, for whoever comes; the identity of the welcome is who she is, without the token's right.
    let code = |answer: &Value| (answer["type"].clone(), answer["code"].clone());
    let (_, refused) = come(&server, text, None);
    assert_eq!(code(&refused), (json!("refused"), json!("token-expired")));
    let mut guest = Socket::open(&server);
    guest.say(
        &json!({ "type": "hello", "protocol": 1, "identity": welcome["identity"], "conferences": true }),
    );
    assert_eq!(guest.hear("welcome")["me"]["id"], ann["person"]);
    meet(&mut guest, "exam");
    assert_eq!(guest.hear("error")["code"], "needs-token");

    let now = server::clock::unix_seconds();
    let own = |claims: Value| {
        let mut all = json!({ "iss": "shop", "room": "exam", "name": "Bob", "exp": now + 60 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        signed(SECRET, &all)
    };
    for (token, wanted) in [
        (own(json!({ "exp": now - 1 })), "token-expired"),
        (own(json!({ "nbf": now + 3600 })), "token-early"),
        (own(json!({ "iss": "school" })), "token"),
        ("junk".to_owned(), "token"),
    ] {
        assert_eq!(come(&server, &token, None).1["code"], wanted, "{token}");
    }
    let (mut bob, _) = come(&server, &own(json!({ "room": "elsewhere" })), None);
    meet(&mut bob, "exam");
    assert_eq!(bob.hear("error")["code"], "needs-token");
    let (mut bob, _) = come(&server, &own(json!({ "role": "attendee", "sub": "8" })), None);
    meet(&mut bob, "exam");
    assert_eq!(bob.hear("conference")["role"], "attendee");
}

#[test]
fn people_in_a_room_are_changed_and_sent_away() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    ask(&server, "POST", "/rooms", &json!({ "room": "exam" }));
    let [mut socket, mut bob] = ["Ann", "Bob"].map(|name| {
        let token =
            ask(&server, "POST", "/rooms/exam/tokens", &json!({ "name": name, "role": "attendee" })).json();
        let (mut socket, _) = come(&server, token["token"].as_str().unwrap(), None);
        meet(&mut socket, "exam");
        socket.hear("conference");
        socket
    });
    let member = |body: Value| ask(&server, "PATCH", "/rooms/exam/members/2", &body);
    assert_eq!(member(json!({ "role": "presenter", "name": "Robert" })).json()["name"], "Robert");
    assert_eq!(bob.hear("role")["role"], "presenter");
    assert_eq!(problem(&member(json!({ "hand": true }))), (422, "invalid".into()));
    assert_eq!(ask(&server, "POST", "/rooms/exam/members/2/mute", &Value::Null).status, 204);
    assert_eq!(bob.hear("muted")["by"], 0);
    assert_eq!(ask(&server, "DELETE", "/rooms/exam/members/2", &Value::Null).status, 204);
    assert_eq!(bob.hear("ended")["reason"], "removed");
    assert_eq!(
        problem(&ask(&server, "DELETE", "/rooms/exam/members/x", &Value::Null)),
        (404, "no-such-member".into())
    );
    assert_eq!(ask(&server, "DELETE", "/rooms/exam", &Value::Null).status, 204);
    assert_eq!(socket.hear("ended")["reason"], "closed");
}

/// What came to the application's address.
struct Delivery {
    id: String,
    body: Value,
    answer: Sender<u16>,
}

/// An address of the application's: each delivery is shown, and waits for the status that it is answered with.
fn receiver() -> (SocketAddr, Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (shown, deliveries) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, shown) = (stream.unwrap(), shown.clone());
            // Those of other rooms come at the same time.
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut line) = (Vec::new(), String::new());
                while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                    head.push(std::mem::take(&mut line).trim().to_owned());
                }
                let header = |name: &str| {
                    let found =
                        head.iter().find_map(|line| line.split_once(": ").filter(|(n, _)| *n == name));
                    found.unwrap_or_else(|| panic!("no {name} in {head:?}")).1.to_owned()
                };
                let mut body = vec![0; header("content-length").parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
                let parts = [id.as_bytes(), b".", time.as_bytes(), b".", &body];
                let tag = STANDARD.encode(crypto::HmacSha256::new(SECRET.as_bytes()).tag(&parts));
                assert_eq!(header("webhook-signature"), format!("v1,{tag}"));
                assert!(server::clock::unix_seconds().abs_diff(time.parse().unwrap()) < 60);
                let (answer, answered) = channel();
                let body = serde_json::from_slice(&body).unwrap();
                if shown.send(Delivery { id, body, answer }).is_ok()
                    && let Ok(status) = answered.recv()
                {
                    let _ = write!(stream, "HTTP/1.1 {status} It\r\ncontent-length: 2\r\n\r\nok");
                }
            });
        }
    });
    (address, deliveries)
}

#[test]
fn events_arrive_in_order_over_failures_and_a_power_cut() {
    let folder = Folder::new();
    let (address, deliveries) = receiver();
    let url = format!("http://{address}/hook?x=1");
    let flags = ["--webhook", &*url, "--webhook-key", "shop", "--webhook-allow", "127.0.0.0/8"];
    let server = start(&folder, &flags);
    ask(&server, "POST", "/rooms", &json!({ "room": "r", "settings": {} }));
    let token = ask(&server, "POST", "/rooms/r/tokens", &json!({ "name": "Ann", "subject": "7" })).json();
    let (mut socket, _) = come(&server, token["token"].as_str().unwrap(), None);
    meet(&mut socket, "r");
    socket.hear("conference");
    let next = || deliveries.recv_timeout(PATIENCE).expect("an event");
    let failed = next();
    assert_eq!(failed.body["type"], "room.started");
    failed.answer.send(500).unwrap();
    let again = next();
    assert_eq!((&again.id, &again.body), (&failed.id, &failed.body), "the same again, and nothing before it");
    // The power goes while it is under way. Both events were in the database: the second is sent after the first.
    server.kill();
    drop(again);
    let server = start(&folder, &flags);
    let third = next();
    assert_eq!(third.id, failed.id);
    third.answer.send(204).unwrap();
    let joined = next();
    assert_eq!(
        (&joined.body["type"], &joined.body["member"]["subject"]),
        (&json!("member.joined"), &json!("7"))
    );
    assert_ne!(joined.id, failed.id);
    joined.answer.send(200).unwrap();
    assert_eq!(ask(&server, "DELETE", "/rooms/r", &Value::Null).status, 204);
    let deleted = next();
    assert_eq!((&deleted.body["type"], &deleted.body["reason"]), (&json!("room.deleted"), &json!("ended")));
    deleted.answer.send(200).unwrap();
    assert!(server.get("/metrics").text().contains("visavis_webhook_deliveries_total"));
}

#[test]
fn events_do_not_go_to_this_machine_unless_that_is_allowed() {
    let folder = Folder::new();
    let (address, deliveries) = receiver();
    let url = format!("http://localhost:{}/", address.port());
    let server = start(&folder, &["--webhook", &url, "--webhook-key", "shop"]);
    ask(&server, "POST", "/rooms", &json!({ "room": "r" }));
    assert_eq!(ask(&server, "DELETE", "/rooms/r", &Value::Null).status, 204);
    let failed = "visavis_webhook_deliveries_total{outcome=\"failed\"}";
    let end = server::clock::unix_seconds() + PATIENCE.as_secs();
    while !server.get("/metrics").text().contains(failed) {
        assert!(server::clock::unix_seconds() < end, "the delivery was tried");
        std::thread::yield_now();
    }
    assert!(deliveries.try_recv().is_err(), "and not made");
    assert_eq!(ask(&server, "GET", "/status", &Value::Null).json()["undelivered"], 1);
}

#[test]
fn the_examples_of_the_document_work() {
    const DOCUMENT: &str = include_str!("../../../docs/api.md");
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let blocks = DOCUMENT.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let script = format!("set -euo pipefail\n{}", blocks.collect::<String>());
    let requests =
        script.lines().filter(|line| line.starts_with("curl ") || line.starts_with("ask ")).count();
    assert!(requests >= 8, "the document begins with examples");
    let ran = Command::new("bash")
        .args(["-c", &script])
        .env("VISAVIS", format!("http://{}/api/v1", server.http))
        .env("KEY", key())
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(ran.status.success(), "{said:?}");
    assert!(said[0].contains("#token=") && said[0].contains("\"title\":\"Physics\""), "{said:?}");
}

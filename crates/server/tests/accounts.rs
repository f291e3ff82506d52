//! Accounts: made, entered, left, and never lost.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::{Folder, Server, Socket, run};

fn identity(answer: &crate::support::Answer) -> String {
    answer.json()["identity"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn an_account_keeps_its_name_and_person() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let made = server.account("register", None, &json!({ "name": " Anna ", "password": "correct horse" }));
    assert_eq!(made.status, 201, "{made:?}");
    let person = made.json()["person"].clone();
    assert_eq!((&person["name"], &person["verified"]), (&json!("Anna"), &json!(true)));

    let entered = server.account("login", None, &json!({ "name": "ANNA", "password": "correct horse" }));
    assert_eq!((entered.status, &entered.json()["person"]), (200, &person));
    let first = identity(&made);
    let second = identity(&entered);
    assert_ne!(first, second, "each login is its own");

    let me = |identity: &str| {
        server.send("GET", "/api/v1/account/me", &[("authorization", &format!("Bearer {identity}"))], "")
    };
    assert_eq!(me(&first).json(), person);
    assert_eq!(server.account("logout", Some(&first), &json!({})).status, 204);
    assert_eq!((me(&first).status, me(&second).status), (401, 200), "one login ended");

    let change = json!({ "old": "correct horse", "new": "battery staple" });
    let changed = server.account("password", Some(&second), &change);
    assert_eq!((changed.status, me(&second).status, me(&identity(&changed)).status), (200, 401, 200));
    let old = server.account("login", None, &json!({ "name": "Anna", "password": "correct horse" }));
    assert_eq!((old.status, old.code().as_str()), (403, "wrong"));

    let bearer = format!("Bearer {}", identity(&changed));
    let gone = server.send("DELETE", "/api/v1/account", &[("authorization", &bearer)], "");
    assert_eq!(gone.status, 204, "{gone:?}");
    let again = server.account("register", None, &json!({ "name": "Anna", "password": "another one" }));
    assert_eq!(again.status, 201, "the name is free again");
    assert_ne!(again.json()["person"]["id"], person["id"]);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let made = server.account("register", None, &json!({ "name": "Alice", "password": "correct horse" }));
    assert_eq!(made.status, 201);
    for (path, body, status, code) in [
        ("register", json!({ "name": "AIice", "password": "correct horse" }), 409, "name-taken"),
        ("register", json!({ "name": " ", "password": "correct horse" }), 422, "name"),
        ("register", json!({ "name": "Bob", "password": "short" }), 422, "password"),
        ("register", json!({ "name": "Bob" }), 400, "bad-request"),
        ("login", json!({ "name": "Nobody", "password": "correct horse" }), 403, "wrong"),
        ("login", json!({ "name": "Alice", "password": "wrong horse" }), 403, "wrong"),
        ("password", json!({ "new": "battery staple" }), 401, "unauthorized"),
        ("logout", json!({}), 401, "unauthorized"),
        ("nothing", json!({}), 404, "not-found"),
    ] {
        let answer = server.account(path, None, &body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}: {answer:?}");
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let closed = Server::start(&Folder::new(), &["--registration", "closed"]);
    let answer = closed.account("register", None, &json!({ "name": "Bob", "password": "correct horse" }));
    assert_eq!((answer.status, answer.code().as_str()), (403, "registration-closed"));
}

#[test]
fn guessing_ends_soon() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let made = server.account("register", None, &json!({ "name": "Anna", "password": "correct horse" }));
    assert_eq!(made.status, 201);
    let guess = |name: &str, password: &str| {
        server.account("login", None, &json!({ "name": name, "password": password }))
    };
    for number in 0..8 {
        assert_eq!(guess("Anna", &format!("wrong {number:04}")).status, 403);
    }
    let refused = guess("Anna", "correct horse");
    assert_eq!((refused.status, refused.code().as_str()), (429, "too-many"), "even the right one");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait));
    // A name that does not exist is refused at the same count: there is nothing to learn from that either.
    let statuses: Vec<u16> = (0..9).map(|n| guess("Nobody", &format!("wrong {n:04}")).status).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 403, 403, 403, 429]);
}

#[test]
fn pages_of_other_origins_stay_outside() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--origins", "https://friend.example"]);
    let own = format!("http://{}", server.http);
    for origin in [own.as_str(), "https://friend.example", "https://evil.example", "null"] {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        let body = json!({ "name": "Nobody", "password": "correct horse" }).to_string();
        let answer = server.send("POST", "/api/v1/account/login", &headers, &body);
        let allowed = origin == own || origin == "https://friend.example";
        assert_eq!((answer.status, answer.code().as_str()), (403, if allowed { "wrong" } else { "origin" }));
        let shared = answer.header("access-control-allow-origin");
        assert_eq!(shared, if origin == "https://friend.example" { origin } else { "" });
    }
    let preflight = [("origin", "https://friend.example"), ("access-control-request-method", "POST")];
    let answer = server.send("OPTIONS", "/api/v1/account/login", &preflight, "");
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, "https://friend.example")
    );
}

#[test]
fn signalling_knows_accounts_and_guests() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let made = server.account("register", None, &json!({ "name": "Anna", "password": "correct horse" }));
    let welcome = Socket::open(&server).hello(None, Some(&identity(&made)));
    assert_eq!(welcome["me"], made.json()["person"]);
    let servers = &welcome["iceServers"];
    assert_eq!(servers[0]["urls"][0], format!("stun:127.0.0.1:{}", server.stun.unwrap().port()));
    let person = made.json()["person"]["id"].as_str().unwrap().to_owned();
    assert!(servers[1]["username"].as_str().unwrap().ends_with(&person));
    assert_eq!(Socket::open(&server).refused(Some("anna"), None), "name", "the name is an account's");
    assert_eq!(Socket::open(&server).refused(Some("Аnnа"), None), "name", "and so is what looks like it");
    assert_eq!(Socket::open(&server).refused(None, Some("g.x.y.z")), "identity");
    assert_eq!(Socket::open(&server).refused(None, None), "name");

    let guest = Socket::open(&server).hello(Some("Bob"), None);
    assert_eq!(guest["me"]["verified"], false);
    let token = guest["identity"].as_str().unwrap().to_owned();
    server.kill();
    let server = Server::start(&folder, &[]);
    let again = Socket::open(&server).hello(None, Some(&token));
    assert_eq!(again["me"], guest["me"], "the same person after a restart");
    let renamed = Socket::open(&server).hello(Some("Bobby"), Some(&token));
    assert_eq!((&renamed["me"]["id"], &renamed["me"]["name"]), (&guest["me"]["id"], &json!("Bobby")));
    assert_eq!(server.account("logout", Some(&identity(&made)), &json!({})).status, 204);
    assert_eq!(Socket::open(&server).refused(None, Some(&identity(&made))), "identity");
}

#[test]
fn a_power_cut_loses_no_account_that_was_confirmed() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let confirmed = AtomicBool::new(false);
    let address = server.http;
    let names: Vec<String> = std::thread::scope(|scope| {
        let registering = scope.spawn(|| {
            let mut names = Vec::new();
            for number in 0..10 {
                let name = format!("person {}", char::from(b'a' + number));
                let body = json!({ "name": name, "password": "correct horse" }).to_string();
                let Ok(mut stream) = std::net::TcpStream::connect(address) else { break };
                let request = format!(
                    "POST /api/v1/account/register HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let mut answer = [0; 12];
                if stream.write_all(request.as_bytes()).is_err() || stream.read_exact(&mut answer).is_err() {
                    break;
                }
                assert_eq!(&answer, b"HTTP/1.1 201");
                names.push(name);
                confirmed.store(names.len() >= 3, Ordering::Release);
            }
            confirmed.store(true, Ordering::Release);
            names
        });
        while !confirmed.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        server.kill();
        registering.join().unwrap()
    });
    assert!(names.len() >= 3);
    let server = Server::start(&folder, &[]);
    for name in names {
        let entered = server.account("login", None, &json!({ "name": name, "password": "correct horse" }));
        assert_eq!(entered.status, 200, "{name} is lost");
    }
}

#[test]
fn the_administrator_manages_accounts_while_the_server_runs() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--registration", "closed"]);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let account = |action: &str, name: &[&str], input: &str| {
        let out = run(&[&["account", action, "--data", data], name].concat(), input);
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.success(), text)
    };
    let login = |password: &str| {
        server.account("login", None, &json!({ "name": "Anna", "password": password })).status
    };
    assert!(account("add", &["Anna"], "correct horse\n").0);
    assert_eq!(login("correct horse"), 200);
    let (ok, said) = account("add", &["anna"], "correct horse\n");
    assert!(!ok && said.contains("looks the same"), "{said}");
    let (ok, said) = account("add", &["Bob"], "short\n");
    assert!(!ok && said.contains("at least 8 characters"), "{said}");
    assert!(account("list", &[], "").1.contains("Anna\t"));
    assert!(account("reset", &["Anna"], "battery staple\n").0);
    assert_eq!((login("correct horse"), login("battery staple")), (403, 200));
    assert!(account("remove", &["Anna"], "").0);
    assert_eq!(login("battery staple"), 403);
    let (ok, said) = account("remove", &["Anna"], "");
    assert!(!ok && said.contains("there is no account `Anna`"), "{said}");
}

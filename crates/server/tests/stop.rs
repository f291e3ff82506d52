//! Stopping: calls are told, connections end, nothing hangs.

use std::io::{Read as _, Write as _};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Folder, Server, Socket, connect};

/// Two people in a call.
fn call(server: &Server) -> (Socket, Socket) {
    let (mut anna, mut bob) = (Socket::open(server), Socket::open(server));
    anna.hello(Some("Anna"), None);
    bob.hello(Some("Bob"), None);
    let id = "abcdefghijklmnopqrstuv";
    let media = json!({ "audio": true, "video": true });
    anna.say(&json!({ "type": "invite", "seq": 1, "call": id, "to": "Bob", "media": media }));
    bob.hear("incoming");
    bob.say(&json!({ "type": "accept", "seq": 1, "call": id, "description": null, "media": media }));
    anna.hear("started");
    bob.hear("started");
    (anna, bob)
}

#[test]
fn an_idle_server_stops_at_once_and_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let mut server = Server::start(&folder, &["--drain-timeout", "60s"]);
        // A connection that is kept open for a next request does not keep the server.
        let mut idle = connect(server.http);
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut first = [0; 1];
        idle.read_exact(&mut first).unwrap();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn running_calls_are_told_and_waited_for() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--drain-timeout", "60s"]);
    let (mut anna, mut bob) = call(&server);
    server.signal(Signal::TERM);
    anna.hear("draining");
    bob.hear("draining");
    let health = server.get("/healthz");
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("draining")));
    assert!(server.get("/metrics").text().contains("visavis_draining 1"));
    anna.say(&json!({ "type": "end", "seq": 2, "call": "abcdefghijklmnopqrstuv" }));
    bob.hear("ended");
    assert_eq!(server.wait().code(), Some(0), "the last call ended");
}

#[test]
fn calls_do_not_keep_it_longer_than_it_waits() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--drain-timeout", "1s"]);
    let _call = call(&server);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--drain-timeout", "7d"]);
    let (mut anna, _bob) = call(&server);
    server.signal(Signal::TERM);
    anna.hear("draining");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_data_folder_has_one_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let data = folder.path().join("data");
    let flags =
        ["serve", "--data", data.to_str().unwrap(), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
    let out = crate::support::run(&flags, "");
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(!out.status.success() && said.contains("another visavis uses the data folder"), "{said}");
    assert!(server.id() > 0);
}

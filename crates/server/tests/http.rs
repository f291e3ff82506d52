//! The page and what stands around it.

use std::io::{Read as _, Write as _};

use crate::support::{Folder, Server, connect, exchange, run};

#[test]
fn the_page_answers_at_its_root_and_at_links() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let root = server.get("/");
    assert_eq!((root.status, root.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(root.text().contains("Visavis"));
    for path in ["/c/anna", "/r/a-room", "/index.html"] {
        assert_eq!(server.get(path).body, root.body, "{path}");
    }
    for path in ["/c/", "/nothing", "/c/a/b", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/api/v2/x"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    let page = server.send("GET", "/nothing", &[("accept", "text/html")], "");
    assert!(page.text().contains("<h1>"));

    let head = server.send("HEAD", "/", &[], "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), root.body.len().to_string());
    let refused = server.send("DELETE", "/", &[], "");
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn assets_are_kept_by_browsers_and_come_compressed() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let root = server.get("/");
    let tag = root.header("etag").to_owned();
    assert_eq!(root.header("cache-control"), "no-cache");
    let unchanged = server.send("GET", "/", &[("if-none-match", &format!("\"x\", W/{tag}"))], "");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(server.send("GET", "/", &[("if-none-match", "\"x\"")], "").status, 200);

    let start = root.text().find("/assets/").expect("the page has assets");
    let asset = root.text()[start..].split(['"', '\'']).next().unwrap().to_owned();
    let plain = server.get(&asset);
    assert_eq!((plain.status, plain.header("content-encoding")), (200, ""));
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(plain.header("vary"), "accept-encoding");
    let gzip = server.send("GET", &asset, &[("accept-encoding", "gzip")], "");
    if gzip.header("content-encoding") == "gzip" {
        assert_eq!(gzip.body[..2], [0x1f, 0x8b]);
    } else {
        assert_eq!(gzip.body, plain.body, "a page built without compressed forms is sent as it is");
    }
}

#[test]
fn every_response_says_how_it_may_be_used() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for path in ["/", "/nothing", "/healthz", "/api/v1/account/me"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(answer.header("permissions-policy").contains("camera=(self)"), "{path}");
        assert_eq!(
            answer.header("strict-transport-security"),
            "",
            "{path}: nobody vouches for the certificate"
        );
    }
}

#[test]
fn health_and_metrics_are_for_the_machine_itself() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let health = server.get("/healthz");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    for name in [
        "visavis_build_info{version=",
        "visavis_http_requests_total{status=\"200\"} ",
        "visavis_sessions 0",
        "visavis_calls 0",
        "visavis_turn_allocations 0",
    ] {
        assert!(metrics.text().contains(name), "{name} is not in {}", metrics.text());
    }
    let asked = run(&["health", "--http", &server.http.to_string()], "");
    assert!(asked.status.success());
    assert!(String::from_utf8(asked.stdout).unwrap().contains("\"status\":\"ok\""));
    let address = server.http.to_string();
    server.kill();
    let asked = run(&["health", "--http", &address], "");
    assert_eq!(asked.status.code(), Some(1));

    let server = Server::start(&folder, &["--metrics", "off"]);
    assert_eq!(server.get("/metrics").status, 404);
}

#[test]
fn one_address_holds_so_many_connections_and_no_more() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--connections-per-address", "2"]);
    let held: Vec<_> = (0..2)
        .map(|_| {
            // An answered request shows that the connection was accepted; it stays open for the next.
            let mut stream = connect(server.http);
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut first = [0; 1];
            stream.read_exact(&mut first).unwrap();
            stream
        })
        .collect();
    let mut refused = connect(server.http);
    let mut nothing = Vec::new();
    // Either the end of the stream or a reset, depending on who is faster.
    let _ = refused.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let _ = refused.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
    drop(held);
}

#[test]
fn headers_and_bodies_are_bounded() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let long = "x".repeat(20_000);
    let mut stream = connect(server.http);
    let answer = exchange(&mut stream, "localhost", "GET", "/", &[("x-long", &long)], "");
    assert_eq!(answer.status, 431);
    let body = format!("{{\"name\":\"{}\",\"password\":\"x\"}}", "x".repeat(40_000));
    let answer = server.send("POST", "/api/v1/account/login", &[("content-type", "application/json")], &body);
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad-request"));
}

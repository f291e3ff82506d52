//! What is wrong with a configuration is said: which key, where, and what is allowed.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;

use server::config::{KEYS, Origin, Settings, Sources, markdown};

use crate::support::{Folder, run, visavis};

#[test]
fn the_documentation_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == markdown(),
        "docs/configuration.md is out of date: cargo run -p server -- config --markdown > docs/configuration.md"
    );
}

/// What stands in the file, in the environment, on the command line; and what the message must hold.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

#[test]
fn wrong_keys_and_values_are_named_with_their_place() {
    let folder = Folder::new();
    let file = folder.path().join("test.toml");
    let table: &[Wrong] = &[
        (
            "\n\nrelay-port = \"1-2\"",
            &[],
            &[],
            &["test.toml, line 3", "`relay-port`", "did you mean `relay-ports`"],
        ),
        ("entirely-else = 1", &[], &[], &["line 1", "`entirely-else`", "visavis config"]),
        ("[calls]\nring-timeout = 1", &[], &[], &["line 1", "`calls`"]),
        ("http = 80", &[], &[], &["line 1", "`80`", "`http`", "a port is missing", "127.0.0.1:8080"]),
        ("http = true", &[], &[], &["line 1", "`http`", "neither a text nor a number"]),
        ("http = [", &[], &[], &["test.toml, line 1", "not TOML"]),
        ("http = \"1.2.3.4:1\"\nhttp = \"1.2.3.4:2\"", &[], &[], &["line 2", "not TOML"]),
        (
            "",
            &[("VISAVIS_RELAY_PORTS", "9-8")],
            &[],
            &["variable VISAVIS_RELAY_PORTS", "`9-8`", "1024 to 65535"],
        ),
        ("", &[("VISAVIS_STUNN", "x")], &[], &["variable VISAVIS_STUNN", "did you mean `stun`"]),
        ("", &[], &["--relay-ports", "60000-50000"], &["flag --relay-ports", "60000 is above 50000"]),
        ("", &[], &["--tls", "none"], &["flag --tls", "`none`", "`off`, `self-signed`, `files` or `acme`"]),
        ("", &[], &["--https", "::1"], &["flag --https", "brackets"]),
        ("", &[], &["--https", "example.org:443"], &["`example.org` is not an IP address"]),
        (
            "",
            &[],
            &["--external-ip", "300.1.1.1"],
            &["flag --external-ip", "`300.1.1.1` is not an IP address"],
        ),
        ("", &[], &["--external-ip", "192.0.2.1", "--external-ip", "192.0.2.3"], &["one IPv4 and one IPv6"]),
        ("", &[], &["--ring-timeout", "45x"], &["`x` is not a unit"]),
        ("", &[], &["--ring-timeout", "0s"], &["out of range"]),
        ("", &[], &["--allocations", "0"], &["nothing at all", "`unlimited`"]),
        ("", &[], &["--bandwidth-per-user", "5"], &["out of range", "64k"]),
        ("", &[], &["--relay-allow", "10.0.0.0/33"], &["`/33` is not a prefix length"]),
        ("", &[], &["--public-host", "https://a.example"], &["not a host name"]),
        ("", &[], &["--public-host", "192.0.2.1"], &["`external-ip`"]),
        ("", &[], &["--log", "loud"], &["`loud` is not a level"]),
        ("", &[], &["--origins", "example.org"], &["does not begin with https://"]),
        ("", &[], &["--tls", "acme"], &["flag --tls", "needs `public-host`"]),
        ("tls = \"files\"\ntls-cert = \"a\"", &[], &[], &["line 1", "`tls-key` is missing"]),
        ("tls-key = \"a\"", &[], &[], &["line 1", "`tls-key`", "only read with"]),
        ("", &[], &["--recording-store", "films"], &["flag --recording-store", "`s3://BUCKET/PREFIX`"]),
        ("", &[], &["--recording-store", "s3://a/b"], &["`a` is no name of a bucket"]),
        ("", &[], &["--recording-store", "s3://films", "--recordings", "off"], &["it needs `recordings`"]),
        ("", &[], &["--recording-store-endpoint", "https://a:b@c.d"], &["AWS_ACCESS_KEY_ID"]),
        ("", &[], &["--recording-store-endpoint", "https://c.d"], &["only read with `recording-store"]),
        ("", &[], &["--http", "off", "--tls", "off"], &["nothing would be served"]),
    ];
    for (content, environment, flags, wanted) in table {
        fs::write(&file, content).unwrap();
        let out = visavis(&["config", "--config", file.to_str().unwrap()])
            .envs(environment.iter().copied())
            .args(*flags)
            .output()
            .unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{content:?} {environment:?} {flags:?}: {said}");
        for part in *wanted {
            assert!(said.contains(part), "{content:?} {environment:?} {flags:?}: {part:?} is not in: {said}");
        }
    }
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default() {
    let folder = Folder::new();
    fs::write(folder.path().join("visavis.toml"), "ring-timeout = \"3s\"\nlog = \"warn\"\n").unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let mut sources = Sources { flags: vec![("data", data)], ..Sources::default() };
    let seconds = |sources: &Sources| {
        let (settings, config) = Settings::read(sources).unwrap();
        (config.ring_timeout.0, settings.origin("ring-timeout"), settings.origin("stun"))
    };
    let file = Origin::File(folder.path().join("visavis.toml"), 1);
    assert_eq!(seconds(&sources), (3, file, Origin::Default));
    sources.environment.push(variable("VISAVIS_RING_TIMEOUT", "4s"));
    // What an orchestrator says about a service of this name is not for us.
    sources.environment.push(variable("VISAVIS_SERVICE_HOST", "10.0.0.1"));
    sources.environment.push(variable("VISAVIS_PORT_443_TCP", "tcp://10.0.0.1:443"));
    assert_eq!(seconds(&sources).0, 4);
    sources.flags.push(("ring-timeout", "5s".into()));
    assert_eq!(seconds(&sources).1, Origin::Flag("--ring-timeout".into()));
    assert_eq!(seconds(&sources).0, 5);
}

#[test]
fn what_is_in_effect_is_a_configuration_file_itself() {
    let folder = Folder::new();
    let flags = ["--external-ip", "192.0.2.7,2001:db8::7", "--tls", "acme", "--public-host", "a.example"];
    let out = visavis(&["config"]).args(flags).output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("external-ip = [\"192.0.2.7\", \"2001:db8::7\"]"), "{text}");
    assert!(text.contains("# flag --external-ip"), "{text}");
    assert!(
        KEYS.iter()
            .all(|k| text.contains(&format!("{} = ", k.name)) || text.contains(&format!("# {} is", k.name)))
    );
    let file = folder.path().join("copy.toml");
    fs::write(&file, &text).unwrap();
    let again = run(&["config", "--config", file.to_str().unwrap()], "");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let again = String::from_utf8(again.stdout).unwrap();
    let values = |text: &str| {
        text.lines().map(|l| l.split(" #").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&text));
}

#[test]
fn a_taken_port_is_named_with_its_key_and_its_holder() {
    let folder = Folder::new();
    let data = folder.path().to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = socket.local_addr().unwrap().to_string();
    let holder = format!("(process {})", std::process::id());
    for (key, address) in [("http", &address), ("https", &address), ("stun", &datagrams)] {
        let at = |other: &str| if other == key { address } else { "127.0.0.1:0" };
        let (http, https, stun) = (at("http"), at("https"), at("stun"));
        let flags = ["serve", "--data", data, "--http", http, "--https", https, "--stun", stun];
        let out = run(&flags, "");
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{said}");
        for part in [address.as_str(), &format!("key `{key}`"), &format!("flag --{key}"), &holder] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }
}

#[test]
fn help_knows_every_key() {
    let out = run(&["serve", "--help"], "");
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(KEYS.iter().all(|k| text.contains(&format!("--{} ", k.name))), "{text}");
    let out = run(&["--version"], "");
    assert!(String::from_utf8(out.stdout).unwrap().starts_with("visavis "));
}

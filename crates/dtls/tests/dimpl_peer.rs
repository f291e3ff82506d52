//! Handshakes with `dimpl`, in both roles.

#![expect(
    clippy::disallowed_types,
    reason = "that library wants an instant of the system; its clock is ours"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant as SystemInstant;

use dimpl::{Dtls as Dimpl, DtlsCertificate, NamedGroup, Output};
use dtls::{Certificate, Config, Connected, Dtls, Event, Fingerprint, Hash, Role, Version};
use wire::{Instant, Rng};

use crate::link::certificate;

/// After so many records that library changes its keys, and asks us to change ours.
const UPDATE_AFTER: u64 = 40;

struct Peer {
    dimpl: Dimpl,
    start: SystemInstant,
    connected: bool,
    certificate: Vec<u8>,
    material: Vec<u8>,
    received: Vec<Vec<u8>>,
    closed: bool,
    due: Option<SystemInstant>,
    /// The first bytes of its records, where DTLS 1.3 has the low bits of the epoch.
    first_bytes: BTreeSet<u8>,
}

impl Peer {
    fn new(ours: &Certificate, role: Role, version: Option<Version>, groups: &[NamedGroup]) -> Self {
        let certificate =
            DtlsCertificate { certificate: ours.der().to_vec(), private_key: ours.key_to_pkcs8() };
        let config = Arc::new(
            dimpl::Config::builder().kx_groups(groups).aead_encryption_limit(UPDATE_AFTER).build().unwrap(),
        );
        let start = SystemInstant::now();
        let mut dimpl = match version {
            Some(Version::Dtls12) => Dimpl::new_12(config, certificate, start),
            Some(Version::Dtls13) => Dimpl::new_13(config, certificate, start),
            None => Dimpl::new_auto(config, certificate, start),
        };
        dimpl.set_active(role == Role::Client);
        dimpl.handle_timeout(start).unwrap();
        Self {
            dimpl,
            start,
            connected: false,
            certificate: Vec::new(),
            material: Vec::new(),
            received: Vec::new(),
            closed: false,
            due: None,
            first_bytes: BTreeSet::new(),
        }
    }

    /// What it sends.
    fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut buf = vec![0; 4096];
        loop {
            match self.dimpl.poll_output(&mut buf) {
                Output::Packet(bytes) => {
                    self.first_bytes.insert(bytes[0]);
                    sent.push(bytes.to_vec());
                }
                Output::Timeout(due) => {
                    self.due = Some(due);
                    return sent;
                }
                Output::Connected => self.connected = true,
                Output::PeerCert(der) => self.certificate = der.to_vec(),
                Output::KeyingMaterial(material, _) => self.material = material.to_vec(),
                Output::ApplicationData(data) => self.received.push(data.to_vec()),
                Output::CloseNotify => self.closed = true,
                other => panic!("{other:?}"),
            }
        }
    }

    fn advance(&mut self, now: Instant) {
        let now = self.start + now.saturating_since(Instant::ZERO);
        if self.due.is_some_and(|due| due <= now) {
            self.dimpl.handle_timeout(now).unwrap();
        }
    }
}

struct World {
    ours: Dtls,
    peer: Peer,
    now: Instant,
    connected: Option<Connected>,
    received: Vec<Vec<u8>>,
}

impl World {
    fn new(role: Role, versions: &[Version], peer: Option<Version>) -> Self {
        Self::with_groups(role, versions, peer, &[NamedGroup::X25519, NamedGroup::Secp256r1])
    }

    fn with_groups(role: Role, versions: &[Version], peer: Option<Version>, groups: &[NamedGroup]) -> Self {
        let (own, other) = (certificate(0), certificate(1));
        let config = Config {
            remote_fingerprints: vec![Fingerprint::of(Hash::Sha512, other.der())],
            versions: versions.to_vec(),
            ..Config::new(own, role)
        };
        let peer_role = if role == Role::Client { Role::Server } else { Role::Client };
        Self {
            ours: Dtls::new(config, Rng::from_number(1), Instant::ZERO),
            peer: Peer::new(&other, peer_role, peer, groups),
            now: Instant::ZERO,
            connected: None,
            received: Vec::new(),
        }
    }

    /// Carries datagrams both ways for a millisecond; the time passes.
    fn step(&mut self) {
        let mut buf = [0; 2000];
        while let Some(len) = self.ours.poll_transmit(self.now, &mut buf) {
            self.peer.dimpl.handle_packet(&buf[..len]).unwrap();
        }
        for mut datagram in self.peer.poll() {
            let opened = self.ours.open(self.now, &mut datagram).map(|data| data.to_vec());
            self.received.extend(opened);
        }
        while let Some(event) = self.ours.poll_event() {
            match event {
                Event::Connected(connected) => self.connected = Some(*connected),
                Event::Closed(closed) => panic!("{closed}"),
            }
        }
        self.now += std::time::Duration::from_millis(1);
        self.ours.handle_timeout(self.now);
        self.peer.advance(self.now);
    }

    fn run(mut self, expected: Version) {
        let mut steps = 0;
        while self.connected.is_none() || !self.peer.connected {
            self.step();
            steps += 1;
            assert!(steps < 5000, "not connected: {:?} {}", self.ours, self.peer.connected);
        }
        let connected = self.connected.clone().unwrap();
        assert_eq!(connected.version, expected);
        assert_eq!(connected.remote_fingerprint, certificate(1).fingerprint());
        assert_eq!(self.peer.certificate, certificate(0).der());
        let keys = connected.srtp.expect("both have profiles");
        let ours = [&*keys.client_key, &*keys.server_key, &*keys.client_salt, &*keys.server_salt].concat();
        assert_eq!(ours, self.peer.material);
        for i in 0..300u32 {
            if i % 70 == 69 {
                self.ours.update_keys(self.now);
            }
            let data = vec![7; usize::try_from(i).unwrap() * 4];
            self.peer.dimpl.send_application_data(&data).unwrap();
            let mut buf = vec![0; 1300];
            let at = self.ours.header_len();
            buf[at..at + data.len()].copy_from_slice(&data);
            let len = self.ours.seal(&mut buf, data.len()).unwrap();
            self.peer.dimpl.handle_packet(&buf[..len]).unwrap();
            self.step();
            assert_eq!(self.received.pop().unwrap(), data);
            assert_eq!(self.peer.received.pop().unwrap(), data);
        }
        if expected == Version::Dtls13 {
            // Epochs 2, 3, 4 and 5 were in use.
            let epochs: BTreeSet<u8> =
                self.peer.first_bytes.iter().filter(|b| **b >= 0x20).map(|b| b & 3).collect();
            assert_eq!(epochs.len(), 4, "that library changed its keys");
        }
        self.ours.close(self.now);
        let mut buf = [0; 2000];
        while let Some(len) = self.ours.poll_transmit(self.now, &mut buf) {
            self.peer.dimpl.handle_packet(&buf[..len]).unwrap();
        }
        self.peer.poll();
        assert!(self.peer.closed);
    }
}

#[test]
fn dtls_12_as_client_and_as_server() {
    for role in [Role::Client, Role::Server] {
        World::new(role, &[Version::Dtls12], Some(Version::Dtls12)).run(Version::Dtls12);
    }
}

#[test]
fn a_peer_that_offers_both_versions_gets_dtls_12_of_us() {
    for role in [Role::Client, Role::Server] {
        World::new(role, &[Version::Dtls12], None).run(Version::Dtls12);
    }
}

#[test]
fn dtls_13_as_client_and_as_server() {
    for role in [Role::Client, Role::Server] {
        World::new(role, &[Version::Dtls13], Some(Version::Dtls13)).run(Version::Dtls13);
    }
}

#[test]
fn the_newest_common_version_is_taken() {
    let both = [Version::Dtls13, Version::Dtls12];
    for role in [Role::Client, Role::Server] {
        World::new(role, &both, Some(Version::Dtls12)).run(Version::Dtls12);
        World::new(role, &both, Some(Version::Dtls13)).run(Version::Dtls13);
        World::new(role, &both, None).run(Version::Dtls13);
    }
}

/// One side's key shares do not suit the other: HelloRetryRequest (RFC 8446 §4.1.4).
#[test]
fn another_key_share_is_asked_for() {
    let peer = Some(Version::Dtls13);
    let check = |role, groups: &[NamedGroup]| {
        World::with_groups(role, &[Version::Dtls13], peer, groups).run(Version::Dtls13);
    };
    check(Role::Client, &[NamedGroup::Secp256r1]);
    check(Role::Server, &[NamedGroup::Secp384r1, NamedGroup::X25519]);
    check(Role::Server, &[NamedGroup::Secp384r1, NamedGroup::Secp256r1]);
}

#[test]
fn every_group_of_dtls_12_is_spoken() {
    for role in [Role::Client, Role::Server] {
        for group in [NamedGroup::X25519, NamedGroup::Secp256r1] {
            World::with_groups(role, &[Version::Dtls12], Some(Version::Dtls12), &[group])
                .run(Version::Dtls12);
        }
    }
}

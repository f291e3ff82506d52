//! Rooms between the rendezvous and the media threads.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use net::Waker;
use sfu::{Address, Certificate, Sfu};
use tokio::sync::mpsc;
use wire::{Instant, Rng, Transport};

use super::config::ForwardConfig;
use super::crossing::{Crossing, Entrance, Fragments};
use super::forward::{Forwarder, Parts};
use super::plane::Thread;
use super::sharing::{Door, Sharing};
use crate::recording::Queue;
use crate::signal::forwarding::{MediaCommand, MediaEvent};

/// Events that may wait for the rendezvous.
const EVENTS: usize = 4096;
/// Addresses in one answer.
const MOST_ADDRESSES: usize = 16;

/// The rendezvous' end of the forwarder.
pub struct Forwarding {
    /// What is to be done.
    pub commands: mpsc::Sender<MediaCommand>,
    /// What has happened.
    pub events: mpsc::Receiver<MediaEvent>,
}

/// Passes commands on to the threads that each is for, until nobody gives any more.
pub(super) async fn route(threads: Vec<Thread>, people: usize, mut commands: mpsc::Receiver<MediaCommand>) {
    let mut parts = super::parts::Parts::new(threads.len(), people);
    while let Some(command) = commands.recv().await {
        tracing::trace!(?command, "to the forwarder");
        for (thread, command) in parts.route(command) {
            threads[thread].say(command).await;
        }
    }
}

/// A forwarder for each thread, and what they all tell.
pub(super) fn forwarders(
    config: &ForwardConfig,
    addresses: &[Address],
    (wakers, fragments, recorder): (&[Waker], &Arc<Fragments>, &Option<Arc<Queue>>),
    now: Instant,
) -> (Vec<(Forwarder, Crossing)>, mpsc::Receiver<MediaEvent>) {
    let (events, told) = mpsc::channel(EVENTS);
    let certificate = Certificate::generate(&mut Rng::new(crypto::random()), net::unix_seconds());
    let doors: Arc<[Door]> = wakers.iter().map(|_| Door::default()).collect();
    let entrances: Arc<[Entrance]> = wakers.iter().map(|_| Entrance::default()).collect();
    for address in addresses {
        tracing::debug!(transport = ?address.transport, socket = %address.socket, advertised = %address.advertised, "rooms");
    }
    let forwarder = |thread: usize| {
        let config = sfu::Config {
            since_epoch: net::unix_time(),
            max_bitrate: config.bitrate,
            ..sfu::Config::new(certificate.clone(), addresses.to_vec())
        };
        let sfu = Sfu::new(config, crypto::random(), now);
        let recorder = recorder.clone();
        let sharing = Sharing::new(thread, doors.clone(), wakers.to_vec());
        let (fragments_of, events) = (fragments.clone(), events.clone());
        let parts = Parts { sfu, fragments: fragments_of, events, recorder, sharing };
        let crossing = Crossing::new(thread, fragments.clone(), entrances.clone(), wakers.to_vec());
        (Forwarder::new(parts), crossing)
    };
    ((0..wakers.len()).map(forwarder).collect(), told)
}

/// The addresses that members are told: those of the listeners, as the world sees them.
pub(super) fn addresses(config: &ForwardConfig, listeners: &[SocketAddr]) -> Vec<Address> {
    let udp = listeners.iter().map(|listener| (Transport::Udp, *listener));
    let tcp = config.streams.iter().map(|listener| (Transport::Tcp, *listener));
    let mut addresses: Vec<Address> = Vec::new();
    for (transport, listener) in udp.chain(tcp) {
        let v4 = listener.is_ipv4();
        let mut own: Vec<IpAddr> = vec![listener.ip()];
        if listener.ip().is_unspecified() {
            // A TCP listener on all IPv6 addresses takes IPv4 as well.
            let fits = |ip: &&IpAddr| ip.is_ipv4() == v4 || (!v4 && transport == Transport::Tcp);
            own = config.own.iter().filter(fits).copied().collect();
            if own.is_empty() && v4 {
                own.push(Ipv4Addr::LOCALHOST.into()); // a machine that is all alone
            }
        }
        for ip in own {
            let socket = SocketAddr::new(ip, listener.port());
            let external = config.external.iter().find(|external| external.is_ipv4() == ip.is_ipv4());
            let external = external.filter(|_| !ip.is_loopback());
            let known = external.copied().into_iter().chain([ip]);
            addresses.extend(known.map(|ip| {
                let advertised = SocketAddr::new(ip, listener.port());
                Address { transport, socket, advertised }
            }));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|a| seen.insert((a.transport, a.advertised)));
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

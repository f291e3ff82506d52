#![expect(clippy::disallowed_types, reason = "this is a driver: it reads the clock")]

use crate::{Setup, rate};
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

struct Side {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    connected: bool,
}

impl Side {
    fn packets(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        let mut push = |payload: Payload| {
            if let Payload::RawEncode(parts) = payload {
                out.extend(parts);
            }
        };
        while let Some(transmit) = self.endpoint.poll_transmit() {
            push(transmit.payload);
        }
        let Some((handle, association)) = &mut self.association else { return };
        while let Some(event) = association.poll() {
            self.connected |= matches!(event, Event::Connected);
        }
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(*handle, event);
        }
        if association.poll_timeout().is_some_and(|at| at <= now) {
            association.handle_timeout(now);
        }
        while let Some(transmit) = association.poll_transmit(now) {
            push(transmit.payload);
        }
    }

    fn input(&mut self, now: Instant, from: SocketAddr, bytes: Bytes) {
        match self.endpoint.handle(now, from, None, None, bytes) {
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
            }
            None => {}
        }
    }
}

struct Pair {
    sides: [Side; 2],
    addresses: [SocketAddr; 2],
    packets: Vec<Bytes>,
    read: BytesMut,
    received: u64,
}

impl Pair {
    fn turn(&mut self) -> Result<()> {
        for from in 0..2 {
            let now = Instant::now();
            self.sides[from].packets(now, &mut self.packets);
            for packet in self.packets.drain(..) {
                // What a socket would do: the receiver has bytes of its own.
                self.sides[1 - from].input(now, self.addresses[from], Bytes::copy_from_slice(&packet));
            }
        }
        let Some((_, association)) = &mut self.sides[1].association else { return Ok(()) };
        while association.accept_stream().is_some() {}
        if let Ok(mut stream) = association.stream(0) {
            while let Some(chunks) = stream.read()? {
                self.read.resize(chunks.len(), 0);
                self.received += chunks.read(&mut self.read)? as u64;
            }
        }
        Ok(())
    }
}

/// Bytes per second from side 0 to side 1.
pub(crate) fn run(setup: Setup) -> Result<f64> {
    let addresses: [SocketAddr; 2] = [([127, 0, 0, 1], 5000).into(), ([127, 0, 0, 1], 5001).into()];
    let config = Arc::new(EndpointConfig::new());
    let mut client = Endpoint::new(config.clone(), None);
    let server = Endpoint::new(config, Some(Arc::new(ServerConfig::default())));
    let connection = client.connect(ClientConfig::default(), addresses[1])?;
    let mut pair = Pair {
        sides: [
            Side { endpoint: client, association: Some(connection), connected: false },
            Side { endpoint: server, association: None, connected: false },
        ],
        addresses,
        packets: Vec::new(),
        read: BytesMut::new(),
        received: 0,
    };
    let begun = Instant::now();
    while pair.sides.iter().any(|side| !side.connected) {
        pair.turn()?;
        ensure!(begun.elapsed().as_secs() < 10, "sctp-proto does not connect");
    }
    let association = |pair: &mut Pair| pair.sides[0].association.take().context("connected");
    let (handle, mut client) = association(&mut pair)?;
    client.open_stream(0, PayloadProtocolIdentifier::Binary)?;
    pair.sides[0].association = Some((handle, client));
    let message = Bytes::from(vec![7; setup.message]);
    let begun = Instant::now();
    let before = pair.received;
    while begun.elapsed() < setup.duration {
        if let Some((_, association)) = &mut pair.sides[0].association {
            let mut stream = association.stream(0)?;
            while stream.buffered_amount()? < 1 << 20 {
                stream.write_sctp(&message, PayloadProtocolIdentifier::Binary)?;
            }
        }
        for _ in 0..16 {
            pair.turn()?;
        }
    }
    Ok(rate(pair.received - before, begun.elapsed()))
}

#![expect(clippy::disallowed_types, reason = "this is a driver: it reads the clock")]

use crate::{Setup, rate};
use anyhow::{Result, ensure};
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketState, SocketTime, StreamId,
    ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
};
use std::time::Instant;

struct Pair {
    start: Instant,
    sides: [Box<dyn DcSctpSocket>; 2],
    received: u64,
}

impl Pair {
    /// Carries all packets that wait from one side to the other.
    fn carry(&mut self, from: usize) {
        while let Some(event) = self.sides[from].poll_event() {
            if let SocketEvent::SendPacket(packet) = event {
                self.sides[1 - from].handle_input(&packet);
            }
        }
    }

    fn turn(&mut self) {
        let now = SocketTime::zero() + self.start.elapsed();
        for side in &mut self.sides {
            side.advance_time(now);
        }
        self.carry(0);
        self.carry(1);
        while let Some(message) = self.sides[1].get_next_message() {
            self.received += message.payload.len() as u64;
        }
    }
}

/// Bytes per second from side 0 to side 1.
pub(crate) fn run(setup: Setup) -> Result<f64> {
    let mut options = Options::default();
    if setup.zero_checksum {
        options.zero_checksum_alternate_error_detection_method =
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS;
    }
    let sides = [dcsctp::new_socket("a", &options), dcsctp::new_socket("b", &options)];
    let mut pair = Pair { start: Instant::now(), sides, received: 0 };
    pair.sides[0].connect();
    while pair.sides.iter().any(|side| side.state() != SocketState::Connected) {
        pair.turn();
        ensure!(pair.start.elapsed().as_secs() < 10, "dcsctp does not connect");
    }
    let begun = Instant::now();
    let before = pair.received;
    while begun.elapsed() < setup.duration {
        while pair.sides[0].buffered_amount(StreamId(0)) < 1 << 20 {
            let message = Message::new(StreamId(0), PpId(53), vec![7; setup.message]);
            pair.sides[0].send(message, &SendOptions::default())?;
        }
        for _ in 0..16 {
            pair.turn();
        }
    }
    Ok(rate(pair.received - before, begun.elapsed()))
}

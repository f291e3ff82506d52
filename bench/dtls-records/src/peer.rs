//! Two ends of `dimpl`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};

use crate::DATA;
use crate::ours::certificates;

/// A connected pair.
pub(crate) struct Pair {
    client: Dtls,
    server: Dtls,
    buf: Vec<u8>,
}

impl Pair {
    pub(crate) fn new(dtls13: bool) -> Self {
        // As much as the library allows, so that no limit on records is met while measuring.
        let config = Arc::new(Config::builder().build().expect("the defaults are valid"));
        let mut now = Instant::now();
        let [mut client, mut server] = certificates().each_ref().map(|own| {
            let certificate =
                DtlsCertificate { certificate: own.der().to_vec(), private_key: own.key_to_pkcs8() };
            let make = if dtls13 { Dtls::new_13 } else { Dtls::new_12 };
            make(Arc::clone(&config), certificate, now)
        });
        client.set_active(true);
        let mut buf = vec![0; 2048];
        let mut connected = 0;
        while connected < 2 {
            for end in [&mut client, &mut server] {
                end.handle_timeout(now).expect("nothing fails in memory");
            }
            connected += carry(&mut client, &mut server, &mut buf);
            connected += carry(&mut server, &mut client, &mut buf);
            now += Duration::from_millis(1);
        }
        carry(&mut client, &mut server, &mut buf);
        Self { client, server, buf }
    }

    pub(crate) fn records(&mut self, count: usize) {
        let data = [7; DATA];
        let mut received = vec![0; 2048];
        for _ in 0..count {
            self.client.send_application_data(&data).expect("connected");
            while let Output::Packet(packet) = self.client.poll_output(&mut self.buf) {
                self.server.handle_packet(packet).expect("an authentic record");
            }
            let mut opened = 0;
            loop {
                match self.server.poll_output(&mut received) {
                    Output::ApplicationData(data) => opened += data.len(),
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
            assert_eq!(opened, DATA);
        }
    }
}

/// Carries what one end has to send; how many ends say that they are connected.
fn carry(from: &mut Dtls, to: &mut Dtls, buf: &mut [u8]) -> usize {
    let mut connected = 0;
    loop {
        match from.poll_output(buf) {
            Output::Packet(packet) => to.handle_packet(packet).expect("nothing fails in memory"),
            Output::Connected => connected += 1,
            Output::Timeout(_) => return connected,
            _ => {}
        }
    }
}

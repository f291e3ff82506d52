//! The media plane alone: STUN and TURN over UDP and TCP for one user, on loopback if nothing else is said.
//! `cargo xtask bench turn` measures it.
//!
//! `relay LISTEN FIRST-PORT LAST-PORT THREADS` with a user `bench` whose password is `bench`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use server::media::{MediaConfig, MediaPlane};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let listen: SocketAddr = next("127.0.0.1:3478").parse()?;
    let ports = next("49152").parse()?..=next("65535").parse()?;
    let threads: NonZeroUsize = next("1").parse()?;
    let turn = turn::Config {
        realm: "bench".to_owned(),
        users: vec![("bench".to_owned(), "bench".to_owned())],
        relay_ips: vec![turn::RelayIp { bind: listen.ip(), advertise: listen.ip() }],
        relay_ports: ports,
        allow: vec![turn::IpNet::single(listen.ip())],
        unauthenticated_rate: None,
        ..turn::Config::default()
    };
    let config = MediaConfig { threads: Some(threads), listen: vec![listen], turn, ..MediaConfig::default() };
    let media = MediaPlane::start(config)?;
    let address = media.addresses()[0];
    let streams = tokio::net::TcpListener::bind(address).await?;
    println!("relay: ready on {address}");
    loop {
        tokio::select! {
            accepted = streams.accept() => {
                let (stream, remote) = accepted?;
                let (media, local) = (media.clone(), stream.local_addr()?);
                let transport = wire::Transport::Tcp;
                tokio::spawn(async move { media.serve_stream(stream, local, remote, transport).await });
            }
            signal = tokio::signal::ctrl_c() => {
                signal?;
                println!("{:#?}", media.stats());
                media.shutdown();
                return Ok(());
            }
        }
    }
}

//! A [`peer::Peer`] with sockets, a clock and randomness: what a program embeds to be a WebRTC peer.
//!
//! Each [`Connection`] has a thread of its own, which sleeps until a datagram, a deadline or a request comes.
//! Datagrams are received and sent in runs (`UDP_GRO`, `UDP_SEGMENT`), decrypted and encrypted where they stand. Where no
//! UDP passes, TCP connections between the two are used ([`Tcp`]: RFC 6544, framed by RFC 4571), or those to a TURN server.
//!
//! ```no_run
//! use endpoint::{Connection, Options};
//! use peer::{Config, Event, Kind};
//!
//! # async fn exchange(offer: peer::negotiation::Description) -> Result<(), Box<dyn std::error::Error>> {
//! // Answers an offer that came from a browser, and says back whatever it says.
//! let (connection, mut events) = Connection::start(Config::new(endpoint::certificate()), &Options::default())?;
//! let answer = connection.with(move |peer, now| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
//!     peer.set_remote_description(now, &offer)?;
//!     peer.set_local_description(now, None)?;
//!     Ok(peer.local_description())
//! }).await?;
//! println!("send this back: {answer:?}, and every Event::IceCandidate after it");
//! while let Some(event) = events.next().await {
//!     if let Event::Message(channel, kind, data) = event {
//!         connection.send(channel, kind, data.into()).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod addresses;
mod connection;
mod driver;
mod mdns;
mod relays;
mod streams;

pub use connection::{Connection, Events, Gone, Options, SendError, Tcp};
pub use driver::Driver;

/// A new identity, good for 30 days; connections may share it, and then have the same fingerprint.
pub fn certificate() -> peer::Certificate {
    peer::Certificate::generate(&mut wire::Rng::new(crypto::random()), net::unix_seconds())
}

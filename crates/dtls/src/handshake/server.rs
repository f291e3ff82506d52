//! The server until the version is settled: what ClientHello offers decides.
//!
//! No cookie is asked for. It would prove that the client receives what is sent to its address (RFC 6347
//! §4.2.1); ICE has proved that already, and the round trip is saved.

use super::server12::Server12;
use super::{Fault, Link, Negotiation, Progress, alert, server13};
use crate::Version;
use crate::message::{CLIENT_HELLO, ClientHello};
use crate::reassembly::Message;

pub(crate) fn on_client_hello(link: &mut Link, message: &Message) -> Result<Progress, Fault> {
    if message.kind() != CLIENT_HELLO || message.epoch != 0 {
        return Err(Fault::Unexpected);
    }
    let hello = ClientHello::parse(message.body())?;
    let has = |version| link.config.versions.contains(&version);
    let next = if has(Version::Dtls13) && hello.extensions.offers_version(Version::Dtls13) {
        server13::on_client_hello(link, &hello, message)?
    } else if has(Version::Dtls12) {
        Negotiation::Server12(Server12::new(link, &hello, message)?)
    } else {
        return Err(Fault::Fatal(alert::PROTOCOL_VERSION, "the client has no version in common with us"));
    };
    Ok(Progress::Become(Box::new(next)))
}

//! Answers to requests.

use super::Server;
use super::auth::Identity;
use crate::FiveTuple;
use std::net::SocketAddr;
use stun::attribute::{ErrorCode, Software, XorMappedAddress};
use stun::{Class, Integrity, Key, Message, Method, TransactionId, Writer};
use wire::Short;

/// A request whose sender is known.
pub(super) struct Request<'a> {
    pub(super) message: Message<'a>,
    pub(super) client: FiveTuple,
    pub(super) identity: Identity,
    pub(super) reply: Reply,
}

/// What is needed to answer, now or later.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) client: FiveTuple,
    pub(super) method: Method,
    pub(super) id: TransactionId,
    /// Of the request: the answer uses the same (RFC 8489 §9.2.4).
    pub(super) integrity: Option<(Key, Integrity)>,
    /// The request had one, so its sender expects one.
    pub(super) fingerprint: bool,
}

impl Reply {
    /// The client's address as it must hear it: what a dual-stack socket calls `::ffff:192.0.2.1` is IPv4.
    pub(super) fn mapped(&self) -> XorMappedAddress {
        let remote = self.client.remote;
        XorMappedAddress(SocketAddr::new(remote.ip().to_canonical(), remote.port()))
    }
}

/// The most a message of ours takes, behaviour discovery's padding included.
pub(super) const MAX_MESSAGE: usize = 1500;

impl Server {
    pub(super) fn succeed(&mut self, reply: &Reply, fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Short>) {
        self.stats.success_responses += 1;
        self.respond(reply, Class::Success, fill);
    }

    pub(super) fn fail(&mut self, reply: &Reply, error: ErrorCode<'_>) {
        self.fail_with(reply, error, |_| Ok(()));
    }

    pub(super) fn fail_with(
        &mut self,
        reply: &Reply,
        error: ErrorCode<'_>,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Short>,
    ) {
        self.stats.error_responses += 1;
        self.respond(reply, Class::Error, |w| {
            w.put(&error)?;
            fill(w)
        });
    }

    fn respond(
        &mut self,
        reply: &Reply,
        class: Class,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Short>,
    ) {
        let mut buf = [0; MAX_MESSAGE];
        let software = self.config.software.as_str();
        let write = |buf: &mut [u8]| -> Result<usize, Short> {
            let mut w = Writer::new(buf, class, reply.method, reply.id)?;
            fill(&mut w)?;
            if let Some((key, kind)) = &reply.integrity {
                // Only for those who are known: an answer to a stranger stays small.
                if !software.is_empty() {
                    w.put(&Software(software))?;
                }
                w.put_integrity(key, *kind)?;
            }
            if reply.fingerprint {
                w.put_fingerprint()?;
            }
            Ok(w.len())
        };
        let len = write(&mut buf).expect("every answer fits 1,500 bytes");
        if !self.outbox.push(&reply.client, &buf[..len]) {
            self.stats.dropped.queue += 1;
        }
    }

    /// Sends an indication to a client.
    pub(super) fn indicate(
        &mut self,
        client: &FiveTuple,
        method: Method,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Short>,
    ) {
        let id = TransactionId(self.rng.array());
        let mut buf = [0; MAX_MESSAGE];
        let write = |buf: &mut [u8]| -> Result<usize, Short> {
            let mut w = Writer::new(buf, Class::Indication, method, id)?;
            fill(&mut w)?;
            Ok(w.len())
        };
        let len = write(&mut buf).expect("every indication fits 1,500 bytes");
        if !self.outbox.push(client, &buf[..len]) {
            self.stats.dropped.queue += 1;
        }
    }
}

//! The client until the version is settled.
//!
//! ```text
//! ClientHello ->
//!             <- HelloVerifyRequest (a server of DTLS 1.2 that wants a cookie)
//! ClientHello with the cookie ->
//!             <- ServerHello, which says the version
//! ```

use crypto::identity::SignatureScheme;
use wire::Rng;

use super::client12::Client12;
use super::{Fault, Link, Progress, Transcript, alert};
use crate::message::{self, ClientHello, Group, HelloVerifyRequest, ServerHello};
use crate::message::{CLIENT_HELLO, HELLO_VERIFY_REQUEST, SERVER_HELLO, SUITES12};
use crate::reassembly::Message;

/// Our hello, to which the server has not agreed yet.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) transcript: Transcript,
    pub(crate) random: [u8; 32],
    has_cookie: bool,
}

/// How we sign: with our P-256 key.
pub(crate) const OUR_SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;

impl Offer {
    /// Sends the first hello.
    pub(crate) fn new(link: &mut Link) -> Self {
        let random = link.rng.array();
        let mut offer = Self { transcript: Transcript::default(), random, has_cookie: false };
        offer.send(link, &[]);
        offer
    }

    fn send(&mut self, link: &mut Link, cookie: &[u8]) {
        let suites = SUITES12.map(|(code, ..)| code);
        let srtp = &link.config.srtp_profiles;
        let body = ClientHello::write(&self.random, cookie, &suites, &Group::ALL, srtp, |_| ());
        self.transcript.clear();
        link.begin_flight(true);
        link.send(&mut self.transcript, 0, CLIENT_HELLO, &body);
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        match message.kind() {
            HELLO_VERIFY_REQUEST if !self.has_cookie => {
                let request = HelloVerifyRequest::parse(message.body())?;
                self.has_cookie = true;
                self.send(link, request.cookie);
                Ok(Progress::More)
            }
            SERVER_HELLO => self.on_server_hello(link, message),
            _ => Err(Fault::Unexpected),
        }
    }

    fn on_server_hello(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        let hello = ServerHello::parse(message.body())?;
        let mut transcript = std::mem::take(&mut self.transcript);
        transcript.add(&message.raw);
        let client = Client12::new(link, transcript, self.random, &hello)?;
        Ok(Progress::Become(Box::new(super::Negotiation::Client12(client))))
    }
}

/// A key for `group` from the connection's generator.
pub(crate) fn key_share(rng: &mut Rng, group: Group) -> crypto::agreement::KeyShare {
    loop {
        if let Some(share) = crypto::agreement::KeyShare::from_seed(group.curve(), &rng.array()) {
            return share;
        }
    }
}

/// The signature scheme with this number, which the peer took from our list.
pub(crate) fn scheme(code: u16) -> Result<SignatureScheme, Fault> {
    SignatureScheme::from_code(code)
        .ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the peer signs in a way that was not offered"))
}

/// The group with this number, which the peer took from our list.
pub(crate) fn group(code: u16) -> Result<Group, Fault> {
    message::Group::from_code(code)
        .ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the peer took a group that was not offered"))
}

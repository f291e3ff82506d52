//! The client of DTLS 1.2 after ServerHello (RFC 5246 §7.3, RFC 8422).
//!
//! ```text
//!             <- Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone
//! Certificate, ClientKeyExchange, CertificateVerify, (ChangeCipherSpec), Finished ->
//!             <- (ChangeCipherSpec), Finished
//! ```
//!
//! The server proves with its ServerKeyExchange that it has the key of its certificate.

use crypto::identity::PublicKey;

use super::client::{OUR_SCHEME, group, scheme};
use super::schedule12::{Master, Session12, push_change_cipher_spec};
use super::share::respond;
use super::{Fault, Link, Progress, Transcript, alert};
use crate::Role;
use crate::message::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, Certificate,
    CertificateRequest, CertificateVerify, ClientKeyExchange, EXTENDED_MASTER_SECRET, FINISHED, Group,
    SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE, SUITES12, ServerHello, ServerKeyExchange,
};
use crate::reassembly::Message;

#[derive(Debug)]
pub(crate) struct Client12 {
    session: Session12,
    step: Step,
}

/// The message that is awaited.
#[derive(Debug)]
enum Step {
    Certificate,
    KeyExchange { peer: PublicKey },
    Done { exchange: Exchange, requested: bool },
    Finished { master: Master },
}

/// The outcome of the key agreement.
#[derive(Clone)]
struct Exchange {
    public: Vec<u8>,
    premaster: crypto::Secret,
}

impl std::fmt::Debug for Exchange {
    /// Says nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exchange")
    }
}

impl Client12 {
    pub(crate) fn new(
        link: &Link,
        transcript: Transcript,
        client_random: [u8; 32],
        hello: &ServerHello<'_>,
    ) -> Result<Self, Fault> {
        let suite = SUITES12.into_iter().find(|(code, ..)| *code == hello.suite);
        let (_, cipher, _) =
            suite.ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the server took a cipher not offered"))?;
        if !hello.extensions.has(EXTENDED_MASTER_SECRET) {
            let what = "the server does not know the extended master secret (RFC 7627)";
            return Err(Fault::Fatal(alert::HANDSHAKE_FAILURE, what));
        }
        let session = Session12 {
            transcript,
            client_random,
            server_random: hello.random.try_into().map_err(|_| Fault::Malformed)?,
            cipher,
            srtp: hello.extensions.srtp_profile(&link.config.srtp_profiles)?,
        };
        Ok(Self { session, step: Step::Certificate })
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        let next = match (&mut self.step, message.kind()) {
            (Step::Certificate, CERTIFICATE) => {
                let peer = link.take_certificate(Certificate::parse12(message.body())?.first)?;
                Step::KeyExchange { peer }
            }
            (Step::KeyExchange { peer }, SERVER_KEY_EXCHANGE) => {
                let exchange = agree(&self.session, link, peer, message.body())?;
                Step::Done { exchange, requested: false }
            }
            (Step::Done { exchange, requested: false }, CERTIFICATE_REQUEST) => {
                if !CertificateRequest::parse12(message.body())?.accepts(OUR_SCHEME) {
                    let what = "the server does not take certificates with ECDSA on P-256";
                    return Err(Fault::Fatal(alert::HANDSHAKE_FAILURE, what));
                }
                Step::Done { exchange: exchange.clone(), requested: true }
            }
            (Step::Done { exchange, requested }, SERVER_HELLO_DONE) => {
                if !message.body().is_empty() {
                    return Err(Fault::Malformed);
                }
                self.session.transcript.add(&message.raw);
                let master = answer(&mut self.session, link, exchange, *requested);
                self.step = Step::Finished { master };
                return Ok(Progress::More);
            }
            (Step::Finished { master }, FINISHED) if message.epoch == 1 => {
                self.session.check_finished(master, Role::Server, message.body())?;
                link.flight.begin(link.config.retransmit_after, false);
                return Ok(Progress::Done(self.session.connected(link, master)));
            }
            _ => return Err(Fault::Unexpected),
        };
        self.session.transcript.add(&message.raw);
        self.step = next;
        Ok(Progress::More)
    }
}

/// Checks the server's signature and agrees on a secret.
fn agree(session: &Session12, link: &mut Link, peer: &PublicKey, body: &[u8]) -> Result<Exchange, Fault> {
    let exchange = ServerKeyExchange::parse(body)?;
    let (scheme, group) = (scheme(exchange.scheme)?, group(exchange.group)?);
    let signed = session.signed_parameters(exchange.parameters);
    if !peer.verify(scheme, &signed, exchange.signature) {
        return Err(Fault::Fatal(
            alert::DECRYPT_ERROR,
            "the server does not have the key of its certificate",
        ));
    }
    if !Group::CURVES.contains(&group) {
        return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the group is one of DTLS 1.3"));
    }
    let (public, premaster) = respond(&mut link.rng, group, exchange.public)?;
    Ok(Exchange { public, premaster })
}

/// Sends our flight and installs the keys.
fn answer(session: &mut Session12, link: &mut Link, exchange: &Exchange, requested: bool) -> Master {
    let transcript = &mut session.transcript;
    let certificate = link.config.certificate.clone();
    link.begin_flight(true);
    if requested {
        link.send(transcript, 0, CERTIFICATE, &Certificate::write12(certificate.der()));
    }
    link.send(transcript, 0, CLIENT_KEY_EXCHANGE, &ClientKeyExchange::write(&exchange.public));
    let master = session.master(&exchange.premaster);
    let transcript = &mut session.transcript;
    if requested {
        let signature = certificate.sign(transcript.bytes());
        link.send(transcript, 0, CERTIFICATE_VERIFY, &CertificateVerify::write(OUR_SCHEME, &signature));
    }
    session.install(link, &master);
    push_change_cipher_spec(&mut link.flight);
    let verify_data = session.verify_data(&master, Role::Client);
    link.send(&mut session.transcript, 1, FINISHED, &verify_data);
    master
}

//! The server of DTLS 1.3 (RFC 8446 §2, RFC 9147 §5).
//!
//! ```text
//! ClientHello ->
//!             <- HelloRetryRequest, if the client has no key share for a group of ours
//! ClientHello ->
//!             <- ServerHello, {EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished}
//! {Certificate, CertificateVerify, Finished} ->
//!             <- [ACK]
//! ```
//!
//! As in DTLS 1.2 no cookie is asked for: ICE has proved the client's address.

use crypto::identity::PublicKey;

use super::client::OUR_SCHEME;
use super::schedule13::{Established, HANDSHAKE_EPOCH, Session13};
use super::share::respond;
use super::{Fault, Link, Negotiation, Progress, Transcript, alert};
use crate::message::{
    Builder, CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_HELLO, Certificate,
    CertificateRequest, ClientHello, ENCRYPTED_EXTENSIONS, Extensions, FINISHED, Group, SERVER_HELLO,
    SUITES13, ServerHello,
};
use crate::reassembly::Message;
use crate::{Cipher, Role};

/// Waits for the second hello.
#[derive(Debug)]
pub(crate) struct Retry {
    transcript: Transcript,
    group: Group,
}

/// Chooses a cipher among the offers by our preference.
fn choose(hello: &ClientHello<'_>) -> Result<(u16, Cipher), Fault> {
    if !hello.offers_scheme(OUR_SCHEME) {
        let what = "the client cannot verify ECDSA on P-256 with SHA-256";
        return Err(Fault::Fatal(alert::HANDSHAKE_FAILURE, what));
    }
    let suite = SUITES13.into_iter().find(|(code, _)| hello.offers_suite(*code));
    suite.ok_or(Fault::Fatal(alert::HANDSHAKE_FAILURE, "the client offers no cipher of ours (AES-GCM)"))
}

/// Answers the first hello.
pub(crate) fn on_client_hello(
    link: &mut Link,
    hello: &ClientHello<'_>,
    message: &Message,
) -> Result<Negotiation, Fault> {
    let (suite, cipher) = choose(hello)?;
    let post_quantum = link.config.post_quantum;
    let ours = || Group::ALL.into_iter().filter(move |g| post_quantum || *g != Group::X25519MlKem768);
    let mut transcript = Transcript::default();
    transcript.add(&message.raw);
    transcript.become_13();
    for group in ours() {
        if let Some(share) = hello.extensions.key_share(group)? {
            return Server13::new(link, hello, transcript, group, share).map(Negotiation::Server13);
        }
    }
    let group = ours().find(|group| hello.offers_group(*group)).ok_or(Fault::Fatal(
        alert::HANDSHAKE_FAILURE,
        "the client offers none of the groups X25519MLKEM768, X25519 and P-256",
    ))?;
    transcript.become_retry(cipher.hash());
    link.begin_flight(true);
    let body = ServerHello::write13(&[0; 32], suite, group, None);
    link.send(&mut transcript, 0, SERVER_HELLO, &body);
    Ok(Negotiation::Retry(Retry { transcript, group }))
}

impl Retry {
    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        if message.kind() != CLIENT_HELLO {
            return Err(Fault::Unexpected);
        }
        let hello = ClientHello::parse(message.body())?;
        let share = hello.extensions.key_share(self.group)?.ok_or(Fault::Fatal(
            alert::ILLEGAL_PARAMETER,
            "the client did not send the key share that was asked for",
        ))?;
        let mut transcript = std::mem::take(&mut self.transcript);
        transcript.add(&message.raw);
        let server = Server13::new(link, &hello, transcript, self.group, share)?;
        Ok(Progress::Become(Box::new(Negotiation::Server13(server))))
    }
}

#[derive(Debug)]
pub(crate) struct Server13 {
    session: Session13,
    established: Established,
    step: Step,
}

/// The message that is awaited.
#[derive(Debug)]
enum Step {
    Certificate,
    Verify { peer: PublicKey },
    Finished,
}

impl Server13 {
    /// Sends the whole flight, with the transcript ending in ClientHello.
    fn new(
        link: &mut Link,
        hello: &ClientHello<'_>,
        mut transcript: Transcript,
        group: Group,
        share: &[u8],
    ) -> Result<Self, Fault> {
        let (suite, cipher) = choose(hello)?;
        let srtp = hello.extensions.srtp_profile(&link.config.srtp_profiles)?;
        let (public, shared) = respond(&mut link.rng, group, share)?;
        let random = link.rng.array();
        link.begin_flight(true);
        let body = ServerHello::write13(&random, suite, group, Some(&public));
        link.send(&mut transcript, 0, SERVER_HELLO, &body);
        let mut session = Session13::new(link, transcript, cipher, srtp, &shared);
        let mut extensions = Builder::default();
        extensions.vec(2, |b| Extensions::put_srtp(b, srtp.as_slice()));
        let certificate = Certificate::write13(&[], link.config.certificate.der());
        for (kind, body) in [
            (ENCRYPTED_EXTENSIONS, extensions.0),
            (CERTIFICATE_REQUEST, CertificateRequest::write13()),
            (CERTIFICATE, certificate),
        ] {
            link.send(&mut session.transcript, HANDSHAKE_EPOCH, kind, &body);
        }
        let verify = session.sign(link);
        link.send(&mut session.transcript, HANDSHAKE_EPOCH, CERTIFICATE_VERIFY, &verify);
        session.send_finished(link);
        let established = session.install_data(link);
        Ok(Self { session, established, step: Step::Certificate })
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        if message.epoch != HANDSHAKE_EPOCH {
            return Err(Fault::Unexpected);
        }
        match (&self.step, message.kind()) {
            (Step::Certificate, CERTIFICATE) => {
                let peer = link.take_certificate(Certificate::parse13(message.body())?.first)?;
                self.step = Step::Verify { peer };
            }
            (Step::Verify { peer }, CERTIFICATE_VERIFY) => {
                self.session.check_signature(peer, Role::Client, message.body())?;
                self.step = Step::Finished;
            }
            (Step::Finished, FINISHED) => {
                self.session.check_finished(Role::Client, message.body())?;
                // The client's flight says that it has all of ours, and an ACK answers it.
                link.begin_flight(false);
                return Ok(Progress::Done(self.session.connected(link, &self.established)));
            }
            _ => return Err(Fault::Unexpected),
        }
        self.session.transcript.add(&message.raw);
        Ok(Progress::More)
    }
}

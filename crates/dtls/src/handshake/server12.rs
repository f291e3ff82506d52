//! The server of DTLS 1.2 (RFC 5246 §7.3, RFC 8422).
//!
//! ```text
//! ClientHello ->
//!             <- ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone
//! Certificate, ClientKeyExchange, CertificateVerify, (ChangeCipherSpec), Finished ->
//!             <- (ChangeCipherSpec), Finished
//! ```
//!
//! The last flight is kept until data comes: if it is lost, the client sends its own again.

use crypto::identity::PublicKey;

use super::client::{OUR_SCHEME, scheme};
use super::schedule12::{Master, Session12, push_change_cipher_spec};
use super::share::Share;
use super::{Fault, Link, Progress, Transcript, alert};
use crate::message::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, Certificate,
    CertificateRequest, CertificateVerify, ClientHello, ClientKeyExchange, DOWNGRADE, EXTENDED_MASTER_SECRET,
    FINISHED, Group, SERVER_HELLO, SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE, SUITES12, ServerHello,
    ServerKeyExchange,
};
use crate::reassembly::Message;
use crate::{Cipher, Role, Version};

#[derive(Debug)]
pub(crate) struct Server12 {
    session: Session12,
    share: Share,
    step: Step,
}

/// The message that is awaited.
#[derive(Debug)]
enum Step {
    Certificate,
    KeyExchange { peer: PublicKey },
    Verify { peer: PublicKey, master: Master },
    Finished { master: Master },
}

/// Chooses among the offers by our preference.
fn choose(hello: &ClientHello<'_>) -> Result<(u16, Cipher, Group), Fault> {
    let failure = |what| Fault::Fatal(alert::HANDSHAKE_FAILURE, what);
    let mut suites = SUITES12.into_iter().filter(|(_, _, rsa)| !rsa);
    let (suite, cipher, _) = suites
        .find(|(code, ..)| hello.offers_suite(*code))
        .ok_or(failure("the client offers no cipher of ours (ECDHE, ECDSA, AES-GCM)"))?;
    let group = Group::CURVES.into_iter().find(|group| hello.offers_group(*group));
    let group = group.ok_or(failure("the client offers none of the groups X25519 and P-256"))?;
    if !hello.offers_scheme(OUR_SCHEME) {
        return Err(failure("the client cannot verify ECDSA on P-256 with SHA-256"));
    }
    if !hello.extensions.has(EXTENDED_MASTER_SECRET) {
        return Err(failure("the client does not know the extended master secret (RFC 7627)"));
    }
    Ok((suite, cipher, group))
}

/// Our random. A client that offered DTLS 1.3 sees at its end when somebody took the offer away.
fn random(link: &mut Link) -> [u8; 32] {
    let mut random: [u8; 32] = link.rng.array();
    if link.config.versions.contains(&Version::Dtls13) {
        random[24..].copy_from_slice(&DOWNGRADE);
    }
    random
}

impl Server12 {
    /// Answers a hello.
    pub(crate) fn new(link: &mut Link, hello: &ClientHello<'_>, message: &Message) -> Result<Self, Fault> {
        let (suite, cipher, group) = choose(hello)?;
        let mut session = Session12 {
            transcript: Transcript::default(),
            client_random: hello.random.try_into().map_err(|_| Fault::Malformed)?,
            server_random: random(link),
            cipher,
            srtp: hello.extensions.srtp_profile(&link.config.srtp_profiles)?,
        };
        session.transcript.add(&message.raw);
        let certificate = link.config.certificate.clone();
        let share = Share::new(&mut link.rng, group);
        let parameters = ServerKeyExchange::parameters(group, &share.public());
        let signature = certificate.sign(&session.signed_parameters(&parameters));
        let renegotiation = hello.knows_renegotiation_info();
        let answer = ServerHello::write12(
            &session.server_random,
            suite,
            hello.extensions,
            renegotiation,
            session.srtp,
        );
        let exchange = ServerKeyExchange::write(&parameters, OUR_SCHEME, &signature);
        let transcript = &mut session.transcript;
        link.begin_flight(true);
        link.send(transcript, 0, SERVER_HELLO, &answer);
        link.send(transcript, 0, CERTIFICATE, &Certificate::write12(certificate.der()));
        link.send(transcript, 0, SERVER_KEY_EXCHANGE, &exchange);
        link.send(transcript, 0, CERTIFICATE_REQUEST, &CertificateRequest::write12());
        link.send(transcript, 0, SERVER_HELLO_DONE, &[]);
        Ok(Self { session, share, step: Step::Certificate })
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        let next = match (&self.step, message.kind()) {
            (Step::Certificate, CERTIFICATE) => {
                let peer = link.take_certificate(Certificate::parse12(message.body())?.first)?;
                Step::KeyExchange { peer }
            }
            (Step::KeyExchange { peer }, CLIENT_KEY_EXCHANGE) => {
                let exchange = ClientKeyExchange::parse(message.body())?;
                let premaster = self.share.agree(exchange.public)?;
                self.session.transcript.add(&message.raw);
                let master = self.session.master(&premaster);
                self.step = Step::Verify { peer: peer.clone(), master };
                return Ok(Progress::More);
            }
            (Step::Verify { peer, master }, CERTIFICATE_VERIFY) => {
                let verify = CertificateVerify::parse(message.body())?;
                let signed = self.session.transcript.bytes();
                if !peer.verify(scheme(verify.scheme)?, signed, verify.signature) {
                    let what = "the client does not have the key of its certificate";
                    return Err(Fault::Fatal(alert::DECRYPT_ERROR, what));
                }
                self.session.install(link, master);
                Step::Finished { master: master.clone() }
            }
            (Step::Finished { master }, FINISHED) if message.epoch == 1 => {
                self.session.check_finished(master, Role::Client, message.body())?;
                self.session.transcript.add(&message.raw);
                let verify_data = self.session.verify_data(master, Role::Server);
                link.begin_flight(false);
                push_change_cipher_spec(&mut link.flight);
                link.send(&mut self.session.transcript, 1, FINISHED, &verify_data);
                return Ok(Progress::Done(self.session.connected(link, master)));
            }
            _ => return Err(Fault::Unexpected),
        };
        self.session.transcript.add(&message.raw);
        self.step = next;
        Ok(Progress::More)
    }
}

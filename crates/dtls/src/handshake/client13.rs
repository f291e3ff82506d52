//! The client of DTLS 1.3 after ServerHello (RFC 8446 §2, RFC 9147 §5).
//!
//! ```text
//!             <- {EncryptedExtensions, CertificateRequest, Certificate, CertificateVerify, Finished}
//! {Certificate, CertificateVerify, Finished} ->
//!             <- [ACK]
//! ```
//!
//! The client may send data at once behind its Finished.

use crypto::identity::PublicKey;
use wire::Reader;

use super::client::OUR_SCHEME;
use super::schedule13::{HANDSHAKE_EPOCH, Session13};
use super::{Fault, Link, Progress, alert};
use crate::Role;
use crate::message::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, Certificate, CertificateRequest,
    ENCRYPTED_EXTENSIONS, Extensions, FINISHED, end,
};
use crate::reassembly::Message;

#[derive(Debug)]
pub(crate) struct Client13 {
    session: Session13,
    /// The context of the server's CertificateRequest, if it sent one.
    request: Option<Vec<u8>>,
    step: Step,
}

/// The message that is awaited.
#[derive(Debug)]
enum Step {
    EncryptedExtensions,
    /// CertificateRequest may come first.
    Certificate,
    Verify {
        peer: PublicKey,
    },
    Finished,
}

impl Client13 {
    pub(crate) const fn new(session: Session13) -> Self {
        Self { session, request: None, step: Step::EncryptedExtensions }
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        if message.epoch != HANDSHAKE_EPOCH {
            return Err(Fault::Unexpected);
        }
        match (&self.step, message.kind()) {
            (Step::EncryptedExtensions, ENCRYPTED_EXTENSIONS) => {
                let mut r = Reader::new(message.body());
                let extensions = Extensions::parse(&mut r)?;
                end(&r)?;
                self.session.srtp = extensions.srtp_profile(&link.config.srtp_profiles)?;
                self.step = Step::Certificate;
            }
            (Step::Certificate, CERTIFICATE_REQUEST) if self.request.is_none() => {
                let request = CertificateRequest::parse13(message.body())?;
                if !request.accepts(OUR_SCHEME) {
                    let what = "the server does not take certificates with ECDSA on P-256";
                    return Err(Fault::Fatal(alert::HANDSHAKE_FAILURE, what));
                }
                self.request = Some(request.context.to_vec());
            }
            (Step::Certificate, CERTIFICATE) => {
                let peer = link.take_certificate(Certificate::parse13(message.body())?.first)?;
                self.step = Step::Verify { peer };
            }
            (Step::Verify { peer }, CERTIFICATE_VERIFY) => {
                self.session.check_signature(peer, Role::Server, message.body())?;
                self.step = Step::Finished;
            }
            (Step::Finished, FINISHED) => {
                self.session.check_finished(Role::Server, message.body())?;
                self.session.transcript.add(&message.raw);
                let established = self.session.install_data(link);
                self.answer(link);
                return Ok(Progress::Done(self.session.connected(link, &established)));
            }
            _ => return Err(Fault::Unexpected),
        }
        self.session.transcript.add(&message.raw);
        Ok(Progress::More)
    }

    /// Sends our flight.
    fn answer(&mut self, link: &mut Link) {
        link.begin_flight(true);
        if let Some(context) = &self.request {
            let certificate = link.config.certificate.clone();
            let body = Certificate::write13(context, certificate.der());
            link.send(&mut self.session.transcript, HANDSHAKE_EPOCH, CERTIFICATE, &body);
            let verify = self.session.sign(link);
            link.send(&mut self.session.transcript, HANDSHAKE_EPOCH, CERTIFICATE_VERIFY, &verify);
        }
        self.session.send_finished(link);
    }
}

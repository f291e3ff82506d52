//! The client until the version is settled.
//!
//! ```text
//! ClientHello ->
//!             <- HelloVerifyRequest (a server of DTLS 1.2 that wants a cookie), or
//!             <- HelloRetryRequest (a server of DTLS 1.3 that wants a cookie or another key share)
//! ClientHello ->
//!             <- ServerHello, which says the version
//! ```

use crypto::identity::SignatureScheme;

use super::client12::Client12;
use super::client13::Client13;
use super::schedule13::Session13;
use super::share::Share;
use super::{Fault, Link, Negotiation, Progress, Transcript, alert};
use crate::message::{
    Builder, CLIENT_HELLO, COOKIE, ClientHello, DOWNGRADE, Group, HELLO_VERIFY_REQUEST, HelloVerifyRequest,
    KEY_SHARE, SERVER_HELLO, SUITES12, SUITES13, SUPPORTED_VERSIONS, ServerHello,
};
use crate::reassembly::Message;
use crate::{Cipher, Version};

/// Our hello, to which the server has not agreed yet.
#[derive(Debug)]
pub(crate) struct Offer {
    transcript: Transcript,
    random: [u8; 32],
    /// The key shares offered; none when DTLS 1.3 is not.
    shares: Vec<Share>,
    /// The cookie of DTLS 1.2 or 1.3 that the server wanted back.
    cookie: Option<(Version, Vec<u8>)>,
    /// The cipher of a HelloRetryRequest, which the server must keep.
    retried: Option<u16>,
}

/// How we sign: with our P-256 key.
pub(crate) const OUR_SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;

impl Offer {
    /// Sends the first hello.
    pub(crate) fn new(link: &mut Link) -> Self {
        let random = link.rng.array();
        let groups: &[Group] =
            match (link.config.versions.contains(&Version::Dtls13), link.config.post_quantum) {
                (false, _) => &[],
                (true, false) => &[Group::X25519],
                (true, true) => &[Group::X25519MlKem768, Group::X25519],
            };
        let shares = groups.iter().map(|group| Share::new(&mut link.rng, *group)).collect();
        let transcript = Transcript::default();
        let mut offer = Self { transcript, random, shares, cookie: None, retried: None };
        offer.send(link);
        offer
    }

    fn send(&mut self, link: &mut Link) {
        let has = |version| link.config.versions.contains(&version);
        let mut suites = Vec::new();
        let mut groups = Group::CURVES.to_vec();
        if has(Version::Dtls13) {
            suites.extend(SUITES13.map(|(code, _)| code));
            if link.config.post_quantum {
                groups.insert(0, Group::X25519MlKem768);
            }
        }
        if has(Version::Dtls12) {
            suites.extend(SUITES12.map(|(code, ..)| code));
        }
        let cookie12 = match &self.cookie {
            Some((Version::Dtls12, cookie)) => &cookie[..],
            Some((Version::Dtls13, _)) | None => &[],
        };
        let srtp = &link.config.srtp_profiles;
        let body = ClientHello::write(&self.random, cookie12, &suites, &groups, srtp, |b| {
            if has(Version::Dtls13) {
                self.put_13(b, &link.config.versions);
            }
        });
        link.begin_flight(true);
        link.send(&mut self.transcript, 0, CLIENT_HELLO, &body);
    }

    /// The extensions of DTLS 1.3.
    fn put_13(&self, b: &mut Builder, versions: &[Version]) {
        b.extension(SUPPORTED_VERSIONS, |b| {
            b.vec(1, |b| {
                for version in [Version::Dtls13, Version::Dtls12] {
                    if versions.contains(&version) {
                        b.u16(version.code());
                    }
                }
            });
        });
        b.extension(KEY_SHARE, |b| {
            b.vec(2, |b| {
                for share in &self.shares {
                    b.u16(share.group.code()).vec(2, |b| {
                        b.put(&share.public());
                    });
                }
            });
        });
        if let Some((Version::Dtls13, cookie)) = &self.cookie {
            b.extension(COOKIE, |b| {
                b.vec(2, |b| {
                    b.put(cookie);
                });
            });
        }
    }

    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        if message.epoch != 0 {
            return Err(Fault::Unexpected);
        }
        match message.kind() {
            HELLO_VERIFY_REQUEST if self.cookie.is_none() && self.retried.is_none() => {
                let request = HelloVerifyRequest::parse(message.body())?;
                self.cookie = Some((Version::Dtls12, request.cookie.to_vec()));
                self.transcript.clear();
                self.send(link);
                Ok(Progress::More)
            }
            SERVER_HELLO => {
                let hello = ServerHello::parse(message.body())?;
                match (hello.is_13() && !self.shares.is_empty(), hello.is_retry()) {
                    (true, true) => self.on_retry(link, &hello, message),
                    (true, false) => self.on_hello_13(link, &hello, message),
                    (false, _) => self.on_hello_12(link, &hello, message),
                }
            }
            _ => Err(Fault::Unexpected),
        }
    }

    fn on_retry(
        &mut self,
        link: &mut Link,
        hello: &ServerHello<'_>,
        message: &Message,
    ) -> Result<Progress, Fault> {
        if self.retried.is_some() {
            return Err(Fault::Unexpected);
        }
        let cipher = cipher13(hello.suite)?;
        let (wanted, cookie) = hello.retry()?;
        if wanted.is_none() && cookie.is_none() {
            return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the server asks for the same hello again"));
        }
        if let Some(code) = wanted {
            let group = group(code)?;
            let offered = group != Group::X25519MlKem768 || link.config.post_quantum;
            if !offered || self.shares.iter().any(|share| share.group == group) {
                let what = "the server asks for a key share that it has, or that was not offered";
                return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, what));
            }
            self.shares = vec![Share::new(&mut link.rng, group)];
        }
        self.cookie = cookie.map(|cookie| (Version::Dtls13, cookie.to_vec()));
        self.retried = Some(hello.suite);
        self.transcript.become_retry(cipher.hash());
        self.transcript.add(&message.raw);
        self.send(link);
        Ok(Progress::More)
    }

    fn on_hello_13(
        &mut self,
        link: &mut Link,
        hello: &ServerHello<'_>,
        message: &Message,
    ) -> Result<Progress, Fault> {
        let cipher = cipher13(hello.suite)?;
        if self.retried.is_some_and(|suite| suite != hello.suite) {
            return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the server changed its cipher"));
        }
        let (code, answer) = hello.key_share()?;
        let share = self.shares.iter().find(|share| share.group.code() == code);
        let share = share.ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the server took another group"))?;
        let shared = share.agree(answer)?;
        let mut transcript = std::mem::take(&mut self.transcript);
        transcript.become_13();
        transcript.add(&message.raw);
        let session = Session13::new(link, transcript, cipher, None, &shared);
        Ok(Progress::Become(Box::new(Negotiation::Client13(Client13::new(session)))))
    }

    fn on_hello_12(
        &mut self,
        link: &Link,
        hello: &ServerHello<'_>,
        message: &Message,
    ) -> Result<Progress, Fault> {
        let forced = !self.shares.is_empty() && hello.random.ends_with(&DOWNGRADE);
        if forced || self.retried.is_some() {
            let what = "the server has DTLS 1.3, but somebody made it choose DTLS 1.2";
            return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, what));
        }
        if !link.config.versions.contains(&Version::Dtls12) {
            return Err(Fault::Fatal(alert::PROTOCOL_VERSION, "the server has no version in common with us"));
        }
        let mut transcript = std::mem::take(&mut self.transcript);
        transcript.add(&message.raw);
        let client = Client12::new(link, transcript, self.random, hello)?;
        Ok(Progress::Become(Box::new(Negotiation::Client12(client))))
    }
}

fn cipher13(suite: u16) -> Result<Cipher, Fault> {
    let found = SUITES13.into_iter().find(|(code, _)| *code == suite);
    found
        .map(|(_, cipher)| cipher)
        .ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the server took a cipher not offered"))
}

/// The signature scheme with this number, which the peer took from our list.
pub(crate) fn scheme(code: u16) -> Result<SignatureScheme, Fault> {
    SignatureScheme::from_code(code)
        .ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the peer signs in a way that was not offered"))
}

/// The group with this number, which the peer took from our list.
pub(crate) fn group(code: u16) -> Result<Group, Fault> {
    Group::from_code(code)
        .ok_or(Fault::Fatal(alert::ILLEGAL_PARAMETER, "the peer took a group that was not offered"))
}

//! Who sends a request (RFC 8489 §9.2.4), without remembering anyone.
//!
//! A nonce is its own proof: the nonce cookie, an expiry, and a tag over the expiry and the client's address.
//! It is checked before the password is even derived, so a sender with a forged address costs one HMAC.

use super::reply::{Reply, Request};
use crate::{Config, FiveTuple};
use crypto::{HmacSha1, HmacSha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use stun::attribute::{
    Algorithm, Attribute, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username,
};
use stun::{LongTerm, Message, NonceCookie, rest};
use wire::{Instant, Rng, Short, Writer};

pub(super) struct Auth {
    realm: String,
    secret: Option<HmacSha1>,
    /// Name to password.
    users: BTreeMap<String, String>,
    /// USERHASH to name.
    hashes: BTreeMap<[u8; 32], String>,
    nonce_key: HmacSha256,
    nonce_secs: u64,
    cookie: NonceCookie,
    /// The wall clock: Unix seconds at an instant.
    clock: Option<(Instant, u64)>,
}

/// Who an allocation belongs to.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The name that quotas count: of `expiry:name` the name.
    pub(super) name: Box<str>,
    /// The time of time-limited credentials is over. It still proves who holds an existing allocation: a call
    /// may last longer than the credentials that began it.
    pub(super) expired: bool,
}

const NONCE_LEN: usize = NonceCookie::LEN + 8 + 24;

impl Auth {
    pub(super) fn new(config: &Config, rng: &mut Rng) -> Self {
        let names = config.users.iter().map(|(name, _)| name);
        let hashes: BTreeMap<_, _> =
            names.map(|name| (stun::user_hash(name, &config.realm), name.clone())).collect();
        Self {
            realm: config.realm.clone(),
            secret: config.secret.as_deref().map(HmacSha1::new),
            users: config.users.iter().cloned().collect(),
            // A time-limited user name cannot be told from its hash, so hashes are offered without them only.
            cookie: NonceCookie {
                password_algorithms: true,
                username_anonymity: config.secret.is_none() && !hashes.is_empty(),
            },
            hashes,
            nonce_key: HmacSha256::new(&rng.array::<32>()),
            nonce_secs: config.nonce_lifetime.as_secs().max(1),
            clock: None,
        }
    }

    pub(super) const fn set_time(&mut self, now: Instant, unix_seconds: u64) {
        self.clock = Some((now, unix_seconds));
    }

    /// Whether credentials that end at `expiry` still hold. Before the clock is set none do.
    fn is_expired(&self, now: Instant, expiry: u64) -> bool {
        self.clock.is_none_or(|(at, unix)| unix + now.saturating_since(at).as_secs() >= expiry)
    }

    /// The sender of a request, or what to answer.
    pub(super) fn check<'a>(
        &self,
        now: Instant,
        client: FiveTuple,
        message: Message<'a>,
    ) -> Result<Request<'a>, ErrorCode<'static>> {
        let integrity = message.integrity().ok_or(ErrorCode::UNAUTHENTICATED)?;
        let realm = required::<Realm<'_>>(&message)?;
        let nonce = required::<Nonce<'_>>(&message)?;
        if !self.is_fresh(now, &client, nonce.0) {
            return Err(ErrorCode::STALE_NONCE);
        }
        let algorithm = algorithm(&message)?;
        let hash = optional::<UserHash>(&message)?;
        let username = optional::<Username<'_>>(&message)?;
        let username = match (&hash, username) {
            (Some(UserHash(hash)), None) => self.hashes.get(hash).map(String::as_str),
            (None, Some(Username(name))) => Some(name),
            (Some(_), Some(_)) | (None, None) => return Err(ErrorCode::BAD_REQUEST),
        };
        let username = username.ok_or(ErrorCode::UNAUTHENTICATED)?;
        let (identity, password) = self.user(now, username).ok_or(ErrorCode::UNAUTHENTICATED)?;
        let key = LongTerm { username, realm: &self.realm, password: &password }.key(algorithm);
        if realm.0 != self.realm || !message.verify(&key) {
            return Err(ErrorCode::UNAUTHENTICATED);
        }
        let reply = Reply { integrity: Some((key, integrity)), ..Reply::to(client, &message) };
        Ok(Request { message, client, identity, reply })
    }

    /// Identity and password of a user name.
    fn user(&self, now: Instant, username: &str) -> Option<(Identity, String)> {
        if let Some(password) = self.users.get(username) {
            return Some((Identity { name: username.into(), expired: false }, password.clone()));
        }
        let secret = self.secret.as_ref()?;
        let (expiry, name) = rest::split(username)?;
        let identity = Identity { name: name.into(), expired: self.is_expired(now, expiry) };
        Some((identity, rest::password(secret, username)))
    }

    /// What a challenge tells (RFC 8489 §9.2.3).
    pub(super) fn challenge(
        &self,
        now: Instant,
        client: &FiveTuple,
        w: &mut stun::Writer<'_>,
    ) -> Result<(), Short> {
        w.put(&Realm(&self.realm))?;
        let nonce = self.nonce(client, now.as_secs() + self.nonce_secs);
        w.put_raw(<Nonce<'_> as Attribute<'_>>::KIND, &nonce)?;
        w.put(&PasswordAlgorithms::BOTH)
    }

    fn nonce(&self, client: &FiveTuple, expiry: u64) -> [u8; NONCE_LEN] {
        // 32 bits of seconds since the driver's origin wrap after 136 years.
        let expiry = u32::try_from(expiry).unwrap_or(u32::MAX).to_be_bytes();
        let ip = match client.remote.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let tag = self.nonce_key.tag(&[&expiry, &ip, &client.remote.port().to_be_bytes()]);
        let mut nonce = [0; NONCE_LEN];
        nonce[..NonceCookie::LEN].copy_from_slice(&self.cookie.text());
        let mut w = Writer::new(&mut nonce[NonceCookie::LEN..]);
        for byte in expiry.iter().chain(&tag[..12]) {
            let digit = |n: u8| b"0123456789abcdef"[usize::from(n)];
            w.put(&[digit(byte >> 4), digit(byte & 15)]).expect("16 bytes are 32 digits");
        }
        nonce
    }

    fn is_fresh(&self, now: Instant, client: &FiveTuple, nonce: &str) -> bool {
        let Some(expiry) = nonce.get(NonceCookie::LEN..NonceCookie::LEN + 8) else { return false };
        let Ok(expiry) = u32::from_str_radix(expiry, 16) else { return false };
        let genuine = crypto::constant_time_eq(nonce.as_bytes(), &self.nonce(client, expiry.into()));
        genuine && now.as_secs() < u64::from(expiry)
    }
}

impl Reply {
    /// An answer to `message`, as yet without integrity.
    pub(super) fn to(client: FiveTuple, message: &Message<'_>) -> Self {
        Self {
            client,
            method: message.method(),
            id: message.transaction_id(),
            integrity: None,
            fingerprint: message.raw(stun::attribute::FINGERPRINT).is_some(),
        }
    }
}

/// An attribute that a request with integrity must have.
fn required<'a, A: Attribute<'a>>(message: &Message<'a>) -> Result<A, ErrorCode<'static>> {
    optional(message)?.ok_or(ErrorCode::BAD_REQUEST)
}

/// An attribute that must make sense if it is there.
pub(super) fn optional<'a, A: Attribute<'a>>(message: &Message<'a>) -> Result<Option<A>, ErrorCode<'static>> {
    message.get().map_err(|_| ErrorCode::BAD_REQUEST)
}

/// The password algorithm of a request (RFC 8489 §9.2.4): a client that chooses must echo exactly what we
/// offer, or somebody in the path has taken the stronger one away.
fn algorithm(message: &Message<'_>) -> Result<Algorithm, ErrorCode<'static>> {
    let chosen = optional::<PasswordAlgorithm>(message)?;
    let echoed = optional::<PasswordAlgorithms<'_>>(message)?;
    match (chosen, echoed) {
        (None, None) => Ok(Algorithm::Md5),
        (Some(PasswordAlgorithm(chosen)), Some(echoed)) if echoed == PasswordAlgorithms::BOTH => Ok(chosen),
        (_, _) => Err(ErrorCode::BAD_REQUEST),
    }
}

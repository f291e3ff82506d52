//! The few STUN and TURN messages that a load needs (RFC 8489, RFC 8656), written apart from the server's code:
//! an error of the server must not be shared by what measures it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};

const COOKIE: u32 = 0x2112_A442;

pub(crate) const ALLOCATE: u16 = 0x003;
pub(crate) const REFRESH: u16 = 0x004;
pub(crate) const CHANNEL_BIND: u16 = 0x009;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000C;
const LIFETIME: u16 = 0x000D;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;

/// Who we are to the server, once it has challenged us (RFC 8489 §9.2).
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What the server answered to be authenticated with.
#[derive(Clone, Default)]
pub(crate) struct Challenge {
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
}

/// A request being written.
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: u16, transaction: u64) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(method.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(transaction.to_be_bytes());
        Self { bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// REQUESTED-TRANSPORT: UDP.
    pub(crate) fn udp(mut self) -> Self {
        self.attribute(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        self
    }

    pub(crate) fn lifetime(mut self, seconds: u32) -> Self {
        self.attribute(LIFETIME, &seconds.to_be_bytes());
        self
    }

    pub(crate) fn channel(mut self, number: u16, peer: SocketAddr) -> Self {
        self.attribute(CHANNEL_NUMBER, &(u32::from(number) << 16).to_be_bytes());
        let mut value = vec![0, if peer.is_ipv4() { 1 } else { 2 }];
        let mask = [COOKIE.to_be_bytes().as_slice(), &self.bytes[8..20]].concat();
        value.extend((peer.port() ^ 0x2112).to_be_bytes());
        match peer.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(&mask).map(|(a, b)| a ^ b)),
            IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(&mask).map(|(a, b)| a ^ b)),
        }
        self.attribute(XOR_PEER_ADDRESS, &value);
        self
    }

    /// Adds the credentials and the MESSAGE-INTEGRITY over all of it (RFC 8489 §14.5).
    pub(crate) fn signed(mut self, credentials: &Credentials, challenge: &Challenge) -> Vec<u8> {
        self.attribute(USERNAME, credentials.user.as_bytes());
        self.attribute(REALM, &challenge.realm);
        self.attribute(NONCE, &challenge.nonce);
        let key = crypto::md5(&[
            credentials.user.as_bytes(),
            b":",
            &challenge.realm,
            b":",
            credentials.password.as_bytes(),
        ]);
        self.set_length(24);
        let tag = crypto::HmacSha1::new(&key).tag(&[&self.bytes]);
        self.attribute(MESSAGE_INTEGRITY, &tag);
        self.bytes
    }

    pub(crate) fn unsigned(mut self) -> Vec<u8> {
        self.set_length(0);
        self.bytes
    }

    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.bytes.len() - 20 + more).unwrap_or(u16::MAX);
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// What a response says.
pub(crate) enum Answer {
    /// It was granted; with the relayed address in the answer to an Allocate.
    Granted(Option<SocketAddr>),
    /// 401 or 438: try again with this.
    Challenged(Challenge),
    /// Anything else.
    Refused(u16),
}

/// Reads a response to `transaction`; `None` for anything else.
pub(crate) fn answer(bytes: &[u8], transaction: u64) -> Result<Option<Answer>> {
    if bytes.len() < 20 || bytes[0] & 0xC0 != 0 || bytes[12..20] != transaction.to_be_bytes() {
        return Ok(None);
    }
    let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
    let (mut challenge, mut relayed, mut code) = (Challenge::default(), None, 0);
    let mut rest = &bytes[20..];
    while rest.len() >= 4 {
        let (kind, length) =
            (u16::from_be_bytes([rest[0], rest[1]]), usize::from(rest[2]) << 8 | usize::from(rest[3]));
        let value = rest.get(4..4 + length).context("an attribute is longer than its message")?;
        match kind {
            REALM => challenge.realm = value.to_vec(),
            NONCE => challenge.nonce = value.to_vec(),
            ERROR_CODE => code = value.get(2..4).map_or(0, |v| u16::from(v[0]) * 100 + u16::from(v[1])),
            XOR_RELAYED_ADDRESS => relayed = Some(unmask(value, &bytes[4..20])?),
            _other => {}
        }
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Some(match (kind & 0x0110, code) {
        (0x0100, _) => Answer::Granted(relayed),
        (0x0110, 401 | 438) => Answer::Challenged(challenge),
        (0x0110, code) => Answer::Refused(code),
        _request => return Ok(None),
    }))
}

/// Reads an address that is masked with the cookie and the transaction (RFC 8489 §14.2).
fn unmask(value: &[u8], mask: &[u8]) -> Result<SocketAddr> {
    let [_, family, high, low, ip @ ..] = value else { bail!("an address of {} bytes", value.len()) };
    let port = u16::from_be_bytes([*high, *low]) ^ 0x2112;
    let mut plain = [0; 16];
    for ((out, a), b) in plain.iter_mut().zip(ip).zip(mask) {
        *out = a ^ b;
    }
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::new(plain[0], plain[1], plain[2], plain[3])),
        _six => IpAddr::V6(Ipv6Addr::from(plain)),
    };
    Ok(SocketAddr::new(ip, port))
}

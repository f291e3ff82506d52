use wire::{Reader, Short};

use super::extensions::{
    COOKIE, EC_POINT_FORMATS, EXTENDED_MASTER_SECRET, KEY_SHARE, RENEGOTIATION_INFO, SUPPORTED_VERSIONS,
};
use super::{Builder, Extensions, Group, end, vec8, vec16};
use crate::{SrtpProfile, Version};

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// How the random of a server ends that has DTLS 1.3 but was not offered it (RFC 8446 §4.1.3): a client that
/// did offer it knows that somebody changed its hello.
pub(crate) const DOWNGRADE: [u8; 8] = *b"DOWNGRD\x01";

/// ServerHello (RFC 5246 §7.4.1.3, RFC 8446 §4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ServerHello<'a> {
    pub(crate) random: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let version = r.u16()?;
        let random = r.take(32)?;
        vec8(&mut r)?; // the session id: we offered none, so it names a session that we will not resume
        let suite = r.u16()?;
        let compression = r.u8()?;
        let extensions = Extensions::parse(&mut r)?;
        end(&r)?;
        if version != Version::Dtls12.code() || compression != 0 {
            return Err(Short);
        }
        Ok(Self { random, suite, extensions })
    }

    /// Whether the server chose DTLS 1.3.
    pub(crate) fn is_13(&self) -> bool {
        self.extensions.get(SUPPORTED_VERSIONS) == Some(&Version::Dtls13.code().to_be_bytes())
    }

    /// Whether it is a HelloRetryRequest.
    pub(crate) fn is_retry(&self) -> bool {
        self.random == RETRY_RANDOM
    }

    /// The group and key share of the server (RFC 8446 §4.2.8).
    pub(crate) fn key_share(&self) -> Result<(u16, &'a [u8]), Short> {
        let mut r = Reader::new(self.extensions.get(KEY_SHARE).ok_or(Short)?);
        let share = (r.u16()?, vec16(&mut r)?);
        end(&r)?;
        Ok(share)
    }

    /// What a HelloRetryRequest wants: a key share of this group, and this cookie back.
    pub(crate) fn retry(&self) -> Result<(Option<u16>, Option<&'a [u8]>), Short> {
        let group = self.extensions.get(KEY_SHARE).map(|content| Reader::new(content).u16()).transpose()?;
        let cookie =
            self.extensions.get(COOKIE).map(|content| vec16(&mut Reader::new(content))).transpose()?;
        Ok((group, cookie))
    }

    /// Writes an answer of DTLS 1.3; without a key share it is a HelloRetryRequest for `group`.
    pub(crate) fn write13(random: &[u8; 32], suite: u16, group: Group, share: Option<&[u8]>) -> Vec<u8> {
        let mut b = Builder::default();
        let random = if share.is_some() { random } else { &RETRY_RANDOM };
        b.u16(Version::Dtls12.code()).put(random).vec(1, |_| ()).u16(suite).u8(0);
        b.vec(2, |b| {
            b.extension(SUPPORTED_VERSIONS, |b| {
                b.u16(Version::Dtls13.code());
            });
            b.extension(KEY_SHARE, |b| {
                b.u16(group.code());
                if let Some(share) = share {
                    b.vec(2, |b| {
                        b.put(share);
                    });
                }
            });
        });
        b.0
    }

    /// Writes an answer of DTLS 1.2. Extensions answer only what the client sent.
    pub(crate) fn write12(
        random: &[u8; 32],
        suite: u16,
        asked: Extensions<'_>,
        renegotiation_info: bool,
        srtp: Option<SrtpProfile>,
    ) -> Vec<u8> {
        let mut b = Builder::default();
        b.u16(Version::Dtls12.code()).put(random).vec(1, |_| ()).u16(suite).u8(0);
        b.vec(2, |b| {
            b.extension(EXTENDED_MASTER_SECRET, |_| ());
            if renegotiation_info {
                b.extension(RENEGOTIATION_INFO, |b| {
                    b.u8(0);
                });
            }
            if asked.has(EC_POINT_FORMATS) {
                b.extension(EC_POINT_FORMATS, |b| {
                    b.u8(1).u8(0);
                });
            }
            Extensions::put_srtp(b, srtp.as_slice());
        });
        b.0
    }
}

/// HelloVerifyRequest (RFC 6347 §4.2.1): a server that wants to see that our address is ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HelloVerifyRequest<'a> {
    pub(crate) cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        r.u16()?; // any version: RFC 6347 lets servers say 1.0 here
        let cookie = vec8(&mut r)?;
        end(&r)?;
        Ok(Self { cookie })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ClientHello;

    #[test]
    fn an_answer_has_what_was_asked_and_no_more() {
        let asked = ClientHello::write(&[7; 32], b"", &[1], &[], &[], |_| ());
        let asked = ClientHello::parse(&asked).unwrap().extensions;
        let check = |asked, renegotiation, srtp: Option<SrtpProfile>, kinds: [bool; 3]| {
            let written = ServerHello::write12(&[8; 32], 0xc02b, asked, renegotiation, srtp);
            let hello = ServerHello::parse(&written).unwrap();
            assert_eq!((hello.random, hello.suite), (&[8; 32][..], 0xc02b));
            let e = hello.extensions;
            let found = [RENEGOTIATION_INFO, EC_POINT_FORMATS, EXTENDED_MASTER_SECRET].map(|k| e.has(k));
            assert_eq!(found, kinds);
            assert_eq!(e.srtp_profile(&SrtpProfile::ALL), Ok(srtp));
            assert_eq!(ServerHello::parse(&written[..written.len() - 1]), Err(Short));
        };
        check(asked, true, Some(SrtpProfile::AeadAes256Gcm), [true; 3]);
        check(Extensions::default(), false, None, [false, false, true]);
    }

    #[test]
    fn cookies_are_found() {
        let body = [0xfe, 0xff, 3, 1, 2, 3];
        assert_eq!(HelloVerifyRequest::parse(&body), Ok(HelloVerifyRequest { cookie: &[1, 2, 3] }));
        assert_eq!(HelloVerifyRequest::parse(&body[..5]), Err(Short));
    }
}

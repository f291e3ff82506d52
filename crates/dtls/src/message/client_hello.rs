use crypto::identity::SignatureScheme;
use wire::{Reader, Short};

use super::extensions::{
    EC_POINT_FORMATS, EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO, SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS,
};
use super::{Builder, Extensions, Group, end, numbers, vec8, vec16};
use crate::{Cipher, SrtpProfile, Version};

/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and its relatives (RFC 5289 §3.2): what we offer, the preferred
/// first. The RSA ones are for servers with an RSA certificate; ours are ECDSA.
pub(crate) const SUITES12: [(u16, Cipher, bool); 4] = [
    (0xc02b, Cipher::Aes128Gcm, false),
    (0xc02c, Cipher::Aes256Gcm, false),
    (0xc02f, Cipher::Aes128Gcm, true),
    (0xc030, Cipher::Aes256Gcm, true),
];
/// TLS_AES_128_GCM_SHA256 and TLS_AES_256_GCM_SHA384 (RFC 8446 appendix B.4), the preferred first.
pub(crate) const SUITES13: [(u16, Cipher); 2] = [(0x1301, Cipher::Aes128Gcm), (0x1302, Cipher::Aes256Gcm)];
/// RFC 5746 §3.3: says what an empty renegotiation_info would.
const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// ClientHello (RFC 6347 §4.2.1, RFC 9147 §5.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientHello<'a> {
    pub(crate) random: &'a [u8],
    pub(crate) session_id: &'a [u8],
    pub(crate) cookie: &'a [u8],
    cipher_suites: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let version = r.u16()?;
        let random = r.take(32)?;
        let session_id = vec8(&mut r)?;
        let cookie = vec8(&mut r)?;
        let cipher_suites = vec16(&mut r)?;
        let compressions = vec8(&mut r)?;
        let extensions = Extensions::parse(&mut r)?;
        end(&r)?;
        drop(numbers(cipher_suites)?);
        // DTLS counts its versions down from 0xffff; what is older than 1.2 is refused (RFC 8996).
        if version > Version::Dtls12.code() || !compressions.contains(&0) {
            return Err(Short);
        }
        Ok(Self { random, session_id, cookie, cipher_suites, extensions })
    }

    pub(crate) fn offers_suite(&self, code: u16) -> bool {
        numbers(self.cipher_suites).is_ok_and(|mut suites| suites.any(|s| s == code))
    }

    /// Whether the client knows secure renegotiation (RFC 5746 §3.6).
    pub(crate) fn knows_renegotiation_info(&self) -> bool {
        self.extensions.has(RENEGOTIATION_INFO) || self.offers_suite(RENEGOTIATION_SCSV)
    }

    /// Whether the client groups contain this one; one that lists none takes any (RFC 8422 §4).
    pub(crate) fn offers_group(&self, group: Group) -> bool {
        !self.extensions.has(SUPPORTED_GROUPS) || self.extensions.list_has(SUPPORTED_GROUPS, group.code())
    }

    pub(crate) fn offers_scheme(&self, scheme: SignatureScheme) -> bool {
        self.extensions.list_has(SIGNATURE_ALGORITHMS, scheme.code())
    }

    /// Writes what DTLS 1.2 wants of our hello, then the extensions that `more` adds.
    pub(crate) fn write(
        random: &[u8; 32],
        cookie: &[u8],
        suites: &[u16],
        groups: &[Group],
        srtp: &[SrtpProfile],
        more: impl FnOnce(&mut Builder),
    ) -> Vec<u8> {
        let mut b = Builder::default();
        b.u16(Version::Dtls12.code()).put(random).vec(1, |_| ());
        b.vec(1, |b| {
            b.put(cookie);
        });
        b.vec(2, |b| {
            for suite in suites {
                b.u16(*suite);
            }
        });
        b.vec(1, |b| {
            b.u8(0);
        });
        b.vec(2, |b| {
            b.extension(RENEGOTIATION_INFO, |b| {
                b.u8(0);
            });
            b.extension(EXTENDED_MASTER_SECRET, |_| ());
            b.extension(SUPPORTED_GROUPS, |b| {
                b.vec(2, |b| {
                    for group in groups {
                        b.u16(group.code());
                    }
                });
            });
            b.extension(EC_POINT_FORMATS, |b| {
                b.u8(1).u8(0);
            });
            b.extension(SIGNATURE_ALGORITHMS, put_schemes);
            Extensions::put_srtp(b, srtp);
            more(b);
        });
        b.0
    }
}

/// Writes the list of signatures that we can verify.
pub(crate) fn put_schemes(b: &mut Builder) {
    b.vec(2, |b| {
        for scheme in SignatureScheme::ALL {
            b.u16(scheme.code());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_shorter_is() {
        let suites = [0xc02b, 0xc02f];
        let groups = [Group::X25519, Group::P256];
        let srtp = [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];
        let written = ClientHello::write(&[7; 32], b"cookie", &suites, &groups, &srtp, |_| ());
        let hello = ClientHello::parse(&written).unwrap();
        assert_eq!((hello.random, hello.cookie), (&[7; 32][..], &b"cookie"[..]));
        assert!(hello.offers_suite(0xc02f) && !hello.offers_suite(0xc030));
        assert!(hello.offers_group(Group::P256) && hello.knows_renegotiation_info());
        assert!(hello.offers_scheme(SignatureScheme::Ed25519));
        assert!(hello.extensions.has(EXTENDED_MASTER_SECRET));
        let ours = [SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmHmacSha1_80];
        assert_eq!(hello.extensions.srtp_profile(&ours), Ok(Some(SrtpProfile::Aes128CmHmacSha1_80)));
        let end_of_suites = 2 + 32 + 1 + 7 + 6 + 2; // where a hello without extensions may end
        for end in (0..written.len()).filter(|end| *end != end_of_suites) {
            assert_eq!(ClientHello::parse(&written[..end]), Err(Short), "{end}");
        }
    }

    #[test]
    fn older_versions_and_doubled_extensions_are_refused() {
        let mut written = ClientHello::write(&[7; 32], b"", &[1], &[], &[], |_| ());
        written[1] = 0xff;
        assert_eq!(ClientHello::parse(&written), Err(Short), "DTLS 1.0");
        let doubled = ClientHello::write(&[7; 32], b"", &[1], &[], &[], |b| {
            b.extension(EXTENDED_MASTER_SECRET, |_| ());
        });
        assert_eq!(ClientHello::parse(&doubled), Err(Short));
    }
}

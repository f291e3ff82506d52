use crypto::identity::SignatureScheme;
use wire::{Reader, Short};

use super::client_hello::put_schemes;
use super::extensions::SIGNATURE_ALGORITHMS;
use super::{Builder, Extensions, end, numbers, vec8, vec16, vec24};

/// Certificate (RFC 5246 §7.4.2, RFC 8446 §4.4.2). Only the first certificate counts: fingerprints are of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Certificate<'a> {
    /// In DER; empty when the peer has none.
    pub(crate) first: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub(crate) fn parse12(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let mut chain = Reader::new(vec24(&mut r)?);
        end(&r)?;
        let first = if chain.rest().is_empty() { &[][..] } else { vec24(&mut chain)? };
        while !chain.rest().is_empty() {
            vec24(&mut chain)?;
        }
        Ok(Self { first })
    }

    /// The first certificate of DTLS 1.3 (RFC 8446 §4.4.2).
    pub(crate) fn parse13(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        vec8(&mut r)?;
        let mut chain = Reader::new(vec24(&mut r)?);
        end(&r)?;
        let mut first = None;
        while !chain.rest().is_empty() {
            let certificate = vec24(&mut chain)?;
            vec16(&mut chain)?;
            first = first.or(Some(certificate));
        }
        Ok(Self { first: first.unwrap_or_default() })
    }

    /// Writes a certificate of DTLS 1.3 that answers a request with this context.
    pub(crate) fn write13(context: &[u8], certificate: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.vec(1, |b| {
            b.put(context);
        });
        b.vec(3, |b| {
            b.vec(3, |b| {
                b.put(certificate);
            })
            .vec(2, |_| ());
        });
        b.0
    }

    pub(crate) fn write12(certificate: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.vec(3, |b| {
            b.vec(3, |b| {
                b.put(certificate);
            });
        });
        b.0
    }
}

/// CertificateRequest (RFC 5246 §7.4.4, RFC 8446 §4.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CertificateRequest<'a> {
    /// To be given back with the certificate; always empty in DTLS 1.2.
    pub(crate) context: &'a [u8],
    schemes: &'a [u8],
}

impl<'a> CertificateRequest<'a> {
    pub(crate) fn parse12(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        vec8(&mut r)?;
        let schemes = vec16(&mut r)?;
        vec16(&mut r)?;
        end(&r)?;
        drop(numbers(schemes)?);
        Ok(Self { context: &[], schemes })
    }

    /// Parses a request of DTLS 1.3 (RFC 8446 §4.3.2).
    pub(crate) fn parse13(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let context = vec8(&mut r)?;
        let extensions = Extensions::parse(&mut r)?;
        end(&r)?;
        let schemes = vec16(&mut Reader::new(extensions.get(SIGNATURE_ALGORITHMS).ok_or(Short)?))?;
        drop(numbers(schemes)?);
        Ok(Self { context, schemes })
    }

    /// Writes a request of DTLS 1.3.
    pub(crate) fn write13() -> Vec<u8> {
        let mut b = Builder::default();
        b.vec(1, |_| ()).vec(2, |b| {
            b.extension(SIGNATURE_ALGORITHMS, put_schemes);
        });
        b.0
    }

    pub(crate) fn accepts(&self, scheme: SignatureScheme) -> bool {
        numbers(self.schemes).is_ok_and(|mut schemes| schemes.any(|s| s == scheme.code()))
    }

    /// Writes a request for any certificate whose signatures we can verify.
    pub(crate) fn write12() -> Vec<u8> {
        const RSA_SIGN: u8 = 1;
        const ECDSA_SIGN: u8 = 64;
        let mut b = Builder::default();
        b.vec(1, |b| {
            b.u8(ECDSA_SIGN).u8(RSA_SIGN);
        });
        put_schemes(&mut b);
        b.vec(2, |_| ());
        b.0
    }
}

/// CertificateVerify (RFC 5246 §7.4.8, RFC 8446 §4.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CertificateVerify<'a> {
    pub(crate) scheme: u16,
    pub(crate) signature: &'a [u8],
}

impl<'a> CertificateVerify<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let scheme = r.u16()?;
        let signature = vec16(&mut r)?;
        end(&r)?;
        Ok(Self { scheme, signature })
    }

    pub(crate) fn write(scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.u16(scheme.code()).vec(2, |b| {
            b.put(signature);
        });
        b.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back_and_nothing_shorter_is() {
        let written = Certificate::write12(b"certificate");
        assert_eq!(Certificate::parse12(&written).unwrap().first, b"certificate");
        for end in 0..written.len() {
            assert_eq!(Certificate::parse12(&written[..end]), Err(Short));
        }
        assert_eq!(Certificate::parse12(&[0; 3]).unwrap().first, b"", "a peer without a certificate");

        let written = CertificateRequest::write12();
        let request = CertificateRequest::parse12(&written).unwrap();
        assert!(SignatureScheme::ALL.into_iter().all(|scheme| request.accepts(scheme)));
        assert_eq!(CertificateRequest::parse12(&written[..written.len() - 1]), Err(Short));

        let written = Certificate::write13(b"context", b"certificate");
        assert_eq!(Certificate::parse13(&written).unwrap().first, b"certificate");
        for end in 0..written.len() {
            assert_eq!(Certificate::parse13(&written[..end]), Err(Short));
        }
        let written = CertificateRequest::write13();
        assert!(CertificateRequest::parse13(&written).unwrap().accepts(SignatureScheme::RsaPssSha256));
        assert_eq!(CertificateRequest::parse13(&written[..written.len() - 1]), Err(Short));

        let written = CertificateVerify::write(SignatureScheme::Ed25519, &[3; 64]);
        let read = CertificateVerify::parse(&written).unwrap();
        assert_eq!((read.scheme, read.signature), (0x0807, &[3; 64][..]));
        assert_eq!(CertificateVerify::parse(&written[..written.len() - 1]), Err(Short));
    }
}

use crypto::identity::SignatureScheme;
use wire::{Reader, Short};

use super::{Builder, end, vec8, vec16};

/// A group for key agreement, by its number in TLS (RFC 8446 §4.2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// X25519 together with ML-KEM-768, for DTLS 1.3 only: secret also from whoever will have a quantum computer.
    X25519MlKem768,
    X25519,
    P256,
}

impl Group {
    /// Every group of DTLS 1.2, the ones we prefer first.
    pub(crate) const CURVES: [Self; 2] = [Self::X25519, Self::P256];
    /// Every group, the ones we prefer first.
    pub(crate) const ALL: [Self; 3] = [Self::X25519MlKem768, Self::X25519, Self::P256];

    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::X25519MlKem768 => 0x11ec,
            Self::X25519 => 29,
            Self::P256 => 23,
        }
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.code() == code)
    }
}

/// curve_type of a group that has a number (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// ServerKeyExchange with ECDHE (RFC 8422 §5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ServerKeyExchange<'a> {
    pub(crate) group: u16,
    pub(crate) public: &'a [u8],
    pub(crate) scheme: u16,
    pub(crate) signature: &'a [u8],
    /// The part that is signed, after both randoms.
    pub(crate) parameters: &'a [u8],
}

impl<'a> ServerKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        if r.u8()? != NAMED_CURVE {
            return Err(Short);
        }
        let group = r.u16()?;
        let public = vec8(&mut r)?;
        let parameters = &body[..body.len() - r.rest().len()];
        let scheme = r.u16()?;
        let signature = vec16(&mut r)?;
        end(&r)?;
        Ok(Self { group, public, scheme, signature, parameters })
    }

    /// The part that is signed, after both randoms.
    pub(crate) fn parameters(group: Group, public: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.u8(NAMED_CURVE).u16(group.code()).vec(1, |b| {
            b.put(public);
        });
        b.0
    }

    pub(crate) fn write(parameters: &[u8], scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.put(parameters).u16(scheme.code()).vec(2, |b| {
            b.put(signature);
        });
        b.0
    }
}

/// ClientKeyExchange with ECDHE (RFC 8422 §5.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientKeyExchange<'a> {
    pub(crate) public: &'a [u8],
}

impl<'a> ClientKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(body);
        let public = vec8(&mut r)?;
        end(&r)?;
        Ok(Self { public })
    }

    pub(crate) fn write(public: &[u8]) -> Vec<u8> {
        let mut b = Builder::default();
        b.vec(1, |b| {
            b.put(public);
        });
        b.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_are_read_back() {
        let parameters = ServerKeyExchange::parameters(Group::P256, &[4; 65]);
        let written = ServerKeyExchange::write(&parameters, SignatureScheme::EcdsaP256Sha256, &[9; 71]);
        let read = ServerKeyExchange::parse(&written).unwrap();
        assert_eq!((Group::from_code(read.group), read.public), (Some(Group::P256), &[4; 65][..]));
        assert_eq!((read.scheme, read.signature, read.parameters), (0x0403, &[9; 71][..], &parameters[..]));
        for end in 0..written.len() {
            assert_eq!(ServerKeyExchange::parse(&written[..end]), Err(Short));
        }
        let written = ClientKeyExchange::write(&[5; 32]);
        assert_eq!(ClientKeyExchange::parse(&written), Ok(ClientKeyExchange { public: &[5; 32] }));
        assert_eq!(ClientKeyExchange::parse(&written[..32]), Err(Short));
    }
}

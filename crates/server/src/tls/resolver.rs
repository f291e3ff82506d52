use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Holds the current certificate, which may be replaced at any time, and the one for a running ACME challenge.
#[derive(Default)]
pub struct Resolver {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    challenge: RwLock<Option<Challenge>>,
}

struct Challenge {
    domain: String,
    certified: Arc<CertifiedKey>,
}

impl Resolver {
    /// From the next handshake on, this certificate is shown.
    pub fn set(&self, certified: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certified));
    }

    /// The certificate shown now.
    pub fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers TLS-ALPN-01 handshakes for `domain` (RFC 8737 §3), or none any more.
    pub(super) fn set_challenge(&self, challenge: Option<(String, CertifiedKey)>) {
        let challenge =
            challenge.map(|(domain, certified)| Challenge { domain, certified: Arc::new(certified) });
        *self.challenge.write().unwrap_or_else(PoisonError::into_inner) = challenge;
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn().into_iter().flatten();
        if offered.any(|p| p == super::ACME_PROTOCOL) {
            let challenge = self.challenge.read().unwrap_or_else(PoisonError::into_inner);
            let challenge = challenge.as_ref().filter(|c| hello.server_name() == Some(c.domain.as_str()))?;
            return Some(Arc::clone(&challenge.certified));
        }
        self.current()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// A certificate chain and its key from PEM, checked to belong together.
pub(super) fn from_pem(chain: &str, key: &str) -> Result<CertifiedKey> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().context("not PEM")?;
    anyhow::ensure!(!chain.is_empty(), "there is no certificate in it");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("there is no private key in PEM")?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .context("the certificate and the key do not belong together")?;
    Ok(certified)
}

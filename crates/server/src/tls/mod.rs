//! Certificates: where they come from, and the one place that TLS handshakes read them from.

mod acme;
mod files;
mod resolver;
mod self_signed;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::{Config, TlsMode};
pub use resolver::Resolver;

/// The ALPN protocol of an authority that checks who a name belongs to (RFC 8737 §6.2).
pub const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The ALPN protocol of STUN and TURN over TLS (RFC 7443 §2). It is preferred, because some TURN clients offer
/// `http/1.1` beside it, and no browser's HTTP offers this.
const PROTOCOL_OF_TURN: &[u8] = b"stun.turn";

/// The server's side of TLS, with certificates that are renewed while it runs.
pub struct Tls {
    resolver: Arc<Resolver>,
    mode: TlsMode,
    /// The authority's certificate in PEM and its fingerprint, for a self-signed one.
    authority: Option<self_signed::Authority>,
}

impl Tls {
    /// Loads or makes the first certificate. With ACME there may be none yet: handshakes fail until it is there.
    ///
    /// # Errors
    /// When files cannot be read or written, or do not hold a certificate and its key.
    pub fn start(config: &Config, hostname: &str, addresses: &[IpAddr]) -> Result<Self> {
        let folder = config.data.join("tls");
        let resolver = Arc::new(Resolver::default());
        let mut authority = None;
        match config.tls {
            TlsMode::Off => {}
            TlsMode::SelfSigned => {
                let names = self_signed::names(config, hostname, addresses);
                let made = self_signed::load_or_make(&folder, hostname, &names)?;
                resolver.set(made.certified);
                authority = Some(made.authority);
            }
            TlsMode::Files => resolver.set(files::load(config)?),
            TlsMode::Acme => {
                if let Some(certified) = acme::kept(&folder, config)? {
                    resolver.set(certified);
                }
            }
        }
        Ok(Self { resolver, mode: config.tls, authority })
    }

    /// Accepts connections with the certificate that is current at each handshake.
    ///
    /// # Errors
    /// When the provider lacks TLS 1.2 or 1.3, which it does not.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS versions")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.resolver) as Arc<_>);
        config.alpn_protocols = [PROTOCOL_OF_TURN, b"h2", b"http/1.1"].map(<[u8]>::to_vec).to_vec();
        if self.mode == TlsMode::Acme {
            config.alpn_protocols.push(ACME_PROTOCOL.to_vec());
        }
        config.ticketer = aws_lc_rs::Ticketer::new().context("TLS session tickets")?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Keeps the certificate current until the task is aborted; `reload` changes on SIGHUP.
    pub async fn keep_current(&self, config: &Config, hostname: &str, reload: watch::Receiver<u64>) {
        match self.mode {
            TlsMode::Off => {}
            TlsMode::SelfSigned => self_signed::keep(&self.resolver, config, hostname, reload).await,
            TlsMode::Files => files::keep(&self.resolver, config, reload).await,
            TlsMode::Acme => acme::keep(&self.resolver, config).await,
        }
    }

    /// Whether browsers trust the certificate by themselves, as far as the configuration tells.
    pub fn is_public(&self) -> bool {
        matches!(self.mode, TlsMode::Files | TlsMode::Acme)
    }

    /// The certificate of the server's own authority in DER.
    pub fn authority(&self) -> Option<Vec<u8>> {
        self.authority.as_ref().map(|a| a.der.clone())
    }

    /// Where that certificate is kept, and its SHA-256 fingerprint as browsers show it.
    pub fn authority_file(&self) -> Option<(&Path, &str)> {
        self.authority.as_ref().map(|a| (a.path.as_path(), a.fingerprint.as_str()))
    }
}

/// What the server needs to know of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Facts {
    /// The subject's common name.
    common_name: String,
    /// Names and addresses it is for, sorted.
    names: Vec<String>,
    /// Seconds since 1970.
    not_before: i64,
    /// Seconds since 1970.
    not_after: i64,
}

fn facts(certificate: &CertificateDer<'_>) -> Result<Facts> {
    let (_, parsed) = X509Certificate::from_der(certificate).context("this is not an X.509 certificate")?;
    let common_name = parsed.subject().iter_common_name().next().and_then(|n| n.as_str().ok());
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> =
        alternative.map_or_else(Vec::new, |a| a.value.general_names.iter().filter_map(name).collect());
    names.sort();
    Ok(Facts {
        common_name: common_name.unwrap_or_default().to_owned(),
        names,
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Seconds since 1970, as certificates count them.
fn now() -> i64 {
    i64::try_from(crate::clock::unix_seconds()).unwrap_or(i64::MAX)
}

/// Reads a file of the data folder; `None` if there is none.
fn read_kept(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Where a certificate and its key are kept.
fn kept_paths(folder: &Path, stem: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{stem}.pem")), folder.join(format!("{stem}.key")))
}

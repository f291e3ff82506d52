//! A certificate from two files, read again when they change.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::resolver::{Resolver, from_pem};
use super::{facts, now};
use crate::config::Config;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

pub(super) fn load(config: &Config) -> Result<CertifiedKey> {
    let read = |path: &Option<PathBuf>, key: &str| -> Result<String> {
        let path = path.as_ref().with_context(|| format!("`{key}` is missing"))?;
        std::fs::read_to_string(path).with_context(|| format!("`{key}`: cannot read {}", path.display()))
    };
    let chain = read(&config.tls_cert, "tls-cert")?;
    let key = read(&config.tls_key, "tls-key")?;
    let certified = from_pem(&chain, &key).context("`tls-cert` and `tls-key`")?;
    if let Some(leaf) = certified.cert.first() {
        let known = facts(leaf).context("`tls-cert`")?;
        let days = (known.not_after - now()) / 86_400;
        if days < 0 {
            tracing::error!(
                names = known.names.join(" "),
                "the certificate in `tls-cert` is no longer valid"
            );
        } else if days < 14 {
            tracing::warn!(names = known.names.join(" "), days, "the certificate in `tls-cert` ends soon");
        }
    }
    Ok(certified)
}

/// Loads the files again when their content changes, and on request.
pub(super) async fn keep(resolver: &Resolver, config: &Config, mut reload: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            changed = reload.changed() => if changed.is_err() { return },
        }
        // Reading both is as cheap as asking for their times, and does not miss a change within one second.
        match load(config) {
            Ok(certified) if resolver.current().is_some_and(|c| c.cert == certified.cert) => {}
            Ok(certified) => {
                resolver.set(certified);
                tracing::info!("read a new certificate");
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "cannot read the certificate again; the old one stays"
                );
            }
        }
    }
}

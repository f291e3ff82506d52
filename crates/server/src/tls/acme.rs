//! Automatic certificates (RFC 8555), proven by TLS-ALPN-01 (RFC 8737) on the HTTPS port itself.
//!
//! The flow: account (made once, kept), order for `public-host`, authorization with a challenge; the resolver then
//! answers handshakes of protocol `acme-tls/1` with a certificate that carries the challenge's digest; the authority
//! connects and sees it; the order is finalized with a new key, and the chain is fetched, kept and shown.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::resolver::{Resolver, from_pem};
use super::{facts, kept_paths, now, read_kept};
use crate::config::Config;
use crate::data;

/// The first wait after a failure; it doubles up to [`LONGEST_WAIT`]. Authorities count failures by the hour.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// How often a certificate that is there is looked at.
const LOOK: Duration = Duration::from_secs(3600);
/// How long the authority may take for the challenge and for the certificate.
const POLLS: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// The certificate of an earlier run, if it is for this name and has not ended.
pub(super) fn kept(folder: &Path, config: &Config) -> Result<Option<CertifiedKey>> {
    data::private_folder(folder)?;
    let (pem_path, key_path) = kept_paths(folder, "acme");
    let (Some(chain), Some(key)) = (read_kept(&pem_path)?, read_kept(&key_path)?) else { return Ok(None) };
    let certified = match from_pem(&chain, &key) {
        Ok(certified) => certified,
        Err(error) => {
            // A crash between the two files: the next order replaces both.
            tracing::warn!(error = format!("{error:#}"), "the kept certificate cannot be used");
            return Ok(None);
        }
    };
    let known = facts(&certified.cert[0])?;
    let ours = config.public_host.0.as_ref().is_some_and(|host| known.names.contains(host));
    Ok((ours && known.not_after > now()).then_some(certified))
}

/// Gets a certificate when there is none, and a new one when two thirds of its life have passed.
pub(super) async fn keep(resolver: &Resolver, config: &Config) {
    let mut wait = FIRST_WAIT;
    loop {
        if !is_due(resolver) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        match obtain(resolver, config).await {
            Ok(()) => wait = FIRST_WAIT,
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    again_in = ?wait,
                    "cannot get a certificate; the authority must reach port 443 of `public-host`"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        resolver.set_challenge(None);
    }
}

fn is_due(resolver: &Resolver) -> bool {
    let Some(current) = resolver.current() else { return true };
    current.cert.first().and_then(|leaf| facts(leaf).ok()).is_none_or(|known| {
        let life = known.not_after - known.not_before;
        now() >= known.not_after - life / 3
    })
}

async fn obtain(resolver: &Resolver, config: &Config) -> Result<()> {
    let host = config.public_host.0.clone().context("`public-host` is missing")?;
    let folder = config.data.join("tls");
    let account = account(&folder, config).await.context("the account at the authority")?;
    let identifiers = [Identifier::Dns(host.clone())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.context("a new order")?;
    prove(&mut order, resolver, &host).await?;
    let status = order.poll_ready(&POLLS).await.context("the authority did not accept the proof")?;
    if status != OrderStatus::Ready {
        bail!("the order is {status:?} after the proof");
    }
    let key = KeyPair::generate().context("a new key")?;
    let mut params = CertificateParams::new(vec![host.clone()]).context("the name in the request")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let request = params.serialize_request(&key).context("the signing request")?;
    order.finalize_csr(request.der()).await.context("the authority refused the request")?;
    let chain = order.poll_certificate(&POLLS).await.context("the certificate")?;
    let certified = from_pem(&chain, &key.serialize_pem()).context("the authority's certificate")?;
    let (pem_path, key_path) = kept_paths(&folder, "acme");
    data::write_private(&key_path, key.serialize_pem().as_bytes())?;
    data::write_private(&pem_path, chain.as_bytes())?;
    let days = (facts(&certified.cert[0])?.not_after - now()) / 86_400;
    resolver.set(certified);
    tracing::info!(host, days, "got a certificate");
    Ok(())
}

/// Answers every open authorization of the order.
async fn prove(order: &mut Order, resolver: &Resolver, host: &str) -> Result<()> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.context("an authorization")?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            other => bail!("the authorization is {other:?}"),
        }
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .context("the authority offers no TLS-ALPN-01 challenge")?;
        let digest = challenge.key_authorization().digest();
        resolver.set_challenge(Some((host.to_owned(), challenge_certificate(host, digest.as_ref())?)));
        challenge.set_ready().await.context("the challenge")?;
    }
    Ok(())
}

/// The certificate that answers a challenge: RFC 8737 §3.
fn challenge_certificate(host: &str, digest: &[u8]) -> Result<CertifiedKey> {
    let key = KeyPair::generate().context("a key for the challenge")?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).context("the name in the challenge")?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).context("the challenge's certificate")?;
    // Not `from_pem`: its check refuses the critical extension that RFC 8737 asks for.
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| anyhow::anyhow!(e))?;
    let signer = aws_lc_rs::sign::any_supported_type(&private).context("the key of the challenge")?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

/// The kept account if it is one of this authority, else a new one.
async fn account(folder: &Path, config: &Config) -> Result<Account> {
    let builder = || match &config.acme_ca {
        Some(path) => Account::builder_with_root(path)
            .with_context(|| format!("`acme-ca`: cannot use {}", path.display())),
        None => Account::builder().context("the system's trusted certificates"),
    };
    let path = folder.join("acme-account.json");
    if let Some(text) = read_kept(&path)? {
        let directory = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|v| v.get("directory").and_then(|d| d.as_str()).map(str::to_owned));
        if directory.as_deref() == Some(config.acme_directory.0.as_str()) {
            let credentials: AccountCredentials =
                serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
            return builder()?.from_credentials(credentials).await.context("the authority does not answer");
        }
    }
    let contact = config.acme_email.as_ref().map(|mail| format!("mailto:{mail}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?
        .create(&wanted, config.acme_directory.0.clone(), None)
        .await
        .with_context(|| format!("{} does not make an account", config.acme_directory.0))?;
    data::write_private(&path, &serde_json::to_vec_pretty(&credentials).context("the account's key")?)?;
    tracing::info!(directory = config.acme_directory.0, "made an account at the certificate authority");
    Ok(account)
}

//! A small certificate authority of the server's own, so that people on its network can trust it once.
//!
//! The authority may only sign for this machine's names, names under `local` and bare addresses: trusting it does
//! not give its key power over the rest of the web.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::resolver::{Resolver, from_pem};
use super::{Facts, facts, kept_paths, now, read_kept};
use crate::config::Config;
use crate::data;

const DAY: i64 = 86_400;
/// Ten years: a person trusts it once.
const AUTHORITY_LIFETIME: i64 = 3650 * DAY;
/// Below the 398 days that browsers allow a certificate.
const LIFETIME: i64 = 390 * DAY;
/// How long before its end a certificate is replaced.
const MARGIN: i64 = 30 * DAY;
/// How often the addresses of this machine and the end of the certificate are looked at.
const LOOK: Duration = Duration::from_secs(300);

/// The authority's certificate.
pub(super) struct Authority {
    pub(super) der: Vec<u8>,
    pub(super) path: PathBuf,
    /// SHA-256 of the DER, as browsers show it.
    pub(super) fingerprint: String,
}

/// What was loaded or made.
pub(super) struct Made {
    pub(super) certified: CertifiedKey,
    pub(super) authority: Authority,
}

/// All names and addresses this server may be reached by.
pub(super) fn names(config: &Config, hostname: &str, addresses: &[IpAddr]) -> Vec<String> {
    let mut names = BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
    if !hostname.is_empty() && hostname != "localhost" {
        names.insert(hostname.to_owned());
        let first = hostname.split('.').next().unwrap_or(hostname);
        names.insert(format!("{first}.local"));
    }
    names.extend(config.public_host.0.clone());
    names.extend(addresses.iter().chain(&config.external_ip.0).map(IpAddr::to_string));
    names.into_iter().collect()
}

/// Loads what is kept, and makes anew what is missing, about to end, or not for these names.
pub(super) fn load_or_make(folder: &Path, hostname: &str, names: &[String]) -> Result<Made> {
    data::private_folder(folder)?;
    let (authority, signer) = load_or_make_authority(folder, hostname, names)?;
    let (pem_path, key_path) = kept_paths(folder, "server");
    if let (Some(chain), Some(key)) = (read_kept(&pem_path)?, read_kept(&key_path)?)
        && let Ok(certified) = from_pem(&chain, &key)
        && is_current(&certified, names, &authority.der)
    {
        return Ok(Made { certified, authority });
    }
    let key = KeyPair::generate().context("cannot make a key")?;
    let chain = issue(&key, names, &signer)? + &std::fs::read_to_string(&authority.path)?;
    data::write_private(&key_path, key.serialize_pem().as_bytes())?;
    data::write_private(&pem_path, chain.as_bytes())?;
    tracing::info!(names = names.join(" "), "made a certificate");
    Ok(Made { certified: from_pem(&chain, &key.serialize_pem())?, authority })
}

/// Whether the kept certificate is for exactly these names, lasts, and was signed by this authority.
fn is_current(certified: &CertifiedKey, names: &[String], authority: &[u8]) -> bool {
    let [leaf, issuer] = certified.cert.as_slice() else { return false };
    let Ok(Facts { names: kept, not_before, not_after, .. }) = facts(leaf) else { return false };
    issuer.as_ref() == authority && kept == names && not_before <= now() && not_after - now() > MARGIN
}

type Signer = Issuer<'static, KeyPair>;

fn load_or_make_authority(folder: &Path, hostname: &str, names: &[String]) -> Result<(Authority, Signer)> {
    let (pem_path, key_path) = kept_paths(folder, "ca");
    let allowed = folder.join("ca.names");
    let subtrees = subtrees(names);
    if let (Some(pem), Some(key), Some(kept)) =
        (read_kept(&pem_path)?, read_kept(&key_path)?, read_kept(&allowed)?)
        && let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes())
        && let Ok(key) = KeyPair::from_pem(&key)
        && let Ok(known) = facts(&der)
        && known.not_after - now() > LIFETIME
        && subtrees.iter().all(|s| kept.lines().any(|k| k == s))
    {
        let signer = Issuer::new(authority_params(known.common_name, &subtrees)?, key);
        return Ok((authority(&der, pem_path), signer));
    }
    let key = KeyPair::generate().context("cannot make a key")?;
    let mark = hex(&crypto::sha256(key.public_key_raw())[..4], "");
    let mut params = authority_params(format!("Visavis on {hostname} ({mark})"), &subtrees)?;
    params.not_before = at(now() - DAY)?;
    params.not_after = at(now() + AUTHORITY_LIFETIME)?;
    let certificate = params.self_signed(&key).context("cannot sign the authority's certificate")?;
    data::write_private(&key_path, key.serialize_pem().as_bytes())?;
    data::write_private(&allowed, subtrees.join("\n").as_bytes())?;
    data::write_private(&pem_path, certificate.pem().as_bytes())?;
    tracing::info!(path = %pem_path.display(), "made a certificate authority for this machine");
    Ok((authority(certificate.der(), pem_path), Issuer::new(params, key)))
}

/// The domains the authority may sign for; addresses are always allowed.
fn subtrees(names: &[String]) -> Vec<String> {
    let domains = names.iter().filter(|n| n.parse::<IpAddr>().is_err() && !n.ends_with(".local"));
    std::iter::once("local".to_owned()).chain(domains.cloned()).collect()
}

fn authority_params(common_name: String, subtrees: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut permitted: Vec<_> = subtrees.iter().map(|s| GeneralSubtree::DnsName(s.clone())).collect();
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() });
    Ok(params)
}

fn authority(der: &CertificateDer<'_>, path: PathBuf) -> Authority {
    let fingerprint = hex(&crypto::sha256(der), ":");
    Authority { der: der.to_vec(), path, fingerprint }
}

/// A certificate for `names` in PEM.
fn issue(key: &KeyPair, names: &[String], signer: &Signer) -> Result<String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Visavis");
    params.not_before = at(now() - DAY)?;
    params.not_after = at(now() + LIFETIME)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.as_str().try_into().context("a host name")?),
        });
    }
    let leaf = params.signed_by(key, signer).context("cannot sign the certificate")?;
    Ok(leaf.pem())
}

fn at(seconds: i64) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).context("the clock is out of range")
}

fn hex(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(between)
}

/// Looks now and then whether the machine has other addresses, or the certificate is about to end.
pub(super) async fn keep(
    resolver: &Resolver,
    config: &Config,
    hostname: &str,
    mut reload: watch::Receiver<u64>,
) {
    let folder = config.data.join("tls");
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            changed = reload.changed() => if changed.is_err() { return },
        }
        let names = names(config, hostname, &crate::addresses::all());
        match load_or_make(&folder, hostname, &names) {
            Ok(made) => resolver.set(made.certified),
            Err(error) => tracing::error!(error = format!("{error:#}"), "cannot renew the certificate"),
        }
    }
}

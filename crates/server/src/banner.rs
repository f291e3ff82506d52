//! What a person sees when the server starts: addresses, and a code to scan with a phone.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::config::Config;
use crate::tls::Tls;

/// Where the server really listens: as configured, with the ports that were free in place of zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bound {
    /// Plain HTTP.
    pub http: Option<SocketAddr>,
    /// HTTPS.
    pub https: Option<SocketAddr>,
    /// STUN and TURN, over UDP and TCP.
    pub stun: Option<SocketAddr>,
    /// Metrics, if they have a listener of their own.
    pub metrics: Option<SocketAddr>,
}

/// The text to print; `colors` when it goes to a terminal, which also brings the code to scan.
pub(crate) fn text(
    config: &Config,
    bound: &Bound,
    tls: Option<&Tls>,
    reachable: &[IpAddr],
    colors: bool,
) -> String {
    let mut out = format!("Visavis {}\n\n", env!("CARGO_PKG_VERSION"));
    if let Some(http) = bound.http {
        let here = if http.ip().is_loopback() || http.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            host(http.ip())
        };
        let _ = writeln!(out, "  On this machine   http://{here}:{}/", http.port());
    }
    let mut to_scan = None;
    if let Some(https) = bound.https {
        let urls = https_urls(config, https, reachable);
        for (i, url) in urls.iter().enumerate() {
            let _ = writeln!(out, "  {:<17} {url}", if i == 0 { "On the network" } else { "" });
        }
        to_scan = urls.into_iter().next();
    }
    if let Some(stun) = bound.stun {
        let _ = writeln!(out, "  STUN and TURN     {stun} (UDP and TCP)");
    }
    if let Some(metrics) = bound.metrics {
        let _ = writeln!(out, "  Metrics           http://{metrics}/metrics");
    }
    if let Some((path, fingerprint)) = tls.and_then(Tls::authority_file) {
        let _ = writeln!(
            out,
            "\n  The certificate is this machine's own, so browsers warn about it once. To trust it for good,\n  \
             install {} (or open /visavis-ca.crt on the device), SHA-256\n  {fingerprint}",
            path.display()
        );
    }
    if let Some(url) = to_scan.filter(|_| colors)
        && let Some(code) = code(&url)
    {
        let _ = write!(out, "\n{code}  Scan it with a phone on the same network: {url}\n");
    }
    out.push('\n');
    out
}

/// The public name first, then each address of the machine that the listener covers.
fn https_urls(config: &Config, https: SocketAddr, reachable: &[IpAddr]) -> Vec<String> {
    let port = if https.port() == 443 { String::new() } else { format!(":{}", https.port()) };
    let covered = |ip: &IpAddr| match https.ip() {
        listening if listening.is_unspecified() => listening.is_ipv6() || ip.is_ipv4(),
        listening => listening == *ip,
    };
    let mut hosts: Vec<String> = config.public_host.0.iter().cloned().collect();
    hosts.extend(reachable.iter().filter(|ip| covered(ip)).map(|ip| host(*ip)));
    if hosts.is_empty() {
        hosts.push(if https.ip().is_loopback() { "localhost".to_owned() } else { host(https.ip()) });
    }
    hosts.into_iter().map(|h| format!("https://{h}{port}/")).collect()
}

/// An address as it stands in a URL.
pub(crate) fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// The code in half-block characters, black on white whatever the terminal's colours are.
pub(crate) fn code(url: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().quiet_zone(true).build();
    Some(drawn.lines().map(|line| format!("  \x1b[30;107m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_dark_on_light_with_room_around_it() {
        let drawn = code("https://192.168.1.20:8443/").unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.iter().all(|l| l.starts_with("  \x1b[30;107m") && l.ends_with("\x1b[0m")));
        // Four light modules on each side (ISO/IEC 18004 §5.3.8), then the finder pattern's dark frame.
        assert!(lines[..2].iter().all(|l| !l.contains(['█', '▀', '▄'])));
        assert!(lines[2].starts_with("  \x1b[30;107m    █▀▀▀▀▀█"), "{}", lines[2]);
    }

    #[test]
    fn the_addresses_are_those_the_listener_covers() {
        let sources = crate::config::Sources {
            flags: vec![("public-host", "call.example".to_owned())],
            ..crate::config::Sources::default()
        };
        let (_, config) = crate::config::Settings::read(&sources).unwrap();
        let reachable: Vec<IpAddr> = ["192.168.1.20", "fd00::2"].map(|ip| ip.parse().unwrap()).to_vec();
        for (listening, wanted) in [
            ("0.0.0.0:8443", &["https://call.example:8443/", "https://192.168.1.20:8443/"][..]),
            ("[::]:443", &["https://call.example/", "https://192.168.1.20/", "https://[fd00::2]/"]),
            ("192.168.1.20:443", &["https://call.example/", "https://192.168.1.20/"]),
        ] {
            assert_eq!(https_urls(&config, listening.parse().unwrap(), &reachable), wanted, "{listening}");
        }
    }
}

//! One POST over HTTP/1.1, to nobody who could only be reached because this server stands where it stands.
//!
//! The name is resolved here and the connection is made to an address that was looked at: between the two no other
//! answer of the name service can come in. Redirects are not followed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::body::{Body, Bytes};
use axum::http::{Request, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::client::secure::{Connector, Stream, Trust};
use crate::config::{Config, Net};

/// How long the other side may take for everything.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands in the head of a delivery.
pub(super) struct Headers {
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) time: String,
    pub(super) signature: String,
}

/// What makes the requests.
pub(super) struct Poster {
    allow: Vec<turn::IpNet>,
    connector: Connector,
}

impl Poster {
    /// As the configuration wants it.
    ///
    /// # Errors
    /// `webhook-ca` cannot be read.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let block = |net: &Net| turn::IpNet { address: net.address, prefix: net.prefix };
        let trust = Trust { insecure: false, ca: config.webhook_ca.clone() };
        let connector = Connector::new(&trust).context("`webhook-ca`")?;
        Ok(Self { allow: config.webhook_allow.0.iter().map(block).collect(), connector })
    }

    /// Sends a body; done when the other side says so with a 2xx.
    ///
    /// # Errors
    /// What went wrong instead.
    pub(super) async fn post(&self, url: &str, headers: &Headers, body: String) -> Result<()> {
        match timeout(PATIENCE, self.exchange(url, headers, body)).await {
            Ok(done) => done,
            Err(_) => bail!("no answer in {PATIENCE:?}"),
        }
    }

    async fn exchange(&self, url: &str, headers: &Headers, body: String) -> Result<()> {
        let uri: Uri = url.parse().context("it is no address")?;
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().context("the address has no host")?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let plain =
            TcpStream::connect(&self.resolve(host, port).await?[..]).await.context("cannot connect")?;
        let stream = if secure {
            let name = host.trim_matches(['[', ']']);
            self.connector.secure(name, plain).await.context("TLS failed")?
        } else {
            Stream::Plain(plain)
        };
        let authority = uri.authority().context("the address has no host")?.as_str();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("visavis/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .header("webhook-id", &headers.id)
            .header("webhook-timestamp", &headers.time)
            .header("webhook-signature", &headers.signature)
            .body(Body::from(Bytes::from(body)))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The body of the answer is not looked at, and goes at once, so that nothing waits for its end.
        let answer = async { sender.send_request(request).await.map(|answer| answer.status()) };
        tokio::pin!(answer);
        let status = tokio::select! {
            biased;
            status = &mut answer => status?,
            // The connection does the work; it may be done before its result is taken.
            _ = connection => answer.await?,
        };
        ensure!(status.is_success(), "the answer was {status}");
        Ok(())
    }

    /// The addresses of a name, if it has none that may not be reached: a name that mixes them is up to something.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let name = host.trim_matches(['[', ']']);
        let found: Vec<SocketAddr> =
            lookup_host((name, port)).await.with_context(|| format!("cannot resolve {name}"))?.collect();
        ensure!(!found.is_empty(), "{name} has no address");
        if let Some(address) = found.iter().find(|address| !self.allows(address.ip())) {
            bail!("{name} leads to {}, which is not public: `webhook-allow` can allow it", address.ip());
        }
        Ok(found)
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        turn::is_public(ip) || self.allow.iter().any(|net| net.contains(ip))
    }
}

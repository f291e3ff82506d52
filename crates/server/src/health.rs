//! `/healthz`, and `visavis health` that asks it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::App;
use crate::config::Config;

/// How long `visavis health` waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any answer has, in bytes.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// What `/healthz` says.
#[derive(Serialize, Debug)]
struct Health {
    /// `ok`, or `draining`: the server is about to stop.
    status: &'static str,
    version: &'static str,
    /// Seconds since the server started.
    uptime: u64,
    /// Open HTTP and HTTPS connections.
    connections: usize,
    /// Whether the database answers.
    database: bool,
}

/// 200 while new calls are taken, 503 otherwise.
pub(crate) async fn healthz(State(app): State<Arc<App>>) -> Response {
    let database = app.store.ping().await;
    let draining = app.is_draining();
    let health = Health {
        status: match (draining, database) {
            (true, _) => "draining",
            (false, true) => "ok",
            (false, false) => "no database",
        },
        version: env!("CARGO_PKG_VERSION"),
        uptime: crate::clock::unix_seconds().saturating_sub(app.started),
        connections: app.limits.in_all(),
        database,
    };
    let status = if draining || !database { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(health)).into_response()
}

/// Asks the server of this configuration, over plain HTTP if it serves that.
///
/// # Errors
/// When it does not answer, or is not well.
pub(crate) async fn ask(config: &Config) -> Result<()> {
    let address = config.http.0.context("`http` is off: there is no plain HTTP address to ask")?;
    anyhow::ensure!(address.port() != 0, "`http` has port 0: say which port with --http IP:PORT");
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let answer = timeout(PATIENCE, get(SocketAddr::new(ip, address.port())));
    let answer = answer.await.with_context(|| format!("{address} does not answer in {PATIENCE:?}"))??;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    println!("{}", body.trim());
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "the server at {address} is not well");
    Ok(())
}

async fn get(address: SocketAddr) -> Result<String> {
    let mut stream =
        TcpStream::connect(address).await.with_context(|| format!("nothing answers at {address}"))?;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("cannot ask")?;
    let mut answer = String::new();
    stream.take(ANSWER_LIMIT).read_to_string(&mut answer).await.context("cannot read the answer")?;
    Ok(answer)
}

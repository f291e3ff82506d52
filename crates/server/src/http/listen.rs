//! Accepting connections: limits, TLS, what they speak, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use wire::Transport;

use super::demux::{Kind, Prefixed};
use super::{Caller, Limits, Slot};
use crate::media::MediaPlane;

/// How long a client may take for the TLS handshake, for its first byte, and for the headers of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Request line and headers together, in bytes.
const HEADER_LIMIT: u16 = 16 * 1024;
/// A wait before the next try when the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// What connections of a listener speak.
#[derive(Clone)]
pub enum Speaks {
    /// Plain HTTP/1.1.
    Http(Router),
    /// TLS, and within it HTTP or, if there is a media plane, TURN.
    Tls(TlsAcceptor, Router, Option<MediaPlane>),
    /// Plain STUN and TURN.
    Turn(MediaPlane),
}

/// One listening socket and what to do with its connections.
pub struct Listener {
    /// Where connections come in.
    pub tcp: TcpListener,
    /// What they speak.
    pub speaks: Speaks,
    /// Counted together with those of the other listeners.
    pub limits: Limits,
}

/// Accepts connections until `stop` turns true, then lets those that are open finish what they are doing.
pub async fn run(listener: Listener, mut stop: watch::Receiver<bool>) {
    let Listener { tcp, speaks, limits } = listener;
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            _ = open.join_next(), if !open.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                accept_failed(&error).await;
                continue;
            }
        };
        let Some(slot) = limits.take(address.ip()) else {
            metrics::counter!("visavis_connections_refused_total").increment(1);
            tracing::debug!(%address, "too many connections");
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let caller = Caller { address, local, secure: matches!(speaks, Speaks::Tls(..)) };
        open.spawn(serve(speaks.clone(), stream, caller, slot, stop.clone()));
    }
    drop(tcp);
    while open.join_next().await.is_some() {}
}

/// An error here is of one connection, or of the whole process being out of file descriptors: waiting helps then.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(PAUSE).await;
}

/// Serves one connection to its end.
async fn serve(
    speaks: Speaks,
    stream: TcpStream,
    caller: Caller,
    slot: Slot,
    mut stop: watch::Receiver<bool>,
) {
    // Small frames of signalling must not wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, address = %caller.address, "cannot switch Nagle's algorithm off");
    }
    let served = match speaks {
        Speaks::Http(router) => {
            serve_http(Prefixed::empty(stream).holding(slot), Kind::Http1, router, caller, stop).await
        }
        Speaks::Tls(acceptor, router, media) => {
            serve_tls(stream, &acceptor, router, media, caller, slot, stop).await
        }
        Speaks::Turn(media) => {
            let stream = Prefixed::empty(stream).holding(slot);
            serve_turn(stream, &media, Transport::Tcp, caller, &mut stop).await;
            Ok(())
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, address = %caller.address, "connection ended");
    }
}

async fn serve_tls(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    router: Router,
    media: Option<MediaPlane>,
    caller: Caller,
    slot: Slot,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut first = [0];
    timeout(PATIENCE, stream.peek(&mut first)).await??;
    if let ([..=0x13], Some(media)) = (first, &media) {
        // A record of TLS begins with its type, 20 or more (RFC 8446 §5.1), this with the length of a check: a member of a
        // room whose network lets only this port through.
        let stream = Prefixed::empty(stream).holding(slot);
        tokio::select! {
            () = media.serve_framed_stream(stream, caller.local, caller.address) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        return Ok(());
    }
    let handshake = timeout(PATIENCE, acceptor.accept(stream)).await;
    let outcome = if matches!(handshake, Ok(Ok(_))) { "done" } else { "failed" };
    metrics::counter!("visavis_tls_handshakes_total", "outcome" => outcome).increment(1);
    let stream = handshake??;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if protocol.as_deref() == Some(crate::tls::ACME_PROTOCOL) {
        return Ok(()); // The handshake was all that the authority wanted to see (RFC 8737 §3).
    }
    let (stream, told) = timeout(PATIENCE, Prefixed::read(stream)).await??;
    let stream = stream.holding(slot);
    let kind = match (protocol.as_deref(), told) {
        (Some(b"h2"), Some(Kind::Http2)) => Kind::Http2,
        (Some(b"stun.turn"), Some(Kind::Stun)) => Kind::Stun,
        // TURN clients offer `http/1.1` too, to pass through middleboxes: the bytes decide.
        (Some(b"http/1.1"), Some(kind @ (Kind::Http1 | Kind::Stun))) => kind,
        (None, Some(kind)) => kind,
        _ => anyhow::bail!("the first bytes are not of the protocol that was agreed on"),
    };
    match (kind, media) {
        (Kind::Http1 | Kind::Http2, _) => serve_http(stream, kind, router, caller, stop).await,
        (Kind::Stun, Some(media)) => {
            serve_turn(stream, &media, Transport::Tls, caller, &mut stop).await;
            Ok(())
        }
        (Kind::Stun, None) => anyhow::bail!("STUN and TURN are off"),
    }
}

async fn serve_turn<S>(
    stream: S,
    media: &MediaPlane,
    transport: Transport,
    caller: Caller,
    stop: &mut watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    tokio::select! {
        () = media.serve_stream(stream, caller.local, caller.address, transport) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn serve_http<S>(
    stream: S,
    kind: Kind,
    router: Router,
    caller: Caller,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(kind);
    let service = WithCaller { router, caller };
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served.map_err(|e| anyhow::anyhow!(e)),
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(|e| anyhow::anyhow!(e))
}

fn builder(kind: Kind) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(64)
        .max_buf_size(HEADER_LIMIT.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(HEADER_LIMIT.into())
        .max_pending_accept_reset_streams(64)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(PATIENCE);
    if kind == Kind::Http2 { builder.http2_only() } else { builder.http1_only() }
}

/// Tells every request who sent it.
#[derive(Clone)]
struct WithCaller {
    router: Router,
    caller: Caller,
}

impl hyper::service::Service<Request<Incoming>> for WithCaller {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = TowerToHyperServiceFuture<Router, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // HTTP/2 names the host in `:authority` (RFC 9113 §8.3.1): handlers find it in one place.
        if !request.headers().contains_key(header::HOST)
            && let Some(host) = request.uri().authority().and_then(|a| a.as_str().parse().ok())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        request.extensions_mut().insert(self.caller);
        request.extensions_mut().insert(axum::extract::ConnectInfo::<SocketAddr>(self.caller.address));
        TowerToHyperService::new(self.router.clone()).call(request)
    }
}

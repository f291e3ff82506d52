//! HTTP: the page, the accounts, the signalling socket, health and metrics.

mod demux;
mod headers;
mod limits;
mod listen;
pub mod origin;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::routing::get;
use axum::{Extension, Router};

use crate::app::App;
use crate::config::Metrics;

pub use demux::{Kind, Prefixed, classify};
pub use limits::{Limits, Slot, holder};
pub use listen::{Listener, Speaks, run};

/// Who sent a request, and through which door; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(crate::health::healthz))
        .route("/metrics", get(metrics))
        .route("/visavis-ca.crt", get(authority))
        .nest("/api/v1/account", crate::accounts::rest::router(Arc::clone(&app)))
        .merge(crate::recording::rest::router())
        .merge(crate::doors::router())
        .nest("/api/v1", crate::api::router(Arc::clone(&app)))
        .fallback_service(app.hub.router().fallback(page))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

async fn page(request: Request) -> Response<Body> {
    page::serve(request.method(), request.uri().path(), request.headers())
}

/// Prometheus' text, for those who may have it.
async fn metrics(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response<Body> {
    let local = !caller.secure && caller.address.ip().to_canonical().is_loopback();
    match app.config.metrics {
        Metrics::Local if local => plain(app.render_metrics()),
        Metrics::Local | Metrics::At(_) | Metrics::Off => {
            page::text(StatusCode::NOT_FOUND, "There is nothing here.\n")
        }
    }
}

/// The listener that serves nothing but metrics.
pub fn metrics_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(|State(app): State<Arc<App>>| async move { plain(app.render_metrics()) }))
        .with_state(app)
}

fn plain(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The certificate of the server's own authority, for a person who wants to trust it on a device.
async fn authority(State(app): State<Arc<App>>) -> Response<Body> {
    let Some(authority) = app.tls.as_ref().and_then(|tls| tls.authority()) else {
        return page::text(StatusCode::NOT_FOUND, "This server has no certificate authority of its own.\n");
    };
    let mut response = Response::new(Body::from(authority));
    let content_type = HeaderValue::from_static("application/x-x509-ca-cert");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Around every request: headers on the response, a count and a line in the log.
async fn around(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    request: Request,
    next: Next,
) -> Response<Body> {
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let strict = caller.secure && app.tls.as_ref().is_some_and(|tls| tls.is_public());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        headers::secure(response.headers_mut(), strict);
    }
    let status = response.status().as_u16();
    metrics::counter!("visavis_http_requests_total", "status" => status.to_string()).increment(1);
    tracing::debug!(%method, path = uri.path(), status, address = %caller.address, "request");
    response
}

//! `/api/v1`: what an application does with rooms and people. `docs/api.md` is for those who write one; the OpenAPI
//! document at `/api/v1/openapi.json` is made of the same table as the routes ([`operations`]) and of the same types
//! as the bodies ([`types`]).

mod groups;
mod keys;
mod openapi;
mod operations;
mod people;
mod problem;
mod recordings;
mod rooms;
pub mod token;
pub(crate) mod types;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::time::Instant as Clock;
use wire::Instant;

pub use self::keys::{Key, Keys};
use self::operations::OPERATIONS;
use self::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::signal::rendezvous::{Bucket, Rate};

/// The largest body of a request, in bytes.
const BODY_LIMIT: usize = 32 * 1024;
/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests of one key.
const RATE: Rate = Rate { burst: 200, every: Duration::from_millis(20) };

/// The applications that may use this server.
pub struct Applications {
    /// What they show.
    pub keys: Keys,
    /// What names of rooms are made of that are asked for again.
    seal: crypto::HmacSha256,
    started: Clock,
    /// By the key's id: as many as there are keys.
    used: Mutex<BTreeMap<String, Bucket>>,
}

impl Applications {
    /// Those with these keys; `secret` is the server's, derived for this.
    pub(crate) fn new(keys: Keys, secret: &[u8]) -> Self {
        let seal = crypto::HmacSha256::new(secret);
        Self { keys, seal, started: Clock::now(), used: Mutex::default() }
    }

    /// The key that the `Authorization` header shows: itself, or a token that it signed.
    fn authorize(&self, headers: &HeaderMap) -> Result<&Key, Problem> {
        const NEEDED: &str = "this needs an API key, or a token of scope `api` that one has signed, in `Authorization: Bearer`";
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, text) =
            value.and_then(|v| v.split_once(' ')).ok_or_else(|| Problem::unauthorized(NEEDED))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::unauthorized(NEEDED));
        }
        let text = text.trim();
        if text.matches('.').count() == 2 {
            let verified = token::verify_api(&self.keys, text, clock::unix_seconds());
            return verified.map_err(|error| {
                Problem::unauthorized(match error {
                    token::TokenError::Wrong(why) => format!("the token is not valid: {why}"),
                    token::TokenError::Early => "the token is not good yet: see its `nbf`".to_owned(),
                    token::TokenError::Expired | token::TokenError::Used => {
                        "the token has expired: sign a new one".to_owned()
                    }
                })
            });
        }
        self.keys.known(text).ok_or_else(|| Problem::unauthorized("no application has this API key"))
    }

    /// Counts a request of a key.
    fn count(&self, key: &Key) -> Result<(), Problem> {
        let now = Instant::ZERO + self.started.elapsed();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = used.entry(key.id().to_owned()).or_default().take(now, RATE, 1);
        allowed.then_some(()).ok_or_else(|| Problem::too_many(1))
    }
}

/// Who asks: the id of their key.
#[derive(Clone)]
struct Asking(String);

/// All routes, to be nested under `/api/v1`.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    let routes = OPERATIONS
        .iter()
        .filter(|operation| !operation.open)
        .fold(Router::new(), |router, operation| router.route(operation.path, (operation.route)()));
    let closed = routes
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no-such-request",
                "there is no such request: see /api/v1/openapi.json",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "no-such-request",
                "this cannot be done there: see /api/v1/openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(app, guard));
    Router::new().route("/openapi.json", get(openapi::serve)).merge(closed)
}

/// Around every request: who asks, how often, how long it may take, and no copy of the answer anywhere.
async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let asking = match &app.applications {
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "off",
            "no application may use this server: its administrator allows some with the key `api-keys`",
        )),
        Some(applications) => applications
            .authorize(request.headers())
            .and_then(|key| applications.count(key).map(|()| Asking(key.id().to_owned()))),
    };
    let mut response = match asking {
        Err(problem) => problem.into_response(),
        Ok(asking) => {
            request.extensions_mut().insert(asking);
            match tokio::time::timeout(PATIENCE, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long")
                    .into_response(),
            }
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    metrics::counter!("visavis_api_requests_total", "status" => response.status().as_u16().to_string())
        .increment(1);
    response
}

/// A JSON body; what is wrong with it is said as a problem.
struct Body<T>(T);

impl<T: serde::de::DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(_)) => {
                Err(Problem::malformed(format!("the body is longer than {BODY_LIMIT} bytes, or was cut off")))
            }
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "malformed",
                "the body is JSON: say `content-type: application/json`",
            )),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

type Api = State<Arc<App>>;
type Who = Extension<Asking>;

/// The keys; the guard lets nobody through where there are none.
fn applications(app: &App) -> Result<&Applications, Problem> {
    app.applications.as_deref().ok_or_else(|| Problem::unauthorized("there are no API keys any more"))
}

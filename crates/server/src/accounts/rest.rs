//! `/api/v1/account`: accounts over HTTP. `docs/accounts.md` describes it for those who write a client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::passkeys::{Credential, Failure, Page};
use super::{AddError, Denied, Known, check_password, names};
use crate::app::App;
use crate::config::Registration;
use crate::http::{Caller, origin};
use crate::signal::protocol::Person;

/// The largest body of a request, in bytes.
const BODY_LIMIT: usize = 32 * 1024;
/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(15);

/// All routes, to be nested under `/api/v1/account`.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/", delete(remove))
        .route("/me", get(me))
        .route("/register", post(register))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/password", post(password))
        .route("/passkey/register/start", post(passkey_register_start))
        .route("/passkey/register/finish", post(passkey_register_finish))
        .route("/passkey/login/start", post(passkey_login_start))
        .route("/passkey/login/finish", post(passkey_login_finish))
        .fallback(|| async { Error::NotFound })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(app, guard))
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Error {
    NotFound,
    /// The body is not what it should be.
    BadRequest(String),
    /// The page's origin is not allowed.
    Origin,
    Name(&'static str),
    NameTaken,
    Password(&'static str),
    /// Only the administrator makes accounts.
    RegistrationClosed,
    Wrong,
    /// No valid identity in the `Authorization` header.
    Unauthorized,
    TooMany(u64),
    Passkey(&'static str),
    Timeout,
    Failed(anyhow::Error),
}

#[derive(Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, message) = match &self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "there is no such request".to_owned()),
            Self::BadRequest(m) => (StatusCode::BAD_REQUEST, "bad-request", m.clone()),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "origin",
                "pages of this origin may not use the accounts here; the key `origins` allows more"
                    .to_owned(),
            ),
            Self::Name(m) => (StatusCode::UNPROCESSABLE_ENTITY, "name", (*m).to_owned()),
            Self::NameTaken => (
                StatusCode::CONFLICT,
                "name-taken",
                "an account has this name, or one that looks the same".to_owned(),
            ),
            Self::Password(m) => (StatusCode::UNPROCESSABLE_ENTITY, "password", (*m).to_owned()),
            Self::RegistrationClosed => (
                StatusCode::FORBIDDEN,
                "registration-closed",
                "on this server only the administrator makes accounts".to_owned(),
            ),
            Self::Wrong => (StatusCode::FORBIDDEN, "wrong", "the name or the password is wrong".to_owned()),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "this needs the identity of an account in `Authorization: Bearer`; log in again".to_owned(),
            ),
            Self::TooMany(seconds) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many",
                format!("too many attempts; the next one is possible in {seconds} seconds"),
            ),
            Self::Passkey(m) => (StatusCode::FORBIDDEN, "passkey", (*m).to_owned()),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long".to_owned()),
            Self::Failed(error) => {
                tracing::error!(error = format!("{error:#}"), "an account request failed");
                let message = "the server could not do it; its log says why".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
            }
        };
        let mut response = (status, Json(ErrorBody { code, message })).into_response();
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if matches!(self, Self::Unauthorized) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Wrong => Self::Wrong,
            Denied::TooMany(seconds) => Self::TooMany(seconds),
            Denied::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) => Self::Passkey(why),
            Failure::NameTaken => Self::NameTaken,
            Failure::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// A JSON body; what is wrong with it is said in our words.
struct Body<T>(T);

impl<T: serde::de::DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Error> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(_)) => {
                Err(Error::BadRequest(format!("the body is longer than {BODY_LIMIT} bytes, or was cut off")))
            }
            Err(rejection) => Err(Error::BadRequest(rejection.body_text())),
        }
    }
}

/// Around every request: the page's origin, the time it may take, and no copy of the answer anywhere.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(allowed) = origin::check(request.headers(), &app.config) else {
        return Error::Origin.into_response();
    };
    let foreign = allowed.foreign();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Error::Timeout.into_response(),
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = foreign {
        origin::share(response.headers_mut(), origin);
    }
    response
}

/// The answer to whatever lets somebody in.
#[derive(Serialize)]
struct In {
    person: Person,
    /// For `hello.identity` of the signalling, and for `Authorization: Bearer` here.
    identity: String,
}

impl From<Known> for Json<In> {
    fn from(known: Known) -> Self {
        Self(In { person: known.person, identity: known.identity })
    }
}

#[derive(Deserialize)]
struct NameAndPassword {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NameOnly {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Passwords {
    old: Option<String>,
    new: String,
}

type Api = State<Arc<App>>;
type From_ = Extension<Caller>;

fn address(caller: &Caller) -> IpAddr {
    caller.address.ip()
}

async fn register(
    State(app): Api,
    Extension(caller): From_,
    Body(body): Body<NameAndPassword>,
) -> Result<(StatusCode, Json<In>), Error> {
    let name = new_name(&app, &body.name)?;
    check_password(&body.password).map_err(Error::Password)?;
    match app.accounts.register(address(&caller), &name, body.password).await? {
        Ok(known) => Ok((StatusCode::CREATED, known.into())),
        Err(AddError::NameTaken) => Err(Error::NameTaken),
    }
}

fn new_name(app: &App, name: &str) -> Result<String, Error> {
    match app.config.registration {
        Registration::Closed => Err(Error::RegistrationClosed),
        Registration::Open => names::check(name).map_err(Error::Name),
    }
}

async fn login(
    State(app): Api,
    Extension(caller): From_,
    Body(body): Body<NameAndPassword>,
) -> Result<Json<In>, Error> {
    // What cannot be a name or a password is not worth the work of comparing.
    if names::check(&body.name).is_err() || check_password(&body.password).is_err() {
        return Err(Error::Wrong);
    }
    Ok(app.accounts.login(address(&caller), &body.name, body.password).await?.into())
}

async fn logout(State(app): Api, headers: HeaderMap) -> Result<StatusCode, Error> {
    app.accounts.logout(bearer(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(app): Api, headers: HeaderMap) -> Result<Json<Person>, Error> {
    match app.accounts.authenticate(bearer(&headers)?).await? {
        Some(person) => Ok(Json(person)),
        None => Err(Error::Unauthorized),
    }
}

async fn password(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    Body(body): Body<Passwords>,
) -> Result<Json<In>, Error> {
    check_password(&body.new).map_err(Error::Password)?;
    let identity = bearer(&headers)?;
    Ok(app.accounts.change_password(address(&caller), identity, body.old, body.new).await?.into())
}

async fn remove(State(app): Api, headers: HeaderMap) -> Result<StatusCode, Error> {
    let account = app.accounts.account_of(bearer(&headers)?).await?.ok_or(Error::Unauthorized)?;
    app.store.remove_account(&account.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn passkey_register_start(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    Body(body): Body<NameOnly>,
) -> Result<Json<serde_json::Value>, Error> {
    let page = page(&headers)?;
    if let Some(name) = body.name {
        let name = new_name(&app, &name)?;
        app.accounts.may_add(address(&caller))?;
        if app.accounts.name_is_taken(&name).await? {
            return Err(Error::NameTaken);
        }
        return Ok(Json(app.accounts.begin_new_account(name, page)));
    }
    let account = app.accounts.account_of(bearer(&headers)?).await?.ok_or(Error::Unauthorized)?;
    Ok(Json(app.accounts.begin_add(account, page).await?))
}

async fn passkey_register_finish(State(app): Api, Body(body): Body<Credential>) -> Result<Response, Error> {
    Ok(match app.accounts.finish_creation(&body).await? {
        Some(known) => (StatusCode::CREATED, Json::<In>::from(known)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn passkey_login_start(State(app): Api, headers: HeaderMap) -> Result<Json<serde_json::Value>, Error> {
    Ok(Json(app.accounts.begin_login(page(&headers)?)))
}

async fn passkey_login_finish(State(app): Api, Body(body): Body<Credential>) -> Result<Json<In>, Error> {
    Ok(app.accounts.finish_login(&body).await?.into())
}

/// The identity in the `Authorization` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let value =
        headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).ok_or(Error::Unauthorized)?;
    let (scheme, token) = value.split_once(' ').ok_or(Error::Unauthorized)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Error::Unauthorized) }
}

/// The page that asks for a ceremony; passkeys exist for host names only.
fn page(headers: &HeaderMap) -> Result<Page, Error> {
    let origin = headers.get(header::ORIGIN).and_then(|v| v.to_str().ok());
    let origin = origin.ok_or(Error::Passkey("passkeys are for pages: there is no Origin header"))?;
    let host = origin::host(origin).ok_or(Error::Passkey("the page has no origin"))?;
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(Error::Passkey("passkeys need a host name in the page's address, not an IP address"));
    }
    Ok(Page { origin: origin.to_owned(), host: host.to_owned() })
}

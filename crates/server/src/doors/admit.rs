//! Who may come in by a door.

use axum::http::{HeaderMap, StatusCode, header};

use super::Problem;
use crate::app::App;
use crate::signal::keys::{Grant, Invalid};
use crate::signal::protocol::Door;

/// Somebody who may.
pub(super) struct Pass {
    /// Who they are: whoever comes with the same is the same.
    pub(super) holder: String,
    /// What an encoder is called, if whoever let it in has said so.
    pub(super) name: Option<String>,
    /// What they showed; a viewer of a room that everybody may watch shows nothing.
    pub(super) token: Option<String>,
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// Lets the bearer of a token into a room, or says why not. Every sort of token is judged here and nowhere else.
pub(super) fn admit(app: &App, token: Option<&str>, room: &str, door: Door) -> Result<Pass, Problem> {
    let Some(token) = token else {
        return match door {
            // Whether everybody may watch is the room's to say.
            Door::Watch => Ok(Pass { holder: "viewer".to_owned(), name: None, token: None }),
            Door::Publish => Err(Problem::unauthorized(
                "publishing needs a key in `Authorization: Bearer KEY`: an owner of the room finds one under \
                 \"People\", \"Connect an encoder\"",
            )),
        };
    };
    let grant = app.hub.verify_key(token).map_err(|invalid| {
        Problem::unauthorized(match invalid {
            Invalid::Foreign => "this key is none of this server's: copy it again, all of it",
            Invalid::Expired => "this key has ended: an owner of the room gives another",
        })
    })?;
    let Grant { id, room: opens, door: by, name, .. } = grant;
    let wrong = |message| Err(Problem::new(StatusCode::FORBIDDEN, message));
    match (opens == room, by, door) {
        (false, ..) => wrong("this key opens another room: the room stands in the address"),
        (true, Door::Watch, Door::Publish) => wrong("this key is for watching: take one for an encoder"),
        (true, Door::Publish, Door::Watch) => wrong("this key is for an encoder: take one for watching"),
        (true, ..) => Ok(Pass { holder: format!("key:{id}"), name, token: Some(token.to_owned()) }),
    }
}

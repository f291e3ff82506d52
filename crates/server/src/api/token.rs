//! Tokens that applications sign themselves: JWTs (RFC 7519) with HMAC-SHA256 (HS256, RFC 7518 §3.2) under the secret
//! of their API key, named by `iss`.
//!
//! A **join token** has a `room`: it says who comes (`sub`, `name`), as what (`role`), and when (`exp`, `nbf`). An
//! **API token** has the scope `api`: it stands for the key for a while. One algorithm, so that no header can ask for
//! another, and one place that verifies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use super::keys::{Key, Keys};
use crate::accounts::names;
use crate::signal::protocol::{Refusal, Role};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 4096;
/// Seconds that clocks may differ in when a token is not good yet.
const LEEWAY: f64 = 30.0;
/// The longest `sub` and `jti`, in bytes.
const ID_BYTES: usize = 256;

/// Why a token does not open anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// It is not one, or not for this; what is wrong with it.
    Wrong(&'static str),
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// It was for one use.
    Used,
}

impl TokenError {
    /// For programs.
    pub fn code(self) -> Refusal {
        match self {
            Self::Wrong(_) => Refusal::Token,
            Self::Expired | Self::Used => Refusal::TokenExpired,
            Self::Early => Refusal::TokenEarly,
        }
    }

    /// For people.
    pub fn message(self) -> String {
        match self {
            Self::Wrong(why) => format!("this link's token is not valid: {why}"),
            Self::Expired => "this link was good for a while, and that is over: ask for a new one".to_owned(),
            Self::Early => "this link is not good yet: come back when it begins".to_owned(),
            Self::Used => "this link was good for one visit, and that has been: ask for a new one".to_owned(),
        }
    }
}

/// What a token may say. What is not listed is passed over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The id of the API key.
    pub(crate) iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// NumericDates may have a fraction (RFC 7519 §2).
    pub(crate) exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
}

/// A join token that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Join {
    /// The id of the API key that signed it.
    pub key: String,
    /// The only room that it opens.
    pub room: String,
    /// As what its holder comes in.
    pub role: Role,
    /// The application's own name for its holder.
    pub subject: Option<String>,
    /// The name they go by; checked.
    pub name: String,
    /// What makes it good for one use only; the caller sees to that.
    pub once: Option<String>,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

impl Join {
    /// The person id of its holder: always the same for one `sub` of one application.
    pub fn person(&self) -> Option<String> {
        self.subject.as_deref().map(|subject| person_of(&self.key, subject))
    }
}

/// The person id of an application's user.
pub(crate) fn person_of(key: &str, subject: &str) -> String {
    let digest = crypto::sha256(format!("visavis person 1\0{key}\0{subject}").as_bytes());
    BASE64.encode(&digest[..16])
}

/// Reads a join token at a moment, in seconds since 1970.
///
/// # Errors
/// Why it opens nothing.
pub fn verify_join(keys: &Keys, token: &str, now: u64) -> Result<Join, TokenError> {
    let (key, claims) = verify(keys, token, now)?;
    let room = claims.room.ok_or(TokenError::Wrong("it names no `room`"))?;
    let name = claims.name.ok_or(TokenError::Wrong("it has no `name`"))?;
    let name = names::check(&name).map_err(TokenError::Wrong)?;
    if [&claims.sub, &claims.jti].into_iter().flatten().any(|id| id.is_empty() || id.len() > ID_BYTES) {
        return Err(TokenError::Wrong("`sub` and `jti` have 1 to 256 bytes"));
    }
    Ok(Join {
        key: key.id().to_owned(),
        room,
        role: claims.role.unwrap_or(Role::Presenter),
        subject: claims.sub,
        name,
        once: claims.jti,
        expires: whole(claims.exp),
    })
}

/// The key behind a token of scope `api`.
///
/// # Errors
/// Why it opens nothing.
pub(crate) fn verify_api<'a>(keys: &'a Keys, token: &str, now: u64) -> Result<&'a Key, TokenError> {
    let (key, claims) = verify(keys, token, now)?;
    let scopes = claims.scope.as_deref().unwrap_or_default();
    if scopes.split(' ').any(|scope| scope == "api") {
        Ok(key)
    } else {
        Err(TokenError::Wrong("its `scope` is not `api`"))
    }
}

/// Signs a token.
pub(crate) fn sign(key: &Key, claims: &Claims) -> String {
    let claims = serde_json::to_vec(claims).expect("claims have no maps with other keys than text");
    let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{head}.{}", BASE64.encode(claims));
    let tag = BASE64.encode(key.tag(&[text.as_bytes()]));
    format!("{text}.{tag}")
}

/// The signature first, then the times; what the claims are good for, the caller decides.
#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 have far fewer than 53 bits")]
fn verify<'a>(keys: &'a Keys, token: &str, now: u64) -> Result<(&'a Key, Claims), TokenError> {
    const NOT_ONE: TokenError = TokenError::Wrong("it is cut off, or not a token at all");
    #[derive(Deserialize)]
    struct Header {
        alg: String,
        crit: Option<serde_json::Value>,
    }
    if token.len() > LONGEST {
        return Err(NOT_ONE);
    }
    let (text, tag) = token.rsplit_once('.').ok_or(NOT_ONE)?;
    let (head, body) = text.split_once('.').ok_or(NOT_ONE)?;
    let part = |text: &str| BASE64.decode(text).map_err(|_| NOT_ONE);
    let (head, body, tag) = (part(head)?, part(body)?, part(tag)?);
    let header: Header = serde_json::from_slice(&head).map_err(|_| NOT_ONE)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(TokenError::Wrong("it is not signed with HS256, or its header asks for more"));
    }
    let claims: Claims = serde_json::from_slice(&body).map_err(|_| {
        TokenError::Wrong("its claims are not what they should be: `iss` and `exp` are needed")
    })?;
    let key = keys.get(&claims.iss).ok_or(TokenError::Wrong("no API key has the id that `iss` names"))?;
    if !crypto::constant_time_eq(&key.tag(&[text.as_bytes()]), &tag) {
        return Err(TokenError::Wrong("its signature is not of the key that `iss` names"));
    }
    let now = now as f64;
    if claims.exp <= now {
        return Err(TokenError::Expired);
    }
    match claims.nbf {
        Some(nbf) if nbf > now + LEEWAY => Err(TokenError::Early),
        Some(_) | None => Ok((key, claims)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keys() -> Keys {
        Keys::parse(&format!("shop.{}\nschool.{}", "s".repeat(32), "t".repeat(40))).unwrap()
    }

    fn claims() -> Claims {
        let text = |text: &str| Some(text.to_owned());
        Claims {
            iss: "shop".into(),
            sub: text("customer 7"),
            room: text("r"),
            name: text(" Ann "),
            role: Some(Role::Attendee),
            exp: 1_800_000_060.5,
            ..Claims::default()
        }
    }

    fn signed(change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = claims();
        change(&mut claims);
        sign(keys().get("shop").unwrap(), &claims)
    }

    #[test]
    fn a_token_of_another_program_is_read() {
        // Made by PyJWT 2.10: jwt.encode({"iss": "shop", "room": "r", "name": "Ann", "exp": 1800000060}, "s" * 32).
        let token = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJpc3MiOiJzaG9wIiwicm9vbSI6InIiLCJuYW1lIjoiQW5uIiwiZXhwIjoxODAwMDAwMDYwfQ.",
            "SwTIn7lNeCEyuVRrAYap30rEk739UpO4XgKmO1EoPUk",
        );
        let join = verify_join(&keys(), token, NOW).unwrap();
        assert_eq!((join.room.as_str(), join.role, join.person()), ("r", Role::Presenter, None));
    }

    #[test]
    fn a_join_token_says_who_comes_where_and_as_what() {
        let join = verify_join(&keys(), &signed(|_| ()), NOW).unwrap();
        let subject = Some("customer 7".to_owned());
        assert_eq!((&*join.name, join.role, &join.subject), ("Ann", Role::Attendee, &subject));
        assert_eq!(join.person().unwrap().len(), 22);
        assert_ne!(join.person(), Join { key: "school".into(), ..join.clone() }.person());
        assert_eq!(join.expires, 1_800_000_060);
    }

    #[test]
    fn a_token_opens_nothing_when_anything_about_it_is_wrong() {
        use TokenError::{Early, Expired, Wrong};
        let at = |token: &str, now| verify_join(&keys(), token, now).map_err(|e| std::mem::discriminant(&e));
        let kind = |error: TokenError| Err(std::mem::discriminant(&error));
        let good = signed(|_| ());
        assert!(at(&good, NOW + 60).is_ok());
        assert_eq!(at(&good, NOW + 61), kind(Expired));
        let later = signed(|claims| claims.nbf = Some(1_800_000_040.0));
        assert_eq!(at(&later, NOW + 9), kind(Early));
        assert!(at(&later, NOW + 10).is_ok(), "clocks differ");
        for token in [
            signed(|claims| claims.room = None),
            signed(|claims| claims.name = None),
            signed(|claims| claims.name = Some("\u{7}".into())),
            signed(|claims| claims.iss = "school".into()),
            signed(|claims| claims.iss = "nobody".into()),
            signed(|claims| claims.sub = Some(String::new())),
            signed(|claims| claims.jti = Some("x".repeat(257))),
            format!("{good}.{good}"),
            "x".repeat(5000),
            "..".into(),
            String::new(),
        ] {
            assert_eq!(at(&token, NOW), kind(Wrong("")), "{token}");
        }
        for byte in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[byte] ^= 1;
            let Ok(bent) = String::from_utf8(bytes) else { continue };
            assert_eq!(at(&bent, NOW), kind(Wrong("")), "changed at {byte}");
        }
        // Neither no signature nor the header's choice of one (RFC 8725 §2.1).
        let [_, body, tag] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
        for head in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"HS256","crit":["x"]}"#] {
            let text = format!("{}.{body}", BASE64.encode(head));
            let own = BASE64.encode(keys().get("shop").unwrap().tag(&[text.as_bytes()]));
            for tag in ["", tag, &own] {
                assert_eq!(at(&format!("{text}.{tag}"), NOW), kind(Wrong("")), "{head}");
            }
        }
    }

    #[test]
    fn a_join_token_is_no_api_token() {
        let keys = keys();
        assert!(verify_api(&keys, &signed(|_| ()), NOW).is_err());
        let api = signed(|claims| claims.scope = Some("read api".into()));
        assert_eq!(verify_api(&keys, &api, NOW).map(Key::id), Ok("shop"));
        let api = signed(|claims| (claims.scope, claims.room) = (Some("api".into()), None));
        assert!(verify_join(&keys, &api, NOW).is_err());
    }
}

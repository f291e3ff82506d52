//! The sessions: what stands behind the address that a client was given.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::fragment::{self, Fragment};
use super::{PATIENCE, Problem};
use crate::signal::doors::{DoorCommand, DoorEvent, DoorId};
use crate::signal::hub::{DoorEnd, Hub};
use crate::signal::protocol::Door;

/// How long a restart waits for one that is under way.
const TURN: Duration = Duration::from_secs(10);

/// All sessions that are.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<std::sync::Mutex<HashMap<String, Arc<Session>>>>);

/// One of them.
pub(super) struct Session {
    /// The end of its address: random, and known to nobody but its client.
    pub(super) id: String,
    pub(super) room: String,
    pub(super) door: Door,
    pub(super) at: DoorId,
    /// The hash of the token that it was begun with.
    token: Option<[u8; 32]>,
    ice: Mutex<Ice>,
}

/// The present generation of ICE.
struct Ice {
    /// Names it (RFC 9725 §4.3.1).
    etag: String,
    /// The offer of the client, which a restart changes.
    offer: String,
    answers: mpsc::Receiver<Result<String, String>>,
}

/// What a PATCH came to.
pub(super) enum Patch {
    /// Candidates were taken.
    Taken,
    /// ICE begins anew.
    Restarted { etag: String, answer: String },
}

impl Sessions {
    /// A session begins, and lasts as long as its door is open.
    pub(super) fn begin(
        &self,
        (door, room): (Door, String),
        token: Option<String>,
        offer: String,
        end: DoorEnd,
    ) -> Arc<Session> {
        let DoorEnd { id: at, mut events } = end;
        let (told, answers) = mpsc::channel(1);
        let session = Arc::new(Session {
            id: BASE64.encode(crypto::random::<18>()),
            room,
            door,
            at,
            token: token.map(|token| crypto::sha256(token.as_bytes())),
            ice: Mutex::new(Ice { etag: new_etag(), offer, answers }),
        });
        self.lock().insert(session.id.clone(), Arc::clone(&session));
        let (sessions, id) = (self.clone(), session.id.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    // Only a restart waits for one, and there is one at a time.
                    DoorEvent::Answer(answer) => drop(told.try_send(answer)),
                    DoorEvent::Refused(..) | DoorEvent::Ended(_) => break,
                }
            }
            sessions.remove(&id);
        });
        session
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether it was begun with this token.
    pub(super) fn is_of(&self, token: Option<&str>) -> bool {
        match (&self.token, token) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(token)) => crypto::constant_time_eq(own, &crypto::sha256(token.as_bytes())),
        }
    }

    /// A name for the log, which opens nothing.
    pub(super) fn name(&self) -> u64 {
        self.at.0
    }

    pub(super) async fn etag(&self) -> String {
        self.ice.lock().await.etag.clone()
    }

    /// Takes candidates, or restarts ICE.
    pub(super) async fn patch(
        &self,
        hub: &Hub,
        condition: &str,
        fragment: &Fragment,
    ) -> Result<Patch, Problem> {
        let ice = timeout(TURN, self.ice.lock()).await;
        let mut ice = ice.map_err(|_| Problem::busy())?;
        let any = matches!(condition.trim(), "*" | "\"*\"");
        if !any && !condition.split(',').any(|tag| tag.trim() == ice.etag) {
            let message =
                "`If-Match` names another generation of ICE than the present one: it was restarted meanwhile";
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, message));
        }
        let known = fragment::ufrag(&ice.offer).map(str::to_owned);
        let fresh = fragment.credentials.as_ref().filter(|(ufrag, _)| Some(ufrag) != known.as_ref());
        let Some((ufrag, password)) = fresh else {
            if any && fragment.credentials.is_none() && fragment.candidates.is_empty() {
                let message = "a restart of ICE has new `a=ice-ufrag` and `a=ice-pwd` in its fragment";
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message));
            }
            self.pass_on(hub, fragment).await;
            return Ok(Patch::Taken);
        };
        if !any {
            let message =
                "these are the candidates of another generation of ICE: restart it with `If-Match: *`";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
        let offer = fragment::restarted(&ice.offer, (ufrag, password));
        // An answer that came after its request was given up is nobody's.
        while ice.answers.try_recv().is_ok() {}
        hub.at_door(self.at, DoorCommand::Offer { sdp: offer.clone() }).await;
        let answer = match timeout(PATIENCE, ice.answers.recv()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(Some(Err(message))) => return Err(Problem::new(StatusCode::BAD_REQUEST, message)),
            Ok(None) => {
                let message = "the session has ended: begin another with POST";
                return Err(Problem::new(StatusCode::NOT_FOUND, message));
            }
            Err(_) => return Err(Problem::busy()),
        };
        ice.offer = offer;
        ice.etag = new_etag();
        self.pass_on(hub, fragment).await;
        Ok(Patch::Restarted { etag: ice.etag.clone(), answer })
    }

    async fn pass_on(&self, hub: &Hub, fragment: &Fragment) {
        for candidate in &fragment.candidates {
            hub.at_door(self.at, DoorCommand::Candidate { candidate: candidate.clone() }).await;
        }
    }
}

fn new_etag() -> String {
    format!("\"{}\"", BASE64.encode(crypto::random::<9>()))
}

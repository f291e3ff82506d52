//! What signalling asks of the rest of the server: who somebody is, and their ICE servers.

use std::sync::Arc;

use crate::accounts::{self, Accounts, identity, names};
use crate::api::Applications;
use crate::api::token::{TokenError, verify_join};
use crate::clock;
use crate::ice::Ice;
use crate::signal::authority::{Authority, Claim, Denied, IceGrant};
use crate::signal::bus::{Grant, Identity};
use crate::signal::protocol::{Person, Refusal};
use crate::store::Store;

/// Those who know who somebody is.
#[derive(Clone)]
pub(crate) struct Known {
    /// Accounts and guests.
    pub(crate) accounts: Arc<Accounts>,
    /// Who signs join tokens.
    pub(crate) applications: Option<Arc<Applications>>,
    /// Which of those were used up.
    pub(crate) store: Store,
}

/// The answers, from accounts, applications and ICE servers.
pub(crate) fn new(known: Known, ice: Arc<Ice>) -> Authority {
    let renaming = Arc::clone(&known.accounts);
    Authority {
        identify: Box::new(move |claim| {
            let known = known.clone();
            Box::pin(async move {
                match &claim.token {
                    Some(token) => invited(&known, token, claim.identity.as_deref()).await,
                    None => identify(&known.accounts, claim).await,
                }
            })
        }),
        rename: Box::new(move |person, name| {
            let accounts = Arc::clone(&renaming);
            Box::pin(async move { rename(&accounts, person, name).await })
        }),
        ice_servers: Box::new(move |door, person| IceGrant {
            servers: ice.servers(&door.host, &person.id, clock::unix_seconds()),
            lifetime: ice.lifetime(),
        }),
    }
}

/// Somebody comes with a join token.
async fn invited(known: &Known, token: &str, identity: Option<&str>) -> Result<Identity, Denied> {
    let denied = |error: TokenError| Denied { code: error.code(), message: error.message() };
    let none = TokenError::Wrong("this server knows no application that could have signed it");
    let applications = known.applications.as_ref().ok_or_else(|| denied(none))?;
    let now = clock::unix_seconds();
    let join = verify_join(&applications.keys, token, now).map_err(denied)?;
    if let Some(once) = &join.once {
        let id = crypto::sha256(format!("{}\0{once}", join.key).as_bytes());
        if !known.store.use_token(&id, join.expires, now).await.map_err(failed)? {
            return Err(denied(TokenError::Used));
        }
    }
    let id = match join.person() {
        Some(id) => Some(id),
        // Whom the application has no name for is who they were in this browser, if they were a guest.
        None => match identity {
            Some(identity) => {
                let before = known.accounts.authenticate(identity).await.map_err(failed)?;
                before.filter(|person| !person.verified).map(|person| person.id)
            }
            None => None,
        },
    };
    // The application vouches for the name: that an account has it, too, does not matter.
    let accounts::Known { person, identity } = known.accounts.guest(id, &join.name);
    let grant = Grant { room: join.room, role: join.role, subject: join.subject };
    Ok(Identity { person, token: identity, grant: Some(Box::new(grant)) })
}

async fn identify(accounts: &Accounts, claim: Claim) -> Result<Identity, Denied> {
    let known = match claim.identity {
        None => None,
        Some(token) => match accounts.authenticate(&token).await.map_err(failed)? {
            Some(person) if person.verified => {
                return Ok(Identity { person, token, grant: None });
            }
            Some(person) => Some(person),
            None => {
                let message = "this identity is not valid any more: log in again, or come as a guest";
                return Err(Denied { code: Refusal::Identity, message: message.to_owned() });
            }
        },
    };
    // A guest, who may go by another name than the last time.
    let (id, last) = known.map_or((None, None), |p| (Some(p.id), Some(p.name)));
    let Some(name) = claim.name.or(last) else {
        return Err(bad_name("a name or an identity is needed"));
    };
    let name = free_name(accounts, &name).await?;
    let accounts::Known { person, identity } = accounts.guest(id.or_else(|| Some(identity::new_id())), &name);
    Ok(Identity { person, token: identity, grant: None })
}

async fn rename(accounts: &Accounts, person: Person, name: String) -> Result<Person, String> {
    if person.verified {
        return Err("the name belongs to the account: it can be changed there only".to_owned());
    }
    let name = free_name(accounts, &name).await.map_err(|denied| denied.message)?;
    Ok(Person { name, ..person })
}

/// The name as it is kept, if a guest may have it.
async fn free_name(accounts: &Accounts, name: &str) -> Result<String, Denied> {
    let name = names::check(name).map_err(bad_name)?;
    if accounts.name_is_taken(&name).await.map_err(failed)? {
        return Err(bad_name(
            "an account has this name, or one that looks the same: log in, or take another",
        ));
    }
    Ok(name)
}

fn bad_name(message: &str) -> Denied {
    Denied { code: Refusal::Name, message: message.to_owned() }
}

fn failed(error: anyhow::Error) -> Denied {
    tracing::error!(error = format!("{error:#}"), "cannot look up who somebody is");
    Denied { code: Refusal::Limit, message: "the server cannot look this up now; try again later".to_owned() }
}

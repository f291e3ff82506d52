//! What signalling asks of the rest of the server: who somebody is, and their ICE servers.

use std::sync::Arc;

use crate::accounts::{Accounts, Known, identity, names};
use crate::clock;
use crate::ice::Ice;
use crate::signal::authority::{Authority, Claim, Denied, IceGrant};
use crate::signal::bus::Identity;
use crate::signal::protocol::{Person, Refusal};

/// The answers, from accounts and ICE servers.
pub(crate) fn new(accounts: Arc<Accounts>, ice: Arc<Ice>) -> Authority {
    let renaming = Arc::clone(&accounts);
    Authority {
        identify: Box::new(move |claim| {
            let accounts = Arc::clone(&accounts);
            Box::pin(async move { identify(&accounts, claim).await })
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

async fn identify(accounts: &Accounts, claim: Claim) -> Result<Identity, Denied> {
    let known = match claim.identity {
        None => None,
        Some(token) => match accounts.authenticate(&token).await.map_err(failed)? {
            Some(person) if person.verified => return Ok(Identity { person, token }),
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
    let Known { person, identity } = accounts.guest(id.or_else(|| Some(identity::new_id())), &name);
    Ok(Identity { person, token: identity })
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

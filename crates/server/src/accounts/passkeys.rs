//! Passkey ceremonies: each is a challenge that is given out and answered once, within five minutes.

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::webauthn::{self, ALGORITHMS, Expected};
use super::{Accounts, AddError, Known, identity};
use crate::clock;
use crate::store::{Account, Passkey};

/// How long a challenge can be answered, in seconds.
const LIFETIME: u64 = 300;
/// How many are open at a time; the oldest give way.
const MOST: usize = 10_000;
/// Passkeys of one account.
const MOST_OF_ACCOUNT: u32 = 16;

/// The challenges that are open.
#[derive(Default)]
pub(super) struct Ceremonies {
    open: HashMap<[u8; 32], Ceremony>,
    /// In the order they were opened.
    order: VecDeque<[u8; 32]>,
}

/// What a challenge was given out for.
struct Ceremony {
    purpose: Purpose,
    page: Page,
    expires: u64,
}

enum Purpose {
    /// A new account of this name; the id is the account's to be.
    NewAccount { id: String, name: String },
    /// One more passkey of this account.
    Add { account: String },
    /// Letting somebody in.
    Login,
}

/// The page that a ceremony takes place on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page {
    /// As the browser says it, such as `https://example.org:8443`.
    pub(super) origin: String,
    /// Its host name, which is the relying party's id.
    pub(super) host: String,
}

/// Why a ceremony failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is not right; a sentence says why.
    Refused(&'static str),
    /// The name of the new account was taken meanwhile.
    NameTaken,
    /// The database failed.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// A browser's answer, as `PublicKeyCredential.toJSON()` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential {
    raw_id: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: Option<String>,
    authenticator_data: Option<String>,
    signature: Option<String>,
}

impl Ceremonies {
    fn begin(&mut self, purpose: Purpose, page: Page, now: u64) -> [u8; 32] {
        while self.order.front().is_some_and(|c| self.open.get(c).is_none_or(|c| c.expires <= now))
            || self.open.len() >= MOST
        {
            let Some(oldest) = self.order.pop_front() else { break };
            self.open.remove(&oldest);
        }
        let challenge = crypto::random::<32>();
        self.open.insert(challenge, Ceremony { purpose, page, expires: now + LIFETIME });
        self.order.push_back(challenge);
        challenge
    }

    /// Takes the ceremony out: it can be answered once.
    fn finish(&mut self, challenge: &[u8; 32], now: u64) -> Option<Ceremony> {
        self.open.remove(challenge).filter(|c| c.expires > now)
    }
}

impl Accounts {
    /// Options for making the first passkey of a new account, as `parseCreationOptionsFromJSON` takes them.
    pub(super) fn begin_new_account(&self, name: String, page: Page) -> Value {
        let id = identity::new_id();
        let purpose = Purpose::NewAccount { id: id.clone(), name: name.clone() };
        self.creation_options(purpose, page, &id, &name, Vec::new())
    }

    /// Options for making one more passkey.
    pub(super) async fn begin_add(&self, account: Account, page: Page) -> Result<Value> {
        let present = self.store.passkeys_of(&account.id).await?;
        let purpose = Purpose::Add { account: account.id.clone() };
        Ok(self.creation_options(purpose, page, &account.id, &account.name, present))
    }

    fn creation_options(
        &self,
        purpose: Purpose,
        page: Page,
        id: &str,
        name: &str,
        present: Vec<Vec<u8>>,
    ) -> Value {
        let host = page.host.clone();
        let challenge = self.begin(purpose, page);
        let exclude: Vec<Value> =
            present.iter().map(|id| json!({ "type": "public-key", "id": BASE64.encode(id) })).collect();
        let algorithms = ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg }));
        json!({
            "rp": { "id": host, "name": "Visavis" },
            "user": { "id": BASE64.encode(id), "name": name, "displayName": name },
            "challenge": BASE64.encode(challenge),
            "pubKeyCredParams": algorithms,
            "timeout": LIFETIME * 1000,
            "excludeCredentials": exclude,
            "authenticatorSelection":
                { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
            "attestation": "none",
        })
    }

    /// Options for using a passkey, as `parseRequestOptionsFromJSON` takes them. No account is named in them, so
    /// that nobody learns which exist.
    pub(super) fn begin_login(&self, page: Page) -> Value {
        let host = page.host.clone();
        let challenge = self.begin(Purpose::Login, page);
        json!({
            "challenge": BASE64.encode(challenge),
            "timeout": LIFETIME * 1000,
            "rpId": host,
            "allowCredentials": [],
            "userVerification": "required",
        })
    }

    /// Keeps a passkey that was made; a new account is logged in.
    pub(super) async fn finish_creation(&self, credential: &Credential) -> Result<Option<Known>, Failure> {
        let client_data = decode(&credential.response.client_data)?;
        let (ceremony, challenge) = self.finish(&client_data)?;
        let attestation = decode(credential.response.attestation_object.as_deref().unwrap_or_default())?;
        let expected = ceremony.page.expects(&challenge);
        let created = webauthn::created(expected, &client_data, &attestation).map_err(Failure::Refused)?;
        let passkey = |account: &str| Passkey {
            id: created.id.clone(),
            account: account.to_owned(),
            public_key: created.public_key.clone(),
            counter: created.counter,
        };
        match &ceremony.purpose {
            Purpose::NewAccount { id, name } => match self.register_passkey(name, &passkey(id)).await? {
                Ok(known) => Ok(Some(known)),
                Err(AddError::NameTaken) => Err(Failure::NameTaken),
            },
            Purpose::Add { account } => {
                let now = clock::unix_seconds();
                if self.store.add_passkey(&passkey(account), MOST_OF_ACCOUNT, now).await? {
                    Ok(None)
                } else {
                    Err(Failure::Refused("it is known already, or the account has 16 passkeys"))
                }
            }
            Purpose::Login => Err(Failure::Refused("it is another kind of ceremony")),
        }
    }

    /// Lets somebody in who used a passkey.
    pub(super) async fn finish_login(&self, credential: &Credential) -> Result<Known, Failure> {
        let client_data = decode(&credential.response.client_data)?;
        let (ceremony, challenge) = self.finish(&client_data)?;
        if !matches!(ceremony.purpose, Purpose::Login) {
            return Err(Failure::Refused("it is another kind of ceremony"));
        }
        let data = decode(credential.response.authenticator_data.as_deref().unwrap_or_default())?;
        let signature = decode(credential.response.signature.as_deref().unwrap_or_default())?;
        let passkey = self.store.passkey(&decode(&credential.raw_id)?).await?;
        let passkey = passkey.ok_or(Failure::Refused("the passkey is not known here"))?;
        let expected = ceremony.page.expects(&challenge);
        let counter = webauthn::asserted(expected, &passkey.public_key, &client_data, &data, &signature)
            .map_err(Failure::Refused)?;
        // §7.2 step 21: a counter that does not rise is the sign of a copied authenticator; both zero is no counter.
        if counter <= passkey.counter && (counter, passkey.counter) != (0, 0) {
            return Err(Failure::Refused("the passkey's counter went back: it may have been copied"));
        }
        if !self.store.passkey_used(&passkey, counter, clock::unix_seconds()).await? {
            return Err(Failure::Refused("the passkey was used twice at a time"));
        }
        let account = self.store.account_by_id(&passkey.account).await?;
        let account = account.ok_or(Failure::Refused("the account was removed"))?;
        Ok(self.log_in(account).await?)
    }

    fn begin(&self, purpose: Purpose, page: Page) -> [u8; 32] {
        let mut ceremonies = self.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
        ceremonies.begin(purpose, page, clock::unix_seconds())
    }

    /// Finds the ceremony that the browser's answer is about.
    fn finish(&self, client_data: &[u8]) -> Result<(Ceremony, [u8; 32]), Failure> {
        let data: Value = serde_json::from_slice(client_data)
            .map_err(|_| Failure::Refused("the client data is not JSON"))?;
        let challenge = data.get("challenge").and_then(Value::as_str).unwrap_or_default();
        let challenge: [u8; 32] = decode(challenge)?
            .try_into()
            .map_err(|_| Failure::Refused("the challenge is not one of ours"))?;
        let mut ceremonies = self.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
        let ceremony = ceremonies.finish(&challenge, clock::unix_seconds());
        let ceremony =
            ceremony.ok_or(Failure::Refused("it came too late or was answered before; try again"))?;
        Ok((ceremony, challenge))
    }
}

impl Page {
    fn expects<'a>(&'a self, challenge: &'a [u8; 32]) -> Expected<'a> {
        Expected { challenge, origin: &self.origin, relying_party: &self.host }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    BASE64.decode(text.trim_end_matches('=')).map_err(|_| Failure::Refused("a part of it is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page { origin: "https://example.org".into(), host: "example.org".into() }
    }

    #[test]
    fn a_challenge_is_answered_once_and_in_time() {
        let mut ceremonies = Ceremonies::default();
        let a = ceremonies.begin(Purpose::Login, page(), 1000);
        let b = ceremonies.begin(Purpose::Login, page(), 1000);
        assert!(ceremonies.finish(&a, 1299).is_some());
        assert!(ceremonies.finish(&a, 1299).is_none(), "twice");
        assert!(ceremonies.finish(&b, 1300).is_none(), "too late");
    }

    #[test]
    fn open_challenges_are_bounded() {
        let mut ceremonies = Ceremonies::default();
        for _ in 0..MOST + 10 {
            ceremonies.begin(Purpose::Login, page(), 1000);
        }
        assert_eq!(ceremonies.open.len(), MOST);
        assert!(ceremonies.order.len() <= MOST);
        ceremonies.begin(Purpose::Login, page(), 1300);
        assert_eq!(ceremonies.open.len(), 1);
    }
}

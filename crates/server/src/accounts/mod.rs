//! Who people are: guests by a sealed token, and accounts, which keep a name for their owner.

mod attempts;
pub mod identity;
pub mod names;
mod passkeys;
pub mod rest;
mod webauthn;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::sync::Semaphore;

use self::attempts::Attempts;
use self::identity::{Identity, Seal};
use self::passkeys::Ceremonies;
use crate::clock;
use crate::http::holder;
use crate::signal::protocol::Person;
use crate::store::{Account, NameTaken, Passkey, Store};

/// Failed logins in 15 minutes from one address, whatever the names.
const FAILURES_PER_ADDRESS: u32 = 20;
/// Failed logins in 15 minutes for one name from one address.
const FAILURES_PER_PAIR: u32 = 8;
/// Failed logins in 15 minutes for one name from anywhere: enough that strangers do not lock the owner out soon.
const FAILURES_PER_NAME: u32 = 100;
/// New accounts in 15 minutes from one address.
const NEW_PER_ADDRESS: u32 = 10;
/// Passwords hashed at a time; each takes a core and 19 MiB for a moment.
const HASHES_AT_A_TIME: usize = 2;
/// How long a login lasts, in seconds: 180 days.
const LOGIN_LIFETIME: u64 = 180 * 86_400;

/// Everything about people that lasts.
pub struct Accounts {
    store: Store,
    seal: Seal,
    limits: Mutex<Limits>,
    hashing: Arc<Semaphore>,
    ceremonies: Mutex<Ceremonies>,
    /// What a password is compared with when there is no such account, so that both take the same time.
    nobody: String,
}

struct Limits {
    by_address: Attempts<IpAddr>,
    by_name: Attempts<String>,
    by_pair: Attempts<(IpAddr, String)>,
    new: Attempts<IpAddr>,
}

/// Somebody, and the token that makes them the same person next time.
#[derive(Clone)]
pub struct Known {
    /// Who.
    pub person: Person,
    /// A secret of theirs.
    pub identity: String,
}

/// Why an account was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// Another account has the name, or one that looks the same.
    NameTaken,
}

/// Why somebody was not let in.
#[derive(Debug)]
pub enum Denied {
    /// Wrong name or wrong password: which of them stays unsaid.
    Wrong,
    /// Too many failures; seconds until the next try.
    TooMany(u64),
    /// The database failed.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Denied {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl Accounts {
    /// With the server's secret, which seals identities.
    pub fn new(store: Store, secret: &[u8; 32]) -> Self {
        Self {
            store,
            seal: Seal::new(secret),
            limits: Mutex::new(Limits {
                by_address: Attempts::new(FAILURES_PER_ADDRESS),
                by_name: Attempts::new(FAILURES_PER_NAME),
                by_pair: Attempts::new(FAILURES_PER_PAIR),
                new: Attempts::new(NEW_PER_ADDRESS),
            }),
            hashing: Arc::new(Semaphore::new(HASHES_AT_A_TIME)),
            ceremonies: Mutex::default(),
            nobody: crypto::password::hash("nobody has this password"),
        }
    }

    /// Whether an account holds this name or one that looks the same.
    ///
    /// # Errors
    /// The database failed.
    pub async fn name_is_taken(&self, name: &str) -> Result<bool> {
        Ok(by_name(&self.store, name).await?.is_some())
    }

    /// Whom a token speaks for; `None` if it is not one of ours or its login has ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn authenticate(&self, identity: &str) -> Result<Option<Person>> {
        match self.seal.verify(identity) {
            None => Ok(None),
            Some(Identity::Guest { id, name }) => Ok(Some(Person { id, name, verified: false })),
            Some(Identity::Login { digest }) => {
                let account = self.store.account_of_login(&digest, clock::unix_seconds()).await?;
                Ok(account.map(person))
            }
        }
    }

    /// A guest under this name: a new person, or `id` again.
    pub fn guest(&self, id: Option<String>, name: &str) -> Known {
        let id = id.unwrap_or_else(identity::new_id);
        let identity = self.seal.guest(&id, name);
        Known { person: Person { id, name: name.to_owned(), verified: false }, identity }
    }

    /// Makes an account with a password and logs it in. The name and the password were checked.
    ///
    /// # Errors
    /// Outer: too many from this address, or the database failed. Inner: the name is taken.
    pub(crate) async fn register(
        &self,
        address: IpAddr,
        name: &str,
        password: String,
    ) -> Result<Result<Known, AddError>, Denied> {
        self.may_add(address)?;
        let _turn = self.hashing.acquire().await.context("the server is stopping")?;
        match add(&self.store, name, &password).await? {
            Err(error) => Ok(Err(error)),
            Ok(id) => Ok(Ok(self.log_in(Account { id, name: name.to_owned(), password: None }).await?)),
        }
    }

    /// Counts a new account against its address.
    fn may_add(&self, address: IpAddr) -> Result<(), Denied> {
        self.limits().new.begin(clock::unix_seconds(), &holder(address)).map_err(Denied::TooMany)
    }

    /// Lets somebody in by name and password.
    ///
    /// # Errors
    /// When they are not let in; it takes as long whether the name or the password is wrong.
    pub(crate) async fn login(&self, address: IpAddr, name: &str, password: String) -> Result<Known, Denied> {
        let address = holder(address);
        let key = names::key(name);
        self.begin_attempt(address, &key)?;
        let account = self.store.account_by_name(&key).await?;
        let hash = account.as_ref().and_then(|a| a.password.clone());
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let right = self.compare(password, hash).await?;
        match account {
            Some(account) if known && right => {
                self.attempt_succeeded(address, &key);
                Ok(self.log_in(account).await?)
            }
            _ => Err(Denied::Wrong),
        }
    }

    fn begin_attempt(&self, address: IpAddr, key: &str) -> Result<(), Denied> {
        let now = clock::unix_seconds();
        let mut limits = self.limits();
        limits.by_address.begin(now, &address).map_err(Denied::TooMany)?;
        limits.by_pair.begin(now, &(address, key.to_owned())).map_err(Denied::TooMany)?;
        limits.by_name.begin(now, &key.to_owned()).map_err(Denied::TooMany)
    }

    fn attempt_succeeded(&self, address: IpAddr, key: &str) {
        let mut limits = self.limits();
        limits.by_address.succeeded(&address);
        limits.by_pair.succeeded(&(address, key.to_owned()));
        limits.by_name.succeeded(&key.to_owned());
    }

    async fn compare(&self, password: String, hash: String) -> Result<bool> {
        let _turn = self.hashing.acquire().await.context("the server is stopping")?;
        let compared = tokio::task::spawn_blocking(move || crypto::password::verify(&password, &hash)).await;
        compared.context("comparing the password was interrupted")
    }

    /// Changes the password of the account behind `identity` and logs in anew; every other login ends.
    ///
    /// # Errors
    /// [`Denied::Wrong`] if it is no account's, or `old` is wrong.
    pub(crate) async fn change_password(
        &self,
        address: IpAddr,
        identity: &str,
        old: Option<String>,
        new: String,
    ) -> Result<Known, Denied> {
        let account = self.account_of(identity).await?.ok_or(Denied::Wrong)?;
        if let Some(hash) = &account.password {
            let (address, key) = (holder(address), names::key(&account.name));
            self.begin_attempt(address, &key)?;
            if !self.compare(old.unwrap_or_default(), hash.clone()).await? {
                return Err(Denied::Wrong);
            }
            self.attempt_succeeded(address, &key);
        }
        let _turn = self.hashing.acquire().await.context("the server is stopping")?;
        self.store.set_password(&account.id, Some(&hash(new).await?)).await?;
        Ok(self.log_in(account).await?)
    }

    /// The account that a token's login is of.
    pub(crate) async fn account_of(&self, identity: &str) -> Result<Option<Account>> {
        match self.seal.verify(identity) {
            Some(Identity::Login { digest }) => {
                self.store.account_of_login(&digest, clock::unix_seconds()).await
            }
            Some(Identity::Guest { .. }) | None => Ok(None),
        }
    }

    /// Ends the login of a token; a token of anything else ends nothing.
    pub(crate) async fn logout(&self, identity: &str) -> Result<()> {
        match self.seal.verify(identity) {
            Some(Identity::Login { digest }) => self.store.remove_login(&digest).await,
            Some(Identity::Guest { .. }) | None => Ok(()),
        }
    }

    /// Makes an account that is entered by a passkey, and logs it in.
    async fn register_passkey(&self, name: &str, passkey: &Passkey) -> Result<Result<Known, AddError>> {
        let account = Account { id: passkey.account.clone(), name: name.to_owned(), password: None };
        let added =
            self.store.add_account(&account, &names::key(name), Some(passkey), clock::unix_seconds()).await?;
        match added {
            Err(NameTaken) => Ok(Err(AddError::NameTaken)),
            Ok(()) => Ok(Ok(self.log_in(account).await?)),
        }
    }

    async fn log_in(&self, account: Account) -> Result<Known> {
        let (identity, digest) = self.seal.login();
        let now = clock::unix_seconds();
        self.store.add_login(&digest, &account.id, now, now + LOGIN_LIFETIME).await?;
        Ok(Known { person: person(account), identity })
    }

    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn person(account: Account) -> Person {
    Person { id: account.id, name: account.name, verified: true }
}

/// The account that holds a name or one that looks the same.
///
/// # Errors
/// The database failed.
pub async fn by_name(store: &Store, name: &str) -> Result<Option<Account>> {
    store.account_by_name(&names::key(name)).await
}

/// Makes an account with a password; the person id is returned.
///
/// # Errors
/// Outer: the database failed. Inner: the name is taken.
pub async fn add(store: &Store, name: &str, password: &str) -> Result<Result<String, AddError>> {
    let password = hash(password.to_owned()).await?;
    let account = Account { id: identity::new_id(), name: name.to_owned(), password: Some(password) };
    let added = store.add_account(&account, &names::key(name), None, clock::unix_seconds()).await?;
    Ok(added.map(|()| account.id).map_err(|NameTaken| AddError::NameTaken))
}

/// Hashes a password on a thread where that may take its time.
///
/// # Errors
/// When the program ends meanwhile.
pub async fn hash(password: String) -> Result<String> {
    let hashed = tokio::task::spawn_blocking(move || crypto::password::hash(&password)).await;
    hashed.context("hashing the password was interrupted")
}

/// Whether a password may be used (NIST SP 800-63B §5.1.1.2: a length, and no rules on what it is made of).
///
/// # Errors
/// A sentence for the person who chose it.
pub fn check_password(password: &str) -> Result<(), &'static str> {
    match password.chars().count() {
        0..8 => Err("a password has at least 8 characters"),
        8..=256 => Ok(()),
        _ => Err("a password has at most 256 characters"),
    }
}

use anyhow::{Context as _, Result};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Store;

/// An account as it is kept.
#[derive(Clone)]
pub struct Account {
    /// The person id.
    pub id: String,
    /// As the owner writes it.
    pub name: String,
    /// An argon2id hash in PHC form, if there is a password.
    pub password: Option<String>,
}

/// A line of `visavis account list`.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// The person id.
    pub id: String,
    /// Whether there is a password.
    pub password: bool,
    /// How many passkeys there are.
    pub passkeys: i64,
    /// Seconds since 1970.
    pub created: i64,
}

/// A passkey as it is kept.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// The credential id.
    pub id: Vec<u8>,
    /// Whose it is.
    pub account: String,
    /// The COSE key.
    pub public_key: Vec<u8>,
    /// The signature counter when it was last used.
    pub counter: u32,
}

/// Another account has the name, or one that looks the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameTaken;

impl Store {
    /// Keeps a new account, together with its first passkey if it has one.
    ///
    /// # Errors
    /// Outer: the database failed. Inner: the name is taken.
    pub async fn add_account(
        &self,
        account: &Account,
        name_key: &str,
        passkey: Option<&Passkey>,
        now: u64,
    ) -> Result<Result<(), NameTaken>> {
        let mut change = self.pool.begin().await.context("the database")?;
        let added = sqlx::query(
            "INSERT INTO accounts (id, name, name_key, password, created) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (name_key) DO NOTHING",
        )
        .bind(&account.id)
        .bind(&account.name)
        .bind(name_key)
        .bind(&account.password)
        .bind(seconds(now))
        .execute(&mut *change)
        .await
        .context("the database did not keep the account")?;
        if added.rows_affected() == 0 {
            return Ok(Err(NameTaken));
        }
        if let Some(passkey) = passkey {
            insert_passkey(passkey, now).execute(&mut *change).await.context("the passkey was not kept")?;
        }
        change.commit().await.context("the database did not keep the account")?;
        Ok(Ok(()))
    }

    /// The account that holds a name or one that looks the same.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_by_name(&self, name_key: &str) -> Result<Option<Account>> {
        let query = sqlx::query("SELECT id, name, password FROM accounts WHERE name_key = ?").bind(name_key);
        let row = query.fetch_optional(&self.pool).await.context("the database")?;
        row.map(|r| account(&r)).transpose()
    }

    /// The account of this id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_by_id(&self, id: &str) -> Result<Option<Account>> {
        let query = sqlx::query("SELECT id, name, password FROM accounts WHERE id = ?").bind(id);
        let row = query.fetch_optional(&self.pool).await.context("the database")?;
        row.map(|r| account(&r)).transpose()
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list_accounts(&self) -> Result<Vec<Listed>> {
        let rows = sqlx::query(
            "SELECT name, id, password IS NOT NULL AS has_password, created, \
             (SELECT count(*) FROM passkeys WHERE account = accounts.id) AS passkeys \
             FROM accounts ORDER BY name_key",
        )
        .fetch_all(&self.pool)
        .await
        .context("the database")?;
        let listed = |row: &SqliteRow| -> Result<Listed> {
            Ok(Listed {
                name: row.try_get("name")?,
                id: row.try_get("id")?,
                password: row.try_get::<i64, _>("has_password")? != 0,
                passkeys: row.try_get("passkeys")?,
                created: row.try_get("created")?,
            })
        };
        rows.iter().map(listed).collect()
    }

    /// Removes an account with its passkeys and logins; whether there was one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_account(&self, id: &str) -> Result<bool> {
        let query = sqlx::query("DELETE FROM accounts WHERE id = ?").bind(id);
        Ok(query.execute(&self.pool).await.context("the database")?.rows_affected() > 0)
    }

    /// Sets the password and ends every login; with `None` there is none any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_password(&self, id: &str, password: Option<&str>) -> Result<()> {
        let mut change = self.pool.begin().await.context("the database")?;
        let set = sqlx::query("UPDATE accounts SET password = ? WHERE id = ?").bind(password).bind(id);
        set.execute(&mut *change).await.context("the database did not keep the password")?;
        let end = sqlx::query("DELETE FROM logins WHERE account = ?").bind(id);
        end.execute(&mut *change).await.context("the database did not end the logins")?;
        change.commit().await.context("the database did not keep the password")
    }

    /// Keeps one more passkey of an account; `false` if the credential is known already or the account has
    /// `limit` of them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_passkey(&self, passkey: &Passkey, limit: u32, now: u64) -> Result<bool> {
        let mut change = self.pool.begin().await.context("the database")?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM passkeys WHERE account = ?")
            .bind(&passkey.account)
            .fetch_one(&mut *change)
            .await
            .context("the database")?;
        if count >= i64::from(limit) {
            return Ok(false);
        }
        let done = insert_passkey(passkey, now).execute(&mut *change).await;
        let added = done.context("the database did not keep the passkey")?.rows_affected() > 0;
        change.commit().await.context("the database did not keep the passkey")?;
        Ok(added)
    }

    /// The passkey of this credential id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn passkey(&self, id: &[u8]) -> Result<Option<Passkey>> {
        let query =
            sqlx::query("SELECT id, account, public_key, counter FROM passkeys WHERE id = ?").bind(id);
        let row = query.fetch_optional(&self.pool).await.context("the database")?;
        let passkey = |row: SqliteRow| -> Result<Passkey> {
            Ok(Passkey {
                id: row.try_get("id")?,
                account: row.try_get("account")?,
                public_key: row.try_get("public_key")?,
                counter: u32::try_from(row.try_get::<i64, _>("counter")?).unwrap_or(u32::MAX),
            })
        };
        row.map(passkey).transpose()
    }

    /// The credential ids of an account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn passkeys_of(&self, account: &str) -> Result<Vec<Vec<u8>>> {
        let query =
            sqlx::query_scalar("SELECT id FROM passkeys WHERE account = ? ORDER BY created").bind(account);
        query.fetch_all(&self.pool).await.context("the database")
    }

    /// Notes that a passkey was used, with its new counter; `false` if another use got there first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn passkey_used(&self, passkey: &Passkey, counter: u32, now: u64) -> Result<bool> {
        let query = sqlx::query("UPDATE passkeys SET counter = ?, used = ? WHERE id = ? AND counter = ?")
            .bind(i64::from(counter))
            .bind(seconds(now))
            .bind(&passkey.id)
            .bind(i64::from(passkey.counter));
        Ok(query.execute(&self.pool).await.context("the database")?.rows_affected() == 1)
    }

    /// Keeps a login until `expires`, and forgets those that have ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_login(&self, id: &[u8; 32], account: &str, now: u64, expires: u64) -> Result<()> {
        let mut change = self.pool.begin().await.context("the database")?;
        let forget = sqlx::query("DELETE FROM logins WHERE expires <= ?").bind(seconds(now));
        forget.execute(&mut *change).await.context("the database")?;
        let keep = sqlx::query("INSERT INTO logins (id, account, created, expires) VALUES (?, ?, ?, ?)")
            .bind(id.as_slice())
            .bind(account)
            .bind(seconds(now))
            .bind(seconds(expires));
        keep.execute(&mut *change).await.context("the database did not keep the login")?;
        change.commit().await.context("the database did not keep the login")
    }

    /// The account that a login is of, if it has not ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account_of_login(&self, id: &[u8; 32], now: u64) -> Result<Option<Account>> {
        let query = sqlx::query(
            "SELECT accounts.id AS id, name, password FROM logins JOIN accounts ON accounts.id = logins.account \
             WHERE logins.id = ? AND expires > ?",
        )
        .bind(id.as_slice())
        .bind(seconds(now));
        let row = query.fetch_optional(&self.pool).await.context("the database")?;
        row.map(|r| account(&r)).transpose()
    }

    /// Ends a login.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_login(&self, id: &[u8; 32]) -> Result<()> {
        let query = sqlx::query("DELETE FROM logins WHERE id = ?").bind(id.as_slice());
        query.execute(&self.pool).await.context("the database").map(drop)
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn insert_passkey(passkey: &Passkey, now: u64) -> Query<'_> {
    sqlx::query(
        "INSERT INTO passkeys (id, account, public_key, counter, created, used) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&passkey.id)
    .bind(&passkey.account)
    .bind(&passkey.public_key)
    .bind(i64::from(passkey.counter))
    .bind(seconds(now))
    .bind(seconds(now))
}

fn account(row: &SqliteRow) -> Result<Account> {
    Ok(Account { id: row.try_get("id")?, name: row.try_get("name")?, password: row.try_get("password")? })
}

/// SQLite counts in signed numbers.
fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

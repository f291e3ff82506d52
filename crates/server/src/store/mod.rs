//! What must last: one SQLite file in the data folder.
//!
//! A write that returned is on disk: the journal is a write-ahead log that is synced at every commit.

mod accounts;
mod applications;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use accounts::{Account, Listed, NameTaken, Passkey};
pub use applications::{EventRow, RoomRow};

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens `visavis.db` in `folder`, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or is of a later version of this program.
    pub async fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("visavis.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .with_context(|| format!("cannot open {}", path.display()))?;
        sqlx::migrate!().run(&pool).await.with_context(|| {
            format!("cannot bring the tables of {} up to date with this version", path.display())
        })?;
        Ok(Self { pool })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.pool).await.is_ok()
    }

    /// Writes the log into the file and closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

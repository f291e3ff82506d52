//! What must last: one SQLite file in the data folder.
//!
//! A write that returned is on disk: the journal is a write-ahead log that is synced at every commit.

mod accounts;
mod applications;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlStr, SqlitePool};

pub use accounts::{Account, Listed, NameTaken, Passkey};
pub use applications::{EventRow, RoomRow};

/// What made the tables what they are, in order. A file that was published never changes; a change is a new one.
///
/// They are listed here and not found by sqlx's macro, which would build SQLite a second time, for the compiler.
const MIGRATIONS: [(&str, &str); 2] = [
    ("accounts", include_str!("../../migrations/0001_accounts.sql")),
    ("applications", include_str!("../../migrations/0002_applications.sql")),
];

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
            // A file does not hang up: to ask before each query whether it is still there doubles what a query costs.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .with_context(|| format!("cannot open {}", path.display()))?;
        migrator().run(&pool).await.with_context(|| {
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

fn migrator() -> Migrator {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (description, sql))| {
        Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use super::{MIGRATIONS, Path};

    #[test]
    fn every_migration_of_the_folder_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let mut files: Vec<_> =
            files.map(|file| file.expect("readable").file_name().into_string().expect("UTF-8")).collect();
        files.sort();
        let listed: Vec<_> =
            (1..).zip(MIGRATIONS).map(|(version, (name, _))| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(listed, files);
    }
}

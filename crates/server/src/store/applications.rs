//! What applications have: rooms that are set up, tokens that were used, events to be delivered.

use anyhow::{Context as _, Result};
use sqlx::Row as _;

use super::Store;

/// Most events that wait for delivery; the oldest give way.
const EVENTS: i64 = 100_000;

/// A room as it is kept.
#[derive(Clone, Debug)]
pub struct RoomRow {
    /// Its name.
    pub name: String,
    /// How it is set up, as JSON.
    pub settings: String,
    /// The conference that was on in it.
    pub call: Option<String>,
}

/// An event on its way to one address.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Of this row.
    pub id: i64,
    /// Of the event.
    pub event: String,
    /// Where it goes.
    pub url: String,
    /// What is sent.
    pub body: String,
    /// How often it was sent.
    pub attempts: u32,
    /// When it happened, in seconds since 1970.
    pub created: u64,
}

impl Store {
    /// Keeps how a room is set up.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_room(&self, name: &str, settings: &str) -> Result<()> {
        let query = "INSERT INTO rooms (name, settings) VALUES (?, ?) \
                     ON CONFLICT (name) DO UPDATE SET settings = excluded.settings";
        let done = sqlx::query(query).bind(name).bind(settings).execute(&self.pool).await;
        done.map(drop).context("the database did not keep the room")
    }

    /// Forgets a room.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_room(&self, name: &str) -> Result<()> {
        let done = sqlx::query("DELETE FROM rooms WHERE name = ?").bind(name).execute(&self.pool).await;
        done.map(drop).context("the database did not forget the room")
    }

    /// Keeps which conference is on in a room, if the room is kept.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_call(&self, name: &str, call: Option<&str>) -> Result<()> {
        let query = sqlx::query("UPDATE rooms SET call = ? WHERE name = ?").bind(call).bind(name);
        query.execute(&self.pool).await.map(drop).context("the database did not keep the room's call")
    }

    /// All rooms that are set up.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rooms(&self) -> Result<Vec<RoomRow>> {
        let query = sqlx::query("SELECT name, settings, call FROM rooms ORDER BY name");
        let rows = query.fetch_all(&self.pool).await.context("the database")?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<RoomRow> {
            let (name, settings) = (row.try_get("name")?, row.try_get("settings")?);
            Ok(RoomRow { name, settings, call: row.try_get("call")? })
        };
        rows.iter().map(read).collect()
    }

    /// Uses up a token for one use; whether it was unused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_token(&self, id: &[u8; 32], expires: u64, now: u64) -> Result<bool> {
        let old = sqlx::query("DELETE FROM used_tokens WHERE expires < ?").bind(seconds(now));
        old.execute(&self.pool).await.context("the database")?;
        let query = "INSERT INTO used_tokens (id, expires) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";
        let used = sqlx::query(query).bind(&id[..]).bind(seconds(expires)).execute(&self.pool).await;
        Ok(used.context("the database did not keep that a token was used")?.rows_affected() == 1)
    }

    /// Keeps events (their id, room and body) for delivery to every address; all of them or none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_events(
        &self,
        urls: &[String],
        events: &[(String, String, String)],
        now: u64,
    ) -> Result<u64> {
        let mut change = self.pool.begin().await.context("the database")?;
        for (event, room, body) in events {
            for url in urls {
                let query = "INSERT INTO webhook_events (event, url, room, body, created, next) \
                             VALUES (?, ?, ?, ?, ?, 0)";
                let row = sqlx::query(query).bind(event).bind(url).bind(room).bind(body).bind(seconds(now));
                row.execute(&mut *change).await.context("the database did not keep an event")?;
            }
        }
        let over = "DELETE FROM webhook_events WHERE id <= (SELECT max(id) FROM webhook_events) - ?";
        let over = sqlx::query(over).bind(EVENTS).execute(&mut *change).await.context("the database")?;
        change.commit().await.context("the database did not keep the events")?;
        Ok(over.rows_affected())
    }

    /// The first event of each room for one address, if it is due.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due_events(&self, url: &str, now: u64, limit: u32) -> Result<Vec<EventRow>> {
        let query = "SELECT id, event, url, body, attempts, created FROM webhook_events \
                     WHERE id IN (SELECT min(id) FROM webhook_events WHERE url = ? GROUP BY room) AND next <= ? \
                     ORDER BY next, id LIMIT ?";
        let rows = sqlx::query(query).bind(url).bind(seconds(now)).bind(limit).fetch_all(&self.pool).await;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<EventRow> {
            Ok(EventRow {
                id: row.try_get("id")?,
                event: row.try_get("event")?,
                url: row.try_get("url")?,
                body: row.try_get("body")?,
                attempts: row.try_get("attempts")?,
                created: u64::try_from(row.try_get::<i64, _>("created")?).unwrap_or_default(),
            })
        };
        rows.context("the database")?.iter().map(read).collect()
    }

    /// When an event for this address is due next, in seconds since 1970.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_event(&self, url: &str) -> Result<Option<u64>> {
        let query = "SELECT min(next) AS next FROM webhook_events \
                     WHERE id IN (SELECT min(id) FROM webhook_events WHERE url = ? GROUP BY room)";
        let row = sqlx::query(query).bind(url).fetch_one(&self.pool).await.context("the database")?;
        Ok(row.try_get::<Option<i64>, _>("next")?.and_then(|next| u64::try_from(next).ok()))
    }

    /// An event has arrived, or is given up.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_event(&self, id: i64) -> Result<()> {
        let query = sqlx::query("DELETE FROM webhook_events WHERE id = ?").bind(id);
        query.execute(&self.pool).await.map(drop).context("the database did not remove an event")
    }

    /// An event did not arrive, and is sent again at that time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn postpone_event(&self, id: i64, next: u64) -> Result<()> {
        let query = sqlx::query("UPDATE webhook_events SET attempts = attempts + 1, next = ? WHERE id = ?");
        let done = query.bind(seconds(next)).bind(id).execute(&self.pool).await;
        done.map(drop).context("the database did not postpone an event")
    }

    /// Events that go to none of these addresses any more are forgotten.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep_urls(&self, urls: &[String]) -> Result<()> {
        let urls = serde_json::to_string(urls).context("addresses are texts")?;
        let query = "DELETE FROM webhook_events WHERE url NOT IN (SELECT value FROM json_each(?))";
        let done = sqlx::query(query).bind(urls).execute(&self.pool).await;
        done.map(drop).context("the database did not forget old events")
    }

    /// How many events wait for delivery.
    ///
    /// # Errors
    /// The database failed.
    pub async fn undelivered(&self) -> Result<u64> {
        let query = sqlx::query("SELECT count(*) AS count FROM webhook_events");
        let row = query.fetch_one(&self.pool).await.context("the database")?;
        Ok(u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or_default())
    }
}

/// SQLite counts in signed numbers.
fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

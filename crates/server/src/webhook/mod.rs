//! Webhooks: what happens in rooms is told to applications, at least once and in order for each room.
//!
//! ```text
//! rendezvous ─ notices ─► keeper ─► database ─► deliverer ─► an application's address
//!                                      ▲            │
//!                                      └── later ───┘ anything but a 2xx
//! ```
//! An event counts from when it is in the database: from then on it is sent until it arrives, over restarts of this
//! server and of theirs, or for three days.

mod deliver;
mod event;
mod post;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};

use self::deliver::Deliverer;
pub(crate) use self::event::{Event, KINDS};
use self::post::Poster;
use crate::api::Applications;
use crate::clock;
use crate::config::Config;
use crate::signal::admin::{Admin, Kept, Notice, What, Why};
use crate::signal::hub::Hub;
use crate::store::Store;

/// Notices that may wait for the database.
const NOTICES: usize = 4096;
/// Notices that are kept at once.
const BATCH: usize = 64;

/// The way for notices.
pub(crate) fn channel() -> (mpsc::Sender<Notice>, mpsc::Receiver<Notice>) {
    mpsc::channel(NOTICES)
}

/// Sets up again the rooms that were, and begins to keep and to deliver what happens.
///
/// # Errors
/// When the database fails, or the configuration names a key that is not there.
pub(crate) async fn start(
    config: &Config,
    applications: &Arc<Applications>,
    store: &Store,
    hub: &Hub,
    notices: mpsc::Receiver<Notice>,
) -> Result<()> {
    restore_rooms(store, hub).await?;
    let urls: Vec<String> = config.webhook.0.iter().map(|url| url.text.clone()).collect();
    store.keep_urls(&urls).await?;
    let wake = watch::Sender::new(0);
    if !urls.is_empty() {
        let id = config.webhook_key.0.as_deref().unwrap_or_default();
        applications.keys.get(id).with_context(|| {
            format!("`webhook-key`: the file of `api-keys` has no key of the id `{id}`; name one that it has")
        })?;
        let poster = Arc::new(Poster::new(config)?);
        for url in &urls {
            let deliverer = Deliverer::new(url, store, &poster, applications, id, wake.subscribe());
            tokio::spawn(deliverer.run());
        }
    }
    tokio::spawn(keep(store.clone(), urls, notices, wake));
    Ok(())
}

/// Rooms that were set up before the restart, with the conferences that may come back to them.
async fn restore_rooms(store: &Store, hub: &Hub) -> Result<()> {
    for row in store.rooms().await? {
        let settings: crate::signal::admin::Settings = serde_json::from_str(&row.settings)
            .with_context(|| format!("the database holds no settings for the room {}", row.name))?;
        let left = settings.ends.map(|ends| ends.saturating_sub(clock::unix_seconds()));
        if left == Some(0) {
            store.forget_room(&row.name).await?;
            continue;
        }
        let ends_in = left.map(std::time::Duration::from_secs);
        let kept = Kept { room: row.name.clone(), settings, ends_in, call: row.call };
        if let Err((_, message)) = hub.administer(Admin::Create { kept, replace: true }).await {
            tracing::warn!(room = row.name, message, "a room cannot be set up again");
        }
    }
    Ok(())
}

/// Writes down what happens.
async fn keep(
    store: Store,
    urls: Vec<String>,
    mut notices: mpsc::Receiver<Notice>,
    wake: watch::Sender<u64>,
) {
    let mut batch = Vec::new();
    while notices.recv_many(&mut batch, BATCH).await > 0 {
        let events: Vec<Notice> = std::mem::take(&mut batch);
        if let Err(error) = keep_rooms(&store, &events).await {
            tracing::error!(error = format!("{error:#}"), "cannot keep what happened to rooms");
        }
        if urls.is_empty() {
            continue;
        }
        let now = clock::unix_seconds();
        let rows: Vec<_> = events.into_iter().map(|notice| Event::of(notice, now).row()).collect();
        let count = rows.len() as u64;
        match store.add_events(&urls, &rows, now).await {
            Ok(over) => {
                metrics::counter!("visavis_webhook_events_total").increment(count);
                if over > 0 {
                    metrics::counter!("visavis_webhook_events_dropped_total", "reason" => "too-many")
                        .increment(over);
                }
                wake.send_modify(|n| *n += 1);
            }
            Err(error) => {
                metrics::counter!("visavis_webhook_events_dropped_total", "reason" => "database")
                    .increment(count);
                tracing::error!(error = format!("{error:#}"), "events are lost");
            }
        }
    }
}

/// What of it concerns rooms that are kept. A room that an application ended, it has forgotten itself.
async fn keep_rooms(store: &Store, notices: &[Notice]) -> Result<()> {
    for Notice { room, call, what } in notices {
        match what {
            What::Started => store.keep_call(room, call.as_deref()).await?,
            What::Ended(_) => store.keep_call(room, None).await?,
            What::Deleted(Why::Empty | Why::Time) => store.forget_room(room).await?,
            What::Deleted(Why::Ended)
            | What::Joined(_)
            | What::Left(..)
            | What::Role(_)
            | What::Hand(_)
            | What::Moved(_)
            | What::Divided(_)
            | What::United
            | What::Recording(_)
            | What::Recorded { .. }
            | What::Knock(_) => {}
        }
    }
    Ok(())
}

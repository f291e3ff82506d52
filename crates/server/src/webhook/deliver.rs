//! Sends what is due, and sends it again later if it did not arrive.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::post::{Headers, Poster};
use crate::api::Applications;
use crate::clock;
use crate::store::{EventRow, Store};

/// Events under way to one address at the same time, each of another room.
const AT_ONCE: u32 = 16;
/// Seconds until an event is sent again: doubled each time, up to the second number.
const AGAIN: (u64, u64) = (1, 300);
/// Seconds after which an event is given up: three days.
const GIVEN_UP: u64 = 3 * 86_400;
/// How long nothing is done after the database has failed.
const PAUSE: Duration = Duration::from_secs(5);

/// What sends to one address: one that does not answer keeps nobody else waiting.
pub(super) struct Deliverer {
    url: String,
    store: Store,
    poster: Arc<Poster>,
    applications: Arc<Applications>,
    /// The id of the key that signs.
    key: String,
    /// Changes when there is something new.
    wake: watch::Receiver<u64>,
}

impl Deliverer {
    pub(super) fn new(
        url: &str,
        store: &Store,
        poster: &Arc<Poster>,
        applications: &Arc<Applications>,
        key: &str,
        wake: watch::Receiver<u64>,
    ) -> Self {
        Self {
            url: url.to_owned(),
            store: store.clone(),
            poster: Arc::clone(poster),
            applications: Arc::clone(applications),
            key: key.to_owned(),
            wake,
        }
    }

    /// As long as the program runs.
    pub(super) async fn run(mut self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(error = format!("{error:#}"), "cannot deliver events");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Sends what is due, or waits until something is.
    async fn round(&mut self) -> Result<()> {
        let due = self.store.due_events(&self.url, clock::unix_seconds(), AT_ONCE).await?;
        if due.is_empty() {
            let wait = match self.store.next_event(&self.url).await? {
                // The clock counts whole seconds: what is due within this one waits for the next.
                Some(next) => Duration::from_secs(next.saturating_sub(clock::unix_seconds()).max(1)),
                None => Duration::from_secs(AGAIN.1),
            };
            if let Ok(Err(_)) = timeout(wait, self.wake.changed()).await {
                // The server stops: nothing new comes.
                tokio::time::sleep(wait).await;
            }
            return Ok(());
        }
        let mut sent = JoinSet::new();
        for event in due {
            let (poster, headers) = (Arc::clone(&self.poster), self.headers(&event));
            sent.spawn(async move {
                let arrived = poster.post(&event.url, &headers, event.body.clone()).await;
                (event, arrived)
            });
        }
        while let Some(done) = sent.join_next().await {
            let Ok((event, arrived)) = done else { continue };
            self.settle(&event, arrived).await?;
        }
        Ok(())
    }

    async fn settle(&self, event: &EventRow, arrived: Result<()>) -> Result<()> {
        let outcome = if arrived.is_ok() { "arrived" } else { "failed" };
        metrics::counter!("visavis_webhook_deliveries_total", "outcome" => outcome).increment(1);
        let Err(error) = arrived else { return self.store.remove_event(event.id).await };
        let now = clock::unix_seconds();
        tracing::warn!(
            event = event.event,
            attempts = event.attempts + 1,
            error = format!("{error:#}"),
            "an event did not arrive"
        );
        if now.saturating_sub(event.created) >= GIVEN_UP {
            metrics::counter!("visavis_webhook_events_dropped_total", "reason" => "given-up").increment(1);
            return self.store.remove_event(event.id).await;
        }
        self.store.postpone_event(event.id, now + again(event.attempts)).await
    }

    /// Id, time and signature as the Standard Webhooks specification has them, so that its libraries can check them.
    fn headers(&self, event: &EventRow) -> Headers {
        let time = clock::unix_seconds().to_string();
        let tag = self.applications.keys.get(&self.key).map(|key| {
            key.tag(&[event.event.as_bytes(), b".", time.as_bytes(), b".", event.body.as_bytes()])
        });
        let signature = format!("v1,{}", BASE64.encode(tag.unwrap_or_default()));
        Headers { id: event.event.clone(), time, signature }
    }
}

/// Seconds until an event is sent again that was sent so often before.
fn again(attempts: u32) -> u64 {
    AGAIN.0.checked_shl(attempts).filter(|wait| *wait != 0).unwrap_or(AGAIN.1).min(AGAIN.1)
}

#[cfg(test)]
mod tests {
    use super::again;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        for (attempts, wait) in [(0, 1), (1, 2), (8, 256), (9, 300), (63, 300), (64, 300), (u32::MAX, 300)] {
            assert_eq!(again(attempts), wait, "{attempts}");
        }
    }
}

//! The store: a bucket of an S3 server, and what is asked of it. Every request has an end; what it held is never more than
//! a part of a file.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use futures_util::StreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, RetryConfig,
};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::config;
use crate::recording::folder::{MOST_TIMELINE, is_id};
use crate::recording::timeline::FILE;

/// How long the store may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How much longer it may take for a part of a file.
const TRANSFER: u32 = 12;
/// Bytes of a part, which is also the largest file that is sent in one piece.
const PART: u64 = 8 << 20;
/// Parts of an object at most: S3 has 10000.
const MOST_PARTS: u64 = 9000;

/// The store did not do what it was asked, or did not answer.
#[derive(Debug)]
pub(crate) struct Unavailable(String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the store of recordings: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

impl Unavailable {
    fn new(why: impl std::fmt::Display) -> Self {
        /// An S3 server may send a page of its own with an error.
        const LONGEST: usize = 400;
        let why = why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self(why.trim_end_matches([':', ' ']).chars().take(LONGEST).collect())
    }

    /// A recording is being moved there just now.
    pub(super) fn busy() -> Self {
        Self::new("the recording is just being put there; it is deleted as soon as that has ended")
    }

    /// An error with what is behind it, each thing once.
    fn because(error: &dyn std::error::Error) -> Self {
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !why.contains(&more) {
                why = format!("{why}: {more}");
            }
            cause = error.source();
        }
        Self::new(why)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    name: String,
    part: u64,
    answer: Duration,
}

impl Bucket {
    /// The one of the configuration; credentials and region are those of the environment (`AWS_…`).
    ///
    /// # Errors
    /// A variable of the environment has no sense.
    pub(crate) fn open(bucket: &config::Bucket, endpoint: Option<&str>) -> Result<Self> {
        let client = ClientOptions::new()
            .with_user_agent(axum::http::HeaderValue::from_static(concat!(
                "visavis/",
                env!("CARGO_PKG_VERSION")
            )))
            // Every request has a limit of its own: see `ANSWER` and `TRANSFER`.
            .with_timeout_disabled()
            .with_connect_timeout(ANSWER / 2);
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: ANSWER };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&bucket.name)
            .with_client_options(client)
            .with_retry(retry)
            // Not every server has the request for many at once, and a recording has few objects.
            .with_disable_bulk_delete(true);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().context("the variables `AWS_…` of the environment")?;
        let name = match endpoint {
            Some(endpoint) => format!("{bucket} at {endpoint}"),
            None => bucket.to_string(),
        };
        let prefix = Path::from(bucket.prefix.as_str());
        Ok(Self { store: Arc::new(store), prefix, name, part: PART, answer: ANSWER })
    }

    /// One of a test.
    #[cfg(test)]
    pub(crate) fn of(store: Arc<dyn ObjectStore>, part: u64, answer: Duration) -> Self {
        Self { store, prefix: Path::from("films"), name: "a test".to_owned(), part, answer }
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn at(&self, id: &str, file: &str) -> Path {
        self.prefix.clone().join(id).join(file)
    }

    /// How large a file is there; `None` if it is not.
    pub(super) async fn size(&self, id: &str, file: &str) -> Result<Option<u64>, Unavailable> {
        let path = self.at(id, file);
        let found = self.asked(self.answer, async {
            match self.store.head(&path).await {
                Ok(found) => Ok(Some(found.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        found.await
    }

    /// Some bytes of a file.
    pub(super) async fn piece(&self, id: &str, file: &str, range: Range<u64>) -> Result<Bytes, Unavailable> {
        let wanted = range.end - range.start;
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let path = self.at(id, file);
        let piece = self.asked(self.answer, self.store.get_range(&path, range)).await?;
        if piece.len() as u64 != wanted {
            return Err(Unavailable::new(format!(
                "{path} has {} bytes where {wanted} were asked for",
                piece.len()
            )));
        }
        Ok(piece)
    }

    /// Puts a file there, all of it or nothing. `told` hears how many bytes were sent, and says whether to go on;
    /// if it does not, the answer is `false`.
    ///
    /// # Errors
    /// The store refuses it, or the file cannot be read.
    pub(super) async fn put(
        &self,
        (id, file): (&str, &str),
        (mut from, size): (File, u64),
        told: &(dyn Fn(u64) -> bool + Send + Sync),
    ) -> Result<bool> {
        let path = self.at(id, file);
        if size <= self.part {
            let bytes = read(&mut from, size).await?;
            self.asked(self.answer * TRANSFER, self.store.put(&path, bytes.into())).await?;
            told(size);
            return Ok(true);
        }
        let mut upload = self.asked(self.answer, self.store.put_multipart(&path)).await?;
        let sent = self.put_parts(upload.as_mut(), (from, size), told).await;
        if !matches!(sent, Ok(true)) {
            // Whoever pays for the bucket pays for parts as well.
            if let Err(error) = self.asked(self.answer, upload.abort()).await {
                tracing::debug!(%error, "an upload that is given up cannot be aborted");
            }
        }
        sent
    }

    async fn put_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        (mut from, size): (File, u64),
        told: &(dyn Fn(u64) -> bool + Send + Sync),
    ) -> Result<bool> {
        let part = self.part.max(size.div_ceil(MOST_PARTS));
        let mut left = size;
        while left > 0 {
            let bytes = read(&mut from, left.min(part)).await?;
            left -= bytes.len() as u64;
            let len = bytes.len() as u64;
            self.asked(self.answer * TRANSFER, upload.put_part(bytes.into())).await?;
            if !told(len) {
                return Ok(false);
            }
        }
        self.asked(self.answer * TRANSFER, upload.complete()).await?;
        Ok(true)
    }

    /// Removes a file; one that is not there is fine.
    pub(super) async fn remove(&self, id: &str, file: &str) -> Result<(), Unavailable> {
        let path = self.at(id, file);
        let removed = self.asked(self.answer, async {
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        });
        removed.await
    }

    /// The recordings that are there whole, the latest first.
    pub(super) async fn recordings(&self) -> Result<Vec<String>, Unavailable> {
        let mut listed = self.store.list(Some(&self.prefix));
        let mut found = Vec::new();
        while let Some(object) = self.asked(self.answer, async { listed.next().await.transpose() }).await? {
            let Some(parts) = object.location.prefix_match(&self.prefix) else { continue };
            let parts: Vec<_> = parts.collect();
            if let [id, file] = &parts[..]
                && file.as_ref() == FILE
                && is_id(id.as_ref())
            {
                found.push((object.last_modified, id.as_ref().to_owned()));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// The timeline of a recording; `None` if it is not there any more.
    pub(super) async fn timeline(&self, id: &str) -> Result<Option<Bytes>, Unavailable> {
        match self.size(id, FILE).await? {
            Some(size) if size <= MOST_TIMELINE => self.piece(id, FILE, 0..size).await.map(Some),
            Some(size) => {
                tracing::warn!(id, size, "the timeline of a recording in the store is too large");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    async fn asked<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Unavailable> {
        match timeout(patience, answer).await {
            Ok(answer) => answer.map_err(|error| Unavailable::because(&error)),
            Err(_) => Err(Unavailable::new(format!("no answer in {patience:?}"))),
        }
    }
}

async fn read(file: &mut File, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).context("a part is too large")?];
    file.read_exact(&mut bytes).await.context("a file became shorter")?;
    Ok(bytes)
}

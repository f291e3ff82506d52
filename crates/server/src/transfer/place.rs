//! What another process needs to take the place of one that was killed: kept beside the parts of files while a
//! transfer runs, and gone when it has ended in good order.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::signal::protocol::Secret;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The token that gives back the seat in the room. A secret.
    identity: Option<Secret>,
    /// The number of the last peer connection.
    generation: u32,
}

/// The file with it.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    kept: Kept,
}

impl Place {
    /// What an earlier process has left in the folder under this code, if one did.
    pub(crate) fn open(into: &Path, code: &str) -> Self {
        let path = into.join(format!(".visavis-{code}"));
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, kept: kept.unwrap_or_default() }
    }

    /// Who we were.
    pub(crate) fn identity(&self) -> Option<Secret> {
        self.kept.identity.clone()
    }

    /// The number of the last peer connection; 0 if there was none.
    pub(crate) const fn generation(&self) -> u32 {
        self.kept.generation
    }

    /// Who we are.
    pub(crate) fn keep_identity(&mut self, identity: &Secret) {
        if self.kept.identity.as_ref() != Some(identity) {
            self.kept.identity = Some(identity.clone());
            self.write();
        }
    }

    /// The number of the present peer connection.
    pub(crate) fn keep_generation(&mut self, generation: u32) {
        if self.kept.generation != generation {
            self.kept.generation = generation;
            self.write();
        }
    }

    /// Nobody needs it any more.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Without it a process that comes after one that was killed waits for the server to forget that one.
    fn write(&self) {
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec(&self.kept)?;
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&self.path)?;
            file.write_all(&bytes)
        };
        if let Err(error) = write() {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

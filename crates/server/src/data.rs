//! The data folder: only its owner can read what is in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Makes the folder if it is not there, for its owner only.
///
/// # Errors
/// When it cannot be made, or its mode cannot be set.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Writes a file that only its owner can read; a reader sees the old content or the new, never a part.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        // The name is on disk only once the folder is.
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The 32 secret bytes kept in `folder` under `name`, made at the first call.
///
/// # Errors
/// When the file cannot be read or written, or holds something else.
pub(crate) fn secret(folder: &Path, name: &str) -> Result<[u8; 32]> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|b: Vec<u8>| {
            anyhow::anyhow!(
                "{} holds {} bytes instead of 32: restore it from a copy, or remove it to make a new one",
                path.display(),
                b.len()
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = crypto::random::<32>();
            write_private(&path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A key for one purpose, derived from the server's secret: who learns it learns nothing of the others.
pub(crate) fn derive(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    crypto::HmacSha256::new(secret).tag(&[purpose.as_bytes()])
}

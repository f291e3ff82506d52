//! Files on their way out: what is there to send, which bytes go next, and how they are read.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;

use super::control::NAME_MOST;
use super::frame::{CHUNK, Frame, WINDOW};
use super::hash::{self, BLOCK};

/// Files that were named, and those in folders that were.
const FILES_MOST: usize = 100_000;

/// A file that is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What the other side is told: the file's name, or `folder/…/name` for one in a folder that was named.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// Finds the files under what was named, in the order of names. Links inside folders are not followed, since they
/// may lead anywhere; empty folders have nothing to send.
///
/// # Errors
/// Something cannot be read, or has a name that cannot be sent.
pub(crate) fn find(named: &[PathBuf]) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for path in named {
        let metadata = std::fs::metadata(path).with_context(|| format!("{}", path.display()))?;
        // `.` and `..` have a name too.
        let real = path.canonicalize().with_context(|| format!("{}", path.display()))?;
        let base = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        add(path, &base, &metadata, &mut found)?;
    }
    ensure!(!found.is_empty(), "there is no file in what was named");
    Ok(found)
}

fn add(path: &Path, name: &str, metadata: &Metadata, found: &mut Vec<Source>) -> Result<()> {
    if metadata.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("{}", path.display()))?;
        let mut entries: Vec<_> = entries.collect::<io::Result<_>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let metadata = entry.metadata().with_context(|| format!("{}", entry.path().display()))?;
            if metadata.is_dir() || metadata.is_file() {
                let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
                add(&entry.path(), &inner, &metadata, found)?;
            }
        }
        return Ok(());
    }
    ensure!(metadata.is_file(), "{} is neither a file nor a folder", path.display());
    File::open(path).with_context(|| format!("{}", path.display()))?;
    if name.encode_utf16().count() > NAME_MOST {
        bail!("{}: `{name}` is longer than {NAME_MOST} characters; send a folder further in", path.display());
    }
    ensure!(found.len() < FILES_MOST, "more than {FILES_MOST} files; send them as an archive");
    found.push(Source { path: path.to_owned(), name: name.to_owned(), size: metadata.len() });
    Ok(())
}

/// Reads a file by blocks, and remembers their hashes. One block is in memory at a time.
#[derive(Debug)]
pub(crate) struct Reader {
    size: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    leaves: Vec<Option<[u8; 32]>>,
    block: Option<(u64, Bytes)>,
}

impl Reader {
    /// Opens the file.
    ///
    /// # Errors
    /// What the system says, or that the file has another size by now.
    pub(crate) fn open(source: &Source) -> io::Result<Self> {
        let file = File::open(&source.path)?;
        if file.metadata()?.len() != source.size {
            return Err(io::Error::other("the file has another size than when it was offered"));
        }
        let count = usize::try_from(hash::blocks(source.size)).map_err(io::Error::other)?;
        let inner = Mutex::new(Inner { file, leaves: vec![None; count], block: None });
        Ok(Self { size: source.size, inner })
    }

    /// The bytes of a frame; with `end` the root hash.
    ///
    /// # Errors
    /// What the system says, or that the file has become shorter.
    pub(crate) fn read(&self, next: Next) -> io::Result<Bytes> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if next.end {
            return inner.root(self.size).map(|root| Bytes::copy_from_slice(&root));
        }
        let block = inner.block(self.size, next.offset / BLOCK)?;
        let start = usize::try_from(next.offset % BLOCK).map_err(io::Error::other)?;
        Ok(block.slice(start..start + next.len))
    }
}

impl Inner {
    fn block(&mut self, size: u64, index: u64) -> io::Result<Bytes> {
        if let Some((known, bytes)) = &self.block
            && *known == index
        {
            return Ok(bytes.clone());
        }
        self.block = None;
        let len = BLOCK.min(size.saturating_sub(index * BLOCK));
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.file.seek(SeekFrom::Start(index * BLOCK))?;
        self.file.read_exact(&mut bytes)?;
        let slot = usize::try_from(index).ok().and_then(|index| self.leaves.get_mut(index));
        if let Some(slot @ None) = slot {
            *slot = Some(hash::leaf(&bytes));
        }
        let bytes = Bytes::from(bytes);
        self.block = Some((index, bytes.clone()));
        Ok(bytes)
    }

    fn root(&mut self, size: u64) -> io::Result<[u8; 32]> {
        let mut leaves = Vec::with_capacity(self.leaves.len());
        // Blocks before the byte that a resume began at may never have been read here.
        for index in 0..hash::blocks(size) {
            let at = usize::try_from(index).map_err(io::Error::other)?;
            leaves.push(match self.leaves.get(at).copied().flatten() {
                Some(leaf) => leaf,
                None => hash::leaf(&self.block(size, index)?),
            });
        }
        self.block = None;
        Ok(hash::root(size, &leaves))
    }
}

/// The frame that goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Next {
    /// Where its bytes belong.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) len: usize,
    /// Whether it is the end.
    pub(crate) end: bool,
}

/// How far a file is on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The other side has not decided.
    Offered,
    /// It takes it.
    Running,
}

/// A file on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Its number.
    pub(crate) number: u32,
    /// What it is.
    pub(crate) source: Source,
    /// How far it is.
    pub(crate) progress: Progress,
    /// Bytes that the other side is known to have.
    pub(crate) kept: u64,
    /// How its bytes are had, once they are wanted.
    pub(crate) reader: Option<Arc<Reader>>,
    next: u64,
    ended: bool,
}

impl Outgoing {
    /// A file that is offered.
    pub(crate) fn new(number: u32, source: Source) -> Self {
        Self { number, source, progress: Progress::Offered, kept: 0, reader: None, next: 0, ended: false }
    }

    /// Sends from this byte on. Past the end makes no sense and is taken for the end.
    pub(crate) fn seek(&mut self, at: u64) {
        self.next = at.min(self.source.size);
        self.kept = self.next;
        self.ended = false;
        self.progress = Progress::Running;
    }

    /// The other side has everything before this byte.
    pub(crate) fn keep(&mut self, at: u64) {
        self.kept = self.kept.max(at.min(self.next));
    }

    /// The channels are gone; what is sent next is what is asked for then.
    pub(crate) fn pause(&mut self) {
        if self.progress == Progress::Running {
            self.progress = Progress::Offered;
        }
    }

    /// The next frame, if one may go now.
    pub(crate) fn next(&mut self) -> Option<Next> {
        if self.progress != Progress::Running || self.ended {
            return None;
        }
        let offset = self.next;
        if offset == self.source.size {
            self.ended = true;
            return Some(Next { offset, len: 32, end: true });
        }
        if offset - self.kept >= WINDOW {
            return None;
        }
        let end = (offset + CHUNK).min(self.source.size).min((offset / BLOCK + 1) * BLOCK);
        self.next = end;
        Some(Next { offset, len: usize::try_from(end - offset).unwrap_or(0), end: false })
    }
}

/// Reads a frame and makes its message.
///
/// # Errors
/// The file cannot be read any more.
pub(crate) fn message(number: u32, reader: &Reader, next: Next) -> io::Result<Bytes> {
    let bytes = reader.read(next)?;
    Ok(Frame { file: number, offset: next.offset, end: next.end, bytes: &bytes }.write())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::hash::BLOCK_LEN;

    fn outgoing(size: u64) -> Outgoing {
        let source = Source { path: PathBuf::new(), name: "x".to_owned(), size };
        Outgoing::new(1, source)
    }

    #[test]
    fn frames_cover_the_file_once_within_the_window() {
        for size in [0, 1, CHUNK, CHUNK + 1, BLOCK + 5, WINDOW + 3 * CHUNK] {
            for start in [0, 1, size / 2, size, size + 1] {
                let mut file = outgoing(size);
                assert_eq!(file.next(), None, "nobody has taken it");
                file.seek(start);
                let mut at = start.min(size);
                while let Some(next) = file.next() {
                    assert_eq!(next.offset, at);
                    assert_eq!(next.end, at == size);
                    if next.end {
                        break;
                    }
                    assert!(next.len > 0 && next.len as u64 <= CHUNK);
                    assert_eq!(at / BLOCK, (at + next.len as u64 - 1) / BLOCK, "in one block");
                    at += next.len as u64;
                    if at - file.kept >= WINDOW {
                        assert_eq!(file.next(), None);
                        file.keep(at);
                    }
                }
                assert_eq!(at, size);
                assert_eq!(file.next(), None);
            }
        }
    }

    #[test]
    fn a_break_begins_again_where_the_other_side_says() {
        let mut file = outgoing(10 * CHUNK);
        file.seek(0);
        file.next();
        file.next();
        file.keep(CHUNK);
        file.keep(9 * CHUNK);
        assert_eq!(file.kept, 2 * CHUNK, "not more than was sent");
        file.pause();
        assert_eq!(file.next(), None);
        file.seek(CHUNK);
        assert_eq!(file.next().map(|n| n.offset), Some(CHUNK));
    }

    #[test]
    fn a_reader_gives_the_bytes_and_the_hash_wherever_it_began() {
        let path = std::env::temp_dir().join(format!("visavis-reader-{}", std::process::id()));
        let bytes: Vec<u8> = (0..3 * BLOCK / 2).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let source = Source { path: path.clone(), name: "x".to_owned(), size: bytes.len() as u64 };
        let reader = Reader::open(&source).unwrap();
        let at = BLOCK_LEN + 7;
        let read = reader.read(Next { offset: at as u64, len: 100, end: false }).unwrap();
        assert_eq!(&read[..], &bytes[at..at + 100]);
        let leaves: Vec<_> = bytes.chunks(BLOCK_LEN).map(hash::leaf).collect();
        let end = Next { offset: source.size, len: 32, end: true };
        assert_eq!(&reader.read(end).unwrap()[..], hash::root(source.size, &leaves));
        std::fs::write(&path, b"shorter").unwrap();
        assert!(reader.read(Next { offset: 0, len: 1, end: false }).is_err());
        assert!(Reader::open(&source).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}

//! Files on their way to the disk, on a thread of their own: written, hashed, and given their name when they are
//! whole. What is not whole stays as `NAME.SIZE.visavis-part`, and is gone on with when the same file comes again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc as blocking;

use tokio::sync::mpsc;

use super::hash::{self, BLOCK};
use super::names;

/// Names that are tried one after the other.
const TRIES: u32 = 10_000;

/// What the thread is to do. `number` is that of the file.
#[derive(Debug)]
pub(crate) enum Job {
    /// Makes the place for a file, or finds what is there of it.
    Open { number: u32, name: String, size: u64 },
    /// The next block.
    Block { number: u32, bytes: Vec<u8> },
    /// That was all of it, and this must be its hash.
    End { number: u32, root: [u8; 32] },
    /// Forgets what is there and begins at the first byte.
    Restart { number: u32 },
    /// Closes it; what is there stays.
    Close { number: u32 },
}

/// What the thread has done.
#[derive(Debug)]
pub(crate) enum Done {
    /// The place is there, and everything before `at` too.
    Opened { number: u32, at: u64 },
    /// A block of this length is written.
    Written { number: u32, len: u64 },
    /// The file is whole, and has this name.
    Complete { number: u32, path: PathBuf },
    /// The hash is another one.
    Mismatch { number: u32 },
    /// The system says no.
    Failed { number: u32, error: String },
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Disk {
    jobs: blocking::Sender<Job>,
    done: mpsc::UnboundedReceiver<Done>,
}

impl Disk {
    /// Starts it. Everything is written below `into`; what is there is overwritten only if `overwrite` says so.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(into: PathBuf, overwrite: bool) -> io::Result<Self> {
        let (jobs, inbox) = blocking::channel();
        // Bounded by the jobs, which are bounded by the window of each file.
        let (tell, done) = mpsc::unbounded_channel();
        let mut writer = Writer { into, overwrite, parts: BTreeMap::new() };
        std::thread::Builder::new().name("disk".into()).spawn(move || {
            while let Ok(job) = inbox.recv() {
                let Some(done) = writer.work(job) else { continue };
                if tell.send(done).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, done })
    }

    /// Hands over a job.
    pub(crate) fn work(&self, job: Job) {
        // The thread ends only with us.
        let _ = self.jobs.send(job);
    }

    /// What it has done next. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }
}

struct Writer {
    into: PathBuf,
    overwrite: bool,
    parts: BTreeMap<u32, Part>,
}

struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    size: u64,
    leaves: Vec<[u8; 32]>,
}

impl Writer {
    fn work(&mut self, job: Job) -> Option<Done> {
        let (number, result) = match job {
            Job::Open { number, name, size } => (number, self.open(number, &name, size).map(Some)),
            Job::Block { number, bytes } => (number, self.block(number, &bytes)),
            Job::End { number, root } => (number, self.end(number, root)),
            Job::Restart { number } => (number, self.restart(number)),
            Job::Close { number } => {
                self.parts.remove(&number);
                return None;
            }
        };
        result.unwrap_or_else(|error| {
            self.parts.remove(&number);
            Some(Done::Failed { number, error: error.to_string() })
        })
    }

    fn open(&mut self, number: u32, name: &str, size: u64) -> io::Result<Done> {
        let target = self.into.join(names::safe_path(name));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|e| told(folder, &e))?;
        }
        let (path, mut file) = part_of(&target, size)?;
        let mut leaves = Vec::new();
        let mut there = file.metadata()?.len();
        if there > size {
            there = 0;
        } else if there < size {
            there -= there % BLOCK;
        }
        let mut at = 0;
        let mut block = Vec::new();
        while at < there {
            block.clear();
            (&file).take(BLOCK).read_to_end(&mut block)?;
            if block.is_empty() {
                break;
            }
            leaves.push(hash::leaf(&block));
            at += block.len() as u64;
        }
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        self.parts.insert(number, Part { file, path, target, size, leaves });
        Ok(Done::Opened { number, at })
    }

    fn block(&mut self, number: u32, bytes: &[u8]) -> io::Result<Option<Done>> {
        let Some(part) = self.parts.get_mut(&number) else { return Ok(None) };
        part.leaves.push(hash::leaf(bytes));
        part.file.write_all(bytes).map_err(|e| told(&part.path, &e))?;
        Ok(Some(Done::Written { number, len: bytes.len() as u64 }))
    }

    fn restart(&mut self, number: u32) -> io::Result<Option<Done>> {
        let Some(part) = self.parts.get_mut(&number) else { return Ok(None) };
        part.leaves.clear();
        part.file.set_len(0)?;
        part.file.seek(SeekFrom::Start(0))?;
        Ok(Some(Done::Opened { number, at: 0 }))
    }

    fn end(&mut self, number: u32, root: [u8; 32]) -> io::Result<Option<Done>> {
        let Some(part) = self.parts.get(&number) else { return Ok(None) };
        if hash::root(part.size, &part.leaves) != root {
            return Ok(Some(Done::Mismatch { number }));
        }
        let Some(part) = self.parts.remove(&number) else { return Ok(None) };
        part.file.sync_all()?;
        let path = if self.overwrite { part.target.clone() } else { reserve(&part.target)? };
        fs::rename(&part.path, &path).map_err(|e| told(&path, &e))?;
        Ok(Some(Done::Complete { number, path }))
    }
}

/// Opens what is there of a file, or makes a new part; one that another transfer writes is left alone.
fn part_of(target: &Path, size: u64) -> io::Result<(PathBuf, File)> {
    for number in 1..TRIES {
        let base = if number == 1 { target.to_owned() } else { names::numbered(target, number) };
        let mut name = base.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{size}.visavis-part"));
        let path = base.with_file_name(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|e| told(&path, &e))?;
        match file.try_lock() {
            Ok(()) => return Ok((path, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(told(&path, &error)),
        }
    }
    Err(io::Error::other("too many parts of files of that name"))
}

/// A name that nothing had: an empty file stands there now, to be replaced.
fn reserve(target: &Path) -> io::Result<PathBuf> {
    for number in 1..TRIES {
        let path = if number == 1 { target.to_owned() } else { names::numbered(target, number) };
        match File::create_new(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(told(&path, &error)),
        }
    }
    Err(io::Error::other(format!("too many files are called {}", target.display())))
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::hash::BLOCK_LEN;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("visavis-disk-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn writer(&self, overwrite: bool) -> Writer {
            Writer { into: self.0.clone(), overwrite, parts: BTreeMap::new() }
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(writer: &mut Writer, number: u32, name: &str, size: u64) -> u64 {
        match writer.work(Job::Open { number, name: name.to_owned(), size }) {
            Some(Done::Opened { at, .. }) => at,
            other => panic!("{other:?}"),
        }
    }

    fn whole(writer: &mut Writer, number: u32, name: &str, bytes: &[u8]) -> PathBuf {
        assert_eq!(open(writer, number, name, bytes.len() as u64), 0);
        if !bytes.is_empty() {
            writer.work(Job::Block { number, bytes: bytes.to_vec() });
        }
        let leaves: Vec<_> = bytes.chunks(BLOCK_LEN).map(hash::leaf).collect();
        match writer.work(Job::End { number, root: hash::root(bytes.len() as u64, &leaves) }) {
            Some(Done::Complete { path, .. }) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let folder = Folder::new("names");
        let mut writer = folder.writer(false);
        for wanted in ["a.txt", "a (2).txt", "a (3).txt"] {
            assert_eq!(whole(&mut writer, 1, "a.txt", wanted.as_bytes()), folder.0.join(wanted));
        }
        assert_eq!(fs::read(folder.0.join("a.txt")).unwrap(), b"a.txt");
        assert_eq!(whole(&mut folder.writer(true), 1, "a.txt", b"new"), folder.0.join("a.txt"));
        assert_eq!(fs::read(folder.0.join("a.txt")).unwrap(), b"new");
        assert_eq!(whole(&mut writer, 1, "../d/./empty", b""), folder.0.join("d/empty"));
        assert_eq!(folder.names(), ["a (2).txt", "a (3).txt", "a.txt", "d"]);
    }

    #[test]
    fn a_part_is_gone_on_with_by_whole_blocks() {
        let folder = Folder::new("parts");
        let block = vec![7; BLOCK_LEN];
        let size = 3 * BLOCK + 10;
        let mut writer = folder.writer(false);
        assert_eq!(open(&mut writer, 1, "x", size), 0);
        for _ in 0..2 {
            writer.work(Job::Block { number: 1, bytes: block.clone() });
        }
        assert_eq!(open(&mut writer, 2, "x", size), 0, "the part is being written: another is made");
        drop(writer);
        let part = folder.0.join(format!("x.{size}.visavis-part"));
        OpenOptions::new().append(true).open(&part).unwrap().write_all(b"half a block").unwrap();
        let mut writer = folder.writer(false);
        assert_eq!(open(&mut writer, 1, "x", size), 2 * BLOCK);
        writer.work(Job::Block { number: 1, bytes: block.clone() });
        writer.work(Job::Block { number: 1, bytes: vec![8; 10] });
        let leaf = hash::leaf(&block);
        let wrong = writer.work(Job::End { number: 1, root: [0; 32] });
        assert!(matches!(wrong, Some(Done::Mismatch { number: 1 })), "{wrong:?}");
        let root = hash::root(size, &[leaf, leaf, leaf, hash::leaf(&[8; 10])]);
        let right = writer.work(Job::End { number: 1, root });
        assert!(matches!(right, Some(Done::Complete { .. })), "{right:?}");
        assert!(!part.exists());
        assert_eq!(fs::metadata(folder.0.join("x")).unwrap().len(), size);
    }
}

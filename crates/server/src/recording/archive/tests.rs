//! The archive with a store in memory that fails, is silent or sees its user killed, at every step.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, UploadPart,
};
use tokio::task::yield_now;

use super::*;
use crate::recording::tests::{Scratch, person};
use crate::recording::{Attended, Part, Shows, Tally, Timeline};

const FILM: &str = "ZmlsbWZpbG1maWxtZmlsbQ";
const EMPTY: &str = "ZW1wdHllbXB0eWVtcHR5ZQ";
/// Bytes of a part: the film has a file of one and one of several.
const PART: u64 = 1000;
const FILES: [(&str, usize); 2] = [("1-camera-1.webm", 700), ("2-screen-1.mkv", 2500)];

/// What the store does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    /// The request of this number fails, from 1.
    FailsAt(usize),
    /// Every request whose number can be divided by this fails.
    FailsEvery(usize),
    /// There is no answer.
    Silent,
}

#[derive(Debug)]
struct Moods {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    failed: AtomicUsize,
    /// Uploads in parts that were begun and neither completed nor given up.
    open: AtomicUsize,
}

impl Moods {
    /// Around every request, on either side of which its user may be killed.
    async fn ask<T>(&self, answer: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
        yield_now().await;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mood = *self.mood.lock().unwrap();
        let fails = match mood {
            Mood::Well => false,
            Mood::FailsAt(at) => number == at,
            Mood::FailsEvery(each) => number.is_multiple_of(each),
            Mood::Silent => std::future::pending().await,
        };
        if fails {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return Err(object_store::Error::Generic { store: "test", source: "it fails".into() });
        }
        let answer = answer.await;
        yield_now().await;
        answer
    }
}

#[derive(Clone, Debug)]
struct Moody {
    store: Arc<InMemory>,
    moods: Arc<Moods>,
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store of a test")
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(
        &self,
        at: &Path,
        bytes: PutPayload,
        how: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.moods.ask(self.store.put_opts(at, bytes, how)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let upload = self.moods.ask(self.store.put_multipart_opts(at, how)).await?;
        self.moods.open.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(MoodyUpload { upload, moods: Arc::clone(&self.moods) }))
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> object_store::Result<GetResult> {
        self.moods.ask(self.store.get_opts(at, how)).await
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (store, moods) = (Arc::clone(&self.store), Arc::clone(&self.moods));
        at.and_then(move |at| {
            let (store, moods) = (Arc::clone(&store), Arc::clone(&moods));
            async move { moods.ask(store.delete(&at)).await.map(|()| at) }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let moods = Arc::clone(&self.moods);
        let listed = self.store.list(prefix);
        let asked = async move { moods.ask(async { Ok(listed) }).await };
        stream::once(asked).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.moods.ask(self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> object_store::Result<()> {
        self.moods.ask(self.store.copy_opts(from, to, how)).await
    }
}

#[derive(Debug)]
struct MoodyUpload {
    upload: Box<dyn MultipartUpload>,
    moods: Arc<Moods>,
}

#[async_trait]
impl MultipartUpload for MoodyUpload {
    fn put_part(&mut self, bytes: PutPayload) -> UploadPart {
        let (part, moods) = (self.upload.put_part(bytes), Arc::clone(&self.moods));
        Box::pin(async move { moods.ask(part).await })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let done = self.moods.ask(self.upload.complete()).await?;
        self.moods.open.fetch_sub(1, Ordering::Relaxed);
        Ok(done)
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.moods.ask(self.upload.abort()).await?;
        self.moods.open.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A server with a store.
struct World {
    scratch: Scratch,
    store: Moody,
    archive: Archive,
    tally: Arc<Tally>,
}

impl World {
    fn new(name: &str) -> Self {
        let moods = Moods {
            mood: Mutex::new(Mood::Well),
            asked: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        };
        let store = Moody { store: Arc::default(), moods: Arc::new(moods) };
        let scratch = Scratch::new(name);
        let archive = store.archive(&scratch, "recordings");
        Self { scratch, store, archive, tally: Arc::default() }
    }

    /// With a recording of two files and one of none, which have ended.
    fn with_recordings(name: &str) -> Self {
        let world = Self::new(name);
        for (id, files) in [(FILM, &FILES[..]), (EMPTY, &[])] {
            let path = world.archive.folder.begin(id).unwrap();
            for (name, len) in files {
                fs::write(path.join(name), content(name, *len)).unwrap();
            }
            world.archive.folder.save(&timeline(id, files)).unwrap();
        }
        world
    }

    /// As one that has just started.
    fn uploader(&self) -> Uploader {
        Uploader::new(self.archive.clone(), Arc::clone(&self.tally)).unwrap()
    }

    fn mood(&self, mood: Mood) {
        self.store.moods.asked.store(0, Ordering::Relaxed);
        *self.store.moods.mood.lock().unwrap() = mood;
    }

    fn path(&self, id: &str, name: &str) -> std::path::PathBuf {
        self.archive.folder.of(id).unwrap().join(name)
    }

    fn objects(&self) -> BTreeMap<String, u64> {
        let all = self.store.store.list(None).try_collect::<Vec<_>>();
        let all = futures_util::FutureExt::now_or_never(all).unwrap().unwrap();
        all.into_iter().map(|object| (object.location.to_string(), object.size)).collect()
    }

    /// The film can be had, wherever it is.
    async fn assert_whole(&self, when: &str) {
        assert_eq!(self.archive.folder.load(FILM).unwrap().as_ref(), Some(&timeline(FILM, &FILES)), "{when}");
        for (name, len) in FILES {
            let found = self.archive.find(FILM, name).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{name} is nowhere {when}"));
            assert_eq!(found.size, len as u64, "{name} {when}");
            let bytes: Vec<Bytes> = found.read(0, len as u64).await.unwrap().try_collect().await.unwrap();
            assert_eq!(bytes.concat(), content(name, len), "{name} {when}");
        }
    }

    /// Everything is in the store, nothing else is, and only timelines are here.
    async fn assert_moved(&self, when: &str) {
        let timeline = |id: &str| fs::metadata(self.path(id, FILE)).unwrap().len();
        let mut expected: BTreeMap<String, u64> =
            FILES.iter().map(|(name, len)| (format!("films/{FILM}/{name}"), *len as u64)).collect();
        for id in [FILM, EMPTY] {
            expected.insert(format!("films/{id}/{FILE}"), timeline(id));
        }
        assert_eq!(self.objects(), expected, "{when}");
        assert_eq!(names(&self.path(FILM, "")), [FILE], "{when}");
        self.assert_whole(when).await;
    }

    /// The film is nowhere, and the other one is where it was.
    fn assert_deleted(&self, when: &str) {
        assert!(!self.path(FILM, "").exists(), "{when}");
        let left = self.objects();
        assert_eq!(left.keys().filter(|name| name.contains(FILM)).count(), 0, "{when}: {left:?}");
        assert!(self.archive.folder.has(EMPTY), "{when}");
    }
}

impl Moody {
    fn archive(&self, scratch: &Scratch, name: &str) -> Archive {
        self.archive_for(scratch, name, Duration::from_secs(60))
    }

    /// One that waits so long for an answer.
    fn archive_for(&self, scratch: &Scratch, name: &str, answer: Duration) -> Archive {
        let bucket = Bucket::of(Arc::new(self.clone()), PART, answer);
        Archive::new(Folder::new(scratch.0.join(name)), Some(bucket))
    }
}

fn content(name: &str, len: usize) -> Vec<u8> {
    name.bytes().cycle().zip(0..len).map(|(byte, at)| byte ^ at.to_le_bytes()[0]).collect()
}

fn timeline(id: &str, files: &[(&str, usize)]) -> Timeline {
    let part = |(name, len): &(&str, usize)| Part {
        name: (*name).to_owned(),
        shows: Shows::Camera,
        offset: 0,
        duration: 1000,
        bytes: *len as u64,
        codecs: Vec::new(),
    };
    let files = files.iter().map(part).collect();
    let ada = person("ada");
    Timeline {
        version: 1,
        id: id.to_owned(),
        room: "garden".to_owned(),
        begun: 5000,
        duration: 1000,
        state: State::Finished,
        problem: None,
        by: ada.clone(),
        owners: vec![ada.id.clone()],
        people: vec![Attended { number: 1, person: ada, present: Vec::new(), muted: Vec::new(), files }],
        speaking: Vec::new(),
    }
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Drives something until it is killed, after it has been polled so often. Whether it came to its end before.
async fn killed_after(polls: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn whatever_fails_is_done_the_next_time() {
    for at in 1.. {
        let world = World::with_recordings("store-fails");
        world.mood(Mood::FailsAt(at));
        let result = world.uploader().pass().await;
        world.mood(Mood::Well);
        if world.store.moods.failed.load(Ordering::Relaxed) == 0 {
            assert!(at > 15 && result.is_ok(), "{at} requests, {result:?}");
            world.assert_moved("at the first attempt").await;
            return;
        }
        let error = result.expect_err("it failed");
        assert!(error.is::<Unavailable>() && format!("{error:#}").contains("it fails"), "{error:#}");
        assert_eq!(world.store.moods.open.load(Ordering::Relaxed), 0, "what is given up is aborted");
        world.assert_whole(&format!("after a failure at {at}")).await;
        world.uploader().pass().await.unwrap();
        world.assert_moved(&format!("after a failure at {at}")).await;
    }
}

#[tokio::test]
async fn a_store_that_often_fails_has_everything_in_the_end() {
    for each in [9, 11, 13] {
        let world = World::with_recordings("store-often-fails");
        world.mood(Mood::FailsEvery(each));
        let mut uploader = world.uploader();
        let mut attempts = 1;
        while uploader.pass().await.is_err() {
            attempts += 1;
            assert!(attempts < 20, "one request of {each} fails");
        }
        assert!(attempts > 1);
        world.mood(Mood::Well);
        world.assert_moved(&format!("one request of {each} failed")).await;
    }
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_step_loses_and_doubles_nothing() {
    for polls in 0.. {
        let world = World::with_recordings("store-killed");
        let when = format!("after {polls} steps");
        let done = killed_after(polls, world.uploader().pass()).await;
        world.assert_whole(&when).await;
        world.uploader().pass().await.unwrap();
        world.assert_moved(&when).await;
        if done {
            assert!(polls > 30, "{polls} steps");
            return;
        }
    }
}

#[tokio::test]
async fn a_deletion_that_was_begun_is_finished() {
    for polls in 0.. {
        let world = World::with_recordings("store-deleted");
        world.uploader().pass().await.unwrap();
        let when = format!("after {polls} steps");
        let done = killed_after(polls, world.archive.delete(FILM)).await;
        let begun = done || !world.archive.folder.has(FILM) || world.archive.folder.is_doomed(FILM);
        world.uploader().pass().await.unwrap();
        if begun {
            world.assert_deleted(&when);
        } else {
            world.assert_moved(&when).await;
        }
        if done {
            assert!(polls > 5, "{polls} steps");
            assert!(!world.archive.delete(FILM).await.unwrap(), "there is none any more");
            return;
        }
    }
}

#[tokio::test]
async fn what_is_deleted_while_it_is_moved_leaves_nothing_behind() {
    for polls in 0.. {
        let world = World::with_recordings("store-deleted-meanwhile");
        let mut uploader = world.uploader();
        let mut pass = Box::pin(uploader.pass());
        let moved = killed_after(polls, pass.as_mut()).await;
        if moved {
            assert!(polls > 30, "{polls} steps");
            return;
        }
        let (passed, deleted) = tokio::join!(pass, world.archive.delete(FILM));
        assert!(passed.is_ok() && deleted.unwrap(), "after {polls} steps: {passed:?}");
        world.assert_deleted(&format!("after {polls} steps"));
        assert_eq!(world.store.moods.open.load(Ordering::Relaxed), 0, "after {polls} steps");
    }
}

#[tokio::test]
async fn a_new_machine_has_the_recordings_of_the_old_one() {
    let world = World::with_recordings("store-adopted");
    world.uploader().pass().await.unwrap();
    // What nobody of ours has put there: a path out of the folder, and something that is no timeline.
    let foreign = [("b3V0b3V0b3V0b3V0b3V0b3", "../../secret"), ("bm90bm90bm90bm90bm90bm", "")];
    for (id, file) in foreign {
        let text = if file.is_empty() {
            Vec::new()
        } else {
            serde_json::to_vec(&timeline(id, &[(file, 1)])).unwrap()
        };
        world.store.store.put(&Path::from(format!("films/{id}/{FILE}")), text.into()).await.unwrap();
    }
    let archive = world.store.archive(&world.scratch, "elsewhere");
    let tally = Arc::new(Tally::default());
    Uploader::new(archive.clone(), Arc::clone(&tally)).unwrap().pass().await.unwrap();
    assert_eq!(archive.folder.list().unwrap(), world.archive.folder.list().unwrap());
    assert_eq!(tally.waiting(), 0);
    let (name, len) = FILES[1];
    let part = archive.find(FILM, name).await.unwrap().unwrap().read(999, 1003).await.unwrap();
    let part: Vec<Bytes> = part.try_collect().await.unwrap();
    assert_eq!(part.concat(), content(name, len)[999..1003]);
    assert!(archive.find(FILM, "3-camera-1.webm").await.unwrap().is_none());
    assert_eq!(archive.expire(60, 7).await.unwrap(), 0);
    assert_eq!(archive.expire(60, 6 + 61).await.unwrap(), 2);
    assert!(!world.objects().keys().any(|name| name.contains(FILM) || name.contains(EMPTY)));
}

#[tokio::test]
async fn the_list_says_where_files_are_that_are_not_here() {
    let world = World::with_recordings("store-listed");
    let line = |archive: &Archive| {
        let list = crate::recording::command::list(archive).unwrap();
        let line = list.lines().find(|line| line.contains(FILM)).unwrap().to_owned();
        line.split_once(')').unwrap().1.to_owned()
    };
    assert_eq!(line(&world.archive), "");
    let (last, _) = FILES[FILES.len() - 1];
    let without = Archive::new(world.archive.folder.clone(), None);
    fs::rename(world.path(FILM, last), world.path(EMPTY, last)).unwrap();
    assert_eq!(line(&without), format!(", 1 of {} files missing here", FILES.len()));
    fs::rename(world.path(EMPTY, last), world.path(FILM, last)).unwrap();
    world.uploader().pass().await.unwrap();
    assert_eq!(line(&world.archive), ", in the store");
    assert_eq!(line(&without), ", missing here");
}

#[tokio::test]
async fn a_store_that_is_silent_is_not_waited_for() {
    let world = World::with_recordings("store-silent");
    let impatient = world.store.archive_for(&world.scratch, "recordings", Duration::from_millis(20));
    let mut uploader = Uploader::new(impatient.clone(), Arc::clone(&world.tally)).unwrap();
    world.mood(Mood::Silent);
    assert!(uploader.pass().await.unwrap_err().is::<Unavailable>());
    world.mood(Mood::Well);
    world.assert_whole("after the store was silent").await;
    world.uploader().pass().await.unwrap();
    assert_eq!((world.tally.waiting(), world.tally.stored_bytes.load(Ordering::Relaxed) > 3200), (0, true));
    world.mood(Mood::Silent);
    let (name, _) = FILES[0];
    assert!(impatient.find(FILM, name).await.unwrap_err().is::<Unavailable>());
    assert!(impatient.delete(FILM).await.unwrap_err().is::<Unavailable>());
    assert!(world.archive.folder.has(FILM), "it is still to be deleted");
    world.mood(Mood::Well);
    world.uploader().pass().await.unwrap();
    world.assert_deleted("once the store answers");
}

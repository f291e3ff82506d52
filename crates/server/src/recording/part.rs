//! One file of a recording, while it is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use media::webm::{self, Change, Container, TrackId, Writer};
use sfu::Format;

use super::timeline::Part;

/// Silence of 20 ms: an Opus packet in CELT mode that codes none.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const SILENCE_LASTS: Duration = Duration::from_millis(20);
/// Sound that is missing for longer than this is filled with silence, so that whoever plays or converts the file without
/// looking at its times hears everything when it was said.
const GAP: Duration = Duration::from_millis(60);
/// How far behind the pictures missing sound is filled in: what is late by less is still taken.
const BEHIND: Duration = Duration::from_millis(1500);

/// See the module.
#[derive(Debug)]
pub(super) struct Writing {
    file: File,
    writer: Writer,
    /// When the file begins, since the Unix epoch.
    begun: Duration,
    sound: Option<TrackId>,
    /// When the sound that was written ends.
    heard: Duration,
    picture: Option<(TrackId, Format)>,
    /// Whether anything was written since it was last made durable.
    dirty: bool,
}

impl Writing {
    /// Begins a file for a picture of this format, or for sound alone.
    pub(super) fn begin(path: &Path, (title, begun): (&str, Duration), h264: bool) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let container = container(h264);
        let writer = Writer::new(&webm::Config { container, title: title.to_owned(), begun: Some(begun) });
        Ok(Self { file, writer, begun, sound: None, heard: Duration::ZERO, picture: None, dirty: false })
    }

    /// Whether a frame of this format can go into this file.
    pub(super) fn takes(&self, format: Format, path: &str) -> bool {
        let matroska = path.ends_with(Container::Matroska.extension());
        match (format, self.picture) {
            (Format::Opus, _) => true,
            (_, Some((_, known))) => known == format,
            (_, None) => format != Format::H264 || matroska,
        }
    }

    /// Writes a frame of this time. Sound of before the end of what was written is left out.
    pub(super) fn write(
        &mut self,
        format: Format,
        at: Duration,
        keyframe: bool,
        data: &[u8],
    ) -> io::Result<()> {
        let early = self.begun.saturating_sub(at);
        let at = at.saturating_sub(self.begun);
        if format == Format::Opus {
            let track = self.sound_track(at)?;
            if early > Duration::ZERO || at + SILENCE_LASTS / 2 < self.heard {
                return Ok(());
            }
            if at > self.heard + GAP {
                self.fill(track, at);
            }
            self.writer.write(track, at, true, data);
            self.heard = at + webm::opus_duration(data).unwrap_or(SILENCE_LASTS);
        } else {
            let track = match self.picture {
                Some((track, _)) => track,
                None => {
                    let track = self.writer.add_track(format).map_err(io::Error::other)?;
                    self.picture = Some((track, format));
                    track
                }
            };
            if let Some(sound) = self.sound.filter(|_| self.heard + BEHIND < at) {
                self.fill(sound, at.saturating_sub(BEHIND / 2));
            }
            self.writer.write(track, at, keyframe, data);
        }
        self.flush()
    }

    /// The track of the sound that begins now. Long after the pictures it begins with itself: silence of before would stand
    /// behind pictures that are much later.
    fn sound_track(&mut self, now: Duration) -> io::Result<TrackId> {
        if let Some(track) = self.sound {
            return Ok(track);
        }
        let track = self.writer.add_track(Format::Opus).map_err(io::Error::other)?;
        self.sound = Some(track);
        self.heard = if now > 2 * BEHIND { now } else { Duration::ZERO };
        Ok(track)
    }

    /// Silence, until then.
    fn fill(&mut self, track: TrackId, until: Duration) {
        while self.heard + SILENCE_LASTS <= until {
            self.writer.write(track, self.heard, true, &SILENCE);
            self.heard += SILENCE_LASTS;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let changes = self.writer.changes();
        self.dirty |= !changes.is_empty();
        apply(&self.file, changes)
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) { self.file.sync_data() } else { Ok(()) }
    }

    /// Finishes the file.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.writer.finish();
        self.flush()?;
        self.file.sync_all()
    }

    /// Tells the timeline how far it is.
    pub(super) fn describe(&self, part: &mut Part) {
        part.bytes = self.writer.len();
        part.duration = u64::try_from(self.writer.duration().as_millis()).unwrap_or(0);
        let sound = self.sound.map(|_| codec(Format::Opus));
        part.codecs = sound
            .into_iter()
            .chain(self.picture.map(|(_, format)| codec(format)))
            .map(str::to_owned)
            .collect();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.writer.len()
    }
}

/// The container that holds these pictures. H.264 is not of WebM.
pub(super) fn container(h264: bool) -> Container {
    if h264 { Container::Matroska } else { Container::Webm }
}

fn codec(format: Format) -> &'static str {
    match format {
        Format::Opus => "opus",
        Format::Vp8 => "vp8",
        Format::Vp9 => "vp9",
        Format::H264 => "h264",
        Format::Av1 => "av1",
    }
}

/// Does to a file what a writer or a recovery says.
pub(super) fn apply(file: &File, changes: Vec<Change>) -> io::Result<()> {
    for change in changes {
        match change {
            Change::Append(bytes) => {
                let end = file.metadata()?.len();
                file.write_all_at(&bytes, end)?;
            }
            Change::Patch { at, bytes } => file.write_all_at(&bytes, at)?,
            Change::Truncate(len) => file.set_len(len)?,
        }
    }
    Ok(())
}

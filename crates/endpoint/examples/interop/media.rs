//! Sound and pictures of `interop_peer`: films that it sends, and what it is sent, counted and kept.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use endpoint::Connection;
use peer::negotiation::{MediaKind, TransceiverId};
use peer::{Format, MediaError, ReceivedFrame};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

#[path = "../containers/read.rs"]
mod read;
#[path = "../containers/write.rs"]
mod write;

use super::{Failure, text};

/// Pictures, and pieces of sound, after which it is told that they come.
const ENOUGH: u32 = 40;

/// Both directions.
#[derive(Default)]
pub(super) struct Media {
    films: Vec<Film>,
    record: Option<Record>,
    sound: Option<write::Ogg>,
    pictures: u32,
    sounds: u32,
}

struct Film {
    transceiver: TransceiverId,
    format: Format,
    frames: Vec<read::Frame>,
}

/// Where pictures go; those of H.264 as a byte stream.
enum Record {
    Nowhere(String),
    Vp8(write::Ivf),
    H264(File),
}

impl Media {
    /// Sends `video` and `audio`, from when there is a path, and writes the pictures that come into `record`, the
    /// sound into a file of that name with `.ogg` after it.
    pub(super) async fn begin(&mut self, connection: &Connection, task: &Value) -> Result<(), Failure> {
        for (name, kind) in [("video", MediaKind::Video), ("audio", MediaKind::Audio)] {
            let (format, frames) =
                read::frames(&std::fs::read(text(task, name))?).ok_or("no file of frames")?;
            let add = move |peer: &mut peer::Peer, _| {
                peer.with_negotiator(|negotiator| -> Result<_, Failure> {
                    let transceiver = negotiator.add_track(kind, vec!["film".to_owned()])?;
                    let defaults = peer::negotiation::Config::default();
                    let codecs = [defaults.video_codecs, defaults.audio_codecs].concat();
                    let is_it = |codec: &&peer::negotiation::Codec| match format {
                        Format::Vp8 => codec.name == "VP8",
                        Format::H264 => codec.name == "H264",
                        Format::Opus => codec.name == "opus",
                        Format::Vp9 | Format::Av1 => false,
                    };
                    let wanted: Vec<_> = codecs.iter().filter(is_it).cloned().collect();
                    negotiator.set_codec_preferences(transceiver, &wanted)?;
                    Ok(transceiver)
                })
            };
            let transceiver = connection.with(add).await??;
            self.films.push(Film { transceiver, format, frames });
        }
        self.sound = Some(write::Ogg::create(&(text(task, "record") + ".ogg"))?);
        self.record = Some(Record::Nowhere(text(task, "record")));
        Ok(())
    }

    /// There is a path.
    pub(super) fn play(&mut self, connection: &Connection) {
        for film in self.films.drain(..) {
            let connection = connection.clone();
            tokio::spawn(async move {
                if let Err(error) = film.play(&connection).await {
                    println!("{}", json!({ "event": "trouble", "what": error.to_string() }));
                }
            });
        }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, frame: &ReceivedFrame) -> Result<(), Failure> {
        if frame.format == Format::Opus {
            if let Some(file) = &mut self.sound {
                file.packet(frame.timestamp, &frame.data)?;
            }
            self.sounds += 1;
            if self.sounds == ENOUGH {
                println!("{}", json!({ "event": "media", "kind": "audio", "frames": ENOUGH }));
            }
            return Ok(());
        }
        let Some(record) = self.record.take() else { return Ok(()) };
        let mut record = match (record, frame.format) {
            (Record::Nowhere(path), _) if !frame.keyframe => Record::Nowhere(path),
            (Record::Nowhere(path), Format::H264) => Record::H264(File::create(path)?),
            (Record::Nowhere(path), _) => Record::Vp8(write::Ivf::create(&path)?),
            (record, _) => record,
        };
        match &mut record {
            Record::Nowhere(_) => {}
            Record::Vp8(file) => file.frame(frame.timestamp, &frame.data)?,
            Record::H264(file) => file.write_all(&frame.data)?,
        }
        self.pictures += u32::from(!matches!(record, Record::Nowhere(_)));
        self.record = Some(record);
        if self.pictures == ENOUGH {
            println!("{}", json!({ "event": "media", "kind": "video", "frames": ENOUGH }));
        }
        Ok(())
    }
}

impl Film {
    /// Sends every frame when it is due, and begins again at the end.
    async fn play(self, connection: &Connection) -> Result<(), Failure> {
        let (began, mut shift) = (Instant::now(), Duration::ZERO);
        let step = self.frames.get(1).map_or(Duration::ZERO, |second| second.due);
        loop {
            for frame in &self.frames {
                let due = frame.due + shift;
                sleep_until(began + due).await;
                let ticks = due.as_nanos() * u128::from(self.format.clock_rate()) / 1_000_000_000;
                let timestamp = u32::try_from(ticks & u128::from(u32::MAX))?;
                let (id, format, keyframe) = (self.transceiver, Some(self.format), frame.keyframe);
                let data = frame.data.clone();
                let send = move |peer: &mut peer::Peer, now| {
                    let frame =
                        peer::Frame { data: &data, timestamp, keyframe, format, ..peer::Frame::default() };
                    peer.send_frame(now, id, &frame)
                };
                match connection.with(send).await {
                    // The end, or the path is full for now.
                    Err(endpoint::Gone) => return Ok(()),
                    Ok(Ok(()) | Err(MediaError::Refused(_))) => {}
                    Ok(Err(error)) => return Err(error.into()),
                }
            }
            shift += self.frames.last().map_or(Duration::ZERO, |last| last.due) + step;
        }
    }
}

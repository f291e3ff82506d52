//! What both sides have in common: the language of `w3c.mjs`, and frames from files.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// The offset and the prime of FNV-1a for 32 bits.
const FNV: (u32, u32) = (0x811c_9dc5, 0x0100_0193);
/// Pictures, and pieces of sound, after which it is told that they come.
const ENOUGH: u32 = 40;

/// Says what happened, or what came of a task.
pub fn tell(said: &Value) {
    println!("{said}");
}

/// A text of a task; empty if it has none.
pub fn text(task: &Value, name: &str) -> String {
    task[name].as_str().unwrap_or_default().to_owned()
}

/// The messages that a task wants sent: the kind, and each message.
pub fn messages(task: &Value) -> Result<(bool, Vec<Vec<u8>>)> {
    if task["kind"] == "text" {
        return Ok((false, vec![text(task, "data").into_bytes()]));
    }
    let digits = text(task, "data");
    let byte = |at: usize| Ok(u8::from_str_radix(digits.get(at..at + 2).context("an odd digit")?, 16)?);
    let data: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect::<Result<_>>()?;
    let Some(count) = task["count"].as_u64() else { return Ok((true, vec![data])) };
    let count = u32::try_from(count)?;
    let numbered = |n: u32| [&n.to_be_bytes()[..], &count.to_be_bytes(), &data[8..]].concat();
    Ok((true, (0..count).map(numbered).collect()))
}

/// The address of this machine that others reach; the loopback if there is none.
pub fn address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // Nothing is sent: the system only looks for the way to an address that is nobody's (RFC 5737).
    Ok(match socket.connect("192.0.2.1:9") {
        Ok(()) => socket.local_addr()?.ip(),
        Err(_) => IpAddr::from([127, 0, 0, 1]),
    })
}

/// What has come of floods.
#[derive(Default)]
pub struct Tallies(HashMap<String, (u32, usize, u32)>);

impl Tallies {
    /// The event that a message is, or that it completes.
    pub fn message(&mut self, label: &str, binary: bool, data: &[u8]) {
        if !binary {
            let data = String::from_utf8_lossy(data);
            return tell(&json!({ "event": "message", "label": label, "kind": "text", "data": data }));
        }
        if !label.starts_with("flood") {
            let data: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            return tell(&json!({ "event": "message", "label": label, "kind": "binary", "data": data }));
        }
        let (messages, bytes, hash) = self.0.entry(label.to_owned()).or_insert((0, 0, FNV.0));
        *messages += 1;
        *bytes += data.len();
        *hash = data.iter().fold(*hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV.1));
        let count = data.get(4..8).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
        if count == Some(*messages) {
            tell(
                &json!({ "event": "tally", "label": label, "messages": *messages, "bytes": *bytes, "hash": *hash }),
            );
            self.0.remove(label);
        }
    }
}

/// A file of frames, in the container IVF whatever they are: `VP80`, `H264` or `OPUS`.
pub struct Film {
    pub codec: String,
    frames: Vec<(Duration, Vec<u8>)>,
    next: usize,
    laps: u32,
}

impl Film {
    pub fn open(path: &str) -> Result<Self> {
        let file = std::fs::read(path)?;
        ensure!(file.starts_with(b"DKIF") && file.len() > 32, "{path} is no IVF");
        let number = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?));
        let (rate, scale) = (number(16).context("a rate")?, number(20).context("a scale")?);
        let (mut frames, mut at) = (Vec::new(), 32);
        while let (Some(len), Some(tick)) = (number(at), number(at + 4)) {
            let begin = at + 12;
            at = begin + len as usize;
            let due = Duration::from_secs(1) * tick * scale / rate;
            frames.push((due, file.get(begin..at).context("a whole frame")?.to_vec()));
        }
        let codec = String::from_utf8_lossy(&file[8..12]).into_owned();
        Ok(Self { codec, frames, next: 0, laps: 0 })
    }

    /// When the next frame is due, from the beginning; at its end the film begins again.
    pub fn due(&self) -> Duration {
        let (last, step) = (self.frames[self.frames.len() - 1].0, self.frames[1].0);
        self.frames[self.next].0 + (last + step) * self.laps
    }

    pub fn take(&mut self) -> Vec<u8> {
        let frame = self.frames[self.next].1.clone();
        self.next += 1;
        if self.next == self.frames.len() {
            (self.next, self.laps) = (0, self.laps + 1);
        }
        frame
    }
}

/// What has come of sound and pictures.
#[derive(Default)]
pub struct Seen {
    pictures: u32,
    sounds: u32,
    size: Option<String>,
}

impl Seen {
    /// A piece of sound.
    pub fn sound(&mut self) {
        self.sounds += 1;
        if self.sounds == ENOUGH {
            tell(&json!({ "event": "media", "kind": "audio", "frames": ENOUGH }));
        }
    }

    /// A whole picture of VP8, or of H.264 with start codes.
    pub fn picture(&mut self, data: &[u8]) {
        // RFC 6386 §9.1: the keyframe has the size. One of H.264 has its parameters with it.
        match *data {
            [first, _, _, 0x9d, 0x01, 0x2a, w, wide, h, high, ..] if first & 1 == 0 => {
                let number = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
                self.size = Some(format!("{}x{}", number(w, wide), number(h, high)));
            }
            _ if data.windows(5).any(|bytes| bytes[..4] == [0, 0, 0, 1] && bytes[4] & 0x1f == 7) => {
                self.size = Some("parameters".to_owned());
            }
            _ => {}
        }
        // What comes before the first keyframe shows nothing.
        self.pictures += u32::from(self.size.is_some());
        if self.pictures == ENOUGH {
            tell(&json!({ "event": "media", "kind": "video", "frames": ENOUGH, "size": self.size }));
        }
    }
}

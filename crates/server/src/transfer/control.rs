//! The messages of the control channel, one JSON object each. What is not exactly one of them is dropped.

use serde::{Deserialize, Serialize};

/// The version of what two clients say to each other.
pub(crate) const VERSION: u64 = 1;
/// The subject of [`Control::Hello`] that tells that the other side is this program and not a page.
pub(crate) const PROGRAM: &str = "visavis";

/// Characters of a message, as UTF-16 counts them.
const FRAME_MOST: usize = 32_768;
/// Characters of a file's name, as UTF-16 counts them.
pub(crate) const NAME_MOST: usize = 255;
/// The largest number that JavaScript has exactly.
const SAFE_MOST: u64 = (1 << 53) - 1;

/// What one side tells the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Control {
    /// First on every channel.
    Hello {
        /// [`VERSION`].
        version: u64,
        /// Random; the same as long as this side remembers what it was doing.
        page: String,
        /// What media are sent.
        sending: Sending,
        /// [`PROGRAM`] from us. Pages do not say it, and ignore it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        program: String,
    },
    /// A file is there to take.
    FileOffer {
        /// Its number.
        file: u32,
        /// Its name; folders are separated by `/`.
        name: String,
        /// Bytes.
        size: u64,
        /// Its type, or nothing.
        mime: String,
    },
    /// Send it from this byte on.
    FileTake {
        /// Which.
        file: u32,
        /// From where.
        at: u64,
    },
    /// Everything before this byte is kept.
    FileKept {
        /// Which.
        file: u32,
        /// Up to where.
        at: u64,
    },
    /// It is complete, and the hash is right.
    FileDone {
        /// Which.
        file: u32,
    },
    /// Not wanted, not wanted any more, or not possible.
    FileStop {
        /// Which.
        file: u32,
        /// Why.
        why: Stop,
    },
    /// What is sent has changed.
    Sending {
        /// What is sent now.
        sending: Sending,
    },
    /// Something to read.
    Chat {
        /// Names it.
        id: String,
        /// The text.
        text: String,
    },
    /// It has been read.
    ChatReceived {
        /// Which.
        id: String,
    },
    /// The page goes; it may come back in a moment.
    Leaving,
    /// The call is over.
    End,
}

/// Which media are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sending {
    /// A picture.
    pub(crate) camera: bool,
    /// Sound.
    pub(crate) microphone: bool,
    /// A screen.
    pub(crate) screen: bool,
}

/// Why a file does not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stop {
    /// Not wanted.
    Refused,
    /// Not wanted any more.
    Cancelled,
    /// Not possible.
    Failed,
}

impl Control {
    /// The message in a text; `None` if it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > FRAME_MOST * 3 || text.encode_utf16().count() > FRAME_MOST {
            return None;
        }
        let message: Self = serde_json::from_str(text).ok()?;
        let fits = match &message {
            Self::Hello { page, program, .. } => is_id(page) && program.len() <= 64,
            Self::FileOffer { name, size, .. } => {
                !name.is_empty() && name.encode_utf16().count() <= NAME_MOST && *size <= SAFE_MOST
            }
            Self::FileTake { at, .. } | Self::FileKept { at, .. } => *at <= SAFE_MOST,
            Self::Chat { id, .. } | Self::ChatReceived { id } => is_id(id),
            Self::FileDone { .. }
            | Self::FileStop { .. }
            | Self::Sending { .. }
            | Self::Leaving
            | Self::End => true,
        };
        fits.then_some(message)
    }

    /// The text.
    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_page_reads_them() {
        for (message, text) in [
            (
                Control::FileOffer { file: 1, name: "a/b".into(), size: 2, mime: String::new() },
                r#"{"type":"file-offer","file":1,"name":"a/b","size":2,"mime":""}"#,
            ),
            (Control::FileTake { file: 1, at: 3 }, r#"{"type":"file-take","file":1,"at":3}"#),
            (
                Control::FileStop { file: 1, why: Stop::Refused },
                r#"{"type":"file-stop","file":1,"why":"refused"}"#,
            ),
            (Control::End, r#"{"type":"end"}"#),
            (
                Control::Hello {
                    version: 1,
                    page: "p".into(),
                    sending: Sending::default(),
                    program: String::new(),
                },
                r#"{"type":"hello","version":1,"page":"p","sending":{"camera":false,"microphone":false,"screen":false}}"#,
            ),
        ] {
            assert_eq!(message.write(), text);
            assert_eq!(Control::read(text), Some(message));
        }
    }

    #[test]
    fn anything_else_is_dropped() {
        let long =
            format!(r#"{{"type":"file-offer","file":1,"name":"{}","size":2,"mime":""}}"#, "é".repeat(256));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"file-take","file":-1,"at":0}"#,
            r#"{"type":"file-take","file":4294967296,"at":0}"#,
            r#"{"type":"file-take","file":1,"at":9007199254740992}"#,
            r#"{"type":"file-offer","file":1,"name":"","size":2,"mime":""}"#,
            r#"{"type":"file-stop","file":1,"why":"tired"}"#,
            r#"{"type":"hello","version":1,"page":"no spaces","sending":{"camera":false,"microphone":false,"screen":false}}"#,
            &long,
        ] {
            assert_eq!(Control::read(text), None, "{text}");
        }
    }
}

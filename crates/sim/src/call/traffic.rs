//! What the two programs say to each other, and what the model expects to arrive.

use std::collections::BTreeSet;

use peer::{ChannelConfig, ReceivedFrame, Reliability};
use wire::Rng;

/// The channels of a call: label and properties.
pub(super) const CHANNELS: [&str; 3] = ["ordered", "unordered", "partial"];

/// The configuration of a channel, by its label.
pub(super) fn channel_config(label: &str) -> ChannelConfig {
    ChannelConfig {
        label: label.to_owned(),
        ordered: label == "ordered",
        reliability: if label == "partial" { Reliability::Retransmits(0) } else { Reliability::Reliable },
        ..ChannelConfig::default()
    }
}

/// Messages of one channel in one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    pub(super) sent: u32,
    next: u32,
    seen: BTreeSet<u32>,
}

impl Flow {
    /// The next message.
    pub(super) fn message(&self, rng: &mut Rng) -> Vec<u8> {
        let longest = if rng.chance(50) { 20_000 } else { 300 };
        let len = 4 + usize::try_from(rng.below(longest)).expect("a short message");
        body(self.sent, len)
    }

    /// Checks what has come on the channel with this label.
    pub(super) fn arrive(&mut self, label: &str, data: &[u8]) {
        let head = data.first_chunk().unwrap_or_else(|| panic!("{label}: a message of {} bytes", data.len()));
        let number = u32::from_be_bytes(*head);
        assert!(number < self.sent, "{label}: message {number} was never sent");
        assert!(data == body(number, data.len()), "{label}: message {number} has changed on its way");
        assert!(self.seen.insert(number), "{label}: message {number} came twice");
        if label == "ordered" {
            assert_eq!(number, self.next, "{label}: out of order");
        }
        self.next = number + 1;
    }

    pub(super) fn all_arrived(&self) -> bool {
        self.seen.len() == self.sent as usize
    }

    pub(super) fn arrived(&self) -> u64 {
        self.seen.len() as u64
    }
}

fn body(number: u32, len: usize) -> Vec<u8> {
    let fill = |i: usize| (number as usize).wrapping_mul(31).wrapping_add(i * 7).to_le_bytes()[0];
    let mut body: Vec<u8> = (0..len).map(fill).collect();
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

/// Pictures from one side to the other: told apart by their number, 25 a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Film {
    pub(super) number: u32,
    pub(super) wants_keyframe: bool,
    /// What the path carries, in bits per second, as the program was told.
    pub(super) target: Option<u64>,
    last: Option<u32>,
    pub(super) arrived: u64,
}

impl Film {
    pub(super) const TICKS: u32 = 3600;

    /// The next picture, as large as the path allows.
    pub(super) fn next(&self, keyframe: bool) -> Vec<u8> {
        let share = self.target.map_or(900, |bits| usize::try_from(bits / 8 / 25).unwrap_or(usize::MAX) / 2);
        let len = share.clamp(60, 900);
        Self::picture(self.number, if keyframe { len * 4 } else { len }, keyframe)
    }

    /// The picture with this number: a VP8 payload that says whether it is a keyframe, and its number at the end.
    fn picture(number: u32, len: usize, keyframe: bool) -> Vec<u8> {
        let mut data = body(number, len);
        data[0] = u8::from(!keyframe);
        data.extend(number.to_be_bytes());
        data
    }

    pub(super) fn arrive(&mut self, frame: &ReceivedFrame) {
        let number = u32::from_be_bytes(*frame.data.last_chunk().expect("a picture has a number"));
        assert!(number < self.number, "picture {number} was never sent");
        assert!(self.last.is_none_or(|last| last < number), "picture {number} came after {:?}", self.last);
        assert!(
            frame.data == Self::picture(number, frame.data.len() - 4, frame.keyframe),
            "picture {number} has changed"
        );
        self.last = Some(number);
        self.arrived += 1;
    }
}

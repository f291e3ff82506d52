//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets arrived, by
//! the sequence number over all streams, and when.
//!
//! ```text
//! |      base sequence number     |      packet status count      |
//! |                 reference time (64 ms)        | fb pkt. count |
//! |          packet chunk         |         packet chunk          | ...
//! | receive deltas (250 us), one byte or two each ...
//! ```

use std::time::Duration;
use wire::{Reader, Short, Writer};

/// The unit of arrival times.
pub const TICK: Duration = Duration::from_micros(250);

/// Ticks in one unit of the reference time.
const REFERENCE: i64 = 256;

/// TWCC: the arrivals of consecutive packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Twcc<'a> {
    /// Who reports.
    pub sender: u32,
    /// Any stream of the transport.
    pub media: u32,
    /// The transport-wide sequence number of the first packet.
    pub base: u16,
    /// How many packets the report covers.
    pub count: u16,
    /// A time before the first arrival, in 64 ms since any origin of the receiver; 24 bits with sign, wraps.
    pub reference: i32,
    /// Grows by one with each report.
    pub number: u8,
    /// Chunks and deltas as they stand on the wire.
    content: &'a [u8],
}

impl<'a> Twcc<'a> {
    pub(super) fn read(sender: u32, media: u32, fci: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(fci);
        let (base, count) = (from.u16()?, from.u16()?);
        let word = from.u32()?;
        let [.., number] = word.to_be_bytes();
        let reference = word.cast_signed() >> 8;
        let twcc = Self { sender, media, base, count, reference, number, content: from.rest() };
        // A report whose chunks or deltas are cut says nothing one can rely on.
        twcc.walk(|_, _| ())?;
        Ok(twcc)
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u16(self.base)?;
        to.u16(self.count)?;
        to.u32((self.reference << 8).cast_unsigned() | u32::from(self.number))?;
        to.put(self.content)?;
        to.pad_to(4)
    }

    /// Calls `each` for every packet that the report covers with its sequence number and its arrival in ticks of
    /// 250 us from the reference's origin, or `None` when it has not arrived.
    pub fn for_each(&self, each: impl FnMut(u16, Option<i64>)) {
        self.walk(each).expect("it was walked when it was read or made");
    }

    fn walk(&self, mut each: impl FnMut(u16, Option<i64>)) -> Result<(), Short> {
        let mut deltas = Reader::new(&self.content[self.chunks_len()?..]);
        let mut chunks = Reader::new(self.content);
        let mut time = i64::from(self.reference) * REFERENCE;
        let mut number = self.base;
        let mut left = self.count;
        while left > 0 {
            let chunk = chunks.u16()?;
            let covered = chunk_len(chunk).min(left);
            for at in 0..covered {
                let arrival = match symbol(chunk, at) {
                    1 => Some(i64::from(deltas.u8()?)),
                    2 => Some(i64::from(deltas.u16()?.cast_signed())),
                    _ => None,
                };
                time += arrival.unwrap_or(0);
                each(number, arrival.map(|_| time));
                number = number.wrapping_add(1);
            }
            left -= covered;
        }
        Ok(())
    }

    /// How many bytes of the content are chunks.
    fn chunks_len(&self) -> Result<usize, Short> {
        let mut chunks = Reader::new(self.content);
        let mut left = self.count;
        while left > 0 {
            // A run of length zero would let a report have no end.
            left -= chunk_len(chunks.u16()?).min(left);
        }
        Ok(self.content.len() - chunks.rest().len())
    }

    /// Makes a report of consecutive packets, from `base` on, with their arrivals in ticks since any origin; `None` for
    /// those that have not arrived. `scratch` holds the content. Gives the report and how many of the packets it
    /// covers: fewer than given when `scratch` is full or two arrivals are too far apart (8.19 s), then the rest
    /// belongs into the next report. `None` when it would cover no arrival.
    pub fn make(
        scratch: &'a mut [u8],
        (sender, media, number): (u32, u32, u8),
        base: u16,
        arrivals: &[Option<i64>],
    ) -> Option<(Self, usize)> {
        let first = arrivals.iter().flatten().next()?;
        let reference = first.div_euclid(REFERENCE);
        let count = covered(scratch.len(), reference * REFERENCE, arrivals);
        let arrivals = &arrivals[..count];
        arrivals.iter().flatten().next()?;
        let mut to = Writer::new(scratch);
        write_chunks(symbols(reference * REFERENCE, arrivals), &mut to).ok()?;
        let mut time = reference * REFERENCE;
        for arrival in arrivals.iter().flatten() {
            let delta = arrival - time;
            time = *arrival;
            match u8::try_from(delta) {
                Ok(small) => to.u8(small).ok()?,
                Err(_) => to.u16(i16::try_from(delta).ok()?.cast_unsigned()).ok()?,
            }
        }
        let len = to.len();
        let content = &scratch[..len];
        // Only 24 bits of the reference are sent; both sides see it wrap.
        #[expect(clippy::cast_possible_truncation, reason = "it wraps by design")]
        let reference = (reference as i32) << 8 >> 8;
        let count = u16::try_from(count).ok()?;
        Some((Self { sender, media, base, count, reference, number, content }, usize::from(count)))
    }
}

/// How many packets a chunk covers.
fn chunk_len(chunk: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => (chunk & 0x1fff).max(1), // a run
        2 => 14,                          // a vector of one-bit symbols
        _ => 7,                           // a vector of two-bit symbols
    }
}

/// The symbol of packet `at` of a chunk: 0 not received, 1 a small delta, 2 a large one, 3 reserved.
fn symbol(chunk: u16, at: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk >> 13 & 3,
        2 => chunk >> (13 - at) & 1,
        _ => chunk >> (12 - 2 * at) & 3,
    }
}

fn symbols(mut time: i64, arrivals: &[Option<i64>]) -> impl ExactSizeIterator<Item = u16> + Clone {
    arrivals.iter().map(move |arrival| match arrival {
        None => 0,
        Some(at) => {
            let delta = at - time;
            time = *at;
            if u8::try_from(delta).is_ok() { 1 } else { 2 }
        }
    })
}

/// How many packets fit: every delta into 16 bits, and all of them into `room` bytes, counting one chunk for each 7
/// packets, which is the most that chunks take.
fn covered(room: usize, mut time: i64, arrivals: &[Option<i64>]) -> usize {
    let mut deltas = 0;
    for (at, arrival) in arrivals.iter().enumerate() {
        if let Some(arrival) = arrival {
            let delta = arrival - time;
            time = *arrival;
            if i16::try_from(delta).is_err() {
                return at;
            }
            deltas += if u8::try_from(delta).is_ok() { 1 } else { 2 };
        }
        if (at + 1).div_ceil(7) * 2 + deltas > room || at + 1 > usize::from(u16::MAX) {
            return at;
        }
    }
    arrivals.len()
}

/// Writes the chunks of these symbols: a run where it covers at least as many packets as a vector would.
fn write_chunks(
    mut rest: impl ExactSizeIterator<Item = u16> + Clone,
    to: &mut Writer<'_>,
) -> Result<(), Short> {
    while let Some(first) = rest.clone().next() {
        let left = rest.len();
        let run = rest.clone().take(0x1fff).take_while(|symbol| *symbol == first).count();
        let (mut chunk, covered, bits) = if run == left || run >= 14 || (run >= 7 && first == 2) {
            (first << 13 | u16::try_from(run).map_err(|_| Short)?, run, 0)
        } else if rest.clone().take(14).all(|symbol| symbol < 2) {
            (0x8000, left.min(14), 1)
        } else {
            (0xc000, left.min(7), 2)
        };
        let mut shift = 14;
        for symbol in rest.by_ref().take(covered) {
            if bits > 0 {
                shift -= bits;
                chunk |= symbol << shift;
            }
        }
        to.u16(chunk)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Rng;

    fn read(twcc: &Twcc<'_>) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        twcc.for_each(|number, arrival| all.push((number, arrival)));
        all
    }

    #[test]
    fn runs_and_vectors_are_read() {
        let fci = [
            0xff, 0xff, 0, 24, 0xff, 0xff, 0xff, 9, // base, count, reference -1, number
            0x20, 10, // ten small
            0xa8, 0, // of fourteen the first and the third are small
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        ];
        let twcc = Twcc::read(1, 2, &fci).unwrap();
        assert_eq!((twcc.base, twcc.count, twcc.reference, twcc.number), (65_535, 24, -1, 9));
        let all = read(&twcc);
        assert_eq!(all[0], (65_535, Some(-255)));
        assert_eq!(all[1], (0, Some(-253)));
        assert_eq!(all[9], (8, Some(-256 + 55)));
        assert_eq!(all[10..13], [(9, Some(-190)), (10, None), (11, Some(-178))]);
        assert!(all[13..].iter().all(|(_, arrival)| arrival.is_none()));
        assert_eq!(Twcc::read(1, 2, &fci[..21]), Err(Short), "a delta is missing");
        assert_eq!(Twcc::read(1, 2, &fci[..11]), Err(Short), "a chunk is missing");
    }

    #[test]
    fn what_is_made_is_read_back() {
        for seed in 0..300 {
            let mut rng = Rng::from_number(seed);
            let (mut time, mut arrivals) = (rng.below(1 << 20).cast_signed(), Vec::new());
            let loss = rng.below(1000);
            for _ in 0..=rng.below(200) {
                time += if rng.chance(30) { rng.below(40_000) } else { rng.below(80) }.cast_signed() - 9;
                arrivals.push((!rng.chance(loss)).then_some(time));
            }
            let mut scratch = [0; 90];
            let base = u16::try_from(rng.below(1 << 16)).unwrap();
            let Some((twcc, count)) = Twcc::make(&mut scratch, (1, 2, 3), base, &arrivals) else {
                let first = arrivals.iter().position(Option::is_some);
                assert!(first.is_none_or(|at| at > 40), "{arrivals:?}");
                continue;
            };
            assert!(count > 0 && (count == arrivals.len() || count > 7 || loss < 1000), "{count}");
            let expected: Vec<_> =
                (0..count).map(|i| base.wrapping_add(u16::try_from(i).unwrap())).zip(arrivals).collect();
            assert_eq!(read(&twcc), expected, "seed {seed}");
            assert_eq!(Twcc::read(1, 2, &written(&twcc)).map(|t| read(&t)), Ok(expected));
        }
    }

    fn written(twcc: &Twcc<'_>) -> Vec<u8> {
        let mut buf = [0; 200];
        let mut w = Writer::new(&mut buf);
        twcc.write(&mut w).unwrap();
        w.written().to_vec()
    }
}

//! Opus in Ogg: pages (RFC 3533) with packets of Opus behind two headers (RFC 7845).

use std::collections::VecDeque;
use std::io::{Read, Write};

use crate::opus::{MOST_SAMPLES, samples};
use crate::{Error, fill};

/// The longest packet of Opus that is read: six streams of the longest packets (RFC 7845 §6).
const LONGEST: usize = 61_440;
/// Comments are longer; they are not kept.
const LONGEST_COMMENTS: usize = 16 << 20;
const HEADER: usize = 27;
/// A page is written when it holds so many samples: half a second.
const PAGE: u64 = 24_000;

/// What an Opus stream says of itself (RFC 7845 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// 1 or 2; streams with more channels are not of one stream of packets.
    pub channels: u8,
    /// Samples of 48 kHz at the beginning that are not to be played.
    pub pre_skip: u16,
}

/// One packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Its first sample, at 48 kHz from the beginning of the file, pre-skip included.
    pub sample: u64,
    /// How many samples it has.
    pub samples: u16,
    /// What a decoder takes.
    pub data: Vec<u8>,
}

/// The checksum of a page (RFC 3533 §6): that of Ethernet without its mirroring.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
            let mut value = (at as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 << 31 != 0 { value << 1 ^ 0x04c1_1db7 } else { value << 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    bytes.iter().fold(0, |sum: u32, byte| sum << 8 ^ TABLE[usize::from(sum.to_be_bytes()[0] ^ byte)])
}

/// Reads the first Opus stream of a file; others in it are passed over.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    at: u64,
    head: Head,
    serial: u32,
    sequence: Option<u32>,
    /// What a page ended in the midst of.
    partial: Vec<u8>,
    packets: VecDeque<Vec<u8>>,
    sample: u64,
    /// A packet of which a part is missing is passed over.
    broken: bool,
}

struct Page {
    kind: u8,
    serial: u32,
    sequence: u32,
    segments: Vec<u8>,
    data: Vec<u8>,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Reads both headers.
    ///
    /// # Errors
    /// It is no Ogg, has no Opus of one or two channels, or is malformed.
    pub fn new(from: R) -> Result<Self, Error> {
        let head = Head { channels: 0, pre_skip: 0 };
        let mut reader = Self {
            from,
            at: 0,
            head,
            serial: 0,
            sequence: None,
            partial: Vec::new(),
            packets: VecDeque::new(),
            sample: 0,
            broken: false,
        };
        // The first pages of all streams stand before any other (RFC 3533 §4).
        loop {
            let Some(page) = reader.page()? else {
                return Err(Error::Unsupported("an Ogg file without Opus in it; only Opus is known".into()));
            };
            if page.kind & 2 == 0 {
                return Err(Error::Unsupported("an Ogg file without Opus in it; only Opus is known".into()));
            }
            if page.data.starts_with(b"OpusHead") {
                reader.head = head_of(&page)?;
                (reader.serial, reader.sequence) = (page.serial, Some(page.sequence));
                break;
            }
        }
        // The comments are one packet, of one page or several, and end a page (RFC 7845 §3).
        let mut length = 0;
        loop {
            let page =
                reader.page()?.ok_or(Error::Malformed("the file ends before its comments do", reader.at))?;
            if page.serial != reader.serial {
                continue;
            }
            if length == 0 && !page.data.starts_with(b"OpusTags") {
                return Err(Error::Malformed("no comments behind the header of Opus", page.at));
            }
            reader.sequence = Some(page.sequence);
            length += page.data.len();
            if length > LONGEST_COMMENTS {
                return Err(Error::Malformed("comments of more than 16 MiB", page.at));
            }
            if page.segments.iter().any(|segment| *segment < 255) {
                return Ok(reader);
            }
        }
    }

    /// What the stream says of itself.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next packet; `None` at the end. What is damaged is passed over.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&mut self) -> Result<Option<Packet>, Error> {
        loop {
            while let Some(data) = self.packets.pop_front() {
                let Some(count) = samples(&data) else { continue };
                let sample = self.sample;
                self.sample += u64::from(count);
                return Ok(Some(Packet { sample, samples: count, data }));
            }
            let Some(page) = self.page()? else { return Ok(None) };
            if page.serial == self.serial {
                self.take(&page);
            }
        }
    }

    /// Cuts a page into packets (RFC 3533 §5).
    fn take(&mut self, page: &Page) {
        let follows = self.sequence.is_some_and(|last| last.wrapping_add(1) == page.sequence);
        self.sequence = Some(page.sequence);
        let goes_on = page.kind & 1 != 0;
        if !follows || !goes_on {
            self.partial.clear();
        }
        self.broken = goes_on && (!follows || self.broken);
        let mut rest = &page.data[..];
        for segment in &page.segments {
            let (part, behind) = rest.split_at(usize::from(*segment).min(rest.len()));
            rest = behind;
            if self.partial.len() + part.len() > LONGEST {
                self.broken = true;
            }
            if !self.broken {
                self.partial.extend_from_slice(part);
            }
            if *segment < 255 {
                let packet = std::mem::take(&mut self.partial);
                if !std::mem::take(&mut self.broken) {
                    self.packets.push_back(packet);
                }
            }
        }
    }

    /// The next page; bytes between pages are passed over, and pages that are damaged.
    fn page(&mut self) -> Result<Option<Page>, Error> {
        let mut header = [0; HEADER];
        let mut have = 0;
        loop {
            let more = fill(&mut self.from, &mut header[have..])?;
            self.at += more as u64;
            have += more;
            if have < HEADER {
                return Ok(None);
            }
            if !header.starts_with(b"OggS") || header[4] != 0 {
                if self.serial == 0 && self.sequence.is_none() && self.at == HEADER as u64 {
                    return Err(Error::Malformed("this is no Ogg file", 0));
                }
                // Searches for the next one.
                let next = (1..HEADER).find(|at| b"OggS".starts_with(&header[*at..(*at + 4).min(HEADER)]));
                let from = next.unwrap_or(HEADER);
                header.copy_within(from.., 0);
                have = HEADER - from;
                continue;
            }
            let begin = self.at - HEADER as u64;
            let mut segments = vec![0; usize::from(header[26])];
            let told = fill(&mut self.from, &mut segments)?;
            let mut data = vec![0; segments.iter().map(|len| usize::from(*len)).sum()];
            let len = fill(&mut self.from, &mut data)?;
            self.at += (told + len) as u64;
            if told < segments.len() || len < data.len() {
                return Ok(None);
            }
            let u32_at =
                |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let (serial, sequence, sum) = (u32_at(14), u32_at(18), u32_at(22));
            let kind = header[5];
            header[22..26].fill(0);
            let whole = [&header[..], &segments, &data].concat();
            if checksum(&whole) == sum {
                return Ok(Some(Page { kind, serial, sequence, segments, data, at: begin }));
            }
            have = 0;
        }
    }
}

/// Reads the first header (RFC 7845 §5.1).
fn head_of(page: &Page) -> Result<Head, Error> {
    let [version, channels, low, high] = match page.data.get(8..12) {
        Some(bytes) if page.data.len() >= 19 => [bytes[0], bytes[1], bytes[2], bytes[3]],
        _ => return Err(Error::Malformed("the header of Opus is too short", page.at)),
    };
    // The upper half of the version changes what cannot be understood without knowing it.
    if version & 0xf0 != 0 {
        return Err(Error::Unsupported(format!("version {version} of Opus in Ogg; version 1 is known")));
    }
    if page.data[18] != 0 || !(1..=2).contains(&channels) {
        return Err(Error::Unsupported(format!(
            "Opus of {channels} channels in several streams; one or two channels are known"
        )));
    }
    Ok(Head { channels, pre_skip: u16::from_le_bytes([low, high]) })
}

/// Writes a stream of Opus. Each page is whole: a file that ends with any of them can be played.
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    serial: u32,
    sequence: u32,
    /// The samples up to now, pre-skip included.
    samples: u64,
    segments: Vec<u8>,
    data: Vec<u8>,
    /// Samples on the page.
    held: u64,
}

impl<W: Write> Writer<W> {
    /// Writes both headers. `serial` tells the stream apart from others that may be put into the same file.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(to: W, head: Head, serial: u32) -> Result<Self, Error> {
        let (segments, data) = (Vec::new(), Vec::new());
        let mut writer = Self { to, serial, sequence: 0, samples: 0, segments, data, held: 0 };
        writer.data.extend(b"OpusHead\x01");
        writer.data.push(head.channels);
        writer.data.extend(head.pre_skip.to_le_bytes());
        writer.data.extend(48_000_u32.to_le_bytes());
        writer.data.extend([0, 0, 0]);
        writer.end_packet(19);
        writer.page(2)?;
        writer.data.extend(b"OpusTags\x07\0\0\0visavis\0\0\0\0");
        writer.end_packet(23);
        writer.page(0)?;
        Ok(writer)
    }

    /// Writes a packet behind the one before. One that is no Opus is left out.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        let Some(count) = samples(data).filter(|_| data.len() <= LONGEST) else { return Ok(()) };
        if self.segments.len() + data.len() / 255 + 1 > 255 {
            self.page(0)?;
        }
        self.data.extend_from_slice(data);
        self.end_packet(data.len());
        self.samples += u64::from(count);
        self.held += u64::from(count);
        if self.held >= PAGE { self.page(0) } else { Ok(()) }
    }

    /// Writes silence for so many samples of 48 kHz, to the nearest 2.5 ms: what a sender left out or the way lost.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_silence(&mut self, samples: u64) -> Result<(), Error> {
        // Packets of no bytes: "lost" in the words of RFC 6716 §3.2.1, of 20 ms in CELT and then of 2.5 ms.
        for (length, toc) in [(960, 0xf8_u8), (120, 0xe0)] {
            let count = if length == 960 { samples / 960 } else { samples % 960 / 120 };
            (0..count).try_for_each(|_| self.write(&[toc]))?;
        }
        Ok(())
    }

    /// The samples written up to now.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Ends the stream, and gives back what it wrote to.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self) -> Result<W, Error> {
        self.page(4)?;
        self.to.flush()?;
        Ok(self.to)
    }

    /// Notes the lengths of a packet (RFC 3533 §5).
    fn end_packet(&mut self, len: usize) {
        self.segments.extend(std::iter::repeat_n(255, len / 255));
        self.segments.push(u8::try_from(len % 255).unwrap_or(0));
    }

    fn page(&mut self, kind: u8) -> Result<(), Error> {
        let mut page = b"OggS\0".to_vec();
        page.push(kind);
        page.extend(self.samples.to_le_bytes());
        page.extend(self.serial.to_le_bytes());
        page.extend(self.sequence.to_le_bytes());
        page.extend([0; 4]);
        page.push(u8::try_from(self.segments.len()).unwrap_or(u8::MAX));
        page.append(&mut self.segments);
        page.append(&mut self.data);
        let sum = checksum(&page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        self.to.write_all(&page)?;
        self.sequence = self.sequence.wrapping_add(1);
        self.held = 0;
        Ok(())
    }
}

/// The longest packet, in samples.
const _: () = assert!(MOST_SAMPLES as u64 <= PAGE);

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { channels: 2, pre_skip: 312 };

    fn written() -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut writer = Writer::new(Vec::new(), HEAD, 77).unwrap();
        let lens = [1, 3, 254, 255, 256, 509, 510, 511, 1275];
        let packets: Vec<Vec<u8>> = (0..300).map(|at| vec![0xf8; lens[at % lens.len()]]).collect();
        packets.iter().for_each(|packet| writer.write(packet).unwrap());
        assert_eq!(writer.samples(), 300 * 960);
        (writer.finish().unwrap(), packets)
    }

    fn read(bytes: &[u8]) -> Vec<Packet> {
        let mut reader = Reader::new(bytes).unwrap();
        std::iter::from_fn(|| reader.read().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, packets) = written();
        assert_eq!(Reader::new(&bytes[..]).unwrap().head(), HEAD);
        let found = read(&bytes);
        assert!(found.iter().map(|packet| &packet.data).eq(&packets));
        assert_eq!((found[299].sample, found[299].samples), (299 * 960, 960));
    }

    #[test]
    fn a_damaged_page_is_passed_over_and_a_cut_file_ends() {
        let (mut bytes, packets) = written();
        let pages: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"OggS")).collect();
        let cut = read(&bytes[..pages[6] + 30]);
        bytes[pages[4] + 40] ^= 1;
        let (damaged, all) = (read(&bytes), packets.len());
        assert!(
            cut.len() < damaged.len() && damaged.len() < all && damaged.len() > all - 60,
            "{}",
            damaged.len()
        );
        // Bytes that belong to nothing stand between two pages.
        bytes[pages[4] + 40] ^= 1;
        bytes.splice(pages[5]..pages[5], *b"OggOggS??O");
        assert_eq!(read(&bytes).len(), all);
    }

    #[test]
    fn what_is_no_opus_is_refused() {
        let vorbis = crate::testing::ffmpeg(
            &["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "flac", "-f", "ogg", "-"],
            &[],
        );
        for (bytes, said) in
            [(&vorbis[..], "without Opus"), (b"RIFF....WAVEfmt ............", "no Ogg"), (b"", "without")]
        {
            let error = Reader::new(bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn files_of_ffmpeg_are_read_and_ours_by_ffmpeg() {
        let theirs = crate::testing::ffmpeg(
            &["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", "libopus", "-f", "ogg", "-"],
            &[],
        );
        let packets = read(&theirs);
        let samples: u64 = packets.iter().map(|packet| u64::from(packet.samples)).sum();
        assert!((96_000..98_000).contains(&samples), "{samples}");
        let head = Reader::new(&theirs[..]).unwrap().head();
        let mut writer = Writer::new(Vec::new(), head, 1).unwrap();
        packets.iter().take(50).for_each(|packet| writer.write(&packet.data).unwrap());
        writer.write_silence(48_000).unwrap();
        packets.iter().skip(50).for_each(|packet| writer.write(&packet.data).unwrap());
        let ours = writer.finish().unwrap();
        let plain = ["-f", "ogg", "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "48000", "-"];
        let decoded = crate::testing::ffmpeg(&plain, &ours);
        let values: Vec<i16> = decoded.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        assert!(values.len().abs_diff(3 * 48_000) < 1000, "{}", values.len());
        let loud = |from: usize| values[from..from + 9600].iter().map(|v| v.unsigned_abs()).max().unwrap();
        assert!(
            loud(20_000) > 2000 && loud(80_000) < 200 && loud(120_000) > 2000,
            "the silence is in the middle"
        );
    }
}

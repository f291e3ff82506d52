//! Frames into files: IVF with VP8, and Ogg with Opus (RFC 7845).

use std::fs::File;
use std::io::{self, Write};

/// An IVF file, which begins with the first keyframe.
pub(crate) struct Ivf {
    file: File,
    origin: Option<u32>,
}

impl Ivf {
    pub(crate) fn create(path: &str) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, origin: None })
    }

    /// Appends a frame of VP8; its timestamp is of 90 kHz.
    pub(crate) fn frame(&mut self, timestamp: u32, data: &[u8]) -> io::Result<()> {
        if self.origin.is_none() {
            // Only a keyframe has the size of the picture (RFC 6386 §9.1).
            let Some(size) = data.get(6..10).filter(|_| data[0] & 1 == 0) else { return Ok(()) };
            let mut header = *b"DKIF\0\0\x20\0VP80....\x90\x5f\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0";
            header[12..16].copy_from_slice(&[size[0], size[1] & 0x3f, size[2], size[3] & 0x3f]);
            self.file.write_all(&header)?;
        }
        let since = timestamp.wrapping_sub(*self.origin.get_or_insert(timestamp));
        let len = u32::try_from(data.len()).map_err(io::Error::other)?;
        self.file.write_all(&[len.to_le_bytes(), since.to_le_bytes(), [0; 4]].concat())?;
        self.file.write_all(data)
    }
}

/// An Ogg file, in which each packet has a page of its own (RFC 3533 §6).
pub(crate) struct Ogg {
    file: File,
    pages: u32,
    origin: Option<u32>,
}

impl Ogg {
    pub(crate) fn create(path: &str) -> io::Result<Self> {
        let mut ogg = Self { file: File::create(path)?, pages: 0, origin: None };
        ogg.page(0, b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0")?;
        ogg.page(0, b"OpusTags\x07\0\0\0visavis\0\0\0\0")?;
        Ok(ogg)
    }

    /// Appends a packet of Opus; its timestamp is of 48 kHz.
    pub(crate) fn packet(&mut self, timestamp: u32, data: &[u8]) -> io::Result<()> {
        let since = timestamp.wrapping_sub(*self.origin.get_or_insert(timestamp));
        // The position is that of the end; packets of browsers play for 20 ms.
        self.page(u64::from(since) + 960, data)
    }

    fn page(&mut self, position: u64, data: &[u8]) -> io::Result<()> {
        let first = if self.pages == 0 { 2 } else { 0 };
        let mut page = [b"OggS\0", &[first][..], &position.to_le_bytes(), b"visa"].concat();
        page.extend_from_slice(&self.pages.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push(u8::try_from(data.len() / 255 + 1).map_err(io::Error::other)?);
        page.resize(page.len() + data.len() / 255, 255);
        page.push(u8::try_from(data.len() % 255).map_err(io::Error::other)?);
        page.extend_from_slice(data);
        let checksum = checksum(&page).to_le_bytes();
        page[22..26].copy_from_slice(&checksum);
        self.pages += 1;
        self.file.write_all(&page)
    }
}

/// CRC-32 with the polynomial 0x04c11db7, unreflected, from zero.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

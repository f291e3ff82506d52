//! Sealing and opening single records, in place (RFC 6347 §4.1 with RFC 5288, RFC 9147 §4).
//!
//! ```text
//! DTLS 1.2:  type 1 | version 2 | epoch 2 | sequence 6 | length 2 | explicit nonce 8 | ciphertext | tag 16
//! DTLS 1.3:  001011EE 1 | sequence 2 (masked) | length 2 | ciphertext of (data | type 1) | tag 16
//! ```

use std::ops::Range;

use crypto::Secret;
use crypto::aead::{AesGcm, HeaderMask, TAG_LEN};

use crate::Version;
use crate::replay::ReplayWindow;

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
pub(crate) const ACK: u8 = 26;

/// Bytes of the header of DTLS 1.2, and of every record in the clear.
pub(crate) const PLAIN_HEADER: usize = 13;
const NONCE: usize = 8;
/// The first byte of our DTLS 1.3 records but for the epoch: no connection id, 16-bit sequence, a length.
const UNIFIED: u8 = 0b0010_1100;
const UNIFIED_HEADER: usize = 5;
/// The most data in one record (RFC 8446 §5.1).
pub(crate) const MAX_DATA: usize = 1 << 14;
/// 48 bits (RFC 6347 §4.1).
const LAST_SEQUENCE: u64 = (1 << 48) - 1;
/// What a key of DTLS 1.3 may seal: 2^24.5 records (RFC 9147 §4.5.3).
const LAST_SEQUENCE_13: u64 = 23_726_565;

/// Writes the header of a record in the clear: epoch 0, `len` bytes to follow.
pub(crate) fn plain_header(content: u8, seq: u64, len: usize) -> [u8; PLAIN_HEADER] {
    header12(content, seq, len)
}

/// `seq` has the epoch in its upper 16 bits.
#[inline]
fn header12(content: u8, seq: u64, len: usize) -> [u8; PLAIN_HEADER] {
    let mut header = [0; PLAIN_HEADER];
    header[0] = content;
    header[1..3].copy_from_slice(&Version::Dtls12.code().to_be_bytes());
    header[3..11].copy_from_slice(&seq.to_be_bytes());
    header[11..].copy_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    header
}

/// Records after which a key stays scheduled. Many connections carry media and hardly any records: they keep the keys as
/// they are, a tenth as large.
const BUSY: u8 = 3;

/// The keys of one direction and epoch.
pub(crate) struct Keys {
    pub(crate) version: Version,
    pub(crate) epoch: u16,
    /// Two keys of the same length in DTLS 1.3: of the data, and of the record numbers.
    secret: Secret,
    /// The salt of DTLS 1.2 in its first four bytes, or the static nonce of DTLS 1.3.
    iv: [u8; 12],
    scheduled: Option<Box<Scheduled>>,
    /// Records so far, up to [`BUSY`].
    uses: u8,
}

/// Keys that are ready for use.
struct Scheduled {
    aead: AesGcm,
    /// In DTLS 1.3.
    mask: Option<HeaderMask>,
}

impl std::fmt::Debug for Keys {
    /// Says nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys of DTLS 1.2, epoch 1.
    pub(crate) fn dtls12(key: &[u8], salt: [u8; 4]) -> Self {
        let mut iv = [0; 12];
        iv[..4].copy_from_slice(&salt);
        Self { version: Version::Dtls12, epoch: 1, secret: key.into(), iv, scheduled: None, uses: 0 }
    }

    /// Keys of DTLS 1.3.
    pub(crate) fn dtls13(epoch: u16, key: &[u8], iv: [u8; 12], sn_key: &[u8]) -> Self {
        let secret = Secret::of(&[key, sn_key]);
        Self { version: Version::Dtls13, epoch, secret, iv, scheduled: None, uses: 0 }
    }

    /// The keys, ready for use. They are given back with [`Keys::put`].
    #[inline]
    fn take(&mut self) -> Box<Scheduled> {
        self.scheduled.take().unwrap_or_else(|| self.schedule())
    }

    #[cold]
    fn schedule(&self) -> Box<Scheduled> {
        Box::new(match self.version {
            Version::Dtls12 => Scheduled { aead: AesGcm::new(&self.secret), mask: None },
            Version::Dtls13 => {
                let (key, sn_key) = self.secret.split_at(self.secret.len() / 2);
                Scheduled { aead: AesGcm::new(key), mask: Some(HeaderMask::new(sn_key)) }
            }
        })
    }

    #[inline]
    fn put(&mut self, scheduled: Box<Scheduled>) {
        if self.uses >= BUSY {
            self.scheduled = Some(scheduled);
        } else {
            self.uses += 1;
        }
    }

    /// They are hardly needed any more.
    pub(crate) fn rest(&mut self) {
        (self.scheduled, self.uses) = (None, 0);
    }

    /// Where data begins in a record.
    pub(crate) const fn header_len(&self) -> usize {
        match self.version {
            Version::Dtls12 => PLAIN_HEADER + NONCE,
            Version::Dtls13 => UNIFIED_HEADER,
        }
    }

    /// How much longer a record is than its data.
    pub(crate) const fn overhead(&self) -> usize {
        match self.version {
            Version::Dtls12 => PLAIN_HEADER + NONCE + TAG_LEN,
            Version::Dtls13 => UNIFIED_HEADER + 1 + TAG_LEN,
        }
    }

    fn nonce12(&self, explicit: [u8; NONCE]) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].copy_from_slice(&explicit);
        nonce
    }

    /// The epoch is no part of it: every epoch has its own key (RFC 9147 §4).
    fn nonce13(&self, seq: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, x) in nonce[4..].iter_mut().zip(seq.to_be_bytes()) {
            *byte ^= x;
        }
        nonce
    }
}

/// Seals the records of one epoch.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) keys: Keys,
    /// The number of the next record.
    pub(crate) seq: u64,
}

impl Sealer {
    pub(crate) const fn new(keys: Keys) -> Self {
        Self { keys, seq: 0 }
    }

    /// Whether the numbers are used up.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.seq
            > match self.keys.version {
                Version::Dtls12 => LAST_SEQUENCE,
                Version::Dtls13 => LAST_SEQUENCE_13,
            }
    }

    /// Makes a record of the `len` bytes that stand at [`Keys::header_len`] in `buf`, and returns its length.
    /// `None` when `buf` has no room for it, or the numbers are used up.
    #[inline]
    pub(crate) fn seal(&mut self, content: u8, buf: &mut [u8], len: usize) -> Option<usize> {
        let whole = len + self.keys.overhead();
        if len > MAX_DATA || self.is_exhausted() {
            return None;
        }
        let record = buf.get_mut(..whole)?;
        let scheduled = self.keys.take();
        match &scheduled.mask {
            None => self.seal12(&scheduled.aead, content, record, len),
            Some(mask) => seal13(&self.keys, (&scheduled.aead, mask), self.seq, content, record),
        }
        self.keys.put(scheduled);
        self.seq += 1;
        Some(whole)
    }

    #[inline]
    fn seal12(&self, aead: &AesGcm, content: u8, record: &mut [u8], len: usize) {
        // RFC 5288 §3 leaves the explicit nonce to the sender; epoch and sequence number never repeat.
        let seq = u64::from(self.keys.epoch) << 48 | self.seq;
        let explicit = seq.to_be_bytes();
        record[..PLAIN_HEADER].copy_from_slice(&header12(content, seq, NONCE + len + TAG_LEN));
        record[PLAIN_HEADER..PLAIN_HEADER + NONCE].copy_from_slice(&explicit);
        let aad = aad12(content, seq, len);
        let body = &mut record[PLAIN_HEADER + NONCE..];
        let tag = aead.seal(self.keys.nonce12(explicit), &aad, &mut body[..len]);
        body[len..].copy_from_slice(&tag);
    }
}

/// RFC 5246 §6.2.3.3 with the numbers of RFC 6347 §4.1.2.1.
#[inline]
fn aad12(content: u8, seq: u64, len: usize) -> [u8; PLAIN_HEADER] {
    let mut aad = [0; PLAIN_HEADER];
    aad[..8].copy_from_slice(&seq.to_be_bytes());
    aad[8] = content;
    aad[9..11].copy_from_slice(&Version::Dtls12.code().to_be_bytes());
    aad[11..].copy_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    aad
}

#[inline]
fn seal13(keys: &Keys, (aead, mask): (&AesGcm, &HeaderMask), seq: u64, content: u8, record: &mut [u8]) {
    let (header, body) = record.split_at_mut(UNIFIED_HEADER);
    header[0] = UNIFIED | low_byte(keys.epoch.into()) & 3;
    header[1] = low_byte(seq >> 8);
    header[2] = low_byte(seq);
    header[3..].copy_from_slice(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    let end = body.len() - TAG_LEN;
    body[end - 1] = content;
    let tag = aead.seal(keys.nonce13(seq), header, &mut body[..end]);
    body[end..].copy_from_slice(&tag);
    let sample = body.first_chunk().expect("a tag is as long as a sample");
    let mask = mask.mask(sample);
    header[1] ^= mask[0];
    header[2] ^= mask[1];
}

#[expect(clippy::cast_possible_truncation, reason = "the low byte is wanted")]
const fn low_byte(v: u64) -> u8 {
    v as u8
}

/// Opens the records of one epoch.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) keys: Keys,
    window: ReplayWindow,
    /// Records that failed authentication.
    pub(crate) forged: u64,
}

/// Why a record was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    Malformed,
    Replayed,
    Forged,
}

/// An authentic record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) content: u8,
    pub(crate) epoch: u16,
    pub(crate) seq: u64,
    /// Where its data stands in the bytes given.
    pub(crate) data: Range<usize>,
}

impl Opener {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, window: ReplayWindow::default(), forged: 0 }
    }

    /// Opens a record of DTLS 1.2 that fills `record`.
    #[inline]
    pub(crate) fn open12(&mut self, record: &mut [u8]) -> Result<Record, Dropped> {
        let (header, body) = record.split_first_chunk_mut::<PLAIN_HEADER>().ok_or(Dropped::Malformed)?;
        let content = header[0];
        let seq = u64::from_be_bytes(*header[3..].first_chunk().expect("the header is longer"));
        let number = seq & LAST_SEQUENCE;
        let (explicit, sealed) = body.split_first_chunk_mut::<NONCE>().ok_or(Dropped::Malformed)?;
        let len = sealed.len().checked_sub(TAG_LEN).ok_or(Dropped::Malformed)?;
        if !self.window.is_fresh(number) {
            return Err(Dropped::Replayed);
        }
        let scheduled = self.keys.take();
        let opened = scheduled.aead.open(self.keys.nonce12(*explicit), &aad12(content, seq, len), sealed);
        self.keys.put(scheduled);
        if opened.is_none() {
            self.forged += 1;
            return Err(Dropped::Forged);
        }
        self.window.mark(number);
        let start = PLAIN_HEADER + NONCE;
        Ok(Record { content, epoch: self.keys.epoch, seq: number, data: start..start + len })
    }

    /// Opens a record of DTLS 1.3 that fills `record` and whose header has been measured by [`unified`].
    #[inline]
    pub(crate) fn open13(&mut self, record: &mut [u8], header: Unified) -> Result<Record, Dropped> {
        let scheduled = self.keys.take();
        let opened = self.open13_with(&scheduled, record, header);
        self.keys.put(scheduled);
        opened
    }

    #[inline]
    fn open13_with(
        &mut self,
        scheduled: &Scheduled,
        record: &mut [u8],
        header: Unified,
    ) -> Result<Record, Dropped> {
        let mask = scheduled.mask.as_ref().ok_or(Dropped::Malformed)?;
        let (head, body) = record.split_at_mut_checked(header.len).ok_or(Dropped::Malformed)?;
        let mask = mask.mask(body.first_chunk().ok_or(Dropped::Malformed)?);
        let number = if header.long {
            head[1] ^= mask[0];
            head[2] ^= mask[1];
            nearest(self.window.next(), u16::from_be_bytes([head[1], head[2]]).into(), 16)
        } else {
            head[1] ^= mask[0];
            nearest(self.window.next(), head[1].into(), 8)
        };
        if !self.window.is_fresh(number) {
            return Err(Dropped::Replayed);
        }
        let Some(len) = scheduled.aead.open(self.keys.nonce13(number), head, body) else {
            self.forged += 1;
            return Err(Dropped::Forged);
        };
        self.window.mark(number);
        // Zeroes may pad behind the content type (RFC 8446 §5.4).
        let end = body[..len].iter().rposition(|b| *b != 0).ok_or(Dropped::Malformed)?;
        let data = header.len..header.len + end;
        Ok(Record { content: body[end], epoch: self.keys.epoch, seq: number, data })
    }
}

/// The sequence number next to `expected` that ends with these `bits` (RFC 9147 §4.2.2).
fn nearest(expected: u64, low: u64, bits: u32) -> u64 {
    let size = 1 << bits;
    let candidate = expected & !(size - 1) | low;
    if candidate + size / 2 < expected {
        candidate + size
    } else if candidate > expected + size / 2 && candidate >= size {
        candidate - size
    } else {
        candidate
    }
}

/// The header of a DTLS 1.3 record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unified {
    /// The two low bits of the epoch.
    pub(crate) epoch: u16,
    /// Whether the sequence number has 16 bits rather than 8.
    long: bool,
    len: usize,
}

/// Measures the first record of a datagram whose first byte begins with the bits 001: its header, and how many
/// bytes it takes. `None` when it is malformed, or has a connection id, which we never negotiate.
pub(crate) fn unified(datagram: &[u8]) -> Option<(Unified, usize)> {
    let first = *datagram.first()?;
    if first & 0b0001_0000 != 0 {
        return None;
    }
    let long = first & 0b1000 != 0;
    let mut len = if long { 3 } else { 2 };
    let mut whole = datagram.len();
    if first & 0b100 != 0 {
        let length = datagram.get(len..len + 2)?;
        len += 2;
        whole = len + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    (len < whole && whole <= datagram.len())
        .then_some((Unified { epoch: u16::from(first & 3), long, len }, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(version: Version) -> (Sealer, Opener) {
        let keys = || match version {
            Version::Dtls12 => Keys::dtls12(&[1; 16], [2; 4]),
            Version::Dtls13 => Keys::dtls13(3, &[1; 32], [2; 12], &[3; 32]),
        };
        (Sealer::new(keys()), Opener::new(keys()))
    }

    fn open(opener: &mut Opener, record: &mut [u8]) -> Result<Record, Dropped> {
        match opener.keys.version {
            Version::Dtls12 => opener.open12(record),
            Version::Dtls13 => {
                let (header, len) = unified(record).ok_or(Dropped::Malformed)?;
                opener.open13(&mut record[..len], header)
            }
        }
    }

    #[test]
    fn what_is_sealed_is_opened_once_and_no_bit_may_change() {
        for version in [Version::Dtls12, Version::Dtls13] {
            let (mut sealer, mut opener) = pair(version);
            for seq in 0..300u64 {
                let mut buf = [0; 200];
                let at = sealer.keys.header_len();
                buf[at..at + 5].copy_from_slice(b"hello");
                let len = sealer.seal(APPLICATION_DATA, &mut buf, 5).unwrap();
                assert_eq!(len, 5 + sealer.keys.overhead());
                let mut forged = buf;
                let bit = usize::try_from(seq).unwrap() % (8 * len);
                forged[bit / 8] ^= 1 << (bit % 8);
                // The version is not authenticated, and nobody reads it; the length is used up before.
                let free = version == Version::Dtls12 && ((8..24).contains(&bit) || (88..104).contains(&bit));
                // A masked sequence number changed may look like an old one.
                assert!(free || open(&mut opener, &mut forged[..len]).is_err(), "bit {bit}");
                let mut copy = buf;
                let record = open(&mut opener, &mut buf[..len]).unwrap();
                assert_eq!((record.content, record.seq), (APPLICATION_DATA, seq));
                assert_eq!(buf[record.data], *b"hello");
                assert_eq!(open(&mut opener, &mut copy[..len]), Err(Dropped::Replayed));
            }
            assert_eq!(sealer.seal(APPLICATION_DATA, &mut [0; 20], 5), None, "no room");
        }
    }

    #[test]
    fn numbers_are_completed_to_the_nearest() {
        assert_eq!(nearest(0, 5, 16), 5);
        assert_eq!(nearest(0x1_0005, 0xfffe, 16), 0xfffe);
        assert_eq!(nearest(0x1_fffe, 0x0001, 16), 0x2_0001);
        assert_eq!(nearest(0x1_0000, 0x7fff, 16), 0x1_7fff);
        assert_eq!(nearest(0x205, 0xff, 8), 0x1ff);
        assert_eq!(nearest(3, 0xff, 8), 0xff, "there is nothing before zero");
    }

    #[test]
    fn lengths_that_lie_are_malformed() {
        assert_eq!(unified(&[]), None);
        assert_eq!(unified(&[0b0010_1100, 0, 0, 0, 9, 1, 2]), None);
        assert_eq!(unified(&[0b0011_1100, 0, 0, 0, 1, 1]), None, "a connection id");
        let short = Unified { epoch: 2, long: false, len: 2 };
        assert_eq!(unified(&[0b0010_0010, 0, 7]), Some((short, 3)));
        let (_, mut opener) = pair(Version::Dtls12);
        assert_eq!(opener.open12(&mut [23; 20]), Err(Dropped::Malformed));
        assert_eq!(opener.open12(&mut [23; 36]), Err(Dropped::Malformed));
    }
}

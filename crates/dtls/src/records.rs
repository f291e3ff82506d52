//! The keys of all epochs that live at the same time, and finding the right one for a record.

use crate::record::{self, Dropped, Keys, Opener, PLAIN_HEADER, Record, Sealer, plain_header};
use crate::{Stats, Version};

/// Forged records that end a connection: what RFC 9147 §4.5.3 allows for AES-GCM.
const FORGERY_LIMIT: u64 = 1 << 36;

/// Epoch 0, the epoch of the DTLS 1.3 handshake (2), and those of application data (1 in DTLS 1.2; 3, 4 … in
/// DTLS 1.3).
#[derive(Debug, Default)]
pub(crate) struct Records {
    plain_seq: u64,
    pub(crate) seal_handshake: Option<Sealer>,
    pub(crate) seal_data: Option<Sealer>,
    pub(crate) open_handshake: Option<Opener>,
    pub(crate) open_data: Option<Opener>,
    /// The epoch before `open_data`: what the peer sent before it updated its keys may still come.
    pub(crate) open_previous: Option<Opener>,
}

/// The first record of a datagram.
#[derive(Debug)]
pub(crate) struct Found {
    /// `None` when it was dropped and counted.
    pub(crate) record: Option<Record>,
    /// How many bytes it takes.
    pub(crate) len: usize,
}

impl Records {
    /// Whether records of this epoch can be sent.
    pub(crate) fn can_seal(&self, epoch: u16) -> bool {
        epoch == 0 || self.sealer(epoch).is_some()
    }

    /// Whether the version is DTLS 1.3.
    pub(crate) fn is_13(&self) -> bool {
        self.open_handshake.is_some()
            || self.open_data.as_ref().is_some_and(|o| o.keys.version == Version::Dtls13)
    }

    fn sealer(&self, epoch: u16) -> Option<&Sealer> {
        [&self.seal_handshake, &self.seal_data].into_iter().flatten().find(|s| s.keys.epoch == epoch)
    }

    /// (where the data begins, how much longer the record is than its data) in this epoch.
    pub(crate) fn shape(&self, epoch: u16) -> (usize, usize) {
        let plain = (PLAIN_HEADER, PLAIN_HEADER);
        self.sealer(epoch).map_or(plain, |s| (s.keys.header_len(), s.keys.overhead()))
    }

    /// Makes a record of the `len` bytes at [`Records::shape`] in `buf`: (its number, its length).
    pub(crate) fn seal(
        &mut self,
        epoch: u16,
        content: u8,
        buf: &mut [u8],
        len: usize,
    ) -> Option<(u64, usize)> {
        if epoch == 0 {
            let (header, _) = buf.split_first_chunk_mut::<PLAIN_HEADER>()?;
            let seq = self.plain_seq;
            *header = plain_header(content, seq, len);
            self.plain_seq += 1;
            return Some((seq, PLAIN_HEADER + len));
        }
        let sealers = [&mut self.seal_handshake, &mut self.seal_data];
        let sealer = sealers.into_iter().flatten().find(|s| s.keys.epoch == epoch)?;
        let seq = sealer.seq;
        sealer.seal(content, buf, len).map(|len| (seq, len))
    }

    /// Opens the first record of `datagram`, which is not empty. What cannot be delimited takes the rest of it
    /// along (RFC 6347 §4.1.2.7).
    #[inline]
    pub(crate) fn open(&mut self, datagram: &mut [u8], stats: &mut Stats) -> Found {
        match datagram.first() {
            Some(20..=26) => self.open_plain_or_12(datagram, stats),
            Some(0x20..=0x3f) => self.open_13(datagram, stats),
            _ => {
                stats.malformed += 1;
                Found { record: None, len: datagram.len() }
            }
        }
    }

    #[inline]
    fn open_plain_or_12(&mut self, datagram: &mut [u8], stats: &mut Stats) -> Found {
        let end = datagram
            .first_chunk::<PLAIN_HEADER>()
            .map(|header| PLAIN_HEADER + usize::from(u16::from_be_bytes([header[11], header[12]])));
        let Some(len) = end.filter(|end| *end <= datagram.len()) else {
            stats.malformed += 1;
            return Found { record: None, len: datagram.len() };
        };
        let header = &datagram[..PLAIN_HEADER];
        let (content, epoch) = (header[0], u16::from_be_bytes([header[3], header[4]]));
        // 0xfeff is what first messages carry (RFC 6347 §4.2.1); other versions are not ours.
        if header[1] != 0xfe {
            stats.malformed += 1;
            return Found { record: None, len };
        }
        if epoch == 0 {
            let seq = u64::from_be_bytes(*header[3..].first_chunk().expect("the header is longer"));
            return Found { record: Some(Record { content, epoch, seq, data: PLAIN_HEADER..len }), len };
        }
        let opener = self.open_data.as_mut();
        match opener.filter(|o| o.keys.epoch == epoch && o.keys.version == Version::Dtls12) {
            Some(opener) => Found { record: count(opener.open12(&mut datagram[..len]), stats), len },
            None => {
                stats.no_key += 1;
                Found { record: None, len }
            }
        }
    }

    #[inline]
    fn open_13(&mut self, datagram: &mut [u8], stats: &mut Stats) -> Found {
        let Some((header, len)) = record::unified(datagram) else {
            stats.malformed += 1;
            return Found { record: None, len: datagram.len() };
        };
        let openers = [&mut self.open_data, &mut self.open_handshake, &mut self.open_previous];
        let mut openers = openers.into_iter().flatten();
        let fits = |o: &&mut Opener| o.keys.version == Version::Dtls13 && o.keys.epoch & 3 == header.epoch;
        match openers.find(fits) {
            Some(opener) => Found { record: count(opener.open13(&mut datagram[..len], header), stats), len },
            None => {
                stats.no_key += 1;
                Found { record: None, len }
            }
        }
    }

    /// Whether more forgeries came than the keys withstand.
    pub(crate) fn is_worn_out(&self) -> bool {
        [&self.open_data, &self.open_handshake].into_iter().flatten().any(|o| o.forged >= FORGERY_LIMIT)
    }

    /// Installs both directions of application data.
    pub(crate) fn install_data(&mut self, seal: Keys, open: Keys) {
        self.seal_data = Some(Sealer::new(seal));
        self.open_data = Some(Opener::new(open));
    }

    /// Takes the peer's next keys; those before are kept for what is still on its way. Those of the handshake are
    /// not: its epoch would soon look like a new one, as headers have two bits of it.
    pub(crate) fn update_open(&mut self, keys: Keys) {
        self.open_previous = self.open_data.replace(Opener::new(keys));
        self.open_handshake = None;
    }

    /// The handshake is complete: its keys are needed only for what is repeated because an ACK was lost.
    pub(crate) fn rest_handshake(&mut self) {
        if let Some(sealer) = &mut self.seal_handshake {
            sealer.keys.rest();
        }
        if let Some(opener) = &mut self.open_handshake {
            opener.keys.rest();
        }
    }

    /// Installs both directions of the DTLS 1.3 handshake.
    pub(crate) fn install_handshake(&mut self, seal: Keys, open: Keys) {
        self.seal_handshake = Some(Sealer::new(seal));
        self.open_handshake = Some(Opener::new(open));
    }
}

#[inline]
fn count(opened: Result<Record, Dropped>, stats: &mut Stats) -> Option<Record> {
    match opened {
        Ok(record) => return Some(record),
        Err(Dropped::Malformed) => stats.malformed += 1,
        Err(Dropped::Replayed) => stats.replayed += 1,
        Err(Dropped::Forged) => stats.forged += 1,
    }
    None
}

//! Cursors over big-endian wire formats. Reading past the end is an error value, never a panic.

/// The input ended before the field did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short;

/// Reads big-endian fields from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// Takes an array of `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// Takes an unsigned 8-bit field.
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[b]| b)
    }

    /// Takes a big-endian 16-bit field.
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a big-endian 32-bit field.
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a big-endian 64-bit field.
    pub fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Appends big-endian fields to the front of the caller's buffer. Writing past its end is [`Short`] and
/// leaves the position where it was.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buf`.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// A writer behind the first `len` bytes of `buf`, which were written before.
    ///
    /// # Errors
    /// The buffer is shorter.
    pub const fn behind(buf: &'a mut [u8], len: usize) -> Result<Self, Short> {
        if len > buf.len() { Err(Short) } else { Ok(Self { buf, len }) }
    }

    /// How many bytes were written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// What was written so far, to fill in a length or a checksum that was not known before.
    pub fn written_mut(&mut self) -> &mut [u8] {
        &mut self.buf[..self.len]
    }

    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let end = self.len + bytes.len();
        self.buf.get_mut(self.len..end).ok_or(Short)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends an unsigned 8-bit field.
    pub fn u8(&mut self, v: u8) -> Result<(), Short> {
        self.put(&[v])
    }

    /// Appends a big-endian 16-bit field.
    pub fn u16(&mut self, v: u16) -> Result<(), Short> {
        self.put(&v.to_be_bytes())
    }

    /// Appends a big-endian 32-bit field.
    pub fn u32(&mut self, v: u32) -> Result<(), Short> {
        self.put(&v.to_be_bytes())
    }

    /// Appends a big-endian 64-bit field.
    pub fn u64(&mut self, v: u64) -> Result<(), Short> {
        self.put(&v.to_be_bytes())
    }

    /// Appends zeroes until the length is a multiple of `n`.
    pub fn pad_to(&mut self, n: usize) -> Result<(), Short> {
        while !self.len.is_multiple_of(n) {
            self.u8(0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut buf = [0xff; 20];
        let mut w = Writer::new(&mut buf);
        w.u8(1).unwrap();
        w.u16(0x0203).unwrap();
        w.u32(0x0405_0607).unwrap();
        w.u64(8).unwrap();
        w.pad_to(4).unwrap();
        assert_eq!(w.len(), 16);
        let mut r = Reader::new(w.written());
        assert_eq!((r.u8(), r.u16(), r.u32(), r.u64()), (Ok(1), Ok(0x0203), Ok(0x0405_0607), Ok(8)));
        assert_eq!(r.rest(), [0]);
    }

    #[test]
    fn the_end_is_an_error_and_moves_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u32(), Err(Short));
        assert_eq!(r.take(3), Ok(&[1u8, 2, 3][..]));
        let mut buf = [0; 3];
        let mut w = Writer::new(&mut buf);
        assert_eq!(w.u32(1), Err(Short));
        assert_eq!(w.put(&[9, 9, 9]), Ok(()));
        assert_eq!(w.u8(1), Err(Short));
        assert_eq!(w.written(), [9, 9, 9]);
    }
}

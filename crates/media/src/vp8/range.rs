//! The boolean entropy encoder (RFC 6386 §7.3).

/// Writes bits, each with the chance that it is 0.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    range: u32,
    bottom: u32,
    /// Shifts until the next byte is complete.
    left: u32,
}

impl Writer {
    pub(super) const fn new() -> Self {
        Self { out: Vec::new(), range: 255, bottom: 0, left: 24 }
    }

    /// One bit; `chance` of 256 that it is 0.
    pub(super) fn bit(&mut self, chance: u8, bit: bool) {
        let split = 1 + (((self.range - 1) * u32::from(chance)) >> 8);
        if bit {
            let (bottom, carried) = self.bottom.overflowing_add(split);
            debug_assert!(!carried, "the top bit is taken out as soon as it is set");
            self.bottom = bottom;
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            self.shift();
        }
    }

    fn shift(&mut self) {
        if self.bottom & 1 << 31 != 0 {
            self.carry();
        }
        self.bottom <<= 1;
        self.left -= 1;
        if self.left == 0 {
            self.out.push(self.bottom.to_be_bytes()[0]);
            self.bottom &= (1 << 24) - 1;
            self.left = 8;
        }
    }

    /// Adds one to what was written.
    fn carry(&mut self) {
        for byte in self.out.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }

    /// A number of some bits, all equally likely, the highest first.
    pub(super) fn number(&mut self, value: u32, bits: u32) {
        for at in (0..bits).rev() {
            self.bit(128, value >> at & 1 != 0);
        }
    }

    /// What was written.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for _ in 0..32 {
            self.shift();
        }
        self.out
    }
}

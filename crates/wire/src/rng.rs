/// A generator whose whole output follows from its seed: ChaCha20 (RFC 8439 §2.3) in counter mode.
///
/// Machines draw transaction ids, nonces, ports and jitter from it. A program seeds it from the operating
/// system, and then nobody who sees some of the output can tell the rest; a test seeds it with a number, and
/// then the run repeats. It is a generator, not a cipher: secrets that outlive a process come from `crypto`.
#[derive(Clone)]
pub struct Rng {
    key: [u32; 8],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl Rng {
    /// A generator from 32 bytes, in a program: of operating-system entropy.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(seed.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Self { key, counter: 0, block: [0; 64], used: 64 }
    }

    /// A generator for a test or a simulation.
    pub fn from_number(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self::new(bytes)
    }

    /// A new generator whose output is independent of what this one still gives.
    pub fn fork(&mut self) -> Self {
        Self::new(self.array())
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                self.block = chacha20_block(&self.key, self.counter);
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// An array of random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A random 64-bit number.
    pub fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `bound`, every one equally likely. `bound` is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below zero");
        // Lemire, "Fast Random Integer Generation in an Interval" (2019): multiply, reject the uneven rest.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are wanted")]
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= threshold {
                return high;
            }
        }
    }

    /// True with probability `permille` in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

impl std::fmt::Debug for Rng {
    /// Says nothing of the state: it foretells every secret still to be drawn.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

/// One block of the ChaCha20 key stream (RFC 8439 §2.3) with a 64-bit counter and a zero nonce.
fn chacha20_block(key: &[u32; 8], counter: u64) -> [u8; 64] {
    let mut initial =
        [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0u32];
    initial[4..12].copy_from_slice(key);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the counter are wanted")]
    let halves = [counter as u32, (counter >> 32) as u32];
    initial[12..14].copy_from_slice(&halves);
    let mut s = initial;
    for _ in 0..10 {
        for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
            quarter_round(&mut s, a, b, c, d);
        }
        for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
            quarter_round(&mut s, a, b, c, d);
        }
    }
    let mut out = [0; 64];
    for ((bytes, mixed), start) in out.chunks_exact_mut(4).zip(s).zip(initial) {
        bytes.copy_from_slice(&mixed.wrapping_add(start).to_le_bytes());
    }
    out
}

fn quarter_round(s: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(12);
    s[a] = s[a].wrapping_add(s[b]);
    s[d] = (s[d] ^ s[a]).rotate_left(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_left(7);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 appendix A.1, test vectors 1 and 2: all-zero key and nonce, block counters 0 and 1.
    #[test]
    fn key_stream_matches_rfc_8439() {
        let mut rng = Rng::new([0; 32]);
        let first: [u8; 64] = rng.array();
        assert_eq!(first[..8], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        let second: [u8; 64] = rng.array();
        assert_eq!(second[..8], [0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a]);
    }

    #[test]
    fn same_seed_same_output_and_forks_differ() {
        let (mut a, mut b) = (Rng::from_number(7), Rng::from_number(7));
        assert_eq!(a.array::<100>(), b.array::<100>());
        assert_ne!(a.fork().next_u64(), a.next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut rng = Rng::from_number(1);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[usize::try_from(rng.below(7)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}

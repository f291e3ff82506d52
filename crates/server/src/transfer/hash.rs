//! The hash of a file that is read in blocks, as the page computes it: SHA-256 over a prefix, the size, and the
//! SHA-256 of every block. It costs 32 bytes of memory for each MiB.

/// Bytes of a block; the last one of a file is shorter.
pub(crate) const BLOCK: u64 = BLOCK_LEN as u64;
/// The same, as a length in memory.
pub(crate) const BLOCK_LEN: usize = 1 << 20;

const PREFIX: &[u8] = b"visavis file 1\0";

/// The hash of one block.
pub(crate) fn leaf(block: &[u8]) -> [u8; 32] {
    crypto::sha256(block)
}

/// The hash of a file of this size with these blocks.
pub(crate) fn root(size: u64, leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut all = Vec::with_capacity(PREFIX.len() + 8 + leaves.len() * 32);
    all.extend_from_slice(PREFIX);
    all.extend_from_slice(&size.to_be_bytes());
    all.extend(leaves.iter().flatten());
    crypto::sha256(&all)
}

/// How many blocks a file of this size has.
pub(crate) fn blocks(size: u64) -> u64 {
    size.div_ceil(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_has_the_hash_that_the_page_says() {
        let hex: String = root(0, &[]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "07e20d0ea21efc7e3a6e053d9404945cdbb389e773d79edf6ddb9460b8468190");
    }

    #[test]
    fn size_and_order_matter() {
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        let roots = [root(2, &[a, b]), root(2, &[b, a]), root(3, &[a, b]), root(2, &[a])];
        for (i, root) in roots.iter().enumerate() {
            assert!(!roots[..i].contains(root), "{i}");
        }
        for (size, count) in [(0, 0), (1, 1), (BLOCK, 1), (BLOCK + 1, 2)] {
            assert_eq!(blocks(size), count, "{size}");
        }
    }
}

//! AES in counter mode without authentication (NIST SP 800-38A §6.5), the cipher and key derivation of SRTP.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// An AES key, scheduled once, for counter mode.
pub struct CounterMode(EncryptingKey);

impl CounterMode {
    /// Schedules a key of 16 or 32 bytes.
    ///
    /// # Panics
    /// If the key has another length: the protocols that use this fix it.
    pub fn new(key: &[u8]) -> Self {
        let algorithm = match key.len() {
            16 => &AES_128,
            32 => &AES_256,
            len => panic!("an AES key has 16 or 32 bytes, not {len}"),
        };
        let key = UnboundCipherKey::new(algorithm, key).expect("the length was looked at");
        Self(EncryptingKey::ctr(key).expect("AES has a counter mode"))
    }

    /// Encrypts or decrypts `data` in place: both are the exclusive or with the key stream that begins at
    /// the 128-bit counter block `iv`. The same block must never be used for two texts.
    pub fn apply(&self, iv: [u8; 16], data: &mut [u8]) {
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.0.less_safe_encrypt(data, context).expect("counter mode takes any length");
    }
}

impl std::fmt::Debug for CounterMode {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CounterMode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.2: the first blocks of the key stream.
    #[test]
    fn the_key_stream_matches_rfc_3711() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let iv = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_0000_u128.to_be_bytes();
        let mut stream = [0; 48];
        CounterMode::new(&key).apply(iv, &mut stream);
        let blocks: Vec<u128> =
            stream.chunks_exact(16).map(|b| u128::from_be_bytes(b.try_into().unwrap())).collect();
        let expected = [
            0xe03e_ad09_35c9_5e80_e166_b16d_d92b_4eb4,
            0xd235_1316_2b02_d0f7_2a43_a2fe_4a5f_97ab,
            0x41e9_5b3b_b0a2_e8dd_4779_01e4_fca8_94c0,
        ];
        assert_eq!(blocks, expected);
    }
}

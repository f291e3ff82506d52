use std::fmt;
use std::str::FromStr;

pub use crypto::kdf::Hash;

/// The hash of a certificate, as it stands in a session description (RFC 8122 §5): what binds the encrypted
/// connection to the person or program that sent the description.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    /// The hash function. MD5 and SHA-1 are not accepted.
    pub hash: Hash,
    /// Its output: as many bytes as the function has.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(hash: Hash, certificate: &[u8]) -> Self {
        Self { hash, bytes: hash.digest(&[certificate]).to_vec() }
    }
}

impl PartialEq for Fingerprint {
    /// Takes the same time whatever the bytes are.
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && crypto::constant_time_eq(&self.bytes, &other.bytes)
    }
}

impl Eq for Fingerprint {}

impl fmt::Display for Fingerprint {
    /// The value of the `fingerprint` attribute: `sha-256 AB:CD:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.hash {
            Hash::Sha256 => "sha-256",
            Hash::Sha384 => "sha-384",
            Hash::Sha512 => "sha-512",
        })?;
        for (i, byte) in self.bytes.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

/// Why a text is no fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FingerprintError {
    /// The hash function is none of `sha-256`, `sha-384` and `sha-512`.
    UnknownHash,
    /// What follows is not one pair of hexadecimal digits per byte of the hash, separated by colons.
    Malformed,
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownHash => "the hash of a fingerprint is sha-256, sha-384 or sha-512",
            Self::Malformed => {
                "a fingerprint has two hexadecimal digits for each byte of its hash, with colons between"
            }
        })
    }
}

impl std::error::Error for FingerprintError {}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digits) = text.trim().split_once(' ').ok_or(FingerprintError::Malformed)?;
        let names = [("sha-256", Hash::Sha256), ("sha-384", Hash::Sha384), ("sha-512", Hash::Sha512)];
        let hash = names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, hash) = hash.ok_or(FingerprintError::UnknownHash)?;
        let byte = |pair: &str| {
            let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let bytes: Option<Vec<u8>> = digits.trim().split(':').map(byte).collect();
        match bytes {
            Some(bytes) if bytes.len() == hash.output_len() => Ok(Self { hash, bytes }),
            _ => Err(FingerprintError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_the_same() {
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let fingerprint = Fingerprint::of(hash, b"certificate");
            let text = fingerprint.to_string();
            assert_eq!(text.parse(), Ok(fingerprint.clone()));
            assert_eq!(text.to_lowercase().parse(), Ok(fingerprint.clone()), "case does not matter");
            assert_ne!(Fingerprint::of(hash, b"other"), fingerprint);
        }
        let text = Fingerprint::of(Hash::Sha256, b"").to_string();
        assert!(text.starts_with("sha-256 E3:B0:C4:42:98:FC:1C:14:"), "{text}");
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let check = |text: &str, error| assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        check("", FingerprintError::Malformed);
        check("sha-1 AB:CD", FingerprintError::UnknownHash);
        check("sha-256 AB:CD", FingerprintError::Malformed);
        let whole = Fingerprint::of(Hash::Sha256, b"").to_string();
        check(&whole.replace("E3", "+3"), FingerprintError::Malformed);
        check(&format!("{whole}:00"), FingerprintError::Malformed);
    }
}

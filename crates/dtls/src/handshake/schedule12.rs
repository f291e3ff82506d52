//! The secrets of DTLS 1.2 (RFC 5246 §6.3, §8.1; RFC 7627; RFC 5705).

use super::{Fault, Transcript, alert};
use crate::flight::Flight;
use crate::record::{CHANGE_CIPHER_SPEC, Keys};
use crate::{Cipher, Connected, Role, SrtpKeys, SrtpProfile, Version};

use super::Link;

/// Bytes of verify_data.
pub(crate) const VERIFY_DATA: usize = 12;

/// What both sides of a handshake of DTLS 1.2 keep.
#[derive(Debug)]
pub(crate) struct Session12 {
    pub(crate) transcript: Transcript,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) cipher: Cipher,
    pub(crate) srtp: Option<SrtpProfile>,
}

/// master_secret.
#[derive(Clone, Debug)]
pub(crate) struct Master(crypto::Secret);

impl Session12 {
    /// What a server signs: both randoms and its parameters (RFC 8422 §5.4).
    pub(crate) fn signed_parameters(&self, parameters: &[u8]) -> Vec<u8> {
        [&self.client_random[..], &self.server_random, parameters].concat()
    }

    /// The extended master secret (RFC 7627 §4), when the transcript ends with ClientKeyExchange.
    pub(crate) fn master(&self, premaster: &[u8]) -> Master {
        let hash = self.cipher.hash();
        let mut master = [0; 48];
        let session = hash.digest(&[self.transcript.bytes()]);
        hash.tls12_prf(premaster, b"extended master secret", &session, &mut master);
        Master(crypto::Secret::take(&mut master))
    }

    /// Installs the keys of epoch 1 (RFC 5246 §6.3, RFC 5288 §3).
    pub(crate) fn install(&self, link: &mut Link, master: &Master) {
        let seed = [&self.server_random[..], &self.client_random].concat();
        let mut block = [0; 2 * (32 + 4)];
        let len = self.cipher.key_len();
        let block = &mut block[..2 * (len + 4)];
        self.cipher.hash().tls12_prf(&master.0, b"key expansion", &seed, block);
        let (keys, salts) = block.split_at(2 * len);
        let salt = |at: usize| *salts[at..].first_chunk().expect("there are two salts of four bytes");
        let client = Keys::dtls12(&keys[..len], salt(0));
        let server = Keys::dtls12(&keys[len..], salt(4));
        match link.config.role {
            Role::Client => link.records.install_data(client, server),
            Role::Server => link.records.install_data(server, client),
        }
    }

    /// verify_data of the Finished of `from` over the transcript so far (RFC 5246 §7.4.9).
    pub(crate) fn verify_data(&self, master: &Master, from: Role) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match from {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let hash = self.cipher.hash();
        let mut out = [0; VERIFY_DATA];
        hash.tls12_prf(&master.0, label, &hash.digest(&[self.transcript.bytes()]), &mut out);
        out
    }

    /// Checks the peer's Finished.
    pub(crate) fn check_finished(&self, master: &Master, from: Role, body: &[u8]) -> Result<(), Fault> {
        if crypto::constant_time_eq(&self.verify_data(master, from), body) {
            Ok(())
        } else {
            Err(Fault::Fatal(alert::DECRYPT_ERROR, "the peer saw another handshake than we did"))
        }
    }

    /// What the owner is told when both Finished were right.
    pub(crate) fn connected(&self, link: &Link, master: &Master) -> Box<Connected> {
        let srtp = self.srtp.map(|profile| {
            let mut material = [0; 2 * (32 + 14)];
            let material = &mut material[..2 * (profile.key_len() + profile.salt_len())];
            // RFC 5705 §4 without a context; the label is that of RFC 5764 §4.2.
            let seed = [&self.client_random[..], &self.server_random].concat();
            self.cipher.hash().tls12_prf(&master.0, b"EXTRACTOR-dtls_srtp", &seed, material);
            SrtpKeys::from_material(profile, material)
        });
        Box::new(Connected {
            version: Version::Dtls12,
            cipher: self.cipher,
            remote_fingerprint: link.remote_fingerprint(),
            srtp,
        })
    }
}

/// ChangeCipherSpec: a record, not a message (RFC 5246 §7.1). Ours goes out for the peer's sake; the epoch in
/// every header says the same, so the peer's is not waited for.
pub(crate) fn push_change_cipher_spec(flight: &mut Flight) {
    flight.push(CHANGE_CIPHER_SPEC, 0, vec![1]);
}

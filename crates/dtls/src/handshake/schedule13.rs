//! The secrets of DTLS 1.3 (RFC 8446 §7, with the label prefix of RFC 9147 §5.9).

use crypto::identity::{PublicKey, SignatureScheme};
use crypto::kdf::Digest;

use super::client::{OUR_SCHEME, scheme};
use super::{Fault, Link, Transcript, alert};
use crate::message::{CertificateVerify, FINISHED};
use crate::record::Keys;
use crate::{Cipher, Connected, Hash, Role, SrtpKeys, SrtpProfile, Version};

/// The epoch of the handshake, and the first of application data (RFC 9147 §6.1).
pub(crate) const HANDSHAKE_EPOCH: u16 = 2;
const FIRST_DATA_EPOCH: u16 = 3;

/// What both sides of a handshake of DTLS 1.3 keep.
#[derive(Debug)]
pub(crate) struct Session13 {
    pub(crate) transcript: Transcript,
    pub(crate) cipher: Cipher,
    pub(crate) srtp: Option<SrtpProfile>,
    /// client_handshake_traffic_secret and the server's.
    client: Digest,
    server: Digest,
    /// Master Secret.
    master: Digest,
}

/// HKDF-Expand-Label.
fn expand(hash: Hash, secret: &[u8], label: &str, context: &[u8], out: &mut [u8]) {
    let length = |len: usize| u8::try_from(len).expect("labels and contexts are short");
    let wanted = u16::try_from(out.len()).expect("keys are short").to_be_bytes();
    let info: [&[u8]; 6] =
        [&wanted, &[length(6 + label.len())], b"dtls13", label.as_bytes(), &[length(context.len())], context];
    hash.hkdf_expand(secret, &info, out);
}

/// Derive-Secret with the hash of the messages.
fn derive(hash: Hash, secret: &[u8], label: &str, messages: &[u8]) -> Digest {
    hash.secret(|out| expand(hash, secret, label, messages, out))
}

fn keys(cipher: Cipher, epoch: u16, secret: &[u8]) -> Keys {
    let (mut key, mut sn, mut iv) = ([0; 32], [0; 32], [0; 12]);
    let (key, sn) = (&mut key[..cipher.key_len()], &mut sn[..cipher.key_len()]);
    expand(cipher.hash(), secret, "key", &[], key);
    expand(cipher.hash(), secret, "iv", &[], &mut iv);
    expand(cipher.hash(), secret, "sn", &[], sn);
    Keys::dtls13(epoch, key, iv, sn)
}

impl Session13 {
    /// Derives the secrets of the handshake from the agreed one, when the transcript ends with ServerHello, and
    /// installs the keys of epoch 2.
    pub(crate) fn new(
        link: &mut Link,
        transcript: Transcript,
        cipher: Cipher,
        srtp: Option<SrtpProfile>,
        shared: &[u8],
    ) -> Self {
        let hash = cipher.hash();
        let zeroes = &[0; 48][..hash.output_len()];
        let empty = hash.digest(&[]);
        let early = hash.hkdf_extract(zeroes, zeroes);
        let handshake = hash.hkdf_extract(&derive(hash, &early, "derived", &empty), shared);
        let messages = transcript.hash(hash);
        let client = derive(hash, &handshake, "c hs traffic", &messages);
        let server = derive(hash, &handshake, "s hs traffic", &messages);
        let master = hash.hkdf_extract(&derive(hash, &handshake, "derived", &empty), zeroes);
        let [ours, theirs] = match link.config.role {
            Role::Client => [&client, &server],
            Role::Server => [&server, &client],
        };
        let epoch = HANDSHAKE_EPOCH;
        link.records.install_handshake(keys(cipher, epoch, ours), keys(cipher, epoch, theirs));
        Self { transcript, cipher, srtp, client, server, master }
    }

    /// Derives the secrets of application data when the transcript ends with the server's Finished, and installs
    /// their keys. What the owner will be told.
    pub(crate) fn install_data(&self, link: &mut Link) -> Established {
        let hash = self.cipher.hash();
        let messages = self.transcript.hash(hash);
        let client = derive(hash, &self.master, "c ap traffic", &messages);
        let server = derive(hash, &self.master, "s ap traffic", &messages);
        let exporter = derive(hash, &self.master, "exp master", &messages);
        let (seal, open) = match link.config.role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let keys = |secret: &Digest| keys(self.cipher, FIRST_DATA_EPOCH, secret);
        link.records.install_data(keys(&seal), keys(&open));
        link.traffic = Some(Traffic { cipher: self.cipher, seal, open });
        let srtp = self.srtp.map(|profile| {
            // RFC 8446 §7.5 with the label of RFC 5764 §4.2 and no context.
            let secret = derive(hash, &exporter, "EXTRACTOR-dtls_srtp", &hash.digest(&[]));
            let mut material = [0; 2 * (32 + 14)];
            let material = &mut material[..2 * (profile.key_len() + profile.salt_len())];
            expand(hash, &secret, "exporter", &hash.digest(&[]), material);
            SrtpKeys::from_material(profile, material)
        });
        Established { srtp }
    }

    pub(crate) fn connected(&self, link: &Link, established: &Established) -> Box<Connected> {
        Box::new(Connected {
            version: Version::Dtls13,
            cipher: self.cipher,
            remote_fingerprint: link.remote_fingerprint(),
            srtp: established.srtp.clone(),
        })
    }

    fn verify_data(&self, from: Role) -> Digest {
        let hash = self.cipher.hash();
        let secret = match from {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        let key = derive(hash, secret, "finished", &[]);
        hash.hmac(&key, &[&self.transcript.hash(hash)])
    }

    /// Sends our Finished.
    pub(crate) fn send_finished(&mut self, link: &mut Link) {
        let verify_data = self.verify_data(link.config.role);
        link.send(&mut self.transcript, HANDSHAKE_EPOCH, FINISHED, &verify_data);
    }

    /// Checks the peer's Finished.
    pub(crate) fn check_finished(&self, from: Role, body: &[u8]) -> Result<(), Fault> {
        if crypto::constant_time_eq(&self.verify_data(from), body) {
            Ok(())
        } else {
            Err(Fault::Fatal(alert::DECRYPT_ERROR, "the peer saw another handshake than we did"))
        }
    }

    /// What CertificateVerify signs (RFC 8446 §4.4.3).
    fn signed(&self, from: Role) -> Vec<u8> {
        let context: &[u8] = match from {
            Role::Client => b"TLS 1.3, client CertificateVerify\0",
            Role::Server => b"TLS 1.3, server CertificateVerify\0",
        };
        [&[b' '; 64], context, &self.transcript.hash(self.cipher.hash())].concat()
    }

    /// The body of our CertificateVerify.
    pub(crate) fn sign(&self, link: &Link) -> Vec<u8> {
        let signature = link.config.certificate.sign(&self.signed(link.config.role));
        CertificateVerify::write(OUR_SCHEME, &signature)
    }

    /// Checks the peer's CertificateVerify.
    pub(crate) fn check_signature(&self, peer: &PublicKey, from: Role, body: &[u8]) -> Result<(), Fault> {
        let verify = CertificateVerify::parse(body)?;
        let scheme = scheme(verify.scheme)?;
        // RFC 8446 §4.2.3 leaves this one to the signatures inside certificates.
        if scheme == SignatureScheme::RsaPkcs1Sha256 {
            let what = "the peer signs with RSASSA-PKCS1-v1_5, which DTLS 1.3 does not have";
            return Err(Fault::Fatal(alert::ILLEGAL_PARAMETER, what));
        }
        if peer.verify(scheme, &self.signed(from), verify.signature) {
            Ok(())
        } else {
            let what = "the peer does not have the key of its certificate";
            Err(Fault::Fatal(alert::DECRYPT_ERROR, what))
        }
    }
}

/// What the owner of an established connection will be told.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    srtp: Option<SrtpKeys>,
}

/// The secrets of application data, from which the next ones follow (RFC 8446 §7.2).
#[derive(Debug)]
pub(crate) struct Traffic {
    cipher: Cipher,
    seal: Digest,
    open: Digest,
}

impl Traffic {
    /// The keys with which the peer sends from now on.
    pub(crate) fn next_open(&mut self, epoch: u16) -> Keys {
        self.open = derive(self.cipher.hash(), &self.open, "traffic upd", &[]);
        keys(self.cipher, epoch, &self.open)
    }

    /// The keys with which we send from now on.
    pub(crate) fn next_seal(&mut self, epoch: u16) -> Keys {
        self.seal = derive(self.cipher.hash(), &self.seal, "traffic upd", &[]);
        keys(self.cipher, epoch, &self.seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// RFC 8448 §3: the early secret, which has no label inside and so is that of TLS too.
    #[test]
    fn the_schedule_begins_as_that_of_tls() {
        let early = Hash::Sha256.hkdf_extract(&[0; 32], &[0; 32]);
        assert_eq!(early[..], bytes("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
    }
}

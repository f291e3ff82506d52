//! What an authenticator says (W3C Web Authentication, level 2), read and verified.
//!
//! Attestation is not asked for (`none`) and not looked at: any authenticator will do, as any password would. What
//! counts is that the person was verified by it (`UV`), so that a found key opens nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ciborium::Value;
use serde::Deserialize;

/// The longest attestation object that is read, in bytes.
const LONGEST: usize = 16 * 1024;
/// How deep its CBOR may be nested.
const DEEPEST: usize = 8;
/// The longest credential id (§6.5.1), in bytes.
const LONGEST_ID: usize = 1023;

/// Flags of the authenticator data: §6.1.
const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;

/// What a ceremony must have been about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The random challenge that was given out.
    pub(super) challenge: &'a [u8; 32],
    /// The page's origin.
    pub(super) origin: &'a str,
    /// The relying party: the page's host name.
    pub(super) relying_party: &'a str,
}

/// Why a ceremony is not accepted: a short text for the log and the person.
pub(super) type Refused = &'static str;

/// A credential that was just made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Created {
    pub(super) id: Vec<u8>,
    /// The COSE key, as the authenticator encoded it.
    pub(super) public_key: Vec<u8>,
    pub(super) counter: u32,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// Registers a new credential: §7.1.
pub(super) fn created(
    expected: Expected<'_>,
    client_data: &[u8],
    attestation: &[u8],
) -> Result<Created, Refused> {
    check_client_data(expected, "webauthn.create", client_data)?;
    if attestation.len() > LONGEST {
        return Err("the attestation is too long");
    }
    let object: Value = ciborium::de::from_reader_with_recursion_limit(attestation, DEEPEST)
        .map_err(|_| "the attestation is not CBOR")?;
    let map = object.into_map().map_err(|_| "the attestation is not a map")?;
    let data = map.into_iter().find(|(k, _)| k.as_text() == Some("authData"));
    let data =
        data.and_then(|(_, v)| v.into_bytes().ok()).ok_or("the attestation has no authenticator data")?;
    let (flags, counter, rest) = check_authenticator_data(expected, &data)?;
    if flags & ATTESTED == 0 {
        return Err("there is no credential in the attestation");
    }
    // §6.5.1: AAGUID, length of the id, the id, the key.
    let (_aaguid, rest) = rest.split_first_chunk::<16>().ok_or("the credential is cut short")?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or("the credential is cut short")?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > LONGEST_ID || length > rest.len() {
        return Err("the credential's id has a wrong length");
    }
    let (id, rest) = rest.split_at(length);
    let mut after = rest;
    let key: Value = ciborium::de::from_reader_with_recursion_limit(&mut after, DEEPEST)
        .map_err(|_| "the credential's key is not CBOR")?;
    Key::read(&key)?;
    let public_key = rest[..rest.len() - after.len()].to_vec();
    Ok(Created { id: id.to_vec(), public_key, counter })
}

/// Verifies that a credential was used: §7.2. Returns the authenticator's new counter.
pub(super) fn asserted(
    expected: Expected<'_>,
    public_key: &[u8],
    client_data: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
) -> Result<u32, Refused> {
    check_client_data(expected, "webauthn.get", client_data)?;
    let (_, counter, _) = check_authenticator_data(expected, authenticator_data)?;
    let key: Value = ciborium::de::from_reader_with_recursion_limit(public_key, DEEPEST)
        .map_err(|_| "the credential's key is not CBOR")?;
    let mut signed = authenticator_data.to_vec();
    signed.extend_from_slice(&crypto::sha256(client_data));
    if Key::read(&key)?.verifies(&signed, signature) { Ok(counter) } else { Err("the signature is wrong") }
}

fn check_client_data(expected: Expected<'_>, kind: &str, client_data: &[u8]) -> Result<(), Refused> {
    let data: ClientData = serde_json::from_slice(client_data).map_err(|_| "the client data is not JSON")?;
    if data.kind != kind {
        return Err("it is another kind of ceremony");
    }
    let challenge = BASE64.decode(&data.challenge).map_err(|_| "the challenge is not base64url")?;
    if !crypto::constant_time_eq(&challenge, expected.challenge) {
        return Err("it answers another challenge");
    }
    if data.origin != expected.origin || data.cross_origin {
        return Err("it was made for another page");
    }
    Ok(())
}

/// Checks the fixed part (§6.1) and returns flags, counter and what follows.
fn check_authenticator_data<'d>(
    expected: Expected<'_>,
    data: &'d [u8],
) -> Result<(u8, u32, &'d [u8]), Refused> {
    let (relying_party, rest) =
        data.split_first_chunk::<32>().ok_or("the authenticator data is cut short")?;
    let ([flags, counter @ ..], rest) =
        rest.split_first_chunk::<5>().ok_or("the authenticator data is cut short")?;
    if *relying_party != crypto::sha256(expected.relying_party.as_bytes()) {
        return Err("it was made for another host");
    }
    if flags & USER_PRESENT == 0 || flags & USER_VERIFIED == 0 {
        return Err("the authenticator did not verify who uses it");
    }
    Ok((*flags, u32::from_be_bytes(*counter), rest))
}

/// A COSE key (RFC 9052 §7) of an algorithm that we ask for.
#[derive(Debug)]
enum Key {
    /// ES256 on P-256 (RFC 9053 §2.1 and §7.1).
    P256 { x: [u8; 32], y: [u8; 32] },
    /// EdDSA with Ed25519 (RFC 9053 §2.2 and §7.2).
    Ed25519([u8; 32]),
    /// RS256 (RFC 8812 §2, RFC 8230 §4).
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// Numbers of algorithms in COSE, in the order we prefer them.
pub(super) const ALGORITHMS: [i64; 3] = [-8, -7, -257];

impl Key {
    fn read(value: &Value) -> Result<Self, Refused> {
        let map = value.as_map().ok_or("the key is not a map")?;
        let get = |label: i64| map.iter().find(|(k, _)| k.as_integer() == Some(label.into())).map(|(_, v)| v);
        let number = |label| get(label).and_then(Value::as_integer).and_then(|i| i64::try_from(i).ok());
        let bytes = |label| get(label).and_then(Value::as_bytes).map(Vec::as_slice);
        let coordinate = |label| -> Result<[u8; 32], Refused> {
            bytes(label).and_then(|b| b.try_into().ok()).ok_or("a coordinate of the key has a wrong length")
        };
        // Labels: 1 key type, 3 algorithm, -1 curve or n, -2 x or e, -3 y.
        match (number(1), number(3), number(-1)) {
            (Some(2), Some(-7), Some(1)) => Ok(Self::P256 { x: coordinate(-2)?, y: coordinate(-3)? }),
            (Some(1), Some(-8), Some(6)) => Ok(Self::Ed25519(coordinate(-2)?)),
            (Some(3), Some(-257), None) => match (bytes(-1), bytes(-2)) {
                (Some(n), Some(e)) if n.len() <= 1024 && e.len() <= 8 => {
                    Ok(Self::Rsa { n: n.to_vec(), e: e.to_vec() })
                }
                _ => Err("the RSA key is too large or has no modulus"),
            },
            _ => Err("the key is of an algorithm that was not asked for"),
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256 { x, y } => crypto::signature::verify_p256(x, y, message, signature),
            Self::Ed25519(key) => crypto::signature::verify_ed25519(key, message, signature),
            Self::Rsa { n, e } => crypto::signature::verify_rsa_sha256(n, e, message, signature),
        }
    }
}

//! What strangers send over HTTP, for the fuzzer and for the replay of its corpus.

use crate::api::Keys;
use crate::api::token::verify_join;
use crate::doors::Fragment;

/// A fragment of a description as a PATCH brings it (RFC 8840 §9): what is read fits what was there.
pub fn whip_fragment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Fragment { credentials, candidates }) = Fragment::parse(text) {
        assert!(candidates.iter().all(|candidate| text.contains(candidate)));
        assert!(
            credentials.is_none_or(|(ufrag, password)| text.contains(&ufrag) && text.contains(&password))
        );
    }
}

/// A join token: nothing that the key did not sign opens a room.
pub fn join_token(data: &[u8]) {
    let keys = Keys::parse(&format!("fuzz.{}", "s".repeat(32))).expect("a key");
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(join) = verify_join(&keys, text, 1_800_000_000) {
        assert!(join.key == "fuzz" && !join.name.is_empty() && join.expires >= 1_800_000_000);
    }
}

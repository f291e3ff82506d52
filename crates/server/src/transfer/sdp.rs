//! The little that is read and written in descriptions here: generations of peer connections, and those of ICE.

use std::collections::BTreeSet;

use crate::signal::protocol::Candidate;

const GENERATION: &str = "a=visavis-generation:";

/// The description with its generation before the first media section.
pub(crate) fn with_generation(sdp: &str, generation: u32) -> String {
    let line = format!("{GENERATION}{generation}\r\n");
    let media = if sdp.starts_with("m=") { Some(0) } else { sdp.find("\nm=").map(|at| at + 1) };
    let (before, after) = sdp.split_at(media.unwrap_or(sdp.len()));
    format!("{before}{line}{after}")
}

/// The description without its generation, and the generation; one without belongs to the first.
pub(crate) fn take_generation(sdp: &str) -> (String, u32) {
    let said = |line: &str| {
        let digits = line.trim_end().strip_prefix(GENERATION)?;
        let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let generation = sdp.lines().find_map(said).unwrap_or(1);
    let rest = sdp.split_inclusive('\n').filter(|line| said(line).is_none()).collect();
    (rest, generation)
}

/// The ICE user fragments in a description.
pub(crate) fn user_fragments(sdp: &str) -> BTreeSet<&str> {
    sdp.lines().filter_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:")).collect()
}

/// The user fragment that a candidate belongs to, if it says.
pub(crate) fn user_fragment_of(candidate: &Candidate) -> Option<&str> {
    candidate
        .username_fragment
        .as_deref()
        .or_else(|| candidate.candidate.split(' ').skip_while(|word| *word != "ufrag").nth(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_taken_as_they_were_written() {
        for (sdp, generation) in [("v=0\r\ns=-\r\nm=audio 9\r\na=mid:0\r\n", 7), ("v=0\r\n", 1), ("", 2)] {
            let marked = with_generation(sdp, generation);
            assert_eq!(take_generation(&marked), (sdp.to_owned(), generation));
        }
        let marked = with_generation("v=0\r\nm=audio\r\n", 3);
        assert_eq!(marked, "v=0\r\na=visavis-generation:3\r\nm=audio\r\n");
        assert_eq!(take_generation("v=0\r\na=visavis-generation:x\r\n").1, 1);
        assert_eq!(take_generation("v=0\r\na=visavis-generation:1234567890\r\n").1, 1);
    }

    #[test]
    fn candidates_say_where_they_belong() {
        let candidate = |text: &str, fragment: Option<&str>| Candidate {
            candidate: text.to_owned(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: fragment.map(str::to_owned),
        };
        for (text, fragment, wanted) in [
            ("candidate:1 1 udp 1 192.0.2.1 5 typ host ufrag abcd", None, Some("abcd")),
            ("candidate:1 1 udp 1 192.0.2.1 5 typ host ufrag abcd", Some("efgh"), Some("efgh")),
            ("candidate:1 1 udp 1 192.0.2.1 5 typ host", None, None),
        ] {
            assert_eq!(user_fragment_of(&candidate(text, fragment)), wanted);
        }
        assert!(user_fragments("v=0\r\na=ice-ufrag:x\r\na=ice-ufrag:y\r\n").iter().eq(&["x", "y"]));
    }
}

//! Fragments of descriptions that carry candidates and restarts of ICE (RFC 8840 §9, RFC 9725 §4.3).

/// Candidates of one fragment that are looked at.
const CANDIDATES: usize = 64;

/// What a fragment says.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Fragment {
    /// User fragment and password of the ICE agent.
    pub(crate) credentials: Option<(String, String)>,
    /// Candidate-attributes, as an RTCIceCandidateInit has them.
    pub(crate) candidates: Vec<String>,
}

impl Fragment {
    /// Reads one.
    ///
    /// # Errors
    /// Which line is none of a description, or which half of the credentials is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut ufrag, mut password) = (None, None);
        let mut candidates = Vec::new();
        for (at, line) in text.lines().map(str::trim_end).enumerate().filter(|(_, line)| !line.is_empty()) {
            let (kind, value) = line
                .split_once('=')
                .filter(|(kind, _)| kind.len() == 1)
                .ok_or_else(|| format!("line {} is none of a session description: {line:?}", at + 1))?;
            let attribute = if kind == "a" { value } else { continue };
            if let Some(value) = attribute.strip_prefix("ice-ufrag:") {
                ufrag.get_or_insert_with(|| value.to_owned());
            } else if let Some(value) = attribute.strip_prefix("ice-pwd:") {
                password.get_or_insert_with(|| value.to_owned());
            } else if attribute.starts_with("candidate:") && candidates.len() < CANDIDATES {
                candidates.push(attribute.to_owned());
            }
        }
        let credentials = match (ufrag, password) {
            (Some(ufrag), Some(password)) => Some((ufrag, password)),
            (None, None) => None,
            (Some(_), None) => return Err("the fragment has `a=ice-ufrag`, but no `a=ice-pwd`".to_owned()),
            (None, Some(_)) => return Err("the fragment has `a=ice-pwd`, but no `a=ice-ufrag`".to_owned()),
        };
        Ok(Self { credentials, candidates })
    }
}

/// The user fragment of a description.
pub(super) fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

/// An earlier offer with other credentials, the next version of its session (RFC 8829 §5.2.2), and without the candidates
/// of before.
pub(super) fn restarted(offer: &str, (ufrag, password): (&str, &str)) -> String {
    let mut restarted = String::with_capacity(offer.len());
    for line in offer.lines().map(str::trim_end) {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        let line = if line.starts_with("a=ice-ufrag:") {
            format!("a=ice-ufrag:{ufrag}")
        } else if line.starts_with("a=ice-pwd:") {
            format!("a=ice-pwd:{password}")
        } else if line.starts_with("o=") {
            next_version(line)
        } else {
            line.to_owned()
        };
        restarted.push_str(&line);
        restarted.push_str("\r\n");
    }
    restarted
}

/// An `o=` line whose version is one more (RFC 8866 §5.2).
fn next_version(origin: &str) -> String {
    let mut words: Vec<String> = origin.split(' ').map(str::to_owned).collect();
    if let Some(version) = words.get_mut(2)
        && let Ok(number) = version.parse::<u64>()
    {
        *version = number.wrapping_add(1).to_string();
    }
    words.join(" ")
}

/// What of an answer its client needs after a restart: all sections share the first one's connection (RFC 9725 §4.3.2).
pub(super) fn of_answer(answer: &str) -> String {
    let mut lines = Vec::new();
    let mut sections = 0;
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            sections += 1;
        }
        let session = ["a=ice-lite", "a=ice-options:", "a=group:BUNDLE"];
        let ice = ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"];
        let wanted = match sections {
            0 => session.iter().chain(&ice[1..]).any(|start| line.starts_with(start)),
            1 => ice.iter().any(|start| line.starts_with(start)),
            _ => break,
        };
        if wanted {
            lines.push(line);
        }
    }
    lines.join("\r\n") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_read() {
        let text = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
            a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n";
        let read = Fragment::parse(text).unwrap();
        assert_eq!(read.credentials.unwrap().0, "EsAw");
        assert_eq!(read.candidates, ["candidate:1 1 udp 1 192.0.2.1 5000 typ host"]);
        assert!(Fragment::parse("").unwrap() == Fragment::default());
        for (wrong, said) in [
            ("a=mid:0\nhello\n", "line 2"),
            ("{\"candidate\":\"\"}", "line 1"),
            ("a=ice-ufrag:x\n", "no `a=ice-pwd`"),
            ("a=ice-pwd:x\n", "no `a=ice-ufrag`"),
        ] {
            let error = Fragment::parse(wrong).err().unwrap();
            assert!(error.contains(said), "{error}");
        }
        let many = "a=candidate:1\n".repeat(1000);
        assert_eq!(Fragment::parse(&many).unwrap().candidates.len(), CANDIDATES);
    }

    #[test]
    fn a_restart_is_the_offer_of_before_with_other_credentials() {
        let offer = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:old\r\n\
            a=ice-pwd:older\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\na=sendonly\r\n";
        let expected = "v=0\r\no=- 7 3 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:new\r\n\
            a=ice-pwd:newer\r\na=sendonly\r\n";
        assert_eq!(restarted(offer, ("new", "newer")), expected);
        assert_eq!(ufrag(offer), Some("old"));
        let answer = "v=0\r\na=ice-lite\r\na=fingerprint:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:u\r\n\
            a=ice-pwd:p\r\na=rtpmap:111 opus/48000/2\r\na=candidate:1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";
        let expected = "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
            a=candidate:1\r\n";
        assert_eq!(of_answer(answer), expected);
    }
}

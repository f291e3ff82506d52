//! What an offer is good for, before anybody is let in with it, and whether the answer takes anything of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::signal::protocol::Door;

/// Sections of pictures that an encoder may send: a camera and a screen.
const PICTURES: usize = 2;

/// A media section, by its `m=` line and its direction.
struct Section<'a> {
    kind: &'a str,
    rejected: bool,
    direction: &'a str,
}

impl Section<'_> {
    fn sends(&self) -> bool {
        !self.rejected && matches!(self.direction, "sendonly" | "sendrecv")
    }

    fn receives(&self) -> bool {
        !self.rejected && matches!(self.direction, "recvonly" | "sendrecv")
    }
}

/// The sections of sound and pictures (RFC 8866 §5.14, §6.7).
fn sections(sdp: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut usual = "sendrecv";
    for line in sdp.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.split(' ');
            let kind = words.next().unwrap_or_default();
            let rejected = words.next() == Some("0");
            sections.push(Section { kind, rejected, direction: usual });
        } else if let Some(direction @ ("sendonly" | "recvonly" | "sendrecv" | "inactive")) =
            line.strip_prefix("a=")
        {
            match sections.last_mut() {
                Some(section) => section.direction = direction,
                None => usual = direction,
            }
        }
    }
    sections.retain(|section| matches!(section.kind, "audio" | "video"));
    sections
}

/// Whether an offer is one for this door; what is wrong otherwise.
pub(super) fn check(sdp: &str, door: Door) -> Result<(), String> {
    let sections = sections(sdp);
    if sections.is_empty() {
        return Err("the offer has no section of sound or pictures (`m=audio`, `m=video`)".to_owned());
    }
    match door {
        Door::Publish => {
            let count = |kind| sections.iter().filter(|s| s.kind == kind && s.sends()).count();
            let (sounds, pictures) = (count("audio"), count("video"));
            if sounds + pictures == 0 {
                return Err("the offer sends nothing: its sections are to be `sendonly`".to_owned());
            }
            if sounds > 1 || pictures > PICTURES {
                return Err(format!(
                    "the offer sends {sounds} sounds and {pictures} pictures: at most one sound, a camera and a screen \
                     are taken"
                ));
            }
        }
        Door::Watch => {
            if !sections.iter().any(Section::receives) {
                return Err("the offer receives nothing: its sections are to be `recvonly`".to_owned());
            }
        }
    }
    Ok(())
}

/// The offer without header extensions that contradict each other: all sections share one connection here, on which a number
/// means one thing (RFC 8843 §8.2). aiortc gives the same number to another extension in each section, and takes one for the
/// other in what it is sent.
pub(super) fn consistent(sdp: &str) -> String {
    let extension = |line: &str| {
        let (id, uri) = line.trim_end().strip_prefix("a=extmap:")?.split_once(' ')?;
        let id = id.split('/').next().unwrap_or_default().to_owned();
        Some((id, uri.split(' ').next().unwrap_or_default().to_owned()))
    };
    let mut meanings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, uri) in sdp.lines().filter_map(extension) {
        meanings.entry(id).or_default().insert(uri);
    }
    let clear =
        |line: &&str| extension(line).is_none_or(|(id, _)| meanings.get(&id).is_none_or(|m| m.len() == 1));
    sdp.lines().filter(clear).map(|line| format!("{}\r\n", line.trim_end())).collect()
}

/// Whether an answer takes anything of an offer; what would have been taken otherwise.
pub(super) fn check_answer(offer: &str, answer: &str) -> Result<(), String> {
    let taken = sections(answer).iter().any(|section| !section.rejected && section.direction != "inactive");
    if taken {
        return Ok(());
    }
    let codecs: Vec<&str> = offer
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=rtpmap:")?.split_once(' '))
        .map(|(_, codec)| codec)
        .take(20)
        .collect();
    Err(format!(
        "none of the codecs of the offer can be forwarded here ({}): offer Opus for sound, and VP8, VP9, H.264 or AV1 for \
         pictures",
        codecs.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n";

    #[test]
    fn offers_are_for_one_door() {
        let with = |direction: &str| format!("v=0\r\n{AUDIO}a={direction}\r\n{VIDEO}a={direction}\r\n");
        for (sdp, publishes, watches) in [
            (with("sendonly"), true, false),
            (with("recvonly"), false, true),
            (with("sendrecv"), true, true),
            (with("inactive"), false, false),
            (format!("v=0\r\n{VIDEO}"), true, true),
            (format!("v=0\r\na=recvonly\r\n{VIDEO}"), false, true),
            (format!("v=0\r\n{}", AUDIO.replace(" 9 ", " 0 ")), false, false),
            (format!("v=0\r\n{AUDIO}{AUDIO}"), false, true),
            (format!("v=0\r\n{AUDIO}{VIDEO}{VIDEO}"), true, true),
            (format!("v=0\r\n{VIDEO}{VIDEO}{VIDEO}"), false, true),
            ("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n".to_owned(), false, false),
            ("junk".to_owned(), false, false),
        ] {
            assert_eq!(check(&sdp, Door::Publish).is_ok(), publishes, "{sdp}");
            assert_eq!(check(&sdp, Door::Watch).is_ok(), watches, "{sdp}");
        }
    }

    #[test]
    fn numbers_of_extensions_mean_one_thing() {
        let sdp = "v=0\na=extmap:1 urn:mid\na=extmap:2/sendonly urn:level x\nm=video 9 x 1\na=extmap:1 urn:mid\n\
            a=extmap:2 urn:time\n";
        let expected = "v=0\r\na=extmap:1 urn:mid\r\nm=video 9 x 1\r\na=extmap:1 urn:mid\r\n";
        assert_eq!(consistent(sdp), expected);
        assert_eq!(consistent(expected), expected);
    }

    #[test]
    fn an_answer_that_takes_nothing_says_what_would_be_taken() {
        let offer = format!("v=0\r\n{VIDEO}a=sendonly\r\n").replace("VP8", "H265");
        let taken = format!("v=0\r\n{VIDEO}a=recvonly\r\n");
        assert_eq!(check_answer(&offer, &taken), Ok(()));
        for answer in [taken.replace(" 9 ", " 0 "), taken.replace("recvonly", "inactive")] {
            let error = check_answer(&offer, &answer).unwrap_err();
            assert!(error.contains("H265/90000") && error.contains("VP8"), "{error}");
        }
    }
}

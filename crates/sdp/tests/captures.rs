use sdp::{Attribute, Kind, Session};
use std::path::Path;

/// Every capture by name.
fn captures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sdp");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sdp"));
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// What may differ between a capture and what we print of it: white space at the end or after the colon, and the
/// commas of libdatachannel's `ice-options`.
fn normal(line: &str) -> String {
    let line = line.trim_end().replace(": ", ":");
    if line.starts_with("a=ice-options:") { line.replace(',', " ") } else { line }
}

#[test]
fn every_capture_is_read_and_printed_line_by_line() {
    let captures = captures();
    assert!(captures.len() >= 36, "the captures are there");
    for (name, text) in captures {
        let session = Session::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let printed = session.to_string();
        assert_eq!(Session::parse(&printed).unwrap(), session, "{name}");
        let before: Vec<_> = text.lines().map(normal).collect();
        let after: Vec<_> = printed.lines().map(normal).collect();
        assert_eq!(before, after, "{name}");
    }
}

/// The attributes that nothing here reads are known by name: one that appears in a capture and is new shows up.
#[test]
fn captures_hold_no_attribute_that_was_overlooked() {
    for (name, text) in captures() {
        let session = Session::parse(&text).unwrap();
        let all = session.attributes.iter().chain(session.media.iter().flat_map(|media| &media.attributes));
        for attribute in all {
            if let Attribute::Other(unknown) = attribute {
                assert!(["rtcp", "rtcp-xr"].contains(&unknown.name.as_str()), "{name}: {unknown:?}");
            }
        }
    }
}

#[test]
fn every_section_of_a_capture_has_what_a_session_needs() {
    for (name, text) in captures() {
        let session = Session::parse(&text).unwrap();
        let bundle: Vec<_> = session.groups("BUNDLE").flatten().map(String::as_str).collect();
        assert!(!session.media.is_empty(), "{name}");
        for media in &session.media {
            let mid = media.mid().unwrap_or_else(|| panic!("{name}: a section without a mid"));
            if media.is_rejected() {
                continue;
            }
            assert!(bundle.contains(&mid), "{name}: {mid}");
            let has = |pick: fn(&Attribute) -> bool| {
                session.lookup(media, |attribute| pick(attribute).then_some(())).is_some()
            };
            assert!(has(|a| matches!(a, Attribute::IceUfrag(_))), "{name}");
            assert!(has(|a| matches!(a, Attribute::IcePwd(_))), "{name}");
            assert!(has(|a| matches!(a, Attribute::Fingerprint(_))), "{name}");
            assert!(has(|a| matches!(a, Attribute::Setup(_))), "{name}");
            match media.kind {
                Kind::Audio | Kind::Video => {
                    assert!(has(|a| matches!(a, Attribute::RtpMap(_))), "{name}");
                    assert!(media.has(&Attribute::RtcpMux), "{name}");
                }
                Kind::Application => {
                    assert!(
                        has(|a| matches!(a, Attribute::SctpPort(5000) | Attribute::SctpMap(_))),
                        "{name}"
                    );
                }
                Kind::Other(_) => panic!("{name}: {}", media.kind),
            }
        }
    }
}

//! Reading the other side's descriptions: what they say about the transport, and whether they can be used.

use super::error::RemoteError;
use super::{IceCredentials, Slot, Use};
use sdp::{Attribute, Direction, Kind, Media, Session, Setup};
use std::collections::BTreeMap;

/// Candidates taken from one description; more are passed over.
const MAX_CANDIDATES: usize = 256;
/// Fingerprints taken from one description; more are passed over.
const MAX_FINGERPRINTS: usize = 16;

/// What a description says about the one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transport {
    pub(super) credentials: IceCredentials,
    pub(super) lite: bool,
    pub(super) options: Vec<String>,
    pub(super) fingerprints: Vec<String>,
    pub(super) setup: Setup,
    pub(super) candidates: Vec<String>,
    pub(super) ended: bool,
}

/// The sections that share the transport, the tagged one first (RFC 8843 §7): those of the first bundle with anything
/// in it, else the first section that is not rejected.
pub(super) fn bundle(session: &Session) -> Vec<usize> {
    let active = session.media.iter().enumerate().filter(|(_, media)| !media.is_rejected());
    let named: BTreeMap<&str, usize> = active.filter_map(|(at, media)| Some((media.mid()?, at))).collect();
    for mids in session.groups("BUNDLE") {
        let mut left = named.clone();
        let sections: Vec<usize> = mids.iter().filter_map(|mid| left.remove(mid.as_str())).collect();
        if !sections.is_empty() {
            return sections;
        }
    }
    session.media.iter().position(|media| !media.is_rejected()).into_iter().collect()
}

/// What a section, or else the session, says about its transport.
pub(super) fn transport(session: &Session, section: usize) -> Result<Transport, RemoteError> {
    let media = &session.media[section];
    let wrong = |what| RemoteError::section(section, what);
    let text = |pick: fn(&Attribute) -> Option<&str>| session.lookup(media, pick);
    let ufrag = text(|a| if let Attribute::IceUfrag(ufrag) = a { Some(ufrag) } else { None });
    let pwd = text(|a| if let Attribute::IcePwd(pwd) = a { Some(&pwd.0) } else { None });
    let ufrag = ufrag.filter(|u| ice_chars(u, 4)).ok_or_else(|| {
        wrong("`a=ice-ufrag` is missing or wrong; it has 4 to 256 letters, digits, + or / (RFC 8839 §5.4)")
    })?;
    let pwd = pwd.filter(|p| ice_chars(p, 22)).ok_or_else(|| {
        wrong("`a=ice-pwd` is missing or wrong; it has 22 to 256 letters, digits, + or / (RFC 8839 §5.4)")
    })?;
    let fingerprints = fingerprints(session, media);
    if fingerprints.is_empty() {
        return Err(wrong("`a=fingerprint` is missing; only DTLS is spoken here (RFC 8842 §5.1)"));
    }
    let setup = session.lookup(media, |a| if let Attribute::Setup(setup) = a { Some(*setup) } else { None });
    let options = session.lookup(media, |a| match a {
        Attribute::IceOptions(options) => Some(options.clone()),
        _ => None,
    });
    let candidates = media.attributes.iter().filter_map(|a| match a {
        // With rtcp-mux there is no second component (RFC 8445 §13).
        Attribute::Candidate(text) if text.split(' ').nth(1) == Some("1") => Some(text.clone()),
        _ => None,
    });
    Ok(Transport {
        credentials: IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() },
        lite: session.attributes.contains(&Attribute::IceLite),
        options: options.unwrap_or_default(),
        fingerprints,
        setup: setup.ok_or_else(|| wrong("`a=setup` is missing (RFC 8842 §5.2)"))?,
        candidates: candidates.take(MAX_CANDIDATES).collect(),
        ended: session.lookup(media, |a| (*a == Attribute::EndOfCandidates).then_some(())).is_some(),
    })
}

/// All fingerprints of a section, else all of the session (RFC 8122 §5: several hashes of one certificate).
fn fingerprints(session: &Session, media: &Media) -> Vec<String> {
    let all = |attributes: &[Attribute]| -> Vec<String> {
        let texts = attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Fingerprint(text) => Some(text.clone()),
            _ => None,
        });
        texts.take(MAX_FINGERPRINTS).collect()
    };
    let own = all(&media.attributes);
    if own.is_empty() { all(&session.attributes) } else { own }
}

fn ice_chars(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'='))
}

/// What we can make of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Rtp,
    Data,
    /// To be rejected (RFC 3264 §6).
    Unknown,
}

pub(super) fn content(media: &Media) -> Content {
    let protocol = media.protocol.as_str();
    match media.kind {
        // RFC 8829 §5.1.2: these and the names that older peers have for the same.
        Kind::Audio | Kind::Video
            if matches!(protocol, "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" | "TCP/DTLS/RTP/SAVPF")
                || matches!(
                    protocol,
                    "UDP/TLS/RTP/SAVP" | "RTP/SAVPF" | "RTP/SAVP" | "RTP/AVPF" | "RTP/AVP"
                ) =>
        {
            Content::Rtp
        }
        Kind::Application if protocol == "DTLS/SCTP" => Content::Data,
        Kind::Application if matches!(protocol, "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP") => {
            if media.formats.iter().any(|format| format == "webrtc-datachannel") {
                Content::Data
            } else {
                Content::Unknown
            }
        }
        _ => Content::Unknown,
    }
}

/// Checks an offer against the sections in force, and reads its transport; `None` if all is rejected.
pub(super) fn check_offer(
    session: &Session,
    slots: &[Slot],
    max_sections: usize,
) -> Result<Option<Transport>, RemoteError> {
    if session.media.len() > max_sections {
        return Err(RemoteError::session("it has more media sections than `max_sections` allows"));
    }
    if session.media.len() < slots.len() {
        return Err(RemoteError::session("it has fewer media sections than before; reject them instead"));
    }
    for (at, (media, slot)) in session.media.iter().zip(slots).enumerate() {
        if slot.usage == Use::Free {
            continue;
        }
        if media.kind != slot.kind {
            return Err(RemoteError::section(at, "it carried something else before, and is still in use"));
        }
        if !media.is_rejected() && media.mid() != Some(&slot.mid) {
            return Err(RemoteError::section(at, "its `a=mid` has changed while it is in use"));
        }
    }
    check_sections(session)?;
    let Some(tagged) = bundle(session).first().copied() else { return Ok(None) };
    let transport = transport(session, tagged)?;
    if transport.setup == Setup::HoldConn {
        return Err(RemoteError::section(
            tagged,
            "`a=setup:holdconn`; WebRTC wants `actpass` (RFC 8829 §5.2.1)",
        ));
    }
    Ok(Some(transport))
}

/// Checks an answer against the offer it answers, and reads its transport; `None` if all is rejected.
pub(super) fn check_answer(session: &Session, offer: &Session) -> Result<Option<Transport>, RemoteError> {
    if session.media.len() != offer.media.len() {
        return Err(RemoteError::session("it has not as many media sections as the offer (RFC 3264 §6)"));
    }
    for (at, (answered, offered)) in session.media.iter().zip(&offer.media).enumerate() {
        if answered.kind != offered.kind {
            return Err(RemoteError::section(at, "it answers a section of another kind (RFC 3264 §6)"));
        }
        if answered.port == 0 {
            if answered.has(&Attribute::BundleOnly) {
                return Err(RemoteError::section(at, "`a=bundle-only` is for offers alone (RFC 8843 §6)"));
            }
            continue;
        }
        if offered.port == 0 {
            return Err(RemoteError::section(at, "it accepts a section that the offer had rejected"));
        }
        if answered.mid() != offered.mid() {
            return Err(RemoteError::section(at, "its `a=mid` is not that of the offer (RFC 5888 §9.1)"));
        }
        let allowed = offer.direction(offered).reversed();
        if content(offered) == Content::Rtp && !within(session.direction(answered), allowed) {
            return Err(RemoteError::section(at, "its direction was not offered (RFC 3264 §6.1)"));
        }
    }
    check_sections(session)?;
    let bundle = bundle(session);
    let active = |at: &usize| !session.media[*at].is_rejected();
    if let Some(outside) = (0..session.media.len()).filter(active).find(|at| !bundle.contains(at)) {
        let what = "it is outside of the bundle; every section shares one transport here (RFC 8843)";
        return Err(RemoteError::section(outside, what));
    }
    let Some(tagged) = bundle.first().copied() else { return Ok(None) };
    let transport = transport(session, tagged)?;
    match transport.setup {
        Setup::Active | Setup::Passive => Ok(Some(transport)),
        Setup::ActPass | Setup::HoldConn => {
            Err(RemoteError::section(tagged, "an answer has `a=setup:active` or `passive` (RFC 5763 §5)"))
        }
    }
}

fn within(direction: Direction, allowed: Direction) -> bool {
    direction.and(allowed) == direction
}

/// What holds for every section that is in use.
fn check_sections(session: &Session) -> Result<(), RemoteError> {
    let mut payload_types: [Option<(usize, &str, u32)>; 128] = [None; 128];
    for (at, media) in session.media.iter().enumerate().filter(|(_, media)| !media.is_rejected()) {
        let Some(mid) = media.mid() else {
            return Err(RemoteError::section(at, "`a=mid` is missing (RFC 8829 §5.2.1)"));
        };
        if session.media[..at].iter().any(|before| !before.is_rejected() && before.mid() == Some(mid)) {
            return Err(RemoteError::section(at, "its `a=mid` is that of another section (RFC 5888 §4)"));
        }
        if content(media) != Content::Rtp {
            continue;
        }
        if !media.has(&Attribute::RtcpMux) && !media.has(&Attribute::RtcpMuxOnly) {
            let what = "`a=rtcp-mux` is missing; RTP and RTCP share one transport here (RFC 8829 §4.1.1)";
            return Err(RemoteError::section(at, what));
        }
        check_maps(at, media, &mut payload_types)?;
    }
    Ok(())
}

/// A payload type stands for one codec in the whole bundle (RFC 8843 §10.1.2), a number for one header extension.
fn check_maps<'a>(
    at: usize,
    media: &'a Media,
    payload_types: &mut [Option<(usize, &'a str, u32)>; 128],
) -> Result<(), RemoteError> {
    let mut extensions: [Option<&str>; 256] = [None; 256];
    for attribute in &media.attributes {
        match attribute {
            Attribute::RtpMap(map) => {
                let known = &mut payload_types[usize::from(map.payload_type)];
                let new = (at, map.name.as_str(), map.clock_rate);
                let same = |(section, name, clock_rate): (usize, &str, u32)| {
                    section != at && clock_rate == new.2 && name.eq_ignore_ascii_case(new.1)
                };
                if known.is_some_and(|known| !same(known)) {
                    return Err(RemoteError::section(
                        at,
                        "a payload type stands for two codecs (RFC 8843 §10.1.2)",
                    ));
                }
                *known = Some(new);
            }
            Attribute::ExtMap(map) if map.id < 256 => {
                let known = extensions[usize::from(map.id)].replace(&map.uri);
                if known.is_some_and(|known| known != map.uri) {
                    return Err(RemoteError::section(
                        at,
                        "a number stands for two header extensions (RFC 8285 §5)",
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

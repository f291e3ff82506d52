//! What the RFCs demand of any offer and any answer, checked on the text alone.

use sdp::{Attribute, Direction, Kind, Media, RidDirection, Session, Setup};
use std::collections::{BTreeMap, BTreeSet};

fn active(session: &Session) -> impl Iterator<Item = &Media> {
    session.media.iter().filter(|media| media.port != 0)
}

fn all<'a, T: 'a>(media: &'a Media, pick: impl Fn(&'a Attribute) -> Option<T> + 'a) -> Vec<T> {
    media.attributes.iter().filter_map(pick).collect()
}

fn setup(media: &Media) -> Setup {
    all(media, |a| if let Attribute::Setup(setup) = a { Some(*setup) } else { None })[0]
}

fn rtpmaps(media: &Media) -> BTreeMap<u8, (String, u32, u16)> {
    let of = |a: &Attribute| match a {
        Attribute::RtpMap(m) => {
            Some((m.payload_type, (m.name.to_lowercase(), m.clock_rate, m.channels.unwrap_or(1))))
        }
        _ => None,
    };
    all(media, of).into_iter().collect()
}

fn extensions(media: &Media) -> BTreeMap<u16, String> {
    let of =
        |a: &Attribute| if let Attribute::ExtMap(map) = a { Some((map.id, map.uri.clone())) } else { None };
    all(media, of).into_iter().collect()
}

/// Whether a number stands for one header extension throughout (RFC 8843 §9); aiortc's do not.
fn has_unique_extensions(session: &Session) -> bool {
    let mut numbers = BTreeMap::new();
    active(session).flat_map(extensions).all(|(id, uri)| numbers.entry(id).or_insert(uri.clone()) == &uri)
}

/// What holds for offers and answers alike.
fn check_session(session: &Session) {
    let mids: Vec<_> = active(session).map(|media| media.mid().expect("RFC 9429 §5.2.1: a mid")).collect();
    assert_eq!(mids.len(), mids.iter().collect::<BTreeSet<_>>().len(), "RFC 5888 §4: mids are unique");
    let mut types: BTreeMap<u8, (String, u32, u16)> = BTreeMap::new();
    let mut ssrcs = BTreeSet::new();
    for media in active(session) {
        let one = |pick: fn(&Attribute) -> bool| assert_eq!(all(media, |a| pick(a).then_some(())).len(), 1);
        one(|a| matches!(a, Attribute::IceUfrag(ufrag) if (4..=256).contains(&ufrag.len())));
        one(|a| matches!(a, Attribute::IcePwd(pwd) if (22..=256).contains(&pwd.0.len())));
        one(|a| matches!(a, Attribute::Fingerprint(_)));
        one(|a| matches!(a, Attribute::Setup(_)));
        one(|a| matches!(a, Attribute::Mid(_)));
        if media.kind == Kind::Application {
            continue;
        }
        assert!(media.has(&Attribute::RtcpMux), "RFC 9429 §5.2.1: rtcp-mux");
        let maps = rtpmaps(media);
        for format in &media.formats {
            let payload_type: u8 = format.parse().unwrap();
            assert!(!(64..96).contains(&payload_type), "RFC 5761 §4: {payload_type}");
            let codec = maps.get(&payload_type).expect("every payload type is explained");
            let before = types.insert(payload_type, codec.clone());
            assert!(before.is_none_or(|before| before == *codec), "RFC 8843 §10.1.2: one codec a type");
        }
        assert_eq!(maps.len(), media.formats.len(), "nothing is explained that is not offered");
        for fmtp in all(media, |a| if let Attribute::Fmtp(fmtp) = a { Some(fmtp) } else { None }) {
            let apt = fmtp.get("apt").map(|apt| apt.to_owned());
            assert!(apt.is_none_or(|apt| media.formats.contains(&apt)), "RFC 4588 §8.6");
        }
        check_streams(session, media, &mut ssrcs);
    }
}

fn check_streams(session: &Session, media: &Media, ssrcs: &mut BTreeSet<u32>) {
    let sends = session.direction(media).sends();
    let msid = all(media, |a| matches!(a, Attribute::Msid(_)).then_some(()));
    assert_eq!(!msid.is_empty(), sends, "RFC 9429 §5.2.1: msid if it sends");
    let own: BTreeSet<u32> =
        all(media, |a| if let Attribute::Ssrc(ssrc) = a { Some(ssrc.ssrc) } else { None })
            .into_iter()
            .collect();
    assert!(own.iter().all(|ssrc| ssrcs.insert(*ssrc)), "RFC 3550 §8: sources are unique");
    let rids: Vec<_> =
        all(
            media,
            |a| if let Attribute::Rid(rid) = a { Some((rid.direction, rid.id.clone())) } else { None },
        );
    for simulcast in all(media, |a| if let Attribute::Simulcast(s) = a { Some(s) } else { None }) {
        for (direction, list) in
            [(RidDirection::Send, &simulcast.send), (RidDirection::Recv, &simulcast.recv)]
        {
            for stream in list.iter().flatten() {
                assert!(rids.contains(&(direction, stream.rid.clone())), "RFC 8853 §5.1");
            }
        }
        assert!(sends || simulcast.send.is_empty());
        assert!(session.direction(media).receives() || simulcast.recv.is_empty());
    }
}

fn bundle(session: &Session) -> BTreeSet<&str> {
    session.groups("BUNDLE").flatten().map(String::as_str).collect()
}

pub(crate) fn check_offer(text: &str) {
    let session = Session::parse(text).unwrap();
    assert_eq!(Session::parse(&session.to_string()).as_ref(), Ok(&session));
    check_session(&session);
    assert!(has_unique_extensions(&session), "RFC 8843 §9");
    assert_eq!(bundle(&session), active(&session).map(|media| media.mid().unwrap()).collect());
    assert!(active(&session).all(|media| setup(media) == Setup::ActPass), "RFC 9429 §5.2.1");
}

pub(crate) fn check_answer(offer: &str, answer: &str) {
    let (offer, answer) = (Session::parse(offer).unwrap(), Session::parse(answer).unwrap());
    check_session(&answer);
    assert!(has_unique_extensions(&answer) || !has_unique_extensions(&offer), "RFC 8843 §9");
    assert_eq!(offer.media.len(), answer.media.len(), "RFC 3264 §6");
    let taken: BTreeSet<_> = active(&answer).map(|media| media.mid().unwrap()).collect();
    if offer.groups("BUNDLE").next().is_some() {
        assert_eq!(bundle(&answer), taken, "RFC 8843 §7.3");
        assert!(bundle(&answer).is_subset(&bundle(&offer)));
    } else {
        assert!(bundle(&answer).is_empty() && taken.len() <= 1);
    }
    for (offered, answered) in offer.media.iter().zip(&answer.media) {
        assert_eq!((&offered.kind, &offered.protocol), (&answered.kind, &answered.protocol), "RFC 3264 §6");
        if answered.port == 0 {
            continue;
        }
        assert!(!offered.is_rejected(), "RFC 3264 §6: rejected stays rejected");
        assert_eq!(offered.mid(), answered.mid(), "RFC 5888 §9.1");
        let offered_setup =
            offer.lookup(offered, |a| if let Attribute::Setup(s) = a { Some(*s) } else { None });
        let allowed: &[Setup] = match offered_setup.unwrap() {
            Setup::Active => &[Setup::Passive],
            Setup::Passive => &[Setup::Active],
            Setup::ActPass => &[Setup::Active, Setup::Passive],
            Setup::HoldConn => &[],
        };
        assert!(allowed.contains(&setup(answered)), "RFC 4145 §4.1");
        if answered.kind != Kind::Application {
            check_answered_media(&offer, offered, &answer, answered);
        }
    }
}

fn check_answered_media(offer: &Session, offered: &Media, answer: &Session, answered: &Media) {
    let said = answer.direction(answered);
    assert_eq!(said.and(offer.direction(offered).reversed()), said, "RFC 3264 §6.1");
    let (theirs, ours) = (rtpmaps(offered), rtpmaps(answered));
    for (payload_type, codec) in &ours {
        let known = theirs.get(payload_type);
        // PCMU, PCMA and the like may stand in an offer without a map.
        assert!(known.is_none_or(|known| known == codec), "RFC 3264 §6.1: {payload_type}");
        assert!(offered.formats.contains(&payload_type.to_string()), "RFC 3264 §6.1: {payload_type}");
    }
    let known = extensions(offered);
    for (id, uri) in extensions(answered) {
        let expected = known.get(&id).is_some_and(|known| *known == uri);
        let open = known.iter().any(|(id, known)| *id >= 4096 && *known == uri);
        assert!(expected || open, "RFC 8285 §6: {id} {uri}");
    }
    let feedback = |media: &Media| -> Vec<(Option<u8>, String)> {
        let of = |a: &Attribute| match a {
            Attribute::RtcpFb(f) => Some((f.payload_type, f.feedback.clone())),
            _ => None,
        };
        media.attributes.iter().filter_map(of).collect()
    };
    let offered_feedback = feedback(offered);
    for (payload_type, kind) in feedback(answered) {
        let any = [(payload_type, kind.clone()), (None, kind)];
        assert!(any.iter().any(|feedback| offered_feedback.contains(feedback)), "RFC 4585 §4.2");
    }
    assert!(
        said != Direction::Inactive
            || all(answered, |a| matches!(a, Attribute::Rid(_)).then_some(())).is_empty()
    );
}

/// Codecs in the order of the offer, where the program prefers none (RFC 9429 §5.3.1).
pub(crate) fn check_order(offer: &str, answer: &str) {
    let (offer, answer) = (Session::parse(offer).unwrap(), Session::parse(answer).unwrap());
    for (offered, answered) in offer.media.iter().zip(&answer.media).filter(|(_, media)| media.port != 0) {
        let maps = rtpmaps(answered);
        let repair =
            |format: &&String| maps.get(&format.parse().unwrap_or(255)).is_some_and(|map| map.0 == "rtx");
        let main = answered.formats.iter().filter(|format| !repair(format));
        let order: Vec<_> = main.map(|format| offered.formats.iter().position(|o| o == format)).collect();
        assert!(order.is_sorted(), "{:?} / {:?}", offered.formats, answered.formats);
    }
}

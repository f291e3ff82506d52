//! Negotiations between two of ours: what begins, changes, ends, crosses and is taken back.

use crate::support::*;
use peer::negotiation::*;
use sdp::Session;
use wire::Rng;

const BOTH: Direction = Direction::SendRecv;

fn parsed(negotiator: &Negotiator) -> Session {
    Session::parse(&negotiator.local_description().unwrap().sdp).unwrap()
}

fn ports(negotiator: &Negotiator) -> Vec<u16> {
    parsed(negotiator).media.iter().map(|media| media.port).collect()
}

fn mids(negotiator: &Negotiator) -> Vec<String> {
    parsed(negotiator).media.iter().map(|media| media.mid().unwrap_or_default().to_owned()).collect()
}

#[test]
fn data_alone() {
    let (mut a, mut b) = pair();
    a.use_data_channels().unwrap();
    assert_eq!(events(&mut a), [Event::NegotiationNeeded]);
    negotiate(&mut a, &mut b);
    let data = b.negotiated().data.unwrap();
    assert_eq!((data.local_port, data.remote_port, data.max_message_size), (5000, 5000, Some(262_144)));
    assert!(a.negotiated().ice.unwrap().controlling);
    assert!(!a.negotiation_needed() && !b.negotiation_needed());
    // Data channels of the answerer need no offer of their own.
    b.use_data_channels().unwrap();
    assert!(!b.negotiation_needed());
}

#[test]
fn media_both_ways_after_the_answerer_joins_in() {
    let (mut a, mut b) = pair();
    let voice = a.add_transceiver(MediaKind::Audio, send(&["s"])).unwrap();
    let video = a.add_transceiver(MediaKind::Video, send(&["s"])).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!(a.transceiver(voice).unwrap().current_direction(), Some(Direction::SendOnly));
    let [first, second] = b.transceivers() else { panic!("two") };
    assert_eq!((first.direction(), second.direction()), (Direction::RecvOnly, Direction::RecvOnly));
    let theirs = [first.id(), second.id()];
    let streams = vec!["s".to_owned()];
    let tracks = theirs.map(|id| Event::Track(id, streams.clone()));
    let seen = events(&mut b);
    assert!(tracks.iter().all(|track| seen.contains(track)));

    // add_track takes the transceiver that has never sent, of the right kind.
    assert_eq!(b.add_track(MediaKind::Video, vec![]).unwrap(), theirs[1]);
    assert_eq!(events(&mut b), [Event::NegotiationNeeded]);
    negotiate(&mut b, &mut a);
    assert_eq!(a.transceiver(video).unwrap().current_direction(), Some(BOTH));
    assert!(events(&mut a).contains(&Event::Track(video, vec![])));
    // It controls ICE who offered first.
    assert!(a.negotiated().ice.unwrap().controlling);

    b.remove_track(theirs[1]).unwrap();
    negotiate(&mut b, &mut a);
    assert!(events(&mut a).contains(&Event::TrackRemoved(video)));
    // It has sent before, so another is made.
    assert_ne!(b.add_track(MediaKind::Video, vec![]).unwrap(), theirs[1]);
}

#[test]
fn an_offer_takes_what_add_track_made_and_not_what_add_transceiver_made() {
    let (mut a, mut b) = pair();
    a.add_track(MediaKind::Audio, vec![]).unwrap();
    let added = b.add_track(MediaKind::Audio, vec![]).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!((b.transceivers().len(), b.transceiver(added).unwrap().mid()), (1, Some("0")));
    assert_eq!(b.transceiver(added).unwrap().current_direction(), Some(BOTH));
    assert!(!b.negotiation_needed());

    let (mut a, mut b) = pair();
    a.add_track(MediaKind::Audio, vec![]).unwrap();
    let added = b.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!((b.transceivers().len(), b.transceiver(added).unwrap().mid()), (2, None));
    assert!(b.negotiation_needed());
    negotiate(&mut b, &mut a);
    assert_eq!(a.transceivers().len(), 2);
}

#[test]
fn a_stopped_section_is_rejected_and_then_taken_over() {
    let (mut a, mut b) = pair();
    let [first, second] =
        [MediaKind::Audio, MediaKind::Video].map(|k| a.add_transceiver(k, send(&[])).unwrap());
    a.use_data_channels().unwrap();
    negotiate(&mut a, &mut b);
    a.stop(first).unwrap();
    assert!(a.negotiation_needed() && a.transceiver(first).unwrap().is_stopping());
    assert_eq!(a.set_direction(first, BOTH), Err(Misuse::NoTransceiver));
    negotiate(&mut a, &mut b);
    assert_eq!(ports(&a), [0, 9, 9]);
    assert!(a.transceiver(first).is_none());
    assert_eq!(b.transceivers().len(), 1);
    assert!(events(&mut b).iter().any(|event| matches!(event, Event::Stopped(_))));

    // The other side takes the free place, for another kind, under a new name.
    b.add_transceiver(MediaKind::Video, send(&[])).unwrap();
    negotiate(&mut b, &mut a);
    assert_eq!((ports(&b), mids(&b)), (vec![9, 9, 9], vec!["3".into(), "1".into(), "2".into()]));
    assert_eq!(parsed(&b).groups("BUNDLE").next().unwrap(), ["3", "1", "2"]);

    // The answerer can stop, too.
    b.set_remote_description(&{
        a.restart_ice().unwrap();
        a.set_local_description(None).unwrap();
        a.local_description().unwrap()
    })
    .unwrap();
    let theirs = b.transceiver_by_mid("1").unwrap().id();
    b.stop(theirs).unwrap();
    b.set_local_description(None).unwrap();
    a.set_remote_description(&b.local_description().unwrap()).unwrap();
    check_agreement(&a, &b);
    assert!(a.transceiver(second).is_none() && b.transceiver(theirs).is_none());
}

#[test]
fn a_transceiver_without_section_stops_at_once() {
    let (mut a, _) = pair();
    let id = a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    let offer = a.create_offer(OfferOptions::default()).unwrap();
    a.stop(id).unwrap();
    assert_eq!(events(&mut a), [Event::Stopped(id)]);
    assert_eq!(a.set_local_description(Some(&offer)), Err(Misuse::Modified));
    assert!(!a.negotiation_needed());
}

#[test]
fn nothing_at_all_can_be_negotiated() {
    let (mut a, mut b) = pair();
    negotiate(&mut a, &mut b);
    assert_eq!(a.negotiated(), Negotiated::default());
    a.use_data_channels().unwrap();
    negotiate(&mut a, &mut b);
    assert!(a.negotiated().data.is_some());
}

#[test]
fn directions_are_what_both_allow() {
    use Direction::{Inactive, RecvOnly, SendOnly};
    for (ours, theirs, agreed) in [
        (BOTH, BOTH, BOTH),
        (BOTH, RecvOnly, SendOnly),
        (BOTH, SendOnly, RecvOnly),
        (SendOnly, BOTH, SendOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, BOTH, RecvOnly),
        (Inactive, BOTH, Inactive),
        (BOTH, Inactive, Inactive),
    ] {
        let (mut a, mut b) = pair();
        let id =
            a.add_transceiver(MediaKind::Audio, TransceiverInit { direction: ours, ..send(&[]) }).unwrap();
        a.set_local_description(None).unwrap();
        b.set_remote_description(&a.local_description().unwrap()).unwrap();
        let other = b.transceivers()[0].id();
        b.set_direction(other, theirs).unwrap();
        b.set_local_description(None).unwrap();
        a.set_remote_description(&b.local_description().unwrap()).unwrap();
        check_agreement(&a, &b);
        assert_eq!(a.transceiver(id).unwrap().current_direction(), Some(agreed), "{ours} {theirs}");
    }
}

#[test]
fn crossing_offers_are_settled_by_the_polite_side() {
    let (mut polite, mut impolite) = pair();
    let mine = polite.add_track(MediaKind::Audio, vec!["p".to_owned()]).unwrap();
    impolite.add_track(MediaKind::Audio, vec![]).unwrap();
    impolite.use_data_channels().unwrap();
    polite.set_local_description(None).unwrap();
    let ufrag = polite.local_ice().unwrap().clone();
    impolite.set_local_description(None).unwrap();
    events(&mut polite);

    polite.set_remote_description(&impolite.local_description().unwrap()).unwrap();
    let states = [SignalingState::Stable, SignalingState::HaveRemoteOffer].map(Event::SignalingState);
    assert_eq!(events(&mut polite)[..2], states);
    polite.set_local_description(None).unwrap();
    impolite.set_remote_description(&polite.local_description().unwrap()).unwrap();
    check_agreement(&polite, &impolite);
    // The agent that gathers already keeps its credentials; the track found its place in the other's offer.
    assert_eq!(polite.local_ice(), Some(&ufrag));
    assert_eq!(polite.transceiver(mine).unwrap().current_direction(), Some(BOTH));
    assert!(!polite.negotiation_needed() && !impolite.negotiation_needed());
    assert!(!polite.negotiated().ice.unwrap().controlling);
}

#[test]
fn a_rollback_puts_everything_back() {
    let (mut a, mut b) = pair();
    let voice = a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    negotiate(&mut a, &mut b);
    let (before, text) = (a.negotiated(), a.local_description());
    let rollback = Description { kind: SdpType::Rollback, sdp: String::new() };
    assert!(a.set_local_description(Some(&rollback)).is_err());

    let video = a.add_transceiver(MediaKind::Video, send(&[])).unwrap();
    a.stop(voice).unwrap();
    a.restart_ice().unwrap();
    a.set_local_description(None).unwrap();
    assert_eq!(a.transceiver(video).unwrap().mid(), Some("1"));
    assert!(a.set_remote_description(&rollback).is_err());
    a.set_local_description(Some(&rollback)).unwrap();
    assert_eq!((a.negotiated(), a.local_description()), (before, text));
    assert_eq!(a.transceiver(video).unwrap().mid(), None);
    assert!(a.transceiver(voice).unwrap().is_stopping() && a.negotiation_needed());

    // A remote offer made two transceivers; the one with a track stays.
    let offer = a.create_offer(OfferOptions::default()).unwrap();
    a.set_local_description(Some(&offer)).unwrap();
    b.set_remote_description(&offer).unwrap();
    let mid = a.transceiver(video).unwrap().mid();
    let made = b.transceiver_by_mid(mid.unwrap()).unwrap().id();
    b.set_remote_description(&rollback).unwrap();
    assert!(b.transceiver(made).is_none() && b.transceivers().len() == 1);
    b.set_remote_description(&offer).unwrap();
    let made = b.add_track(MediaKind::Video, vec![]).unwrap();
    assert_eq!(b.transceiver(made).unwrap().mid(), mid);
    b.set_remote_description(&rollback).unwrap();
    assert_eq!(b.transceiver(made).unwrap().mid(), None);
    assert!(b.negotiation_needed());
    b.set_remote_description(&offer).unwrap();
    assert_eq!(b.transceiver(made).unwrap().mid(), mid, "an offer takes it again");
}

#[test]
fn provisional_answers_count_until_the_last_one() {
    let (mut a, mut b) = pair();
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    a.set_local_description(None).unwrap();
    b.set_remote_description(&a.local_description().unwrap()).unwrap();
    let provisional = Description { kind: SdpType::Pranswer, ..b.create_answer().unwrap() };
    b.set_local_description(Some(&provisional)).unwrap();
    a.set_remote_description(&provisional).unwrap();
    assert_eq!(a.signaling_state(), SignalingState::HaveRemotePranswer);
    assert_eq!(b.signaling_state(), SignalingState::HaveLocalPranswer);
    assert_eq!(a.negotiated().ice.unwrap().remote, b.negotiated().ice.unwrap().local);
    assert_eq!(a.negotiated().transceivers[0].direction, Direction::SendOnly);
    assert!(matches!(a.create_offer(OfferOptions::default()), Err(Misuse::State(..))));

    let id = b.transceivers()[0].id();
    b.set_direction(id, BOTH).unwrap();
    b.set_local_description(None).unwrap();
    a.set_remote_description(&b.local_description().unwrap()).unwrap();
    check_agreement(&a, &b);
    assert_eq!(a.negotiated().transceivers[0].direction, BOTH);
}

#[test]
fn an_ice_restart_changes_credentials_when_it_is_answered() {
    let (mut a, mut b) = pair();
    a.restart_ice().unwrap();
    assert!(!a.negotiation_needed(), "there is nothing to restart");
    a.use_data_channels().unwrap();
    negotiate(&mut a, &mut b);
    a.add_local_candidate("1 1 udp 1 192.0.2.1 1 typ host");
    let before = (a.local_ice().unwrap().clone(), b.local_ice().unwrap().clone());
    let dtls = a.negotiated().dtls;
    b.restart_ice().unwrap();
    assert!(b.negotiation_needed());
    b.set_local_description(None).unwrap();
    assert_eq!(b.local_ice(), Some(&before.1), "the old path stays until the answer");
    assert!(!b.local_description().unwrap().sdp.contains(&before.1.ufrag));
    a.set_remote_description(&b.local_description().unwrap()).unwrap();
    a.set_local_description(None).unwrap();
    assert_ne!(a.local_ice(), Some(&before.0));
    assert!(
        !a.local_description().unwrap().sdp.contains("192.0.2.1"),
        "candidates belong to their credentials"
    );
    b.set_remote_description(&a.local_description().unwrap()).unwrap();
    assert_ne!(b.local_ice(), Some(&before.1));
    check_agreement(&a, &b);
    assert_eq!(a.negotiated().dtls, dtls, "DTLS goes on");
    assert!(!b.negotiation_needed());
    negotiate(&mut b, &mut a);
}

#[test]
fn candidates_trickle_both_ways() {
    let (mut a, mut b) = pair();
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    a.use_data_channels().unwrap();
    assert_eq!(a.remote_candidate("", None, None, None), Err(Misuse::NoRemoteDescription));
    a.set_local_description(None).unwrap();
    assert_eq!(a.trickle_section(), Some(("0", 0)));
    a.add_local_candidate("candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host");
    a.add_local_candidate("2 1 udp 1 192.0.2.2 5000 typ host\r\na=evil");
    a.end_of_local_candidates();
    let offer = a.local_description().unwrap();
    let lines: Vec<_> = offer.sdp.lines().filter(|line| line.contains("candidate")).collect();
    assert_eq!(lines, ["a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host", "a=end-of-candidates"]);
    b.set_remote_description(&offer).unwrap();
    let candidate = "3 1 udp 1 192.0.2.3 5000 typ host";
    let ufrag = a.local_ice().unwrap().ufrag.clone();
    for (text, mid, index, generation, taken) in [
        (candidate, Some("0"), Some(0), None, true),
        (candidate, None, Some(0), Some(ufrag.as_str()), true),
        (candidate, None, None, None, true),
        (candidate, Some("1"), None, None, false),
        (candidate, Some("7"), None, None, false),
        (candidate, Some("0"), None, Some("other"), false),
        ("3 2 udp 1 192.0.2.3 5000 typ host", Some("0"), None, None, false),
        ("3 1 udp 1 192.0.2.3 5000 typ host ufrag other", Some("0"), None, None, false),
    ] {
        assert_eq!(b.remote_candidate(text, mid, index, generation), Ok(taken), "{text} {mid:?} {index:?}");
    }
    b.set_local_description(None).unwrap();
    let ice = b.negotiated().ice.unwrap();
    assert_eq!(ice.remote_candidates, ["1 1 udp 2113937151 192.0.2.1 5000 typ host"]);
    assert!(ice.remote_ended);
}

#[test]
fn codec_preferences_choose_and_order() {
    let (mut a, mut b) = pair();
    let id = a.add_transceiver(MediaKind::Video, send(&[])).unwrap();
    let vp9 = Codec::video(0, 0, "vp9", "");
    assert_eq!(a.set_codec_preferences(id, &[Codec::new(0, "opus", 48_000, Some(2))]), Err(Misuse::Codecs));
    a.set_codec_preferences(id, std::slice::from_ref(&vp9)).unwrap();
    negotiate(&mut a, &mut b);
    let names = |n: &Negotiator| -> Vec<String> {
        n.negotiated().transceivers[0].send_codecs.iter().map(|codec| codec.name.clone()).collect()
    };
    assert_eq!(names(&a), ["VP9"]);
    // The answerer's order counts for the answerer's answer; payload types stay.
    a.set_codec_preferences(id, &[]).unwrap();
    let theirs = b.transceivers()[0].id();
    b.set_codec_preferences(theirs, &[Codec::video(0, 0, "av1", ""), vp9]).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!(names(&a), ["AV1", "VP9"]);
    assert_eq!(a.negotiated().transceivers[0].send_codecs[1].payload_type, 98);
}

/// The dependency descriptor is for AV1: whoever wants it has it where that codec is, and nowhere else.
#[test]
fn an_extension_for_one_codec_comes_with_that_codec() {
    let with = |seed| {
        let mut config = config();
        config.header_extensions.push(HeaderExtension::dependency());
        Negotiator::new(config, Rng::from_number(seed)).unwrap()
    };
    for (codecs, [offers, answers], expected) in [
        (None, [true, true], true),
        (Some("AV1"), [true, true], true),
        (Some("VP8"), [true, true], false),
        (None, [true, false], false),
        (None, [false, true], false),
    ] {
        let [mut a, mut b] =
            [(1, offers), (2, answers)].map(|(seed, is)| if is { with(seed) } else { negotiator(seed) });
        a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
        let video = a.add_transceiver(MediaKind::Video, send(&[])).unwrap();
        if let Some(name) = codecs {
            a.set_codec_preferences(video, &[Codec::video(0, 0, name, "")]).unwrap();
        }
        negotiate(&mut a, &mut b);
        for side in [&a, &b] {
            let agreed = side.negotiated().transceivers;
            let has = |at: usize| agreed[at].extensions.iter().any(|extension| extension.uri == DEPENDENCY);
            assert_eq!((has(0), has(1)), (false, expected), "{codecs:?} {offers} {answers}");
        }
        assert_eq!(parsed(&a).to_string().contains(DEPENDENCY), offers && codecs != Some("VP8"));
    }
    assert_eq!(rtp::extension::Kind::of_uri(DEPENDENCY), Some(rtp::extension::Kind::Dependency));
}

#[test]
fn payload_types_of_the_other_side_are_kept() {
    let mut other = config();
    for codec in other.audio_codecs.iter_mut().filter(|codec| codec.name == "opus") {
        codec.payload_type = 96;
    }
    other.video_codecs = vec![Codec::video(111, 112, "VP8", "")];
    let mut a = Negotiator::new(other, wire::Rng::from_number(1)).unwrap();
    let mut b = negotiator(2);
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    negotiate(&mut a, &mut b);
    // Our opus prefers 111 and our VP8 96, but opus has 96 in this session.
    b.add_transceiver(MediaKind::Video, send(&[])).unwrap();
    negotiate(&mut b, &mut a);
    let agreed = b.negotiated();
    assert_eq!(agreed.transceivers[0].send_codecs[0].payload_type, 96);
    let video = &agreed.transceivers[1].send_codecs[0];
    assert!(video.name == "VP8" && video.payload_type != 96 && video.rtx.is_some());
}

#[test]
fn dtls_roles_stay_whoever_offers() {
    let (mut a, mut b) = pair();
    a.use_data_channels().unwrap();
    negotiate(&mut a, &mut b);
    let role = |n: &Negotiator| n.negotiated().dtls.unwrap().role;
    assert_eq!((role(&a), role(&b)), (DtlsRole::Server, DtlsRole::Client));
    negotiate(&mut b, &mut a);
    assert_eq!((role(&a), role(&b)), (DtlsRole::Server, DtlsRole::Client));
}

//! Remote descriptions that cannot be used, and calls at the wrong time: the error says so, and nothing changes.

use crate::support::*;
use peer::negotiation::*;
use wire::Rng;

fn described(kind: SdpType, sdp: &str) -> Description {
    Description { kind, sdp: sdp.to_owned() }
}

/// An offer of sound, pictures and data, and who made it.
fn offer() -> (Negotiator, String) {
    let mut a = negotiator(1);
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    a.add_transceiver(MediaKind::Video, send(&[])).unwrap();
    a.use_data_channels().unwrap();
    a.set_local_description(None).unwrap();
    let text = a.local_description().unwrap().sdp;
    (a, text)
}

/// Sets each broken description, and sees that the error names the section and that nothing has changed.
fn check(make: impl Fn() -> (Negotiator, SdpType, String), rows: &[(&str, &str, &str)]) {
    for (what, with, said) in rows {
        let (mut negotiator, kind, text) = make();
        let broken = text.replace(what, with);
        assert_ne!(broken, text, "{what:?} is there to be replaced");
        let before = (negotiator.signaling_state(), negotiator.negotiated(), negotiator.remote_description());
        let error = negotiator.set_remote_description(&described(kind, &broken)).unwrap_err().to_string();
        assert!(error.contains(said), "{what:?} to {with:?}: {error}");
        let after = (negotiator.signaling_state(), negotiator.negotiated(), negotiator.remote_description());
        assert_eq!(after, before, "{what:?} to {with:?}");
        // The sound one is still taken.
        negotiator.set_remote_description(&described(kind, &text)).unwrap();
    }
}

#[test]
fn unusable_offers() {
    let make = || (negotiator(2), SdpType::Offer, offer().1);
    check(
        make,
        &[
            ("v=0", "v=1", "line 1"),
            ("a=mid:1\r\n", "", "media section 1: `a=mid` is missing"),
            ("a=mid:1\r\n", "a=mid:0\r\n", "media section 1: its `a=mid` is that of another"),
            ("a=ice-ufrag", "a=x-ufrag", "media section 0: `a=ice-ufrag` is missing"),
            ("a=ice-pwd:", "a=ice-pwd:!", "media section 0: `a=ice-pwd` is missing or wrong"),
            ("a=fingerprint", "a=x-fingerprint", "media section 0: `a=fingerprint` is missing"),
            ("a=setup:actpass\r\n", "", "media section 0: `a=setup` is missing"),
            ("a=setup:actpass", "a=setup:holdconn", "media section 0: `a=setup:holdconn`"),
            ("a=rtcp-mux\r\n", "", "media section 0: `a=rtcp-mux` is missing"),
            ("a=rtpmap:96 VP8", "a=rtpmap:111 VP8", "media section 1: a payload type stands for two codecs"),
            ("a=extmap:10 ", "a=extmap:11 ", "media section 1: a number stands for two header extensions"),
        ],
    );
}

#[test]
fn unusable_answers() {
    let make = || {
        let (a, text) = offer();
        let mut b = negotiator(2);
        b.set_remote_description(&described(SdpType::Offer, &text)).unwrap();
        b.set_local_description(None).unwrap();
        (a, SdpType::Answer, b.local_description().unwrap().sdp)
    };
    check(
        make,
        &[
            ("m=application", "m=audio 0 X 0\r\nm=application", "not as many media sections"),
            ("m=video", "m=audio", "media section 1: it answers a section of another kind"),
            ("a=mid:1", "a=mid:7", "media section 1: its `a=mid` is not that of the offer"),
            ("BUNDLE 0 1 2", "BUNDLE 0 2", "media section 1: it is outside of the bundle"),
            ("BUNDLE", "LS", "media section 1: it is outside of the bundle"),
            ("a=setup:active", "a=setup:actpass", "media section 0: an answer has `a=setup:active`"),
            ("a=rtcp-mux\r\n", "", "media section 0: `a=rtcp-mux` is missing"),
        ],
    );
    let (mut a, _, text) = make();
    let broken = text.replace("m=video 9", "m=video 0").replace("a=mid:1", "a=mid:1\r\na=bundle-only");
    let error = a.set_remote_description(&described(SdpType::Answer, &broken)).unwrap_err();
    assert!(error.to_string().contains("bundle-only"), "{error}");
}

#[test]
fn directions_that_were_not_offered() {
    let mut a = negotiator(1);
    let init = TransceiverInit { direction: Direction::SendOnly, ..send(&[]) };
    a.add_transceiver(MediaKind::Audio, init).unwrap();
    a.set_local_description(None).unwrap();
    let mut b = negotiator(2);
    b.set_remote_description(&a.local_description().unwrap()).unwrap();
    b.set_local_description(None).unwrap();
    let answer = b.local_description().unwrap();
    let sdp = answer.sdp.replace("a=recvonly", "a=sendrecv");
    let error = a.set_remote_description(&Description { sdp, ..answer }).unwrap_err();
    assert!(error.to_string().contains("direction was not offered"), "{error}");
}

#[test]
fn offers_that_break_with_what_was_agreed() {
    let (mut a, text) = offer();
    let mut b = negotiator(2);
    b.set_remote_description(&described(SdpType::Offer, &text)).unwrap();
    b.set_local_description(None).unwrap();
    a.set_remote_description(&b.local_description().unwrap()).unwrap();
    for (what, with, said) in [
        ("m=audio", "m=text", "section 0: it carried something else before"),
        ("a=mid:1", "a=mid:9", "section 1: its `a=mid` has changed"),
    ] {
        let error =
            b.set_remote_description(&described(SdpType::Offer, &text.replace(what, with))).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let shorter = &text[..text.find("m=application").unwrap()];
    let error = b.set_remote_description(&described(SdpType::Offer, shorter)).unwrap_err();
    assert!(error.to_string().contains("fewer media sections"), "{error}");
}

#[test]
fn sections_that_are_not_understood_are_rejected() {
    let (_, text) = offer();
    for (what, with, rejected) in [
        ("BUNDLE 0 1 2", "BUNDLE 0 2", 1),
        ("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 SOMETHING", 1),
        ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=application 9 UDP/DTLS/SCTP other", 2),
        ("m=video 9", "m=video 0", 1),
        ("m=video", "m=image", 1),
    ] {
        let text = text.replace(what, with);
        let mut b = negotiator(2);
        b.set_remote_description(&described(SdpType::Offer, &text)).unwrap();
        b.set_local_description(None).unwrap();
        let answer = b.local_description().unwrap().sdp;
        crate::rules::check_answer(&text, &answer);
        let session = sdp::Session::parse(&answer).unwrap();
        let ports: Vec<_> = session.media.iter().map(|media| media.port != 0).collect();
        assert_eq!(ports, (0..3).map(|at| at != rejected).collect::<Vec<_>>(), "{with}");
        assert_eq!(b.transceivers().len(), if rejected == 1 { 1 } else { 2 });
    }
    // Nothing in common.
    let none = Config { video_codecs: vec![Codec::video(100, 101, "H999", "")], ..config() };
    let mut b = Negotiator::new(none, Rng::from_number(3)).unwrap();
    b.set_remote_description(&described(SdpType::Offer, &text)).unwrap();
    b.set_local_description(None).unwrap();
    assert_eq!(b.negotiated().transceivers.len(), 1);
}

#[test]
fn calls_at_the_wrong_time() {
    let (mut a, text) = offer();
    let mut b = negotiator(2);
    let (offer, answer) = (described(SdpType::Offer, &text), described(SdpType::Answer, &text));
    assert!(matches!(b.create_answer(), Err(Misuse::State(_, SignalingState::Stable))));
    assert!(matches!(b.set_remote_description(&answer), Err(RemoteError::Misuse(Misuse::State(..)))));
    assert!(matches!(b.set_local_description(Some(&answer)), Err(Misuse::State(..))));
    assert_eq!(a.set_local_description(Some(&offer)), Err(Misuse::Modified));
    b.set_remote_description(&offer).unwrap();
    assert!(matches!(b.create_offer(OfferOptions::default()), Err(Misuse::State(..))));
    let changed = Description { sdp: b.create_answer().unwrap().sdp + "a=x\r\n", kind: SdpType::Answer };
    assert_eq!(b.set_local_description(Some(&changed)), Err(Misuse::Modified));
    b.close();
    assert_eq!(b.use_data_channels(), Err(Misuse::Closed));
    assert_eq!(b.set_local_description(None), Err(Misuse::Closed));
    assert_eq!(b.set_remote_description(&offer), Err(RemoteError::Misuse(Misuse::Closed)));
    assert_eq!(events(&mut b).last(), Some(&Event::SignalingState(SignalingState::Closed)));
}

#[test]
fn configurations_are_checked() {
    let make = |config| Negotiator::new(config, Rng::from_number(1)).unwrap_err();
    assert_eq!(make(Config::default()), ConfigError::NoFingerprint);
    let audio_codecs = vec![Codec::new(72, "x", 1, None)];
    assert_eq!(make(Config { audio_codecs, ..config() }), ConfigError::PayloadType(72));
    let fingerprints = vec!["a\r\na=b".to_owned()];
    assert!(matches!(make(Config { fingerprints, ..config() }), ConfigError::LineBreak(_)));
    let header_extensions =
        vec![HeaderExtension { uri: "urn:x".to_owned(), id: 15, audio: true, video: true, codec: None }];
    assert_eq!(make(Config { header_extensions, ..config() }), ConfigError::ExtensionId(15));
}

#[test]
fn sections_are_bounded() {
    let config = || Config { max_sections: 2, ..config() };
    let mut a = Negotiator::new(config(), Rng::from_number(1)).unwrap();
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    a.add_transceiver(MediaKind::Audio, send(&[])).unwrap();
    assert_eq!(a.add_transceiver(MediaKind::Audio, send(&[])), Err(Misuse::TooMany));
    a.use_data_channels().unwrap();
    assert_eq!(a.set_local_description(None), Err(Misuse::TooMany));
    let mut b = Negotiator::new(config(), Rng::from_number(2)).unwrap();
    let error = b.set_remote_description(&described(SdpType::Offer, &offer().1)).unwrap_err();
    assert!(error.to_string().contains("max_sections"), "{error}");
}

/// Descriptions made to cost: as long as they may be, of whatever there can be many. They are read or refused; the
/// test runner says if one takes long.
#[test]
fn costly_descriptions_are_bounded() {
    let (_, text) = offer();
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let in_video = |lines: String| text.replace("a=mid:1\r\n", &format!("a=mid:1\r\n{lines}"));
    let section = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n";
    let mut taken = 0;
    for hostile in [
        in_video(many(15_000, &|n| format!("a=rtcp-fb:* x{n}\r\n"))),
        in_video(many(15_000, &|n| format!("a=fmtp:96 x{n}=1;apt=96\r\n"))),
        in_video(many(15_000, &|n| format!("a=extmap:{} urn:x{n}\r\n", 4096 + n % 256))),
        in_video(
            many(15_000, &|n| format!("a=rid:x{n} send\r\n"))
                + "a=simulcast:send y"
                + &";y".repeat(200_000)
                + "\r\n",
        ),
        in_video(
            many(15_000, &|n| format!("a=ssrc:{n} cname:x\r\na=ssrc-group:FID {n} {}\r\n", n + 1))[..400_000]
                .to_owned()
                + "0\r\n",
        ),
        in_video(many(15_000, &|n| format!("a=candidate:{n} 1 udp 1 192.0.2.1 1 typ host\r\n"))),
        text.replace("a=group:BUNDLE", &format!("a=group:BUNDLE{}\r\na=group:BUNDLE", " x".repeat(400_000))),
        text.clone()
            + &many(250, &|n| format!("{section}a=mid:m{n}\r\na=fmtp:96 profile-level-id={n:06x}\r\n")),
    ] {
        let mut b =
            Negotiator::new(Config { receive_simulcast: true, ..config() }, Rng::from_number(2)).unwrap();
        if b.set_remote_description(&described(SdpType::Offer, &hostile)).is_ok() {
            taken += 1;
            b.set_local_description(None).unwrap();
            assert!(b.local_description().unwrap().sdp.len() < 400_000);
            let ice = b.negotiated().ice.unwrap();
            assert!(ice.remote_candidates.len() <= 256);
            b.set_local_description(None).unwrap();
        }
    }
    assert!(taken >= 6, "most of them can be read: {taken}");
}

#[test]
fn lite_agents_are_controlled() {
    for (ours, theirs, controlling) in
        [(false, false, true), (true, false, false), (false, true, true), (true, true, true)]
    {
        let make = |ice_lite, seed| {
            Negotiator::new(Config { ice_lite, ..config() }, Rng::from_number(seed)).unwrap()
        };
        let (mut a, mut b) = (make(ours, 1), make(theirs, 2));
        a.use_data_channels().unwrap();
        negotiate(&mut a, &mut b);
        let (one, two) = (a.negotiated().ice.unwrap(), b.negotiated().ice.unwrap());
        assert_eq!((one.controlling, one.remote_lite), (controlling, theirs), "{ours} {theirs}");
        assert_eq!((two.controlling, two.remote_lite), (!controlling, ours), "{ours} {theirs}");
    }
}

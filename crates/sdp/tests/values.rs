use sdp::*;

const TOP: &str = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\n";

fn attribute(line: &str) -> Attribute {
    Session::parse(&format!("{TOP}a={line}\n")).unwrap().attributes.remove(0)
}

fn check<const N: usize>(rows: [(&str, Attribute, &str); N]) {
    for (line, value, printed) in rows {
        assert_eq!(attribute(line), value);
        assert_eq!(value.to_string(), printed);
    }
}

#[test]
fn attributes_of_the_session_are_read_and_printed() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    check([
        (
            "ice-options:ice2,trickle",
            Attribute::IceOptions(words("ice2 trickle")),
            "ice-options:ice2 trickle",
        ),
        ("setup:actpass", Attribute::Setup(Setup::ActPass), "setup:actpass"),
        (
            "group:BUNDLE 0 1",
            Attribute::Group(Group { semantics: "BUNDLE".to_owned(), mids: words("0 1") }),
            "group:BUNDLE 0 1",
        ),
    ]);
}

#[test]
fn attributes_of_media_are_read_and_printed() {
    check([
        (
            "rtpmap:111  opus/48000/2",
            Attribute::RtpMap(RtpMap {
                payload_type: 111,
                name: "opus".to_owned(),
                clock_rate: 48_000,
                channels: Some(2),
            }),
            "rtpmap:111 opus/48000/2",
        ),
        (
            "rtcp-fb:* nack  pli ",
            Attribute::RtcpFb(RtcpFeedback { payload_type: None, feedback: "nack pli".to_owned() }),
            "rtcp-fb:* nack pli",
        ),
        (
            "extmap:2/recvonly urn:x a=1",
            Attribute::ExtMap(ExtMap {
                id: 2,
                direction: Some(Direction::RecvOnly),
                uri: "urn:x".to_owned(),
                attributes: Some("a=1".to_owned()),
            }),
            "extmap:2/recvonly urn:x a=1",
        ),
        (
            "ssrc:7 msid:a b",
            Attribute::Ssrc(Ssrc { ssrc: 7, attribute: "msid".to_owned(), value: Some("a b".to_owned()) }),
            "ssrc:7 msid:a b",
        ),
        (
            "ssrc-group:FID 1 2",
            Attribute::SsrcGroup(SsrcGroup { semantics: "FID".to_owned(), ssrcs: vec![1, 2] }),
            "ssrc-group:FID 1 2",
        ),
    ]);
}

#[test]
fn attributes_of_simulcast_and_data_are_read_and_printed() {
    let stream = |rid: &str, paused| SimulcastStream { rid: rid.to_owned(), paused };
    check([
        (
            "rid:h send pt=96,97;max-width=1280",
            Attribute::Rid(Rid {
                id: "h".to_owned(),
                direction: RidDirection::Send,
                payload_types: vec![96, 97],
                restrictions: vec![Restriction {
                    name: "max-width".to_owned(),
                    value: Some("1280".to_owned()),
                }],
            }),
            "rid:h send pt=96,97;max-width=1280",
        ),
        (
            "simulcast: recv c send a,~b;d",
            Attribute::Simulcast(Simulcast {
                send: vec![vec![stream("a", false), stream("b", true)], vec![stream("d", false)]],
                recv: vec![vec![stream("c", false)]],
            }),
            "simulcast:send a,~b;d recv c",
        ),
        (
            "sctpmap:5000 webrtc-datachannel 1024",
            Attribute::SctpMap(SctpMap {
                port: 5000,
                protocol: "webrtc-datachannel".to_owned(),
                streams: Some(1024),
            }),
            "sctpmap:5000 webrtc-datachannel 1024",
        ),
        ("msid:s", Attribute::Msid(Msid { stream: "s".to_owned(), track: None }), "msid:s"),
        ("inactive", Attribute::Direction(Direction::Inactive), "inactive"),
        ("ptime:20", Attribute::Ptime(20), "ptime:20"),
        ("sctp-init:AQAAAA==", Attribute::SctpInit("AQAAAA==".to_owned()), "sctp-init:AQAAAA=="),
        (
            "ptime:2.5",
            Attribute::Other(Unknown { name: "ptime".to_owned(), value: Some("2.5".to_owned()) }),
            "ptime:2.5",
        ),
        (
            "imageattr:97 send [x=800,y=640] recv [x=330,y=250]",
            Attribute::Other(Unknown {
                name: "imageattr".to_owned(),
                value: Some("97 send [x=800,y=640] recv [x=330,y=250]".to_owned()),
            }),
            "imageattr:97 send [x=800,y=640] recv [x=330,y=250]",
        ),
    ]);
}

#[test]
fn lines_stand_where_they_stood() {
    let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=A talk\r\ni=About SDP\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\n\
                t=0 0\r\nr=7d 1h 0 25h\r\na=tool:x\r\nm=audio 5004/2 RTP/AVP 0\r\nb=TIAS:50000\r\n";
    let session = Session::parse(text).unwrap();
    assert_eq!(session.to_string(), text);
    let bandwidth = Bandwidth { kind: "TIAS".to_owned(), value: 50_000 };
    assert_eq!(session.media[0].lines, [Line::Bandwidth(bandwidth)]);
    assert_eq!((session.media[0].port, session.media[0].ports), (5004, Some(2)));
    assert_eq!(text.parse(), Ok(session));
}

#[test]
fn what_a_section_does_not_say_the_session_says() {
    let text = format!(
        "{TOP}a=recvonly\na=setup:active\nm=audio 9 X 0\nm=video 9 X 0\na=sendonly\nm=text 0 X 0\n\
                        a=bundle-only\nm=text 0 X 0\n"
    );
    let session = Session::parse(&text).unwrap();
    let directions: Vec<_> = session.media.iter().map(|media| session.direction(media)).collect();
    assert_eq!(directions[..2], [Direction::RecvOnly, Direction::SendOnly]);
    let setup = |attribute: &Attribute| matches!(attribute, Attribute::Setup(_)).then_some(());
    assert!(session.lookup(&session.media[0], setup).is_some());
    let rejected: Vec<_> = session.media.iter().map(Media::is_rejected).collect();
    assert_eq!(rejected, [false, false, false, true]);
}

#[test]
fn directions_are_two_bits() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (direction, reversed) in
        [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        assert_eq!(direction.reversed(), reversed);
        assert_eq!(direction.and(SendRecv), direction);
        assert_eq!(Direction::new(direction.sends(), direction.receives()), direction);
    }
    assert_eq!(SendOnly.and(RecvOnly), Inactive);
}

#[test]
fn parameters_are_found_without_regard_to_case() {
    let Attribute::Fmtp(fmtp) = attribute("fmtp:102 Profile-Level-Id=42e01f; packetization-mode=1;x") else {
        panic!("an fmtp");
    };
    assert_eq!(fmtp.get("profile-level-id"), Some("42e01f"));
    assert_eq!(fmtp.get("packetization-mode"), Some("1"));
    assert_eq!(fmtp.get("x"), None);
}

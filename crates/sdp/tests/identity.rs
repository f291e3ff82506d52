use proptest::prelude::*;
use sdp::*;

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+/_-]{1,12}"
}

fn text() -> impl Strategy<Value = String> {
    "[!-~]{1,8}( [!-~]{1,8}){0,3}"
}

fn payload() -> impl Strategy<Value = u8> {
    0..128u8
}

fn direction() -> impl Strategy<Value = Direction> {
    (any::<bool>(), any::<bool>()).prop_map(|(send, recv)| Direction::new(send, recv))
}

fn transport() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        token().prop_map(Attribute::IceUfrag),
        token().prop_map(|password| Attribute::IcePwd(Password(password))),
        prop::collection::vec(token(), 0..3).prop_map(Attribute::IceOptions),
        Just(Attribute::IceLite),
        text().prop_map(Attribute::Candidate),
        Just(Attribute::EndOfCandidates),
        text().prop_map(Attribute::Fingerprint),
        prop::sample::select(vec![Setup::ActPass, Setup::Active, Setup::Passive, Setup::HoldConn])
            .prop_map(Attribute::Setup),
        token().prop_map(Attribute::Mid),
        (token(), prop::collection::vec(token(), 0..4))
            .prop_map(|(semantics, mids)| Attribute::Group(Group { semantics, mids })),
        any::<u16>().prop_map(Attribute::SctpPort),
        any::<u64>().prop_map(Attribute::MaxMessageSize),
        (any::<u16>(), token(), any::<Option<u32>>())
            .prop_map(|(port, protocol, streams)| Attribute::SctpMap(SctpMap { port, protocol, streams })),
        token().prop_map(Attribute::SctpInit),
    ]
}

fn stream() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (token(), prop::option::of(token()))
            .prop_map(|(stream, track)| Attribute::Msid(Msid { stream, track })),
        Just(Attribute::RtcpMux),
        Just(Attribute::BundleOnly),
        Just(Attribute::RtcpRsize),
        (prop::option::of(payload()), token())
            .prop_map(|(payload_type, feedback)| Attribute::RtcpFb(RtcpFeedback { payload_type, feedback })),
        (payload(), "[a-zA-Z0-9-]{1,9}", any::<u32>(), any::<Option<u16>>()).prop_map(
            |(payload_type, name, clock_rate, channels)| {
                Attribute::RtpMap(RtpMap { payload_type, name, clock_rate, channels })
            }
        ),
        (payload(), text())
            .prop_map(|(payload_type, parameters)| Attribute::Fmtp(Fmtp { payload_type, parameters })),
        (1..256u16, prop::option::of(direction()), token(), prop::option::of(text())).prop_map(
            |(id, direction, uri, attributes)| Attribute::ExtMap(ExtMap { id, direction, uri, attributes })
        ),
        (any::<u32>(), "[a-z-]{1,8}", prop::option::of(text()))
            .prop_map(|(ssrc, attribute, value)| Attribute::Ssrc(Ssrc { ssrc, attribute, value })),
        (token(), prop::collection::vec(any::<u32>(), 0..4))
            .prop_map(|(semantics, ssrcs)| Attribute::SsrcGroup(SsrcGroup { semantics, ssrcs })),
        rid().prop_map(Attribute::Rid),
        simulcast().prop_map(Attribute::Simulcast),
        direction().prop_map(Attribute::Direction),
        any::<u32>().prop_map(Attribute::Ptime),
        ("x-[a-z]{1,8}", prop::option::of("[ -~é]{0,20}"))
            .prop_map(|(name, value)| Attribute::Other(Unknown { name, value })),
    ]
}

fn rid() -> impl Strategy<Value = Rid> {
    let restriction = ("[a-oq-z-]{1,8}", prop::option::of("[0-9a-z]{0,5}"))
        .prop_map(|(name, value)| Restriction { name, value });
    (
        "[a-zA-Z0-9_-]{1,8}",
        any::<bool>(),
        prop::collection::vec(payload(), 0..3),
        prop::collection::vec(restriction, 0..3),
    )
        .prop_map(|(id, send, payload_types, restrictions)| Rid {
            id,
            direction: if send { RidDirection::Send } else { RidDirection::Recv },
            payload_types,
            restrictions,
        })
}

fn simulcast() -> impl Strategy<Value = Simulcast> {
    let one = ("[a-z0-9]{1,4}", any::<bool>()).prop_map(|(rid, paused)| SimulcastStream { rid, paused });
    let streams = prop::collection::vec(prop::collection::vec(one, 1..3), 0..3);
    (streams.clone(), streams)
        .prop_map(|(send, recv)| Simulcast { send, recv })
        .prop_filter("one direction at least", |simulcast| *simulcast != Simulcast::default())
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    prop::collection::vec(prop_oneof![transport(), stream()], 0..12)
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(
        prop_oneof![
            text().prop_map(Line::Connection),
            (token(), any::<u64>()).prop_map(|(kind, value)| Line::Bandwidth(Bandwidth { kind, value })),
            ("[iteprzk]", text()).prop_map(|(kind, value)| Line::Other(kind.chars().next().unwrap(), value)),
        ],
        0..4,
    )
}

fn media() -> impl Strategy<Value = Media> {
    let head = ("[a-z]{1,8}", any::<u16>(), any::<Option<u16>>(), token());
    (head, prop::collection::vec(token(), 1..4), lines(), attributes()).prop_map(
        |((kind, port, ports, protocol), formats, lines, attributes)| Media {
            kind: Kind::from(kind.as_str()),
            port,
            ports,
            protocol,
            formats,
            lines,
            attributes,
        },
    )
}

fn session() -> impl Strategy<Value = Session> {
    let origin = (token(), "[0-9]{1,20}", any::<u64>(), text()).prop_map(
        |(username, session_id, version, address)| Origin { username, session_id, version, address },
    );
    (origin, text(), lines(), attributes(), prop::collection::vec(media(), 0..4)).prop_map(
        |(origin, name, lines, attributes, media)| Session { origin, name, lines, attributes, media },
    )
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(session in session()) {
        let printed = session.to_string();
        prop_assert_eq!(Session::parse(&printed), Ok(session));
    }

    #[test]
    fn what_can_be_read_is_printed_as_the_same(text in "(a=[ -~]{0,20}\r?\n|m=[ -~]{0,20}\n|[a-z]=[ -~]{0,9}\n){0,12}") {
        let text = format!("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\n{text}");
        if let Ok(session) = Session::parse(&text) {
            prop_assert_eq!(Session::parse(&session.to_string()), Ok(session));
        }
    }
}

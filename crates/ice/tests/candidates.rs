//! Candidate lines as real peers write them.

use ice::{Address, Candidate, CandidateKind, ParseError, Protocol, TcpType};
use proptest::prelude::*;
use std::net::SocketAddr;

/// The parts that matter: protocol, priority, address, port, kind, related, tcptype, ufrag.
type Parts<'a> =
    (Protocol, u32, &'a str, u16, CandidateKind, Option<&'a str>, Option<TcpType>, Option<&'a str>);

const UDP: Protocol = Protocol::Udp;
const TCP: Protocol = Protocol::Tcp;
const HOST: CandidateKind = CandidateKind::Host;
const SRFLX: CandidateKind = CandidateKind::ServerReflexive;
const PRFLX: CandidateKind = CandidateKind::PeerReflexive;
const RELAY: CandidateKind = CandidateKind::Relayed;

const LINES: [(&str, Parts<'static>); 17] = [
    // Chromium
    (
        "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EEtu network-id 3 network-cost 10",
        (UDP, 1_677_729_535, "203.0.113.7", 46154, SRFLX, Some("0.0.0.0:0"), None, Some("EEtu")),
    ),
    (
        "candidate:2442523459 1 udp 2122262783 2001:db8::5f2 60120 typ host generation 0 ufrag Q3Pz network-id 2 network-cost 50",
        (UDP, 2_122_262_783, "2001:db8::5f2", 60120, HOST, None, None, Some("Q3Pz")),
    ),
    (
        "candidate:1052353102 1 tcp 1518280447 192.168.1.5 9 typ host tcptype active generation 0 ufrag abcd network-id 1",
        (TCP, 1_518_280_447, "192.168.1.5", 9, HOST, None, Some(TcpType::Active), Some("abcd")),
    ),
    (
        "a=candidate:1467250027 1 udp 2122260223 6f1a4f4e-4a0f-4a9e-8d3c-111122223333.local 56143 typ host generation 0",
        (UDP, 2_122_260_223, "6f1a4f4e-4a0f-4a9e-8d3c-111122223333.local", 56143, HOST, None, None, None),
    ),
    (
        "candidate:3 1 udp 41885695 198.51.100.9 61001 typ relay raddr 203.0.113.7 rport 46154 generation 0 ufrag EEtu network-cost 999",
        (UDP, 41_885_695, "198.51.100.9", 61001, RELAY, Some("203.0.113.7:46154"), None, Some("EEtu")),
    ),
    // Firefox
    (
        "candidate:0 1 UDP 2122252543 a1b2c3d4-0000-4000-8000-5e6f7a8b9c0d.local 51234 typ host",
        (UDP, 2_122_252_543, "a1b2c3d4-0000-4000-8000-5e6f7a8b9c0d.local", 51234, HOST, None, None, None),
    ),
    (
        "candidate:2 1 TCP 2105524479 192.168.0.12 9 typ host tcptype active",
        (TCP, 2_105_524_479, "192.168.0.12", 9, HOST, None, Some(TcpType::Active), None),
    ),
    (
        "candidate:1 1 UDP 1686052863 203.0.113.9 51234 typ srflx raddr 0.0.0.0 rport 0",
        (UDP, 1_686_052_863, "203.0.113.9", 51234, SRFLX, Some("0.0.0.0:0"), None, None),
    ),
    // Safari
    (
        "a=candidate:3098175849 1 udp 2113937151 192.168.2.30 52301 typ host generation 0 network-cost 999",
        (UDP, 2_113_937_151, "192.168.2.30", 52301, HOST, None, None, None),
    ),
    (
        "candidate:842163049 1 udp 1677729535 203.0.113.3 52301 typ srflx raddr 192.168.2.30 rport 52301 generation 0 ufrag +Kq/ network-cost 999",
        (UDP, 1_677_729_535, "203.0.113.3", 52301, SRFLX, Some("192.168.2.30:52301"), None, Some("+Kq/")),
    ),
    // Pion
    (
        "candidate:foundation 1 udp 2130706431 10.0.75.1 53634 typ host",
        (UDP, 2_130_706_431, "10.0.75.1", 53634, HOST, None, None, None),
    ),
    (
        "3628985204 1 udp 2130706431 fe80::1 5000 typ host",
        (UDP, 2_130_706_431, "fe80::1", 5000, HOST, None, None, None),
    ),
    (
        "candidate:4207374052 1 tcp 1685790463 172.28.142.216 8443 typ host tcptype passive",
        (TCP, 1_685_790_463, "172.28.142.216", 8443, HOST, None, Some(TcpType::Passive), None),
    ),
    (
        "candidate:750 1 udp 500 fcd9:e3b8:12ce:9fc5:74a5:c6bb:d8b:e08a 53987 typ prflx raddr 10.0.0.1 rport 5",
        (UDP, 500, "fcd9:e3b8:12ce:9fc5:74a5:c6bb:d8b:e08a", 53987, PRFLX, Some("10.0.0.1:5"), None, None),
    ),
    // libdatachannel (libjuice)
    (
        "a=candidate:1 1 UDP 2122317823 192.168.1.40 39876 typ host",
        (UDP, 2_122_317_823, "192.168.1.40", 39876, HOST, None, None, None),
    ),
    (
        "candidate:2 1 UDP 1686109951 203.0.113.40 39876 typ srflx raddr 0.0.0.0 rport 0",
        (UDP, 1_686_109_951, "203.0.113.40", 39876, SRFLX, Some("0.0.0.0:0"), None, None),
    ),
    // RFC 6544 before its type was common: it accepts connections
    (
        "candidate:9 1 TCP 1019216383 192.0.2.9 4443 typ host",
        (TCP, 1_019_216_383, "192.0.2.9", 4443, HOST, None, Some(TcpType::Passive), None),
    ),
];

#[test]
fn lines_of_real_peers() {
    for (line, expected) in LINES {
        let with_prefix =
            if line.contains("candidate:") { line.to_owned() } else { format!("candidate:{line}") };
        let c: Candidate = with_prefix.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let address = match &c.address {
            Address::Ip(ip) => ip.to_string(),
            Address::Name(name) => name.clone(),
        };
        let related = c.related.map(|related| related.to_string());
        let parts: Parts<'_> = (
            c.protocol,
            c.priority,
            &address,
            c.port,
            c.kind,
            related.as_deref(),
            c.tcp_type,
            c.ufrag.as_deref(),
        );
        assert_eq!(parts, expected, "{line}");
        assert_eq!(c.component, 1);
        assert_eq!(c.to_string().parse(), Ok(c), "{line}");
    }
}

#[test]
fn unknown_extensions_are_kept_in_order() {
    let line = "candidate:1 1 udp 1 192.0.2.1 2 typ host generation 0 network-id 3 x y";
    let candidate: Candidate = line.parse().unwrap();
    assert_eq!(candidate.extensions.len(), 3);
    assert_eq!(candidate.to_string(), line);
}

#[test]
fn what_is_no_candidate_is_named() {
    let long = format!("candidate:1 1 udp 1 192.0.2.1 2 typ host x {}", "y".repeat(1024));
    for (line, expected) in [
        ("", ParseError::NotACandidate),
        ("candidate", ParseError::NotACandidate),
        (long.as_str(), ParseError::NotACandidate),
        ("candidate:", ParseError::Missing("foundation")),
        ("candidate:1 1 udp", ParseError::Missing("priority")),
        ("candidate:1 1 udp 1 192.0.2.1 2", ParseError::Missing("type")),
        ("candidate:1 1 udp 1 192.0.2.1 2 typ", ParseError::Missing("type")),
        ("candidate:1 1 udp 1 192.0.2.1 2 type host", ParseError::Invalid("type")),
        ("candidate:1 x udp 1 192.0.2.1 2 typ host", ParseError::Invalid("component")),
        ("candidate:1 1 udp +1 192.0.2.1 2 typ host", ParseError::Invalid("priority")),
        ("candidate:1 1 udp 4294967296 192.0.2.1 2 typ host", ParseError::Invalid("priority")),
        ("candidate:1 1 udp 1 192.0.2.256 2 typ host", ParseError::Invalid("address")),
        ("candidate:1 1 udp 1 1.2.3 2 typ host", ParseError::Invalid("address")),
        ("candidate:1 1 udp 1 fe80::1%eth0 2 typ host", ParseError::Invalid("address")),
        ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", ParseError::Invalid("port")),
        (
            "candidate:1 1 udp 1 192.0.2.1 2 typ host raddr 192.0.2.1 rport x",
            ParseError::Invalid("related port"),
        ),
        ("candidate:1 1 udp 1 192.0.2.1 2 typ host tcptype active", ParseError::Invalid("tcptype")),
        ("candidate:1 1 tcp 1 192.0.2.1 2 typ host tcptype both", ParseError::Invalid("tcptype")),
        ("candidate:1 1 ssltcp 1 192.0.2.1 443 typ host", ParseError::UnknownProtocol),
        ("candidate:1 1 udp 1 192.0.2.1 2 typ magic", ParseError::UnknownKind),
        (
            "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 2 typ host",
            ParseError::Invalid("foundation"),
        ),
    ] {
        assert_eq!(line.parse::<Candidate>(), Err(expected), "{line}");
    }
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| Address::Ip(ip.into())),
        // An IPv6 address that maps IPv4 is read as IPv4.
        any::<std::net::Ipv6Addr>()
            .prop_filter("mapped", |ip| ip.to_ipv4_mapped().is_none())
            .prop_map(|ip| Address::Ip(ip.into())),
        "[a-z][a-z0-9-]{0,30}\\.local".prop_map(Address::Name),
    ];
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::ServerReflexive),
        Just(CandidateKind::PeerReflexive),
        Just(CandidateKind::Relayed)
    ];
    let carrier = prop_oneof![
        Just((Protocol::Udp, None)),
        Just((Protocol::Tcp, Some(TcpType::Active))),
        Just((Protocol::Tcp, Some(TcpType::Passive))),
        Just((Protocol::Tcp, Some(TcpType::SimultaneousOpen)))
    ];
    let extension = ("x-[a-z]{1,8}", "[!-~]{1,20}");
    (
        ("[A-Za-z0-9+/]{1,32}", 1..=256u16, any::<u32>(), any::<u16>(), address, kind, carrier),
        proptest::option::of(any::<(std::net::Ipv4Addr, u16)>()),
        proptest::option::of("[A-Za-z0-9+/]{4,32}"),
        proptest::collection::vec(extension, 0..4),
    )
        .prop_map(|(fixed, related, ufrag, extensions)| {
            let (foundation, component, priority, port, address, kind, (protocol, tcp_type)) = fixed;
            let related = related.map(|(ip, port)| SocketAddr::from((ip, port)));
            Candidate {
                foundation,
                component,
                protocol,
                priority,
                address,
                port,
                kind,
                related,
                tcp_type,
                ufrag,
                extensions,
            }
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(candidate in any_candidate()) {
        prop_assert_eq!(candidate.to_string().parse(), Ok(candidate));
    }
}

use sdp::{MAX_LENGTH, MAX_LINES, MAX_SECTIONS, Session};

const GOOD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

#[test]
fn mistakes_are_told_with_their_line_and_what_would_be_right() {
    for (text, line, part) in [
        ("", 1, "`v=0`"),
        ("v=1\r\n", 1, "`v=0`"),
        ("hello", 1, "`v=0`"),
        ("v=0\r\ns=-\r\n", 2, "`o=- <id> <version>"),
        ("v=0\r\no=- one 1 IN IP4 127.0.0.1\r\ns=-\r\n", 2, "`o=- <id> <version>"),
        ("v=0\r\no=- 1 1\r\ns=-\r\n", 2, "`o=- <id> <version>"),
        ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nt=0 0\r\n", 3, "`s=-`"),
    ] {
        let error = Session::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.what.contains(part), "{text:?}: {error}");
    }
    for (line, part) in [
        ("", "a letter, `=` and a value"),
        ("attribute", "a letter, `=` and a value"),
        ("1=x", "a letter, `=` and a value"),
        ("v=0", "once"),
        ("a=", "a name"),
        ("a=:x", "a name"),
        ("a=mid", "a colon"),
        ("a=mid:", "a=mid:<token>"),
        ("a=mid:a b", "a=mid:<token>"),
        ("a=x\0y", "zero bytes"),
        ("a=x\ry", "carriage returns"),
        ("m=audio", "m=<kind>"),
        ("m=audio 65536 RTP/AVP 0", "m=<kind>"),
        ("m=audio 9 RTP/AVP", "m=<kind>"),
        ("b=AS", "b=<AS"),
        ("b=AS:much", "b=<AS"),
        ("a=rtpmap:128 opus/48000", "a=rtpmap:<0 to 127>"),
        ("a=rtpmap:111 opus", "a=rtpmap:<0 to 127>"),
        ("a=rtpmap:111 opus/48000/2/3", "a=rtpmap:<0 to 127>"),
        ("a=fmtp:300 x=1", "a=fmtp:<0 to 127>"),
        ("a=rtcp-fb:96", "a=rtcp-fb:<0 to 127"),
        ("a=extmap:0 urn:x", "a=extmap:<1 to 255>"),
        ("a=extmap:256 urn:x", "a=extmap:<1 to 255>"),
        ("a=extmap:1/sometimes urn:x", "sendrecv"),
        ("a=ssrc:4294967296 cname:x", "a=ssrc:<0 to"),
        ("a=ssrc-group:FID x", "a=ssrc-group"),
        ("a=rid:é send", "a=rid:<id>"),
        ("a=rid:a both", "a=rid:<id>"),
        ("a=rid:a send max-fps=3;pt=96", "a=rid:<id>"),
        ("a=simulcast:send", "a=simulcast:<send"),
        ("a=simulcast:send a send b", "a=simulcast:<send"),
        ("a=simulcast:send a;;b", "a=simulcast:<send"),
        ("a=setup:maybe", "a=setup:actpass"),
        ("a=sctp-port:70000", "a=sctp-port"),
        ("a=max-message-size:-1", "a=max-message-size"),
        ("a=sctpmap:5000", "a=sctpmap"),
        ("a=msid:a b c", "a=msid"),
        ("a=candidate:", "a=candidate"),
        ("a=fingerprint", "a colon"),
        ("a=group:", "a=group"),
    ] {
        let error = Session::parse(&format!("{GOOD}{line}\r\na=after\r\n")).unwrap_err();
        assert_eq!(error.line, 5, "{line:?}: {error}");
        assert!(error.what.contains(part), "{line:?}: {error}");
    }
}

#[test]
fn a_password_is_in_no_error_and_in_no_debug_output() {
    let error = Session::parse(&format!("{GOOD}a=ice-pwd:top secret\r\n")).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let text = format!("{GOOD}a=ice-pwd:secret\r\na=crypto:1 AES secret\r\n");
    let session = Session::parse(&text).unwrap();
    assert!(!format!("{session:?}").contains("secret"));
    assert_eq!(session.to_string(), text);
}

#[test]
fn limits_hold_at_their_boundary() {
    let attributes = |count: usize| format!("{GOOD}{}", "a=x\r\n".repeat(count));
    assert!(Session::parse(&attributes(MAX_LINES - 4)).is_ok());
    assert_eq!(Session::parse(&attributes(MAX_LINES - 3)).unwrap_err().line, MAX_LINES + 1);
    let sections = |count: usize| format!("{GOOD}{}", "m=audio 9 RTP/AVP 0\r\n".repeat(count));
    assert!(Session::parse(&sections(MAX_SECTIONS)).is_ok());
    assert_eq!(Session::parse(&sections(MAX_SECTIONS + 1)).unwrap_err().line, MAX_SECTIONS + 5);
    let long = |length: usize| format!("{GOOD}a={}", "x".repeat(length - GOOD.len() - 2));
    assert!(Session::parse(&long(MAX_LENGTH)).is_ok());
    assert!(Session::parse(&long(MAX_LENGTH + 1)).unwrap_err().what.contains("too many"));
}

use sdp::Session;

/// Reads a description. What can be read is printed as something that reads the same.
pub fn sdp_session(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Session::parse(text) {
        Ok(session) => {
            let printed = session.to_string();
            assert_eq!(Session::parse(&printed).as_ref(), Ok(&session), "{printed}");
        }
        Err(error) => assert!(error.line <= text.lines().count().max(1), "{error}"),
    }
}

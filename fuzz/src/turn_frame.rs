use turn::frame;

/// Cuts a stream into messages: every message is whole, aligned, and found the same however the bytes arrive.
pub fn turn_frame(data: &[u8]) {
    let mut rest = data;
    loop {
        let found = frame::next(rest);
        for cut in 0..rest.len().min(64) {
            match frame::next(&rest[..cut]) {
                // Fewer bytes never tell more than all of them.
                Ok(Some(len)) => assert_eq!(found, Ok(Some(len))),
                Ok(None) => {}
                Err(malformed) => assert_eq!(found, Err(malformed)),
            }
        }
        match found {
            Ok(Some(len)) => {
                assert!((4..=frame::MAX_LEN).contains(&len) && len.is_multiple_of(4) && len <= rest.len());
                rest = &rest[len..];
            }
            Ok(None) => {
                assert!(rest.len() < frame::MAX_LEN, "a full message is found");
                return;
            }
            Err(_) => return,
        }
    }
}

use ice::Candidate;

/// Reads a candidate line. What is read is written and read as the same, and stays small.
pub fn ice_candidate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(candidate) = text.parse::<Candidate>() else { return };
    assert!(text.len() < 1100 || text.trim_ascii().len() <= 1024);
    assert!(candidate.extensions.len() <= 16 && !candidate.foundation.is_empty());
    let line = candidate.to_string();
    assert_eq!(line.parse(), Ok(candidate), "{line}");
}

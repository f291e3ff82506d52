use std::fmt;

/// Why a text is no session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line with the mistake, counted from 1.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ParseError {}

/// A value that cannot be read: what it should look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// The error for a line; `got` is quoted as far as it helps.
    pub(crate) fn at(self, line: usize, got: &str) -> ParseError {
        ParseError { line, what: format!("`{}` cannot be read; it should be {}", excerpt(got), self.0) }
    }
}

/// The beginning of a line for an error. A password is not repeated: errors end up in logs.
fn excerpt(line: &str) -> String {
    const LONGEST: usize = 80;
    if let Some(name) = ["a=ice-pwd:", "a=crypto:"].into_iter().find(|name| line.starts_with(name)) {
        return format!("{name}…");
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A value with a text form. `FromStr` is not it, because the error knows no line yet.
pub(crate) trait Read: Sized {
    /// Reads the whole of `value`.
    fn read(value: &str) -> Result<Self, Malformed>;
}

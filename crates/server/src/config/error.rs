use std::fmt;

use super::Origin;

/// A configuration that cannot be used: what was wrong, where it stands and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// No key has this name.
    UnknownKey {
        /// As it was written.
        name: String,
        /// Where.
        origin: Origin,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The value of a key is not one of those allowed.
    BadValue {
        /// The key.
        key: &'static str,
        /// As it was written.
        value: String,
        /// Where.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two keys do not go together, or one is missing.
    Conflict {
        /// The key to change first.
        key: &'static str,
        /// Where it stands.
        origin: Origin,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The file is not TOML.
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        problem: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// Which.
        path: String,
        /// What the system says.
        problem: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { name, origin, nearest: Some(nearest) } => {
                write!(f, "{origin}: there is no key `{name}`; did you mean `{nearest}`?")
            }
            Self::UnknownKey { name, origin, nearest: None } => {
                write!(f, "{origin}: there is no key `{name}`; `visavis config` lists all of them")
            }
            Self::BadValue { key, value, origin, problem, allowed } => {
                write!(f, "{origin}: `{value}` is not a value for `{key}`: {problem}. Allowed: {allowed}")
            }
            Self::Conflict { key, origin, problem } => write!(f, "{origin}: `{key}`: {problem}"),
            Self::Syntax { origin, problem } => write!(f, "{origin}: this is not TOML: {problem}"),
            Self::Unreadable { path, problem } => {
                write!(f, "{path}: cannot read the configuration: {problem}")
            }
        }
    }
}

impl std::error::Error for Error {}

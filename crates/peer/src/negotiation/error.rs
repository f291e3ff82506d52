//! What a program can do wrong, and what the other side's description can have wrong.

use super::SignalingState;
use std::fmt;

/// A call that cannot be obeyed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The negotiation is closed.
    Closed,
    /// Not in this state: what was asked for, and the state.
    State(&'static str, SignalingState),
    /// The local description is not the one that `create_offer` or `create_answer` gave last.
    Modified,
    /// There is no such transceiver, or it has been stopped.
    NoTransceiver,
    /// There would be more media sections than `Config::max_sections`.
    TooMany,
    /// A stream or encoding name that cannot stand in a description.
    Name(String),
    /// The codecs given are none, or not among the configured ones.
    Codecs,
    /// A candidate came before any remote description.
    NoRemoteDescription,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the negotiation is closed; make a new one"),
            Self::State(what, state) => {
                write!(f, "{what} is not possible in state {state}; {}", advice(*state))
            }
            Self::Modified => f.write_str(
                "this is not the description that was created last; pass it unchanged, or pass none at all",
            ),
            Self::NoTransceiver => f.write_str("there is no such transceiver, or it is stopped; add another"),
            Self::TooMany => {
                f.write_str("too many media sections; stop transceivers or raise `max_sections`")
            }
            Self::Name(name) => {
                write!(f, "{name:?} cannot be a name here; use letters, digits, - and _, each name once")
            }
            Self::Codecs => {
                f.write_str("no configured codec of the right kind is among these; name at least one")
            }
            Self::NoRemoteDescription => {
                f.write_str("a candidate before any remote description; keep it until one has been set")
            }
        }
    }
}

fn advice(state: SignalingState) -> &'static str {
    match state {
        SignalingState::Stable => "nothing is being negotiated: begin with an offer",
        SignalingState::HaveLocalOffer => "wait for the answer, or roll the local offer back",
        SignalingState::HaveRemoteOffer => "answer the remote offer, or roll it back",
        SignalingState::HaveLocalPranswer => "set the local answer first",
        SignalingState::HaveRemotePranswer => "wait for the remote answer",
        SignalingState::Closed => "make a new one",
    }
}

impl std::error::Error for Misuse {}

/// Why a remote description was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteError {
    /// It came at the wrong time.
    Misuse(Misuse),
    /// It cannot be read.
    Parse(sdp::ParseError),
    /// It can be read, but not be used.
    Unusable {
        /// The media section, counted from 0; `None` for the session as a whole.
        section: Option<usize>,
        /// What is wrong, and what would be right.
        what: &'static str,
    },
}

impl RemoteError {
    pub(super) fn section(section: usize, what: &'static str) -> Self {
        Self::Unusable { section: Some(section), what }
    }

    pub(super) fn session(what: &'static str) -> Self {
        Self::Unusable { section: None, what }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Parse(error) => write!(f, "the remote description cannot be read: {error}"),
            Self::Unusable { section: Some(section), what } => {
                write!(f, "the remote description cannot be used: media section {section}: {what}")
            }
            Self::Unusable { section: None, what } => {
                write!(f, "the remote description cannot be used: {what}")
            }
        }
    }
}

impl std::error::Error for RemoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Misuse(misuse) => Some(misuse),
            Self::Parse(error) => Some(error),
            Self::Unusable { .. } => None,
        }
    }
}

impl From<Misuse> for RemoteError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<sdp::ParseError> for RemoteError {
    fn from(error: sdp::ParseError) -> Self {
        Self::Parse(error)
    }
}

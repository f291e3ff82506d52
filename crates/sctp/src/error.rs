use std::fmt;

/// Why an association ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// By agreement, after [`crate::Association::shutdown`] of either side.
    Shutdown,
    /// By [`crate::Association::abort`] on this side.
    LocalAbort,
    /// The peer sent ABORT; the number is its first error cause (RFC 9260 §3.3.10), zero if it gave none.
    RemoteAbort(u16),
    /// The peer does not answer any more.
    Timeout,
    /// The peer broke the protocol in a way that cannot be passed over, which an ABORT told it.
    ProtocolViolation,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("shut down"),
            Self::LocalAbort => f.write_str("aborted by this side"),
            Self::RemoteAbort(cause) => write!(f, "aborted by the peer with cause {cause}"),
            Self::Timeout => f.write_str("the peer does not answer any more"),
            Self::ProtocolViolation => f.write_str("the peer broke the protocol"),
        }
    }
}

/// Why a message was not taken. Nothing of it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// There is no such channel, or it is closing.
    NoChannel,
    /// The association is over or shutting down.
    Closed,
    /// The peer takes messages of this many bytes at most: send it in parts.
    TooLarge(usize),
    /// More than [`crate::Config::send_buffer`] would wait: send again after
    /// [`crate::Event::BufferedAmountLow`].
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChannel => f.write_str("there is no such channel, or it is closing"),
            Self::Closed => f.write_str("the association is over"),
            Self::TooLarge(max) => {
                write!(f, "the peer takes messages of at most {max} bytes: send it in parts")
            }
            Self::Full => f.write_str("the send buffer is full: wait until the buffered amount is low"),
        }
    }
}

impl std::error::Error for SendError {}

/// Why a channel was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The association is over or shutting down.
    Closed,
    /// The identifier asked for is in use, or is 65,535, or above what the peer takes.
    Id,
    /// All identifiers of our parity are in use, or [`crate::Config::max_channels`] are open.
    NoneLeft,
    /// Label or protocol is longer than 65,535 bytes.
    TooLong,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the association is over",
            Self::Id => "the channel identifier is in use or out of range: take another one",
            Self::NoneLeft => "no channel identifier is left: close a channel first",
            Self::TooLong => "label and protocol have at most 65,535 bytes each",
        })
    }
}

impl std::error::Error for OpenError {}

/// Why parameters from signalling were not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParametersError {
    /// They are not an INIT chunk.
    Malformed,
    /// The association has begun already.
    TooLate,
}

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "these are not the bytes of an INIT chunk",
            Self::TooLate => "the association has begun already: give the parameters before `connect`",
        })
    }
}

impl std::error::Error for ParametersError {}

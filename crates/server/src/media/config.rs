use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

/// How the media plane is set up. Everything is checked once, by [`MediaPlane::start`](super::MediaPlane::start).
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// How many threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// UDP addresses for clients. An unspecified `IPv6` address stands for all addresses of both families; with
    /// port 0 the system chooses one, the same for all threads.
    pub listen: Vec<SocketAddr>,
    /// What the server allows and offers. Its `relay_ports` are divided among the threads.
    pub turn: turn::Config,
    /// Bytes of kernel memory for datagrams that wait to be received, for each listening socket. The system caps it
    /// at `net.core.rmem_max`.
    pub receive_buffer: u32,
    /// Connected stream clients, all threads together; more are closed at once.
    pub max_streams: usize,
    /// Bytes that may wait for a stream client before what is relayed to it is dropped.
    pub stream_backlog: usize,
    /// How rooms are forwarded; `None`: not at all.
    pub forward: Option<ForwardConfig>,
}

/// How the media of rooms are forwarded.
#[derive(Clone, Debug)]
pub struct ForwardConfig {
    /// The addresses under which the world sees this machine where they are not its own: one of each family.
    pub external: Vec<IpAddr>,
    /// This machine's addresses, for listeners that are bound to all of them.
    pub own: Vec<IpAddr>,
    /// Bits per second that are sent to one member at most.
    pub bitrate: u64,
    /// People of one room on one thread, at least one, before those who come next are on another.
    pub people_per_thread: usize,
    /// TCP addresses where streams come in that are given to [`MediaPlane::serve_stream`](super::MediaPlane::serve_stream).
    pub streams: Vec<SocketAddr>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            threads: None,
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 3478)],
            turn: turn::Config::default(),
            receive_buffer: 4 << 20,
            max_streams: 10_000,
            stream_backlog: 256 << 10,
            forward: None,
        }
    }
}

/// Why the media plane could not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration of the TURN server is wrong; the error says where.
    Config(turn::ConfigError),
    /// There are fewer relay ports than threads.
    TooFewPorts {
        /// How many there are.
        ports: usize,
        /// How many threads want some.
        threads: usize,
    },
    /// No address to listen on was given.
    NoListener,
    /// A listening socket could not be opened.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says: for a taken port [`std::io::ErrorKind::AddrInUse`].
        error: std::io::Error,
    },
    /// The system gave no thread, or no way to wait for sockets.
    System(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::TooFewPorts { ports, threads } => write!(
                f,
                "{ports} relay ports are too few for {threads} media threads: give at least {threads}"
            ),
            Self::NoListener => {
                f.write_str("no address to listen on for STUN and TURN: give one, such as 0.0.0.0:3478")
            }
            Self::Listen { address, error } if error.kind() == std::io::ErrorKind::AddrInUse => {
                write!(f, "UDP {address} is taken by another program: stop it, or choose another address")
            }
            Self::Listen { address, error } => write!(f, "cannot listen on UDP {address}: {error}"),
            Self::System(error) => write!(f, "cannot start a media thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

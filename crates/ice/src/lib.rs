//! Interactive Connectivity Establishment as a machine without I/O: [`Agent`] finds the best path between two
//! peers, through NATs and relays, and keeps it.
//!
//! One agent is one component and one checklist: what BUNDLE with rtcp-mux makes of a WebRTC session. The driver
//! gives the agent its sockets and relays as [`Local`] candidates, carries [`Candidate`]s and [`Credentials`] to
//! the peer by its own means, and passes STUN messages in and out. Everything else may flow over
//! [`Agent::selected`] as soon as there is one: that is one round trip after both sides know each other.
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 8445 | full and lite agents; host, server-reflexive, peer-reflexive and relayed candidates; priorities, foundations, freezing, triggered checks, role conflicts, regular nomination, restart |
//! | 8838 | trickle in both directions, end-of-candidates, candidates ahead of their credentials |
//! | 8863 | patience before failure |
//! | 7675 | consent freshness: 5 s give or take a fifth, 30 s to expiry |
//! | 6544 | TCP candidates, active, passive and simultaneous-open; the driver connects, listens and frames (RFC 4571) |
//! | 8421 | IPv6 and IPv4 take turns in priority |
//! | 8839 | the candidate attribute, with unknown extensions kept |
//! | draft-ietf-mmusic-mdns-ice-candidates | names resolved by the driver, and shown in place of host addresses |
//! | draft-thatcher-ice-renomination | obeyed always, used if configured |
//! | draft-hancke-webrtc-sped | a handshake of DTLS in checks and answers until there is a path, acknowledged; bounded for paths that have not answered |
//!
//! Left out: RTCP components and more than one stream (nothing in WebRTC needs them since BUNDLE and rtcp-mux);
//! aggressive nomination by this side, which RFC 8445 has abolished (a peer that does it is understood);
//! server-reflexive TCP candidates, which need a NAT that keeps ports; `a=ice-pacing` (a driver that parses it
//! sets [`Config::pacing`]); 401 answers to strangers, who get silence instead.
//!
//! Where we choose: a pair stands for all candidates with the same base, and its priority is that of the pair
//! that was checked; the selected pair is the best *valid* one until one is nominated; when it falls silent, all
//! pairs are checked again while data still goes over it, and whatever answers takes over, without a restart.
//!
//! # Driving an agent
//!
//! ```
//! use ice::{Agent, Candidate, Config, Event, Input, Local};
//! use wire::{Instant, Transport};
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let seed = [7; 32]; // from the operating system
//! let mut agent = Agent::new(Config::default(), seed, now);
//! let socket = ([192, 0, 2, 1], 5000).into(); // a bound UDP socket
//! agent.add_local(now, Local::host(socket))?;
//! agent.end_of_local_candidates(now);
//! println!("a=ice-ufrag:{}", agent.credentials().ufrag);
//!
//! // From the peer's description and its trickled candidates:
//! let peer = ice::Credentials { ufrag: "9uB6".into(), pwd: "YH75Fviy6338Vbrhrlp8Yh".into() };
//! agent.set_remote_credentials(now, peer, false)?;
//! let line = "candidate:1 1 udp 2130706431 198.51.100.7 40000 typ host";
//! agent.add_remote(now, line.parse::<Candidate>()?);
//!
//! // The loop: messages out, events, then sleep until the deadline or the next datagram.
//! let mut buf = [0; 1200];
//! while let Some(transmit) = agent.poll_transmit(now, &mut buf) {
//!     println!("{} bytes from {} to {}", transmit.len, transmit.from, transmit.to);
//! }
//! while let Some(event) = agent.poll_event() {
//!     match event {
//!         Event::LocalCandidate(candidate) => println!("a={candidate}"),
//!         Event::SelectedPair(pair) => println!("send to {}", pair.remote),
//!         _ => {}
//!     }
//! }
//! let bytes = &[0, 1, 0, 0]; // a datagram whose first byte is below 4
//! agent.handle_input(now, Input { transport: Transport::Udp, local: socket, remote: socket, bytes });
//! if let Some(deadline) = agent.poll_timeout() {
//!     agent.handle_timeout(deadline);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agent;
mod candidate;
mod config;
mod credentials;
mod event;
mod priority;
mod timers;

pub use agent::{Agent, Embedding, Input, LocalError, MAX_EMBEDDED};
pub use candidate::{Address, Candidate, CandidateKind, Local, LocalKind, ParseError, Protocol, TcpType};
pub use config::{Config, Role};
pub use credentials::{Credentials, CredentialsError};
pub use event::{
    CandidateStats, ConnectionState, Dropped, Event, GatheringState, Pair, PairState, PairStats, Stats,
};

//! A forwarder of media for rooms of many people (a selective forwarding unit, RFC 7667 §3.7), without input and
//! output: every member has one peer connection with it, and what a member sends is forwarded to the others, encrypted
//! anew for each, never decoded.
//!
//! A member's offer has three sorts of media sections. What it **sends**: a microphone, a camera (with several encodings
//! side by side, RFC 8853, or one), a screen. A section for **data channels**: identifier 1 is the room's, on which what
//! one member says is delivered to all others, behind four bytes with the sender's number. **Slots**: sections that only
//! receive. Which voice or picture a slot carries changes without negotiation: its source stays, its sequence numbers and
//! timestamps go on without a break, and pictures change at a keyframe.
//!
//! Who is heard is decided here: everybody as long as there are voice slots enough, else the loudest (RFC 6464). Who is
//! seen is decided by each receiver with [`Sfu::layout`]; which encoding of a camera it gets follows from how large it
//! is shown and from what the receiver's path carries.
//!
//! # One packet
//! It is decrypted where it stands and copied once into the ring of its encoding. Receivers that are subscribed are
//! marked; each is asked in turn by [`Sfu::poll_transmit`] and writes all packets that wait for it as one run of equal
//! datagrams to one destination, padded by a few bytes where they are not equal (RFC 3550 §5.1), so that the driver needs
//! one system call for all of them. Lost packets are answered from the same ring. Nothing is allocated for a packet.
//!
//! # Layers
//! One encoding may have temporal layers, and spatial ones. A receiver gets all up to a step that its path, the size of the
//! tile and what else it watches allow: first the least of everything, then the smallest pictures in full, then larger
//! ones; half as many pictures come before smaller ones, a quarter before none. What is of which layer is told by the payload
//! descriptors of VP8 and VP9, and for AV1 by the dependency descriptor, a header extension that is negotiated where AV1 is.
//! A receiver that does not take it gets the lowest spatial layer of AV1.
//!
//! # Large rooms
//! A room may have parts on several forwarders, each on a thread of its own ([`Sfu::share`], [`Sfu::stand_in`]).
//!
//! # Recording
//! [`Sfu::record`] opens a tap: what members send is then offered by [`Sfu::poll_recorded`] as well, out of the same rings, in
//! order, with what was lost told. Nobody is asked for more than a receiver would, and nothing is decoded.
//!
//! # Driving it
//!
//! ```
//! use peer::{Certificate, Received};
//! use sfu::{Address, Config, Event, JoinConfig, RoomConfig, Sfu};
//! use wire::{Instant, Rng, Transport};
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let certificate = Certificate::generate(&mut Rng::new([7; 32]), 1_700_000_000);
//! let socket = ([192, 0, 2, 1], 3478).into();
//! let address = Address { transport: Transport::Udp, socket, advertised: socket };
//! let mut sfu = Sfu::new(Config::new(certificate, vec![address]), [9; 32], now);
//! let room = sfu.open_room(now, RoomConfig::default())?;
//! let member = sfu.join(now, room, JoinConfig::default())?;
//! // The member's offer comes by signalling, and the answer goes back there: sfu.describe(now, member, &offer).
//!
//! let mut buf = vec![0; 65_536];
//! while let Some(transmit) = sfu.poll_transmit(now, &mut buf) {
//!     println!("{} bytes to {}", transmit.len, transmit.to);
//! }
//! while let Some(event) = sfu.poll_event() {
//!     if let Event::Connected(who) = event {
//!         println!("{who:?} is connected");
//!     }
//! }
//! let mut datagram = [0; 20];
//! let from = Received { transport: Transport::Udp, local: socket, remote: socket, segment: 20 };
//! assert!(!sfu.handle_input(now, from, &mut datagram), "it is for somebody else on the same port");
//! if let Some(deadline) = sfu.poll_timeout() {
//!     sfu.handle_timeout(deadline);
//! }
//! sfu.leave(now, member);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 7667 §3.7 | forwarding with rewritten sources; left out: one source per sender (§3.7 of the RFC's other forms) |
//! | 3550 | senders' reports per slot, mapped to one clock; padding |
//! | 4585, 4588, 5104 | NACK answered from rings, retransmissions both ways, PLI and FIR merged and limited |
//! | 6464 | levels of sound choose voices and speakers, and are passed on |
//! | 7741 | VP8: picture identifiers and TL0PICIDX go on when encodings are switched |
//! | 7741 §4.2 | VP8: temporal layers (TID, Y) are left out for narrow paths, and taken in again where the stream allows it |
//! | 9628 §4.2 | VP9: spatial and temporal layers likewise (SID, TID, U, B, E); the marker moves to the highest that is sent; left out: dropping lower spatial layers that nothing refers to (Z), references of the flexible mode |
//! | AV1 RTP payload format, A | each receiver gets a decode target, and goes over to another where switch indications or a keyframe allow it; numbers of frames and templates go on when encodings are switched; left out: chains (what is lost is repaired by its number), rewriting which targets are active (decoders go by the frames that a frame refers to) |
//! | 8853, 8852 | simulcast is received; each receiver gets one encoding |
//! | 8445 §2.5 | an ICE-lite agent per member, told apart by user fragments on one port |
//! | 8831, 8832 | negotiated channels 0 (reserved) and 1 (room) |

mod config;
mod data;
mod dependency;
mod describe;
mod descriptor;
mod event;
mod input;
mod member;
mod outlet;
mod output;
mod record;
mod repair;
mod ring;
mod room;
mod sfu;
mod share;
mod slab;
mod slot;
mod stats;
mod steer;
mod step;
mod timers;
mod track;

pub use config::{Address, Config, JoinConfig, RoomConfig};
pub use event::{DescribeError, Event, JoinError, MemberId, OpenError, Reason, Rid, RoomId, Source, Want};
pub use record::Recorded;
pub use sfu::Sfu;
pub use share::{Shared, SharedPacket};
pub use stats::{MemberStats, SlotStats, SourceStats, Stats};

pub use flow::payload::{Format, Superframe};
pub use peer::{Certificate, Received};

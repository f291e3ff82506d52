//! A virtual world for tests: a clock that nobody waits for, a network that loses, doubles, delays and
//! reorders, and models that predict what the machines must do. The same seed gives the same run.

mod network;
pub mod turn;

pub use network::{Network, Packet, Weather};

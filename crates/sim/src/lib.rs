//! A virtual world for tests: a clock that nobody waits for, a network that loses, doubles, delays and
//! reorders, and models that predict what the machines must do. The same seed gives the same run.

pub mod bottleneck;
pub mod call;
mod nat;
mod network;
mod relay;
pub mod turn;

pub use nat::{Nat, NatBox};
pub use network::{Network, Packet, Weather};
pub use relay::RelayHost;

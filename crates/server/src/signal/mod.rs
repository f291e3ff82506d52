//! Signalling: who is here, who calls whom, and what the two say to each other until they talk directly.

pub mod bus;
pub mod identity;
pub mod name;
pub mod protocol;
pub mod rendezvous;

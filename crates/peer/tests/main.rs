//! Negotiation: tables, browser captures, and two negotiators against each other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod captures;
mod errors;
mod exchange;
mod random;
mod rules;
mod simulcast;
mod support;

mod connection;
mod media;
mod packets;
mod pair;
mod path;

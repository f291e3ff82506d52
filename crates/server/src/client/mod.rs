//! A client of a Visavis server: what the commands that meet others there have in common.

pub(crate) mod address;
pub(crate) mod numbers;
pub(crate) mod output;
pub(crate) mod secure;
pub(crate) mod servers;
pub(crate) mod signalling;

//! The attributes of ICE (RFC 8445 §16.1).

use super::{flag_attribute, number_attribute};

number_attribute!(
    /// PRIORITY: of the peer-reflexive candidate that the check would discover.
    Priority(u32) = 0x0024);
number_attribute!(
    /// ICE-CONTROLLED and its tie-breaker.
    IceControlled(u64) = 0x8029);
number_attribute!(
    /// ICE-CONTROLLING and its tie-breaker.
    IceControlling(u64) = 0x802a);
flag_attribute!(
    /// USE-CANDIDATE: the controlling agent nominates this pair.
    UseCandidate = 0x0025);

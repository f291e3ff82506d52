//! Descriptions as browsers and other stacks write them, mistakes, and the identity of print and parse.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod errors;
mod identity;
mod values;

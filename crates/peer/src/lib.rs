//! The peer connection without input and output.
//!
//! So far: [`negotiation`], which turns what a program wants to send and receive into session descriptions, and the
//! descriptions of both sides into what is to be done.

pub mod negotiation;

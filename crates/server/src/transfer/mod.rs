//! `visavis send`, `visavis receive`: files straight from one machine to another, or to a page; and
//! `visavis check`: what the network allows.
//!
//! Two people agree on a code of three words. Both sides are guests of a Visavis server and meet in the room of that
//! name; from then on they are two clients in a call like any other, and say what `web/client/PEER.md` says. So a
//! page that opens the link gets the files with no change on its side.

mod address;
pub(crate) mod check;
mod code;
pub(crate) mod command;
mod control;
mod disk;
mod files;
mod frame;
mod hash;
mod incoming;
mod link;
mod names;
mod numbers;
mod outgoing;
mod output;
mod place;
mod prompt;
mod sdp;
mod sections;
pub(crate) mod secure;
mod servers;
mod session;
mod signalling;

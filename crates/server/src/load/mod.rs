//! `visavis load`: many synthetic people in rooms of a server, and what becomes of their pictures.
//!
//! Every person is a session of the signalling (a task each) and a peer with a socket (all of them on one thread, woken by
//! one poller): what a person costs here is little, so that the server is what is measured.

pub(crate) mod command;
mod member;
mod people;
mod plane;
mod process;
mod report;

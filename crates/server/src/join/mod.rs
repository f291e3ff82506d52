//! `visavis join`: takes part in a room from a terminal. It plays files or a test pattern into the room in real time, and
//! records what it receives; two in a room talk straight to each other, more through the server, and it follows from one
//! to the other as pages do.

pub(crate) mod command;
mod conference;
mod direct;
pub(crate) mod feed;
mod meeting;
mod outgoing;
mod publish;
mod record;
mod session;
mod status;

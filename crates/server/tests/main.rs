//! The server from outside.

mod signal_document;
mod signal_resume;
mod signal_rooms;
mod signal_socket;
mod signal_table;
mod signal_walk;
mod signal_world;

//! The server from outside: the program started, asked and stopped, and its signalling over and over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod acme;
mod api;
mod config;
mod engine_relay;
mod http;
mod join;
mod load;
mod passkeys;
mod recordings;
mod room;
mod room_link;
mod room_page;
mod room_tcp;
mod signal_admin;
mod signal_breakout;
mod signal_conference;
mod signal_conference_model;
mod signal_conference_pages;
mod signal_conference_walk;
mod signal_course;
mod signal_document;
mod signal_doors;
mod signal_early;
mod signal_forwarder;
mod signal_moderation;
mod signal_news;
mod signal_recording;
mod signal_resume;
mod signal_rooms;
mod signal_socket;
mod signal_table;
mod signal_walk;
mod signal_world;
mod stop;
mod support;
mod tls;
mod transfer;
mod turn_interop;
mod whip;

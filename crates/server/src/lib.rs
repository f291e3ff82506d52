//! The server of Visavis: configuration, pages, accounts, certificates, signalling, and the threads of STUN and
//! TURN, wired together in [`serve`].

pub mod accounts;
pub mod addresses;
pub mod api;
mod app;
mod authority;
mod banner;
pub mod cli;
mod client;
pub mod clock;
pub mod config;
mod data;
mod doors;
pub mod fuzzing;
mod health;
pub mod http;
mod ice;
mod join;
mod load;
pub mod media;
mod metrics;
mod plane;
mod ports;
pub mod recording;
pub mod serve;
pub mod signal;
pub mod store;
pub mod tls;
mod transfer;
mod webhook;

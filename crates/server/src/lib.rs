//! The server of Visavis: configuration, pages, accounts, certificates, signalling, and the threads of STUN and
//! TURN, wired together in [`serve`].

pub mod accounts;
pub mod addresses;
pub mod api;
mod app;
mod authority;
mod banner;
pub mod cli;
pub mod clock;
pub mod config;
mod data;
mod health;
pub mod http;
mod ice;
pub mod media;
mod metrics;
mod plane;
mod ports;
pub mod serve;
pub mod signal;
pub mod store;
pub mod tls;
mod transfer;
mod webhook;

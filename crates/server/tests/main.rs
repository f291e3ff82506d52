//! The program `visavis` from outside: started, asked, and stopped.

mod accounts;
mod acme;
mod config;
mod http;
mod passkeys;
mod stop;
mod support;
mod tls;

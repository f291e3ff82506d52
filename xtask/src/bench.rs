//! `cargo xtask bench NAME [--json]`: measures us and the best known peer in the same minute, prints a table and
//! then, as the last line, one JSON object with `bench`, `unit`, `ours`, `peer`, `peer_name` and `ratio`.

mod signalling;
mod turn;
mod turn_servers;

pub(crate) use signalling::run as signalling;
pub(crate) use turn::run as turn;

// Generated from crates/server/src/signal/protocol.rs; do not edit. docs/protocol.md explains it.
// To write it anew: UPDATE=1 cargo test -p server --lib protocol_ts_is_current
/** The version of the protocol that these types describe. */
export const VERSION = 1;

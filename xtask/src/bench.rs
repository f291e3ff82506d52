//! `cargo xtask bench NAME [--json]`: measures us and the best known peer in the same minute, prints a table and
//! then, as the last line, one JSON object with `bench`, `unit`, `ours`, `peer`, `peer_name` and `ratio`.

mod datachannel;
mod inproc;
mod instructions;
mod link;
mod peer;
mod sfu;
mod sfu_servers;
mod signalling;
mod stacks;
mod turn;
mod turn_servers;

use std::path::Path;

use anyhow::{Result, bail};

/// Runs one of them.
pub(crate) fn run(name: &str, root: &Path, json: bool) -> Result<()> {
    match name {
        "datachannel" => datachannel::run(root, json),
        "link" => link::run(root, json),
        "peer" => peer::run(root, json),
        "sctp" => inproc::sctp(root, json),
        "dtls" => inproc::dtls(root, json),
        "instructions" => instructions::run(root, json),
        "turn" => turn::run(root, json),
        "signalling" => signalling::run(root, json),
        "sfu" => sfu::run(root, json),
        _ => bail!(
            "there is no bench `{name}`: turn, signalling, datachannel, link, peer, sctp, dtls, sfu, instructions"
        ),
    }
}

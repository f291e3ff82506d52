#!/usr/bin/env bash
# Runs the bench with dcsctp's packet dump taken out: as published it formats every packet as hexadecimal text
# before it asks whether anybody logs, which no setting turns off and which would make the comparison worthless.
# usage: bench/sctp-inproc/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fetch --quiet
source=$(cargo metadata --format-version 1 --offline |
  jq -r '.packages[] | select(.name == "dcsctp") | .manifest_path' | xargs dirname)
quiet=$PWD/target/dcsctp-quiet
if [[ $source != "$quiet" ]]; then
  rm -rf "$quiet" && mkdir -p target && cp -r "$source" "$quiet"
  sed -i 's/pub fn log_packet(.*{$/&\n        if log::STATIC_MAX_LEVEL < log::Level::Info { return; }/' "$quiet/src/lib.rs"
  grep -q STATIC_MAX_LEVEL "$quiet/src/lib.rs"
fi
lock=$(mktemp)
cp Cargo.lock "$lock"
trap 'mv "$lock" Cargo.lock' EXIT
cargo run --release --offline --config "patch.crates-io.dcsctp.path='$quiet'" --package sctp-inproc -- "${1:-1}"

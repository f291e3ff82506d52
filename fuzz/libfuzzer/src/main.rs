//! Every fuzz target under libFuzzer: `FUZZ_TARGET` names the one that runs. `make fuzz` builds and runs this.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let known = fuzz::TARGETS.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`; it has to be a folder of fuzz/corpus")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));

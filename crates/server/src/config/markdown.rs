use super::{KEYS, Key};

/// `docs/configuration.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            out.push_str(&format!("\n## {section}\n"));
        }
        out.push_str(&entry(key));
    }
    out
}

fn entry(key: &Key) -> String {
    let default = match key.default {
        [] => "none".to_owned(),
        texts => format!("`{}`", texts.join(", ")),
    };
    let allowed = if key.many { format!("a list of {}", key.allowed) } else { key.allowed.to_owned() };
    format!(
        "\n### `{name}`\n\n{doc}\n\n- Allowed: {allowed}.\n- Default: {default}.\n- Flag `--{name} {metavar}`, variable `{env}`.\n",
        name = key.name,
        doc = key.doc,
        metavar = key.metavar,
        env = key.env(),
    )
}

const HEAD: &str = "\
# Configuration

<!-- Made by `visavis config --markdown` from the table of keys in crates/server/src/config/table.rs. -->

`visavis serve` needs no configuration to begin with. Every key below can be written in four places; the first of
them that has it wins:

1. a flag, `--relay-ports 50000-50999`; one that takes a list can be repeated;
2. an environment variable, `VISAVIS_RELAY_PORTS=50000-50999`; a list has commas between;
3. the file given by `--config FILE` (or `VISAVIS_CONFIG`), else `visavis.toml` in the data folder if there is one:
   `relay-ports = \"50000-50999\"`, `external-ip = [\"203.0.113.7\"]`;
4. the default.

`visavis config` prints what is in effect and where each value came from. A wrong key or value stops the server at
its start, with a message that says which, where, and what is allowed.
";

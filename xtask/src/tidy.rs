//! What the compiler does not check: which crate may use which, how long functions and files may be, and that
//! nothing half-done is left. Every finding names the file and line and what would be right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The arrows of `ARCHITECTURE.md`: each crate and the crates it may name directly. Siblings are absent on
/// purpose: what crosses between them is bytes, text or a `wire` type.
const EDGES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("crypto", &["wire"]),
    ("stun", &["wire", "crypto"]),
    ("turn", &["wire", "crypto", "stun"]),
    ("ice", &["wire", "crypto", "stun"]),
    ("dtls", &["wire", "crypto"]),
    ("sctp", &["wire"]),
    ("rtp", &["wire", "crypto"]),
    ("flow", &["wire", "rtp"]),
    ("sdp", &[]),
    ("peer", &["wire", "crypto", "stun", "turn", "ice", "dtls", "sctp", "rtp", "flow", "sdp"]),
    ("sfu", &["wire", "stun", "ice", "rtp", "flow", "peer"]),
    ("media", &["wire", "rtp", "flow"]),
    ("net", &["wire"]),
    ("endpoint", &["wire", "crypto", "turn", "peer", "net"]),
    ("sim", &["wire", "crypto", "stun", "turn", "sctp", "peer"]),
    ("server", &["wire", "crypto", "stun", "turn", "rtp", "flow", "peer", "sfu", "media", "net", "endpoint"]),
    (
        "fuzz",
        &[
            "wire", "crypto", "stun", "turn", "ice", "dtls", "sctp", "rtp", "flow", "sdp", "peer", "sfu",
            "media", "sim", "server",
        ],
    ),
    ("turn-load", &["wire", "crypto", "net"]),
    ("sctp-inproc", &["wire", "sctp"]),
    ("instructions", &["wire", "stun", "turn", "ice", "dtls", "sctp", "rtp", "peer"]),
    ("dtls-records", &["wire", "crypto", "dtls"]),
    ("dc-load", &["wire", "crypto", "peer", "net", "endpoint"]),
    ("sfu-load", &["wire", "crypto", "net", "peer"]),
    ("sfu-inproc", &["wire", "rtp", "peer", "sfu"]),
    ("xtask", &[]),
];

/// Where `unsafe` is allowed at all; each place there still gives its reason.
const MAY_BE_UNSAFE: &[&str] = &["crates/net/", "crates/media/"];

const LONGEST_FUNCTION: usize = 70;
const LONGEST_FILE: usize = 500;
/// Flat catalogues, which are easier to read whole, may reach this.
const LONGEST_CATALOGUE: usize = 800;
const CATALOGUES: &[&str] = &[];

/// Runs every check and prints every finding.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    check_edges(root, &mut findings)?;
    for file in sources(root)? {
        let text =
            fs::read_to_string(root.join(&file)).with_context(|| format!("reading {}", file.display()))?;
        let name = file.to_string_lossy().replace('\\', "/");
        check_file(&name, &text, &mut findings);
    }
    if findings.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("tidy: {} finding(s)", findings.len())
}

/// Compares the path dependencies of every member with the list of allowed edges.
fn check_edges(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    for manifest in manifests(root)? {
        let text =
            fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("parsing {}", manifest.display()))?;
        let name = table["package"]["name"].as_str().context("a package has a name")?.to_owned();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            findings.push(format!("crate `{name}`: not in the list of edges in xtask/src/tidy.rs; add it there and in ARCHITECTURE.md"));
            continue;
        };
        let uses = table.get("dependencies").and_then(toml::Value::as_table);
        for used in uses.into_iter().flat_map(|t| t.keys()).filter(|k| known.contains(k.as_str())) {
            if !allowed.contains(&used.as_str()) {
                findings.push(format!(
                    "crate `{name}` uses `{used}`: no such arrow in the plan (ARCHITECTURE.md)"
                ));
            }
        }
        if table.get("lints").and_then(|l| l.get("workspace")).is_none() {
            findings.push(format!("crate `{name}`: add `[lints] workspace = true` to its Cargo.toml"));
        }
    }
    Ok(())
}

fn manifests(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.join("xtask/Cargo.toml"), root.join("fuzz/Cargo.toml")];
    for entry in fs::read_dir(root.join("crates"))? {
        found.push(entry?.path().join("Cargo.toml"));
    }
    found.sort();
    Ok(found)
}

/// All source files below the folders we write by hand, relative to the root.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "xtask", "fuzz", "bench", "web", "interop"].iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let skip = ["target", "node_modules", "dist", "corpus", "out"];
            if entry.file_type()?.is_dir() {
                if !skip.iter().any(|s| entry.file_name() == *s) {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|e| ["rs", "ts", "tsx", "mjs", "css"].iter().any(|k| e == *k))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn check_file(name: &str, text: &str, findings: &mut Vec<String>) {
    let code = if name.ends_with(".rs") { before_tests(text) } else { text };
    let lines = code.lines().count();
    let limit = if CATALOGUES.contains(&name) { LONGEST_CATALOGUE } else { LONGEST_FILE };
    let generated = text.lines().take(3).any(|l| l.contains("generated"));
    if lines > limit && !generated {
        findings.push(format!("{name}: {lines} lines without its tests; split it, {limit} is the most"));
    }
    if name.ends_with(".rs") {
        for (line, function, length) in functions(code) {
            if length > LONGEST_FUNCTION {
                findings.push(format!(
                    "{name}:{line}: `{function}` has {length} lines; {LONGEST_FUNCTION} is the most"
                ));
            }
        }
    }
    check_words(name, text, findings);
}

/// Words that must not stand in what we hand over.
fn check_words(name: &str, text: &str, findings: &mut Vec<String>) {
    if name.starts_with("xtask/src/tidy") {
        return;
    }
    let unsafe_allowed = MAY_BE_UNSAFE.iter().any(|folder| name.starts_with(folder));
    for (number, line) in (1..).zip(text.lines()) {
        if ["TODO", "FIXME", "XXX"]
            .iter()
            .any(|w| line.split(|c: char| !c.is_alphanumeric()).any(|x| x == *w))
        {
            findings.push(format!("{name}:{number}: finish it, or say in the docs that it is left out"));
        }
        if line.contains("#[ignore") || line.contains("test.skip(") || line.contains("test.only(") {
            findings.push(format!("{name}:{number}: a test that does not run proves nothing"));
        }
        let code = line.split("//").next().unwrap_or_default();
        if name.ends_with(".rs")
            && !unsafe_allowed
            && code.split(|c: char| !c.is_alphanumeric()).any(|x| x == "unsafe")
            && !name.contains("/tests/")
        {
            findings.push(format!("{name}:{number}: `unsafe` belongs in `net` or `media` only"));
        }
    }
}

/// The part of a file before its unit tests.
fn before_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

/// Every function of a formatted file as (line, name, lines): it ends at the first closing brace that stands
/// under its beginning, which `cargo fmt --check` guarantees.
fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = (at..lines.len()).find(|&i| {
            let l = lines[i];
            let own = l.len() - l.trim_start().len() == indent;
            own && (l.trim_end() == format!("{:indent$}}}", "")
                || l.ends_with(';')
                || (i == at && l.ends_with('}')))
        });
        if let Some(end) = end {
            found.push((at + 1, name, end - at + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|w| {
        ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""].contains(w)
    });
    (words.next()? == "fn").then_some(())?;
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        run(&crate::root()).unwrap();
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let code =
            "impl A {\n    pub(crate) fn one(&self) {\n        two();\n    }\n\n    fn short() {}\n}\n";
        assert_eq!(functions(code), [(2, "one".to_owned(), 3), (6, "short".to_owned(), 1)]);
    }

    #[test]
    fn what_is_too_long_or_unfinished_is_found() {
        let long = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(70));
        let mut findings = Vec::new();
        check_file("crates/a/src/lib.rs", &long, &mut findings);
        check_file("crates/a/src/b.rs", "// TODO later\n", &mut findings);
        check_file("crates/a/src/c.rs", "fn f() { unsafe { g() } }\n", &mut findings);
        check_file("crates/net/src/c.rs", "fn f() { unsafe { g() } }\n", &mut findings);
        check_file("crates/a/src/d.rs", &"x\n".repeat(501), &mut findings);
        assert_eq!(findings.len(), 4, "{findings:#?}");
    }
}

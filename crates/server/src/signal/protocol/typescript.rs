//! Writes the TypeScript types of the protocol, and holds the committed ones to the Rust types.

use std::fmt::Write as _;
use std::path::Path;

use ts_rs::{Config, TS};

use super::*;

/// Where the types live, from this crate's folder.
const FILE: &str = "../../web/client/src/protocol.ts";
/// What regenerates them.
const COMMAND: &str = "UPDATE=1 cargo test -p server --lib protocol_ts_is_current";

#[test]
fn protocol_ts_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let wanted = generate();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).expect("the client's folder exists");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "web/client/src/protocol.ts is not what the Rust types say; run: {COMMAND}");
}

fn generate() -> String {
    let mut out = String::from(
        "// This file is generated from crates/server/src/signal/protocol/; do not edit. docs/protocol.md explains it.\n",
    );
    let _ = writeln!(out, "// To write it anew: {COMMAND}\n");
    let _ = writeln!(out, "/** The version of the protocol that these types describe. */");
    let _ = writeln!(out, "export const VERSION = {VERSION}");
    declare_frame::<ClientFrame, ClientMessage>(&mut out);
    declare_frame::<ServerFrame, ServerMessage>(&mut out);
    declare::<ClientMessage>(&mut out);
    declare::<ServerMessage>(&mut out);
    declare::<Secret>(&mut out);
    declare::<Resume>(&mut out);
    declare::<Person>(&mut out);
    declare::<Presence>(&mut out);
    declare::<Media>(&mut out);
    declare::<Description>(&mut out);
    declare::<DescriptionKind>(&mut out);
    declare::<Candidate>(&mut out);
    declare::<IceServer>(&mut out);
    declare::<Role>(&mut out);
    declare::<Sending>(&mut out);
    declare::<MemberKind>(&mut out);
    declare::<Member>(&mut out);
    declare::<Knock>(&mut out);
    declare::<Door>(&mut out);
    declare::<Picture>(&mut out);
    declare::<Want>(&mut out);
    declare::<View>(&mut out);
    declare::<Recording>(&mut out);
    declare::<Action>(&mut out);
    declare::<BreakoutAction>(&mut out);
    declare::<Breakout>(&mut out);
    declare::<Group>(&mut out);
    declare::<GroupPlan>(&mut out);
    declare::<Placed>(&mut out);
    declare::<EndReason>(&mut out);
    declare::<Refusal>(&mut out);
    declare::<ErrorCode>(&mut out);
    out
}

fn config() -> Config {
    Config::new().with_large_int("number")
}

fn declare<T: TS>(out: &mut String) {
    write(out, T::docs(), &T::decl(&config()));
}

/// A frame is its numbers and a message; the derived type spells the whole union out once more.
fn declare_frame<F: TS, M: TS>(out: &mut String) {
    let (frame, union) = (F::decl(&config()), M::inline_flattened(&config()));
    assert!(frame.contains(&union), "ts-rs spells flattened unions another way now: {frame}\n{union}");
    write(out, F::docs(), &frame.replace(&union, &M::ident(&config())));
}

fn write(out: &mut String, docs: Option<String>, declaration: &str) {
    let docs = one_line(&docs.unwrap_or_default());
    let _ = write!(out, "\n{docs}export {}\n", tidy(declaration.trim_end_matches(';')));
}

/// `/** text */` on one line each.
fn one_line(comments: &str) -> String {
    comments.replace("/**\n * ", "/** ").replace("\n */", " */")
}

/// Lays the derived types out as a person would: one property and one variant a line, indented.
fn tidy(declaration: &str) -> String {
    let text = one_line(declaration).replace("\"type\":", "type:").replace('"', "'");
    let mut text = text.replace("*/\n", "*/").replace("\n/**", "/**");
    let union = is_union(&text);
    if union {
        text = text.replacen(" = ", " =| ", 1);
    }
    let (mut out, mut depth, mut rest) = (String::new(), 0, text.as_str());
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth + usize::from(union)));
    while let Some(next) = rest.chars().next() {
        let mut used = next.len_utf8();
        match next {
            '/' => {
                used = rest.find("*/").expect("comments end") + 2;
                let _ = write!(out, "{}{}", &rest[..used], line(depth));
            }
            '{' if rest.contains("/**") && rest.find("/**") < rest.find('}') => {
                depth += 1;
                let _ = write!(out, "{{{}", line(depth));
                used += rest[used..].len() - rest[used..].trim_start().len();
            }
            ',' if depth > 0 => {
                out.push_str(&line(depth));
                used += rest[used..].len() - rest[used..].trim_start().len();
            }
            '}' if depth > 0 => {
                depth -= 1;
                let _ = write!(out.truncate_end(), "{}}}", line(depth));
            }
            '|' if depth == 0 => {
                let _ = write!(out.truncate_end(), "\n  |");
            }
            other => out.push(other),
        }
        rest = &rest[used..];
    }
    out
}

/// Whether the type is made of alternatives at its outermost level.
fn is_union(declaration: &str) -> bool {
    let depth = |before: &str| before.matches('{').count() - before.matches('}').count();
    declaration.match_indices(" | ").any(|(at, _)| depth(&declaration[..at]) == 0)
}

trait TruncateEnd {
    /// Without the white space at its end.
    fn truncate_end(&mut self) -> &mut Self;
}

impl TruncateEnd for String {
    fn truncate_end(&mut self) -> &mut Self {
        self.truncate(self.trim_end().len());
        self
    }
}

//! docs/protocol.md tells the truth: its examples are what the types say, and it leaves out no message.

use std::collections::BTreeSet;

use serde_json::Value;
use server::signal::protocol::{ClientFrame, ServerFrame};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");
const TYPES: &str = include_str!("../../../web/client/src/protocol.ts");

fn examples(side: &str) -> Vec<&'static str> {
    let fence = format!("```json {side}\n");
    let blocks = DOCUMENT.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().expect("a block ends")).collect()
}

/// Without the fields that are null: absent and null mean the same.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, bare(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(bare).collect()),
        other => other,
    }
}

fn types_of(examples: &[&str]) -> BTreeSet<String> {
    let name = |text: &&str| {
        serde_json::from_str::<Value>(text).expect("JSON")["type"].as_str().expect("a type").to_owned()
    };
    examples.iter().map(name).collect()
}

/// The types of a union in the generated TypeScript.
fn declared(union: &str) -> BTreeSet<String> {
    let body = TYPES.split(&format!("export type {union} =")).nth(1).expect("it is declared");
    let body = body.split("\n\n").next().unwrap_or_default();
    body.split("type: '").skip(1).map(|rest| rest.split('\'').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn examples_are_what_the_types_say() {
    for text in examples("client") {
        let frame: ClientFrame = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let (said, meant) = (serde_json::from_str(text).unwrap(), serde_json::to_value(frame).unwrap());
        assert_eq!(bare(said), bare(meant));
    }
    for text in examples("server") {
        let frame: ServerFrame = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let (said, meant) = (serde_json::from_str(text).unwrap(), serde_json::to_value(frame).unwrap());
        assert_eq!(bare(said), bare(meant));
    }
}

#[test]
fn every_message_and_every_code_is_explained() {
    assert_eq!(types_of(&examples("client")), declared("ClientMessage"));
    assert_eq!(types_of(&examples("server")), declared("ServerMessage"));
    for union in ["EndReason", "Refusal", "ErrorCode"] {
        let body = TYPES.split(&format!("export type {union} =")).nth(1).expect("it is declared");
        for code in body.split("\n\n").next().unwrap_or_default().split('\'').skip(1).step_by(2) {
            assert!(DOCUMENT.contains(&format!("| `{code}` |")), "{union} {code} has no row in a table");
        }
    }
}

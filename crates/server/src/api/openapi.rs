//! The OpenAPI 3.1 document, of the table of operations and the types of the bodies.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation, Shape};
use super::problem;
use crate::webhook;

/// The document as it is sent; it is the same as long as the program runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

pub(super) async fn serve() -> Response {
    let mut response = DOCUMENT.as_str().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Schemas of what comes in and of what goes out: what has a default may be absent in the one only.
struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

fn document() -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut schemas = Schemas {
        requests: settings().for_deserialize().into_generator(),
        answers: settings().for_serialize().into_generator(),
    };
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = describe(operation, &mut schemas);
    }
    let hooks = webhook::KINDS.iter().map(|(kind, summary)| {
        let event = schemas.answers.subschema_for::<webhook::Event>();
        let hook = json!({ "post": {
            "summary": summary,
            "requestBody": content("application/json", json!(event)),
            "responses": { "2XX": { "description": "Received: it is not sent again." } },
        }});
        ((*kind).to_owned(), hook)
    });
    let hooks: Map<String, Value> = hooks.collect();
    let definitions =
        merge(schemas.requests.take_definitions(true), schemas.answers.take_definitions(true), &mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Visavis",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Rooms and people of a Visavis server, for applications. docs/api.md begins with examples.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "key": [] }],
        "paths": paths,
        "webhooks": hooks,
        "components": {
            "schemas": definitions,
            "securitySchemes": { "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key (`ID.SECRET`), or a JWT of scope `api` that one has signed with HS256.",
            }},
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut out = json!({ "operationId": operation.id, "summary": operation.summary });
    if !operation.more.is_empty() {
        out["description"] = operation.more.into();
    }
    if operation.open {
        out["security"] = json!([]);
    }
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if let Some(shape) = operation.body {
        out["requestBody"] = content("application/json", json!(shape(&mut schemas.requests)));
        out["requestBody"]["required"] = true.into();
    }
    let mut answers = Map::new();
    for (status, meaning, shape) in operation.answers {
        let mut answer = shape.map_or_else(
            || json!({}),
            |shape: Shape| content("application/json", json!(shape(&mut schemas.answers))),
        );
        answer["description"] = (*meaning).into();
        answers.insert(status.to_string(), answer);
    }
    let always: &[u16] = if operation.open { &[] } else { &[401, 429] };
    for status in operation.problems.iter().chain(always) {
        let body = schemas.answers.subschema_for::<problem::Body>();
        let mut answer = content("application/problem+json", json!(body));
        answer["description"] =
            "It was not done; the body says why, and what would be right (RFC 9457).".into();
        answers.insert(status.to_string(), answer);
    }
    out["responses"] = answers.into();
    out
}

fn content(kind: &str, schema: Value) -> Value {
    json!({ "content": { kind: { "schema": schema } } })
}

/// Those of the path, which are all needed, and those of the table, which are not.
fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let (kind, meaning) = match name {
            "room" => ("string", "The room's name, as it stands in its link."),
            "recording" => ("string", "The recording's name."),
            _ => ("integer", "The member's number, or that of somebody who waits."),
        };
        json!({ "name": name, "in": "path", "required": true, "description": meaning, "schema": { "type": kind } })
    });
    let others = operation.parameters.iter().map(|(name, place, kind, meaning)| {
        json!({ "name": name, "in": place, "description": meaning, "schema": { "type": kind } })
    });
    in_path.chain(others).collect()
}

/// The schemas of both directions in one table: where they differ, that of requests is called `…Request`.
fn merge(
    requests: Map<String, Value>,
    answers: Map<String, Value>,
    paths: &mut Map<String, Value>,
) -> Map<String, Value> {
    let differ: Vec<String> = requests
        .iter()
        .filter(|(name, schema)| answers.get(*name).is_some_and(|it| it != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    let mut merged = answers;
    for (name, mut schema) in requests {
        rename(&mut schema, &differ);
        let name = if differ.contains(&name) { format!("{name}Request") } else { name };
        merged.insert(name, schema);
    }
    for path in paths.values_mut().filter_map(Value::as_object_mut) {
        for operation in path.values_mut() {
            if let Some(body) = operation.get_mut("requestBody") {
                rename(body, &differ);
            }
        }
    }
    merged
}

/// Points references to the schemas of requests.
fn rename(value: &mut Value, differ: &[String]) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text)
                        if key == "$ref" && differ.iter().any(|name| text.ends_with(&format!("/{name}"))) =>
                    {
                        text.push_str("Request");
                    }
                    other => rename(other, differ),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, differ)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

//! The contract: every answer of the daemon is one that the OpenAPI document describes, with its status, media type,
//! problem code and fields. A field that is not described is refused, so that the document names everything.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::Value;

use crate::answer::Answer;

/// The document as it is golden: a test of the crate holds it to the code.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../http/openapi.json")).expect("the document is JSON"));

/// The operation that a call names; `None`: the daemon has none, and answers 404 or 405.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        let same = |(part, segment): (&&str, &&str)| part == segment || (part.starts_with('{') && !segment.is_empty());
        parts.len() == segments.len() && parts.iter().zip(&segments).all(same)
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let fitting = paths.iter().filter(|(template, row)| fits(template) && row.get(method).is_some());
    // A literal segment goes before a parameter.
    let best = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    best.1.get(method)
}

fn resolved(schema: &Value) -> &Value {
    let target = schema["$ref"].as_str().and_then(|name| DOCUMENT.pointer(name.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// Whether a value has a type of JSON Schema.
fn has_type(word: &str, value: &Value) -> bool {
    match word {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// What is wrong with a value, each fault with its place.
fn faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let schema = resolved(schema);
    for key in ["anyOf", "oneOf"] {
        if let Some(alternatives) = schema[key].as_array() {
            let all: Vec<Vec<String>> = alternatives.iter().map(|one| faults(one, value, place)).collect();
            if all.iter().any(Vec::is_empty) {
                return Vec::new();
            }
            let least = all.into_iter().min_by_key(Vec::len).unwrap_or_default();
            return least;
        }
    }
    let types = match &schema["type"] {
        Value::String(word) => vec![word.as_str()],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|word| has_type(word, value)) {
        return vec![format!("{place} is {value}, not {types:?}")];
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return vec![format!("{place} is {value}, not one of {}", schema["enum"])];
    }
    let mut wrong = Vec::new();
    let too_long = |limit: &str, len: usize| schema[limit].as_u64().is_some_and(|most| len as u64 > most);
    match value {
        Value::String(text) if too_long("maxLength", text.chars().count()) => {
            wrong.push(format!("{place} is too long: {text}"));
        }
        Value::Array(items) => {
            if too_long("maxItems", items.len()) {
                wrong.push(format!("{place} has {} items", items.len()));
            }
            for item in items {
                wrong.extend(faults(&schema["items"], item, &format!("{place}[]")));
            }
        }
        Value::Number(number) => {
            let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_u64());
            let is_low = least.is_some_and(|least| number.as_i64().is_some_and(|number| number < least));
            let is_high = most.is_some_and(|most| number.as_u64().is_some_and(|number| number > most));
            if is_low || is_high {
                wrong.push(format!("{place} is out of range: {number}"));
            }
        }
        Value::Object(members) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = required.filter(|name| !members.contains_key(*name));
            wrong.extend(missing.map(|name| format!("{place}.{name} is missing")));
            for (name, member) in members {
                let place = format!("{place}.{name}");
                match (schema["properties"].get(name), &schema["additionalProperties"]) {
                    (Some(field), _) => wrong.extend(faults(field, member, &place)),
                    (None, Value::Bool(true)) => {}
                    (None, others) if others.is_object() => wrong.extend(faults(others, member, &place)),
                    (None, _) => wrong.push(format!("{place} is not described")),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    wrong
}

/// The headers that a response must have and an answer lacks.
fn missing_headers(response: &Value, answer: &Answer) -> Vec<String> {
    let headers = response["headers"].as_object();
    let required = headers.into_iter().flatten().filter(|(_, header)| resolved(header)["required"] == true);
    let missing = required.filter(|(name, _)| answer.header(&name.to_lowercase()).is_none());
    missing.map(|(name, _)| format!("the header {name} is missing")).collect()
}

/// What is wrong with an answer to a call; empty where the document describes it.
pub fn faults_of_answer(method: &str, path: &str, answer: &Answer) -> Vec<String> {
    let Some(operation) = operation(&method.to_lowercase(), path) else { return Vec::new() };
    let status = answer.status.to_string();
    let response = match &operation["responses"][&status] {
        Value::Null => return vec![format!("the status {status} is not described")],
        response => match response["$ref"].as_str() {
            Some(name) => DOCUMENT.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => response,
        },
    };
    let media = answer.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    let Some(content) = response["content"].get(media) else {
        return vec![format!("the media type {media:?} is not described for {status}")];
    };
    let document = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut wrong = missing_headers(response, answer);
    match media {
        "application/json" | "application/problem+json" => {
            let document = document(&answer.body);
            wrong.extend(faults(&content["schema"], &document, "answer"));
            if media == "application/problem+json" && document["request_id"].as_str() != answer.header("x-request-id") {
                wrong.push(format!("`request_id` is {}, the header is another one", document["request_id"]));
            }
            let codes = operation["x-problem-codes"][&status].as_array();
            if codes.is_some_and(|codes| !codes.contains(&document["code"])) {
                wrong.push(format!("the code {} is not described for {status}", document["code"]));
            }
        }
        "application/x-ndjson" => {
            for line in answer.body.lines() {
                wrong.extend(faults(&content["schema"], &document(line), "line"));
            }
        }
        _ => {}
    }
    wrong
}

/// Asserts that the document describes an answer.
#[track_caller]
pub fn assert_described(method: &str, path: &str, answer: &Answer) {
    let wrong = faults_of_answer(method, path, answer);
    assert!(
        wrong.is_empty(),
        "tests/http/openapi.json does not describe this answer to {method} {path}:\n{}\n{}",
        wrong.join("\n"),
        answer.body
    );
}

/// The described fields of the answers of all operations, each as the name of its schema and its own.
pub fn described_answer_fields() -> BTreeSet<String> {
    let (mut found, mut visited) = (BTreeSet::new(), BTreeSet::new());
    let operations = DOCUMENT["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let operations = operations.filter_map(Value::as_object).flat_map(|row| row.values());
    for operation in operations {
        let responses = operation["responses"].as_object().into_iter().flat_map(|responses| responses.values());
        let contents = responses.filter_map(|response| resolved(response)["content"].as_object());
        let contents = contents.flat_map(|all| all.values());
        contents.for_each(|content| collect_fields(&content["schema"], "", &mut found, &mut visited));
    }
    found
}

/// The name of a schema, or that of the field that it describes.
fn name_of<'s>(schema: &'s Value, otherwise: &'s str) -> &'s str {
    schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or(otherwise)
}

fn collect_fields(schema: &Value, otherwise: &str, found: &mut BTreeSet<String>, visited: &mut BTreeSet<String>) {
    let name = name_of(schema, otherwise);
    if schema.get("$ref").is_some() && !visited.insert(name.to_owned()) {
        return;
    }
    let schema = resolved(schema);
    for key in ["anyOf", "oneOf"] {
        schema[key].as_array().into_iter().flatten().for_each(|one| collect_fields(one, name, found, visited));
    }
    for (field, below) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{name}.{field}");
        collect_fields(below, &place, found, visited);
        found.insert(place);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            collect_fields(&schema[key], name, found, visited);
        }
    }
}

/// The described fields that an answer has, as [`described_answer_fields`] names them.
pub fn fields_of_answer(method: &str, path: &str, answer: &Answer) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Some(operation) = operation(&method.to_lowercase(), path) else { return found };
    let contents = resolved(&operation["responses"][&answer.status.to_string()])["content"].as_object();
    for (media, content) in contents.into_iter().flatten() {
        let is_lines = media == "application/x-ndjson";
        let documents: Vec<&str> = if is_lines { answer.body.lines().collect() } else { vec![&answer.body] };
        for document in documents.into_iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
            present_fields(&content["schema"], "", &document, &mut found);
        }
    }
    found
}

fn present_fields(schema: &Value, otherwise: &str, value: &Value, found: &mut BTreeSet<String>) {
    let name = name_of(schema, otherwise);
    let schema = resolved(schema);
    for key in ["anyOf", "oneOf"] {
        let fitting = schema[key].as_array().into_iter().flatten().filter(|one| faults(one, value, "").is_empty());
        fitting.for_each(|one| present_fields(one, name, value, found));
    }
    match value {
        Value::Object(members) => {
            for (field, member) in members {
                if let Some(below) = schema["properties"].get(field) {
                    let place = format!("{name}.{field}");
                    present_fields(below, &place, member, found);
                    found.insert(place);
                } else if schema["additionalProperties"].is_object() {
                    present_fields(&schema["additionalProperties"], name, member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| present_fields(&schema["items"], name, item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

//! Walks the document: everything has a type, a description, bounds and an example, and every operation its answers,
//! codes and credentials.

use super::{document, parameters::path_names, problems::CODES};
use crate::http::operations::{operation::RequestBody, table::operations};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// Calls `each` with the place and the value of every schema in a value, the innermost last.
fn each_schema(place: &str, schema: &Value, each: &mut dyn FnMut(&str, &Value)) {
    each(place, schema);
    for (key, part) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), part) {
            ("properties", Value::Object(fields)) => {
                fields.iter().for_each(|(name, field)| each_schema(&format!("{place}.{name}"), field, each));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(parts)) => {
                parts.iter().enumerate().for_each(|(n, part)| each_schema(&format!("{place}/{key}{n}"), part, each));
            }
            ("items" | "additionalProperties", Value::Object(_)) => each_schema(&format!("{place}[]"), part, each),
            _ => {}
        }
    }
}

/// Calls `each` with every schema of the document.
fn every_schema(document: &Value, each: &mut dyn FnMut(&str, &Value)) {
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        each_schema(name, schema, each);
    }
    for (path, method, operation) in every_operation(document) {
        let place = format!("{method} {path}");
        for parameter in operation["parameters"].as_array().unwrap() {
            each_schema(&format!("{place} {}", parameter["name"]), &parameter["schema"], each);
        }
        let contents =
            [&operation["requestBody"]].into_iter().chain(operation["responses"].as_object().unwrap().values());
        for content in contents.filter_map(|one| one.get("content")?.as_object()) {
            content
                .iter()
                .for_each(|(media, content)| each_schema(&format!("{place} {media}"), &content["schema"], each));
        }
    }
}

fn every_operation(document: &Value) -> Vec<(&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, row)| row.as_object().unwrap().iter().map(move |(m, op)| (path, m, op))).collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Whether a schema, with its alternatives and its reference, has one of these members.
fn has_any(document: &Value, schema: &Value, members: &[&str]) -> bool {
    if members.iter().any(|member| schema.get(member).is_some()) {
        return true;
    }
    let referred = schema.get("$ref").and_then(Value::as_str);
    let referred = referred.and_then(|name| document.pointer(name.strip_prefix('#').unwrap()));
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    referred.into_iter().chain(alternatives).any(|part| has_any(document, part, members))
}

#[test]
fn every_schema_has_a_type_and_every_reference_a_target() {
    let (document, mut problems) = (document(), Vec::new());
    every_schema(&document, &mut |place, schema| {
        let has_type =
            ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|key| schema.get(key).is_some());
        if !has_type {
            problems.push(format!("{place} has no type: {schema}"));
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        if reference.is_some_and(|name| document.pointer(name.strip_prefix('#').unwrap()).is_none()) {
            problems.push(format!("{place} refers to nothing: {schema}"));
        }
    });
    report(&problems);
}

#[test]
fn every_field_has_a_description_bounds_and_an_example() {
    let (document, mut problems) = (document(), Vec::new());
    let mut fields = 0;
    every_schema(&document, &mut |place, schema| {
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            fields += 1;
            let place = format!("{place}.{name}");
            if !field["description"].as_str().is_some_and(|text| text.ends_with('.') && text.len() > 4) {
                problems.push(format!("{place} has no description: {field}"));
            }
            let is_composed = has_any(&document, field, &["properties", "items", "additionalProperties"]);
            if !is_composed && !has_any(&document, field, &["examples"]) {
                problems.push(format!("{place} has no example: {field}"));
            }
        }
        let types = schema.get("type").map(Value::to_string).unwrap_or_default();
        let is_bounded = |members: &[&str]| members.iter().any(|member| schema.get(member).is_some());
        if types.contains("\"string\"")
            && !is_bounded(&["maxLength", "enum", "const", "format", "pattern"])
            && !types.contains("boolean")
        {
            problems.push(format!("{place} is a text without bounds: {schema}"));
        }
        let is_number = types.contains("\"integer\"") || types == "\"number\"";
        if is_number && !(is_bounded(&["minimum", "exclusiveMinimum"]) && is_bounded(&["maximum"])) {
            problems.push(format!("{place} is a number without bounds: {schema}"));
        }
        if types.contains("\"array\"") && !(is_bounded(&["maxItems"]) && is_bounded(&["items"])) {
            problems.push(format!("{place} is a list without bounds or items: {schema}"));
        }
        let others = schema.get("additionalProperties");
        if types.contains("\"object\"") && !is_bounded(&["properties"]) && others.is_none() {
            problems.push(format!("{place} is an object without fields: {schema}"));
        }
        let is_explained = schema["description"].as_str().is_some_and(|text| text.ends_with('.'));
        if others == Some(&Value::Bool(true)) && !is_explained {
            problems.push(format!("{place} takes any field, and says nothing about them: {schema}"));
        }
    });
    report(&problems);
    assert!(fields > 400, "{fields} fields were found");
}

#[test]
fn every_operation_has_answers_codes_and_credentials() {
    let (document, mut problems) = (document(), Vec::new());
    let rows = every_operation(&document);
    assert_eq!(rows.len(), operations().count());
    let mut names = BTreeSet::new();
    for (path, method, row) in rows {
        let place = format!("{method} {path}");
        let responses = row["responses"].as_object().unwrap();
        if !responses.keys().any(|status| status.starts_with('2')) {
            problems.push(format!("{place} has no answer"));
        }
        let codes = row["x-problem-codes"].as_object().unwrap();
        if codes.is_empty() || !codes.keys().all(|status| responses.contains_key(status)) {
            problems.push(format!("{place} has no problem codes, or no answer for them: {codes:?}"));
        }
        let is_public = row["description"].as_str().unwrap().contains("No token or certificate is needed.");
        if row["security"].as_array().unwrap().is_empty() != is_public {
            problems.push(format!("{place} has no credentials"));
        }
        let parameters = row["parameters"].as_array().unwrap();
        let of_path: Vec<&str> =
            parameters.iter().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
        if of_path != path_names(path).collect::<Vec<_>>() {
            problems.push(format!("{place}: the parameters of the path are {of_path:?}"));
        }
        if !names.insert(row["operationId"].as_str().unwrap().to_owned()) {
            problems.push(format!("{place}: another operation has this name"));
        }
    }
    for operation in operations() {
        let keys = operation.query.taken().map_or(0, |taken| taken.keys.len());
        let method = operation.method.word().to_ascii_lowercase();
        let row = &document["paths"][operation.path][method];
        let described = row["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query").count();
        if described != keys {
            problems.push(format!("{}: {described} of {keys} keys of the query are described", operation.path));
        }
        if matches!(operation.body, RequestBody::None) != row["requestBody"].is_null() {
            problems.push(format!("{}: the body is not described", operation.path));
        }
        for code in operation.problem_codes() {
            if !CODES.iter().any(|known| known.code == code) {
                problems.push(format!("{}: the guide on errors has no row for {code}", operation.path));
            }
        }
    }
    report(&problems);
}

/// The guide for integrators names every field of every request.
#[test]
fn the_guide_names_every_field_of_every_request() {
    let (document, mut problems) = (document(), Vec::new());
    let guide = crate::docs::guide("integration").unwrap().text;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if name.ends_with("Request") || name == "BulkSelection" || name == "BulkChanges" || name == "PaymentAttributes"
        {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let is_named =
                |field: &str| [format!("`{field}`"), format!("\"{field}\"")].iter().any(|it| guide.contains(it));
            let missing = fields.filter(|(field, _)| !is_named(field));
            problems.extend(missing.map(|(field, _)| format!("{name}.{field}")));
        }
    }
    report(&problems);
}

/// The document as a file. A change of the API is a change of this file; the failing test writes the new document next to
/// the target.
#[test]
fn the_golden_document_shows_every_change() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/openapi.json");
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let shown = format!("{:#}\n", document());
    if golden != shown {
        let written = std::env::temp_dir().join("levelgate-openapi.json");
        fs::write(&written, shown).unwrap();
        panic!("{} is not the document, which is in {}: compare and copy it", path.display(), written.display());
    }
}

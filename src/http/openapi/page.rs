//! The description of the API as a page, from the OpenAPI document: every operation with its fields, answers and codes.
//! The page has no script.

use crate::http::openapi::problems::all_codes;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Text as HTML; text between backquotes is code.
fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = String::new();
    for (place, part) in escaped.split('`').enumerate() {
        match place % 2 {
            0 => out.push_str(part),
            _ => _ = write!(out, "<code>{part}</code>"),
        }
    }
    out
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn members<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The name of a schema that a value refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// A value as JSON code.
fn code(value: &Value) -> String {
    format!("<code>{}</code>", html(&value.to_string()).replace("<code>", "`").replace("</code>", "`"))
}

/// The types of a schema in words. A named schema is a link.
fn type_words(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let alternatives: Vec<String> =
        ["anyOf", "oneOf", "allOf"].into_iter().flat_map(|key| items(schema, key)).map(type_words).collect();
    if !alternatives.is_empty() {
        return alternatives.join(" or ");
    }
    if schema.get("enum").is_some() {
        return items(schema, "enum").map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(word) = schema.get("const") {
        return code(word);
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let word = |word: &str| match (word, schema.get("items")) {
        ("array", Some(items)) => format!("list of {}", type_words(items)),
        ("object", _) => match schema.get("additionalProperties").filter(|other| other.is_object()) {
            Some(values) => format!("object of {}", type_words(values)),
            None => "object".to_owned(),
        },
        (word, _) => word.to_owned(),
    };
    types.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// The bounds of a schema in words.
fn bounds(schema: &Value) -> String {
    const BOUNDS: [(&str, &str); 9] = [
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("minimum", "at least {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "at most {}"),
        ("minItems", "at least {} items"),
        ("maxItems", "at most {} items"),
        ("format", "format {}"),
        ("pattern", "pattern {}"),
    ];
    let shown = |(key, words): (&str, &str)| {
        let bound = schema.get(key)?;
        let bound =
            bound.as_str().map_or_else(|| html(&bound.to_string()), |text| format!("<code>{}</code>", html(text)));
        Some(words.replace("{}", &bound))
    };
    let mut all: Vec<String> = BOUNDS.into_iter().filter_map(shown).collect();
    all.extend(["anyOf", "oneOf"].into_iter().flat_map(|key| items(schema, key)).map(bounds).filter(|b| !b.is_empty()));
    if let Some(default) = schema.get("default") {
        all.push(format!("default {}", code(default)));
    }
    all.join("; ")
}

/// An example of a schema.
fn example(schema: &Value) -> String {
    items(schema, "examples").next().map(code).unwrap_or_default()
}

/// The schema that a value refers to, or the value itself.
fn resolved<'v>(schema: &'v Value, schemas: &'v Map<String, Value>) -> &'v Value {
    let nullable = || items(schema, "anyOf").find_map(reference);
    reference(schema).or_else(nullable).and_then(|name| schemas.get(name)).unwrap_or(schema)
}

/// A row of a table of fields.
fn field_row(name: &str, schema: &Value, is_required: bool, schemas: &Map<String, Value>) -> String {
    let whole = resolved(schema, schemas);
    let described = if text(schema, "description").is_empty() { whole } else { schema };
    let is_simple = whole.get("properties").is_none();
    let (bounds, example) = if is_simple { (bounds(whole), example(whole)) } else { Default::default() };
    format!(
        "<tr><td><code>{name}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{bounds}</td><td>{example}</td></tr>\n",
        type_words(schema),
        if is_required { "always" } else { "" },
        html(text(described, "description")),
    )
}

/// A table of the fields of an object.
fn field_table(schema: &Value, schemas: &Map<String, Value>) -> String {
    let required: Vec<&str> = items(schema, "required").filter_map(Value::as_str).collect();
    let rows: String = members(schema, "properties")
        .map(|(name, field)| field_row(name, field, required.contains(&name.as_str()), schemas))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<table>\n<tr><th>Field</th><th>Type</th><th>Present</th><th>Meaning</th><th>Bounds</th><th>Example</th></tr>\n\
         {rows}</table>\n"
    )
}

/// What a body or an answer contains, by media type.
fn content(value: &Value) -> String {
    let of = |(media_type, content): (&String, &Value)| {
        format!("<code>{}</code>: {}", html(media_type), type_words(&content["schema"]))
    };
    members(value, "content").map(of).collect::<Vec<_>>().join(", ")
}

fn operation(path: &str, method: &str, operation: &Value, schemas: &Map<String, Value>) -> String {
    let id = text(operation, "operationId");
    let mut out = format!(
        "<h3 id=\"{id}\"><code>{} {}</code></h3>\n<p>{}</p>\n",
        method.to_uppercase(),
        html(path),
        html(text(operation, "description"))
    );
    let rows: String = items(operation, "parameters")
        .map(|parameter| {
            let mut schema = parameter["schema"].clone();
            schema["description"] = parameter["description"].clone();
            let is_required = parameter["required"] == true;
            field_row(&format!("{}: {}", text(parameter, "in"), text(parameter, "name")), &schema, is_required, schemas)
        })
        .collect();
    if !rows.is_empty() {
        _ = write!(
            out,
            "<table>\n<tr><th>Parameter</th><th>Type</th><th>Present</th><th>Meaning</th><th>Bounds</th>\
             <th>Example</th></tr>\n{rows}</table>\n"
        );
    }
    if let Some(body) = operation.get("requestBody") {
        let optional = if body["required"] == true { "" } else { ", or no body" };
        _ = writeln!(out, "<p>Body: {}{optional}</p>", content(body));
    }
    let answers: String = members(operation, "responses")
        .filter(|(_, answer)| answer.get("$ref").is_none())
        .map(|(status, answer)| format!("<li>{status}: {}</li>\n", content(answer)))
        .collect();
    let problems: String = members(operation, "x-problem-codes")
        .map(|(status, codes)| {
            let codes = codes.as_array().into_iter().flatten().filter_map(Value::as_str);
            let codes: Vec<String> = codes.map(|code| format!("<a href=\"#code-{code}\">{code}</a>")).collect();
            format!("<li>{status}: {}</li>\n", codes.join(", "))
        })
        .collect();
    _ = write!(out, "<p>Answers:</p>\n<ul>\n{answers}</ul>\n<p>Problems:</p>\n<ul>\n{problems}</ul>\n");
    out
}

fn schema_section(name: &str, schema: &Value, schemas: &Map<String, Value>) -> String {
    let fields = field_table(schema, schemas);
    let mut out = format!("<h3 id=\"schema-{name}\">{name}</h3>\n<p>{}</p>\n", html(text(schema, "description")));
    if fields.is_empty() {
        let whole = [type_words(schema), bounds(schema)].join("; ");
        _ = writeln!(out, "<p>{}. Example: {}</p>", whole.trim_end_matches("; "), example(schema));
    }
    out.push_str(&fields);
    // The alternatives that have no schema of their own.
    for alternative in items(schema, "oneOf") {
        _ = write!(out, "<p>{}</p>\n{}", html(text(alternative, "description")), field_table(alternative, schemas));
    }
    out
}

/// The content of the page.
pub(super) fn page(document: &Value) -> String {
    let empty = Map::new();
    let schemas = document["components"]["schemas"].as_object().unwrap_or(&empty);
    let mut out = format!(
        "<h1>API</h1>\n<p>{}</p>\n<p>The same as a document: <a href=\"/openapi.json\">/openapi.json</a>. The guide \
         <a href=\"/docs/integration\">Integration</a> explains the calls.</p>\n",
        html(text(&document["info"], "description"))
    );
    let rows = |group: &str| -> Vec<(&String, &String, &Value)> {
        let all = members(document, "paths").flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, row)| (path, method, row))
        });
        all.filter(|(_, _, row)| row["tags"][0] == group).collect()
    };
    let groups: Vec<&str> = items(document, "tags").map(|tag| text(tag, "name")).collect();
    for group in &groups {
        _ = write!(out, "<h2>{group}</h2>\n<ul>\n");
        for (path, method, row) in rows(group) {
            let (id, summary) = (text(row, "operationId"), html(text(row, "summary")));
            let call = format!("{} {}", method.to_uppercase(), html(path));
            _ = writeln!(out, "<li><a href=\"#{id}\"><code>{call}</code></a>: {summary}</li>");
        }
        out.push_str("</ul>\n");
    }
    for group in &groups {
        _ = writeln!(out, "<h2>{group}: operations</h2>");
        rows(group).into_iter().for_each(|(path, method, row)| out.push_str(&operation(path, method, row, schemas)));
    }
    out.push_str("<h2>Schemas</h2>\n");
    schemas.iter().for_each(|(name, schema)| out.push_str(&schema_section(name, schema, schemas)));
    out.push_str("<h2>Problem codes</h2>\n<table>\n<tr><th>Code</th><th>Status</th><th>When</th></tr>\n");
    let mut known = Vec::new();
    for code in all_codes().as_array().into_iter().flatten() {
        let name = text(code, "code");
        let anchor = if known.contains(&name.to_owned()) { String::new() } else { format!(" id=\"code-{name}\"") };
        known.push(name.to_owned());
        _ = writeln!(
            out,
            "<tr{anchor}><td><code>{name}</code></td><td>{}</td><td>{}</td></tr>",
            code["status"],
            html(text(code, "when"))
        );
    }
    out.push_str("</table>\n");
    out
}

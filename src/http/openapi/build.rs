//! Builds the OpenAPI document: one operation for each row of the table, with the schemas of the types of the row.

use crate::http::{
    openapi::{
        parameters::parameters,
        problems::{self, request_id, responses},
    },
    operations::{
        operation::{
            Answer, AnswerContent, MerchantScope, Operation, OperationMethod, QueryKeys, RequestBody, RequiredRole,
        },
        table::TABLES,
    },
};
use crate::service::documents::{problem::ProblemDocument, query::TakenKeys};
use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

/// The text at the top of the document.
const ABOUT: &str = "The HTTP API of levelgate, a limits and routing daemon for payment gateways. Amounts are decimal \
                     numbers in texts; a request can also send a JSON number, which is read digit by digit. Times are \
                     RFC 3339. Unknown fields are refused. Errors are problem documents (RFC 9457) with a stable `code`.";

/// The document.
pub(super) fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.contract = Contract::Serialize;
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for (group, rows) in &TABLES {
        for operation in *rows {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.word().to_ascii_lowercase()] = described(operation, group, &mut generator);
        }
    }
    generator.subschema_for::<ProblemDocument>();
    let mut schemas: Map<String, Value> = generator.take_definitions(true);
    schemas.values_mut().for_each(complete);
    let groups: Vec<Value> = TABLES.iter().map(|(group, _)| json!({ "name": group })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "levelgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/", "description": "The daemon that serves this document." }],
        "tags": groups,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": problems::headers(),
            "responses": problems::components(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token with one of the roles `gateway`, `viewer` and `operator`, for all \
                                    merchants or for some. Each operation names the roles that may call it. Where the \
                                    configuration has no tokens, levelgate listens on loopback only and needs none."
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "The certificate of a client of TLS, where the configuration has an authority for \
                                    clients. The common name of its subject has a role and merchants, as a token has. A \
                                    token that is sent as well decides alone."
                }
            }
        }
    })
}

/// The roles and the merchants of an operation in words.
fn access_text(operation: &Operation) -> String {
    let roles = match operation.role {
        RequiredRole::Public => return "No token or certificate is needed.".to_owned(),
        RequiredRole::Any => "`gateway`, `viewer`, `operator`".to_owned(),
        role => role.word().split(',').map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", "),
    };
    let merchants = match operation.merchants {
        MerchantScope::OfPath => "The token or certificate must be for the merchant of the path.",
        MerchantScope::OfToken => "The answer is about the merchants of the token or certificate.",
        MerchantScope::All => "The token or certificate must be for all merchants.",
    };
    format!("Roles: {roles}. {merchants}")
}

/// Whether a repeated request is answered from the record.
fn answers_replays(operation: &Operation, group: &str) -> bool {
    let is_job = matches!(operation.id, "change_customers" | "upload_customers");
    let is_payment = group == "Payments" && operation.method == OperationMethod::Post;
    is_job || (is_payment && !matches!(operation.id, "check" | "payment_form" | "batch" | "link_transaction"))
}

fn described(operation: &Operation, group: &str, generator: &mut SchemaGenerator) -> Value {
    let TakenKeys { keys, repeatable } = operation.query.taken().unwrap_or(TakenKeys::once(&[]));
    let any_query = match operation.query {
        QueryKeys::Ignored => " Any query is ignored.",
        QueryKeys::None | QueryKeys::Listed(_) | QueryKeys::Taken(_) => "",
    };
    let (mut responses, codes) = responses(operation);
    for answer in operation.answers {
        add_answer(&mut responses, answer, answers_replays(operation, group), generator);
    }
    let mut described = json!({
        "operationId": operation.id,
        "tags": [group],
        "summary": operation.summary.trim_end_matches('.'),
        "description": format!("{} {}{any_query}", operation.summary, access_text(operation)),
        "parameters": parameters(operation.path, (keys, repeatable), generator),
        "responses": responses,
        "security": if operation.role == RequiredRole::Public { json!([]) } else { json!([{ "bearer": [] }, { "certificate": [] }]) },
        "x-problem-codes": codes,
    });
    if let Some(body) = request_body(operation.body, generator) {
        described["requestBody"] = body;
    }
    described
}

fn request_body(body: RequestBody, generator: &mut SchemaGenerator) -> Option<Value> {
    let content = |media_type: &str, schema: Value| json!({ media_type: { "schema": schema } });
    let (is_required, content) = match body {
        RequestBody::None => return None,
        RequestBody::Json(schema) => (true, content("application/json", schema(generator).to_value())),
        RequestBody::OptionalJson(schema) => (false, content("application/json", schema(generator).to_value())),
        RequestBody::JsonLines(schema) => (true, content("application/x-ndjson", schema(generator).to_value())),
        RequestBody::Csv => {
            let example = "merchant_customer_identifier,deposit_level\nalice,gold\n";
            (
                true,
                json!({ "text/csv": {
                "schema": {
                    "type": "string",
                    "description": "A table with a header, in UTF-8, at most 1 GiB. Cells are separated by commas or semicolons.",
                    "maxLength": 1_u64 << 30,
                    "examples": [example]
                },
                "example": example
            } }),
            )
        }
    };
    Some(json!({ "required": is_required, "content": content }))
}

fn add_answer(responses: &mut Map<String, Value>, answer: &Answer, is_replayed: bool, generator: &mut SchemaGenerator) {
    let (media_type, schema) = match answer.content {
        AnswerContent::Json(schema) => ("application/json", schema(generator).to_value()),
        AnswerContent::JsonLines(schema) => ("application/x-ndjson", schema(generator).to_value()),
        AnswerContent::Text(media_type) => {
            let schema = json!({ "type": "string", "maxLength": 1_u64 << 32, "examples": ["ok\n"] });
            (media_type, schema)
        }
    };
    let description = if answer.status == 201 { "It was created." } else { "The answer." };
    let entry = responses.entry(answer.status.to_string()).or_insert_with(|| json!({ "description": description }));
    entry["headers"]["X-Request-Id"] = request_id();
    entry["content"][media_type] = json!({ "schema": schema });
    if is_replayed && answer.status == 200 {
        entry["headers"]["Idempotent-Replay"] = json!({
            "description": "Only `true`: the answer comes from the record of an earlier call.",
            "schema": { "type": "string", "enum": ["true"], "examples": ["true"] }
        });
    }
}

/// Adds to a schema what follows from its type: the bounds of numbers, and examples of words, numbers, booleans
/// and lists.
fn complete(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(complete);
            complete_members(members);
        }
        Value::Array(items) => items.iter_mut().for_each(complete),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a schema allows values of a type.
fn allows(members: &Map<String, Value>, word: &str) -> bool {
    match members.get("type") {
        Some(Value::String(known)) => known == word,
        Some(Value::Array(known)) => known.iter().any(|known| known == word),
        _ => false,
    }
}

fn complete_members(members: &mut Map<String, Value>) {
    let bounds = match members.get("format").and_then(Value::as_str) {
        Some("uint8") => Some((json!(0), json!(u8::MAX))),
        Some("uint16") => Some((json!(0), json!(u16::MAX))),
        Some("uint32") => Some((json!(0), json!(u32::MAX))),
        Some("uint64" | "uint") => Some((json!(0), json!(u64::MAX))),
        Some("int64" | "int") => Some((json!(i64::MIN), json!(i64::MAX))),
        _ => None,
    };
    // An answer has as many items as memory has.
    let items_max = allows(members, "array").then(|| json!(u32::MAX));
    let first_word = members.get("enum").and_then(|words| words.get(0)).filter(|word| !word.is_null());
    let example = if let Some(word) = first_word {
        Some(json!([word]))
    } else if allows(members, "integer") {
        Some(json!([1]))
    } else if allows(members, "boolean") {
        Some(json!([true]))
    } else if allows(members, "array") {
        let of_items =
            members.get("items").and_then(|items| items.get("examples")).and_then(|examples| examples.get(0));
        of_items.map(|example| json!([[example]]))
    } else {
        None
    };
    let mut set = |key: &str, value: Value| _ = members.entry(key).or_insert(value);
    if let Some((minimum, maximum)) = bounds {
        set("minimum", minimum);
        set("maximum", maximum);
    }
    if let Some(example) = example {
        set("examples", example);
    }
    if let Some(items_max) = items_max {
        set("maxItems", items_max);
    }
}

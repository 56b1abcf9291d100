//! The parameters of paths and queries: what each is, and its schema.

use crate::{
    config::schema::{
        texts::{
            CurrencyText, CustomerIdText, InstrumentTokenText, JobIdText, NameText, TimeOrDateText, TransactionIdText,
        },
        words::WordOf,
    },
    domain::{
        customer::status::CustomerStatus,
        transaction::status::{Flag, Status},
        vocabulary::direction::Direction,
    },
    ledger::{AuditKind, PAGE_MAX, TransactionOrder},
    service::monitoring::latest_events::EventWord,
    telemetry::decision_series::Resolution,
};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The description of a parameter, and its schema.
type Described = (&'static str, Schema);

/// A parameter of a path; `None`: no path has it.
fn of_path(name: &str, generator: &mut SchemaGenerator) -> Option<Described> {
    Some(match name {
        "merchant" => ("The id of the merchant.", generator.subschema_for::<NameText>()),
        "transaction" => ("The id of the transaction.", generator.subschema_for::<TransactionIdText>()),
        "customer" => (
            "The id of the customer. That of a merged customer leads to the one into which it was merged.",
            generator.subschema_for::<CustomerIdText>(),
        ),
        "direction" => ("The direction of payments.", generator.subschema_for::<WordOf<Direction>>()),
        "currency" => ("The currency of payments.", generator.subschema_for::<CurrencyText>()),
        "name" | "level" => ("The name of the level.", generator.subschema_for::<NameText>()),
        "instrument" => {
            ("The gateway's token of the payment instrument.", generator.subschema_for::<InstrumentTokenText>())
        }
        "job" => ("The id of the job.", generator.subschema_for::<JobIdText>()),
        "guide" => (
            "The name of the guide.",
            json_schema!({
                "type": "string", "minLength": 1, "maxLength": 64, "examples": ["integration"]
            }),
        ),
        _ => return None,
    })
}

fn text(example: &str) -> Schema {
    json_schema!({ "type": "string", "maxLength": 256, "examples": [example] })
}

fn whole(minimum: u64, maximum: u64, default: u64) -> Schema {
    json_schema!({
        "type": "integer", "minimum": minimum, "maximum": maximum, "default": default, "examples": [default]
    })
}

/// A parameter of the query of a path; `None`: no query has it.
fn of_query(path: &str, key: &str, generator: &mut SchemaGenerator) -> Option<Described> {
    let is_of_transactions = path.ends_with("/transactions");
    let is_of_periods = path.ends_with("/series") || path.ends_with("/gates");
    Some(match key {
        "limit" => ("The most items of the page.", whole(1, PAGE_MAX as u64, 100)),
        "cursor" => (
            "The `next_cursor` of the page before.",
            json_schema!({
                "type": "string", "pattern": "^[0-9]+([-_]-?[0-9]*)?(_-?[0-9]+)?$", "maxLength": 64, "examples": ["1000101"]
            }),
        ),
        "order" => (
            "The order: `oldest` is by customer, and of each customer in the order of recording; `newest` is the newest first, \
             of one customer by `occurred_at`, of a merchant by `recorded_at`. Absent: `oldest`.",
            generator.subschema_for::<WordOf<TransactionOrder>>(),
        ),
        "after" => (
            "The `next` of the page before; 0 begins with the oldest event that is kept.",
            json_schema!({
                "type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0, "examples": [0]
            }),
        ),
        "wait" => ("The seconds to wait for an event where there is none.", whole(0, 30, 0)),
        "before" => (
            "The `next_before` of the answer before. Absent: the newest events.",
            json_schema!({ "type": "integer", "minimum": 1, "maximum": u64::MAX, "examples": [1_000] }),
        ),
        "event" => ("Only events that report this.", generator.subschema_for::<WordOf<EventWord>>()),
        "merchant" if path == "/v1/reload" => {
            ("Also the text of the file of this merchant.", generator.subschema_for::<NameText>())
        }
        "merchant" => ("Only events of this merchant.", generator.subschema_for::<NameText>()),
        "flag" => ("Only transactions with this flag.", generator.subschema_for::<WordOf<Flag>>()),
        "status" if is_of_transactions => {
            ("Only transactions with this status.", generator.subschema_for::<WordOf<Status>>())
        }
        "status" => ("Only customers with this status.", generator.subschema_for::<WordOf<CustomerStatus>>()),
        "from" if is_of_periods => (
            "The first period contains this time. Absent: the earliest that is kept.",
            generator.subschema_for::<crate::config::schema::texts::TimeInput>(),
        ),
        "to" if is_of_periods => (
            "The last period begins before this time. Absent: it contains the present.",
            generator.subschema_for::<crate::config::schema::texts::TimeInput>(),
        ),
        "from" => ("Only from this time on.", generator.subschema_for::<TimeOrDateText>()),
        "to" => ("Only before this time; of a date, the day is included.", generator.subschema_for::<TimeOrDateText>()),
        "created_from" => {
            ("Only customers who were created at this time or later.", generator.subschema_for::<TimeOrDateText>())
        }
        "created_to" => (
            "Only customers who were created before this time; of a date, the day is included.",
            generator.subschema_for::<TimeOrDateText>(),
        ),
        "customer_id" => ("The id of the customer.", text("1000001")),
        "merchant_customer_identifier" => ("The merchant's own identifier of the customer.", text("alice")),
        "external_id" => ("The id of the customer in another system.", text("ext-7")),
        "payment_instrument" => ("Only customers who hold this instrument.", text("tok_81")),
        "email" => (
            "An e-mail address. A text that is no whole address, or ends with `*`, is the beginning of one.",
            json_schema!({ "type": "string", "maxLength": 1_000, "examples": ["alice@example.com"] }),
        ),
        "phone" => ("The phone number of the customer.", text("+35799123456")),
        "name" => (
            "The beginning of the name, or of one of its words, of at least 3 characters.",
            json_schema!({ "type": "string", "maxLength": 1_000, "examples": ["Ali"] }),
        ),
        "deposit_level" => ("The stored level of deposits; an empty text: none.", text("gold")),
        "withdrawal_level" => ("The stored level of withdrawals; an empty text: none.", text("gold")),
        "label" => ("Only customers with this label.", text("vip")),
        "sort" => (
            "The order, the oldest first; with a minus sign the newest first.",
            json_schema!({
                "type": "string",
                "enum": ["customer_id", "created_at", "last_payment", "-customer_id", "-created_at", "-last_payment"],
                "default": "customer_id", "examples": ["-created_at"]
            }),
        ),
        "by" => ("Only what the token of this name did.", text("back office")),
        "kind" => (
            "Only entries of this kind. Absent: every kind but `payment`.",
            generator.subschema_for::<WordOf<AuditKind>>(),
        ),
        "job" => ("The id of an upload or a bulk change.", generator.subschema_for::<JobIdText>()),
        "mode" => (
            "What happens to a table with bad rows: `all` imports all rows or none, `partial` the good ones, `trial` none.",
            json_schema!({
                "type": "string", "enum": ["all", "partial", "trial"], "default": "all", "examples": ["trial"]
            }),
        ),
        "columns" => (
            "The columns of the table, separated by commas. Absent: all.",
            json_schema!({
                "type": "string", "maxLength": 1_000, "examples": ["customer_id,email"]
            }),
        ),
        "operator" => (
            "Whether the operator's limits are removed.",
            json_schema!({
                "type": "boolean", "default": false, "examples": [true]
            }),
        ),
        "dry_run" => (
            "Whether the change is only tried: the answer lists the differences and counts the affected customers.",
            json_schema!({
                "type": "boolean", "default": false, "examples": [true]
            }),
        ),
        "filter" => ("The name of the filter.", generator.subschema_for::<NameText>()),
        "payment_method" => ("The payment method. Absent: the methods of gates are not looked at.", text("card")),
        "amount" => ("The amount. Absent: the bounds of gates are not looked at.", text("125.50")),
        "project" => ("Only this project.", text("web")),
        "endpoint" => ("Only this endpoint.", text("web-eur")),
        "resolution" => ("The length of a period.", generator.subschema_for::<WordOf<Resolution>>()),
        _ => return None,
    })
}

/// The names in braces of a path.
pub(super) fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// The parameters of an operation. `repeatable` are keys of the query that can come several times.
pub(super) fn parameters(
    path: &str,
    (keys, repeatable): (&[&str], &[&str]),
    generator: &mut SchemaGenerator,
) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in path_names(path) {
        if let Some((description, schema)) = of_path(name, generator) {
            parameters.push(
                json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema }),
            );
        }
    }
    for key in keys {
        let Some((description, schema)) = of_query(path, key, generator) else { continue };
        let mut parameter =
            json!({ "name": key, "in": "query", "required": false, "description": description, "schema": schema });
        if repeatable.contains(key) {
            let items = parameter["schema"].take();
            parameter["schema"] = json!({ "type": "array", "items": items, "maxItems": 1_000 });
            parameter["style"] = json!("form");
            parameter["explode"] = json!(true);
        }
        parameters.push(parameter);
    }
    parameters
}

//! Every described field of every JSON body, sent to the reader of its operation: its example is taken, a value beyond its
//! bounds is refused with its name, a required field is required, and no field is taken that is not described.

use crate::{
    schema::{Document, Field},
    world::World,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::answer::Answer;

/// A call with a body that its operation takes.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// An operation with a body. `call` makes the state that a call needs, such as a new transaction.
struct Case {
    id: &'static str,
    call: fn(&World) -> Call,
}

fn call(method: &'static str, path: String, body: Value) -> Call {
    Call { method, path, body }
}

const CASES: [Case; 25] = [
    Case { id: "reserve", call: |world| call("POST", world.path("/transactions"), world.payment()) },
    Case { id: "check", call: |world| call("POST", world.path("/decisions"), world.payment()) },
    Case {
        id: "payment_form",
        call: |world| {
            let body = json!({ "direction": "deposit", "currency": "EUR", "merchant_customer_identifier": "form" });
            call("POST", world.path("/payment-form"), body)
        },
    },
    // The approval of a known transaction is a fact, which ignores the other fields.
    Case {
        id: "approve",
        call: |world| {
            let mut body = world.payment();
            let id = body.as_object_mut().unwrap().remove("transaction_id").unwrap();
            call("POST", world.step(id.as_str().unwrap(), "approve"), body)
        },
    },
    Case { id: "decline", call: |world| call("POST", world.step(&world.reserved(), "decline"), json!({})) },
    Case {
        id: "cancel",
        call: |world| call("POST", world.step(&world.reserved(), "cancel"), json!({ "cancel_id": world.name("can") })),
    },
    Case {
        id: "refund",
        call: |world| call("POST", world.step(&world.approved(), "refund"), json!({ "refund_id": world.name("ref") })),
    },
    Case {
        id: "chargeback",
        call: |world| {
            call("POST", world.step(&world.approved(), "chargeback"), json!({ "chargeback_id": world.name("cb") }))
        },
    },
    Case {
        id: "extend_hold",
        call: |world| call("POST", world.step(&world.reserved(), "extend"), json!({ "until": "2999-01-01T00:00:00Z" })),
    },
    Case {
        id: "record_attempt",
        call: |world| {
            let body = json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" });
            call("POST", world.step(&world.reserved(), "attempts"), body)
        },
    },
    Case {
        id: "link_transaction",
        call: |world| {
            let path = format!("/v1/merchants/globex/transactions/{}/customer", world.unlinked());
            call("POST", path, json!({ "email": format!("{}@example.com", world.name("link")) }))
        },
    },
    Case {
        id: "register_customer",
        call: |world| {
            call("POST", world.path("/customers"), json!({ "merchant_customer_identifier": world.name("new") }))
        },
    },
    Case { id: "update_customer", call: |world| call("PATCH", world.customer_path(""), json!({ "city": "Nicosia" })) },
    Case {
        id: "put_instrument",
        call: |world| call("PUT", world.seeded_path("/instruments/tok_81"), json!({ "type": "card" })),
    },
    Case {
        id: "put_limits",
        call: |world| {
            let body = json!({ "filters": [{ "window": "daily", "amount_limit": "50.00" }] });
            call("PUT", world.customer_path("/limits/deposit/EUR"), body)
        },
    },
    Case {
        id: "confirm_raise",
        call: |world| call("POST", world.raised_path("/limits/deposit/EUR/pending/confirm"), json!({})),
    },
    Case {
        id: "merge_customer",
        call: |world| call("POST", world.customer_path("/merge"), json!({ "into": world.customer() })),
    },
    Case {
        id: "put_settings",
        call: |world| {
            let body = json!({ "methods": [{ "method": "card", "max_amount": "50.00" }] });
            call("PUT", world.seeded_path("/settings/deposit/EUR/gold"), body)
        },
    },
    Case {
        id: "send_signal",
        call: |world| call("POST", world.customer_path("/signals"), json!({ "signal": "consent_given" })),
    },
    Case {
        id: "put_level",
        call: |world| call("PUT", world.path("/levels/deposit/EUR/gold"), json!({ "projects": ["web"] })),
    },
    Case {
        id: "rename_level",
        call: |world| {
            let path = world.path(&format!("/levels/deposit/{}/rename", world.level()));
            call("POST", path, json!({ "to": world.name("renamed") }))
        },
    },
    Case {
        id: "put_rates",
        call: |_| {
            let body = json!({ "base": "EUR", "as_of": "2026-11-20T00:00:00Z", "rates": { "USD": "1.1" } });
            call("PUT", "/v1/rates".to_owned(), body)
        },
    },
    Case { id: "accept_clock", call: |_| call("POST", "/v1/clock/accept".to_owned(), json!({})) },
    Case {
        id: "create_mock_customers",
        call: |world| call("POST", world.path("/customers/mock"), json!({ "count": 1 })),
    },
    Case {
        id: "change_customers",
        call: |world| {
            let select = json!({ "merchant_customer_identifier": ["nobody"] });
            let body = json!({ "select": select, "set": { "status": "member" }, "dry_run": true });
            call("POST", world.path("/customers/bulk"), body)
        },
    },
];

/// The value of a field where its example does not fit the state.
enum Fitting {
    /// As `GET` of the path shows it.
    InForce,
    /// This one.
    Value(Value),
    /// In this body.
    In(Value),
    /// With these other members of the body.
    With(Value),
    /// The present time.
    Now,
    /// The field is only compared with what is in force, or stands alone: the reason.
    NotTried(&'static str),
}

/// The value that a field needs; `None`: its example.
fn fitting(id: &str, place: &str) -> Option<Fitting> {
    use Fitting::{In, InForce, NotTried, Now, Value, With};
    const OF_THE_OTHER_MODE: &str = "the merchant is in the other mode";
    Some(match (id, place) {
        (_, "occurred_at") => Now,
        ("reserve" | "check" | "payment_form" | "approve", "customer_id") => NotTried(OF_THE_OTHER_MODE),
        ("cancel" | "refund" | "chargeback", "amount") => Value(json!("1.00")),
        ("extend_hold", "until") | ("put_limits", "until") => Value(json!("2999-01-01T00:00:00Z")),
        (_, "rates") if id != "put_rates" => Value(container(id, "rates")),
        (_, "rates.from") => Value(json!("GBP")),
        ("put_level" | "put_settings", "methods.min_amount") | ("change_customers", "set.global_limit.min_amount") => {
            Value(json!("2.00"))
        }
        ("put_rates", "as_of") => Value(json!("2026-11-20T00:00:00Z")),
        ("change_customers", "select") => Value(json!({ "status": "new" })),
        ("change_customers", "set") => Value(json!({ "status": "new" })),
        ("register_customer", "merchant_customer_identifier") => Value(json!("registered")),
        ("register_customer", "email") => Value(json!("carol@example.com")),
        ("register_customer", "phone") => Value(json!("+35799123458")),
        ("register_customer", "external_id") => Value(json!("ext-9")),
        ("put_limits" | "put_level", "filters.month") => {
            In(json!({ "filters": [{ "window": "monthly", "amount_limit": "5.00" }] }))
        }
        ("put_limits" | "put_level", "filters.week_starts_on") => {
            In(json!({ "filters": [{ "window": "weekly", "calendar": true, "amount_limit": "5.00" }] }))
        }
        ("update_customer", "email") => Value(json!("bob@example.com")),
        ("update_customer", "phone") => Value(json!("+35799123457")),
        ("update_customer", "external_id") => Value(json!("ext-8")),
        ("link_transaction", "deposit_level") => Value(json!("traveller")),
        ("link_transaction", "withdrawal_level" | "labels") => Value(serde_json::Value::Null),
        ("link_transaction", "disabled_projects") => Value(json!(["booking"])),
        ("link_transaction", "merchant_customer_identifier") => NotTried(OF_THE_OTHER_MODE),
        ("put_instrument", "saved_at" | "last_success_at" | "successful_payments" | "order") => InForce,
        ("put_limits", "pending" | "confirmed_at" | "operator") => InForce,
        ("put_level" | "put_rates", "created" | "modified" | "origin" | "by" | "version") => InForce,
        ("put_limits" | "put_level", "filters") => Value(container(id, "filters")),
        ("put_level" | "put_settings", "methods") => Value(container(id, "methods")),
        ("merge_customer", "into") => NotTried("it is the id of a customer, which the base has"),
        ("rename_level", "to") => NotTried("it is a new name, which the base has"),
        ("send_signal", "payment_instrument") => With(json!({ "signal": "card_expired" })),
        ("change_customers", "select.all") => {
            In(json!({ "select": {}, "set": { "status": "member" }, "dry_run": true }))
        }
        ("change_customers", "select.ids") => {
            In(json!({ "select": {}, "set": { "status": "member" }, "dry_run": true }))
        }
        ("change_customers", "set.global_limit") => Value(container(id, "global_limit")),
        ("change_customers", "changed_digest") => NotTried("it is the digest of a trial before"),
        _ => return None,
    })
}

/// A list or an object for a field in it, where the example of the field is too little.
fn container(id: &str, name: &str) -> Value {
    match name {
        "rates" if id == "put_rates" => Value::Null,
        "global_limit" if id == "put_settings" => json!({}),
        "rates" => json!([{ "from": "USD", "to": "EUR", "rate": "0.9" }]),
        "filters" => json!([{ "window": "daily", "amount_limit": "5.00" }]),
        "methods" => json!([{ "method": "card", "max_amount": "50.00" }]),
        "global_limit" => json!({ "direction": "deposit", "currency": "EUR", "max_amount": "9.00" }),
        _ => Value::Null,
    }
}

/// Sets a value in a body. Objects and lists on the way are made from the examples of their fields.
fn insert((id, document): (&str, &Document), fields: &[Field<'_>], body: &mut Value, path: &[String], value: Value) {
    let mut at = body;
    for (depth, key) in path.iter().enumerate() {
        if key == "0" {
            let list = at.as_array_mut().expect("a list");
            at = &mut list[0];
            continue;
        }
        let object = at.as_object_mut().unwrap_or_else(|| panic!("{path:?}: no object"));
        if depth + 1 == path.len() {
            object.insert(key.clone(), value);
            return;
        }
        let schema = fields.iter().find(|field| field.path == path[..=depth]).expect("the field").schema;
        at = object.entry(key.clone()).or_insert_with(|| match container(id, key) {
            Value::Null => document.example(schema),
            container => container,
        });
    }
}

/// The schema of the body of an operation.
fn schema_of<'d>(document: &'d Document, id: &str) -> &'d Value {
    let operations =
        document.0["paths"].as_object().unwrap().values().flat_map(|row| row.as_object().unwrap().values());
    let operation = operations.into_iter().find(|operation| operation["operationId"] == id);
    let content = &operation.unwrap_or_else(|| panic!("no operation {id}"))["requestBody"]["content"];
    let schema = document.resolved(&content["application/json"]["schema"]);
    // A link takes a known customer, or the fields of a registration.
    if id == "link_transaction" { document.resolved(&schema["anyOf"][1]) } else { schema }
}

/// The operations of the document that have a JSON body.
fn operations_with_body(document: &Document) -> BTreeSet<String> {
    let operations =
        document.0["paths"].as_object().unwrap().values().flat_map(|row| row.as_object().unwrap().values());
    let with_body = operations.filter(|operation| !operation["requestBody"]["content"]["application/json"].is_null());
    with_body.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

/// Whether a field is a part of an answer that a body can repeat: the reader compares it with the state in force.
fn is_shown_only(place: &str) -> bool {
    ["pending.", "operator."].iter().any(|start| place.starts_with(start))
}

fn document_of(world: &World) -> Document {
    Document(world.daemon.get("/openapi.json").ok())
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The field that a refusal names is the last of these keys, or one that contains it. Without a currency and a direction an
/// approval is one of a known transaction, which is not found.
fn names_field(problem: &Value, path: &[String]) -> bool {
    if problem["code"] == "transaction_not_found" && ["currency", "direction"].contains(&path[0].as_str()) {
        return true;
    }
    let named = problem["field"].as_str().unwrap_or_default();
    let last = named.rsplit('.').next().unwrap_or_default();
    path.iter().any(|key| key == last)
}

#[test]
fn every_operation_with_a_body_is_tried() {
    let world = World::new(crate::start_open());
    let tried: BTreeSet<String> = CASES.iter().map(|case| case.id.to_owned()).collect();
    assert_eq!(tried, operations_with_body(&document_of(&world)));
}

#[test]
fn every_described_field_is_taken_with_its_example() {
    let world = World::new(crate::start_open());
    let (document, mut faults) = (document_of(&world), Vec::new());
    for Case { id, call } in &CASES {
        let schema = schema_of(&document, id);
        let fields = document.fields(schema, &[]);
        let tried = fields.iter().filter(|field| !is_shown_only(&field.place()));
        for field in tried {
            let Call { method, path, mut body } = call(&world);
            let place = field.place();
            let value = match fitting(id, &place) {
                Some(Fitting::NotTried(reason)) => {
                    assert!(!reason.is_empty());
                    continue;
                }
                Some(Fitting::InForce) => world.done("GET", &path, &Value::Null)[field.name()].clone(),
                Some(Fitting::Now) => world.done("GET", "/v1/status", &Value::Null)["server_time"].clone(),
                Some(Fitting::Value(value)) => value,
                Some(Fitting::In(whole)) => {
                    body = whole;
                    document.example(field.schema)
                }
                Some(Fitting::With(Value::Object(others))) => {
                    body.as_object_mut().unwrap().extend(others);
                    document.example(field.schema)
                }
                Some(Fitting::With(others)) => panic!("{id} {place}: {others}"),
                None => document.example(field.schema),
            };
            insert((id, &document), &fields, &mut body, &field.path, value);
            let answer = world.send(method, &path, &body);
            if answer.status >= 300 {
                faults.push(format!("{id} {place}: {body}: {} {}", answer.status, answer.body));
            }
        }
    }
    report(&faults);
}

#[test]
fn every_value_beyond_a_described_bound_is_refused_by_name() {
    let world = World::new(crate::start_open());
    let (document, mut faults, mut count) = (document_of(&world), Vec::new(), 0);
    for Case { id, call } in &CASES {
        let schema = schema_of(&document, id);
        let fields = document.fields(schema, &[]);
        let sample = call(&world);
        let mut refused = |path: &[String], body: &Value, what: &str| -> Option<Answer> {
            let answer = world.send(sample.method, &sample.path, body);
            count += 1;
            let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let is_refused = (400..500).contains(&answer.status) && names_field(&problem, path);
            (!is_refused)
                .then(|| faults.push(format!("{id} {}: {what}: {} {}", path.join("."), answer.status, answer.body)));
            Some(answer)
        };
        for field in fields.iter().filter(|field| !is_shown_only(&field.place())) {
            for (what, value) in document.values_beyond(field.schema) {
                let mut body = sample.body.clone();
                insert((id, &document), &fields, &mut body, &field.path, value);
                refused(&field.path, &body, &what);
            }
            if field.is_required {
                let mut body = sample.body.clone();
                insert((id, &document), &fields, &mut body, &field.path, Value::Null);
                remove(&mut body, &field.path);
                refused(&field.path, &body, "it is missing");
            }
        }
    }
    report(&faults);
    assert!(count > 1_000, "{count} values were refused");
}

/// Removes a field that a body has.
fn remove(body: &mut Value, path: &[String]) {
    let (name, above) = path.split_last().unwrap();
    let parent = above.iter().fold(body, |at, key| match key.as_str() {
        "0" => &mut at[0],
        key => &mut at[key],
    });
    parent.as_object_mut().unwrap().remove(name);
}

#[test]
fn every_field_that_is_not_described_is_refused_by_name() {
    let world = World::new(crate::start_open());
    let (document, mut faults, mut count) = (document_of(&world), Vec::new(), 0);
    let schemas: Vec<&Value> = CASES.iter().map(|case| schema_of(&document, case.id)).collect();
    let mut names: BTreeSet<String> =
        schemas.iter().flat_map(|schema| document.fields(schema, &[])).map(|field| field.name().to_owned()).collect();
    names.extend(["not_described", "id", "merchant", "at", "op", "limit", "cursor"].map(str::to_owned));
    for Case { id, call } in &CASES {
        let schema = schema_of(&document, id);
        let fields = document.fields(schema, &[]);
        let sample = call(&world);
        for (path, known) in document.objects(schema, &[]) {
            if path.first().is_some_and(|first| ["pending", "operator"].contains(&first.as_str())) {
                continue;
            }
            let is_taken = |name: &str| known.contains(&name) || (*id, name) == ("link_transaction", "customer_id");
            for name in names.iter().filter(|name| !is_taken(name)) {
                let mut body = sample.body.clone();
                let place = [path.as_slice(), std::slice::from_ref(name)].concat();
                insert((id, &document), &fields, &mut body, &place, json!(1));
                let answer = world.send(sample.method, &sample.path, &body);
                count += 1;
                let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                if answer.status != 400 || !names_field(&problem, std::slice::from_ref(name)) {
                    faults.push(format!("{id} {}: {} {}", place.join("."), answer.status, answer.body));
                }
            }
        }
    }
    report(&faults);
    assert!(count > 2_000, "{count} fields were refused");
}

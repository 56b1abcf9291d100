//! Every described field of an answer is in some answer, or it is explained why none has it here.

use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{
    answer::Answer,
    contract::{described_answer_fields, fields_of_answer},
    daemon::{ConfigFolder, Daemon, Settings},
    raw_http,
};

/// What the answers of this test need not have, by the beginning of its name, and where it is from.
const EXPLAINED: &[(&str, &str)] = &[
    ("AcceptedLoss.", "an archive that lost segments: tests/http/archive_loss.rs"),
    ("AmountUsage.missing_rate", "usage in a currency that has lost its rate"),
    ("BlockCause.label", "a block by a label: tests/http/denial_figures.rs"),
    ("BlockCause.payment_instruments", "a block by an instrument: tests/http/block_origins.rs"),
    ("BlockCause.project", "a block in a project: tests/http/denial_figures.rs"),
    ("BlockCause.restriction", "a block by a label: tests/http/denial_figures.rs"),
    ("BlockedInstrument.", "blocks by instruments: tests/http/block_origins.rs"),
    ("BulkAnswer.settings_changed", "a global limit that changes settings: tests/http/table_selection.rs"),
    ("BulkOutcome.settings_changed", "the same, of a job: tests/http/table_selection.rs"),
    ("BulkOutcome.undo", "the same, of a job: tests/http/table_selection.rs"),
    ("BulkOutcome.changed_digest", "a trial has it, and a trial is no job"),
    ("CustomerAboveLimit.", "customers above a lower limit: tests/http/level_trials.rs"),
    ("CustomersAboveLimit.", "the same"),
    ("Decision.flags", "a payment at once with its outcome: tests/http/batch.rs"),
    ("Decision.replay", "lines of a batch: tests/http/batch.rs, replay_parity.rs"),
    ("Decision.warnings", "attributes that are not kept: tests/http/attribute_forms.rs"),
    ("DenialCode.attribute", "an attribute that blocks: tests/http/block_origins.rs"),
    ("DenialCode.figures_recorded", "records of older formats: tests/http/format_upgrade.rs"),
    ("DenialCode.pair", "a missing rate: tests/http/sandbox.rs"),
    ("HistoryStep.unreadable", "damaged records: tests/http/unreadable_records.rs"),
    ("ImportAnswer.removed_values", "tables that remove values: tests/http/import_export.rs"),
    ("ImportAnswer.settings_changed", "tables that change levels: tests/http/table_selection.rs"),
    ("ImportAnswer.undo", "tables that change customers: tests/http/table_selection.rs"),
    ("ImportAnswer.values_removed", "tables that remove values: tests/http/import_export.rs"),
    ("ImportOutcome.removed_values", "the same, of a job: tests/http/import_export.rs"),
    ("ImportOutcome.settings_changed", "the same, of a job: tests/http/table_selection.rs"),
    ("ImportOutcome.undo", "the same, of a job: tests/http/table_selection.rs"),
    ("ImportOutcome.values_removed", "the same, of a job: tests/http/import_export.rs"),
    ("ListedCustomer.last_payment_at", "a list that is sorted by it: tests/http/customer_filters.rs"),
    ("Problem.bad_rows", "tables with bad rows: tests/http/import_export.rs"),
    ("Problem.fields", "a repetition with other content: tests/http/idempotency.rs"),
    ("Problem.problems", "bodies with several problems: tests/http/refusal_words.rs"),
    ("Problem.warnings", "files that cannot be reloaded: tests/http/configuration_reload.rs"),
    ("RedisState.", "a daemon with Redis: tests/redis/shipping.rs"),
    ("RemovedValue.", "tables that remove values: tests/http/import_export.rs"),
    ("RouteState.", "a merchant with routes, as those of the sample configuration"),
    ("StandbyState.", "a standby: tests/redis/standby.rs"),
    ("TakeOverReport.", "a standby: tests/redis/standby.rs"),
    ("TransactionPage.unreadable", "damaged records: tests/http/unreadable_records.rs"),
    ("Transition.replay", "lines of a batch: tests/http/batch.rs"),
    ("Transition.warnings", "attributes that are not kept: tests/http/attribute_forms.rs"),
    ("UnreadableAudit.", "damaged records: tests/http/unreadable_records.rs"),
    ("UnreadableRecords.", "damaged records: tests/http/unreadable_records.rs"),
    ("UnreadableTransaction.", "damaged records: tests/http/unreadable_records.rs"),
    ("UsedRates.own", "a customer's own rate: tests/http/customer_limits.rs"),
];

/// The state of a busy daemon, and the fields of its answers.
struct Tour {
    world: World,
    fields: BTreeSet<String>,
}

impl Tour {
    fn note(&mut self, method: &str, path: &str, answer: &Answer) {
        self.fields.extend(fields_of_answer(method, path, answer));
    }

    fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.world.send(method, path, body);
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
        self.note(method, path, &answer);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    fn get(&mut self, path: &str) -> Value {
        self.call("GET", path, &Value::Null)
    }

    fn table(&mut self, path: &str, table: &str) {
        let answer = raw_http::send(self.world.daemon.port(), "POST", path, table.as_bytes());
        self.note("POST", path, &answer);
    }
}

fn busy() -> World {
    let sample = |name: &str| std::fs::read_to_string(crate::root().join("config").join(name)).unwrap();
    let merchants = [("acme", sample("merchants/acme.toml")), ("globex", sample("merchants/globex.toml"))];
    let store = "kind = \"disk\"\npath = \"data\"\nsync = \"never\"";
    let folder = ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &merchants);
    folder.write("rates.toml", &sample("rates.toml"));
    World::new(Daemon::start(folder))
}

#[test]
fn every_described_field_of_an_answer_is_in_some_answer() {
    let mut tour = Tour { world: busy(), fields: BTreeSet::new() };
    let acme = |rest: &str| format!("/v1/merchants/acme{rest}");
    let seeded = tour.world.seeded.clone();
    let of = |rest: &str| format!("/v1/merchants/acme/customers/{seeded}{rest}");
    let who = tour.get(&of(""))["merchant_customer_identifier"].as_str().unwrap().to_owned();
    let pay = |id: &str, amount: &str, more: Value| {
        let mut body = json!({
            "transaction_id": id, "direction": "deposit", "amount": amount, "currency": "EUR", "explain": true,
            "payment_method": "card", "merchant_customer_identifier": who, "customer_level": "gold",
            "payment_instrument": "tok_81",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    // A customer with everything.
    let everything = json!({
        "email": "tour@example.com", "labels": ["vip"], "disabled_projects": ["app"],
        "rates": [{ "from": "USD", "to": "EUR", "rate": "0.9" }],
    });
    tour.call("PATCH", &of(""), &everything);
    tour.call(
        "PUT",
        &of("/instruments/tok_81"),
        &json!({ "type": "card", "masked_number": "411111******1111", "expires": "2027-04" }),
    );
    let settings =
        json!({ "methods": [{ "method": "card", "max_amount": "2000.00" }], "global_limit": { "min_amount": "2.00" } });
    tour.call("PUT", &of("/settings/deposit/EUR/gold"), &settings);
    for limit in ["400.00", "450.00"] {
        let limits = json!({ "filters": [{ "window": "weekly", "amount_limit": limit }] });
        tour.call("PUT", &of("/limits/deposit/EUR"), &limits);
    }
    let of_operator =
        json!({ "filters": [{ "window": "monthly", "amount_limit": "5000.00" }], "until": "2999-01-01T00:00:00Z" });
    tour.call("PUT", &of("/limits/deposit/EUR"), &of_operator);
    // Payments: allowed, denied by a limit, a bound, a block, a rate; all facts.
    tour.call("POST", &acme("/transactions"), &pay("p1", "100.00", json!({})));
    tour.call(
        "POST",
        &acme("/transactions/p1/attempts"),
        &json!({ "attempt": 1, "gate": "gate-b", "outcome": "declined" }),
    );
    tour.call(
        "POST",
        &acme("/transactions/p1/approve"),
        &json!({ "amount": "60.00", "capture_id": "c1", "final": false, "gate": "gate-a" }),
    );
    tour.call("POST", &acme("/transactions/p1/extend"), &json!({ "until": "2999-01-01T00:00:00Z" }));
    tour.call(
        "POST",
        &acme("/transactions/p1/cancel"),
        &json!({ "amount": "5.00", "cancel_id": "x", "of": "reservation" }),
    );
    tour.call("POST", &acme("/transactions/p1/refund"), &json!({ "amount": "5.00", "refund_id": "r" }));
    tour.call("POST", &acme("/transactions/p1/chargeback"), &json!({ "amount": "5.00", "chargeback_id": "cb" }));
    tour.call("POST", &acme("/transactions/p1/decline"), &json!({}));
    tour.call("POST", &acme("/transactions"), &pay("p2", "390.00", json!({})));
    tour.call("POST", &acme("/transactions"), &pay("p3", "9000.00", json!({})));
    tour.call("POST", &acme("/transactions"), &pay("p4", "1.00", json!({})));
    for level in ["silver", "new-level", ""] {
        tour.call(
            "POST",
            &acme("/transactions"),
            &pay(&format!("p-{level}"), "20.00", json!({ "customer_level": level })),
        );
    }
    tour.call("POST", &acme("/transactions"), &pay("p5", "20.00", json!({ "project": "app", "currency": "JPY" })));
    tour.call(
        "POST",
        &acme("/transactions"),
        &pay("p6", "20.00", json!({ "customer": { "phone": "x", "email": "other@example.com" } })),
    );
    tour.call(
        "POST",
        &acme("/transactions/p7/approve"),
        &pay("p7", "20.00", json!({}))
            .as_object()
            .map(|body| {
                let mut body = body.clone();
                body.remove("transaction_id");
                body.remove("explain");
                Value::Object(body)
            })
            .unwrap(),
    );
    for (operation, more) in [("decisions", json!({})), ("payment-form", json!({}))] {
        let mut body = pay("form", "20.00", more);
        if operation == "payment-form" {
            body.as_object_mut().unwrap().remove("amount");
        }
        tour.call("POST", &acme(&format!("/{operation}")), &body);
    }
    let line = json!({ "op": "check", "merchant": "acme", "direction": "deposit", "amount": "1", "currency": "EUR", "merchant_customer_identifier": "x" });
    tour.table(
        "/v1/batch",
        &format!("{line}\nnone\n{}\n", json!({ "op": "decline", "merchant": "acme", "transaction_id": "p2" })),
    );
    // Tables, jobs, signals, merges.
    tour.table(
        &acme("/customers.csv?mode=partial&job=t1"),
        &format!("customer_id,email,rating\n{seeded},,85\n77,x,y\n"),
    );
    tour.table(&acme("/customers.csv"), "customer_id,rating\n77,y\n");
    for dry_run in [true, false] {
        let bulk = json!({ "select": { "ids": [seeded, "77"] }, "set": { "status": "member" }, "dry_run": dry_run });
        tour.call("POST", &acme("/customers/bulk?job=b1"), &bulk);
    }
    let limit = json!({ "direction": "deposit", "currency": "EUR", "max_amount": "900.00" });
    tour.call(
        "POST",
        &acme("/customers/bulk"),
        &json!({ "select": { "ids": [seeded] }, "set": { "global_limit": limit } }),
    );
    tour.call("POST", &acme("/customers/mock"), &json!({ "count": 2 }));
    let other = tour.world.customer();
    tour.call("POST", &acme(&format!("/customers/{other}/merge")), &json!({ "into": seeded }));
    tour.call("POST", &of("/signals"), &json!({ "signal": "card_stolen", "payment_instrument": "tok_81" }));
    tour.call("POST", &acme("/transactions"), &pay("p8", "20.00", json!({})));
    tour.call("POST", &of("/signals"), &json!({ "signal": "fraud_confirmed" }));
    tour.call("POST", &acme("/transactions"), &pay("p9", "20.00", json!({})));
    let unlinked = tour.world.unlinked();
    tour.call(
        "POST",
        &format!("/v1/merchants/globex/transactions/{unlinked}/customer"),
        &json!({ "email": "g@example.com" }),
    );
    tour.get(&format!("/v1/merchants/globex/transactions/{unlinked}"));
    // The configuration.
    tour.call(
        "PUT",
        &acme("/levels/deposit/EUR/gold"),
        &json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": "1.00" }] }),
    );
    tour.get(&acme("/levels/deposit/EUR/gold/status"));
    tour.get(&acme("/levels/deposit/EUR/gold/gates"));
    tour.get(&acme("/levels/deposit/EUR/gold/above"));
    tour.call(
        "PUT",
        &acme("/levels/deposit/EUR/gold?dry_run=true"),
        &json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": "2.00" }] }),
    );
    tour.get(&acme("/levels/deposit/EUR/gold"));
    tour.call("POST", &acme("/levels/deposit/silver/rename"), &json!({ "to": "platinum" }));
    tour.call("DELETE", &acme("/levels/deposit/EUR/platinum"), &Value::Null);
    tour.call("DELETE", &acme("/levels/deposit/JPY"), &Value::Null);
    tour.call(
        "PUT",
        "/v1/rates",
        &json!({ "base": "EUR", "as_of": "2026-11-21T00:00:00Z", "rates": { "USD": "1.2", "JPY": "160" } }),
    );
    let file = std::fs::read_to_string(tour.world.daemon.folder.path().join("merchants/globex.toml")).unwrap();
    tour.world.daemon.folder.write("merchants/globex.toml", &file.replacen("3000.00", "30.00", 1));
    tour.call("POST", "/v1/reload", &Value::Null);
    tour.call("POST", "/v1/snapshot", &Value::Null);
    tour.call("POST", "/v1/clock/accept", &json!({}));
    tour.call("POST", "/v1/reload", &Value::Null);
    // Everything that is shown.
    for path in [
        "/",
        "/openapi.json",
        "/v1/status",
        "/v1/rates",
        "/v1/merchants",
        "/v1/merchants/acme",
        "/v1/merchants/globex",
        "/v1/events?after=0&limit=1000",
        "/v1/events/latest",
        "/v1/series",
        "/v1/settings",
        "/v1/reload?merchant=acme",
    ] {
        tour.get(path);
    }
    for rest in [
        "/levels",
        "/transactions",
        "/transactions/p1",
        "/transactions/p2",
        "/transactions/p9",
        "/customers",
        "/customers?customer_id=1000001&sort=-last_payment_at",
        "/customers/jobs",
        "/customers/jobs/t1",
        "/customers/jobs/b1",
        "/audit?limit=1000",
        "/series",
        "/gates",
        "/file",
    ] {
        tour.get(&acme(rest));
    }
    for rest in [
        "",
        "/usage",
        "/history",
        "/transactions",
        "/export",
        "/limits/deposit/EUR",
        "/settings/deposit/EUR/gold",
        "/instruments/tok_81",
        "/instruments/tok_81/history",
        "/instruments/tok_81/transactions",
    ] {
        tour.get(&of(rest));
    }
    for rest in ["/limits/deposit/EUR/pending", "/settings/deposit/EUR/gold", "/instruments/tok_81", ""] {
        tour.call("DELETE", &of(rest), &Value::Null);
    }
    tour.get(&of(""));
    let is_explained = |field: &str| EXPLAINED.iter().any(|(start, _)| field.starts_with(start));
    let described = described_answer_fields();
    let missing: Vec<&String> =
        described.iter().filter(|field| !tour.fields.contains(*field) && !is_explained(field)).collect();
    assert!(missing.is_empty(), "{} of {} fields are in no answer:\n{missing:#?}", missing.len(), described.len());
}

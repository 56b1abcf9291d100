//! A workload with several merchants and all kinds of calls, and every answer about it that must be the same after a restore.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, level, level_in, pay, with, without};
use support::redis::server::RedisServer;

/// A folder with two merchants and `[redis]`. `store` follows `[store]`.
pub(crate) fn two_merchants(server: &RedisServer, store: &str, redis: &str) -> ConfigFolder {
    let folder = support::redis::daemons::folder_with(server, store, redis);
    let head = format!(
        "{CRM}deletion_grace = \"1s\"\nraise_delay = \"240h\"\nhold = {{ deposit = \"never\", withdrawal = \"never\" }}\n\
         [[labels]]\nname = \"vip\"\n"
    );
    let levels = |name: &str| {
        let filters = filter("window = \"lifetime\"; amount_limit = \"9000.00\"; quantity_limit = 900");
        [
            level(name, &filters),
            level_in("withdrawal", "EUR", "silver", &filter("window = \"daily\"; amount_limit = \"500.00\"")),
        ]
    };
    folder.write("merchants/acme.toml", &acme(&head, &levels("gold")));
    let beta = acme(&head, &levels("gold")).replacen("id = \"acme\"", "id = \"beta\"", 1);
    folder.write("merchants/beta.toml", &beta);
    folder
}

/// An empty folder of the same configuration and the same key file.
pub(crate) fn of_another_machine(folder: &ConfigFolder) -> ConfigFolder {
    let second = ConfigFolder::new(&Settings::SYSTEM, &[]);
    for name in ["levelgate.toml", "rates.toml", "merchants/acme.toml", "merchants/beta.toml"] {
        if let Ok(text) = fs::read_to_string(folder.path().join(name)) {
            second.write(name, &text);
        }
    }
    second
}

/// The calls so far.
#[derive(Default)]
struct Calls {
    refused: Vec<String>,
    taken: u32,
}

impl Calls {
    fn note(&mut self, what: &str, answer: &Answer) -> Value {
        if answer.status >= 400 {
            self.refused.push(format!("{what}: {} {}", answer.status, answer.body));
        } else {
            self.taken += 1;
        }
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }
}

/// Sends all kinds of calls at both merchants. Each of them must be taken.
pub(crate) fn work(daemon: &Daemon, round: &str) {
    let mut calls = Calls::default();
    for merchant in ["acme", "beta"] {
        let of = |below: &str| format!("/v1/merchants/{merchant}{below}");
        let mut customers = Vec::new();
        for name in ["ann", "bob", "cem", "dia", "eva"] {
            let body = json!({
                "merchant_customer_identifier": format!("{name}-{round}"), "email": format!("{name}{round}@{merchant}.example"),
                "name": format!("{name} of {merchant}"), "labels": ["vip"],
            });
            let made = calls.note("register", &daemon.post(&of("/customers"), &body));
            customers.push(made["customer_id"].as_str().unwrap_or_default().to_owned());
        }
        let by = |who: &str, id: &str, amount: &str| {
            let who = json!({ "merchant_customer_identifier": format!("{who}-{round}"), "payment_instrument": format!("tok-{who}") });
            with(pay(&format!("{round}-{id}"), amount), &who)
        };
        let step =
            |id: &str, step: &str, body: Value| daemon.post(&of(&format!("/transactions/{round}-{id}/{step}")), &body);
        for (who, id, amount) in [
            ("ann", "held", "10.00"),
            ("ann", "paid", "20.00"),
            ("ann", "parts", "30.00"),
            ("bob", "declined", "5.00"),
            ("bob", "cancelled", "6.00"),
            ("cem", "refunded", "7.00"),
            ("cem", "back", "8.00"),
            ("dia", "tried", "9.00"),
            ("eva", "erased", "3.00"),
            ("dia", "denied", "9999.00"),
        ] {
            calls.note(id, &daemon.post(&of("/transactions"), &by(who, id, amount)));
        }
        let out = with(by("ann", "out", "40.00"), &json!({ "direction": "withdrawal", "customer_level": "silver" }));
        calls.note("withdrawal", &daemon.post(&of("/transactions"), &out));
        for (id, name, body) in [
            ("paid", "approve", json!({})),
            ("parts", "approve", json!({ "amount": "10.00", "capture_id": "k1" })),
            ("parts", "approve", json!({ "amount": "5.00", "capture_id": "k2" })),
            ("declined", "decline", json!({})),
            ("cancelled", "cancel", json!({})),
            ("refunded", "approve", json!({})),
            ("refunded", "refund", json!({ "amount": "2.00", "refund_id": "r1" })),
            ("back", "approve", json!({})),
            ("back", "chargeback", json!({ "chargeback_id": "c1" })),
            ("tried", "attempts", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" })),
            ("out", "approve", json!({})),
        ] {
            calls.note(&format!("{name} {id}"), &step(id, name, body));
        }
        let [ann, bob, cem, dia, eva] = customers.as_slice() else { panic!("five customers: {customers:?}") };
        let customer = |id: &str, below: &str| of(&format!("/customers/{id}{below}"));
        calls.note(
            "amend",
            &daemon.send("PATCH", &customer(ann, ""), &json!({ "city": "Rom", "phone": "+49 30 1234502" })),
        );
        let limits = json!({ "filters": [{ "window": "lifetime", "amount_limit": "80.00" }] });
        calls.note("limits", &daemon.send("PUT", &customer(dia, "/limits/deposit/EUR"), &limits));
        let raised = json!({ "filters": [{ "window": "lifetime", "amount_limit": "90.00" }] });
        calls.note("raise", &daemon.send("PUT", &customer(dia, "/limits/deposit/EUR"), &raised));
        calls.note("signal", &daemon.post(&customer(bob, "/signals"), &json!({ "signal": "fraud_confirmed" })));
        calls.note("merge", &daemon.post(&customer(cem, "/merge"), &json!({ "into": ann })));
        calls.note("erase", &daemon.delete(&customer(eva, "")));
    }
    assert!(calls.refused.is_empty() && calls.taken > 50, "{:#?}", calls.refused);
    let line = |n: u32| {
        let mut body = without(pay(&format!("{round}-batch-{n}"), "1.00"), &[]);
        body["op"] = "reserve".into();
        body["merchant"] = "beta".into();
        body.to_string()
    };
    let batch = (0..20).map(line).collect::<Vec<_>>().join("\n");
    assert_eq!(daemon.post_text("/v1/batch", &batch).status, 200);
}

/// Removes what depends on the moment of the question.
fn without_now(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("server_time");
            members.remove("request_id");
            members.remove("exported_at");
            // The place of a window changes with the time.
            if members.get("window").is_some_and(Value::is_object) {
                members.remove("window");
            }
            members.values_mut().for_each(without_now);
        }
        Value::Array(items) => items.iter_mut().for_each(without_now),
        _ => {}
    }
}

/// Every answer about the state, by its path.
pub(crate) fn answers(daemon: &Daemon) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut ask = |path: String| {
        let answer = daemon.get(&path);
        let mut value: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.body.clone().into());
        without_now(&mut value);
        all.insert(path, format!("{} {value}", answer.status));
        value
    };
    for path in ["/v1/merchants", "/v1/rates"] {
        ask(path.to_owned());
    }
    for merchant in ["acme", "beta"] {
        let of = |below: &str| format!("/v1/merchants/{merchant}{below}");
        for below in ["", "/levels", "/audit"] {
            ask(of(below));
        }
        let customers = ask(of("/customers?limit=100"));
        let customers = customers["customers"].as_array().expect("customers").clone();
        for customer in &customers {
            let id = customer["customer_id"].as_str().expect("an id");
            for below in
                ["", "/usage", "/transactions", "/history", "/limits/deposit/EUR", "/limits/withdrawal/EUR", "/export"]
            {
                ask(of(&format!("/customers/{id}{below}")));
            }
        }
        let transactions = ask(of("/transactions?limit=200"));
        for transaction in transactions["transactions"].as_array().expect("transactions").clone() {
            ask(of(&format!("/transactions/{}", transaction["transaction_id"].as_str().expect("an id"))));
        }
    }
    assert!(all.len() > 20, "the state was found: {:?}", all.keys());
    all
}

/// Compares the answers, and names the first that differs.
#[track_caller]
pub(crate) fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (path, want) in before {
        let found = after.get(path).map_or("", String::as_str);
        let same = want.bytes().zip(found.bytes()).take_while(|(want, found)| want == found).count();
        let near =
            |text: &str| text.get(same.saturating_sub(60)..).unwrap_or_default().chars().take(160).collect::<String>();
        assert!(want == found, "{path}:\n  {}\n  {}", near(want), near(found));
    }
    assert_eq!(before.len(), after.len());
}

//! Holds one answer of the daemon against what the model expects, field by field.

use crate::model::decide::{Explained, Remaining, reason};
use crate::model::oracle::{Answer, Decided, Transitioned};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What differs, as one line for each field; empty where all agrees.
pub fn differences(want: &Answer, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |field: &str, want: Value, got: Value| {
        if want != got {
            found.push(format!("{field}: the model says {want}, the daemon {got}"));
        }
    };
    let refused = got.get("title").is_some() || got.get("type").is_some();
    match want {
        Answer::Refused(status) => {
            hold("refused with status", json!(status), if refused { got["status"].clone() } else { Value::Null });
        }
        _ if refused => hold("refused with status", Value::Null, got["status"].clone()),
        Answer::Decided(want) => decided(want, got, &mut hold),
        Answer::Transitioned(want) => moved(want, got, &mut hold),
    }
    found
}

fn decided(want: &Decided, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    hold("decision", json!(if want.allowed { "allow" } else { "deny" }), got["decision"].clone());
    hold("transaction_id", json!(want.transaction_id), got["transaction_id"].clone());
    hold("status", json!(want.status), got["status"].clone());
    let first = want.codes.first().map(|(code, _)| *code);
    hold("code", json!(first), got["code"].clone());
    hold("reason", json!(first.map(reason)), got["reason"].clone());
    let codes: Vec<Value> = want.codes.iter().map(|(code, filter)| json!([code, reason(*code), filter])).collect();
    let got_part: Vec<Value> =
        got["codes"].as_array().into_iter().flatten().map(|c| json!([c["code"], c["reason"], c["filter"]])).collect();
    hold("codes", json!(codes), json!(got_part));
    hold("resolution", json!(want.resolution), got["customer"]["resolution"].clone());
    if want.customer_id.is_some() {
        hold("customer_id", json!(want.customer_id), got["customer"]["customer_id"].clone());
    }
    let level = want.level.as_ref().map(|(name, source)| json!([name, source]));
    let got_part = got["level"].as_object().map(|l| json!([l.get("name"), l.get("source")]));
    hold("level", json!(level), json!(got_part));
    flags(&want.flags, got, hold);
    if let Some(replay) = want.replay {
        replayed(replay, got, hold);
    }
    if let Some(gates) = &want.gates {
        hold("gates", json!(gates), got["gates"].clone());
    }
    remaining(&want.remaining, &got["remaining"], hold);
    if want.expires_at.is_some() {
        hold("expires_at", json!(want.expires_at), got["expires_at"].clone());
    }
    if let Some(limits) = &want.limits {
        for want in limits {
            let listed = got["limits"].as_array().into_iter().flatten();
            match listed.clone().find(|l| l["filter"] == want.filter.as_str()) {
                Some(got_part) => explained(want, got_part, hold),
                None => hold(&format!("limits: {}", want.filter), json!("listed"), json!("not listed")),
            }
        }
    }
}

fn explained(want: &Explained, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    let filter = &want.filter;
    if let Some((limit, usage)) = &want.amount {
        hold(&format!("limits: {filter}: amount.limit"), json!(limit), got["amount"]["limit"].clone());
        if let Some((used, left)) = usage {
            hold(&format!("limits: {filter}: amount.used"), json!(used), got["amount"]["used"].clone());
            hold(&format!("limits: {filter}: amount.remaining"), json!(left), got["amount"]["remaining"].clone());
        }
    }
    if let Some((limit, used, left)) = &want.quantity {
        hold(&format!("limits: {filter}: quantity.limit"), json!(limit), got["quantity"]["limit"].clone());
        hold(&format!("limits: {filter}: quantity.used"), json!(used), got["quantity"]["used"].clone());
        hold(&format!("limits: {filter}: quantity.remaining"), json!(left), got["quantity"]["remaining"].clone());
    }
}

fn moved(want: &Transitioned, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    hold("transaction_id", json!(want.transaction_id), got["transaction_id"].clone());
    hold("status", json!(want.status), got["status"].clone());
    hold("amount", json!(want.amount), got["amount"].clone());
    hold("held", json!(want.held), got["held"].clone());
    hold("cancelled", json!(want.cancelled), got["cancelled"].clone());
    hold("released", json!(want.released), got["released"].clone());
    hold("refunded", json!(want.refunded), got["refunded"].clone());
    hold("charged_back", json!(want.charged_back), got["charged_back"].clone());
    flags(&want.flags, got, hold);
    replayed(want.replay, got, hold);
    remaining(&want.remaining, &got["remaining"], hold);
}

fn flags(want: &BTreeSet<&str>, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    let got_flags: BTreeSet<&str> = got["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    hold("flags", json!(want), json!(got_flags));
}

/// A repetition is marked as one; anything else has no such mark.
fn replayed(want: bool, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    hold("replay", if want { json!(true) } else { Value::Null }, got["replay"].clone());
}

fn remaining(want: &Remaining, got: &Value, hold: &mut impl FnMut(&str, Value, Value)) {
    hold("remaining.amount", json!(want.amount), got["amount"].clone());
    hold("remaining.quantity", json!(want.quantity), got["quantity"].clone());
    // Where nothing limits at all, only the two nulls matter.
    if want.amount.is_some() || want.quantity.is_some() {
        hold("remaining.currency", json!(want.currency), got["currency"].clone());
    }
}

/// Holds an answer of the model against a line of a stream's `expected.ndjson`, which says less than the daemon does.
pub fn differences_from_given(want: &Answer, given: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |field: &str, want: Value, given: &Value| {
        if want != *given {
            found.push(format!("{field}: the model says {want}, the given stream {given}"));
        }
    };
    match want {
        Answer::Refused(status) => hold("error", json!(status), &given["error"]),
        Answer::Transitioned(want) => hold("status", json!(want.status), &given["status"]),
        Answer::Decided(want) => {
            hold("decision", json!(if want.allowed { "allow" } else { "deny" }), &given["decision"]);
            hold("status", json!(want.status), &given["status"]);
            let codes: Vec<i64> = want.codes.iter().map(|(code, _)| *code).collect();
            hold("codes", json!(codes), &given["codes"]);
            let first = codes.first().copied();
            hold("code", json!(first), &given["code"]);
            hold("reason", json!(first.map(reason)), &given["reason"]);
            hold("resolution", json!(want.resolution), &given["resolution"]);
            let level = want.level.as_ref().map(|(name, source)| json!({"name": name, "source": source}));
            hold("level", json!(level), &given["level"]);
            if let Some(gates) = &want.gates {
                hold("gates", json!(gates), &given["gates"]);
            }
            if !codes.contains(&19104) {
                hold("remaining.amount", json!(want.remaining.amount), &given["remaining"]["amount"]);
            }
            hold("remaining.quantity", json!(want.remaining.quantity), &given["remaining"]["quantity"]);
        }
    }
    found
}

/// Holds an answer of the daemon against a line of a stream's `expected.ndjson`, by the rules of that data.
pub fn given_differences(given: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |field: &str, given: &Value, got: &Value| {
        if given != got {
            found.push(format!("{field}: the given stream says {given}, the daemon {got}"));
        }
    };
    if given.get("error").is_some() {
        let refused = got.get("title").is_some() || got.get("type").is_some();
        hold("error", &given["error"], if refused { &got["status"] } else { &Value::Null });
        return found;
    }
    hold("status", &given["status"], &got["status"]);
    if given.get("decision").is_none() {
        return found;
    }
    for field in ["decision", "code", "reason", "gates"] {
        hold(field, &given[field], &got[field]);
    }
    let codes: Vec<&Value> = got["codes"].as_array().into_iter().flatten().map(|c| &c["code"]).collect();
    hold("codes", &given["codes"], &json!(codes));
    hold("resolution", &given["resolution"], &got["customer"]["resolution"]);
    let level = got["level"].as_object().map(|l| json!({"name": l.get("name"), "source": l.get("source")}));
    hold("level", &given["level"], &json!(level));
    let (want, got_remaining) = (&given["remaining"], &got["remaining"]);
    let unanswerable = given["codes"].as_array().into_iter().flatten().any(|c| *c == 19104);
    if !unanswerable {
        hold("remaining.amount", &want["amount"], &got_remaining["amount"]);
    }
    hold("remaining.quantity", &want["quantity"], &got_remaining["quantity"]);
    if !want["quantity"].is_null() || (!unanswerable && !want["amount"].is_null()) {
        hold("remaining.currency", &want["currency"], &got_remaining["currency"]);
    }
    found
}

//! A customer's history over the wire, and that of one stored instrument: what each step changed of the document, with
//! the old and the new value.

use crate::{
    domain::vocabulary::names::Name,
    http::handlers::customers::{limit, once_each},
};
use crate::{
    http::{
        dto::{answers::Shows, customer::Shown, problem::Problem},
        handlers::admin_request::Staff,
    },
    service::payments::render,
};
use serde_json::{Map, Value, json};

/// What follows from the rest of the document, or is no change by itself.
const DERIVED: [&str; 4] = ["customer_id", "modified_at", "restrictions", "terminal_url"];

/// A page of the history, the newest step first.
pub(crate) fn of(staff: &Staff) -> Result<Vec<u8>, Problem> {
    page(staff, false, &differences)
}

/// The same of one stored instrument: the steps that changed something of it.
pub(crate) fn of_instrument(staff: &Staff) -> Result<Vec<u8>, Problem> {
    let id = staff.named(1);
    let differ = |old: &Value, new: &Value| {
        let (old, new) = (instrument(old, id), instrument(new, id));
        match (old, new) {
            // It made room for others.
            (Some(_), None) => vec![json!({ "field": "payment_instrument", "old": id, "new": null })],
            (old, Some(new)) => differences(old.unwrap_or(&Value::Null), new),
            (None, None) => Vec::new(),
        }
    };
    page(staff, true, &differ)
}

fn instrument<'v>(document: &'v Value, id: &str) -> Option<&'v Value> {
    document["payment_instruments"].as_array()?.iter().find(|instrument| instrument["payment_instrument"] == id.trim())
}

/// A page of the steps in which something differs.
fn page(staff: &Staff, is_of_one: bool, differ: &dyn Fn(&Value, &Value) -> Vec<Value>) -> Result<Vec<u8>, Problem> {
    let (mut most, mut behind) = (100, 0_usize);
    for (field, value) in once_each(&staff.query, &["limit", "cursor"])? {
        match field {
            "limit" => most = limit(&value)?,
            _ => {
                let detail = "`cursor` is a `next_cursor` of an earlier page";
                let parsed = value.parse();
                behind = parsed.map_err(|_| Problem::malformed("value_unknown", detail).at("cursor"))?;
            }
        }
    }
    let ledger = &staff.daemon.desk.ledger;
    let mut steps: Vec<Value> = Vec::new();
    let merchant = staff.merchant.id.as_str();
    ledger.history(merchant, staff.customer_id(), staff.now()?, &mut |chapter, before, after| {
        // Blocks are no customer's, and stand in no customer's history.
        let shown = Shown { ledger: None, ..staff.shown(chapter.audit_entry.at) };
        let is_first = chapter.audit_entry.previous.is_none();
        let old = if is_first { Value::Null } else { told(shown.customer(before)) };
        let mut changes = differ(&old, &told(shown.customer(after)));
        if chapter.is_link && !is_of_one {
            changes.push(json!({ "field": "transactions", "old": null, "new": chapter.transaction_id }));
        }
        // A step of the customer is told even where nothing is seen of it; one of an instrument is not its own then.
        if is_of_one && changes.is_empty() {
            return;
        }
        steps.push(json!({
            "at": Shows(chapter.audit_entry.at),
            "customer_id": before.number().to_string(),
            "source": chapter.audit_entry.source.word(),
            "by": chapter.audit_entry.by.and_then(|by| staff.named_in_history(by, &chapter.events)).map(Name::as_str),
            "transaction_id": chapter.transaction_id,
            "changes": changes,
        }));
    })?;
    let total = steps.len();
    // Steps are counted from the first, so that what comes meanwhile moves no page.
    let end = if behind == 0 { total } else { behind.min(total) };
    let begin = end.saturating_sub(most);
    let mut page: Vec<Value> = steps.drain(begin..end).collect();
    page.reverse();
    let next = (begin > 0).then(|| begin.to_string());
    Ok(render(&json!({ "history": page, "next_cursor": next })))
}

/// A document without what payments count of its instruments: that is no step of a history, and stands in the
/// transactions.
fn told(mut document: Value) -> Value {
    for instrument in document["payment_instruments"].as_array_mut().into_iter().flatten() {
        for counted in ["last_success_at", "successful_payments"] {
            instrument.as_object_mut().map(|instrument| instrument.remove(counted));
        }
    }
    document
}

fn differences(old: &Value, new: &Value) -> Vec<Value> {
    let none = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    let is_empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let fields = new.iter().filter(|(field, _)| !DERIVED.contains(&field.as_str()));
    fields
        .filter_map(|(field, new)| {
            let old = old.get(field).unwrap_or(&Value::Null);
            let same = old == new || (is_empty(old) && is_empty(new));
            (!same).then(|| json!({ "field": field, "old": old, "new": new }))
        })
        .collect()
}

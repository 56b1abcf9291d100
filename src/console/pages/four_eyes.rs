//! Which writes of the pages of customers can need a second person: those that allow more, end a block or erase.

use crate::{
    config::FourEyesWrite,
    console::document::{list, text},
    domain::{
        rules::{
            labels::{LabelKind, Restriction},
            merchant::Merchant,
        },
        vocabulary::{money::Decimal, time::Millis, words::Word},
    },
};
use serde_json::{Map, Value};

/// The kinds of a change of a customer's levels, status and labels. Another level may allow more, so a change of it counts as
/// a raise.
pub(super) fn writes_of_change(
    merchant: &Merchant,
    customer: &Value,
    changes: &Map<String, Value>,
) -> Vec<FourEyesWrite> {
    let mut writes = Vec::new();
    if changes.contains_key("deposit_level") || changes.contains_key("withdrawal_level") {
        writes.push(FourEyesWrite::RaiseLimit);
    }
    let is_blocked = |status: &str| matches!(status, "suspicious" | "fraud");
    let (now, then) = (text(customer, "/status"), changes.get("status").and_then(Value::as_str));
    let is_cleared = then.is_some_and(|then| is_blocked(now) && then != "fraud");
    let removed = |label: &str| {
        changes.get("labels").is_some_and(|then| !list(then, "").iter().any(|kept| kept.as_str() == Some(label)))
    };
    let restricts = |label: &str| {
        let label = merchant.labels.iter().find(|known| known.name.as_str() == label);
        // A label that the configuration lacks may have restricted the customer.
        label.is_none_or(|label| Restriction::WORDS.iter().any(|(_, restriction)| label.forbids(*restriction)))
    };
    let mut labels = list(customer, "/labels").iter().filter_map(Value::as_str);
    if is_cleared || labels.any(|label| removed(label) && restricts(label)) {
        writes.push(FourEyesWrite::Unblock);
    }
    let is_new = |label: &Value| !list(customer, "/labels").contains(label);
    if changes
        .get("labels")
        .is_some_and(|then| list(then, "").iter().any(|label| is_new(label) && erases(merchant, label)))
    {
        writes.push(FourEyesWrite::Erase);
    }
    writes
}

/// Whether a label requests the deletion of its customers.
fn erases(merchant: &Merchant, label: &Value) -> bool {
    let mut labels = merchant.labels.iter();
    labels.any(|known| label.as_str() == Some(known.name.as_str()) && known.kind == LabelKind::PendingDeletion)
}

/// The kinds of a change of many customers, by what it sets. The customers differ, so that another level and the bounds of
/// a payment may allow more, and any status but `fraud` and other labels may end a block.
pub(super) fn writes_of_bulk(merchant: &Merchant, set: &Value) -> Vec<FourEyesWrite> {
    let has = |key: &str| set.as_object().is_some_and(|set| set.contains_key(key));
    let mut writes = vec![FourEyesWrite::Bulk];
    if ["deposit_level", "withdrawal_level", "global_limit"].into_iter().any(has) {
        writes.push(FourEyesWrite::RaiseLimit);
    }
    if has("labels") || (has("status") && set["status"] != "fraud") {
        writes.push(FourEyesWrite::Unblock);
    }
    if list(set, "/labels").iter().any(|label| erases(merchant, label)) {
        writes.push(FourEyesWrite::Erase);
    }
    writes
}

/// Whether limits allow more than those before: the documents of the limits, now and then.
pub(super) fn is_raise(now: &Value, then: &Value) -> bool {
    let until = |limits: &Value| Millis::parse(text(limits, "/operator/until"));
    let ends_earlier = until(now).is_some_and(|now| until(then).is_none_or(|then| then < now));
    let waits = then["pending"].is_object() && then["pending"] != now["pending"];
    waits
        || ends_earlier
        || allows_more(list(now, "/filters"), list(then, "/filters"))
        || allows_more(list(now, "/operator/filters"), list(then, "/operator/filters"))
}

/// Whether a filter is missing among others, or has a higher limit there.
fn allows_more(now: &[Value], then: &[Value]) -> bool {
    now.iter().any(|now| !then.iter().any(|then| measures_same(now, then) && is_within(now, then)))
}

/// Whether two filters count the same payments in the same window.
fn measures_same(now: &Value, then: &Value) -> bool {
    let measure = |filter: &Value| {
        let mut members = filter.as_object().cloned().unwrap_or_default();
        ["name", "amount_limit", "quantity_limit", "kind"].iter().for_each(|key| _ = members.remove(*key));
        members
    };
    measure(now) == measure(then)
}

/// Whether both limits of a filter are at most those of another.
fn is_within(now: &Value, then: &Value) -> bool {
    let amount = |filter: &Value| Decimal::parse(text(filter, "/amount_limit")).ok();
    let amount = match (amount(now), amount(then)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(now), Some(then)) => is_at_most(then, now),
    };
    let quantity = |filter: &Value| filter["quantity_limit"].as_u64();
    amount && quantity(now).is_none_or(|now| quantity(then).is_some_and(|then| then <= now))
}

/// Whether a number is at most another one. Numbers that are too large to be compared are not.
pub(super) fn is_at_most(one: Decimal, other: Decimal) -> bool {
    let scale = one.scale.max(other.scale);
    let scaled = |number: Decimal| {
        let factor = 10_u128.checked_pow(u32::from(scale - number.scale))?;
        number.mantissa.checked_mul(factor)
    };
    scaled(one).zip(scaled(other)).is_some_and(|(one, other)| one <= other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn limits(amount: impl Into<Value>, quantity: impl Into<Value>) -> Value {
        let (amount, quantity): (Value, Value) = (amount.into(), quantity.into());
        json!({ "filters": [{
            "name": "a", "window": "daily", "amount_limit": amount, "quantity_limit": quantity, "kind": "payment",
        }], "pending": null, "operator": null })
    }

    #[test]
    fn a_raise_is_a_higher_a_removed_or_another_limit() {
        let now = limits("10.00", 3);
        for (then, want) in [
            (now.clone(), false),
            (limits("9.99", 3), false),
            (limits("10", 2), false),
            (limits("10.01", 3), true),
            (limits("9.00", 4), true),
            (limits(Value::Null, 3), true),
            (limits("10.00", Value::Null), true),
            (json!({ "filters": [] }), true),
        ] {
            assert_eq!(is_raise(&now, &then), want, "{then}");
        }
        assert!(!is_raise(&limits(Value::Null, 3), &now), "a further limit allows less");
        let mut weekly = now.clone();
        weekly["filters"][0]["window"] = json!("weekly");
        assert!(is_raise(&now, &weekly), "another window");
        let mut waits = now.clone();
        waits["pending"] = json!({ "filters": [] });
        assert!(is_raise(&now, &waits) && !is_raise(&waits, &waits), "a raise that waits");
    }

    #[test]
    fn an_operators_limits_that_end_earlier_or_are_removed_are_a_raise() {
        let until = |until: &str| json!({ "operator": { "until": until, "filters": [{ "amount_limit": "5.00" }] } });
        let now = until("2027-01-31T00:00:00Z");
        assert!(!is_raise(&now, &now) && !is_raise(&now, &until("2027-02-01T00:00:00Z")));
        assert!(is_raise(&now, &until("2027-01-30T00:00:00Z")));
        assert!(is_raise(&now, &json!({ "operator": null })));
        assert!(!is_raise(&json!({ "operator": null }), &now));
    }
}

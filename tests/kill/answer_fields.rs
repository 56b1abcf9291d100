//! What an answer says, as the judge reads it.

use serde_json::{Value, json};

use crate::model::in_order;
use crate::operation::{QUANTITIES, TransactionState};

/// A member that is a text; nothing where it is none.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The status of a line: problems carry theirs as a number, transactions as a word.
pub(crate) fn line_status(answer: &Value) -> u16 {
    answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200)
}

/// The state of a transaction, as a transition reports it.
pub(crate) fn stand(answer: &Value) -> TransactionState {
    (text(answer, "status").to_owned(), QUANTITIES.map(|member| text(answer, member).to_owned()))
}

/// Codes with the filters that they come from, in order.
pub(crate) fn codes(answer: &Value) -> Vec<(u64, String)> {
    let of = |code: &Value| (code["code"].as_u64().unwrap_or(0), text(code, "filter").to_owned());
    let mut codes: Vec<(u64, String)> = answer["codes"].as_array().into_iter().flatten().map(of).collect();
    codes.sort_unstable();
    codes
}

/// The gates, in order.
pub(crate) fn gates(answer: &Value) -> Vec<&str> {
    answer["gates"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The part of a decision that every repetition must contain, after any change of the customer.
pub(crate) fn lasting(answer: &Value) -> Value {
    json!({
        "decision": answer["decision"], "code": answer["code"], "reason": answer["reason"], "codes": answer["codes"],
        "resolution": answer["customer"]["resolution"], "level": answer["level"], "gates": answer["gates"],
    })
}

fn each(list: &Value, of: impl Fn(&Value) -> Value) -> Value {
    in_order(list.as_array().into_iter().flatten().map(of))
}

/// Individual settings, as the model writes them.
pub(crate) fn settings(shown: &Value) -> Value {
    let method = |m: &Value| json!([m["method"], m["show_in_form"], m["min_amount"], m["max_amount"], m["gates"]]);
    let global = &shown["global_limit"];
    json!([each(&shown["methods"], method), global["min_amount"], global["max_amount"]])
}

/// Own limits, as the model writes them.
pub(crate) fn limits(shown: &Value) -> Value {
    let filter = |f: &Value| {
        let (amount, quantity) = (&f["amount_limit"], &f["quantity_limit"]);
        json!([
            f["name"],
            f["window"],
            amount,
            quantity,
            f["for_all_merchant_currencies"],
            f["subtract_cancel_transactions"]
        ])
    };
    let pending = &shown["pending"];
    let waits = (!pending.is_null())
        .then(|| json!([pending["state"], pending["from"], pending["lapses_at"], each(&pending["filters"], filter)]));
    let operator = &shown["operator"];
    let operator = (!operator.is_null()).then(|| json!([operator["until"], each(&operator["filters"], filter)]));
    json!([each(&shown["filters"], filter), waits, operator, !shown["confirmed_at"].is_null()])
}

/// Own rates, as the model writes them.
pub(crate) fn rates(shown: &Value) -> Value {
    let rate = |r: &Value| json!([r["from"], r["to"], r["rate"], r["units"], r["valid_from"]]);
    shown.as_array().into_iter().flatten().map(rate).collect()
}

/// A customer's document, as far as the model has it.
pub(crate) fn document(shown: &Value) -> Value {
    let same = [
        "customer_id",
        "merchant_customer_identifier",
        "deposit_level",
        "withdrawal_level",
        "status",
        "email",
        "labels",
    ];
    let mut fields: Value = same.iter().map(|member| ((*member).to_owned(), shown[member].clone())).collect();
    for list in ["other_identifiers", "merged_customers", "disabled_projects"] {
        fields[list] = each(&shown[list], Value::clone);
    }
    fields["rates"] = rates(&shown["rates"]);
    fields["settings"] = each(&shown["settings"], |s| json!([s["direction"], s["currency"], s["level"], settings(s)]));
    // Limits that have ended may be missing.
    let says = |l: &&Value| l["filters"] != json!([]) || !l["pending"].is_null() || !l["operator"].is_null();
    let some = shown["limits"].as_array().into_iter().flatten().filter(says);
    fields["limits"] = in_order(some.map(|l| json!([l["direction"], l["currency"], limits(l)])));
    fields
}

//! What an answer says, as the judge reads it.

use serde_json::{Value, json};

/// A member that is a text; nothing where it is none.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The status of a line: problems carry theirs as a number, transactions as a word.
pub(crate) fn line_status(answer: &Value) -> u16 {
    answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200)
}

/// Codes with the filters that they come from, in order.
pub(crate) fn codes(answer: &Value) -> Vec<(u64, String)> {
    let of = |code: &Value| (code["code"].as_u64().unwrap_or(0), text(code, "filter").to_owned());
    let mut codes: Vec<(u64, String)> = answer["codes"].as_array().into_iter().flatten().map(of).collect();
    codes.sort_unstable();
    codes
}

/// What every repetition of a decision must say again.
pub(crate) fn lasting(answer: &Value) -> Value {
    let customer = &answer["customer"];
    json!({
        "decision": answer["decision"], "code": answer["code"], "reason": answer["reason"], "codes": answer["codes"],
        "customer_id": customer["customer_id"], "resolution": customer["resolution"], "level": answer["level"],
        "identifier": customer["merchant_customer_identifier"], "gates": answer["gates"],
    })
}

//! One line of a stream as the naive model reads it. What is wrong with the form of a line is found here: fields that the
//! operation does not have, and values that no operation takes. The oracle finds what is wrong with its meaning.

use crate::model::calendar::instant;
use crate::model::ledger::CancelSource;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The fields of every line.
const COMMON: [&str; 5] = ["op", "at", "occurred_at", "merchant", "transaction_id"];

/// The fields of a reserve, which an approval may carry, too.
const RESERVE: [&str; 11] = [
    "project",
    "endpoint",
    "direction",
    "amount",
    "currency",
    "payment_method",
    "merchant_customer_identifier",
    "customer_id",
    "customer_level",
    "customer",
    "payment_instrument",
];

/// Whether an operation has a field.
fn has_field(op: &str, field: &str) -> bool {
    let own: &[&str] = match op {
        "reserve" | "check" => &["explain"],
        "payment" => &["explain", "outcome"],
        "approve" => &["capture_id", "final", "gate"],
        "cancel" => &["amount", "cancel_id", "of"],
        "refund" => &["amount", "refund_id"],
        "chargeback" => &["amount", "chargeback_id"],
        "extend" => &["until"],
        "attempt" => &["attempt", "gate", "outcome"],
        _ => &[],
    };
    let reserves = ["reserve", "check", "payment", "approve"].contains(&op) && RESERVE.contains(&field);
    COMMON.contains(&field) || own.contains(&field) || reserves
}

/// The fields of all operations.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    op: String,
    at: String,
    occurred_at: Option<String>,
    merchant: Option<String>,
    project: Option<String>,
    endpoint: Option<String>,
    transaction_id: Option<String>,
    direction: Option<String>,
    amount: Option<Box<RawValue>>,
    currency: Option<String>,
    payment_method: Option<String>,
    merchant_customer_identifier: Option<String>,
    customer_id: Option<String>,
    customer_level: Option<String>,
    customer: Option<BTreeMap<String, Option<String>>>,
    payment_instrument: Option<String>,
    explain: Option<bool>,
    outcome: Option<String>,
    #[serde(rename = "final")]
    is_final: Option<bool>,
    of: Option<String>,
    capture_id: Option<String>,
    cancel_id: Option<String>,
    refund_id: Option<String>,
    chargeback_id: Option<String>,
    gate: Option<String>,
    until: Option<String>,
    attempt: Option<u32>,
}

/// A line whose form is in order. Empty strings are absent ones except in `customer_level`, where the two differ.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub op: String,
    pub at: i64,
    pub occurred_at: Option<i64>,
    pub merchant: String,
    pub project: Option<String>,
    pub endpoint: Option<String>,
    pub transaction_id: Option<String>,
    pub direction: Option<String>,
    pub amount: Option<String>,
    pub currency: Option<String>,
    pub method: Option<String>,
    pub identifier: Option<String>,
    pub customer_id: Option<String>,
    pub customer_level: Option<String>,
    /// Attributes, normalised, without the empty ones.
    pub attributes: BTreeMap<String, String>,
    pub instrument: Option<String>,
    pub explain: bool,
    pub declined: bool,
    /// Of a capture: none follows. True by default.
    pub is_final: bool,
    pub of: Option<CancelSource>,
    pub capture_id: Option<String>,
    pub cancel_id: Option<String>,
    pub refund_id: Option<String>,
    pub chargeback_id: Option<String>,
    pub gate: Option<String>,
    pub until: Option<i64>,
    pub attempt: Option<u32>,
    pub outcome: Option<String>,
}

/// Why a line is refused by its form alone.
#[derive(Clone, Debug)]
pub enum Malformed {
    /// It is no object, or has a field that its operation does not have.
    Fields { at: Option<i64> },
    /// A value is none that the field takes. The merchant and the transaction are looked up first.
    Value {
        at: Option<i64>,
        merchant: String,
        /// The transaction that there must be.
        needs: Option<String>,
    },
}

impl Malformed {
    /// The time that it came with, where that could be read: it moves the clock all the same.
    pub fn at(&self) -> Option<i64> {
        match self {
            Self::Fields { at } | Self::Value { at, .. } => *at,
        }
    }
}

impl Line {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let at = time_of(text);
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return Err(Malformed::Fields { at }) };
        let string = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let op = string("op").unwrap_or_default();
        if fields.keys().any(|key| !has_field(&op, key)) {
            return Err(Malformed::Fields { at });
        }
        let merchant = string("merchant").unwrap_or_default();
        let opens = match op.as_str() {
            "reserve" | "payment" | "check" => true,
            "approve" => ["direction", "currency"].iter().all(|key| fields.get(*key).is_some_and(|v| !v.is_null())),
            _ => false,
        };
        let needs = string("transaction_id").filter(|_| !opens);
        Self::read(text).ok_or(Malformed::Value { at, merchant, needs })
    }

    fn read(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok()?;
        let time = |text: Option<String>| match text {
            Some(text) => instant(&text).map(Some),
            None => Some(None),
        };
        let of = match written.of.as_deref() {
            None => None,
            Some("reservation") => Some(CancelSource::Reservation),
            Some("approved") => Some(CancelSource::Approved),
            Some(_) => return None,
        };
        let amount = written.amount.map(|raw| match serde_json::from_str::<String>(raw.get()) {
            Ok(string) => string,
            Err(_) => raw.get().to_owned(),
        });
        let attributes = written.customer.unwrap_or_default().into_iter().filter_map(|(name, value)| {
            let value = normalised(&name, &value?);
            if value.is_empty() { None } else { Some((name, value)) }
        });
        if written.op == "payment" && !matches!(written.outcome.as_deref(), None | Some("approved" | "declined")) {
            return None;
        }
        Some(Self {
            at: instant(&written.at)?,
            occurred_at: time(written.occurred_at)?,
            until: time(written.until)?,
            op: written.op,
            merchant: written.merchant.unwrap_or_default(),
            project: filled(written.project),
            endpoint: filled(written.endpoint),
            transaction_id: filled(written.transaction_id),
            direction: filled(written.direction),
            amount,
            currency: filled(written.currency),
            method: filled(written.payment_method),
            identifier: filled(written.merchant_customer_identifier),
            customer_id: filled(written.customer_id),
            customer_level: written.customer_level,
            attributes: attributes.collect(),
            instrument: filled(written.payment_instrument),
            is_final: written.is_final.unwrap_or(true),
            of,
            explain: written.explain.unwrap_or(false),
            declined: written.outcome.as_deref() == Some("declined"),
            capture_id: filled(written.capture_id),
            cancel_id: filled(written.cancel_id),
            refund_id: filled(written.refund_id),
            chargeback_id: filled(written.chargeback_id),
            gate: filled(written.gate),
            attempt: written.attempt,
            outcome: filled(written.outcome),
        })
    }
}

/// The time on a line, if it is readable; other faults of the line do not matter.
pub fn time_of(text: &str) -> Option<i64> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("at").and_then(|at| at.as_str()).and_then(instant)
}

fn filled(field: Option<String>) -> Option<String> {
    field.filter(|text| !text.is_empty())
}

/// E-mail trimmed and lower-cased, phone to E.164 where it reads as one, everything else only trimmed.
fn normalised(name: &str, value: &str) -> String {
    let value = value.trim();
    match name {
        "email" => value.to_lowercase(),
        "phone" => {
            let bare: String = value.chars().filter(|c| !" -().".contains(*c)).collect();
            let digits = bare.strip_prefix('+').unwrap_or_default();
            let reads = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            if reads { bare } else { value.to_owned() }
        }
        _ => value.to_owned(),
    }
}

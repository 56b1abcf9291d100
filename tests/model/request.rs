//! One line of a stream as the naive model reads it. Whatever is wrong with the form of a line is a refusal with
//! status 400, found here; whatever is wrong with its meaning is found by the oracle.

use crate::calendar::instant;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The fields of a line. A field that is not here is unknown to the daemon, too.
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
    explain: Option<bool>,
    outcome: Option<String>,
    capture_id: Option<String>,
    cancel_id: Option<String>,
    refund_id: Option<String>,
    chargeback_id: Option<String>,
    gate: Option<String>,
    until: Option<String>,
    attempt: Option<u32>,
}

/// A line whose form is in order. Empty strings stand for absent ones but in `customer_level`, where the two differ.
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
    pub explain: bool,
    pub declined: bool,
    pub capture_id: Option<String>,
    pub cancel_id: Option<String>,
    pub refund_id: Option<String>,
    pub chargeback_id: Option<String>,
    pub gate: Option<String>,
    pub until: Option<i64>,
    pub attempt: Option<u32>,
    pub outcome: Option<String>,
}

/// Why a line is refused before anything is looked up; the time moves the clock where it could be read.
#[derive(Clone, Copy, Debug)]
pub struct Malformed {
    pub at: Option<i64>,
}

impl Line {
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed { at: time_of(text) };
        let written: Written = serde_json::from_str(text).map_err(|_| malformed)?;
        let time = |text: Option<String>| text.map(|t| instant(&t).ok_or(malformed)).transpose();
        let amount = written.amount.map(|raw| match serde_json::from_str::<String>(raw.get()) {
            Ok(string) => string,
            Err(_) => raw.get().to_owned(),
        });
        let attributes = written.customer.unwrap_or_default().into_iter().filter_map(|(name, value)| {
            let value = normalised(&name, &value?);
            if value.is_empty() { None } else { Some((name, value)) }
        });
        Ok(Self {
            at: instant(&written.at).ok_or(malformed)?,
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

/// The time on a line, where it has one that can be read, whatever else may be wrong with it.
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

//! A customer's own exchange rate as a document, in both directions: a request takes what an answer shows.

use crate::{
    config::{body::JsonObject, schema::amounts::DecimalText},
    domain::{
        request::{fields::parse_currency, refusal::Refusal},
        rules::{
            configuration::Rules,
            rates::{OWN_RATES_MAX, OwnRate},
        },
        vocabulary::{
            money::{Currency, Decimal},
            time::Millis,
        },
    },
    service::{
        documents::{
            as_text::{AsText, Time},
            json::{member, nested_object, text, unknown_key},
        },
        error::ServiceError,
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

/// A customer's own exchange rate.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OwnRate")]
pub(crate) struct OwnRateDocument {
    /// The currency of `units`.
    from: AsText<Currency>,
    /// The currency of the rate.
    to: AsText<Currency>,
    /// How many units of `to` the units of `from` are worth.
    #[schemars(with = "DecimalText")]
    rate: String,
    /// The units of `from`.
    #[schemars(range(min = 1, max = 1_000_000), example = 1)]
    units: u32,
    /// From when the rate is used.
    valid_from: Time,
}

impl OwnRateDocument {
    pub(crate) fn of(rate: &OwnRate) -> Self {
        let OwnRate { from, to, rate, units, valid_from } = *rate;
        Self { from: AsText(from), to: AsText(to), rate: rate.to_string(), units, valid_from: AsText(valid_from) }
    }
}

/// The rates of a list, in its order.
pub(crate) fn own_rates(raw: &RawValue, rules: &Rules) -> Result<Vec<OwnRate>, ServiceError> {
    let items: Option<Vec<&RawValue>> =
        serde_json::from_str(raw.get()).map_err(|_| ServiceError::wrong_type("rates", "a list"))?;
    let items = items.unwrap_or_default();
    if items.len() > OWN_RATES_MAX {
        return Err(Refusal::TooMany { field: "rates", most: OWN_RATES_MAX }.into());
    }
    items.into_iter().map(|item| own_rate(&nested_object("rates", item)?, rules)).collect()
}

/// One rate. `units` is 1 and `valid_from` the beginning of time where absent.
fn own_rate(fields: &JsonObject<'_>, rules: &Rules) -> Result<OwnRate, ServiceError> {
    const TAKEN: [&str; 5] = ["from", "to", "rate", "units", "valid_from"];
    let bad = |field: &str, what: &str| {
        ServiceError::malformed("value_unknown", format!("`rates`: `{field}` {what}")).at("rates")
    };
    if let Some(unknown) = unknown_key(fields, &TAKEN) {
        return Err(ServiceError::unknown_field(unknown, &TAKEN.join(", ")));
    }
    let field = |name: &str| member(fields, name);
    let required = |name: &'static str| field(name).ok_or_else(|| bad(name, "is missing"));
    let code = |name: &'static str| -> Result<_, ServiceError> {
        let text = text("rates", required(name)?)?.unwrap_or_default();
        parse_currency(rules, &text).map_err(|_| {
            let detail =
                format!("`rates`: `{name}`: {text:?} is not an ISO 4217 code and is not configured under [currencies]");
            ServiceError::malformed("currency_unknown", detail).at("rates")
        })
    };
    let (from, to) = (code("from")?, code("to")?);
    if from == to {
        return Err(bad("to", "is the same currency as `from`"));
    }
    // A number is read from its digits as written: a float would lose some.
    let digits = required("rate")?.get().trim_matches('"');
    let rate = Decimal::parse(digits).ok().filter(|rate| rate.mantissa > 0);
    let rate = rate.ok_or_else(|| bad("rate", "is a decimal number above zero, as \"1.0872\""))?;
    let units: Option<u32> = match field("units") {
        None => Some(1),
        Some(raw) => raw.get().parse().ok().filter(|units| (1..=1_000_000).contains(units)),
    };
    let units = units.ok_or_else(|| bad("units", "is a whole number from 1 to 1000000"))?;
    let valid_from = match field("valid_from") {
        None => Millis(0),
        Some(raw) => {
            let written = text("rates", raw)?.unwrap_or_default();
            Millis::parse(&written).ok_or_else(|| bad("valid_from", "is a time, as 2026-11-20T10:00:00Z"))?
        }
    };
    Ok(OwnRate { from, to, rate, units, valid_from })
}

//! The raw values of a rate table: of `rates.toml`, of a request's body, and of the document that shows the table.

use crate::config::{
    parse::{located::Located, section::Section},
    schema::{described, texts::DurationText},
};
use crate::domain::vocabulary::{money::Currency, time::Millis};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A rate table. The document has the same keys, in this order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RateTable")]
pub(crate) struct RawRates {
    /// The currency of which one unit has the rates. `null`: there is no table.
    pub(in crate::config) base: Option<Located<Currency>>,
    /// The time of the rates. `null`: none is known.
    pub(in crate::config) as_of: Option<Located<Millis>>,
    /// The age at which rates are too old. `null`: never.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) max_age: Option<Located<String>>,
    /// How many units of each currency are worth one unit of the base, by currency.
    #[serde(serialize_with = "rate_map")]
    #[schemars(with = "RatesByCurrency")]
    pub(in crate::config) rates: Vec<(Located<Currency>, Located<String>)>,
}

described! {
    /// Rates by currency: decimal numbers in texts.
    RatesByCurrency {
        "type": "object",
        "propertyNames": { "pattern": "^[A-Z]{3}$" },
        "additionalProperties": { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$", "maxLength": 80 },
        "examples": [{ "USD": "1.0872" }]
    }
}

fn rate_map<S: Serializer>(rates: &[(Located<Currency>, Located<String>)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(rates.len()))?;
    for (currency, rate) in rates {
        map.serialize_entry(currency, rate)?;
    }
    map.end()
}

/// Reads a rate table. An empty table needs no base.
pub(in crate::config) fn rates(s: &Section<'_>) -> RawRates {
    let rates = s.table("rates", "[rates]").map(|table| table.decimals_by_currency()).unwrap_or_default();
    let is_table = !rates.is_empty() || ["base", "as_of", "max_age"].iter().any(|key| s.has(key));
    RawRates {
        base: if is_table {
            s.required_currency("base")
        } else {
            s.accept(&["base"]);
            None
        },
        as_of: s.instant("as_of"),
        max_age: s.text("max_age"),
        rates,
    }
}

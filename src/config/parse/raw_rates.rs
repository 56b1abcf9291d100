//! The raw values of a rate table: of `rates.toml`, of a request's body, and of the document that shows the table.

use crate::config::parse::{located::Located, section::Section};
use crate::domain::vocabulary::{money::Currency, time::Millis};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A rate table. The document has the same keys, in this order.
#[derive(Debug, Serialize)]
pub(crate) struct RawRates {
    pub(in crate::config) base: Option<Located<Currency>>,
    pub(in crate::config) as_of: Option<Located<Millis>>,
    pub(in crate::config) max_age: Option<Located<String>>,
    #[serde(serialize_with = "rate_map")]
    pub(in crate::config) rates: Vec<(Located<Currency>, Located<String>)>,
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

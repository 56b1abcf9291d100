//! The rate table as a document. [`crate::config::body::rates`] takes `base`, `as_of`, `max_age` and `rates`; `version`
//! and the provenance are only shown.

use crate::{
    domain::{rules::configuration::Rules, vocabulary::time::show_span},
    service::documents::{as_text::AsText, configuration::provenance::add_provenance},
};
use serde_json::{Map, Value, json};

/// The rate table in force.
pub(crate) fn rates_document(rules: &Rules) -> Value {
    let mut rates: Vec<_> = rules.rates.rates.iter().collect();
    rates.sort_by_key(|(currency, _)| currency.code());
    let table: Map<String, Value> =
        rates.into_iter().map(|(currency, rate)| (currency.to_string(), Value::String(rate.to_string()))).collect();
    let mut document = json!({
        "base": rules.rates.base.map(|base| base.to_string()),
        "as_of": rules.rates.as_of.map(AsText),
        "max_age": rules.rates.max_age_ms.map(show_span),
        "version": rules.rates.version,
        "rates": table,
    });
    add_provenance(&mut document, &rules.rates.known);
    document
}

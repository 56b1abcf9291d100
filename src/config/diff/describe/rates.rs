//! The exchange rates in force.

use crate::config::diff::item::{Field, Item, ItemRole};
use crate::domain::{rules::rates::Rates, vocabulary::time::show_span};

pub(super) fn rates(rates: &Rates) -> Item {
    // The version is a digest of the table, and the provenance does not change a conversion.
    let Rates { base, as_of, max_age_ms, rates, version: _, known: _ } = rates;
    let mut fields = vec![
        Field::optional("base", base.map(|base| base.to_string())),
        Field::optional("as_of", as_of.map(|at| at.to_string())),
        Field::optional("max_age", max_age_ms.map(show_span)),
    ];
    let mut listed: Vec<_> = rates.iter().collect();
    listed.sort_unstable_by_key(|(currency, _)| **currency);
    fields.extend(listed.into_iter().map(|(currency, rate)| Field::new(currency.to_string(), rate)));
    Item { key: String::new(), title: "rates".to_owned(), role: ItemRole::Other, fields, lists: Vec::new() }
}

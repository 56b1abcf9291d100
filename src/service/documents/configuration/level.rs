//! A level as a document.
//!
//! [`crate::config::body::level`] takes the same `projects`, `methods`, `gates`, `routing` and `status`. The filters of
//! an answer differ from those of a request: `window` is a normalised span, `class` has the word of the request, and `scope`
//! replaces `for_all_merchant_currencies`. `name`, `direction` and `currency` are in the path of a request.

use crate::{
    domain::{
        rules::{
            configuration::Rules,
            gates::GateItem,
            level::{Level, ProjectList},
            merchant::Merchant,
            project::MethodSetting,
        },
        vocabulary::{
            money::{Currency, Minor},
            names::Name,
        },
    },
    service::documents::{configuration::provenance::add_provenance, payments::decision::span_word},
};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct LevelFilterDocument {
    name: &'static str,
    window: String,
    class: &'static str,
    amount_limit: Option<String>,
    quantity_limit: Option<u64>,
    scope: &'static str,
    subtract_cancel_transactions: bool,
    mode: &'static str,
}

/// A level of a merchant.
pub(crate) fn level_document(rules: &Rules, merchant: &Merchant, level: &Level) -> Value {
    let units = rules.currencies.units(level.currency);
    let filters: Vec<LevelFilterDocument> = level
        .filters
        .iter()
        .map(|filter| LevelFilterDocument {
            name: filter.name.as_str(),
            window: span_word(filter.window),
            class: filter.class.word(),
            amount_limit: filter.amount_limit.map(|value| Minor { value: u128::from(value), units }.to_string()),
            quantity_limit: filter.quantity_limit,
            scope: filter.scope.word(),
            subtract_cancel_transactions: filter.subtract_cancels,
            mode: filter.mode.word(),
        })
        .collect();
    let projects = match &level.projects {
        ProjectList::All => json!("all"),
        ProjectList::Listed(listed) => json!(words(listed)),
    };
    let mut document = json!({
        "name": level.name.as_str(),
        "direction": level.direction.word(),
        "currency": level.currency.to_string(),
        "status": if level.active { "active" } else { "disabled" },
        "projects": projects,
        "methods": methods_document(rules, merchant, &level.methods, level.currency),
        "gates": level.gates.as_ref().map(|list| gate_ids(merchant, list)),
        "routing": level.routing.map(|routing| routing.word()),
        "filters": filters,
    });
    add_provenance(&mut document, &level.known);
    document
}

/// The texts of names.
pub(crate) fn words(names: &[Name]) -> Vec<&'static str> {
    names.iter().map(|name| name.as_str()).collect()
}

/// The ids of gates and routes in a list.
pub(crate) fn gate_ids(merchant: &Merchant, items: &[GateItem]) -> Vec<&'static str> {
    let name = |item: &GateItem| match item {
        GateItem::Gate(place) => merchant.gates.get(*place).map(|gate| gate.id.as_str()),
        GateItem::Route(place) => merchant.routes.get(*place).map(|route| route.id.as_str()),
    };
    items.iter().filter_map(name).collect()
}

/// Settings of payment methods.
pub(crate) fn methods_document(
    rules: &Rules,
    merchant: &Merchant,
    settings: &[MethodSetting],
    currency: Currency,
) -> Vec<Value> {
    let units = rules.currencies.units(currency);
    let amount = |value: Option<u64>| value.map(|value| Minor { value: u128::from(value), units }.to_string());
    let row = |setting: &MethodSetting| {
        json!({
            "method": setting.method.as_str(),
            "show_in_form": setting.show_in_form,
            "min_amount": amount(setting.min_amount),
            "max_amount": amount(setting.max_amount),
            "gates": setting.gates.as_ref().map(|list| gate_ids(merchant, list)),
        })
    };
    settings.iter().map(row).collect()
}

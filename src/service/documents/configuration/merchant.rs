//! The configuration of a merchant as a document.

use crate::{
    domain::{
        rules::{configuration::Rules, merchant::Merchant, project::Endpoint},
        vocabulary::{money::Currency, time::show_span},
    },
    service::documents::configuration::level::{gate_ids, methods_document, words},
};
use serde_json::{Value, json};

/// A merchant in a list of merchants.
pub(crate) fn merchant_summary(merchant: &Merchant) -> Value {
    json!({
        "id": merchant.id.as_str(),
        "name": merchant.name,
        "operation_mode": merchant.mode.word(),
        "default_behaviour": merchant.default_behaviour.word(),
        "time_zone": merchant.calendar.name(),
    })
}

/// The effective configuration of a merchant with its levels.
pub(crate) fn merchant_document(rules: &Rules, merchant: &Merchant, levels: &[Value]) -> Value {
    let hold = |ms: Option<i64>| ms.map_or_else(|| "never".to_owned(), show_span);
    let gates = merchant.gates.iter().map(|gate| {
        json!({
            "id": gate.id.as_str(),
            "enabled": gate.enabled,
            "directions": gate.directions.as_ref().map(|all| all.iter().map(|d| d.word()).collect::<Vec<_>>()),
            "currencies": gate.currencies.as_ref().map(|all| all.iter().map(Currency::to_string).collect::<Vec<_>>()),
            "methods": gate.methods.as_ref().map(|all| words(all)),
            "min_amount": gate.min_amount.map(|bound| bound.to_string()),
            "max_amount": gate.max_amount.map(|bound| bound.to_string()),
            "weight": gate.weight,
        })
    });
    let routes = merchant.routes.iter().map(|route| {
        let gates: Vec<_> =
            route.gates.iter().filter_map(|&place| merchant.gates.get(place)).map(|g| g.id.as_str()).collect();
        json!({ "id": route.id.as_str(), "gates": gates, "routing": route.routing.word() })
    });
    let projects = merchant.projects.iter().map(|project| {
        let endpoints: Vec<_> =
            project.endpoints.iter().map(|endpoint| endpoint_value(rules, merchant, endpoint)).collect();
        json!({ "id": project.id.as_str(), "endpoints": endpoints })
    });
    json!({
        "id": merchant.id.as_str(),
        "name": merchant.name,
        "operation_mode": merchant.mode.word(),
        "default_behaviour": merchant.default_behaviour.word(),
        "time_zone": merchant.calendar.name(),
        "reset_individual_settings_on_level_change": merchant.reset_settings_on_level_change,
        "add_all_projects_to_unknown_level": merchant.all_projects_to_unknown,
        "hold": { "deposit": hold(merchant.hold_ms[0]), "withdrawal": hold(merchant.hold_ms[1]) },
        "refunds": merchant.refunds.word(),
        "hidden_methods": merchant.hidden_methods.word(),
        "trust_blocks": merchant.trust_blocks,
        "numeric_ids": merchant.numeric_ids,
        "seal_identifiers": merchant.seal_identifiers,
        "gates": gates.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "projects": projects.collect::<Vec<_>>(),
        "levels": levels,
        "config_version": rules.version,
    })
}

fn endpoint_value(rules: &Rules, merchant: &Merchant, endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id.as_str(),
        "currency": endpoint.currency.to_string(),
        "gates": gate_ids(merchant, &endpoint.gates),
        "client_definition": endpoint.client_definition.iter().map(|a| a.word()).collect::<Vec<_>>(),
        "methods": methods_document(rules, merchant, &endpoint.methods, endpoint.currency),
    })
}

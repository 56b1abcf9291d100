//! What is configured, as it is in force.

use crate::{
    domain::{
        decision::refusal::Refusal,
        rules::{
            configuration::{Endpoint, GateItem, Level, Merchant, MethodSetting, Projects, Rules},
            overrides::{Origin, Provenance},
        },
        vocabulary::{
            money::{Currency, Minor},
            names::Name,
            time::{Millis, show_span},
        },
    },
    ledger::MadeLevel,
};
use crate::{
    http::{
        dto::{
            answers::{Shows, span_word},
            problem::Problem,
        },
        handlers::handlers::{Daemon, json, told_shared},
        server::grants::Grant,
    },
    service::payments::render,
};
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json as value};
use std::sync::Arc;

/// `GET /v1/merchants`.
pub(crate) async fn merchants(State(daemon): State<Arc<Daemon>>, grant: Option<Extension<Grant>>) -> Response {
    let rules = daemon.desk.rules();
    let reached = |id: Name| grant.as_ref().is_none_or(|Extension(grant)| grant.reaches(id.as_str()).is_ok());
    let mut merchants: Vec<&Arc<Merchant>> = rules.merchants.values().filter(|m| reached(m.id)).collect();
    merchants.sort_by_key(|merchant| merchant.id);
    let rows = merchants.iter().map(|merchant| {
        value!({
            "id": merchant.id.as_str(),
            "name": merchant.name,
            "operation_mode": merchant.mode.word(),
            "default_behaviour": merchant.default_behaviour.word(),
            "time_zone": merchant.calendar.name(),
        })
    });
    json(render(&value!({ "merchants": rows.collect::<Vec<_>>(), "config_version": rules.version })))
}

fn found(daemon: &Daemon, id: &str) -> Result<(Arc<Rules>, Arc<Merchant>), Problem> {
    let rules = daemon.desk.rules();
    match rules.merchant(id).map(Arc::clone) {
        Some(merchant) => Ok((rules, merchant)),
        None => Err(Refusal::UnknownMerchant(id.to_owned()).into()),
    }
}

/// `GET /v1/merchants/{m}`: the effective configuration.
pub(crate) async fn merchant(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Response {
    match found(&daemon, &id) {
        Ok((rules, merchant)) => told_shared(&daemon.desk, render(&whole(&daemon, &rules, &merchant))).await,
        Err(problem) => problem.into_response(),
    }
}

/// `GET /v1/merchants/{m}/levels`.
pub(crate) async fn levels(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Response {
    match found(&daemon, &id) {
        Ok((rules, merchant)) => {
            let levels = value!({ "levels": all_levels(&daemon, &rules, &merchant) });
            told_shared(&daemon.desk, render(&levels)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// `GET /v1/rates`.
pub(crate) async fn rates(State(daemon): State<Arc<Daemon>>, grant: Option<Extension<Grant>>) -> Response {
    let mut shown = rates_value(&daemon.desk.rules());
    // Rates are set by tokens for all merchants; those are no matter of one for some.
    if grant.is_some_and(|Extension(grant)| grant.merchants.is_some()) {
        shown["by"] = Value::Null;
    }
    told_shared(&daemon.desk, render(&shown)).await
}

pub(crate) fn rates_value(rules: &Rules) -> Value {
    let mut rates: Vec<_> = rules.rates.rates.iter().collect();
    rates.sort_by_key(|(currency, _)| currency.code());
    let table: serde_json::Map<String, Value> =
        rates.into_iter().map(|(currency, rate)| (currency.to_string(), Value::String(rate.to_string()))).collect();
    let mut shown = value!({
        "base": rules.rates.base.map(|base| base.to_string()),
        "as_of": rules.rates.as_of.map(Shows),
        "max_age": rules.rates.max_age_ms.map(show_span),
        "version": rules.rates.version,
        "rates": table,
    });
    add_known(&mut shown, &rules.rates.known);
    shown
}

/// Adds where something came from, when, and by whom.
fn add_known(shown: &mut Value, known: &Provenance) {
    let Some(shown) = shown.as_object_mut() else { return };
    for (member, said) in [
        ("created", value!(known.created.map(Shows::<Millis>))),
        ("modified", value!(known.modified.map(Shows::<Millis>))),
        ("origin", value!(known.origin.word())),
        ("by", value!(known.by.map(|by| by.as_str()))),
    ] {
        shown.insert(member.to_owned(), said);
    }
}

fn whole(daemon: &Daemon, rules: &Rules, merchant: &Merchant) -> Value {
    let hold = |ms: Option<i64>| ms.map_or_else(|| "never".to_owned(), show_span);
    let gates = merchant.gates.iter().map(|gate| {
        value!({
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
        value!({ "id": route.id.as_str(), "gates": gates, "routing": route.routing.word() })
    });
    let projects = merchant.projects.iter().map(|project| {
        let endpoints: Vec<_> =
            project.endpoints.iter().map(|endpoint| endpoint_value(rules, merchant, endpoint)).collect();
        value!({ "id": project.id.as_str(), "endpoints": endpoints })
    });
    value!({
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
        "levels": all_levels(daemon, rules, merchant),
        "config_version": rules.version,
    })
}

fn words(names: &[Name]) -> Vec<&'static str> {
    names.iter().map(|name| name.as_str()).collect()
}

fn items(merchant: &Merchant, items: &[GateItem]) -> Vec<&'static str> {
    let name = |item: &GateItem| match item {
        GateItem::Gate(place) => merchant.gates.get(*place).map(|gate| gate.id.as_str()),
        GateItem::Route(place) => merchant.routes.get(*place).map(|route| route.id.as_str()),
    };
    items.iter().filter_map(name).collect()
}

fn endpoint_value(rules: &Rules, merchant: &Merchant, endpoint: &Endpoint) -> Value {
    value!({
        "id": endpoint.id.as_str(),
        "currency": endpoint.currency.to_string(),
        "gates": items(merchant, &endpoint.gates),
        "client_definition": endpoint.client_definition.iter().map(|a| a.word()).collect::<Vec<_>>(),
        "methods": methods(rules, merchant, &endpoint.methods, endpoint.currency),
    })
}

fn methods(rules: &Rules, merchant: &Merchant, settings: &[MethodSetting], currency: Currency) -> Vec<Value> {
    let units = rules.currencies.units(currency);
    let amount = |value: Option<u64>| value.map(|value| Minor { value: u128::from(value), units }.to_string());
    let row = |setting: &MethodSetting| {
        value!({
            "method": setting.method.as_str(),
            "show_in_form": setting.show_in_form,
            "min_amount": amount(setting.min_amount),
            "max_amount": amount(setting.max_amount),
            "gates": setting.gates.as_ref().map(|list| items(merchant, list)),
        })
    };
    settings.iter().map(row).collect()
}

#[derive(Serialize)]
struct FilterOut {
    name: &'static str,
    window: String,
    class: &'static str,
    amount_limit: Option<String>,
    quantity_limit: Option<u64>,
    scope: &'static str,
    subtract_cancel_transactions: bool,
    mode: &'static str,
}

pub(crate) fn level_value(rules: &Rules, merchant: &Merchant, level: &Level) -> Value {
    let units = rules.currencies.units(level.currency);
    let filters: Vec<FilterOut> = level
        .filters
        .iter()
        .map(|filter| FilterOut {
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
        Projects::All => value!("all"),
        Projects::Listed(listed) => value!(words(listed)),
    };
    let mut shown = value!({
        "name": level.name.as_str(),
        "direction": level.direction.word(),
        "currency": level.currency.to_string(),
        "status": if level.active { "active" } else { "disabled" },
        "projects": projects,
        "methods": methods(rules, merchant, &level.methods, level.currency),
        "gates": level.gates.as_ref().map(|list| items(merchant, list)),
        "routing": level.routing.map(|routing| routing.word()),
        "filters": filters,
    });
    add_known(&mut shown, &level.known);
    shown
}

fn all_levels(daemon: &Daemon, rules: &Rules, merchant: &Merchant) -> Vec<Value> {
    let mut levels: Vec<Value> = merchant.levels.iter().map(|level| level_value(rules, merchant, level)).collect();
    let made = daemon.desk.ledger.made_levels(merchant.id).into_iter();
    let bare = made.filter(|made| merchant.level(made.direction, made.currency, made.name).is_none());
    levels.extend(bare.map(|MadeLevel { name, direction, currency, created }| {
        let known = Provenance { origin: Origin::Request, created: Some(created), modified: Some(created), by: None };
        let level = Level {
            name,
            direction,
            currency,
            active: true,
            projects: Projects::Listed(Vec::new()),
            methods: Vec::new(),
            gates: None,
            routing: None,
            filters: Vec::new(),
            known,
        };
        level_value(rules, merchant, &level)
    }));
    levels
}

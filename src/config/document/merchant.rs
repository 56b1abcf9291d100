//! Merchants with their gates, routes, projects and levels.

use crate::config::{
    document::{
        customers,
        level::{level, method},
        written::{Amounts, gate_ids, list, set, span},
    },
    parse::{
        located::Located,
        raise_not_before::RaiseNotBefore,
        raw::{RawEndpoint, RawGate, RawHold, RawMerchant, RawProject, RawRoute},
        raw_level::RawLevel,
    },
};
use crate::domain::{
    rules::{gates::Gate, gates::Route, merchant::Merchant, project::Endpoint, project::Project},
    vocabulary::{attributes::PaymentAttribute, money::Currencies},
};

/// The levels of a merchant.
pub(in crate::config) fn levels(merchant: &Merchant, currencies: &Currencies) -> Vec<RawLevel> {
    merchant.levels.iter().map(|one| level(one, merchant, currencies)).collect()
}

/// A merchant with every key of its file, and with these levels.
pub(crate) fn merchant<L>(merchant: &Merchant, currencies: &Currencies, levels: Vec<L>) -> RawMerchant<L> {
    let [deposit, withdrawal] = merchant.hold_ms.map(|ms| ms.map_or_else(|| set("never".to_owned()), span));
    RawMerchant {
        id: set(merchant.id),
        name: set(merchant.name.clone()),
        mode: set(merchant.mode),
        default_behaviour: set(merchant.default_behaviour),
        time_zone: set(merchant.calendar.name().to_owned()),
        reset_settings_on_level_change: set(merchant.reset_settings_on_level_change),
        all_projects_to_unknown: set(merchant.all_projects_to_unknown),
        hold: RawHold { deposit, withdrawal },
        refunds: set(merchant.refunds),
        hidden_methods: set(merchant.hidden_methods),
        trust_blocks: set(merchant.trust_blocks),
        numeric_ids: set(merchant.numeric_ids),
        benchmark: set(merchant.benchmark),
        sandbox: set(merchant.sandbox),
        seal_identifiers: set(merchant.seal_identifiers),
        registration: customers::registration(&merchant.registration),
        labels: merchant.labels.iter().map(customers::label).collect(),
        labels_max: set(u64::try_from(merchant.labels_max).unwrap_or(u64::MAX)),
        raise_delay: span(merchant.raises.delay_ms),
        raise_confirm: set(merchant.raises.confirm_within_ms.is_some()),
        confirm_within: merchant.raises.confirm_within_ms.and_then(span),
        raise_not_before: merchant.raises.waits_for_period_end.then_some(Located::unplaced(RaiseNotBefore::PeriodEnd)),
        deletion_grace: span(merchant.deletion_grace_ms),
        terminal_url: merchant.terminal_url.clone().map(Located::unplaced),
        gates: merchant.gates.iter().map(gate).collect(),
        routes: merchant.routes.iter().map(|one| route(one, merchant)).collect(),
        projects: merchant.projects.iter().map(|one| project(one, merchant, currencies)).collect(),
        levels,
    }
}

/// A gate. A list that is `null` is the default: all.
fn gate(gate: &Gate) -> RawGate {
    RawGate {
        id: set(gate.id),
        enabled: set(gate.enabled),
        directions: gate.directions.clone().map(list),
        currencies: gate.currencies.clone().map(list),
        methods: gate.methods.clone().map(list),
        min_amount: gate.min_amount.map(|bound| Located::unplaced(bound.to_string())),
        max_amount: gate.max_amount.map(|bound| Located::unplaced(bound.to_string())),
        weight: set(u64::from(gate.weight)),
    }
}

fn route(route: &Route, merchant: &Merchant) -> RawRoute {
    let gates = route.gates.iter().filter_map(|&place| merchant.gates.get(place));
    RawRoute { id: set(route.id), gates: Some(list(gates.map(|gate| gate.id))), routing: set(route.routing) }
}

fn project(project: &Project, merchant: &Merchant, currencies: &Currencies) -> RawProject {
    RawProject {
        id: set(project.id),
        client_definition: Some(list(project.client_definition.iter().copied().map(PaymentAttribute))),
        endpoints: project.endpoints.iter().map(|one| endpoint(one, merchant, currencies)).collect(),
    }
}

fn endpoint(endpoint: &Endpoint, merchant: &Merchant, currencies: &Currencies) -> RawEndpoint {
    let amounts = Amounts::of(endpoint.currency, currencies);
    let methods = endpoint.methods.iter().map(|setting| {
        let mut method = method(setting, merchant, amounts);
        // No layer below the endpoint sets the value.
        method.show_in_form = method.show_in_form.or_else(|| set(true));
        method
    });
    RawEndpoint {
        id: set(endpoint.id),
        currency: set(endpoint.currency),
        gates: Some(gate_ids(&endpoint.gates, merchant)),
        methods: methods.collect(),
        client_definition: Some(list(endpoint.client_definition.iter().copied().map(PaymentAttribute))),
    }
}

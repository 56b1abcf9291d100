//! What can never work as it is written, but may be meant: one function for each.

use crate::config::{
    compile::customers,
    parse::{
        raw::{Names, RawLevel, RawMerchant},
        read::At,
        source::Span,
    },
    report::report::Report,
};
use crate::domain::{
    rules::{
        configuration::{
            Direction, Endpoint, Filter, Gate, GateItem, Level, Merchant, Mode, OperationMode, Projects, Routing,
            Scope, UNKNOWN_LEVEL,
        },
        settings::{Effective, Layer, Layers},
    },
    usage::conversion::Rates,
    vocabulary::{
        money::{Currencies, Currency, Decimal},
        names::Name,
        suggest::nearest,
    },
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashSet},
};

/// A merchant that compiled, beside the file that it comes from.
///
/// Nothing was left out on the way, so the n-th level of the file is the n-th of the merchant, and so on.
pub(in crate::config) struct Look<'a> {
    pub(in crate::config) raw: &'a RawMerchant,
    pub(in crate::config) merchant: &'a Merchant,
    pub(in crate::config) currencies: &'a Currencies,
    /// `None` where the table could not be read: then nothing is said of rates.
    pub(in crate::config) rates: Option<&'a Rates>,
    pub(in crate::config) report: &'a Report,
}

/// One kind of warning.
type Warning = fn(&Look<'_>);

const ALL: [Warning; 18] = [
    levels_that_no_payment_reaches,
    levels_without_an_eligible_gate,
    minimum_above_maximum_after_layering,
    settings_for_methods_that_no_endpoint_offers,
    filters_that_can_never_fire,
    filters_over_currencies_without_a_rate,
    ladders_where_a_change_of_level_resets_the_limits,
    gates_and_routes_that_nothing_uses,
    gates_that_serve_nothing,
    weighted_lists_without_weight,
    names_listed_twice,
    transaction_ids_that_are_not_judged,
    customers::a_first_label_that_blocks,
    customers::restrictions_that_nearly_are_enforced,
    customers::merging_that_never_happens,
    customers::a_period_end_with_a_short_delay,
    customers::a_time_for_no_confirmation,
    customers::personal_identifiers_in_clear,
];

/// Says everything that can be said of one merchant.
pub(in crate::config) fn merchant(look: &Look<'_>) {
    for warn in ALL {
        warn(look);
    }
}

impl<'a> Look<'a> {
    /// The levels, each with its entry in the file.
    fn levels(&self) -> impl Iterator<Item = (&'a RawLevel, &'a Level)> {
        self.raw.levels.iter().zip(&self.merchant.levels)
    }

    /// The filters of a level that say or do something, each with the place of its entry.
    fn filters(raw: &'a RawLevel, level: &'a Level) -> impl Iterator<Item = (&'a Span, &'a Filter)> {
        let entries = raw.filters.iter().map(|raw| raw.window.as_ref().map_or(&raw.span, |window| &window.span));
        entries.zip(&level.filters).filter(|(_, filter)| filter.mode != Mode::Off)
    }

    /// Whether the level applies to every project, now and later.
    fn everywhere(&self, level: &Level) -> bool {
        let unknown = level.name.as_str() == UNKNOWN_LEVEL && self.merchant.all_projects_to_unknown;
        unknown || level.projects == Projects::All
    }

    /// The endpoints through which a payment can come under the level.
    fn endpoints(&self, level: &Level) -> Vec<&'a Endpoint> {
        let everywhere = level.active && self.everywhere(level);
        let projects = self.merchant.projects.iter().filter(|project| everywhere || level.covers(project.id));
        projects.flat_map(|project| &project.endpoints).filter(|endpoint| endpoint.currency == level.currency).collect()
    }

    /// The gates of a list, routes resolved.
    fn gates<'l>(&self, list: &'l [GateItem]) -> impl Iterator<Item = &'a Gate> + use<'l, 'a> {
        let merchant = self.merchant;
        let places = list.iter().flat_map(|item| match item {
            GateItem::Gate(place) => vec![*place],
            GateItem::Route(place) => merchant.routes.get(*place).map_or_else(Vec::new, |route| route.gates.clone()),
        });
        places.filter_map(|place| merchant.gates.get(place))
    }
}

/// The entry of a level in the file: its name.
fn place(raw: &RawLevel) -> &Span {
    raw.name.as_ref().map_or(&raw.span, |name| &name.span)
}

fn shown(level: &Level) -> String {
    format!("level `{}` ({} {})", level.name, level.direction.word(), level.currency)
}

fn levels_that_no_payment_reaches(look: &Look<'_>) {
    for (raw, level) in look.levels() {
        let (why, help) = if !level.active {
            ("it is disabled", "write status = \"active\", or take the level out")
        } else if level.projects == Projects::Listed(Vec::new()) && !look.everywhere(level) {
            ("it lists no project", "write projects = [\"...\"]: a level applies to the projects that it lists")
        } else if look.endpoints(level).is_empty() {
            (
                "no endpoint of its projects has its currency",
                "add an endpoint in this currency, list another project, or take the level out",
            )
        } else {
            continue;
        };
        let at = raw.status.as_ref().filter(|_| !level.active).map_or_else(|| place(raw), |status| &status.span);
        look.report.warning(at, format!("no payment reaches {}: {why}", shown(level)), help);
    }
}

fn levels_without_an_eligible_gate(look: &Look<'_>) {
    for (raw, level) in look.levels() {
        let endpoints = look.endpoints(level);
        if endpoints.is_empty() || endpoints.iter().any(|endpoint| some_gate_takes(look, level, endpoint)) {
            continue;
        }
        let at = raw.gates.as_ref().map_or_else(|| place(raw), |gates| &gates.span);
        let help =
            "enable a gate that serves this direction and currency and the methods of the endpoints, and list it";
        look.report.warning(at, format!("no gate is eligible under {}: every payment is denied", shown(level)), help);
    }
}

/// Whether a gate takes any payment that comes through the endpoint under the level.
fn some_gate_takes(look: &Look<'_>, level: &Level, endpoint: &Endpoint) -> bool {
    let layers = Layers { individual: None, level: Some(level), endpoint };
    let takes = |method: Option<Name>| {
        let effective = method.and_then(|method| layers.method(method));
        let bound = |side: fn(&Effective) -> Option<(u64, Layer)>| Some(side(effective.as_ref()?)?.0);
        let range = (bound(|e| e.min), bound(|e| e.max));
        look.gates(&layers.gates(method).0.of(look.merchant)).any(|gate| eligible(look, gate, level, method, range))
    };
    // Where methods are offered, a payment without one is an exception that saves no level.
    let methods = &endpoint.methods;
    if methods.is_empty() { takes(None) } else { methods.iter().any(|setting| takes(Some(setting.method))) }
}

/// Whether the gate takes some amount of the range in the level's direction and currency.
fn eligible(
    look: &Look<'_>,
    gate: &Gate,
    level: &Level,
    method: Option<Name>,
    range: (Option<u64>, Option<u64>),
) -> bool {
    let units = look.currencies.units(level.currency);
    let outside = |bound: Option<Decimal>, amount: Option<u64>, side| matches!((bound, amount), (Some(bound), Some(amount)) if bound.cmp_amount(amount, units) == side);
    gate.enabled
        && gate.directions.as_ref().is_none_or(|listed| listed.contains(&level.direction))
        && gate.currencies.as_ref().is_none_or(|listed| listed.contains(&level.currency))
        && method.is_none_or(|method| gate.methods.as_ref().is_none_or(|listed| listed.contains(&method)))
        && !outside(gate.min_amount, range.1, Ordering::Less)
        && !outside(gate.max_amount, range.0, Ordering::Greater)
}

fn minimum_above_maximum_after_layering(look: &Look<'_>) {
    for (raw, level) in look.levels() {
        let endpoints = look.endpoints(level);
        for (raw, setting) in raw.methods.iter().zip(&level.methods) {
            let Some(at) = raw.min_amount.as_ref().or(raw.max_amount.as_ref()) else { continue };
            let crossed = |endpoint: &&&Endpoint| {
                let effective = Layers { individual: None, level: Some(level), endpoint }.method(setting.method);
                effective.is_some_and(|e| matches!((e.min, e.max), (Some((min, _)), Some((max, _))) if min > max))
            };
            if let Some(endpoint) = endpoints.iter().find(crossed) {
                let message = format!(
                    "over endpoint `{}`, `{}` under {} has its minimum above its maximum",
                    endpoint.id,
                    setting.method,
                    shown(level)
                );
                look.report.warning(
                    &at.span,
                    message,
                    "write both min_amount and max_amount here, or bring this one into the endpoint's range",
                );
            }
        }
    }
}

fn settings_for_methods_that_no_endpoint_offers(look: &Look<'_>) {
    for (raw, level) in look.levels() {
        let endpoints = look.endpoints(level);
        if endpoints.is_empty() {
            continue;
        }
        let offered: BTreeSet<&str> =
            endpoints.iter().flat_map(|endpoint| &endpoint.methods).map(|setting| setting.method.as_str()).collect();
        for method in raw.methods.iter().filter_map(|setting| setting.method.as_ref()) {
            if offered.contains(method.value.as_str()) {
                continue;
            }
            let help = match nearest(method.value.as_str(), offered.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add the method to an endpoint of the level's projects, or take the setting out".to_owned(),
            };
            let message = format!("no endpoint under {} offers `{}`", shown(level), method.value);
            look.report.warning(&method.span, message, help);
        }
    }
}

fn filters_that_can_never_fire(look: &Look<'_>) {
    for (raw, level) in look.levels() {
        for (at, filter) in Look::filters(raw, level) {
            if filter.amount_limit.is_none() && filter.quantity_limit.is_none() {
                let message = format!("filter `{}` limits nothing and can never fire", filter.name);
                look.report.warning(
                    at,
                    message,
                    "write amount_limit = \"...\" or quantity_limit = ..., or take the filter out",
                );
            }
        }
    }
}

fn filters_over_currencies_without_a_rate(look: &Look<'_>) {
    let Some(rates) = look.rates else { return };
    let endpoints = look.merchant.projects.iter().flat_map(|project| &project.endpoints);
    let currencies: BTreeSet<Currency> = endpoints.map(|endpoint| endpoint.currency).collect();
    for (raw, level) in look.levels() {
        let missing: Vec<String> =
            currencies.iter().filter(|&&from| !rates.knows(from, level.currency)).map(ToString::to_string).collect();
        if missing.is_empty() {
            continue;
        }
        for (at, filter) in Look::filters(raw, level) {
            if filter.scope == Scope::Merchant && filter.amount_limit.is_some() {
                let message = format!(
                    "filter `{}` sums all currencies, and no rate leads from {} to {}: it denies with rate_unavailable",
                    filter.name,
                    missing.join(", "),
                    level.currency
                );
                look.report.warning(
                    at,
                    message,
                    "add the rates to rates.toml, or write for_all_merchant_currencies = false",
                );
            }
        }
    }
}

fn ladders_where_a_change_of_level_resets_the_limits(look: &Look<'_>) {
    if look.merchant.mode != OperationMode::Crm {
        return;
    }
    let mut ladders: BTreeMap<(Direction, Currency), Vec<(&Span, &Level)>> = BTreeMap::new();
    for (raw, level) in look.levels().filter(|(_, level)| level.active) {
        let limits = |filter: &Filter| filter.amount_limit.is_some() || filter.quantity_limit.is_some();
        let counts_alone =
            |filter: &Filter| filter.scope == Scope::Level && filter.mode == Mode::Enforce && limits(filter);
        if let Some((at, _)) = Look::filters(raw, level).find(|(_, filter)| counts_alone(filter)) {
            ladders.entry((level.direction, level.currency)).or_default().push((at, level));
        }
    }
    for ladder in ladders.values() {
        let [(first_at, first), (at, level), ..] = ladder.as_slice() else { continue };
        let names: Vec<String> = ladder.iter().map(|(_, level)| format!("`{}`", level.name)).collect();
        let message = format!(
            "levels {} ({} {}) each count on their own: a change of level starts the limits afresh",
            names.join(", "),
            level.direction.word(),
            level.currency
        );
        let help =
            "write for_all_merchant_currencies = true in these filters: then they count what passed under every level";
        look.report.warning_with(at, message, help, first_at, &format!("`{}` counts on its own too", first.name));
    }
}

fn gates_and_routes_that_nothing_uses(look: &Look<'_>) {
    let merchant = look.merchant;
    let endpoints = || merchant.projects.iter().flat_map(|project| &project.endpoints);
    let methods = endpoints().map(|e| &e.methods).chain(merchant.levels.iter().map(|l| &l.methods)).flatten();
    let lists = endpoints()
        .map(|endpoint| &endpoint.gates)
        .chain(merchant.levels.iter().filter_map(|level| level.gates.as_ref()))
        .chain(methods.filter_map(|setting| setting.gates.as_ref()));
    let mut gates = HashSet::new();
    let mut routes = HashSet::new();
    for item in lists.flatten() {
        match item {
            GateItem::Gate(place) => _ = gates.insert(*place),
            GateItem::Route(place) => _ = routes.insert(*place),
        }
    }
    // A gate of a route that nothing uses is spoken of with the route.
    gates.extend(merchant.routes.iter().flat_map(|route| &route.gates));
    let help = "list it in an endpoint, a level or a method, or take it out";
    let unused = |what: &str, ids: Vec<&Option<At<Name>>>, used: &HashSet<usize>| {
        for (place, id) in ids.into_iter().enumerate() {
            if let Some(id) = id.as_ref().filter(|_| !used.contains(&place)) {
                look.report.warning(&id.span, format!("nothing uses {what} `{}`", id.value), help);
            }
        }
    };
    unused("gate", look.raw.gates.iter().map(|gate| &gate.id).collect(), &gates);
    unused("route", look.raw.routes.iter().map(|route| &route.id).collect(), &routes);
}

fn gates_that_serve_nothing(look: &Look<'_>) {
    let help = "name what it serves, or leave the key out: then it serves all";
    for gate in &look.raw.gates {
        let directions = gate.directions.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        let currencies = gate.currencies.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        let methods = gate.methods.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        for span in [directions, currencies, methods].into_iter().flatten() {
            look.report.warning(span, "a gate with an empty list here serves nothing", help);
        }
    }
}

fn weighted_lists_without_weight(look: &Look<'_>) {
    let weightless = |gates: Vec<&Gate>| gates.iter().all(|gate| gate.weight == 0);
    let say = |at: &Span| {
        let help = "give one of the gates a weight above 0, or write routing = \"priority\"";
        look.report.warning(at, "weighted routing over gates that all weigh 0: they are tried as listed", help);
    };
    for (raw, route) in look.raw.routes.iter().zip(&look.merchant.routes) {
        let gates = route.gates.iter().filter_map(|&place| look.merchant.gates.get(place)).collect();
        if let Some(at) = raw.routing.as_ref().filter(|_| route.routing == Routing::Weighted && weightless(gates)) {
            say(&at.span);
        }
    }
    for (raw, level) in look.levels() {
        let Some(at) = raw.routing.as_ref().filter(|_| level.routing == Some(Routing::Weighted)) else { continue };
        let endpoints = look.endpoints(level);
        let lists: Vec<&[GateItem]> = match &level.gates {
            Some(gates) => vec![gates],
            None => endpoints.iter().map(|endpoint| endpoint.gates.as_slice()).collect(),
        };
        if !lists.is_empty() && lists.iter().all(|list| weightless(look.gates(list).collect())) {
            say(&at.span);
        }
    }
}

fn names_listed_twice(look: &Look<'_>) {
    let raw = look.raw;
    let endpoints = || raw.projects.iter().flat_map(|project| &project.endpoints);
    let methods = endpoints().map(|e| &e.methods).chain(raw.levels.iter().map(|level| &level.methods)).flatten();
    let lists = (raw.routes.iter().map(|route| &route.gates))
        .chain(endpoints().map(|endpoint| &endpoint.gates))
        .chain(raw.levels.iter().flat_map(|level| [&level.gates, &level.projects]))
        .chain(methods.map(|setting| &setting.gates));
    for list in lists.flatten() {
        twice_in(list, look.report);
    }
}

fn twice_in(list: &Names, report: &Report) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for name in &list.value {
        if let Some(first) = seen.insert(name.value.as_str(), &name.span) {
            let message = format!("`{}` is listed twice", name.value);
            report.warning_with(&name.span, message, "keep one of the two", first, "first listed here");
        }
    }
}

fn transaction_ids_that_are_not_judged(look: &Look<'_>) {
    let Some(at) = look.raw.numeric_ids.as_ref().filter(|at| at.value) else { return };
    let message = "transaction ids are not checked for card numbers: one that is sent as an id is stored and shown";
    look.report.warning(&at.span, message, "leave `numeric_ids` out unless transaction ids are long numbers");
}

//! Lints about gates, routes and lists of names.

use crate::config::{
    lint::context::LintContext,
    parse::{located::Located, raw_level::NameList},
    report::{file_report::FileReport, source::Span},
};
use crate::domain::{
    rules::gates::{Gate, GateItem, RoutingStrategy},
    vocabulary::names::Name,
};
use std::collections::{BTreeMap, HashSet};

pub(super) fn unused_gates_and_routes(context: &LintContext<'_>) {
    let merchant = context.merchant;
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
    // The gates of an unused route are covered by the warning about the route.
    gates.extend(merchant.routes.iter().flat_map(|route| &route.gates));
    let help = "list it in an endpoint, a level or a method, or remove it";
    let unused = |what: &str, ids: Vec<&Option<Located<Name>>>, used: &HashSet<usize>| {
        for (place, id) in ids.into_iter().enumerate() {
            if let Some(id) = id.as_ref().filter(|_| !used.contains(&place)) {
                context.report.warning(&id.span, format!("nothing uses {what} `{}`", id.value), help);
            }
        }
    };
    unused("gate", context.raw.gates.iter().map(|gate| &gate.id).collect(), &gates);
    unused("route", context.raw.routes.iter().map(|route| &route.id).collect(), &routes);
}

pub(super) fn gates_with_an_empty_list(context: &LintContext<'_>) {
    let help = "list what the gate serves, or remove the key: then it serves all";
    for gate in &context.raw.gates {
        let directions = gate.directions.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        let currencies = gate.currencies.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        let methods = gate.methods.as_ref().filter(|list| list.value.is_empty()).map(|list| &list.span);
        for span in [directions, currencies, methods].into_iter().flatten() {
            context.report.warning(span, "a gate with an empty list here serves nothing", help);
        }
    }
}

pub(super) fn weighted_routing_without_weights(context: &LintContext<'_>) {
    let weightless = |gates: Vec<&Gate>| gates.iter().all(|gate| gate.weight == 0);
    let warn = |at: &Span| {
        let help = "write a weight above 0 for one of the gates, or routing = \"priority\"";
        context.report.warning(
            at,
            "all gates of weighted routing have weight 0: they are tried in the listed order",
            help,
        );
    };
    for (raw, route) in context.raw.routes.iter().zip(&context.merchant.routes) {
        let gates = route.gates.iter().filter_map(|&place| context.merchant.gates.get(place)).collect();
        if let Some(at) =
            raw.routing.as_ref().filter(|_| route.routing == RoutingStrategy::Weighted && weightless(gates))
        {
            warn(&at.span);
        }
    }
    for (raw, level) in context.levels() {
        let Some(at) = raw.routing.as_ref().filter(|_| level.routing == Some(RoutingStrategy::Weighted)) else {
            continue;
        };
        let endpoints = context.endpoints(level);
        let lists: Vec<&[GateItem]> = match &level.gates {
            Some(gates) => vec![gates],
            None => endpoints.iter().map(|endpoint| endpoint.gates.as_slice()).collect(),
        };
        if !lists.is_empty() && lists.iter().all(|list| weightless(context.gates(list).collect())) {
            warn(&at.span);
        }
    }
}

pub(super) fn names_listed_twice(context: &LintContext<'_>) {
    let raw = context.raw;
    let endpoints = || raw.projects.iter().flat_map(|project| &project.endpoints);
    let methods = endpoints().map(|e| &e.methods).chain(raw.levels.iter().map(|level| &level.methods)).flatten();
    let lists = (raw.routes.iter().map(|route| route.gates.as_ref()))
        .chain(endpoints().map(|endpoint| endpoint.gates.as_ref()))
        .chain(raw.levels.iter().flat_map(|level| [level.gates.as_ref(), level.listed_projects()]))
        .chain(methods.map(|setting| setting.gates.as_ref()));
    for list in lists.flatten() {
        report_twice_in(list, context.report);
    }
}

fn report_twice_in(list: &NameList, report: &FileReport) {
    let mut listed: BTreeMap<&str, &Span> = BTreeMap::new();
    for name in &list.value {
        if let Some(first) = listed.insert(name.value.as_str(), &name.span) {
            let message = format!("`{}` is listed twice", name.value);
            report.warning_with(&name.span, message, "remove one of the two", first, "first listed here");
        }
    }
}

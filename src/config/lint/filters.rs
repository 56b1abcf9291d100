//! Lints about filters.

use crate::config::{
    lint::context::{LintContext, level_text},
    report::source::Span,
};
use crate::domain::{
    rules::{
        filter::{Filter, FilterMode, FilterScope},
        level::Level,
        merchant::OperationMode,
    },
    vocabulary::{direction::Direction, money::Currency, names::Name},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn filters_without_a_limit(context: &LintContext<'_>) {
    for (raw, level) in context.levels() {
        for (at, filter) in LintContext::active_filters(raw, level) {
            if filter.amount_limit.is_none() && filter.quantity_limit.is_none() {
                let message = format!("filter `{}` has no limit and never denies", filter.name);
                context.report.warning(
                    at,
                    message,
                    "write amount_limit = \"...\" or quantity_limit = ..., or remove the filter",
                );
            }
        }
    }
}

pub(super) fn filters_without_a_rate(context: &LintContext<'_>) {
    let Some(rates) = context.rates else { return };
    let endpoints = context.merchant.projects.iter().flat_map(|project| &project.endpoints);
    let currencies: BTreeSet<Currency> = endpoints.map(|endpoint| endpoint.currency).collect();
    for (raw, level) in context.levels() {
        let missing: Vec<String> =
            currencies.iter().filter(|&&from| !rates.knows(from, level.currency)).map(ToString::to_string).collect();
        if missing.is_empty() {
            continue;
        }
        for (at, filter) in LintContext::active_filters(raw, level) {
            if filter.scope == FilterScope::Merchant && filter.amount_limit.is_some() {
                // A customer's own limits have no level.
                let of_level = match level.name == Name::unrecorded() {
                    true => String::new(),
                    false => format!(" of {}", level_text(level)),
                };
                let message = format!(
                    "filter `{}`{of_level} sums all currencies, and there is no rate from {} to {}: it denies with \
                     rate_unavailable",
                    filter.name,
                    missing.join(", "),
                    level.currency
                );
                context.report.warning(
                    at,
                    message,
                    "add the rates to rates.toml, or write for_all_merchant_currencies = false",
                );
            }
        }
    }
}

pub(super) fn limits_that_restart_with_the_level(context: &LintContext<'_>) {
    if context.merchant.mode != OperationMode::Crm {
        return;
    }
    let mut level_groups: BTreeMap<(Direction, Currency), Vec<(&Span, &Level)>> = BTreeMap::new();
    for (raw, level) in context.levels().filter(|(_, level)| level.active) {
        let limits = |filter: &Filter| filter.amount_limit.is_some() || filter.quantity_limit.is_some();
        let counts_separately = |filter: &Filter| {
            filter.scope == FilterScope::Level && filter.mode == FilterMode::Enforce && limits(filter)
        };
        if let Some((at, _)) = LintContext::active_filters(raw, level).find(|(_, filter)| counts_separately(filter)) {
            level_groups.entry((level.direction, level.currency)).or_default().push((at, level));
        }
    }
    for group in level_groups.values() {
        let [(first_at, first), (at, level), ..] = group.as_slice() else { continue };
        let names: Vec<String> = group.iter().map(|(_, level)| format!("`{}`", level.name)).collect();
        let message = format!(
            "levels {} ({} {}) each count separately: a change of level restarts the limits",
            names.join(", "),
            level.direction.word(),
            level.currency
        );
        let help =
            "write for_all_merchant_currencies = true in these filters: then they count the payments of every level";
        context.report.warning_with(at, message, help, first_at, &format!("`{}` also counts separately", first.name));
    }
}

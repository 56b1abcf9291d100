//! Lints about levels.

use crate::config::lint::context::{LintContext, level_text, place_of};
use crate::domain::{
    decision::method_settings::{EffectiveMethod, MethodSettingLayers, SettingLayer},
    rules::{
        gates::Gate,
        level::{Level, ProjectList},
        project::Endpoint,
    },
    vocabulary::{
        money::{Currencies, Decimal},
        names::Name,
        text::suggest::nearest,
    },
};
use std::{cmp::Ordering, collections::BTreeSet};

pub(super) fn unreachable_levels(context: &LintContext<'_>) {
    for (raw, level) in context.levels() {
        let (why, help) = if !level.active {
            ("it is disabled", "write status = \"active\", or remove the level")
        } else if level.projects == ProjectList::Listed(Vec::new()) && !context.applies_everywhere(level) {
            ("it lists no project", "write projects = [\"...\"]: a level applies to the projects that it lists")
        } else if context.endpoints(level).is_empty() {
            (
                "no endpoint of its projects has its currency",
                "add an endpoint in this currency, list another project, or remove the level",
            )
        } else {
            continue;
        };
        let at = raw.status.as_ref().filter(|_| !level.active).map_or_else(|| place_of(raw), |status| &status.span);
        context.report.warning(at, format!("no payment reaches {}: {why}", level_text(level)), help);
    }
}

pub(super) fn levels_without_an_eligible_gate(context: &LintContext<'_>) {
    for (raw, level) in context.levels() {
        let endpoints = context.endpoints(level);
        if endpoints.is_empty() || endpoints.iter().any(|endpoint| has_eligible_gate(context, level, endpoint)) {
            continue;
        }
        let at = raw.gates.as_ref().map_or_else(|| place_of(raw), |gates| &gates.span);
        let help =
            "enable a gate that serves this direction and currency and the methods of the endpoints, and list it";
        context.report.warning(
            at,
            format!("no gate is eligible under {}: every payment is denied", level_text(level)),
            help,
        );
    }
}

/// Whether a gate accepts some payment through the endpoint with the level.
fn has_eligible_gate(context: &LintContext<'_>, level: &Level, endpoint: &Endpoint) -> bool {
    let layers = MethodSettingLayers { individual: None, level: Some(level), endpoint };
    let accepts = |method: Option<Name>| {
        let effective = method.and_then(|method| layers.method(method));
        let bound = |side: fn(&EffectiveMethod) -> Option<(u64, SettingLayer)>| Some(side(effective.as_ref()?)?.0);
        let range = AmountRange { min: bound(|e| e.min), max: bound(|e| e.max) };
        context
            .gates(&layers.gates(method).0.of(context.merchant))
            .any(|gate| is_eligible(context.currencies, gate, level, (method, range)))
    };
    // If the endpoint offers methods, a payment without a method is an exception and does not count.
    let methods = &endpoint.methods;
    if methods.is_empty() { accepts(None) } else { methods.iter().any(|setting| accepts(Some(setting.method))) }
}

/// The amounts of a payment method, in minor units; `None`: no limit.
#[derive(Clone, Copy)]
struct AmountRange {
    min: Option<u64>,
    max: Option<u64>,
}

/// Whether the gate accepts some amount of the range in the level's direction and currency.
fn is_eligible(currencies: &Currencies, gate: &Gate, level: &Level, payment: (Option<Name>, AmountRange)) -> bool {
    let (method, range) = payment;
    let units = currencies.units(level.currency);
    let outside = |bound: Option<Decimal>, amount: Option<u64>, side| matches!((bound, amount), (Some(bound), Some(amount)) if bound.cmp_amount(amount, units) == side);
    gate.enabled
        && gate.directions.as_ref().is_none_or(|listed| listed.contains(&level.direction))
        && gate.currencies.as_ref().is_none_or(|listed| listed.contains(&level.currency))
        && method.is_none_or(|method| gate.methods.as_ref().is_none_or(|listed| listed.contains(&method)))
        && !outside(gate.min_amount, range.max, Ordering::Less)
        && !outside(gate.max_amount, range.min, Ordering::Greater)
}

pub(super) fn minimum_above_maximum(context: &LintContext<'_>) {
    for (raw, level) in context.levels() {
        let endpoints = context.endpoints(level);
        for (raw, setting) in raw.methods.iter().zip(&level.methods) {
            let Some(at) = raw.min_amount.as_ref().or(raw.max_amount.as_ref()) else { continue };
            let crossed = |endpoint: &&&Endpoint| {
                let effective =
                    MethodSettingLayers { individual: None, level: Some(level), endpoint }.method(setting.method);
                effective.is_some_and(|e| matches!((e.min, e.max), (Some((min, _)), Some((max, _))) if min > max))
            };
            if let Some(endpoint) = endpoints.iter().find(crossed) {
                let message = format!(
                    "over endpoint `{}`, `{}` under {} has its minimum above its maximum",
                    endpoint.id,
                    setting.method,
                    level_text(level)
                );
                context.report.warning(
                    &at.span,
                    message,
                    "write both min_amount and max_amount here, or change this one to be within the endpoint's range",
                );
            }
        }
    }
}

pub(super) fn settings_for_unoffered_methods(context: &LintContext<'_>) {
    for (raw, level) in context.levels() {
        let endpoints = context.endpoints(level);
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
                None => "add the method to an endpoint of the level's projects, or remove the setting".to_owned(),
            };
            let message = format!("no endpoint under {} offers `{}`", level_text(level), method.value);
            context.report.warning(&method.span, message, help);
        }
    }
}

//! Warnings about the body of a request, in the words of `check`.

use crate::config::{
    body::{LevelBody, LimitsBody, SettingsBody},
    document,
    lint::{
        context::LintContext,
        filters, gates, levels,
        merchant::{Lint, lint_merchant},
    },
    parse::{
        located::{Located, is_placed},
        raw::RawMerchant,
        raw_level::RawMethod,
    },
    report::{
        file_report::FileReport,
        problem::{Problem, Severity},
        source::{Source, Span},
    },
};
use crate::domain::{
    customer::{individual_settings::IndividualSettings, own_limits::OwnLimits},
    rules::{configuration::Rules, level::Level, merchant::Merchant, project::MethodSetting, rates::Rates},
    vocabulary::{money::Currencies, names::Name},
};
use std::{collections::HashSet, sync::Arc};

/// The most warnings of one answer.
const WARNINGS_MAX: usize = 100;

/// The place of a value that follows from the body as a whole.
const BODY: Span = 0..1;

/// The warnings about a level that a body describes: those about the level itself, and those that the rest of the
/// merchant has because of it.
#[must_use]
pub(crate) fn level_warnings(body: LevelBody, merchant: &Merchant, rules: &Rules) -> Vec<String> {
    let LevelBody { level, raw, source, .. } = body;
    let before: HashSet<String> =
        Linted::new(merchant, rules, String::new()).all().iter().map(Problem::sentence).collect();
    let mut changed = merchant.clone();
    let is_it =
        |known: &Level| (known.name, known.direction, known.currency) == (level.name, level.direction, level.currency);
    let place = merchant.levels.iter().position(is_it).unwrap_or(merchant.levels.len());
    changed.levels.splice(place..(place + 1).min(merchant.levels.len()), [level]);
    changed.build_indexes();
    let mut linted = Linted::new(&changed, rules, source);
    linted.raw.levels[place] = raw;
    let found = linted.all();
    let is_new = |problem: &&Problem| concerns_body(problem) || !before.contains(&problem.sentence());
    bounded(found.iter().filter(is_new).map(Problem::sentence))
}

/// The warnings that merchants have with a new table of rates, and did not have before.
#[must_use]
pub(crate) fn rates_warnings(rates: &Rates, rules: &Rules) -> Vec<String> {
    let mut merchants: Vec<&Arc<Merchant>> = rules.merchants.values().collect();
    merchants.sort_by_key(|merchant| merchant.id);
    let of_merchant = |merchant: &&Arc<Merchant>| {
        let mut linted = Linted::new(merchant, rules, String::new());
        let lints: [Lint; 1] = [filters::filters_without_a_rate];
        let before: HashSet<String> = linted.found(&lints).iter().map(Problem::sentence).collect();
        linted.rates = rates;
        let now = linted.found(&lints).into_iter().map(|problem| problem.sentence());
        let new = now.filter(|sentence| !before.contains(sentence));
        new.map(|sentence| format!("merchant `{}`: {sentence}", merchant.id)).collect::<Vec<_>>()
    };
    bounded(merchants.iter().flat_map(of_merchant))
}

/// The warnings about individual settings: those of a level that has them.
#[must_use]
pub(crate) fn settings_warnings(
    body: SettingsBody,
    settings: &IndividualSettings,
    merchant: &Merchant,
    rules: &Rules,
) -> Vec<String> {
    let bare = Level::bare(settings.level, settings.direction, settings.currency);
    let known = merchant.level(settings.direction, settings.currency, settings.level).unwrap_or(&bare);
    let (level, raw) = level_with(settings, body.raw, known, merchant);
    let changed = Merchant { levels: vec![level], ..merchant.clone() };
    let mut linted = Linted::new(&changed, rules, body.source);
    let raw_level = &mut linted.raw.levels[0];
    raw_level.name = Some(Located { value: settings.level, span: BODY });
    raw_level.methods.splice(..raw.len(), raw);
    let lints: [Lint; 5] = [
        levels::unreachable_levels,
        levels::levels_without_an_eligible_gate,
        levels::minimum_above_maximum,
        levels::settings_for_unoffered_methods,
        gates::names_listed_twice,
    ];
    bounded(linted.found(&lints).iter().filter(|problem| concerns_body(problem)).map(Problem::sentence))
}

/// A level with a customer's settings over its own. The raw values are those of the methods that the customer's settings
/// change; these methods are the first of the level.
fn level_with(
    settings: &IndividualSettings,
    mut raw: Vec<RawMethod>,
    known: &Level,
    merchant: &Merchant,
) -> (Level, Vec<RawMethod>) {
    let (global_min, global_max) = (settings.global_min, settings.global_max);
    let of_level = |name: Name| known.methods.iter().find(|setting| setting.method == name);
    let mut methods: Vec<MethodSetting> = Vec::new();
    for own in &settings.methods {
        let level = of_level(own.method);
        let ids = own.gates.as_ref();
        methods.push(MethodSetting {
            method: own.method,
            show_in_form: own.show_in_form.or(level.and_then(|level| level.show_in_form)),
            // The customer's value for the method and the one for all methods are one layer: the tighter one applies.
            min_amount: own.min_amount.max(global_min).or(level.and_then(|level| level.min_amount)),
            max_amount: tighter(own.max_amount, global_max).or(level.and_then(|level| level.max_amount)),
            gates: ids
                .map(|ids| ids.iter().filter_map(|id| merchant.gate_item(*id)).collect())
                .or_else(|| level.and_then(|level| level.gates.clone())),
        });
    }
    if global_min.is_some() || global_max.is_some() {
        let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints);
        let offered =
            endpoints.filter(|endpoint| endpoint.currency == known.currency).flat_map(|endpoint| &endpoint.methods);
        for name in offered.map(|setting| setting.method) {
            if methods.iter().any(|setting| setting.method == name) {
                continue;
            }
            let level = of_level(name);
            methods.push(MethodSetting {
                method: name,
                show_in_form: level.and_then(|level| level.show_in_form),
                min_amount: global_min.or(level.and_then(|level| level.min_amount)),
                max_amount: global_max.or(level.and_then(|level| level.max_amount)),
                gates: level.and_then(|level| level.gates.clone()),
            });
            let bound = Some(Located { value: String::new(), span: BODY });
            let method = Some(Located { value: name, span: BODY });
            raw.push(RawMethod { method, show_in_form: None, min_amount: bound, max_amount: None, gates: None });
        }
    }
    let rest = known.methods.iter().filter(|setting| !methods.iter().any(|own| own.method == setting.method));
    let rest: Vec<MethodSetting> = rest.cloned().collect();
    methods.extend(rest);
    (Level { methods, ..known.clone() }, raw)
}

fn tighter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// The warnings about a customer's own limits: those of a level with the same filters that concern rates.
#[must_use]
pub(crate) fn limits_warnings(body: LimitsBody, limits: &OwnLimits, merchant: &Merchant, rules: &Rules) -> Vec<String> {
    let bare = Level::bare(Name::unrecorded(), limits.direction, limits.currency);
    let level = Level { filters: body.filters, ..bare };
    let changed = Merchant { levels: vec![level], ..merchant.clone() };
    let mut linted = Linted::new(&changed, rules, body.source);
    linted.raw.levels[0].filters = body.raw;
    let lints: [Lint; 1] = [filters::filters_without_a_rate];
    bounded(linted.found(&lints).iter().map(Problem::sentence))
}

/// A merchant as the lints read it. Values that come from the rules have no place.
struct Linted<'a> {
    raw: RawMerchant,
    merchant: &'a Merchant,
    currencies: &'a Currencies,
    rates: &'a Rates,
    source: String,
}

impl<'a> Linted<'a> {
    fn new(merchant: &'a Merchant, rules: &'a Rules, source: String) -> Self {
        let raw = document::merchant(merchant, &rules.currencies, document::levels(merchant, &rules.currencies));
        Self { raw, merchant, currencies: &rules.currencies, rates: &rules.rates, source }
    }

    fn all(&self) -> Vec<Problem> {
        self.run(lint_merchant)
    }

    fn found(&self, lints: &[Lint]) -> Vec<Problem> {
        self.run(|context| lints.iter().for_each(|lint| lint(context)))
    }

    fn run(&self, lints: impl FnOnce(&LintContext<'_>)) -> Vec<Problem> {
        let report = FileReport::new(Source { path: "body".to_owned(), text: self.source.clone() });
        let Self { raw, merchant, currencies, rates, .. } = self;
        lints(&LintContext { raw, merchant, currencies, rates: Some(rates), report: &report });
        report.finish().into_iter().filter(|problem| problem.severity == Severity::Warning).collect()
    }
}

/// Whether a problem is at a place in the body.
fn concerns_body(problem: &Problem) -> bool {
    is_placed(&problem.span) || problem.related.as_ref().is_some_and(|related| is_placed(&related.span))
}

/// The first warnings, and how many more there are.
fn bounded(warnings: impl Iterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = warnings.collect();
    if warnings.len() > WARNINGS_MAX {
        let more = warnings.len() - WARNINGS_MAX;
        warnings.truncate(WARNINGS_MAX);
        warnings.push(format!("and {more} more"));
    }
    warnings
}

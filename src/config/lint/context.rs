//! What the lints of a merchant read.

use crate::config::{
    parse::{raw::RawMerchant, raw_level::RawLevel},
    report::{file_report::FileReport, source::Span},
};
use crate::domain::{
    rules::{
        filter::{Filter, FilterMode},
        gates::{Gate, GateItem},
        level::{Level, ProjectList},
        merchant::Merchant,
        project::Endpoint,
        rates::Rates,
    },
    vocabulary::{money::Currencies, names::UNKNOWN_LEVEL},
};

/// A compiled merchant and the raw values of its file.
///
/// Compiling left out nothing: the n-th level of the file is the n-th level of the merchant, and so on for every list.
pub(in crate::config) struct LintContext<'a> {
    pub(in crate::config) raw: &'a RawMerchant,
    pub(in crate::config) merchant: &'a Merchant,
    pub(in crate::config) currencies: &'a Currencies,
    /// `None`: the table is invalid, and no lint concerns rates.
    pub(in crate::config) rates: Option<&'a Rates>,
    pub(in crate::config) report: &'a FileReport,
}

impl<'a> LintContext<'a> {
    /// The levels, each with its raw values.
    pub(super) fn levels(&self) -> impl Iterator<Item = (&'a RawLevel, &'a Level)> {
        self.raw.levels.iter().zip(&self.merchant.levels)
    }

    /// The filters of a level that are not off, each with the place of its entry.
    pub(super) fn active_filters(raw: &'a RawLevel, level: &'a Level) -> impl Iterator<Item = (&'a Span, &'a Filter)> {
        let places = raw.filters.iter().map(|raw| raw.window.as_ref().map_or(&raw.span, |window| &window.span));
        places.zip(&level.filters).filter(|(_, filter)| filter.mode != FilterMode::Off)
    }

    /// Whether the level applies to every project, also to projects that are added later.
    pub(super) fn applies_everywhere(&self, level: &Level) -> bool {
        let unknown = level.name.as_str() == UNKNOWN_LEVEL && self.merchant.all_projects_to_unknown;
        unknown || level.projects == ProjectList::All
    }

    /// The endpoints whose payments may get the level.
    pub(super) fn endpoints(&self, level: &Level) -> Vec<&'a Endpoint> {
        let everywhere = level.active && self.applies_everywhere(level);
        let projects = self.merchant.projects.iter().filter(|project| everywhere || level.applies_to(project.id));
        projects.flat_map(|project| &project.endpoints).filter(|endpoint| endpoint.currency == level.currency).collect()
    }

    /// The gates of a gate list, with routes replaced by their gates.
    pub(super) fn gates<'l>(&self, list: &'l [GateItem]) -> impl Iterator<Item = &'a Gate> + use<'l, 'a> {
        let merchant = self.merchant;
        let places = list.iter().flat_map(|item| match item {
            GateItem::Gate(place) => vec![*place],
            GateItem::Route(place) => merchant.routes.get(*place).map_or_else(Vec::new, |route| route.gates.clone()),
        });
        places.filter_map(|place| merchant.gates.get(place))
    }
}

/// The place of a level in the file: its name.
pub(super) fn place_of(raw: &RawLevel) -> &Span {
    raw.name.as_ref().map_or(&raw.span, |name| &name.span)
}

/// A level in words.
pub(super) fn level_text(level: &Level) -> String {
    format!("level `{}` ({} {})", level.name, level.direction.word(), level.currency)
}

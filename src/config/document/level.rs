//! Levels and the settings of payment methods.

use crate::config::{
    document::{
        filter::filter,
        written::{Amounts, gate_ids, list, set},
    },
    parse::{
        located::Located,
        raw_level::{RawLevel, RawMethod, RawProjects, Status},
    },
};
use crate::domain::{
    customer::individual_settings::IndividualMethod,
    rules::{
        level::{Level, ProjectList},
        merchant::Merchant,
        project::MethodSetting,
    },
    vocabulary::money::{Currencies, Currency},
};

/// A level of a merchant.
pub(crate) fn level(level: &Level, merchant: &Merchant, currencies: &Currencies) -> RawLevel {
    let amounts = Amounts::of(level.currency, currencies);
    RawLevel {
        span: 0..0,
        body: String::new(),
        name: set(level.name),
        direction: set(level.direction),
        currency: set(level.currency),
        status: set(if level.active { Status::Active } else { Status::Disabled }),
        projects: Some(match &level.projects {
            ProjectList::All => RawProjects::All,
            ProjectList::Listed(listed) => RawProjects::Listed(list(listed.iter().copied())),
        }),
        methods: level.methods.iter().map(|setting| method(setting, merchant, amounts)).collect(),
        gates: level.gates.as_ref().map(|items| gate_ids(items, merchant)),
        routing: level.routing.map(Located::unplaced),
        filters: level.filters.iter().map(|one| filter(one, level.currency, currencies)).collect(),
    }
}

/// The settings of a method, of a level or an endpoint. A value that the level does not set is not filled in: the
/// endpoint's applies.
pub(super) fn method(setting: &MethodSetting, merchant: &Merchant, amounts: Amounts) -> RawMethod {
    RawMethod {
        method: set(setting.method),
        show_in_form: setting.show_in_form.map(Located::unplaced),
        min_amount: amounts.written(setting.min_amount),
        max_amount: amounts.written(setting.max_amount),
        gates: setting.gates.as_ref().map(|items| gate_ids(items, merchant)),
    }
}

/// A customer's settings of a method.
pub(crate) fn individual_method(own: &IndividualMethod, currency: Currency, currencies: &Currencies) -> RawMethod {
    let amounts = Amounts::of(currency, currencies);
    RawMethod {
        method: set(own.method),
        show_in_form: own.show_in_form.map(Located::unplaced),
        min_amount: amounts.written(own.min_amount),
        max_amount: amounts.written(own.max_amount),
        gates: own.gates.as_ref().map(|ids| list(ids.iter().copied())),
    }
}

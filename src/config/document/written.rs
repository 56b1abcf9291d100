//! Values of rules as a file writes them.

use crate::config::parse::{located::Located, raw_level::NameList};
use crate::domain::{
    rules::{gates::GateItem, merchant::Merchant},
    vocabulary::{
        money::{Currencies, Currency, Minor},
        names::Name,
        time::show_span,
    },
};

/// A value that is set.
pub(super) fn set<T>(value: T) -> Option<Located<T>> {
    Some(Located::unplaced(value))
}

/// A list of values.
pub(super) fn list<T>(values: impl IntoIterator<Item = T>) -> Located<Vec<Located<T>>> {
    Located::unplaced(values.into_iter().map(Located::unplaced).collect())
}

/// A duration in milliseconds.
pub(super) fn span(ms: i64) -> Option<Located<String>> {
    set(show_span(ms))
}

/// The amounts of a currency.
#[derive(Clone, Copy)]
pub(super) struct Amounts {
    units: u8,
}

impl Amounts {
    pub(super) fn of(currency: Currency, currencies: &Currencies) -> Self {
        Self { units: currencies.units(currency) }
    }

    /// An amount in minor units.
    pub(super) fn written(self, amount: Option<u64>) -> Option<Located<String>> {
        set(Minor { value: u128::from(amount?), units: self.units }.to_string())
    }
}

/// The ids of gates and routes.
pub(super) fn gate_ids(items: &[GateItem], merchant: &Merchant) -> NameList {
    let id = |item: &GateItem| -> Option<Name> {
        match *item {
            GateItem::Gate(place) => merchant.gates.get(place).map(|gate| gate.id),
            GateItem::Route(place) => merchant.routes.get(place).map(|route| route.id),
        }
    };
    list(items.iter().filter_map(id))
}

//! Payment gates, routes (named lists of gates) and the items of a gate list.

use crate::domain::vocabulary::words::words;
use crate::domain::vocabulary::{
    direction::Direction,
    money::{Currency, Decimal},
    names::Name,
};

words! {
    /// The strategy that orders a gate list.
    RoutingStrategy {
        /// As listed.
        Priority = "priority",
        /// By weight, the same order for the same transaction.
        Weighted = "weighted",
    }
}

/// One entry of a gate list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateItem {
    /// The index of a gate in `Merchant::gates`.
    Gate(usize),
    /// The index of a route in `Merchant::routes`.
    Route(usize),
}

/// A payment gate: a connection to a processor account.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Unique in the merchant, among gates and routes.
    pub id: Name,
    /// Whether it accepts payments.
    pub enabled: bool,
    /// `None`: both.
    pub directions: Option<Vec<Direction>>,
    /// `None`: all.
    pub currencies: Option<Vec<Currency>>,
    /// `None`: all.
    pub methods: Option<Vec<Name>>,
    /// In the payment's currency.
    pub min_amount: Option<Decimal>,
    /// In the payment's currency.
    pub max_amount: Option<Decimal>,
    /// Its weight under weighted routing.
    pub weight: u32,
}

/// A named list of gates with its own routing.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique in the merchant, among gates and routes.
    pub id: Name,
    /// Indexes in `Merchant::gates`.
    pub gates: Vec<usize>,
    /// The strategy that orders them.
    pub routing: RoutingStrategy,
}

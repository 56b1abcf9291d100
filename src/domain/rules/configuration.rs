//! The rules: one immutable configuration, indexed for the decision.
//!
//! Names are resolved and references are indexes before rules exist, so nothing here can fail. A request uses
//! one [`Rules`] from start to end.

use crate::domain::{
    rules::{merchant::Merchant, rates::Rates},
    vocabulary::{money::Currencies, names::Map},
};
use std::sync::Arc;

/// One complete configuration of the decision.
#[derive(Debug, Default)]
pub struct Rules {
    /// The version of the rules: a digest of merchants and rates.
    pub version: String,
    /// Known currencies.
    pub currencies: Currencies,
    /// The exchange rates in force.
    pub rates: Arc<Rates>,
    /// By id.
    pub merchants: Map<&'static str, Arc<Merchant>>,
}

impl Rules {
    /// The merchant of this id.
    #[must_use]
    pub fn merchant(&self, id: &str) -> Option<&Arc<Merchant>> {
        self.merchants.get(id)
    }

    /// The ids of all merchants, sorted.
    #[must_use]
    pub fn merchant_ids(&self) -> Vec<&'static str> {
        let mut ids: Vec<_> = self.merchants.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

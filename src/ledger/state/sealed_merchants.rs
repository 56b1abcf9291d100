//! The merchants whose customers' identifiers are sealed.

use crate::domain::{
    rules::configuration::Rules,
    vocabulary::names::{Name, Set},
};

/// The merchants with `seal_identifiers`.
#[derive(Debug, Clone, Default)]
pub struct SealedMerchants(Set<Name>);

impl SealedMerchants {
    /// Those of a configuration.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        Self(
            rules.merchants.values().filter(|merchant| merchant.seal_identifiers).map(|merchant| merchant.id).collect(),
        )
    }

    pub(in crate::ledger) fn contains(&self, merchant: Name) -> bool {
        self.0.contains(&merchant)
    }
}

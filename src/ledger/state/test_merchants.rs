//! The test merchants, whose blocks of instruments are apart from those of real merchants.

use crate::domain::{
    customer::instrument_blocks::BlockPlace,
    rules::configuration::Rules,
    vocabulary::names::{Name, Set},
};

/// The merchants with `sandbox`. A merchant with customers never becomes one, nor ceases to be one.
#[derive(Debug, Clone, Default)]
pub struct TestMerchants(Set<Name>);

impl TestMerchants {
    /// Those of a configuration.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        Self(rules.merchants.values().filter(|merchant| merchant.sandbox).map(|merchant| merchant.id).collect())
    }

    /// A merchant as a place of blocks.
    pub(in crate::ledger) fn place(&self, merchant: Name) -> BlockPlace {
        BlockPlace { merchant, is_sandbox: self.0.contains(&merchant) }
    }
}

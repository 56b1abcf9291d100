//! The currencies in which any amount was ever recorded: every payment asks, and hardly one has anything to add.

use crate::domain::vocabulary::money::Currency;
use std::sync::atomic::{AtomicBool, Ordering};

/// A mark for each currency that there could be.
pub(in crate::ledger) struct HeldCurrencies(Box<[AtomicBool]>);

impl Default for HeldCurrencies {
    fn default() -> Self {
        Self(Currency::every().map(|_| AtomicBool::default()).collect())
    }
}

impl HeldCurrencies {
    pub(in crate::ledger) fn hold(&self, currency: Currency) {
        let held = &self.0[currency.number()];
        // Only read where it stands already, so that processors need not take the mark from each other.
        if !held.load(Ordering::Relaxed) {
            held.store(true, Ordering::Relaxed);
        }
    }

    pub(in crate::ledger) fn all(&self) -> impl Iterator<Item = Currency> {
        Currency::every().zip(&self.0).filter(|(_, held)| held.load(Ordering::Relaxed)).map(|(currency, _)| currency)
    }
}

//! The currencies of all recorded amounts.

use crate::domain::vocabulary::money::Currency;
use std::sync::atomic::{AtomicBool, Ordering};

/// One flag for each possible currency.
pub(in crate::ledger) struct RecordedCurrencies(Box<[AtomicBool]>);

impl Default for RecordedCurrencies {
    fn default() -> Self {
        Self(Currency::every().map(|_| AtomicBool::default()).collect())
    }
}

impl RecordedCurrencies {
    /// Adds a currency. Every payment calls this; it writes only the first time, so that processors do not contend for
    /// the cache line.
    pub(in crate::ledger) fn insert(&self, currency: Currency) {
        let flag = &self.0[currency.number()];
        if !flag.load(Ordering::Relaxed) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    pub(in crate::ledger) fn all(&self) -> impl Iterator<Item = Currency> {
        Currency::every().zip(&self.0).filter(|(_, flag)| flag.load(Ordering::Relaxed)).map(|(currency, _)| currency)
    }
}

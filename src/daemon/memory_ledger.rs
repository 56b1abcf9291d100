//! A ledger without files, and the bounds that the settings give to every ledger.

use crate::{
    config::Settings,
    daemon::random::random_key,
    domain::decision::clock_skew::ClockSkew,
    ledger::{Ledger, LedgerLimits, LedgerStorage},
};

/// An empty ledger whose state is in memory only.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn memory_ledger(settings: &Settings) -> anyhow::Result<Ledger> {
    Ok(Ledger::new(ledger_bounds(settings), LedgerStorage::in_memory(random_key()?)))
}

/// The bounds of a ledger with these settings.
pub(crate) fn ledger_bounds(settings: &Settings) -> LedgerLimits {
    let skew = ClockSkew { past_ms: settings.clock.max_past_ms, future_ms: settings.clock.max_future_ms };
    LedgerLimits { transactions_max: settings.memory.max_transactions, skew }
}

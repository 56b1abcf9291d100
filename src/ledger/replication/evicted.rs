//! Transactions that a standby evicted and its primary did not.
//!
//! Eviction is not recorded: each daemon evicts by its own retention once its own archive indexes the segment. Where only
//! the primary has evicted a transaction, its records state the evicted values, and the standby has the summary. Where only
//! the standby has evicted it, the records of the primary do not state these values. The standby then loads the
//! transaction and returns it to memory before it applies such a record, so that both have the same usage.

use crate::{
    domain::{
        transaction::{log_offset::LogOffset, outcome::TransactionOutcome},
        usage::series::UsageSeriesKey,
        vocabulary::time::Millis,
    },
    ledger::{index::transaction_index::TransactionSlot, state::ledger::Ledger},
};

/// An evicted transaction that is to return to memory.
pub(in crate::ledger) struct ReturnedTransaction {
    pub(in crate::ledger) key: u64,
    pub(in crate::ledger) slot: TransactionSlot,
    pub(in crate::ledger) last_record: LogOffset,
    /// When it counts, as recorded.
    pub(in crate::ledger) at: Millis,
    pub(in crate::ledger) series: Option<UsageSeriesKey>,
    pub(in crate::ledger) outcome: TransactionOutcome,
}

impl Ledger {
    /// Loads an evicted transaction. No other thread records facts about it.
    ///
    /// # Errors
    /// Its records are unknown or cannot be read.
    pub(in crate::ledger) fn load_evicted(&self, slot: TransactionSlot) -> Result<ReturnedTransaction, String> {
        let TransactionSlot { customer, slot: number } = slot;
        let unknown = || format!("transaction {number} of customer {customer} is in no memory and no archive");
        let last_record = self.last_record(slot).map_err(|refusal| refusal.to_string())?.ok_or_else(unknown)?;
        let loaded = self.load_transaction(0, slot, last_record).map_err(|refusal| refusal.to_string())?;
        let loaded = loaded.ok_or_else(unknown)?;
        let opening = &loaded.transaction.opening;
        let (direction, currency) = (opening.content.direction, opening.content.currency);
        Ok(ReturnedTransaction {
            key: self.digest_key.transaction(opening.merchant.as_str(), &opening.id),
            slot,
            last_record,
            at: opening.at,
            series: opening.counts().then_some(UsageSeriesKey { direction, currency, level: opening.level }),
            outcome: loaded.outcome,
        })
    }
}

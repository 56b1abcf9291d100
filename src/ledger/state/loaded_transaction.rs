//! A transaction with all its facts, and the stripe of transaction ids that caches one.

use crate::domain::transaction::{log_offset::LogOffset, outcome::TransactionOutcome, state::Transaction};
use crate::ledger::index::transaction_index::{TransactionIndex, TransactionSlot};

/// A transaction with all its facts, as loaded from the journal.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct LoadedTransaction {
    /// The digest of its id.
    pub(in crate::ledger) key: u64,
    pub(in crate::ledger) slot: TransactionSlot,
    /// The offset of the last record about it.
    pub(in crate::ledger) last_record: LogOffset,
    /// The offset of the record that contains its opening.
    pub(in crate::ledger) first_record: LogOffset,
    pub(in crate::ledger) transaction: Transaction,
    /// Its outcome as the last record states it, which is what usage contains. An older version may have derived
    /// another outcome from the same facts.
    pub(in crate::ledger) outcome: TransactionOutcome,
}

impl LoadedTransaction {
    /// A transaction that one record contains completely.
    pub(in crate::ledger) fn in_one_record(
        key: u64,
        slot: TransactionSlot,
        record: LogOffset,
        transaction: Transaction,
    ) -> Self {
        let outcome = TransactionOutcome::of(&transaction);
        Self { key, slot, last_record: record, first_record: record, transaction, outcome }
    }

    /// Whether it is the transaction of an id. Two ids may have the same key.
    pub(in crate::ledger) fn has_id(&self, key: u64, merchant: &str, id: &str) -> bool {
        let opening = &self.transaction.opening;
        self.key == key && opening.id.as_ref() == id && opening.merchant.as_str() == merchant
    }
}

/// The data of one stripe of transaction ids. Only the thread that holds the stripe changes transactions of its ids, so
/// facts are read without the lock of the customer.
#[derive(Default)]
pub(in crate::ledger) struct TransactionStripe {
    /// The transaction that was loaded last.
    pub(in crate::ledger) cached: Option<Box<LoadedTransaction>>,
    /// The slots of the transactions in memory.
    pub(in crate::ledger) index: TransactionIndex,
}

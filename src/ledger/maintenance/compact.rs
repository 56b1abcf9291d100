//! What outlives its segment: before a segment of the archive is deleted, each transaction that must stay and that leads
//! into it is written once more, whole. What then still leads there is gone for good, and is unknown.

use crate::ledger::{Ledger, state::index::TransactionSlot};
use crate::{
    domain::{
        customer::{aggregate::CustomerEvent, profile::Author},
        decision::refusal::Refusal,
        transaction::record::{LogOffset, Opening},
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Lsn, RECORD_BYTES_MAX, frame::record_bytes},
    },
};
use std::sync::atomic::Ordering;

/// What became of a transaction whose story begins in a segment that is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compacted {
    /// It was written again, by this record.
    By(Lsn),
    /// It begins further behind by now.
    Before,
    /// Nothing is known of it from now on; the key of its id.
    Gone(u64),
}

impl Ledger {
    /// From now on no transaction is known that has left memory and whose last record lies before this place.
    pub fn forget_before(&self, place: LogOffset) {
        self.gone_before.fetch_max(place.0, Ordering::AcqRel);
    }

    pub(in crate::ledger) fn gone_before(&self) -> LogOffset {
        LogOffset(self.gone_before.load(Ordering::Acquire))
    }

    /// Sees to a transaction that a record before `end` opened, or carried to there, so that nothing before `end` is
    /// needed for it any more; behind [`Ledger::forget_before`] the same place.
    ///
    /// # Errors
    /// Its facts cannot be read, or are so many that no record holds them.
    pub fn carry(
        &self,
        end: LogOffset,
        (customer, slot): (u64, u32),
        opening: &Opening,
        now: Millis,
    ) -> Result<Compacted, Refusal> {
        let key = self.key.transaction(opening.merchant.as_str(), &opening.id);
        let transaction_slot = TransactionSlot { customer, slot };
        // A level that is renamed meanwhile would leave its old name in what is written here.
        let _inside = self.enter();
        // Whoever holds the stripe is alone with the transaction: nothing is added to it meanwhile.
        let mut stripe = self.id_stripes.lock(key);
        stripe.held.take_if(|held| held.transaction_slot == transaction_slot);
        let Some(last) = self.place_in(key, transaction_slot)? else { return Ok(Compacted::Gone(key)) };
        let known = match self.recall(key, transaction_slot, last) {
            // It cannot be written again. What is known of it keeps leading to what is lost, and says so.
            Err(Refusal::RecordLost(_)) => return Ok(Compacted::Before),
            known => known?,
        };
        let Some(known) = known else { return Ok(Compacted::Gone(key)) };
        if known.root >= end {
            return Ok(Compacted::Before);
        }
        let mut shard = self.customers.lock(customer);
        let unknown = || Refusal::UnknownTransaction(opening.id.to_string());
        let customer = shard.get_mut(&customer).ok_or_else(unknown)?;
        // The state by the last record, which is what usage holds; an older version may have judged the facts otherwise.
        let (outcome, at) = (known.outcome, self.settle(customer, now));
        let left = customer.summaries().get(slot).is_none();
        let (opening, facts) = (known.transaction.opening, known.transaction.facts);
        let carried = CustomerEvent::Compacted { slot, opening, facts, outcome, left, at };
        let mut body = Vec::new();
        encoding::encode(&carried, &mut |_, _| {}, &mut body);
        if record_bytes(body.len()).is_none() {
            return Err(Refusal::Unreadable(format!(
                "transaction {} of customer {} has more facts than the {RECORD_BYTES_MAX} bytes of a record hold",
                key, transaction_slot.customer
            )));
        }
        let recorded = self.record(customer, key, (Author::SYSTEM, at), &[carried]);
        if left {
            self.late.insert(key, transaction_slot, recorded.place);
        }
        Ok(Compacted::By(Lsn(recorded.number)))
    }

    /// Where the last record about the transaction of a seat lies, by the key of its id; `None`: nothing is known of it.
    fn place_in(&self, key: u64, transaction_slot: TransactionSlot) -> Result<Option<LogOffset>, Refusal> {
        let in_memory = self.place_in_memory(transaction_slot);
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        Ok(self.past(key)?.iter().find(|(past, _)| *past == transaction_slot).map(|(_, place)| *place))
    }

    fn place_in_memory(&self, transaction_slot: TransactionSlot) -> Option<LogOffset> {
        let shard = self.customers.lock(transaction_slot.customer);
        shard.get(&transaction_slot.customer)?.summaries().get(transaction_slot.slot).map(|summary| summary.place)
    }

    /// The same for whoever does not know the key.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub(in crate::ledger) fn place_of(&self, transaction_slot: TransactionSlot) -> Result<Option<LogOffset>, Refusal> {
        let in_memory = self.place_in_memory(transaction_slot);
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        let late = self
            .late
            .of_customer(transaction_slot.customer)
            .iter()
            .find(|(slot, _)| *slot == transaction_slot.slot)
            .map(|l| l.1);
        let past = self
            .past
            .as_ref()
            .map(|past| past.of_customer(transaction_slot.customer, transaction_slot.slot, transaction_slot.slot + 1));
        let past = past.transpose().map_err(|error| Refusal::Unreadable(error.to_string()))?;
        let archived = past.iter().flatten().next().map(|(_, place)| *place);
        Ok(late.max(archived).filter(|place| *place >= self.gone_before()))
    }
}

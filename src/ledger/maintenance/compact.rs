//! Compaction: before a segment of the archive is deleted, each retained transaction that begins in it is copied to a new
//! record. Every other transaction whose last record is in the segment is unknown from then on.

use crate::ledger::{
    index::transaction_index::TransactionSlot,
    payments::record::{Actor, RecordContext, RecordEvents},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        transaction::{log_offset::LogOffset, opening::Opening},
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Lsn, RECORD_BYTES_MAX, frame::record_bytes},
    },
};
/// The result for a transaction that begins in a segment that is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionOutcome {
    /// It was copied to the record with this LSN.
    Copied(Lsn),
    /// It already begins after the segment, or its records are lost. It needs no copy.
    NotNeeded,
    /// It is unknown from now on. The key of its id.
    Unknown(u64),
}

impl Ledger {
    /// Copies a transaction that a record before `end` opened or copied, so that no record before `end` is needed for it.
    /// The caller has called [`Ledger::forget_before`] with the same offset.
    ///
    /// # Errors
    /// Its facts cannot be read, or no record can contain all of them.
    pub fn compact(
        &self,
        end: LogOffset,
        (customer, slot): (u64, u32),
        opening: &Opening,
        now: Millis,
    ) -> Result<CompactionOutcome, Refusal> {
        let key = self.digest_key.transaction(opening.merchant.as_str(), &opening.id);
        let location = TransactionSlot { customer, slot };
        // A concurrent rename of a level would leave the old name in the copy.
        let _guard = self.block_renames();
        // While the stripe is held, no fact is added to the transaction.
        let mut stripe = self.id_stripes.lock(key);
        stripe.cached.take_if(|cached| cached.slot == location);
        let Some(last) = self.last_record_by_key(key, location)? else { return Ok(CompactionOutcome::Unknown(key)) };
        let known = match self.load_transaction(key, location, last) {
            // It cannot be copied. A later read of it reports the lost record.
            Err(Refusal::RecordLost(_)) => return Ok(CompactionOutcome::NotNeeded),
            known => known?,
        };
        let Some(known) = known else { return Ok(CompactionOutcome::Unknown(key)) };
        if known.first_record >= end {
            return Ok(CompactionOutcome::NotNeeded);
        }
        let mut shard = self.customers.lock(customer);
        let unknown = || Refusal::UnknownTransaction(opening.id.to_string());
        let customer = shard.get_mut(customer).ok_or_else(unknown)?;
        // The outcome as the last record states it, which is what usage contains.
        let (outcome, at) = (known.outcome, self.settle(customer, now));
        let is_evicted = !customer.summaries().contains(slot);
        let (opening, facts) = (known.transaction.opening, known.transaction.facts);
        let compacted = CustomerEvent::Compacted { slot, opening, facts, outcome, left: is_evicted, at };
        let mut body = Vec::new();
        encoding::encode(&compacted, &mut |_, _| {}, &mut body);
        if record_bytes(body.len()).is_none() {
            return Err(Refusal::Unreadable(format!(
                "transaction {key} of customer {} has more facts than fit into the {RECORD_BYTES_MAX} bytes of a record",
                location.customer
            )));
        }
        let recorded = self.record(
            customer,
            RecordContext { actor: Actor::system(at), key },
            RecordEvents { after: &[compacted], ..RecordEvents::default() },
        );
        if is_evicted {
            self.archived_facts.insert(key, location, recorded.offset);
        }
        Ok(CompactionOutcome::Copied(Lsn(recorded.number)))
    }
}

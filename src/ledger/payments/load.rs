//! Finds transactions and loads them from the journal.
//!
//! The records about a transaction form a chain: each refers to the one before it. A transaction is loaded from its last
//! record back to the one that contains its opening.

use crate::ledger::{
    index::transaction_index::{IndexedSlot, TransactionIndex, TransactionSlot},
    state::{
        ledger::Ledger,
        loaded_transaction::{LoadedTransaction, TransactionStripe},
    },
};
use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        transaction::{
            fact::RecordedFact, log_offset::LogOffset, opening::Opening, outcome::TransactionOutcome,
            state::Transaction,
        },
    },
    storage::{encoding, journal::ReadError},
};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// The refusal for a record that cannot be read.
pub(in crate::ledger) fn refusal_of(error: &ReadError) -> Refusal {
    match error {
        ReadError::Lost { .. } => Refusal::RecordLost(error.to_string()),
        _ => Refusal::Unreadable(error.to_string()),
    }
}

/// What one record contains about a transaction.
#[derive(Default)]
enum Link {
    /// Nothing.
    #[default]
    Unrelated,
    /// The opening, with all facts up to this record.
    Start { opening: Box<Opening>, facts: Vec<RecordedFact>, outcome: TransactionOutcome },
    /// Facts, and the offset of the record before this one.
    Facts { previous: LogOffset, facts: SmallVec<[RecordedFact; 1]>, outcome: TransactionOutcome },
    /// The transaction was linked to a customer and is no longer in this slot.
    Unlinked,
}

impl Link {
    fn add(self, slot: u32, event: CustomerEvent) -> Self {
        match event {
            CustomerEvent::TransactionOpened { slot: of, opening } if of == slot => {
                let outcome = opening.outcome();
                Self::Start { opening: Box::new(opening), facts: Vec::new(), outcome }
            }
            CustomerEvent::Compacted { slot: of, opening, facts, outcome, .. }
            | CustomerEvent::Assigned { slot: of, opening, facts, outcome, .. }
                if of == slot =>
            {
                Self::Start { opening: Box::new(opening), facts, outcome }
            }
            CustomerEvent::AssignedElsewhere { slot: of, .. } if of == slot => Self::Unlinked,
            CustomerEvent::FactRecorded { slot: of, previous, recorded_fact, outcome, .. } if of == slot => {
                self.with_fact(previous, recorded_fact, outcome)
            }
            CustomerEvent::TransactionOpened { .. }
            | CustomerEvent::Compacted { .. }
            | CustomerEvent::Assigned { .. }
            | CustomerEvent::AssignedElsewhere { .. }
            | CustomerEvent::FactRecorded { .. }
            | CustomerEvent::Created { .. }
            | CustomerEvent::AttributesFilled { .. }
            | CustomerEvent::LevelSet { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::AuditEntry(_)
            | CustomerEvent::CustomerChanged(_) => self,
        }
    }

    fn with_fact(self, before: LogOffset, fact: RecordedFact, outcome: TransactionOutcome) -> Self {
        match self {
            Self::Start { opening, mut facts, .. } => {
                facts.push(fact);
                Self::Start { opening, facts, outcome }
            }
            // The first fact of a record refers to the record before it; the others refer to this record.
            Self::Facts { previous, mut facts, .. } => {
                facts.push(fact);
                Self::Facts { previous, facts, outcome }
            }
            Self::Unrelated => Self::Facts { previous: before, facts: SmallVec::from_elem(fact, 1), outcome },
            Self::Unlinked => Self::Unlinked,
        }
    }
}

impl Ledger {
    /// The transaction of an id, loaded where the stripe does not cache it. The caller holds the stripe.
    ///
    /// # Errors
    /// Its facts cannot be read.
    pub(in crate::ledger) fn find_transaction<'h>(
        &self,
        stripe: &'h mut TransactionStripe,
        key: u64,
        merchant: &str,
        id: &str,
    ) -> Result<Option<&'h mut LoadedTransaction>, Refusal> {
        // A transaction whose last record is deleted is unknown, unless its summary is still in memory.
        let (cached, forgotten_before) = (stripe.cached.as_ref(), self.forgotten_before());
        if !cached.is_some_and(|known| known.has_id(key, merchant, id) && known.last_record >= forgotten_before) {
            let Some(loaded) = self.load_by_id(&stripe.index, key, merchant, id)? else { return Ok(None) };
            stripe.cached = Some(loaded);
        }
        Ok(stripe.cached.as_deref_mut())
    }

    fn load_by_id(
        &self,
        index: &TransactionIndex,
        key: u64,
        merchant: &str,
        id: &str,
    ) -> Result<Option<Box<LoadedTransaction>>, Refusal> {
        for entry in index.find(key) {
            for (slot, last_record) in self.records_in_memory(key, entry) {
                let loaded = self.load_transaction(key, slot, last_record)?;
                if let Some(loaded) = loaded.filter(|loaded| loaded.has_id(key, merchant, id)) {
                    return Ok(Some(Box::new(loaded)));
                }
            }
        }
        for (slot, last_record) in self.archived_records(key)? {
            let loaded = self.load_transaction(key, slot, last_record)?;
            // Two ids may share a key; a transaction that the archive lists under a key must have that key.
            if let Some(other) = loaded.as_ref().map(|loaded| &loaded.transaction.opening)
                && self.digest_key.transaction(other.merchant.as_str(), &other.id) != key
            {
                let offset = last_record.0;
                return Err(Refusal::Unreadable(format!(
                    "the archive's index lists the record at offset {offset} under another transaction id"
                )));
            }
            if let Some(loaded) = loaded.filter(|loaded| loaded.has_id(key, merchant, id)) {
                return Ok(Some(Box::new(loaded)));
            }
        }
        Ok(None)
    }

    /// The last records of the transactions in memory that an entry of the index may be about: their ids have the key.
    pub(in crate::ledger) fn records_in_memory(
        &self,
        key: u64,
        entry: IndexedSlot,
    ) -> SmallVec<[(TransactionSlot, LogOffset); 1]> {
        let number = entry.customer();
        let shard = self.customers.lock(number);
        let Some(customer) = shard.get(number) else { return SmallVec::new() };
        let summaries = customer.summaries();
        let slots = summaries.slots_of_key(key, entry.slot_bits()).into_iter();
        let records = slots.filter_map(|slot| {
            let offset = summaries.get(slot)?.offset;
            (offset >= self.journal_start).then_some((TransactionSlot { customer: number, slot }, offset))
        });
        records.collect()
    }

    /// The last records about the evicted transactions of a key, the newest first.
    pub(in crate::ledger) fn archived_records(
        &self,
        key: u64,
    ) -> Result<SmallVec<[(TransactionSlot, LogOffset); 1]>, Refusal> {
        if self.evicted_count.load(Ordering::Acquire) == 0 {
            return Ok(SmallVec::new());
        }
        let mut found = self.archived_facts.find(key);
        if let Some(archive) = &self.archive {
            let archived = archive.transactions(key).map_err(|error| Refusal::Unreadable(error.to_string()))?;
            for (customer, slot, offset) in archived {
                let slot = TransactionSlot { customer, slot };
                match found.iter_mut().find(|(known, _)| *known == slot) {
                    // The later one: the archive may know this record by now, or a newer one.
                    Some((_, known)) => *known = offset.max(*known),
                    None => found.push((slot, offset)),
                }
            }
        }
        let forgotten_before = self.forgotten_before();
        found.retain(|(_, offset)| *offset >= forgotten_before);
        // Several transactions may have the same id: an id is new again once its transaction is forgotten.
        found.sort_by_key(|(_, offset)| std::cmp::Reverse(*offset));
        Ok(found)
    }

    /// The offset of the last record about the transaction in a slot, by the key of its id. `None`: it is unknown.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub(in crate::ledger) fn last_record_by_key(
        &self,
        key: u64,
        slot: TransactionSlot,
    ) -> Result<Option<LogOffset>, Refusal> {
        let in_memory = self.last_record_in_memory(slot);
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        Ok(self.archived_records(key)?.iter().find(|(archived, _)| *archived == slot).map(|(_, offset)| *offset))
    }

    /// The offset of the last record about the transaction in a slot, without the key of its id.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub(in crate::ledger) fn last_record(&self, slot: TransactionSlot) -> Result<Option<LogOffset>, Refusal> {
        let in_memory = self.last_record_in_memory(slot);
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        let one = slot.slot..slot.slot.saturating_add(1);
        let newer = self.archived_facts.of_customer(slot.customer, one).into_iter().map(|(_, offset)| offset).max();
        let archived =
            self.archive.as_ref().map(|archive| archive.of_customer(slot.customer, slot.slot, slot.slot + 1));
        let archived = archived.transpose().map_err(|error| Refusal::Unreadable(error.to_string()))?;
        let archived = archived.iter().flatten().next().map(|(_, offset)| *offset);
        Ok(newer.max(archived).filter(|offset| *offset >= self.forgotten_before()))
    }

    fn last_record_in_memory(&self, slot: TransactionSlot) -> Option<LogOffset> {
        let shard = self.customers.lock(slot.customer);
        shard.get(slot.customer)?.summaries().get(slot.slot).map(|summary| summary.offset)
    }

    /// Loads a transaction from its last record. `None`: it was linked to a customer and is no longer in this slot.
    ///
    /// # Errors
    /// A record of its chain cannot be read.
    pub(in crate::ledger) fn load_transaction(
        &self,
        key: u64,
        slot: TransactionSlot,
        last_record: LogOffset,
    ) -> Result<Option<LoadedTransaction>, Refusal> {
        let unreadable = |text: String| Refusal::Unreadable(text);
        let mut body = Vec::with_capacity(512);
        let mut later: Vec<SmallVec<[RecordedFact; 1]>> = Vec::new();
        let (mut offset, mut last_outcome) = (last_record, None);
        loop {
            let head = self.journal.read(offset, &mut body).map_err(|error| refusal_of(&error))?;
            if head.owner != slot.customer {
                return Err(unreadable(format!("the record at offset {} is about customer {}", offset.0, head.owner)));
            }
            // Attributes are not needed here, so nothing is unsealed.
            let events = encoding::decode(&body, &mut |_| Ok(None)).map_err(|error| unreadable(error.to_string()))?;
            let mut link = Link::default();
            for event in events {
                match event {
                    encoding::RecordedEvent::Customer(event) => link = link.add(slot.slot, event),
                    encoding::RecordedEvent::Global(_) => {}
                }
                if matches!(link, Link::Unlinked) {
                    return Ok(None);
                }
            }
            match link {
                Link::Start { mut opening, facts, outcome } => {
                    let outcome = last_outcome.unwrap_or(outcome);
                    opening.level = opening.level.map(|level| {
                        self.level_renames.current_name(opening.merchant, opening.content.direction, offset, level)
                    });
                    let mut transaction = Transaction::open(*opening);
                    let later = later.into_iter().rev().flatten();
                    facts.into_iter().chain(later).for_each(|recorded_fact| transaction.add_fact(recorded_fact));
                    let mut loaded =
                        LoadedTransaction { key, slot, last_record, first_record: offset, transaction, outcome };
                    self.apply_moved_hold(&mut loaded);
                    return Ok(Some(loaded));
                }
                // The chain only leads back.
                Link::Facts { previous, facts, outcome } if previous < offset => {
                    later.push(facts);
                    last_outcome = last_outcome.or(Some(outcome));
                    offset = previous;
                }
                Link::Facts { .. } | Link::Unrelated | Link::Unlinked => {
                    let offset = offset.0;
                    return Err(unreadable(format!("the record at offset {offset} refers to no earlier record")));
                }
            }
        }
    }

    /// Sets the end of a hold that an accepted clock moved. Only the summary in memory contains it, until the next record
    /// about the transaction.
    fn apply_moved_hold(&self, loaded: &mut LoadedTransaction) {
        if !self.clocks.has_moved_entries() {
            return;
        }
        let TransactionSlot { customer, slot } = loaded.slot;
        let summary = self.customers.lock(customer).get(customer).and_then(|known| known.summaries().get(slot));
        if let Some(summary) = summary.filter(|summary| summary.offset == loaded.last_record) {
            loaded.outcome.hold_until = summary.hold_until();
            loaded.transaction.hold_until = summary.hold_until();
        }
    }
}

#[cfg(test)]
mod tests;

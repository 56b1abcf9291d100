//! Applies the events of records. A start applies them to the customers of a partition, a standby to the customers of a
//! live ledger.

use crate::{
    domain::{
        customer::aggregate::Customer,
        events::{
            customer_event::{CustomerEvent, RecordPosition},
            global_event::GlobalEvent,
        },
        transaction::log_offset::LogOffset,
        vocabulary::{
            money::Currency,
            names::{Name, Set},
            time::Millis,
        },
    },
    ledger::{
        index::{customer_numbers::FIRST_CUSTOMER, digest::DigestKey, transaction_index::TransactionSlot},
        state::shards::Shard,
    },
    storage::journal::Record,
};
use std::collections::BTreeSet;

/// What the events of customers change outside of the customers.
pub(in crate::ledger) struct RecordEffects {
    /// The number of the next customer, or a lower one.
    pub(in crate::ledger) next_customer: u64,
    pub(in crate::ledger) currencies: BTreeSet<Currency>,
    /// The merchants of transactions without a customer.
    pub(in crate::ledger) merchants: Set<Name>,
    /// The last records about evicted transactions.
    pub(in crate::ledger) archived_facts: Vec<(u64, TransactionSlot, LogOffset)>,
    /// The number of opened and assigned transactions, those included that a snapshot already contains.
    pub(in crate::ledger) transactions: usize,
    /// The newest recorded time.
    pub(in crate::ledger) newest_time: Option<Millis>,
}

impl Default for RecordEffects {
    fn default() -> Self {
        Self {
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            merchants: Set::default(),
            archived_facts: Vec::new(),
            transactions: 0,
            newest_time: None,
        }
    }
}

impl RecordEffects {
    /// Applies an event of a record to its customer in `shard`. A customer that contains the record already stays as it
    /// is. The caller sets [`applied`](crate::domain::customer::aggregate::core::CustomerCore::applied) after the last
    /// event: the events of a record are one step.
    ///
    /// # Errors
    /// No record created the customer.
    pub(in crate::ledger) fn apply(
        &mut self,
        digest_key: &DigestKey,
        shard: &mut Shard,
        record: &Record<'_>,
        event: &CustomerEvent,
    ) -> Result<(), String> {
        let number = record.owner;
        self.newest_time = self.newest_time.max(event.recorded_at().filter(|_| counts_as_time(event)));
        let mut key = 0;
        // The offset of a record about an evicted transaction belongs to no customer: it is kept also where the snapshot
        // contains the record.
        let mut evicted = None;
        match event {
            CustomerEvent::Created { merchant, at, .. } => {
                self.next_customer = self.next_customer.max(number.saturating_add(1));
                let create = || Customer::new(number, *merchant, None, *at);
                shard.insert_absent(number, create);
            }
            CustomerEvent::TransactionOpened { opening, .. } => {
                self.transactions += 1;
                key = digest_key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
                if number < FIRST_CUSTOMER {
                    // No record creates a placeholder.
                    let (merchant, at): (Name, _) = (opening.merchant, opening.recorded_at);
                    self.merchants.insert(merchant);
                    let create = || Customer::new(number, merchant, None, at);
                    shard.insert_absent(number, create);
                }
            }
            CustomerEvent::Assigned { opening, .. } => {
                self.transactions += 1;
                key = digest_key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
            }
            CustomerEvent::Compacted { slot, opening, left, .. } => {
                key = digest_key.transaction(opening.merchant.as_str(), &opening.id);
                evicted = left.then_some((key, *slot));
            }
            CustomerEvent::FactRecorded { slot, left, .. } => evicted = left.as_ref().map(|left| (left.key, *slot)),
            CustomerEvent::AssignedElsewhere { slot, left, .. } => evicted = left.map(|key| (key, *slot)),
            CustomerEvent::AttributesFilled { .. }
            | CustomerEvent::LevelSet { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::AuditEntry(_)
            | CustomerEvent::CustomerChanged(_) => {}
        }
        let customer = shard.get_mut(number).ok_or_else(|| format!("no record created customer {number}"))?;
        if let Some((key, slot)) = evicted {
            self.archived_facts.push((key, TransactionSlot { customer: number, slot }, record.offset));
        }
        // The snapshot was taken after this record and contains it.
        if record.lsn.0 <= customer.applied {
            return Ok(());
        }
        // As when the event was recorded. The time of the customer must be the record's before a snapshot is taken.
        event.recorded_at().into_iter().for_each(|at| _ = customer.expire_holds(at));
        // `applied` is set once the whole record is applied: its events are one step.
        let applied = customer.applied;
        customer.apply(RecordPosition { number: applied, offset: record.offset, key }, event);
        Ok(())
    }

    /// Notes the time of a global event that changes customers.
    pub(in crate::ledger) fn note_global(&mut self, event: &GlobalEvent) {
        // An accepted clock sets the newest time, also to an earlier one.
        if let GlobalEvent::ClockAccepted { step, .. } = event {
            self.newest_time = Some(step.after);
        }
    }
}

/// Marks that the customer of a record contains all of its events.
pub(in crate::ledger) fn mark_applied(shard: &mut Shard, record: &Record<'_>) {
    if let Some(customer) = shard.get_mut(record.owner) {
        customer.applied = customer.applied.max(record.lsn.0);
    }
}

/// Whether an event changes customers of any number.
pub(in crate::ledger) fn changes_customers(event: &GlobalEvent) -> bool {
    match event {
        GlobalEvent::LevelRenamed { .. } => true,
        GlobalEvent::ClockAccepted { step, .. } => step.changes_customers(),
        GlobalEvent::InstrumentBlocks { .. }
        | GlobalEvent::InstrumentBlocked { .. }
        | GlobalEvent::LevelCreated { .. }
        | GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::OperationAudited(_)
        | GlobalEvent::LevelPut { .. }
        | GlobalEvent::LevelDeleted { .. }
        | GlobalEvent::LevelFileApplied { .. }
        | GlobalEvent::SegmentsReleased { .. }
        | GlobalEvent::ArchiveLossAccepted { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::RatesPut { .. } => false,
    }
}

/// Applies a global event to a customer of any number, unless the customer contains its record. `before` is called before
/// the event changes what the indexes contain of the customer. Returns whether the event changed the customer.
pub(in crate::ledger) fn apply_to_customer(
    customer: &mut Customer,
    record: &Record<'_>,
    event: &GlobalEvent,
    before: impl FnOnce(&Customer),
) -> bool {
    if customer.applied >= record.lsn.0 || !changes_customers(event) {
        return false;
    }
    match event {
        GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } => {
            let is_of_merchant = customer.number() >= FIRST_CUSTOMER && customer.merchant == *merchant;
            if !is_of_merchant || !customer.uses_level(*direction, *from) {
                return false;
            }
            before(customer);
            customer.rename_level(*direction, *from, *to);
        }
        GlobalEvent::ClockAccepted { step, .. } => _ = customer.apply_clock_step(step),
        GlobalEvent::InstrumentBlocks { .. }
        | GlobalEvent::InstrumentBlocked { .. }
        | GlobalEvent::LevelCreated { .. }
        | GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::OperationAudited(_)
        | GlobalEvent::LevelPut { .. }
        | GlobalEvent::LevelDeleted { .. }
        | GlobalEvent::LevelFileApplied { .. }
        | GlobalEvent::SegmentsReleased { .. }
        | GlobalEvent::ArchiveLossAccepted { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::RatesPut { .. } => return false,
    }
    customer.applied = record.lsn.0;
    true
}

/// Whether the time of an event counts for the newest recorded time. Every record about a customer alone ends with an audit
/// entry, whose time counts for all its events; its other events may contain earlier or later times.
fn counts_as_time(event: &CustomerEvent) -> bool {
    match event {
        CustomerEvent::TransactionOpened { .. }
        | CustomerEvent::FactRecorded { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::Assigned { .. }
        | CustomerEvent::AssignedElsewhere { .. }
        | CustomerEvent::Compacted { .. } => true,
        CustomerEvent::Created { .. }
        | CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::LevelSet { .. }
        | CustomerEvent::SignalReceived { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::CustomerChanged(_) => false,
    }
}

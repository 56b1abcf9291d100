//! A step of the primary, decoded, and what it needs before customers are locked: the stripes of transaction ids come
//! before customers in the lock order.

use crate::{
    domain::{
        customer::aggregate::Customer,
        events::{customer_event::CustomerEvent, global_event::GlobalEvent},
    },
    ledger::{
        customers::sealing::unseal,
        index::{customer_numbers::FIRST_CUSTOMER, transaction_index::TransactionSlot},
        recovery::record_effects::changes_customers,
        replication::evicted::ReturnedTransaction,
        state::ledger::Ledger,
    },
    storage::{
        encoding::{self, RecordedEvent},
        journal::Record,
    },
};
use smallvec::SmallVec;

/// A record with its decoded events.
pub(in crate::ledger) struct DecodedRecord<'r> {
    pub(in crate::ledger) record: Record<'r>,
    pub(in crate::ledger) events: Vec<RecordedEvent>,
}

impl DecodedRecord<'_> {
    pub(in crate::ledger) fn customer_events(&self) -> impl Iterator<Item = &CustomerEvent> {
        self.events.iter().filter_map(|event| match event {
            RecordedEvent::Customer(event) => Some(event),
            RecordedEvent::Global(_) => None,
        })
    }

    pub(in crate::ledger) fn global_events(&self) -> impl Iterator<Item = &GlobalEvent> {
        self.events.iter().filter_map(|event| match event {
            RecordedEvent::Global(event) => Some(event),
            RecordedEvent::Customer(_) => None,
        })
    }

    /// Whether it changes customers of any number.
    pub(in crate::ledger) fn changes_all(&self) -> bool {
        self.global_events().any(changes_customers)
    }

    /// Whether it may change an index other than that of transaction ids: such a record has an audit entry.
    pub(in crate::ledger) fn may_change_indexes(&self) -> bool {
        self.customer_events().any(CustomerEvent::is_audited)
    }
}

/// What a step needs of the index of transaction ids.
#[derive(Default)]
pub(in crate::ledger) struct StepPlan {
    /// The keys of all transactions of the step.
    pub(in crate::ledger) keys: SmallVec<[u64; 2]>,
    /// The new slots with their keys.
    pub(in crate::ledger) opened: SmallVec<[(u64, TransactionSlot); 1]>,
    /// The slots whose transactions were assigned to other customers.
    pub(in crate::ledger) assigned_elsewhere: SmallVec<[TransactionSlot; 1]>,
    /// Evicted transactions that the primary has in memory.
    pub(in crate::ledger) returned: Vec<ReturnedTransaction>,
    /// The slots that must be in memory when the step is applied.
    pub(in crate::ledger) in_memory: SmallVec<[TransactionSlot; 1]>,
}

/// A transaction that an event is about.
enum NamedTransaction {
    /// It begins in a slot of this customer. The key of its id.
    Begins(u64, u32),
    /// It is in a slot. The key of its id, if the event states it, and whether the primary had evicted it.
    Continues { slot: u32, key: Option<u64>, is_evicted: bool, is_assigned_elsewhere: bool },
}

impl Ledger {
    pub(in crate::ledger) fn decode_records<'r>(
        &self,
        records: &[Record<'r>],
    ) -> Result<Vec<DecodedRecord<'r>>, (u64, String)> {
        let decode = |record: &Record<'r>| {
            let refused = |what: String| (record.lsn.0, what);
            let mut unseal = |sealed: &[u8]| unseal(&self.keys, record.owner, sealed);
            let (mut rest, mut events) = (encoding::Events::of(record.events), Vec::with_capacity(4));
            while let Some(event) = rest.next(&mut unseal).map_err(|error| refused(error.to_string()))? {
                events.push(event);
            }
            if events.is_empty() {
                return Err(refused(encoding::DecodeError::Empty.to_string()));
            }
            Ok(DecodedRecord { record: *record, events })
        };
        records.iter().map(decode).collect()
    }

    fn named_transaction(&self, event: &CustomerEvent) -> Option<NamedTransaction> {
        let key_of = |merchant: &str, id: &str| self.digest_key.transaction(merchant, id);
        match event {
            CustomerEvent::TransactionOpened { slot, opening } | CustomerEvent::Assigned { slot, opening, .. } => {
                Some(NamedTransaction::Begins(key_of(opening.merchant.as_str(), &opening.id), *slot))
            }
            CustomerEvent::FactRecorded { slot, left, .. } => {
                let (slot, key, is_evicted) = (*slot, left.as_ref().map(|left| left.key), left.is_some());
                Some(NamedTransaction::Continues { slot, key, is_evicted, is_assigned_elsewhere: false })
            }
            CustomerEvent::Compacted { slot, opening, left, .. } => {
                let key = Some(key_of(opening.merchant.as_str(), &opening.id));
                let (slot, is_evicted) = (*slot, *left);
                Some(NamedTransaction::Continues { slot, key, is_evicted, is_assigned_elsewhere: false })
            }
            CustomerEvent::AssignedElsewhere { slot, left, .. } => {
                let (slot, key, is_evicted) = (*slot, *left, left.is_some());
                Some(NamedTransaction::Continues { slot, key, is_evicted, is_assigned_elsewhere: true })
            }
            CustomerEvent::Created { .. }
            | CustomerEvent::AttributesFilled { .. }
            | CustomerEvent::LevelSet { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::AuditEntry(_)
            | CustomerEvent::CustomerChanged(_) => None,
        }
    }

    /// Reads what a step needs. Only eviction may change it before the step is applied.
    ///
    /// # Errors
    /// The step does not continue the state: a customer or a slot is missing. An evicted transaction cannot be loaded.
    pub(in crate::ledger) fn plan(&self, step: &[DecodedRecord<'_>]) -> Result<StepPlan, (u64, String)> {
        let mut plan = StepPlan::default();
        for record in step {
            let (owner, lsn) = (record.record.owner, record.record.lsn.0);
            let mut missing: SmallVec<[u32; 1]> = SmallVec::new();
            if record.customer_events().next().is_none() {
                continue;
            }
            let shard = self.customers.lock(owner);
            let customer = shard.get(owner);
            if customer.is_none() && !record.customer_events().any(|event| creates(owner, event)) {
                return Err((lsn, format!("no record created customer {owner}")));
            }
            // The snapshot contains it.
            if customer.is_some_and(|customer| customer.applied >= lsn) {
                continue;
            }
            let mut next_slot = customer.map_or(0, |customer| customer.summaries().next_slot());
            // Also those that an earlier record of the step opens.
            next_slot += u32::try_from(plan.opened.iter().filter(|(_, at)| at.customer == owner).count()).unwrap_or(0);
            let summary = |slot: u32| customer.and_then(|customer: &Customer| customer.summaries().get(slot));
            for event in record.customer_events() {
                match self.named_transaction(event) {
                    None => {}
                    Some(NamedTransaction::Begins(key, slot)) => {
                        if slot != next_slot {
                            let what = format!("slot {slot} of customer {owner} begins, expected {next_slot}");
                            return Err((lsn, what));
                        }
                        next_slot += 1;
                        plan.keys.push(key);
                        plan.opened.push((key, TransactionSlot { customer: owner, slot }));
                    }
                    Some(NamedTransaction::Continues { slot, key, is_evicted, is_assigned_elsewhere }) => {
                        let location = TransactionSlot { customer: owner, slot };
                        let summary = summary(slot);
                        plan.keys.extend(key.or(summary.map(|summary| summary.key)));
                        let is_opened = plan.opened.iter().any(|(_, opened)| *opened == location);
                        if !is_evicted && !is_opened {
                            plan.in_memory.push(location);
                            if summary.is_none() && !missing.contains(&slot) {
                                missing.push(slot);
                            }
                        }
                        if is_assigned_elsewhere {
                            plan.assigned_elsewhere.push(location);
                        }
                    }
                }
            }
            drop(shard);
            for slot in missing {
                let slot = TransactionSlot { customer: owner, slot };
                let loaded = self.load_evicted(slot).map_err(|what| (lsn, what))?;
                plan.keys.push(loaded.key);
                plan.returned.push(loaded);
            }
        }
        Ok(plan)
    }
}

/// Whether an event creates its customer.
fn creates(owner: u64, event: &CustomerEvent) -> bool {
    match event {
        CustomerEvent::Created { .. } => true,
        CustomerEvent::TransactionOpened { .. } => owner < FIRST_CUSTOMER,
        CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::LevelSet { .. }
        | CustomerEvent::SignalReceived { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::CustomerChanged(_)
        | CustomerEvent::FactRecorded { .. }
        | CustomerEvent::Compacted { .. }
        | CustomerEvent::Assigned { .. }
        | CustomerEvent::AssignedElsewhere { .. } => false,
    }
}

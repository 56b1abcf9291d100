//! Applies the records of a primary to a live ledger.
//!
//! One thread applies steps in the order of the journal while other threads read. A step is one record, or all parts of a
//! group. It is applied under the locks of all its transaction ids and customers, so a reader of one customer never sees
//! half a record. A reader of several customers of a group that locks them together sees all of the group or nothing of
//! it; a reader that locks one after the other may see some customers before the group and some after it, as on a primary.
//! A renamed level and an accepted clock change all customers in one step, under the exclusive rename lock.
//!
//! Nothing is decided again, and the indexes follow from the customer before and after a record. The result is the state
//! that a start finds from the same records, with three differences that no answer shows: the time as of which a customer
//! was read may be later, each daemon evicts by itself (see [`evicted`](super::evicted)), and a transaction that was
//! assigned to a customer is no longer indexed at its old location.

use crate::{
    domain::{
        events::{
            customer_event::RecordPosition,
            global_event::{ClockStep, GlobalEvent},
        },
        vocabulary::time::Millis,
    },
    ledger::{
        index::transaction_index::TransactionSlot,
        recovery::{
            global_state::GlobalTargets,
            record_effects::{RecordEffects, apply_to_customer, changes_customers, mark_applied},
        },
        replication::{
            indexed_state::IndexedState,
            plan::{DecodedRecord, StepPlan},
        },
        state::{
            ledger::{Ledger, NOT_REPLICATED},
            loaded_transaction::TransactionStripe,
            shards::{LockedShards, LockedStripes},
        },
    },
    storage::journal::{Lsn, Record},
};
use smallvec::SmallVec;
use std::{sync::atomic::Ordering, time::Duration};

/// How long a step waits before it looks again whether a snapshot has left its customer.
const SNAPSHOT_WAIT: Duration = Duration::from_millis(1);

/// What a step changed outside of the ledger's own state. The caller follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replicated {
    /// Whether levels or rates were set, deleted or renamed: the effective rules follow from [`Ledger::overrides`].
    pub changes_rules: bool,
    /// The clock that an operator of the primary accepted.
    pub accepted_clock: Option<ClockStep>,
    /// The newest recorded time of the step. After an accepted clock it may be earlier than before.
    pub newest_time: Option<Millis>,
    /// The last record of the archive's segments that the primary released.
    pub released: Option<Lsn>,
}

/// A step that does not continue the state, or whose data cannot be read. The ledger does not contain the step, and later
/// steps must not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {lsn} of the primary cannot be applied: {what}")]
pub struct ReplicatedError {
    /// The record.
    pub lsn: Lsn,
    /// The cause.
    pub what: String,
}

impl From<(u64, String)> for ReplicatedError {
    fn from((lsn, what): (u64, String)) -> Self {
        Self { lsn: Lsn(lsn), what }
    }
}

impl Ledger {
    /// Applies one step of a primary: a record, or all records of a group. The journal contains them already. One thread
    /// calls it, with all steps in their order, and no operation of this ledger records anything in between. Records that
    /// the state contains already change nothing.
    ///
    /// # Errors
    /// See [`ReplicatedError`].
    pub fn apply_replicated(&self, records: &[Record<'_>]) -> Result<Replicated, ReplicatedError> {
        let step = self.decode_records(records)?;
        let effects = self.apply_decoded_step(&step)?;
        let mut replicated = Replicated { newest_time: effects.newest_time, ..Replicated::default() };
        step.iter().flat_map(DecodedRecord::global_events).for_each(|event| self.follow(event, &mut replicated));
        // Only a ledger that follows a primary counts them.
        if let Some(last) = records.last() {
            let next = |known| (known != NOT_REPLICATED).then_some(last.lsn.0.max(known));
            let _unchanged = self.replicated.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        }
        Ok(replicated)
    }

    /// Applies the decoded records of one step under the locks that it needs.
    ///
    /// # Errors
    /// See [`ReplicatedError`].
    pub(in crate::ledger) fn apply_decoded_step(
        &self,
        step: &[DecodedRecord<'_>],
    ) -> Result<RecordEffects, ReplicatedError> {
        let mut effects = RecordEffects::default();
        if step.iter().any(DecodedRecord::changes_all) {
            let _no_snapshot = self.snapshot_lock.lock();
            let _exclusive = self.rename_lock.write();
            self.apply_step(step, true, &mut effects)?;
            // Cached transactions contain the old names and times.
            self.id_stripes.for_each(|stripe| stripe.cached = None);
        } else {
            let _guard = self.block_renames();
            self.apply_step(step, false, &mut effects)?;
        }
        Ok(effects)
    }

    fn apply_step(
        &self,
        step: &[DecodedRecord<'_>],
        of_all: bool,
        effects: &mut RecordEffects,
    ) -> Result<(), ReplicatedError> {
        let owners: SmallVec<[u64; 2]> =
            step.iter().filter(|record| record.customer_events().next().is_some()).map(|r| r.record.owner).collect();
        loop {
            let plan = self.plan(step)?;
            let mut stripes = self.id_stripes.lock_keys(&plan.keys);
            let mut shards = if of_all { self.customers.lock_every() } else { self.customers.lock_all(&owners) };
            match self.readiness(&plan, &shards) {
                Readiness::Ready => {}
                Readiness::Evicted => continue,
                Readiness::InSnapshot => {
                    drop((stripes, shards));
                    std::thread::sleep(SNAPSHOT_WAIT);
                    continue;
                }
            }
            self.return_to_memory(&plan, &mut shards, &mut stripes);
            for record in step {
                self.apply_decoded(record, &mut shards, effects)?;
            }
            self.store_effects(effects);
            self.update_transaction_index(&plan, &mut stripes);
            return Ok(());
        }
    }

    /// Whether a plan is still right under the locks.
    fn readiness(&self, plan: &StepPlan, shards: &LockedShards<'_>) -> Readiness {
        let is_returned = |slot: &TransactionSlot| plan.returned.iter().any(|returned| returned.slot == *slot);
        let is_in_memory = |slot: &TransactionSlot| {
            shards.get(slot.customer).is_some_and(|customer| customer.summaries().contains(slot.slot))
        };
        if !plan.in_memory.iter().all(|slot| is_in_memory(slot) || is_returned(slot)) {
            return Readiness::Evicted;
        }
        // A snapshot reads a large customer in pieces: nothing may return to its memory between them.
        match plan.returned.iter().any(|returned| self.is_in_snapshot(returned.slot.customer)) {
            true => Readiness::InSnapshot,
            false => Readiness::Ready,
        }
    }

    fn return_to_memory(
        &self,
        plan: &StepPlan,
        shards: &mut LockedShards<'_>,
        stripes: &mut LockedStripes<'_, TransactionStripe>,
    ) {
        for returned in &plan.returned {
            let TransactionSlot { customer: number, slot } = returned.slot;
            let Some(customer) = shards.shard_mut(number).and_then(|shard| shard.get_mut(number)) else { continue };
            // An accepted clock may have moved it since it was recorded.
            let at = returned.at.min(customer.settled_at());
            let recorded = RecordPosition { number: customer.applied, offset: returned.last_record, key: returned.key };
            customer.return_evicted(recorded, slot, (at, returned.series), &returned.outcome);
            if let Some(stripe) = stripes.get_mut(returned.key) {
                stripe.index.insert(returned.key, returned.slot);
            }
            self.transaction_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn apply_decoded(
        &self,
        decoded: &DecodedRecord<'_>,
        shards: &mut LockedShards<'_>,
        effects: &mut RecordEffects,
    ) -> Result<(), ReplicatedError> {
        let record = &decoded.record;
        if decoded.customer_events().next().is_some()
            && let Some(shard) = shards.shard_mut(record.owner)
        {
            let changes_indexes = decoded.may_change_indexes();
            let customer = shard.get(record.owner);
            let is_contained = customer.is_some_and(|customer| customer.applied >= record.lsn.0);
            let before = customer.filter(|_| changes_indexes && !is_contained).and_then(IndexedState::of);
            for event in decoded.customer_events() {
                let applied = effects.apply(&self.digest_key, shard, record, event);
                applied.map_err(|what| ReplicatedError { lsn: record.lsn, what })?;
            }
            mark_applied(shard, record);
            if changes_indexes && !is_contained {
                shard.get(record.owner).into_iter().for_each(|customer| self.index_change(customer, before.as_ref()));
            }
        }
        for event in decoded.global_events() {
            effects.note_global(event);
            if changes_customers(event) {
                for customer in shards.values_mut() {
                    let mut before = None;
                    if apply_to_customer(customer, record, event, |customer| before = IndexedState::of(customer)) {
                        before.iter().for_each(|before| self.index_change(customer, Some(before)));
                    }
                }
            }
            self.global_targets().apply(record.offset, event);
        }
        Ok(())
    }

    fn global_targets(&self) -> GlobalTargets<'_> {
        GlobalTargets {
            blocked_instruments: &self.blocked_instruments,
            made_levels: &self.made_levels,
            known_merchants: &self.known_merchants,
            level_renames: &self.level_renames,
            clocks: &self.clocks,
            external_ids: &self.external_ids,
        }
    }

    fn store_effects(&self, effects: &mut RecordEffects) {
        self.next_customer.fetch_max(effects.next_customer, Ordering::Relaxed);
        effects.currencies.iter().for_each(|currency| self.currencies.insert(*currency));
        if !effects.merchants.is_empty() {
            self.known_merchants.add(effects.merchants.drain());
        }
        for (key, slot, offset) in effects.archived_facts.drain(..) {
            self.archived_facts.insert(key, slot, offset);
        }
    }

    fn update_transaction_index(&self, plan: &StepPlan, stripes: &mut LockedStripes<'_, TransactionStripe>) {
        for key in &plan.keys {
            let Some(stripe) = stripes.get_mut(*key) else { continue };
            stripe.cached.take_if(|cached| cached.key == *key);
            for slot in &plan.assigned_elsewhere {
                stripe.index.remove(*key, *slot);
            }
        }
        for (key, slot) in &plan.opened {
            stripes.get_mut(*key).into_iter().for_each(|stripe| stripe.index.insert(*key, *slot));
        }
        self.transaction_count.fetch_add(plan.opened.len() as u64, Ordering::Relaxed);
    }

    /// Follows a global event where it changes no state that a record restores.
    fn follow(&self, event: &GlobalEvent, replicated: &mut Replicated) {
        match event {
            GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::RatesPut { .. } => replicated.changes_rules = true,
            GlobalEvent::ClockAccepted { step, .. } => replicated.accepted_clock = Some(*step),
            GlobalEvent::SegmentsReleased { last, .. } => {
                self.journal.note_archive_event(event);
                replicated.released = Some(Lsn(*last));
                // The primary has forgotten the transactions whose last record is in these segments.
                let segments = self.journal.segments();
                let released = segments.iter().filter(|segment| segment.sealed && segment.last.0 <= *last);
                released.map(|segment| segment.end_offset).max().into_iter().for_each(|end| self.forget_before(end));
            }
            GlobalEvent::ArchiveLossAccepted { .. } => self.journal.note_archive_event(event),
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelCreated { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            // What the files of the primary have. A standby serves its own files.
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::MerchantFileApplied { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::OperationAudited(_) => {}
        }
    }

    /// The last record that memory contains together with all records before it: a snapshot begins after it. A standby's
    /// journal contains records that memory does not contain yet.
    #[must_use]
    pub fn contained_lsn(&self) -> Lsn {
        match self.replicated.load(Ordering::Acquire) {
            NOT_REPLICATED => self.journal.last(),
            lsn => Lsn(lsn),
        }
    }

    /// Begins to follow a primary: memory contains the records up to `lsn`.
    pub fn begin_replication(&self, lsn: Lsn) {
        self.replicated.store(lsn.0, Ordering::Release);
    }

    /// Ends following a primary: from here on this ledger records.
    pub fn end_replication(&self) {
        self.replicated.store(NOT_REPLICATED, Ordering::Release);
    }
}

/// Whether a step can be applied under the locks that are held.
enum Readiness {
    /// The step can be applied.
    Ready,
    /// A transaction was evicted since the plan was made.
    Evicted,
    /// A snapshot reads a customer to whose memory a transaction is to return.
    InSnapshot,
}

//! A second ledger, to which a history is applied under other rules.
//!
//! Each recorded decision is made again by the other rules, against the state that these rules would have led to, at its
//! recorded time and for its recorded customer. Everything else happened in fact and is applied as it is recorded: customers
//! and their changes, and what followed an allowed payment. What followed a payment that the other rules deny is not applied.
//! Nothing is known of what would have followed a payment that only the other rules allow: it counts until its hold ends.

use crate::{
    domain::{
        decision::recorded_payment::NotJudged,
        events::{
            audited_operation::OperationKind, customer_event::CustomerEvent, global_event::GlobalEvent,
            overrides::Overrides,
        },
        rules::{configuration::Rules, level::Level},
        transaction::{
            fact::Fact,
            opening::{Opening, OpeningKind, PaymentContent},
        },
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{
        backtest::{
            imported_starts::ImportedStarts,
            normalise::{LevelNames, normalise},
            replayed::{DeniedPayment, RefusedApproval, Replayed, ReplayedDecision, VisitReplayed},
        },
        replication::{apply::ReplicatedError, plan::DecodedRecord},
        state::{
            ledger::{Ledger, LedgerLimits, LedgerStorage},
            level_renames::{LevelRename, LevelRenames},
        },
    },
    storage::{encoding::RecordedEvent, journal::Record},
};
use roaring::RoaringTreemap;
use std::collections::HashMap;

/// The ledger.
pub struct ShadowLedger {
    ledger: Ledger,
    renames: LevelRenames,
    overrides: Overrides,
    /// The state at the end of the history, where its beginning is deleted.
    deleted_beginning: Option<DeletedBeginning>,
    /// The transactions that only the other rules deny.
    newly_denied: RoaringTreemap,
    /// Those of them whose decision counts in the report.
    denied_payments: HashMap<DeniedPayment, RoaringTreemap>,
    /// The transactions whose hold ends at another time than recorded.
    other_holds: RoaringTreemap,
    import: ImportedStarts,
    newest_time: Option<Millis>,
}

/// The facts that remain of a history whose first records are deleted.
struct DeletedBeginning {
    /// The overrides at the end.
    last_overrides: Overrides,
    /// The time of the first record that has one.
    first_time: Option<Millis>,
    /// The customers of whom records are deleted.
    customers: RoaringTreemap,
}

/// A transaction as a number.
fn slot_number(customer: u64, slot: u32) -> u64 {
    customer << 32 | u64::from(slot)
}

impl ShadowLedger {
    /// An empty ledger, for these files. `last` is the state at the end of the history; `begins_late`: whether its first
    /// records are deleted.
    #[must_use]
    pub fn new(limits: LedgerLimits, storage: LedgerStorage, files: &Rules, last: &Ledger, begins_late: bool) -> Self {
        let renames = LevelRenames::default();
        let all = last.level_renames.all();
        for rename in &all {
            let LevelRename { merchant, direction, to, offset, .. } = *rename;
            let last_name = last.level_renames.current_name(merchant, direction, offset, to);
            let is_of_level = |level: &Level| (level.direction, level.name) == (direction, last_name);
            let merchant = files.merchant(merchant.as_str());
            if merchant.is_some_and(|merchant| merchant.levels.iter().any(is_of_level)) {
                renames.add(*rename);
            }
        }
        let deleted_beginning = begins_late.then(|| DeletedBeginning {
            last_overrides: last.overrides(),
            first_time: None,
            customers: RoaringTreemap::new(),
        });
        Self {
            ledger: Ledger::new(limits, storage),
            renames,
            overrides: Overrides::default(),
            deleted_beginning,
            newly_denied: RoaringTreemap::new(),
            denied_payments: HashMap::new(),
            other_holds: RoaringTreemap::new(),
            import: ImportedStarts::default(),
            newest_time: None,
        }
    }

    /// The time of the last record that has one. After an accepted clock it may be earlier than before.
    #[must_use]
    pub fn newest_time(&self) -> Option<Millis> {
        self.newest_time
    }

    /// The number of transactions in memory: all so far.
    #[must_use]
    pub fn transactions_len(&self) -> u64 {
        self.ledger.transactions_len()
    }

    /// The levels and rates that were set through the API, and the file entries in force, after the records so far.
    #[must_use]
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Applies a step: a record, or all records of a group. Passes on what it shows. Returns whether the overrides changed:
    /// the rules of the next step follow from them.
    ///
    /// # Errors
    /// The step does not continue the state, or cannot be read.
    pub fn apply(
        &mut self,
        rules: &Rules,
        records: &[Record<'_>],
        visit: &mut VisitReplayed<'_>,
    ) -> Result<bool, ReplicatedError> {
        let mut step = self.ledger.decode_records(records)?;
        for record in &mut step {
            let merchant = self.merchant_of(record);
            let names = LevelNames { renames: &self.renames, offset: record.record.offset };
            record.events.retain_mut(|event| normalise(event, merchant, names));
        }
        let mut changes_overrides = self.note_beginning(&step);
        let global = step.iter().flat_map(|of| of.global_events().map(|event| (of.record.epoch, event)));
        for (epoch, event) in global {
            self.overrides.apply(event);
            match event {
                GlobalEvent::MerchantFileApplied { .. } => self.import.note_daemon(epoch),
                GlobalEvent::LevelPut { .. }
                | GlobalEvent::LevelDeleted { .. }
                | GlobalEvent::LevelFileApplied { .. }
                | GlobalEvent::RatesFileApplied { .. }
                | GlobalEvent::RatesPut { .. } => changes_overrides = true,
                GlobalEvent::OperationAudited(operation) => match operation.kind {
                    OperationKind::Reload => _ = visit(Replayed::Reload(operation.at)),
                    OperationKind::Import => self.import.note_import(epoch),
                    OperationKind::Level | OperationKind::Rates | OperationKind::Upload | OperationKind::Bulk => {}
                },
                GlobalEvent::InstrumentBlocks { .. }
                | GlobalEvent::InstrumentBlocked { .. }
                | GlobalEvent::LevelCreated { .. }
                | GlobalEvent::LevelRenamed { .. }
                | GlobalEvent::ExternalIdsGenerated { .. }
                | GlobalEvent::ConfigurationApplied { .. }
                | GlobalEvent::SegmentsReleased { .. }
                | GlobalEvent::ArchiveLossAccepted { .. }
                | GlobalEvent::ClockAccepted { .. } => {}
            }
        }
        if self.is_of_deleted_history(&step) {
            self.leave_out_customers(&mut step, visit);
        } else {
            self.carry_denials(&step);
            for record in &mut step {
                self.replay_record(rules, record, visit);
            }
        }
        step.retain(|record| !record.events.is_empty());
        if !step.is_empty() {
            let effects = self.ledger.apply_decoded_step(&step)?;
            self.newest_time = effects.newest_time.or(self.newest_time);
        }
        Ok(changes_overrides)
    }

    fn merchant_of(&self, record: &DecodedRecord<'_>) -> Option<Name> {
        let created = record.customer_events().find_map(|event| match event {
            CustomerEvent::Created { merchant, .. } => Some(*merchant),
            _ => None,
        });
        created.or_else(|| {
            let owner = record.record.owner;
            self.ledger.customers.lock(owner).get(owner).map(|customer| customer.merchant)
        })
    }

    /// Makes the decisions of a record again, and leaves out what followed a payment that is denied now.
    fn replay_record(&mut self, rules: &Rules, record: &mut DecodedRecord<'_>, visit: &mut VisitReplayed<'_>) {
        let (owner, events) = (record.record.owner, std::mem::take(&mut record.events));
        let mut kept: Vec<RecordedEvent> = Vec::with_capacity(events.len());
        for event in events {
            match event {
                RecordedEvent::Customer(CustomerEvent::TransactionOpened { slot, opening }) => {
                    let opening = self.replay_opening(rules, &record.record, &kept, (slot, opening), visit);
                    kept.push(RecordedEvent::Customer(CustomerEvent::TransactionOpened { slot, opening }));
                }
                RecordedEvent::Customer(CustomerEvent::FactRecorded {
                    slot,
                    previous,
                    recorded_fact,
                    mut outcome,
                    left,
                }) => {
                    let number = slot_number(owner, slot);
                    if self.newly_denied.contains(number) {
                        if let Fact::Approved { amount, .. } = recorded_fact.fact
                            && let Some(payment) = self.denied_payment(number)
                        {
                            visit(Replayed::RefusedApproval(RefusedApproval { customer: owner, amount, payment }));
                        }
                        continue;
                    }
                    if self.other_holds.contains(number) {
                        match recorded_fact.fact {
                            // The recorded end of the hold applies from here on.
                            Fact::Extended { .. } | Fact::ReservedLate { .. } => _ = self.other_holds.remove(number),
                            _ => outcome.hold_until = self.hold_until(owner, slot, &kept),
                        }
                    }
                    kept.push(RecordedEvent::Customer(CustomerEvent::FactRecorded {
                        slot,
                        previous,
                        recorded_fact,
                        outcome,
                        left,
                    }));
                }
                RecordedEvent::Customer(CustomerEvent::Assigned { slot, mut opening, facts, outcome, at }) => {
                    let is_denied = self.newly_denied.contains(slot_number(owner, slot));
                    let outcome = if is_denied {
                        opening.opened = OpeningKind::Denied;
                        opening.outcome()
                    } else {
                        outcome
                    };
                    let facts = if is_denied { Vec::new() } else { facts };
                    kept.push(RecordedEvent::Customer(CustomerEvent::Assigned { slot, opening, facts, outcome, at }));
                }
                other => kept.push(other),
            }
        }
        record.events = kept;
    }

    /// The opening that is applied for a recorded one.
    fn replay_opening(
        &mut self,
        rules: &Rules,
        record: &Record<'_>,
        before: &[RecordedEvent],
        (slot, recorded): (u32, Opening),
        visit: &mut VisitReplayed<'_>,
    ) -> Opening {
        let is_imported = self.import.contains(record.epoch, &recorded);
        // Money that moved without a decision.
        if recorded.opened == OpeningKind::Unreserved {
            return recorded;
        }
        let customer = record.owner;
        let replayed = match is_imported {
            true => Err(NotJudged::Imported),
            false => self.ledger.decide_again(rules, record, before, &recorded),
        };
        let (recorded_ref, replayed_ref) = (&recorded, replayed.as_ref().map_err(|reason| *reason));
        let decision = ReplayedDecision { customer, recorded: recorded_ref, replayed: replayed_ref };
        let counts = visit(Replayed::Decision(decision));
        let Ok(replayed) = replayed else { return recorded };
        let number = slot_number(customer, slot);
        match (recorded.opened, replayed.opened) {
            (OpeningKind::Reserved, OpeningKind::Denied) => {
                self.newly_denied.insert(number);
                if counts {
                    let PaymentContent { direction, currency, .. } = recorded.content;
                    let payment = DeniedPayment { merchant: recorded.merchant, direction, currency };
                    self.denied_payments.entry(payment).or_default().insert(number);
                }
            }
            (OpeningKind::Reserved, _) if recorded.hold_until != replayed.hold_until => {
                self.other_holds.insert(number);
            }
            _ => {}
        }
        replayed
    }

    /// A payment that is denied now and counts in the report.
    fn denied_payment(&self, number: u64) -> Option<DeniedPayment> {
        self.denied_payments.iter().find(|(_, numbers)| numbers.contains(number)).map(|(payment, _)| *payment)
    }

    /// The present end of a hold.
    fn hold_until(&self, customer: u64, slot: u32, before: &[RecordedEvent]) -> Option<Millis> {
        let here = before.iter().find_map(|event| match event {
            RecordedEvent::Customer(CustomerEvent::TransactionOpened { slot: opened, opening }) if *opened == slot => {
                Some(opening.hold_until)
            }
            _ => None,
        });
        here.unwrap_or_else(|| {
            let shard = self.ledger.customers.lock(customer);
            shard.get(customer).and_then(|known| known.summaries().get(slot)).and_then(|summary| summary.hold_until())
        })
    }

    /// A transaction that is assigned to a customer stays denied there.
    fn carry_denials(&mut self, step: &[DecodedRecord<'_>]) {
        let events =
            || step.iter().flat_map(|record| record.customer_events().map(|event| (record.record.owner, event)));
        let denied = events().find_map(|(owner, event)| match event {
            CustomerEvent::AssignedElsewhere { slot, .. } => {
                Some(slot_number(owner, *slot)).filter(|number| self.newly_denied.contains(*number))
            }
            _ => None,
        });
        let Some(denied) = denied else { return };
        let payment = self.denied_payment(denied);
        for (owner, event) in events() {
            if let CustomerEvent::Assigned { slot, .. } = event {
                let number = slot_number(owner, *slot);
                self.newly_denied.insert(number);
                payment.into_iter().for_each(|payment| {
                    self.denied_payments.entry(payment).or_default().insert(number);
                });
            }
        }
    }

    /// Notes the time at which a history begins whose first records are deleted. What was in force at its end and had been
    /// set before is in force from its beginning. Returns whether the overrides changed.
    fn note_beginning(&mut self, step: &[DecodedRecord<'_>]) -> bool {
        let Some(beginning) = self.deleted_beginning.as_mut().filter(|beginning| beginning.first_time.is_none()) else {
            return false;
        };
        let time_of = |event: &RecordedEvent| match event {
            RecordedEvent::Customer(event) => event.recorded_at(),
            RecordedEvent::Global(event) => event.recorded_at(),
        };
        let Some(first) = step.iter().flat_map(|record| &record.events).find_map(time_of) else { return false };
        beginning.first_time = Some(first);
        let events = beginning.last_overrides.events();
        let is_older = |event: &&GlobalEvent| event.recorded_at().is_some_and(|at| at < first);
        events.iter().filter(is_older).for_each(|event| self.overrides.apply(event));
        true
    }

    /// Whether a step changes a customer of whom records are deleted.
    fn is_of_deleted_history(&mut self, step: &[DecodedRecord<'_>]) -> bool {
        let Some(beginning) = &self.deleted_beginning else { return false };
        let was_created_before = |event: &CustomerEvent| match event {
            CustomerEvent::Created { at, .. } => beginning.first_time.is_none_or(|first| *at < first),
            _ => false,
        };
        let changes = || step.iter().filter(|record| record.customer_events().next().is_some());
        let is_deleted = changes().any(|record| {
            let owner = record.record.owner;
            beginning.customers.contains(owner)
                || (record.customer_events().any(was_created_before)
                    && self.ledger.customers.lock(owner).get(owner).is_none())
        });
        is_deleted || self.ledger.plan(step).is_err()
    }

    /// Leaves out the events of customers of whom records are deleted, and of those whom a step changes with them.
    fn leave_out_customers(&mut self, step: &mut [DecodedRecord<'_>], visit: &mut VisitReplayed<'_>) {
        for record in step {
            let customer = record.record.owner;
            for event in record.customer_events() {
                if let CustomerEvent::TransactionOpened { opening, .. } = event
                    && opening.opened != OpeningKind::Unreserved
                {
                    let replayed = Err(NotJudged::HistoryDeleted);
                    visit(Replayed::Decision(ReplayedDecision { customer, recorded: opening, replayed }));
                }
            }
            if let Some(beginning) =
                self.deleted_beginning.as_mut().filter(|_| record.customer_events().next().is_some())
            {
                beginning.customers.insert(customer);
            }
            record.events.retain(|event| matches!(event, RecordedEvent::Global(_)));
        }
    }
}

//! The history of a customer: who changed what, and when. It is read from the journal, one record for each step.

use crate::ledger::{
    customers::sealing::unseal, index::transaction_index::TransactionSlot, payments::load::refusal_of,
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{aggregate::Customer, audit::AuditEntry, status::Signal, stored_identifier::StoredIdentifier},
        events::customer_event::{CustomerEvent, RecordPosition},
        request::refusal::Refusal,
        transaction::log_offset::LogOffset,
        vocabulary::time::Millis,
    },
    storage::encoding,
};

/// The most steps of one customer that are read.
const STEPS_MAX: usize = 100_000;
/// The most steps of one customer that are in memory at a time. Of a longer history, only the places of the others are kept,
/// and their records are read again when they are shown.
const STEPS_KEPT: usize = 256;

/// A step of a customer's history that cannot be read. The steps before it cannot be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableStep {
    /// The number of the customer.
    pub customer: u64,
    /// Why it cannot be read.
    pub reason: String,
}

/// One step of a customer's history.
#[derive(Debug, Clone)]
pub struct HistoryStep {
    /// Who made the change, and when.
    pub audit_entry: AuditEntry,
    /// The transaction that caused it, if any.
    pub transaction_id: Option<Box<str>>,
    /// Whether that transaction was linked to the customer.
    pub is_link: bool,
    /// The events about the customer, without those about transactions.
    pub events: Vec<CustomerEvent>,
}

impl HistoryStep {
    /// The signal that caused the step, and whether it named an instrument.
    #[must_use]
    pub fn signal(&self) -> Option<(Signal, bool)> {
        self.events.iter().find_map(|event| match event {
            CustomerEvent::SignalReceived { signal, names_instrument, .. } => Some((*signal, *names_instrument)),
            _ => None,
        })
    }
}

/// The history of one member of a merge group while it is read.
struct MemberHistory {
    /// The customer before the next step, without transactions.
    customer: Customer,
    /// Its last step.
    last: Option<LogOffset>,
    /// The last step that was shown.
    shown: Option<LogOffset>,
    /// Whether the customer is erased and its identifiers are forgotten.
    hides_identifiers: bool,
}

/// A step of one member.
struct MemberStep {
    /// The index of the member.
    member: usize,
    step: ChainStep,
}

/// A step of a chain.
struct ChainStep {
    offset: LogOffset,
    /// `None`: it is read again; see [`STEPS_KEPT`].
    kept: Option<Box<HistoryStep>>,
}

impl MemberHistory {
    fn of(customer: &Customer) -> Self {
        let hides_identifiers = customer.is_erased() && customer.all_identifiers().any(StoredIdentifier::is_forgotten);
        let last = customer.last_audit_offset();
        let customer = Customer::new(customer.number(), customer.merchant, None, customer.created);
        Self { customer, last, shown: None, hides_identifiers }
    }
}

impl MemberHistory {
    /// Calls `show` with the next step and the customer before and after it.
    ///
    /// # Errors
    /// The step is read again and cannot be read any more; it is left out.
    fn replay(
        &mut self,
        ledger: &Ledger,
        ChainStep { offset, kept }: ChainStep,
        show: &mut dyn FnMut(&HistoryStep, &Customer, &Customer),
    ) -> Result<(), Refusal> {
        let step = match kept {
            Some(kept) => kept,
            None => match ledger.visible_step(self.customer.number(), offset, self.hides_identifiers)? {
                Some(step) => Box::new(step),
                None => return Ok(()),
            },
        };
        let Self { customer, shown, .. } = self;
        // Levels that were renamed since the step before: the customer has the new names from then on.
        for rename in ledger.level_renames.between(customer.merchant, shown.unwrap_or(offset), offset) {
            customer.rename_level(rename.direction, rename.from, rename.to);
        }
        *shown = Some(offset);
        let mut after = customer.clone();
        let recorded = RecordPosition { number: 0, offset: LogOffset::default(), key: 0 };
        step.events.iter().for_each(|event| after.apply(recorded, event));
        show(&step, customer, &after);
        *customer = after;
        Ok(())
    }
}

/// Why a chain of steps ends.
enum ChainEnd {
    /// It contains the first step.
    Whole,
    /// The steps before are deleted or lost, or are too many.
    Cut,
    /// A step cannot be read, for this reason.
    Unreadable(String),
}

/// The steps of one customer, the newest first.
struct StepChain {
    steps: Vec<ChainStep>,
    end: ChainEnd,
}

/// The steps of one customer up to one of them.
pub(in crate::ledger) struct CustomerSteps {
    member: MemberHistory,
    chain: StepChain,
}

impl CustomerSteps {
    /// The number of steps.
    pub(in crate::ledger) fn len(&self) -> usize {
        self.chain.steps.len()
    }

    /// Whether they begin with the first step of the customer.
    pub(in crate::ledger) fn is_whole(&self) -> bool {
        matches!(self.chain.end, ChainEnd::Whole)
    }

    /// Calls `show` with each step, the oldest first, and the customer before and after it without transactions. A step
    /// whose record was deleted in between is left out.
    pub(in crate::ledger) fn replay(
        mut self,
        ledger: &Ledger,
        show: &mut dyn FnMut(LogOffset, &HistoryStep, &Customer, &Customer),
    ) {
        for step in self.chain.steps.into_iter().rev() {
            let offset = step.offset;
            let mut show = |step: &HistoryStep, before: &Customer, after: &Customer| show(offset, step, before, after);
            self.member.replay(ledger, step, &mut show).unwrap_or_default();
        }
    }
}

impl Ledger {
    /// The steps of a customer, without those of merged ones, up to the one at an offset: at most `steps_max`. `None`:
    /// there is no such customer.
    pub(in crate::ledger) fn customer_steps(
        &self,
        number: u64,
        last: LogOffset,
        steps_max: usize,
    ) -> Option<CustomerSteps> {
        let member = self.customers.lock(number).get(number).map(MemberHistory::of)?;
        let chain = self.step_chain(number, Some(last), member.hides_identifiers, steps_max);
        Some(CustomerSteps { member, chain })
    }

    /// The steps of a customer from one back to the first that is kept, at most `steps_max`.
    fn step_chain(&self, number: u64, last: Option<LogOffset>, hides_identifiers: bool, steps_max: usize) -> StepChain {
        let (mut steps, mut next) = (Vec::new(), last);
        // Steps in deleted segments are forgotten.
        let is_retained = |offset: LogOffset| offset >= self.forgotten_before();
        let end = loop {
            let Some(offset) = next else { break ChainEnd::Whole };
            if !is_retained(offset) || steps.len() >= steps_max {
                break ChainEnd::Cut;
            }
            let step = match self.visible_step(number, offset, hides_identifiers) {
                Ok(Some(step)) => step,
                // The steps before a lost one cannot be found.
                Ok(None) | Err(Refusal::RecordLost(_)) => break ChainEnd::Cut,
                // Its segment was deleted in between.
                Err(_) if !is_retained(offset) => break ChainEnd::Cut,
                Err(refusal) => break ChainEnd::Unreadable(refusal.to_string()),
            };
            next = step.audit_entry.previous;
            let kept = (steps.len() < STEPS_KEPT).then(|| Box::new(step));
            steps.push(ChainStep { offset, kept });
        };
        StepChain { steps, end }
    }

    /// Calls `show` with each step of a customer's history, and the customer before and after it without transactions. The
    /// first retained step comes first. Steps of merged customers are included. Records are read without a lock, and the
    /// steps of a long history one at a time. Returns the
    /// steps that cannot be read: the history of their customer begins after them.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn history(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        show: &mut dyn FnMut(&HistoryStep, &Customer, &Customer),
    ) -> Result<Vec<UnreadableStep>, Refusal> {
        let mut members: Vec<MemberHistory> = self.with_current_customer(merchant, customer_id, |merge_group| {
            self.settle_group(merge_group, now);
            merge_group.members().map(MemberHistory::of).collect()
        })?;
        let (mut steps, mut unreadable): (Vec<MemberStep>, Vec<UnreadableStep>) = (Vec::new(), Vec::new());
        for (index, MemberHistory { customer, last, hides_identifiers, .. }) in members.iter().enumerate() {
            let chain = self.step_chain(customer.number(), *last, *hides_identifiers, STEPS_MAX);
            if let ChainEnd::Unreadable(reason) = chain.end {
                unreadable.push(UnreadableStep { customer: customer.number(), reason });
            }
            let of_member = |step| MemberStep { member: index, step };
            steps.extend(chain.steps.into_iter().map(of_member));
        }
        // The steps of all members are shown in the order of their records.
        steps.sort_by_key(|step| step.step.offset);
        let is_retained = |offset: LogOffset| offset >= self.forgotten_before();
        for MemberStep { member, step } in steps {
            let (member, offset) = (&mut members[member], step.offset);
            match member.replay(self, step, show) {
                Ok(()) => {}
                // Its segment was deleted in between, or its record is lost.
                Err(refusal) if !is_retained(offset) || matches!(refusal, Refusal::RecordLost(_)) => {}
                Err(refusal) => {
                    let (customer, reason) = (member.customer.number(), refusal.to_string());
                    unreadable.push(UnreadableStep { customer, reason });
                }
            }
        }
        Ok(unreadable)
    }

    /// The step at an offset, without the identifiers that an erasure made the customer forget.
    fn visible_step(
        &self,
        number: u64,
        offset: LogOffset,
        hides_identifiers: bool,
    ) -> Result<Option<HistoryStep>, Refusal> {
        let mut step = self.history_step(number, offset)?;
        if hides_identifiers {
            step.iter_mut().for_each(|step| self.hide_forgotten_identifiers(&mut step.events));
        }
        Ok(step)
    }

    /// The step at an offset. `None`: the record contains no step.
    pub(in crate::ledger) fn history_step(
        &self,
        number: u64,
        offset: LogOffset,
    ) -> Result<Option<HistoryStep>, Refusal> {
        let unreadable = |text: String| Refusal::Unreadable(text);
        let mut body = Vec::with_capacity(512);
        let head = self.journal.read(offset, &mut body).map_err(|error| refusal_of(&error))?;
        if head.owner != number {
            return Err(unreadable(format!("the record at offset {} is about customer {}", offset.0, head.owner)));
        }
        let keys = &self.keys;
        let read = encoding::decode(&body, &mut |sealed| unseal(keys, number, sealed));
        let (mut audit_entry, mut transaction_id, mut is_link, mut events) = (None, None, false, Vec::new());
        let mut fact_slot = None;
        for event in read.map_err(|error| unreadable(error.to_string()))? {
            let encoding::RecordedEvent::Customer(event) = event else { continue };
            match event {
                CustomerEvent::AuditEntry(entry) => audit_entry = Some(entry),
                CustomerEvent::TransactionOpened { opening, .. } => transaction_id = Some(opening.id),
                CustomerEvent::Assigned { opening, .. } => (transaction_id, is_link) = (Some(opening.id), true),
                CustomerEvent::FactRecorded { slot, .. } => fact_slot = Some(slot),
                event if event.is_audited() => events.push(event),
                _ => {}
            }
        }
        // The record of a fact does not contain the id of its transaction.
        if let (None, Some(slot), Some(_)) = (&transaction_id, fact_slot, &audit_entry) {
            let slot = TransactionSlot { customer: number, slot };
            let loaded = self.load_transaction(0, slot, offset).ok().flatten();
            transaction_id = loaded.map(|loaded| loaded.transaction.opening.id);
        }
        Ok(audit_entry.map(|audit_entry| HistoryStep { audit_entry, transaction_id, is_link, events }))
    }
}

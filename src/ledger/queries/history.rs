//! The history of a customer: who changed what, and when. It is read from the journal, one record for each step.

use crate::ledger::{customers::sealing::unseal, payments::load::refusal_of, state::ledger::Ledger};
use crate::{
    domain::{
        customer::{aggregate::Customer, audit::AuditEntry, stored_identifier::StoredIdentifier},
        events::customer_event::{CustomerEvent, RecordPosition},
        request::refusal::Refusal,
        transaction::log_offset::LogOffset,
        vocabulary::time::Millis,
    },
    storage::encoding,
};

/// The most steps of one customer that are read.
const STEPS_MAX: usize = 100_000;

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
    offset: LogOffset,
    /// The index of the member.
    member: usize,
    step: HistoryStep,
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
    /// Calls `show` with the customer before and after the next step.
    fn replay(
        &mut self,
        ledger: &Ledger,
        offset: LogOffset,
        step: &HistoryStep,
        show: &mut dyn FnMut(&Customer, &Customer),
    ) {
        let Self { customer, shown, .. } = self;
        // Levels that were renamed since the step before: the customer has the new names from then on.
        for rename in ledger.level_renames.between(customer.merchant, shown.unwrap_or(offset), offset) {
            customer.rename_level(rename.direction, rename.from, rename.to);
        }
        *shown = Some(offset);
        let mut after = customer.clone();
        let recorded = RecordPosition { number: 0, offset: LogOffset::default(), key: 0 };
        step.events.iter().for_each(|event| after.apply(recorded, event));
        show(customer, &after);
        *customer = after;
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
    steps: Vec<(LogOffset, HistoryStep)>,
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

    /// Calls `show` with each step, the oldest first, and the customer before and after it without transactions.
    pub(in crate::ledger) fn replay(
        &mut self,
        ledger: &Ledger,
        show: &mut dyn FnMut(LogOffset, &HistoryStep, &Customer, &Customer),
    ) {
        for (offset, step) in self.chain.steps.iter().rev() {
            self.member.replay(ledger, *offset, step, &mut |before, after| show(*offset, step, before, after));
        }
    }
}

impl Ledger {
    /// The steps of a customer, without those of merged ones, up to the one at an offset. `None`: there is no such customer.
    pub(in crate::ledger) fn customer_steps(&self, number: u64, last: LogOffset) -> Option<CustomerSteps> {
        let member = self.customers.lock(number).get(number).map(MemberHistory::of)?;
        let chain = self.step_chain(number, Some(last), member.hides_identifiers);
        Some(CustomerSteps { member, chain })
    }

    /// The steps of a customer from one back to the first that is kept.
    fn step_chain(&self, number: u64, last: Option<LogOffset>, hides_identifiers: bool) -> StepChain {
        let (mut steps, mut next) = (Vec::new(), last);
        // Steps in deleted segments are forgotten.
        let is_retained = |offset: LogOffset| offset >= self.forgotten_before();
        let end = loop {
            let Some(offset) = next else { break ChainEnd::Whole };
            if !is_retained(offset) || steps.len() >= STEPS_MAX {
                break ChainEnd::Cut;
            }
            let mut step = match self.history_step(number, offset) {
                Ok(Some(step)) => step,
                // The steps before a lost one cannot be found.
                Ok(None) | Err(Refusal::RecordLost(_)) => break ChainEnd::Cut,
                // Its segment was deleted in between.
                Err(_) if !is_retained(offset) => break ChainEnd::Cut,
                Err(refusal) => break ChainEnd::Unreadable(refusal.to_string()),
            };
            if hides_identifiers {
                self.hide_forgotten_identifiers(&mut step.events);
            }
            next = step.audit_entry.previous;
            steps.push((offset, step));
        };
        StepChain { steps, end }
    }

    /// Calls `show` with each step of a customer's history, and the customer before and after it without transactions. The
    /// first retained step comes first. Steps of merged customers are included. Records are read without a lock. Returns the
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
            let chain = self.step_chain(customer.number(), *last, *hides_identifiers);
            if let ChainEnd::Unreadable(reason) = chain.end {
                unreadable.push(UnreadableStep { customer: customer.number(), reason });
            }
            let of_member = |(offset, step)| MemberStep { offset, member: index, step };
            steps.extend(chain.steps.into_iter().map(of_member));
        }
        // The steps of all members are shown in the order of their records.
        steps.sort_by_key(|step| step.offset);
        for MemberStep { offset, member, step } in &steps {
            members[*member].replay(self, *offset, step, &mut |before, after| show(step, before, after));
        }
        Ok(unreadable)
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
        for event in read.map_err(|error| unreadable(error.to_string()))? {
            let encoding::RecordedEvent::Customer(event) = event else { continue };
            match event {
                CustomerEvent::AuditEntry(entry) => audit_entry = Some(entry),
                CustomerEvent::TransactionOpened { opening, .. } => transaction_id = Some(opening.id),
                CustomerEvent::Assigned { opening, .. } => (transaction_id, is_link) = (Some(opening.id), true),
                event if event.is_audited() => events.push(event),
                _ => {}
            }
        }
        Ok(audit_entry.map(|audit_entry| HistoryStep { audit_entry, transaction_id, is_link, events }))
    }
}

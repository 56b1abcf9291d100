//! A customer's history: who changed what, when, read back from the journal step by step.

use crate::ledger::{Ledger, payments::record::unread, recovery::recover::partition::unseal};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent, Recorded},
            profile::AuditEntry,
            stored_identifier::StoredIdentifier,
        },
        decision::refusal::Refusal,
        transaction::record::LogOffset,
        vocabulary::time::Millis,
    },
    storage::encoding,
};

/// The most steps of one customer that are read.
const STEPS_MAX: usize = 100_000;

/// One step of a customer's history.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Who and when.
    pub audit_entry: AuditEntry,
    /// The transaction that brought it, where one did.
    pub transaction_id: Option<Box<str>>,
    /// Whether that one was linked to the customer, to whom it did not belong before.
    pub is_link: bool,
    /// What happened, transactions apart.
    pub events: Vec<CustomerEvent>,
}

/// A customer on the way through the history.
struct Teller {
    /// As it stood before the next step, transactions apart.
    before: Customer,
    /// Where the last step lies that is not read yet.
    history: Option<LogOffset>,
    /// Where the last step lies that was told.
    from: Option<LogOffset>,
    /// Whether the customer is erased and the identifiers with it.
    forgets: bool,
}

impl Teller {
    fn of(customer: &Customer) -> Self {
        let before = Customer::new(customer.number(), customer.merchant, None, customer.created);
        let forgets = customer.is_erased() && customer.all_identifiers().any(StoredIdentifier::is_forgotten);
        Self { before, history: customer.history(), from: None, forgets }
    }
}

impl Ledger {
    /// A customer's history from the first step that is kept to the last, with those of all who were merged into
    /// the customer, each handed over with the customer before and
    /// behind it, transactions apart. Facts are read without a lock.
    ///
    /// # Errors
    /// The customer is not known to the merchant; the journal cannot be read.
    pub fn history(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        tell: &mut dyn FnMut(&Chapter, &Customer, &Customer),
    ) -> Result<(), Refusal> {
        let mut tellers: Vec<Teller> = self.with_household(merchant, customer_id, |merge_group| {
            self.settle_all(merge_group, now);
            merge_group.members().map(Teller::of).collect()
        })?;
        let mut chapters: Vec<(LogOffset, usize, Chapter)> = Vec::new();
        // Steps in segments that are deleted are gone for good.
        let kept = |at: &LogOffset| *at >= self.gone_before();
        for (teller, Teller { before, history, forgets, .. }) in tellers.iter_mut().enumerate() {
            let most = chapters.len() + STEPS_MAX;
            while let Some(at) = history.filter(kept).filter(|_| chapters.len() < most) {
                let chapter = match self.chapter(before.number(), at) {
                    // Nothing leads to the steps before one that is lost.
                    Err(Refusal::RecordLost(_)) => break,
                    chapter => chapter?,
                };
                let Some(mut chapter) = chapter else { break };
                if *forgets {
                    self.hide_forgotten_identifiers(&mut chapter.events);
                }
                *history = chapter.audit_entry.previous;
                chapters.push((at, teller, chapter));
            }
        }
        // The steps of those who have become one stand in the order in which they were recorded.
        chapters.sort_by_key(|(at, ..)| *at);
        for (at, teller, chapter) in &chapters {
            let Teller { before, from, .. } = &mut tellers[*teller];
            // Levels that were renamed meanwhile: what the customer had was called otherwise from then on.
            for renamed in self.made_levels.renames.between(before.merchant, from.unwrap_or(*at), *at) {
                before.rename_level(renamed.direction, renamed.from, renamed.to);
            }
            *from = Some(*at);
            let mut behind = before.clone();
            let recorded = Recorded { number: 0, place: LogOffset::default(), key: 0 };
            chapter.events.iter().for_each(|event| behind.apply(recorded, event));
            tell(chapter, before, &behind);
            *before = behind;
        }
        Ok(())
    }

    /// The step that lies at a place; `None`: nothing is kept there any more.
    fn chapter(&self, number: u64, at: LogOffset) -> Result<Option<Chapter>, Refusal> {
        let unreadable = |what: String| Refusal::Unreadable(what);
        let mut body = Vec::with_capacity(512);
        let head = self.journal.read(at, &mut body).map_err(|error| unread(&error))?;
        if head.owner != number {
            return Err(unreadable(format!("the record at {} is about customer {}", at.0, head.owner)));
        }
        let keys = &self.keys;
        let read = encoding::decode(&body, &mut |sealed| unseal(keys, number, sealed));
        let (mut audit_entry, mut transaction_id, mut is_link, mut events) = (None, None, false, Vec::new());
        for event in read.map_err(|error| unreadable(error.to_string()))? {
            match event {
                encoding::Recorded::Customer(CustomerEvent::AuditEntry(told)) => audit_entry = Some(told),
                encoding::Recorded::Customer(CustomerEvent::Opened { opening, .. }) => {
                    transaction_id = Some(opening.id)
                }
                encoding::Recorded::Customer(CustomerEvent::Assigned { opening, .. }) => {
                    (transaction_id, is_link) = (Some(opening.id), true);
                }
                encoding::Recorded::Customer(event) if event.is_of_history() => events.push(event),
                _ => {}
            }
        }
        Ok(audit_entry.map(|audit_entry| Chapter { audit_entry, transaction_id, is_link, events }))
    }
}

//! A customer's history: who changed what, when, read back from the journal step by step.

use super::{Ledger, recall::unread, recover::lane::unseal};
use crate::{
    domain::{
        customer::{Customer, Event, Recorded},
        profile::Chronicle,
        refusal::Refusal,
        stored_identifier::StoredIdentifier,
        time::Millis,
        transaction::Place,
    },
    journal::event,
};

/// The most steps of one customer that are read.
const STEPS_MAX: usize = 100_000;

/// One step of a customer's history.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Who and when.
    pub chronicle: Chronicle,
    /// The transaction that brought it, where one did.
    pub transaction_id: Option<Box<str>>,
    /// Whether that one was linked to the customer, to whom it did not belong before.
    pub is_link: bool,
    /// What happened, transactions apart.
    pub events: Vec<Event>,
}

/// A customer on the way through the history.
struct Teller {
    /// As it stood before the next step, transactions apart.
    before: Customer,
    /// Where the last step lies that is not read yet.
    history: Option<Place>,
    /// Where the last step lies that was told.
    from: Option<Place>,
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
        let mut tellers: Vec<Teller> = self.with_household(merchant, customer_id, |household| {
            self.settle_all(household, now);
            household.members().map(Teller::of).collect()
        })?;
        let mut chapters: Vec<(Place, usize, Chapter)> = Vec::new();
        // Steps in segments that are deleted are gone for good.
        let kept = |at: &Place| *at >= self.gone_before();
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
                *history = chapter.chronicle.previous;
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
            let recorded = Recorded { number: 0, place: Place::default(), key: 0 };
            chapter.events.iter().for_each(|event| behind.apply(recorded, event));
            tell(chapter, before, &behind);
            *before = behind;
        }
        Ok(())
    }

    /// The step that lies at a place; `None`: nothing is kept there any more.
    fn chapter(&self, number: u64, at: Place) -> Result<Option<Chapter>, Refusal> {
        let unreadable = |what: String| Refusal::Unreadable(what);
        let mut body = Vec::with_capacity(512);
        let head = self.journal.read(at, &mut body).map_err(|error| unread(&error))?;
        if head.owner != number {
            return Err(unreadable(format!("the record at {} is about customer {}", at.0, head.owner)));
        }
        let keys = &self.keys;
        let read = event::decode(&body, &mut |sealed| unseal(keys, number, sealed));
        let (mut chronicle, mut transaction_id, mut is_link, mut events) = (None, None, false, Vec::new());
        for event in read.map_err(|error| unreadable(error.to_string()))? {
            match event {
                event::Recorded::Customer(Event::Chronicled(told)) => chronicle = Some(told),
                event::Recorded::Customer(Event::Opened { opening, .. }) => transaction_id = Some(opening.id),
                event::Recorded::Customer(Event::Linked { opening, .. }) => {
                    (transaction_id, is_link) = (Some(opening.id), true);
                }
                event::Recorded::Customer(event) if event.is_of_history() => events.push(event),
                _ => {}
            }
        }
        Ok(chronicle.map(|chronicle| Chapter { chronicle, transaction_id, is_link, events }))
    }
}

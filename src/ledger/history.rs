//! A customer's history: who changed what, when, read back from the journal step by step.

use super::{Ledger, recover::lane::unseal};
use crate::{
    domain::{
        customer::{Customer, Event, Recorded},
        profile::Chronicle,
        refusal::Refusal,
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
    /// The payment that brought it, where one did.
    pub transaction_id: Option<Box<str>>,
    /// What happened, transactions apart.
    pub events: Vec<Event>,
}

impl Ledger {
    /// A customer's history from the first step that is kept to the last, each handed over with the customer before and
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
        let look = |customer: &Customer, _| (customer.number, customer.merchant, customer.created, customer.history);
        let (number, merchant, created, mut place) = self.look(merchant, customer_id, now, look)?;
        let mut chapters = Vec::new();
        // Steps in segments that are deleted are gone for good.
        let kept = |at: &Place| *at >= self.gone_before();
        while let Some(at) = place.filter(kept).filter(|_| chapters.len() < STEPS_MAX) {
            let Some(chapter) = self.chapter(number, at)? else { break };
            place = chapter.chronicle.previous;
            chapters.push((at, chapter));
        }
        let mut before = Customer::new(number, merchant, None, created);
        let mut from = chapters.last().map_or(Place::default(), |(at, _)| *at);
        for (at, chapter) in chapters.iter().rev() {
            // Levels that were renamed meanwhile: what the customer had was called otherwise from then on.
            for renamed in self.made_levels.renames.between(merchant, from, *at) {
                before.rename_level(renamed.direction, renamed.from, renamed.to);
            }
            from = *at;
            let mut behind = before.clone();
            let recorded = Recorded { number: 0, place: Place::default(), key: 0 };
            chapter.events.iter().for_each(|event| behind.apply(recorded, event));
            tell(chapter, &before, &behind);
            before = behind;
        }
        Ok(())
    }

    /// The step that lies at a place; `None`: nothing is kept there any more.
    fn chapter(&self, number: u64, at: Place) -> Result<Option<Chapter>, Refusal> {
        let unreadable = |what: String| Refusal::Unreadable(what);
        let mut body = Vec::with_capacity(512);
        let head = self.journal.read(at, &mut body).map_err(|error| unreadable(error.to_string()))?;
        if head.owner != number {
            return Err(unreadable(format!("the record at {} is about customer {}", at.0, head.owner)));
        }
        let keys = &self.keys;
        let read = event::decode(&body, &mut |sealed| unseal(keys, number, sealed));
        let (mut chronicle, mut transaction_id, mut events) = (None, None, Vec::new());
        for event in read.map_err(|error| unreadable(error.to_string()))? {
            match event {
                event::Recorded::Customer(Event::Chronicled(told)) => chronicle = Some(told),
                event::Recorded::Customer(Event::Opened { opening, .. }) => transaction_id = Some(opening.id),
                event::Recorded::Customer(event) if event.is_of_history() => events.push(event),
                _ => {}
            }
        }
        Ok(chronicle.map(|chronicle| Chapter { chronicle, transaction_id, events }))
    }
}

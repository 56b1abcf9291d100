//! The customer: who pays, with all transactions in brief and the usage that they add up to.
//!
//! [`Customer::apply`] is the only way in which a customer changes, and it cannot fail. A customer is the unit of
//! consistency: everything that a decision reads and writes lies in one, under one lock.

mod clock;
mod head;
mod rename;

pub use crate::domain::customer::aggregate::clock::FromFuture;
pub use crate::domain::customer::aggregate::head::{Head, LAST_NUMBER};
pub use crate::domain::events::customer_event::{CustomerEvent, Make, Recorded};

use crate::domain::{
    customer::{
        profile::{Change, IndividualSettings, Instrument},
        stored_identifier::StoredIdentifier,
    },
    rules::configuration::Merchant,
    transaction::{
        holds::Holds,
        record::Opening,
        summary::{Left, TransactionOutcome, TransactionSummaries, TransactionSummary},
    },
    usage::series::{UsageSeries, UsageSeriesKey},
    vocabulary::{names::Name, time::Millis},
};
use smallvec::SmallVec;
use std::{
    hint::black_box,
    mem,
    ops::{Deref, DerefMut},
};

/// A customer.
///
/// Most of the millions that are kept have paid seldom or never: whoever never paid takes as much memory as what is known
/// of somebody who did not, and goes on, from the first payment, in memory that has room for payments too.
#[derive(Debug, Clone)]
pub struct Customer(Kept);

#[derive(Debug, Clone)]
enum Kept {
    /// Somebody without transactions.
    Idle(Box<Head>),
    /// Somebody with some.
    Paying(Box<Paying>),
}

/// A customer with transactions.
///
/// Invariant: the books hold what the briefs contribute as of `settled_at`, and what has left memory.
///
/// The fields stand in memory as they stand here: what every payment reads lies together, because a payment of one
/// customer among millions spends its time waiting for that memory.
#[derive(Debug, Clone)]
#[repr(C)]
struct Paying {
    head: Head,
    /// Usage, one book for each (direction, currency, level).
    books: SmallVec<[UsageSeries; 1]>,
    /// Ends of open holds.
    holds: Holds,
    /// Transactions in brief, by slot.
    summaries: TransactionSummaries,
}

impl Deref for Customer {
    type Target = Head;

    fn deref(&self) -> &Head {
        match &self.0 {
            Kept::Idle(head) => head,
            Kept::Paying(paying) => &paying.head,
        }
    }
}

impl DerefMut for Customer {
    fn deref_mut(&mut self) -> &mut Head {
        match &mut self.0 {
            Kept::Idle(head) => head,
            Kept::Paying(paying) => &mut paying.head,
        }
    }
}

impl Customer {
    /// A customer without a past.
    #[must_use]
    pub fn new(number: u64, merchant: Name, identifier: Option<StoredIdentifier>, at: Millis) -> Self {
        Self(Kept::Idle(Box::new(Head::new(number, merchant, identifier, at))))
    }

    /// A customer who is only being made, with the label that new ones bear.
    #[must_use]
    pub fn newcomer(number: u64, merchant: &Merchant, at: Millis) -> Self {
        let mut customer = Self::new(number, merchant.id, None, at);
        let label = merchant.default_label().map(|label| Change::Labels(vec![label.name]));
        label.iter().for_each(|change| customer.change(change));
        customer
    }

    fn paid(&self) -> Option<&Paying> {
        match &self.0 {
            Kept::Idle(_) => None,
            Kept::Paying(paying) => Some(paying),
        }
    }

    /// What has room for transactions, made where there was none.
    fn paying(&mut self) -> &mut Paying {
        loop {
            match self.0 {
                Kept::Paying(ref mut paying) => return paying,
                Kept::Idle(ref mut head) => {
                    let nobody = Head::new(head.number(), head.merchant, None, head.created);
                    let head = mem::replace(&mut **head, nobody);
                    let (books, holds, summaries) =
                        (SmallVec::new(), Holds::default(), TransactionSummaries::default());
                    self.0 = Kept::Paying(Box::new(Paying { head, books, holds, summaries }));
                }
            }
        }
    }

    /// Usage, one book for each (direction, currency, level).
    #[must_use]
    pub fn books(&self) -> &[UsageSeries] {
        self.paid().map_or(&[], |paying| &paying.books)
    }

    /// Transactions in brief, by slot.
    #[must_use]
    pub fn summaries(&self) -> &TransactionSummaries {
        const NONE: &TransactionSummaries = &TransactionSummaries::NONE;
        self.paid().map_or(NONE, |paying| &paying.summaries)
    }

    /// Reads a little of everything that a payment is about to read. What is not in the processor's cache then comes side
    /// by side and not one after another, each when it is needed: of a payment of one customer among millions this takes
    /// away a third of its time. The ends of the lists to which a payment adds are asked for and not waited for: they
    /// come while it is decided.
    pub fn touch(&self) {
        let paying = match &self.0 {
            Kept::Idle(head) => {
                black_box(head.applied);
                return;
            }
            Kept::Paying(paying) => paying,
        };
        black_box([
            paying.head.applied,
            u64::from(paying.head.profile.is_some()),
            paying.books.first().map_or(0, UsageSeries::touch),
            paying.holds.touch(),
            paying.summaries.touch(),
        ]);
    }

    /// Lets the holds run out whose end has come, and returns the time from which this customer is to be seen: `now`,
    /// or the latest time at which anybody looked. Usage is exact only behind this. It costs nothing where no hold
    /// ends, and one step a hold where some do; none is searched for. The second number counts those steps.
    pub fn settle(&mut self, now: Millis) -> (Millis, u64) {
        let now = self.settled_at.max(now);
        self.settled_at = now;
        let visited = match &mut self.0 {
            Kept::Idle(_) => 0,
            Kept::Paying(paying) => paying.run_out(now),
        };
        (now, visited)
    }

    /// Changes the customer by an event that has happened; cannot fail.
    ///
    /// Whoever reads a journal again may apply a transaction's events twice or find later ones applied already: they
    /// set what they say, so that the last one in order decides.
    pub fn apply(&mut self, recorded: Recorded, event: &CustomerEvent) {
        self.applied = self.applied.max(recorded.number);
        match event {
            CustomerEvent::Created { merchant, identifier, at } => {
                self.merchant = *merchant;
                self.identifier.clone_from(identifier);
                (self.created, self.modified) = (*at, *at);
            }
            CustomerEvent::AttributesFilled { attributes, at } => {
                attributes.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                self.modified = *at;
            }
            CustomerEvent::LevelSet { direction, level, drops_settings, at } => {
                self.levels[*direction as usize] = *level;
                if let Some(profile) = self.profile.as_mut().filter(|_| *drops_settings) {
                    profile.settings.retain(|settings| settings.direction != *direction);
                }
                self.modified = *at;
            }
            CustomerEvent::Signalled { signal, names_instrument, at } => {
                self.standing = self.standing.after(*signal, *names_instrument);
                self.modified = *at;
            }
            CustomerEvent::InstrumentHeld { id, at } => {
                if !self.profile().is_some_and(|profile| profile.has_instrument(id)) {
                    self.profile.get_or_insert_default().keep(&Instrument::bare(id, *at));
                }
            }
            CustomerEvent::InstrumentUsed { id, at, successes } => {
                if let Some(used) = self.profile.as_mut().and_then(|profile| profile.instrument_mut(id)) {
                    (used.last_success_at, used.successes) = (Some(*at), *successes);
                }
            }
            CustomerEvent::AuditEntry(audit_entry) => {
                self.set_history(Some(recorded.place));
                self.modified = audit_entry.at;
            }
            CustomerEvent::Changed(change) => self.change(change),
            CustomerEvent::Opened { slot, opening } => self.apply_opened(recorded, *slot, opening),
            CustomerEvent::Assigned { slot, opening, outcome, at, .. } => {
                self.take(recorded, *slot, opening, outcome, *at)
            }
            // As nobody's it counted nowhere. Where it lies now tells whoever reads it that it is somebody's.
            CustomerEvent::Unlinked { slot, .. } => self.become_of(recorded, *slot, &TransactionOutcome::NONE),
            // It counts for what it counted for.
            CustomerEvent::Compacted { slot, outcome, .. } => self.become_of(recorded, *slot, outcome),
            CustomerEvent::FactRecorded { slot, recorded_fact, outcome, left, .. } => {
                // A hold begins or gets another end; one that goes on unchanged is in the queue already.
                let holds = matches!(
                    recorded_fact.fact,
                    crate::domain::transaction::record::Fact::Extended { .. }
                        | crate::domain::transaction::record::Fact::Asked { .. }
                );
                let paying = self.paying();
                match (paying.summaries.get_mut(*slot), left) {
                    (Some(summary), _) => summary.become_of(recorded.place, outcome),
                    (None, Some(Left { series: Some(series), was, .. })) => {
                        let series = paying.series(*series);
                        paying.books[usize::from(series)].adjust_left(*was, outcome.settled());
                    }
                    (None, _) => {}
                }
                if holds {
                    paying.hold(*slot, recorded_fact.at);
                }
                paying.count(*slot, recorded_fact.at);
            }
        }
    }

    /// [`Customer::apply`] of [`CustomerEvent::Opened`], for whoever has only what the event would hold.
    pub fn apply_opened<Text>(&mut self, recorded: Recorded, slot: u32, opening: &Opening<Text>) {
        self.applied = self.applied.max(recorded.number);
        self.take(recorded, slot, opening, &opening.outcome(), opening.recorded_at);
    }

    fn become_of(&mut self, recorded: Recorded, slot: u32, outcome: &TransactionOutcome) {
        if let Kept::Paying(paying) = &mut self.0 {
            paying.summaries.get_mut(slot).into_iter().for_each(|summary| summary.become_of(recorded.place, outcome));
        }
    }

    #[inline]
    fn take<Text>(
        &mut self,
        recorded: Recorded,
        slot: u32,
        opening: &Opening<Text>,
        outcome: &TransactionOutcome,
        now: Millis,
    ) {
        let paying = self.paying();
        let (direction, currency) = (opening.content.direction, opening.content.currency);
        let key = UsageSeriesKey { direction, currency, level: opening.level };
        let series = opening.counts().then(|| paying.series(key));
        let summary = TransactionSummary::new(opening.at, series, recorded.key, recorded.place, outcome);
        match paying.summaries.get_mut(slot) {
            Some(known) => *known = summary,
            None => drop(paying.summaries.push(summary)),
        }
        paying.hold_brief(slot, &summary, now);
        paying.count_brief(slot, &summary, now);
    }

    /// So many briefs are about to be taken back: what grew piece by piece comes back without the room in which it grew.
    pub fn expect(&mut self, summaries: usize) {
        let paying = self.paying();
        paying.summaries.expect(summaries);
        if let [series] = paying.books.as_mut_slice() {
            series.expect(summaries);
        }
    }

    /// Takes the books back, as a snapshot kept them, and the first slot that has not left memory. Behind it the briefs
    /// are to be taken back.
    pub fn resume_books(&mut self, books: Vec<UsageSeries>, first_slot: u32) {
        if !books.is_empty() || first_slot > 0 {
            let paying = self.paying();
            (paying.books, paying.summaries) = (books.into_iter().collect(), TransactionSummaries::resumed(first_slot));
        }
    }

    /// Takes a brief back, as a snapshot kept it, at the time as of which the customer is seen.
    pub fn resume(&mut self, slot: u32, summary: TransactionSummary) {
        let now = self.settled_at;
        let paying = self.paying();
        if slot < paying.summaries.first_slot() {
            paying.summaries.pin(slot, summary);
        } else {
            paying.summaries.push(summary);
        }
        paying.hold(slot, now);
        paying.count(slot, now);
    }

    /// The place of a book, which is made where there is none.
    pub fn series(&mut self, key: UsageSeriesKey) -> u16 {
        self.paying().series(key)
    }

    /// Lets transactions leave memory that are older than `before`, for as long as `may` agrees; those that still wait
    /// stay. Behind [`Customer::settle`]. Returns those that left, at most `at_most`.
    pub fn retire(
        &mut self,
        before: Millis,
        at_most: usize,
        may: impl Fn(&TransactionSummary) -> bool,
    ) -> Vec<(u32, TransactionSummary)> {
        let now = self.settled_at;
        let Kept::Paying(paying) = &mut self.0 else { return Vec::new() };
        let waits = |summary: &TransactionSummary| summary.is_held(now);
        let mut gone = Vec::new();
        while gone.len() < at_most {
            // One that waits is kept aside, so that those behind it may go.
            // One from the future, by a clock that was wrong, is kept aside too.
            let leaves = |summary: &TransactionSummary| match summary.at > now {
                true => Some(false),
                false => (summary.at < before && may(summary)).then(|| !waits(summary)),
            };
            match paying.summaries.leave(leaves) {
                Some(Some(left)) => gone.push(left),
                Some(None) => {}
                None => {
                    match paying.summaries.unpin(|summary| summary.at < before && !waits(summary) && may(summary)) {
                        Some(left) => gone.push(left),
                        None => break,
                    }
                }
            }
        }
        for (slot, summary) in &gone {
            if let Some(series) = summary.series().and_then(|series| paying.books.get_mut(usize::from(series))) {
                series.leave(summary.at, *slot, summary.contribution(now));
            }
        }
        gone
    }

    /// The books as they would stand at another instant, by what is known now. Reads every brief.
    #[must_use]
    pub fn books_at(&self, instant: Millis) -> Vec<UsageSeries> {
        let mut books: Vec<UsageSeries> =
            self.books().iter().map(|series| UsageSeries::resumed(series.key, series.left())).collect();
        for (slot, summary) in self.summaries().starting_at(0) {
            if let Some(series) = summary.series().and_then(|series| books.get_mut(usize::from(series))) {
                series.set(summary.at, slot, summary.contribution(instant));
            }
        }
        books
    }
}

impl Paying {
    /// See [`Customer::settle`].
    fn run_out(&mut self, now: Millis) -> u64 {
        let mut visited = 0;
        while let Some(slot) = self.holds.pop(now) {
            visited += 1;
            self.count(slot, now);
        }
        visited
    }

    /// The place of a book, which is made where there is none.
    fn series(&mut self, key: UsageSeriesKey) -> u16 {
        let place = self.books.iter().position(|series| series.key == key).unwrap_or_else(|| {
            self.books.push(UsageSeries::new(key));
            self.books.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn hold(&mut self, slot: u32, now: Millis) {
        if let Some(summary) = self.summaries.get(slot).copied() {
            self.hold_brief(slot, &summary, now);
        }
    }

    fn hold_brief(&mut self, slot: u32, summary: &TransactionSummary, now: Millis) {
        if let Some(until) = summary.held_until(now) {
            self.holds.push(until, slot);
        }
    }

    /// Writes into the books what a transaction contributes now.
    fn count(&mut self, slot: u32, now: Millis) {
        if let Some(summary) = self.summaries.get(slot).copied() {
            self.count_brief(slot, &summary, now);
        }
    }

    fn count_brief(&mut self, slot: u32, summary: &TransactionSummary, now: Millis) {
        if let Some(series) = summary.series().and_then(|series| self.books.get_mut(usize::from(series))) {
            series.set(summary.at, slot, summary.contribution(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Millions are kept, most of whom have paid seldom or never.
    #[test]
    fn a_customer_takes_no_more_memory_than_is_reckoned_with() {
        assert_eq!(
            (size_of::<Head>(), size_of::<Paying>()),
            (112, 352),
            "what is known, and what is known with payments"
        );
        assert_eq!(size_of::<Option<Customer>>(), 16, "a place for a customer");
    }
}

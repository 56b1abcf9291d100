//! The time goes on from another instant: what that does to one customer.

use crate::domain::customer::aggregate::{Customer, Kept, Paying};
use crate::domain::{
    events::global_event::ClockStep,
    transaction::{holds::Holds, summary::TransactionSummary},
    usage::series::{Contribution, UsageSeries},
    vocabulary::time::Millis,
};
use smallvec::SmallVec;
use std::ops::AddAssign;

/// What customers have from a time that is later than now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FromFuture {
    /// Transactions in memory, denied ones included.
    pub transactions: u64,
    /// Those of them that count in usage.
    pub entries: u64,
    /// Those of them whose hold is open and will end.
    pub holds: u64,
}

impl FromFuture {
    fn note(&mut self, summary: &TransactionSummary, now: Millis) {
        if summary.at > now {
            self.transactions += 1;
            self.entries += u64::from(summary.series().is_some() && summary.contribution(now) != Contribution::NONE);
            self.holds += u64::from(summary.held_until(now).is_some());
        }
    }
}

impl AddAssign for FromFuture {
    fn add_assign(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.entries += other.entries;
        self.holds += other.holds;
    }
}

impl Customer {
    /// What the customer has from a time later than `now`. Reads every brief.
    #[must_use]
    pub fn later_than(&self, now: Millis) -> FromFuture {
        let mut found = FromFuture::default();
        self.summaries().starting_at(0).for_each(|(_, summary)| found.note(summary, now));
        found
    }

    /// Goes on from the time of a [`ClockStep`] that [`ClockStep::changes_customers`], and returns what was later.
    ///
    /// The customer is seen from no later time than `after`. A hold that ended between the two times is open again,
    /// because its end is in the future again. Where the step moves entries, each later transaction is moved to `after`
    /// and its hold keeps its length; its facts stay as they are recorded. Reads every brief.
    ///
    /// Invariant: afterwards the books contain what the briefs contribute as of `settled_at`, and every open hold is in
    /// the queue, so that the result depends on the briefs and the step alone.
    pub fn accept_clock(&mut self, step: &ClockStep) -> FromFuture {
        self.settled_at = self.settled_at.min(step.after);
        let now = self.settled_at;
        match &mut self.0 {
            Kept::Idle(_) => FromFuture::default(),
            Kept::Paying(paying) => paying.accept_clock(step, now),
        }
    }
}

impl Paying {
    fn accept_clock(&mut self, step: &ClockStep, now: Millis) -> FromFuture {
        let mut found = FromFuture::default();
        let mut books: SmallVec<[UsageSeries; 1]> =
            self.books.iter().map(|series| UsageSeries::resumed(series.key, series.left())).collect();
        self.holds = Holds::default();
        let slots: Vec<u32> = self.summaries.starting_at(0).map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(summary) = self.summaries.get_mut(slot) else { continue };
            found.note(summary, step.after);
            if step.moves_entries && summary.at > step.after {
                summary.move_to(step.after);
            }
            if let Some(until) = summary.held_until(now) {
                self.holds.push(until, slot);
            }
            if let Some(series) = summary.series().and_then(|series| books.get_mut(usize::from(series))) {
                series.set(summary.at, slot, summary.contribution(now));
            }
        }
        self.books = books;
        found
    }
}

#[cfg(test)]
mod tests;

//! The effect of an accepted clock step on one customer.

use crate::domain::{
    customer::aggregate::{
        customer::{Customer, CustomerState},
        paying::PayingCustomer,
    },
    events::global_event::ClockStep,
    transaction::{holds::Holds, summary::TransactionSummary},
    usage::{contribution::Contribution, series::UsageSeries},
    vocabulary::time::Millis,
};
use smallvec::SmallVec;
use std::ops::AddAssign;

/// Counts of transactions from a time later than now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FutureCounts {
    /// Transactions in memory, denied ones included.
    pub transactions: u64,
    /// Those of them that count in usage.
    pub entries: u64,
    /// Those of them whose hold is open and will end.
    pub holds: u64,
}

impl FutureCounts {
    fn note(&mut self, summary: &TransactionSummary, now: Millis) {
        if summary.at > now {
            self.transactions += 1;
            self.entries += u64::from(summary.series().is_some() && summary.contribution(now) != Contribution::NONE);
            self.holds += u64::from(summary.held_until(now).is_some());
        }
    }
}

impl AddAssign for FutureCounts {
    fn add_assign(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.entries += other.entries;
        self.holds += other.holds;
    }
}

impl Customer {
    /// Counts the transactions later than `now`. Reads every summary.
    #[must_use]
    pub fn count_future(&self, now: Millis) -> FutureCounts {
        let mut found = FutureCounts::default();
        self.summaries().starting_at(0).for_each(|(_, summary)| found.note(&summary, now));
        found
    }

    /// Applies a [`ClockStep`] that [`ClockStep::changes_customers`], and returns the counts of later transactions.
    ///
    /// The customer is read as of no later time than `after`. A hold that ended between the two times is open again,
    /// because its end is in the future again. Where the step moves entries, each later transaction is moved to `after`
    /// and its hold keeps its length; its recorded facts stay. Reads every summary.
    ///
    /// Invariant: afterwards the usage series contain the contributions of the summaries as of `settled_at`, and every
    /// open hold is in the queue, so that the result depends only on the summaries and the step.
    pub fn apply_clock_step(&mut self, step: &ClockStep) -> FutureCounts {
        self.settled_at = self.settled_at.min(step.after);
        let now = self.settled_at;
        match &mut self.0 {
            CustomerState::Idle(_) => FutureCounts::default(),
            CustomerState::Paying(paying) => paying.apply_clock_step(step, now),
        }
    }
}

impl PayingCustomer {
    fn apply_clock_step(&mut self, step: &ClockStep, now: Millis) -> FutureCounts {
        let mut found = FutureCounts::default();
        let mut all_series: SmallVec<[UsageSeries; 1]> =
            self.series.iter().map(|series| UsageSeries::with_evicted(series.key, series.evicted())).collect();
        self.holds = Holds::default();
        let slots: Vec<u32> = self.summaries.starting_at(0).map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(mut summary) = self.summaries.get(slot) else { continue };
            found.note(&summary, step.after);
            if step.moves_entries && summary.at > step.after {
                summary.move_to(step.after);
                self.summaries.replace(slot, summary);
            }
            if let Some(until) = summary.held_until(now) {
                self.holds.push(until, slot);
            }
            if let Some(series) = summary.series().and_then(|series| all_series.get_mut(usize::from(series))) {
                series.set(summary.at, slot, summary.contribution(now));
            }
        }
        self.series = all_series;
        found
    }
}

#[cfg(test)]
mod tests;

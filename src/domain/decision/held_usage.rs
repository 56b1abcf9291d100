//! The held part of usage: what open holds contribute, and what falls when they end.

use crate::domain::{
    customer::aggregate::Customer,
    decision::{gauge::Gauge, usage_meter::UsageMeter},
    rules::rates::MissingRate,
    transaction::status::Status,
    usage::{
        conversion::{RateTable, sum_rounded_up},
        series::UsageSeriesKey,
    },
    vocabulary::time::Millis,
};

/// A transaction with an open hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTransaction {
    /// The series in which it counts.
    pub series: UsageSeriesKey,
    /// When it counts.
    pub at: Millis,
    /// The held minor units.
    pub amount: u64,
    /// Whether it counts in the quantity only because of the hold.
    pub is_unpaid: bool,
}

/// The held part of the usage of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldUsage {
    /// Minor units in the level's currency, rounded up, or the pair without a rate.
    pub amount: Result<u128, MissingRate>,
    /// Transactions.
    pub quantity: u64,
}

/// The transactions of a customer with an open hold. It reads all summaries in memory. `None`: there are more than
/// `summaries_max`.
#[must_use]
pub fn held_transactions(customer: &Customer, now: Millis, summaries_max: usize) -> Option<Vec<HeldTransaction>> {
    let summaries = customer.summaries();
    if summaries.len() > summaries_max {
        return None;
    }
    let series = customer.usage_series();
    let held = summaries.starting_at(0).filter_map(|(_, summary)| {
        let outcome = summary.outcome();
        let amount = outcome.held_amount(now);
        let series = series.get(usize::from(summary.series()?))?.key;
        let is_unpaid = outcome.status == Status::Reserved || !outcome.counts_after_hold;
        (amount > 0).then_some(HeldTransaction { series, at: summary.at, amount, is_unpaid })
    });
    Some(held.collect())
}

impl UsageMeter<'_> {
    /// The held part of what a gauge has read.
    #[must_use]
    pub fn held(&self, gauge: &Gauge<'_>, held: &[HeldTransaction]) -> HeldUsage {
        let range = self.counting(gauge.range);
        let counted = |one: &&HeldTransaction| range.holds(one.at) && self.counts(gauge.filter, &one.series);
        let totals = held.iter().filter(counted).map(|one| (one.series.currency, u128::from(one.amount)));
        let table = RateTable { common: &self.rules.rates, own: self.own.rates, currencies: &self.rules.currencies };
        let amount = sum_rounded_up(totals, self.currency, &table, self.now);
        let unpaid = held.iter().filter(counted).filter(|one| one.is_unpaid).count();
        HeldUsage { amount, quantity: u64::try_from(unpaid).unwrap_or(u64::MAX) }
    }
}

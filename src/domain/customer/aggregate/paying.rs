//! A customer with transactions: usage series, open holds and transaction summaries.

use crate::domain::{
    customer::aggregate::core::CustomerCore,
    transaction::{holds::Holds, summaries::TransactionSummaries, summary::TransactionSummary},
    usage::series::{UsageSeries, UsageSeriesKey},
    vocabulary::time::Millis,
};
use smallvec::SmallVec;

/// A customer with transactions.
///
/// Invariant: the usage series contain the contributions of the summaries as of `settled_at`, and of evicted
/// transactions.
///
/// The order of the fields is their order in memory: the data that each payment reads is adjacent, because a payment of
/// one customer among millions spends its time on cache misses.
#[derive(Debug, Clone)]
#[repr(C)]
pub(super) struct PayingCustomer {
    pub(super) core: CustomerCore,
    /// Usage series, one for each (direction, currency, level).
    pub(super) series: SmallVec<[UsageSeries; 1]>,
    /// Ends of open holds.
    pub(super) holds: Holds,
    /// Transaction summaries, by slot.
    pub(super) summaries: TransactionSummaries,
}

/// The bytes of a customer and its transactions in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CustomerMemory {
    /// The customer itself, and further usage series.
    pub customer: usize,
    /// Transaction summaries.
    pub summaries: usize,
    /// Entries of usage series.
    pub usage: usize,
    /// Ends of holds.
    pub holds: usize,
}

impl PayingCustomer {
    /// See [`Customer::memory`](crate::domain::customer::aggregate::customer::Customer::memory).
    pub(super) fn memory(&self) -> CustomerMemory {
        let series = if self.series.spilled() { self.series.capacity() * size_of::<UsageSeries>() } else { 0 };
        CustomerMemory {
            customer: size_of::<Self>() + series,
            summaries: self.summaries.heap_bytes(),
            usage: self.series.iter().map(UsageSeries::heap_bytes).sum(),
            holds: self.holds.heap_bytes(),
        }
    }

    /// See [`Customer::expire_holds`](crate::domain::customer::aggregate::customer::Customer::expire_holds).
    pub(super) fn expire_holds(&mut self, now: Millis) -> u64 {
        let mut visited = 0;
        while let Some(slot) = self.holds.pop(now) {
            visited += 1;
            self.update_usage(slot, now);
        }
        visited
    }

    /// The index of a usage series, which is created if absent.
    #[inline]
    pub(super) fn series_index(&mut self, key: UsageSeriesKey) -> u16 {
        let place = self.series.iter().position(|series| series.key == key).unwrap_or_else(|| {
            self.series.push(UsageSeries::new(key));
            self.series.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    #[inline]
    pub(super) fn queue_hold_of(&mut self, slot: u32, summary: &TransactionSummary, now: Millis) {
        if let Some(until) = summary.held_until(now) {
            self.holds.push(until, slot);
        }
    }

    /// Sets the present contribution of a transaction in its usage series.
    #[inline]
    pub(super) fn update_usage(&mut self, slot: u32, now: Millis) {
        if let Some(summary) = self.summaries.get(slot) {
            self.update_usage_of(slot, &summary, now);
        }
    }

    #[inline]
    pub(super) fn update_usage_of(&mut self, slot: u32, summary: &TransactionSummary, now: Millis) {
        if let Some(series) = summary.series().and_then(|series| self.series.get_mut(usize::from(series))) {
            series.set(summary.at, slot, summary.contribution(now));
        }
    }
}

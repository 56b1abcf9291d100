//! The summary of a transaction in memory. Its facts are in the journal.

use crate::domain::{
    transaction::{
        log_offset::LogOffset,
        outcome::TransactionOutcome,
        status::{Flags, Status},
    },
    usage::{contribution::Contribution, series::UsageSeriesKey},
    vocabulary::time::Millis,
};

const NEVER: i64 = i64::MAX;

/// The summary of a transaction.
///
/// It is 64 bytes, because millions are in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionSummary {
    /// The time at which it counts.
    pub at: Millis,
    /// When the hold ends; [`i64::MAX`]: never.
    hold_until: i64,
    gross: u64,
    net: u64,
    held_amount: u64,
    /// The offset of its last record.
    pub offset: LogOffset,
    /// A digest of its id, the key of the indexes.
    pub key: u64,
    /// The index of its usage series; [`NO_SERIES`]: the rules were bypassed.
    series: u16,
    status: Status,
    flags: Flags,
    gross_counts: bool,
    net_counts: bool,
    counts_after_hold: bool,
}

const NO_SERIES: u16 = u16::MAX;

impl TransactionSummary {
    /// The summary of a transaction with this outcome.
    #[must_use]
    pub fn new(at: Millis, series: Option<u16>, key: u64, offset: LogOffset, outcome: &TransactionOutcome) -> Self {
        let mut summary = Self {
            at,
            hold_until: NEVER,
            gross: 0,
            net: 0,
            held_amount: 0,
            offset,
            key,
            series: series.unwrap_or(NO_SERIES),
            status: outcome.status,
            flags: outcome.flags,
            gross_counts: false,
            net_counts: false,
            counts_after_hold: false,
        };
        summary.set_outcome(offset, outcome);
        summary
    }

    /// Sets the outcome after a fact.
    pub fn set_outcome(&mut self, offset: LogOffset, outcome: &TransactionOutcome) {
        let Contribution { gross, net, gross_counts, net_counts } = outcome.counts;
        (self.gross, self.net, self.held_amount) = (gross, net, outcome.held_amount);
        (self.gross_counts, self.net_counts) = (gross_counts, net_counts);
        self.counts_after_hold = outcome.counts_after_hold;
        self.hold_until = outcome.hold_until.map_or(NEVER, |until| until.0);
        self.status = outcome.status;
        self.flags = outcome.flags;
        self.offset = offset;
    }

    /// The index of its usage series; `None`: the rules were bypassed.
    #[must_use]
    pub fn series(&self) -> Option<u16> {
        (self.series != NO_SERIES).then_some(self.series)
    }

    /// Moves it to an earlier time; the length of its hold stays.
    pub(in crate::domain) fn move_to(&mut self, at: Millis) {
        if self.hold_until != NEVER {
            self.hold_until = self.hold_until.saturating_sub(self.at.since(at));
        }
        self.at = at;
    }

    /// Assigns it to another usage series.
    pub(in crate::domain) fn set_series(&mut self, series: u16) {
        self.series = series;
    }

    /// Its outcome.
    #[must_use]
    #[inline]
    pub fn outcome(&self) -> TransactionOutcome {
        TransactionOutcome {
            status: self.status,
            counts: Contribution {
                gross: self.gross,
                net: self.net,
                gross_counts: self.gross_counts,
                net_counts: self.net_counts,
            },
            held_amount: self.held_amount,
            counts_after_hold: self.counts_after_hold,
            hold_until: self.hold_until(),
            flags: self.flags,
        }
    }

    /// When the hold ends; `None`: never.
    #[must_use]
    pub fn hold_until(&self) -> Option<Millis> {
        (self.hold_until != NEVER).then_some(Millis(self.hold_until))
    }

    /// Its flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        self.outcome().status(now)
    }

    /// What it contributes at an instant.
    #[must_use]
    #[inline]
    pub fn contribution(&self, now: Millis) -> Contribution {
        self.outcome().contribution(now)
    }

    /// The end of the hold, where it is open and will end.
    #[must_use]
    #[inline]
    pub fn held_until(&self, now: Millis) -> Option<Millis> {
        self.outcome().expires_at(now)
    }

    /// Whether it is held at an instant, so that the end of its hold or a fact will change it.
    #[must_use]
    pub fn is_held(&self, now: Millis) -> bool {
        self.outcome().is_held(now)
    }
}

/// An evicted transaction that gets another fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictedTransaction {
    /// The digest of its id.
    pub key: u64,
    /// The key of its usage series; `None`: the rules were bypassed.
    pub series: Option<UsageSeriesKey>,
    /// The time at which it counts; `None`: the record is of a version without it.
    pub at: Option<Millis>,
    /// Its contribution before the fact.
    pub was: Contribution,
}

//! The summary of a transaction in memory. Its facts are in the journal.

use crate::domain::{
    packed_rows::{from_ordered, from_zigzag, ordered, zigzag},
    transaction::{
        log_offset::LogOffset,
        outcome::TransactionOutcome,
        status::{Flags, Status},
    },
    usage::{contribution::Contribution, series::UsageSeriesKey},
    vocabulary::{time::Millis, words::Word},
};

const NEVER: i64 = i64::MAX;

/// The summary of a transaction. [`TransactionSummaries`](crate::domain::transaction::summaries::TransactionSummaries)
/// stores it packed.
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

/// The columns of packed summaries: time, offset and end of the hold are stored as distances.
pub(super) const COLUMNS: usize = 9;
/// The number of columns that are stored as distances.
pub(super) const BASED: usize = 3;
/// The column of the time.
pub(super) const TIME_COLUMN: usize = 0;
/// The column of the digest of the id.
pub(super) const KEY_COLUMN: usize = 3;

/// Bits of the last column, above the status. The eight bits of the flags follow.
const STATUS_BITS: u64 = 7;
const GROSS_COUNTS: u64 = 1 << 3;
const NET_COUNTS: u64 = 1 << 4;
const COUNTS_AFTER_HOLD: u64 = 1 << 5;
const HOLD_ENDS: u64 = 1 << 6;
const HOLDS: u64 = 1 << 7;
const FLAGS_SHIFT: u32 = 8;

/// Packing: most transactions contribute one amount, which is held entirely or not at all, so that the columns of the other
/// amounts contain zeros, which take no bits.
impl TransactionSummary {
    /// The summary as numbers.
    #[inline]
    pub(super) fn to_row(self) -> [u64; COLUMNS] {
        let ends = self.hold_until != NEVER;
        let bit = |bit: u64, holds: bool| if holds { bit } else { 0 };
        let properties = self.status as u64
            | bit(GROSS_COUNTS, self.gross_counts)
            | bit(NET_COUNTS, self.net_counts)
            | bit(COUNTS_AFTER_HOLD, self.counts_after_hold)
            | bit(HOLD_ENDS, ends)
            | bit(HOLDS, self.held_amount > 0)
            | u64::from(self.flags.0) << FLAGS_SHIFT;
        [
            ordered(self.at.0),
            self.offset.0,
            if ends { zigzag(self.hold_until.wrapping_sub(self.at.0)) } else { 0 },
            self.key,
            self.gross,
            difference(self.gross, self.net),
            if self.held_amount > 0 { difference(self.gross, self.held_amount) } else { 0 },
            u64::from(self.series.wrapping_add(1)),
            properties,
        ]
    }

    /// The time in the column of times.
    #[inline]
    pub(super) fn time_of_column(number: u64) -> Millis {
        Millis(from_ordered(number))
    }

    /// The summary of [`TransactionSummary::to_row`].
    #[inline]
    pub(super) fn from_row(row: [u64; COLUMNS]) -> Self {
        let [at, offset, hold, key, gross, net, held_amount, series, properties] = row;
        let (at, has) = (from_ordered(at), |bit: u64| properties & bit != 0);
        let status = Status::WORDS.get(usize::try_from(properties & STATUS_BITS).unwrap_or(0));
        Self {
            at: Millis(at),
            hold_until: if has(HOLD_ENDS) { at.wrapping_add(from_zigzag(hold)) } else { NEVER },
            gross,
            net: without_difference(gross, net),
            held_amount: if has(HOLDS) { without_difference(gross, held_amount) } else { 0 },
            offset: LogOffset(offset),
            key,
            series: u16::try_from(series).unwrap_or(0).wrapping_sub(1),
            status: status.map_or(Status::Reserved, |(_, status)| *status),
            flags: Flags(u8::try_from(properties >> FLAGS_SHIFT & 0xFF).unwrap_or(0)),
            gross_counts: has(GROSS_COUNTS),
            net_counts: has(NET_COUNTS),
            counts_after_hold: has(COUNTS_AFTER_HOLD),
        }
    }
}

/// An amount as its difference from another one, which is mostly equal to it.
fn difference(gross: u64, amount: u64) -> u64 {
    zigzag(gross.wrapping_sub(amount).cast_signed())
}

/// The amount of [`difference`].
fn without_difference(gross: u64, difference: u64) -> u64 {
    gross.wrapping_sub(from_zigzag(difference).cast_unsigned())
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

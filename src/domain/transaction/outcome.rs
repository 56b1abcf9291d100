//! The state of a transaction by its facts: status, contribution and flags. Time decides whether its hold has ended.

use crate::domain::{
    rules::configuration::Word,
    transaction::record::{Flag, Status, Transaction},
    usage::series::Contribution,
    vocabulary::time::Millis,
};
use smallvec::SmallVec;

/// Flags, a bit each, in the order of [`Flag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);

    /// With another, where it holds.
    #[must_use]
    pub const fn with(self, flag: Flag, holds: bool) -> Self {
        Self(self.0 | (holds as u8) << flag as u8)
    }

    /// With those of another set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Of a transaction.
    #[must_use]
    pub fn of(flags: &[Flag]) -> Self {
        Self(flags.iter().fold(0, |bits, flag| bits | 1 << *flag as u8))
    }

    /// Whether a flag is among them.
    #[must_use]
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }
}

/// The state of a transaction by its facts. Time decides whether its hold has ended.
///
/// Invariant: something is held only while the status is [`Status::Reserved`] or [`Status::Approved`]; a reserved
/// transaction that counts at all holds all that it contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOutcome {
    /// The status until the hold ends: never [`Status::Expired`].
    pub status: Status,
    /// What it contributes until the hold ends.
    pub counts: Contribution,
    /// Minor units that are held: the part of both amounts of `counts` that goes when the hold ends.
    pub held: u64,
    /// Whether approved money is left, net of cancels: an approved transaction without any is cancelled once its hold
    /// has ended.
    pub counts_after_hold: bool,
    /// When the hold ends; `None`: never.
    pub hold_until: Option<Millis>,
    /// What a reader should notice.
    pub flags: Flags,
}

impl TransactionOutcome {
    /// Of a transaction that belongs to another customer: nothing waits, nothing counts.
    pub const NONE: Self = Self {
        status: Status::Cancelled,
        counts: Contribution::NONE,
        held: 0,
        counts_after_hold: false,
        hold_until: None,
        flags: Flags::NONE,
    };

    /// Of a transaction's facts.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let before_any_end = Millis(i64::MIN);
        let totals = &transaction.totals;
        let counts = transaction.contribution(before_any_end);
        Self {
            status: transaction.status(before_any_end),
            counts,
            held: transaction.held(before_any_end),
            counts_after_hold: totals.approved > totals.cancelled,
            hold_until: transaction.hold_until,
            flags: transaction.flag_set(),
        }
    }

    /// Of what a record of a version says that did not know captures to follow: only what is reserved is held, and
    /// what contributes an amount counts.
    #[must_use]
    pub fn of_version_1(status: Status, (gross, net): (u64, u64), hold_until: Option<Millis>, flags: Flags) -> Self {
        let counts = Contribution { gross, net, gross_counts: gross > 0, net_counts: net > 0 };
        let held = if status == Status::Reserved { gross } else { 0 };
        Self { status, counts, held, counts_after_hold: status == Status::Approved && net > 0, hold_until, flags }
    }

    fn hold_has_ended(&self, now: Millis) -> bool {
        self.hold_until.is_some_and(|until| until <= now)
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        match self.status {
            Status::Reserved if self.hold_has_ended(now) => Status::Expired,
            Status::Approved if self.held > 0 && !self.counts_after_hold && self.hold_has_ended(now) => {
                Status::Cancelled
            }
            status => status,
        }
    }

    /// What it contributes at an instant.
    #[must_use]
    pub fn contribution(&self, now: Millis) -> Contribution {
        if self.held == 0 || !self.hold_has_ended(now) {
            return self.counts;
        }
        self.after_hold()
    }

    /// The contribution after the end of the hold, at any time; a hold without an end goes on. A transaction that has left memory
    /// counts so, because no queue watches its hold.
    #[must_use]
    pub fn settled(&self) -> Contribution {
        self.contribution(Millis(i64::MAX))
    }

    fn after_hold(&self) -> Contribution {
        if self.status == Status::Reserved {
            return Contribution::NONE;
        }
        Contribution {
            gross: self.counts.gross.saturating_sub(self.held),
            net: self.counts.net.saturating_sub(self.held),
            gross_counts: self.counts.gross_counts,
            net_counts: self.counts.gross_counts && self.counts_after_hold,
        }
    }

    /// The end of the hold, where one is open at an instant.
    #[must_use]
    pub fn expires_at(&self, now: Millis) -> Option<Millis> {
        self.hold_until.filter(|_| self.is_held(now))
    }

    /// Minor units that are held at an instant.
    #[must_use]
    pub fn held(&self, now: Millis) -> u64 {
        if self.hold_has_ended(now) { 0 } else { self.held }
    }

    /// Whether something of it waits for the end of the hold or for facts at an instant.
    #[must_use]
    pub fn is_held(&self, now: Millis) -> bool {
        (self.status == Status::Reserved || self.held > 0) && !self.hold_has_ended(now)
    }
}

/// The flags as they are shown.
#[must_use]
pub fn shown(flags: Flags) -> SmallVec<[Flag; 2]> {
    // Hardly any transaction has one.
    if flags == Flags::NONE {
        return SmallVec::new();
    }
    Flag::WORDS.iter().map(|(_, flag)| *flag).filter(|flag| flags.contains(*flag)).collect()
}

#[cfg(test)]
mod tests;

//! The outcome of a transaction: status, contribution and flags after its facts. Time decides whether its hold has ended.

use crate::domain::{
    transaction::status::{Flags, Status},
    usage::contribution::Contribution,
    vocabulary::time::Millis,
};

/// The outcome of a transaction after its facts. Time decides whether its hold has ended.
///
/// Invariant: an amount is held only while the status is [`Status::Reserved`] or [`Status::Approved`]; a reserved
/// transaction that counts at all holds all that it contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOutcome {
    /// The status until the hold ends: never [`Status::Expired`].
    pub status: Status,
    /// What it contributes until the hold ends.
    pub counts: Contribution,
    /// The held minor units: the part of both amounts of `counts` that is removed when the hold ends.
    pub held_amount: u64,
    /// Whether approved money remains after cancels: an approved transaction without any is cancelled once its hold has
    /// ended.
    pub counts_after_hold: bool,
    /// When the hold ends; `None`: never.
    pub hold_until: Option<Millis>,
    /// The flags.
    pub flags: Flags,
}

impl TransactionOutcome {
    /// The outcome of a transaction that belongs to another customer: nothing is held and nothing counts.
    pub const NONE: Self = Self {
        status: Status::Cancelled,
        counts: Contribution::NONE,
        held_amount: 0,
        counts_after_hold: false,
        hold_until: None,
        flags: Flags::NONE,
    };

    /// The outcome in a record of version 1, which had no partial captures: only a reservation is held, and a transaction
    /// with an amount counts.
    #[must_use]
    pub fn of_version_1(status: Status, (gross, net): (u64, u64), hold_until: Option<Millis>, flags: Flags) -> Self {
        let counts = Contribution { gross, net, gross_counts: gross > 0, net_counts: net > 0 };
        let held_amount = if status == Status::Reserved { gross } else { 0 };
        Self {
            status,
            counts,
            held_amount,
            counts_after_hold: status == Status::Approved && net > 0,
            hold_until,
            flags,
        }
    }

    fn hold_has_ended(&self, now: Millis) -> bool {
        self.hold_until.is_some_and(|until| until <= now)
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        match self.status {
            Status::Reserved if self.hold_has_ended(now) => Status::Expired,
            Status::Approved if self.held_amount > 0 && !self.counts_after_hold && self.hold_has_ended(now) => {
                Status::Cancelled
            }
            status => status,
        }
    }

    /// What it contributes at an instant.
    #[must_use]
    pub fn contribution(&self, now: Millis) -> Contribution {
        if self.held_amount == 0 || !self.hold_has_ended(now) {
            return self.counts;
        }
        self.after_hold()
    }

    /// The contribution after the end of the hold; a hold without an end stays. Evicted transactions count so, because no
    /// queue tracks their holds.
    #[must_use]
    pub fn final_contribution(&self) -> Contribution {
        self.contribution(Millis(i64::MAX))
    }

    fn after_hold(&self) -> Contribution {
        if self.status == Status::Reserved {
            return Contribution::NONE;
        }
        Contribution {
            gross: self.counts.gross.saturating_sub(self.held_amount),
            net: self.counts.net.saturating_sub(self.held_amount),
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
    pub fn held_amount(&self, now: Millis) -> u64 {
        if self.hold_has_ended(now) { 0 } else { self.held_amount }
    }

    /// Whether the transaction is held at an instant, so that the end of its hold or a fact will change it.
    #[must_use]
    pub fn is_held(&self, now: Millis) -> bool {
        (self.status == Status::Reserved || self.held_amount > 0) && !self.hold_has_ended(now)
    }
}

#[cfg(test)]
mod tests;

//! A transaction: its opening, the facts that followed, and their totals.
//!
//! Status, flags and what it contributes to usage are functions of the set of facts and of time; the order in which
//! facts arrived changes none of them.

use crate::domain::{
    transaction::{
        fact::{CancelOf, Fact, RecordedFact},
        opening::{Opening, OpeningKind},
        outcome::TransactionOutcome,
        status::{Flag, Flags, Status, flag_list},
    },
    usage::contribution::Contribution,
    vocabulary::time::Millis,
};
use smallvec::SmallVec;

/// The most facts of one transaction that callers may add by choice (attempts, extensions, cancels, refunds).
pub const FACTS_MAX: usize = 10_000;

/// Sums over the facts of a transaction, updated by each fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// A: the reserved amount; 0 for an unreserved approval without a later reserve.
    pub reserved: u64,
    /// V: the sum of the cancels of the reservation.
    pub released: u64,
    /// B: the sum of the captures.
    pub approved: u64,
    /// C: the sum of the cancels of approved money.
    pub cancelled: u64,
    /// R: the sum of the refunds.
    pub refunded: u64,
    /// The part of R that reduces usage.
    pub given_back: u64,
    /// K: the sum of the chargebacks.
    pub charged_back: u64,
    /// A decline that counted.
    pub declined: bool,
    /// Whether a capture was the final one.
    pub is_final: bool,
    /// Whether nothing is held for further captures: after a final capture, or one whose record does not state it.
    pub is_closed: bool,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What opened it.
    pub opening: Opening,
    /// The facts that followed, in their order.
    pub facts: Vec<RecordedFact>,
    /// Sums over the facts.
    pub totals: Totals,
    /// When the hold ends now; `None`: never.
    pub hold_until: Option<Millis>,
}

impl Transaction {
    /// A transaction that has just been opened.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let reserved = if opening.opened == OpeningKind::Unreserved { 0 } else { opening.content.amount };
        let hold_until = opening.hold_until;
        Self { opening, facts: Vec::new(), totals: Totals { reserved, ..Totals::default() }, hold_until }
    }

    /// Adds a fact; cannot fail. A cancel whose record does not name its money cancels the reservation while nothing is
    /// approved, and approved money afterwards.
    pub fn add_fact(&mut self, mut recorded_fact: RecordedFact) {
        let is_approved = self.is_approved();
        let totals = &mut self.totals;
        match &mut recorded_fact.fact {
            Fact::Approved { amount, is_final, .. } => {
                totals.approved = totals.approved.saturating_add(*amount);
                totals.is_final |= *is_final == Some(true);
                totals.is_closed |= *is_final != Some(false);
            }
            Fact::Declined { conflict } => totals.declined |= !*conflict,
            Fact::Cancelled { amount, of, .. } => {
                let legacy = if is_approved { CancelOf::Approved } else { CancelOf::Reservation };
                match *of.get_or_insert(legacy) {
                    CancelOf::Reservation => totals.released = totals.released.saturating_add(*amount),
                    CancelOf::Approved => totals.cancelled = totals.cancelled.saturating_add(*amount),
                }
            }
            Fact::Refunded { amount, gives_back, .. } => {
                totals.refunded = totals.refunded.saturating_add(*amount);
                totals.given_back = totals.given_back.saturating_add(if *gives_back { *amount } else { 0 });
            }
            Fact::ChargedBack { amount, .. } => totals.charged_back = totals.charged_back.saturating_add(*amount),
            Fact::Extended { until } => self.hold_until = Some(*until),
            Fact::Attempted { .. } => {}
            Fact::ReservedLate { amount, hold_until, .. } => {
                totals.reserved = *amount;
                self.hold_until = *hold_until;
            }
        }
        self.facts.push(recorded_fact);
    }

    /// Whether any money moved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.totals.approved > 0
    }

    /// Whether the reserve was denied: then nothing was ever held.
    fn is_denied(&self) -> bool {
        self.opening.opened == OpeningKind::Denied
    }

    fn hold_has_ended(&self, now: Millis) -> bool {
        self.hold_until.is_some_and(|until| until <= now)
    }

    /// Whether further captures were announced and may still use the reservation.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        self.is_approved() && !self.totals.is_closed && !self.is_denied() && !self.hold_has_ended(now)
    }

    /// A - V - B: the remainder of the reservation, even after its hold has ended.
    #[must_use]
    pub fn reservation_remaining(&self) -> u64 {
        let Totals { reserved, released, approved, .. } = self.totals;
        reserved.saturating_sub(released).saturating_sub(approved)
    }

    /// The held amount at an instant: A - V before an approval, H = A - V - B while captures follow.
    #[must_use]
    pub fn held_amount(&self, now: Millis) -> u64 {
        let holds = if self.is_approved() { self.is_open(now) } else { self.status(now) == Status::Reserved };
        if holds { self.reservation_remaining() } else { 0 }
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        let totals = &self.totals;
        if self.is_approved() {
            let is_back = totals.cancelled >= totals.approved && self.held_amount(now) == 0;
            if is_back { Status::Cancelled } else { Status::Approved }
        } else if self.is_denied() {
            Status::Denied
        } else if totals.declined {
            Status::Declined
        } else if totals.released >= totals.reserved {
            Status::Cancelled
        } else if self.hold_has_ended(now) {
            Status::Expired
        } else {
            Status::Reserved
        }
    }

    /// The contribution of the transaction at an instant.
    #[must_use]
    pub fn contribution(&self, now: Millis) -> Contribution {
        if !self.opening.counts() {
            return Contribution::NONE;
        }
        let held_amount = self.held_amount(now);
        if !self.is_approved() {
            return Contribution::of_amount(held_amount);
        }
        let Totals { approved, cancelled, given_back, .. } = self.totals;
        let (gross, net) =
            (approved.saturating_add(held_amount), approved.saturating_sub(cancelled).saturating_add(held_amount));
        // A refund that reduces usage reduces the amount and never the quantity.
        Contribution {
            gross: gross.saturating_sub(given_back),
            net: net.saturating_sub(given_back),
            gross_counts: true,
            net_counts: net > 0,
        }
    }

    /// The amount that the reserve requested, also one that was denied or that came after its approval; without a
    /// reserve, the amount of the approval that opened the transaction.
    #[must_use]
    pub fn requested_amount(&self) -> u64 {
        if self.totals.reserved > 0 { self.totals.reserved } else { self.opening.content.amount }
    }

    /// The approved amount, or the reserved amount where nothing is approved.
    #[must_use]
    pub fn amount(&self) -> u64 {
        if self.is_approved() { self.totals.approved } else { self.totals.reserved }
    }

    /// B - C - R - K: the approved money that can still be cancelled or refunded.
    #[must_use]
    pub fn approved_remaining(&self) -> u64 {
        let Totals { approved, cancelled, refunded, charged_back, .. } = self.totals;
        [cancelled, refunded, charged_back].into_iter().fold(approved, u64::saturating_sub)
    }

    /// The flags, each once, in the order of [`Flag`].
    #[must_use]
    pub fn flags(&self) -> SmallVec<[Flag; 2]> {
        flag_list(self.flag_set())
    }

    /// [`Transaction::flags`] as a set.
    #[must_use]
    pub fn flag_set(&self) -> Flags {
        let Totals { reserved, released, approved, .. } = self.totals;
        let has_reservation = !self.is_denied() && reserved > 0;
        let over_limit = has_reservation && approved > reserved.saturating_sub(released);
        let of_opening = Flags::NONE
            .with(Flag::OverLimit, over_limit)
            .with(Flag::Unreserved, self.opening.opened == OpeningKind::Unreserved)
            .with(Flag::Suspicious, self.opening.suspicious)
            .with(Flag::Outlier, self.opening.outlier);
        self.facts.iter().fold(of_opening, |flags, recorded_fact| match &recorded_fact.fact {
            Fact::Approved { flags: of_fact, .. } => flags.and(*of_fact),
            Fact::Declined { conflict } | Fact::ChargedBack { conflict, .. } => flags.with(Flag::Conflict, *conflict),
            Fact::Attempted { unknown_gate, .. } => flags.with(Flag::UnknownGate, *unknown_gate),
            Fact::Cancelled { .. } | Fact::Refunded { .. } | Fact::Extended { .. } | Fact::ReservedLate { .. } => flags,
        })
    }
}

impl TransactionOutcome {
    /// The outcome of a transaction.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let before_any_end = Millis(i64::MIN);
        let totals = &transaction.totals;
        let counts = transaction.contribution(before_any_end);
        Self {
            status: transaction.status(before_any_end),
            counts,
            held_amount: transaction.held_amount(before_any_end),
            counts_after_hold: totals.approved > totals.cancelled,
            hold_until: transaction.hold_until,
            flags: transaction.flag_set(),
        }
    }
}

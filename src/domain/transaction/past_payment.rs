//! A payment of the past, as an import states it: its result and its amounts. They give the opening and the facts of a
//! transaction. A payment of the past is a fact, so no limit is checked.

use crate::domain::{
    transaction::{
        fact::{CancelOf, Fact, RecordedFact},
        opening::OpeningKind,
        outcome::TransactionOutcome,
        state::Totals,
        status::{Flags, Status},
        violation::Violation,
    },
    vocabulary::{denial_codes::DenialCode, money::AMOUNT_MAX, time::Millis, words::words},
};

words! {
    /// The result of a past payment.
    PastOutcome {
        /// Money moved.
        Approved = "approved",
        /// The processor declined.
        Declined = "declined",
        /// Completely cancelled: the approved money, or the reservation where nothing was approved.
        Cancelled = "cancelled",
        /// Everything that was approved is paid back.
        Refunded = "refunded",
        /// A part of what was approved is paid back.
        PartiallyRefunded = "partially_refunded",
        /// The bank took money back.
        ChargedBack = "charged_back",
        /// Waiting for its outcome.
        Reserved = "reserved",
        /// Its hold ended without an outcome.
        Expired = "expired",
        /// The limits denied it.
        Denied = "denied",
    }
}

/// The amounts of a transaction that decide its outcome, minor units: A, V, B, C, R and K of
/// `Totals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastAmounts {
    /// Requested.
    pub reserved: u64,
    /// Cancelled of the reservation.
    pub released: u64,
    /// Captured.
    pub approved: u64,
    /// Cancelled of the captured money.
    pub cancelled: u64,
    /// Refunded.
    pub refunded: u64,
    /// Charged back.
    pub charged_back: u64,
}

/// The optional amounts of a past payment as stated. `None`: they follow from the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatedAmounts {
    /// Cancelled of the reservation.
    pub released: Option<u64>,
    /// Captured.
    pub approved: Option<u64>,
    /// Cancelled of the captured money.
    pub cancelled: Option<u64>,
    /// Refunded.
    pub refunded: Option<u64>,
    /// Charged back.
    pub charged_back: Option<u64>,
}

/// The end of a hold as stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// The hold never ends.
    Never,
    /// The end.
    At(Millis),
}

/// A past payment as stated.
#[derive(Debug, Clone, Copy)]
pub struct StatedPayment {
    /// When it happened.
    pub at: Millis,
    /// The result.
    pub outcome: PastOutcome,
    /// The requested amount, minor units.
    pub amount: u64,
    /// The other amounts.
    pub amounts: StatedAmounts,
    /// The end of the hold of a payment that is held.
    pub expires_at: Option<HoldEnd>,
    /// The code of a denial.
    pub code: Option<DenialCode>,
}

/// The circumstances in which a past payment is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadingContext {
    /// The length of holds of its direction at its merchant, milliseconds; `None`: they never end.
    pub hold_ms: Option<i64>,
    /// The present time.
    pub now: Millis,
}

/// Why a past payment contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// An amount that the outcome needs is missing.
    #[error("is needed with outcome {}", .0.word())]
    Missing(PastOutcome),
    /// A value that the outcome cannot have.
    #[error("does not go with outcome {}; leave it empty", .0.word())]
    Superfluous(PastOutcome),
    /// An amount that is larger than the one that it is a part of.
    #[error("is more than {0}")]
    TooLarge(&'static str),
    /// The amounts give another outcome.
    #[error("is {}, and the amounts give {}", .0.word(), .1.word())]
    OtherOutcome(PastOutcome, PastOutcome),
    /// A hold that has ended, whose end is in the future.
    #[error("is in the future, and outcome expired says that the hold has ended")]
    NotExpired,
    /// A denial without a code.
    #[error(
        "is needed with outcome denied: the number of the denial, such as 19000; leave out payments that another system \
         denied, because they count nowhere"
    )]
    MissingCode,
}

/// A past payment that is consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastPayment {
    /// When it happened.
    pub at: Millis,
    /// The amounts.
    pub amounts: PastAmounts,
    /// How the transaction was opened.
    pub opened: OpeningKind,
    /// Whether the processor declined.
    pub is_declined: bool,
    /// Whether further captures may follow until the end of the hold.
    pub awaits_captures: bool,
    /// The end of the hold; `None`: never, or there is no hold.
    pub hold_until: Option<Millis>,
    /// Why it was denied.
    pub violation: Option<Violation>,
}

impl PastPayment {
    /// Reads a past payment.
    ///
    /// # Errors
    /// The field at fault, by its column, and the contradiction.
    pub fn read(stated: &StatedPayment, c: ReadingContext) -> Result<Self, (&'static str, Contradiction)> {
        let StatedPayment { at, outcome, amount, amounts, expires_at, code } = *stated;
        let moved = outcome.moves_money();
        let barred = [
            ("approved_amount", amounts.approved),
            ("cancelled_amount", amounts.cancelled),
            ("refunded_amount", amounts.refunded),
            ("charged_back_amount", amounts.charged_back),
            ("released_amount", amounts.released.filter(|_| outcome == PastOutcome::Denied)),
        ];
        if let Some((field, _)) = barred.iter().find(|(_, stated)| !moved && stated.is_some_and(|stated| stated > 0)) {
            return Err((field, Contradiction::Superfluous(outcome)));
        }
        match (outcome, code) {
            (PastOutcome::Denied, None) => return Err(("code", Contradiction::MissingCode)),
            (PastOutcome::Denied, Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(("code", Contradiction::Superfluous(outcome))),
        }
        if expires_at.is_some() && matches!(outcome, PastOutcome::Declined | PastOutcome::Denied) {
            return Err(("expires_at", Contradiction::Superfluous(outcome)));
        }
        let amounts = complete(amount, amounts, outcome)?;
        let waits = matches!(outcome, PastOutcome::Reserved | PastOutcome::Expired);
        let by_default = c.hold_ms.map(|hold_ms| at.plus(hold_ms));
        let hold_until = match (expires_at, outcome) {
            (Some(HoldEnd::At(until)), PastOutcome::Expired) if until > c.now => {
                return Err(("expires_at", Contradiction::NotExpired));
            }
            (Some(HoldEnd::Never), PastOutcome::Expired) => return Err(("expires_at", Contradiction::NotExpired)),
            (Some(HoldEnd::At(until)), _) => Some(until),
            (Some(HoldEnd::Never), _) => None,
            (None, PastOutcome::Reserved) => by_default,
            // The hold of a payment that has its outcome matters no more. Nothing here depends on the present, so that an
            // import that is resumed reads the row as before.
            (None, _) => Some(at),
        };
        let payment = Self {
            at,
            amounts,
            opened: if outcome == PastOutcome::Denied { OpeningKind::Denied } else { OpeningKind::Reserved },
            is_declined: outcome == PastOutcome::Declined,
            awaits_captures: moved && amounts.approved > 0 && expires_at.is_some(),
            hold_until,
            violation: code.map(Violation::of),
        };
        let given = payment.outcome(c.now);
        // A hold that was open when the payment was written down may have ended since.
        let has_ended = match outcome {
            PastOutcome::Approved => payment.awaits_captures && given == PastOutcome::Cancelled,
            _ => waits && given == PastOutcome::Expired,
        };
        if given == outcome || has_ended {
            return Ok(payment);
        }
        Err(("outcome", Contradiction::OtherOutcome(outcome, given)))
    }

    /// The outcome as of an instant.
    #[must_use]
    pub fn outcome(&self, now: Millis) -> PastOutcome {
        let PastAmounts { reserved, released, approved, cancelled, .. } = self.amounts;
        let hold_has_ended = self.hold_until.is_some_and(|until| until <= now);
        let left = reserved.saturating_sub(released).saturating_sub(approved);
        let is_held = self.awaits_captures && !hold_has_ended && left > 0;
        let status = match (approved > 0, self.opened) {
            (true, _) if cancelled >= approved && !is_held => Status::Cancelled,
            (true, _) => Status::Approved,
            (false, OpeningKind::Denied) => Status::Denied,
            (false, _) if self.is_declined => Status::Declined,
            (false, _) if released >= reserved => Status::Cancelled,
            (false, _) if hold_has_ended => Status::Expired,
            (false, _) => Status::Reserved,
        };
        PastOutcome::of(status, self.amounts)
    }

    /// The facts that follow the opening, recorded at a time.
    #[must_use]
    pub fn facts(&self, recorded_at: Millis, gives_back: bool) -> Vec<RecordedFact> {
        let PastAmounts { reserved, released, approved, cancelled, refunded, charged_back } = self.amounts;
        let mut facts = Vec::new();
        if self.is_declined {
            facts.push(Fact::Declined { conflict: false });
        }
        let cancel = |amount, all, of, id: Option<&str>| Fact::Cancelled {
            cancel_id: id.map(Into::into),
            amount,
            all,
            of: Some(of),
            names_of: id.is_some(),
        };
        if released > 0 {
            // A transaction has one cancel without an id.
            let id = (cancelled > 0).then_some("released");
            facts.push(cancel(released, released == reserved, CancelOf::Reservation, id));
        }
        if approved > 0 {
            facts.push(Fact::Approved {
                capture_id: None,
                amount: approved,
                all: approved == reserved.saturating_sub(released),
                is_final: Some(!self.awaits_captures),
                gate: None,
                instrument: None,
                flags: Flags::NONE,
            });
        }
        if cancelled > 0 {
            facts.push(cancel(cancelled, cancelled == approved, CancelOf::Approved, None));
        }
        if refunded > 0 {
            let all = refunded == approved.saturating_sub(cancelled);
            facts.push(Fact::Refunded { refund_id: None, amount: refunded, all, gives_back });
        }
        if charged_back > 0 {
            let left = approved.saturating_sub(cancelled).saturating_sub(refunded);
            let (all, conflict) = (charged_back == approved, charged_back > left);
            facts.push(Fact::ChargedBack { chargeback_id: None, amount: charged_back, all, conflict });
        }
        facts.into_iter().map(|fact| RecordedFact { at: recorded_at, fact }).collect()
    }
}

impl PastOutcome {
    /// The outcome of a transaction with this status and these amounts.
    #[must_use]
    pub fn of(status: Status, amounts: PastAmounts) -> Self {
        let PastAmounts { approved, cancelled, refunded, charged_back, .. } = amounts;
        match status {
            Status::Approved if charged_back > 0 => Self::ChargedBack,
            Status::Approved if refunded > 0 && cancelled.saturating_add(refunded) >= approved => Self::Refunded,
            Status::Approved if refunded > 0 => Self::PartiallyRefunded,
            Status::Approved => Self::Approved,
            Status::Reserved => Self::Reserved,
            Status::Declined => Self::Declined,
            Status::Cancelled => Self::Cancelled,
            Status::Expired => Self::Expired,
            Status::Denied => Self::Denied,
        }
    }
}

impl PastOutcome {
    /// Whether money moved, or may have moved.
    #[must_use]
    pub fn moves_money(self) -> bool {
        match self {
            Self::Approved | Self::Cancelled | Self::Refunded | Self::PartiallyRefunded | Self::ChargedBack => true,
            Self::Declined | Self::Reserved | Self::Expired | Self::Denied => false,
        }
    }
}

impl PastAmounts {
    /// The amounts of a transaction: its totals, and the amount that was requested.
    #[must_use]
    pub fn of(totals: &Totals, requested: u64) -> Self {
        let Totals { released, approved, cancelled, refunded, charged_back, .. } = *totals;
        Self { reserved: requested, released, approved, cancelled, refunded, charged_back }
    }
}

/// The end of the hold of a transaction that is held, or whose hold ended without an outcome. `None`: no hold decides about
/// it any more.
#[must_use]
pub fn hold_end(outcome: &TransactionOutcome, now: Millis) -> Option<HoldEnd> {
    let matters = outcome.is_held(now) || outcome.status(now) == Status::Expired;
    matters.then(|| outcome.hold_until.map_or(HoldEnd::Never, HoldEnd::At))
}

/// The amounts, with those that follow from the outcome.
fn complete(
    amount: u64,
    stated: StatedAmounts,
    outcome: PastOutcome,
) -> Result<PastAmounts, (&'static str, Contradiction)> {
    let released = stated.released.unwrap_or(0);
    let whole = if outcome.moves_money() { amount.saturating_sub(released) } else { 0 };
    let approved = stated.approved.unwrap_or(whole);
    let released = match (outcome, approved) {
        // Nothing was approved: the reservation was cancelled.
        (PastOutcome::Cancelled, 0) => stated.released.unwrap_or(amount),
        _ => released,
    };
    let cancelled = stated.cancelled.unwrap_or(if outcome == PastOutcome::Cancelled { approved } else { 0 });
    let uncancelled = approved.saturating_sub(cancelled);
    let refunded = match (outcome, stated.refunded) {
        (_, Some(refunded)) => refunded,
        (PastOutcome::Refunded, None) => uncancelled,
        (PastOutcome::PartiallyRefunded, None) => return Err(("refunded_amount", Contradiction::Missing(outcome))),
        _ => 0,
    };
    let charged_back = stated.charged_back.unwrap_or(if outcome == PastOutcome::ChargedBack { approved } else { 0 });
    let bounds = [
        ("approved_amount", approved, AMOUNT_MAX, "the largest amount"),
        ("released_amount", released, amount, "amount"),
        ("cancelled_amount", cancelled, approved, "the approved amount"),
        ("refunded_amount", refunded, uncancelled, "what is left of the approved amount"),
        ("charged_back_amount", charged_back, approved, "the approved amount"),
    ];
    if let Some((field, .., of)) = bounds.iter().find(|(_, part, whole, _)| part > whole) {
        return Err((field, Contradiction::TooLarge(of)));
    }
    Ok(PastAmounts { reserved: amount, released, approved, cancelled, refunded, charged_back })
}

#[cfg(test)]
mod tests;

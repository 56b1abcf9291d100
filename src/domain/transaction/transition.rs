//! Operations on a known transaction: a pure function of the transaction, the operation and time.

use crate::domain::{
    request::refusal::Refusal,
    rules::merchant::{Merchant, RefundPolicy},
    transaction::{
        fact::{CancelOf, Fact, RecordedFact},
        opening::OpeningKind,
        state::{FACTS_MAX, Transaction},
        status::{Flag, Flags, Status},
    },
    vocabulary::{
        money::{AmountError, Minor, parse_amount},
        time::Millis,
        words::words,
    },
};
words! {
    /// The result of a payment at the processor.
    ProcessorOutcome {
        /// Money moved.
        Approved = "approved",
        /// No money moved.
        Declined = "declined",
    }
}

/// An operation on a known transaction; texts and amounts are as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Money moved.
    Approve(Approval),
    /// The processor refused.
    Decline,
    /// Given back.
    Cancel {
        /// How much.
        back: Reversal,
        /// Which money; `None`: the held money, or approved money where nothing is held.
        of: Option<CancelOf>,
    },
    /// Paid back by the merchant.
    Refund(Reversal),
    /// Paid back by force.
    Chargeback(Reversal),
    /// Extends the hold.
    Extend {
        /// The new end.
        until: Millis,
    },
    /// One gate was tried.
    Attempt {
        /// Its number.
        attempt: u32,
        /// Which gate.
        gate: String,
        /// What came of it.
        outcome: String,
    },
}

/// A capture as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// How much.
    pub amount: CaptureAmount,
    /// `None`: the capture without an id.
    pub capture_id: Option<String>,
    /// Whether no capture follows.
    pub is_final: bool,
    /// The gate that paid.
    pub gate: Option<String>,
    /// The gateway's token.
    pub instrument: Option<String>,
}

impl Approval {
    /// A final capture without an id.
    #[must_use]
    pub fn of(amount: CaptureAmount) -> Self {
        Self { amount, capture_id: None, is_final: true, gate: None, instrument: None }
    }
}

/// The amount of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureAmount {
    /// The rest of the reservation.
    Left,
    /// The whole amount of the reserve, even where a part was released or captured: the outcome of a payment.
    Whole,
    /// As written.
    Written(String),
}

/// A cancel, a refund or a chargeback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reversal {
    /// `None`: the remainder.
    pub amount: Option<String>,
    /// Its id; required with an amount.
    pub id: Option<String>,
}

/// The effect of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionEffect {
    /// A new fact.
    New(RecordedFact),
    /// A repetition of an earlier operation.
    Replay,
}

/// The context of an operation besides its transaction.
#[derive(Debug, Clone, Copy)]
pub struct TransitionContext<'r> {
    /// The fraction digits of the transaction's currency.
    pub minor_units: u8,
    /// The transaction's merchant; `None`: no longer configured.
    pub merchant: Option<&'r Merchant>,
    /// The time.
    pub now: Millis,
}

impl TransitionContext<'_> {
    fn refunds_give_back(&self) -> bool {
        self.merchant.is_some_and(|merchant| merchant.refunds == RefundPolicy::Original)
    }

    /// Whether a named gate is not one of the merchant's; `false` if the merchant is no longer configured.
    fn is_unknown(&self, gate: &str) -> bool {
        self.merchant.is_some_and(|merchant| !merchant.gates.iter().any(|known| known.id.as_str() == gate))
    }
}

/// Evaluates an operation on a transaction (domain.md, section 5).
///
/// # Errors
/// The transaction's facts do not allow the operation. Money that moved is never refused, unless its amount is
/// unknown.
pub fn evaluate_operation(
    transaction: &Transaction,
    operation: &Operation,
    c: TransitionContext<'_>,
) -> Result<TransitionEffect, Refusal> {
    let status = transaction.status(c.now);
    let fact = match operation {
        Operation::Approve(approval) => match capture(transaction, approval, c)? {
            Some(fact) => fact,
            None => return Ok(TransitionEffect::Replay),
        },
        Operation::Decline => {
            let declined = |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::Declined { .. });
            if transaction.facts.iter().any(declined) {
                return Ok(TransitionEffect::Replay);
            }
            if status == Status::Denied {
                return Err(Refusal::Status { operation: "decline", status: status.word() });
            }
            Fact::Declined { conflict: transaction.is_approved() }
        }
        Operation::Cancel { back, of } => match cancel(transaction, back, *of, c)? {
            Some(fact) => fact,
            None => return Ok(TransitionEffect::Replay),
        },
        Operation::Refund(back) => match reverse(transaction, back, c, &REFUND)? {
            None => return Ok(TransitionEffect::Replay),
            Some(amount) => Fact::Refunded {
                refund_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
                gives_back: c.refunds_give_back(),
            },
        },
        Operation::Chargeback(back) => match reverse(transaction, back, c, &CHARGEBACK)? {
            None => return Ok(TransitionEffect::Replay),
            Some(amount) => Fact::ChargedBack {
                chargeback_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
                conflict: amount > transaction.approved_remaining(),
            },
        },
        Operation::Extend { until } => {
            let before =
                |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::Extended { until: u } if u == *until);
            if transaction.facts.iter().any(before) {
                return Ok(TransitionEffect::Replay);
            }
            if status != Status::Reserved && !transaction.is_open(c.now) {
                return Err(Refusal::Status { operation: "extend", status: status.word() });
            }
            match transaction.hold_until {
                Some(end) if *until > end => Fact::Extended { until: *until },
                end => return Err(Refusal::NotLater(end.map_or_else(|| "never".to_owned(), |end| end.to_string()))),
            }
        }
        Operation::Attempt { attempt, gate, outcome } => {
            let earlier = transaction.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
                Fact::Attempted { attempt: n, gate, outcome, .. } if n == attempt => Some((gate, outcome)),
                _ => None,
            });
            match earlier {
                Some((g, _)) if **g != **gate => return same(false, "gate"),
                Some((_, o)) => return same(**o == **outcome, "outcome"),
                None => Fact::Attempted {
                    attempt: *attempt,
                    gate: gate.as_str().into(),
                    outcome: outcome.as_str().into(),
                    unknown_gate: c.is_unknown(gate),
                },
            }
        }
    };
    // Moved money is always recorded; operations that a caller repeats by choice are bounded.
    if transaction.facts.len() >= FACTS_MAX && !matches!(fact, Fact::Approved { .. } | Fact::Declined { .. }) {
        return Err(Refusal::TooManyFacts(FACTS_MAX));
    }
    Ok(TransitionEffect::New(RecordedFact { at: c.now, fact }))
}

fn read(text: &str, c: TransitionContext<'_>) -> Result<u64, Refusal> {
    parse_amount(text, c.minor_units).map_err(|error| Refusal::Amount { field: "amount", error })
}

fn same(is: bool, field: &'static str) -> Result<TransitionEffect, Refusal> {
    if is { Ok(TransitionEffect::Replay) } else { Err(Refusal::Conflict(vec![field])) }
}

/// The fact of a capture; `None`: the same capture again.
///
/// # Errors
/// The same capture with another amount or another `final`; no amount where nothing remains of the reservation.
fn capture(transaction: &Transaction, approval: &Approval, c: TransitionContext<'_>) -> Result<Option<Fact>, Refusal> {
    let Approval { amount: sent, capture_id, is_final, gate, instrument } = approval;
    let written = match sent {
        CaptureAmount::Written(text) => Some(read(text, c)?),
        CaptureAmount::Left | CaptureAmount::Whole => None,
    };
    let earlier = transaction.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
        Fact::Approved { capture_id: id, amount, all, is_final, .. } if id.as_deref() == capture_id.as_deref() => {
            Some((*amount, *all, *is_final))
        }
        _ => None,
    });
    if let Some((amount, all, was_final)) = earlier {
        // A record of an older version does not state whether an amount was sent: its amount is compared.
        let sent_none = all || was_final.is_none() && amount == transaction.requested_amount();
        let same_amount = written.map_or(sent_none, |written| written == amount);
        let differs = [("amount", !same_amount), ("final", was_final.is_some_and(|was_final| was_final != *is_final))];
        let fields: Vec<_> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        return if fields.is_empty() { Ok(None) } else { Err(Refusal::Conflict(fields)) };
    }
    let amount = match (written, sent, transaction.reservation_remaining()) {
        (Some(written), ..) => written,
        (None, CaptureAmount::Whole, _) => transaction.requested_amount(),
        (None, _, 0) if transaction.is_approved() => return Err(Refusal::AmountNeeded),
        // The reservation was released and money moved nevertheless: the whole amount of the reserve.
        (None, _, 0) => transaction.requested_amount(),
        (None, _, unpaid) => unpaid,
    };
    if transaction.totals.approved.checked_add(amount).is_none() {
        return Err(Refusal::Amount { field: "amount", error: AmountError::TooLarge });
    }
    let status = transaction.status(c.now);
    let totals = &transaction.totals;
    let awaited = transaction.is_approved() && !totals.is_closed && totals.reserved > 0;
    let ran_out = awaited && !transaction.is_open(c.now);
    // Without a reservation there is no refusal to contradict.
    let is_refused = matches!(status, Status::Declined | Status::Denied | Status::Cancelled)
        && totals.approved == 0
        && totals.reserved > 0;
    let flags = Flags::NONE
        .with(Flag::Late, status == Status::Expired || ran_out && transaction.opening.opened != OpeningKind::Denied)
        .with(Flag::Conflict, is_refused || totals.is_final)
        .with(Flag::UnknownGate, gate.as_deref().is_some_and(|gate| c.is_unknown(gate)));
    Ok(Some(Fact::Approved {
        capture_id: capture_id.as_deref().map(Into::into),
        amount,
        all: written.is_none(),
        is_final: Some(*is_final),
        gate: gate.as_deref().map(Into::into),
        instrument: instrument.as_deref().map(Into::into),
        flags,
    }))
}

/// The fact of a cancel; `None`: the same cancel again.
///
/// # Errors
/// The same cancel with another amount or other money; more than remains; a status with nothing to cancel.
fn cancel(
    transaction: &Transaction,
    back: &Reversal,
    sent: Option<CancelOf>,
    c: TransitionContext<'_>,
) -> Result<Option<Fact>, Refusal> {
    let earlier = transaction.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
        Fact::Cancelled { cancel_id, of, names_of, .. } if cancel_id.as_deref() == back.id.as_deref() => {
            Some((*of, *names_of))
        }
        _ => None,
    });
    if let Some((was, named)) = earlier {
        let same_of = sent == was.filter(|_| named);
        // The amount is compared by the code that all three operations share; both fields are named.
        let same_amount = reverse(transaction, back, c, &CANCEL_OF_APPROVED);
        return match same_amount {
            Ok(_) if same_of => Ok(None),
            Ok(_) => Err(Refusal::Conflict(vec!["of"])),
            Err(Refusal::Conflict(mut fields)) if !same_of => {
                fields.push("of");
                Err(Refusal::Conflict(fields))
            }
            Err(refusal) => Err(refusal),
        };
    }
    let of = sent.unwrap_or(match transaction.held_amount(c.now) {
        // Before an approval there is only the reservation.
        0 if transaction.is_approved() => CancelOf::Approved,
        _ => CancelOf::Reservation,
    });
    let kind = match of {
        CancelOf::Reservation => &CANCEL_OF_RESERVATION,
        CancelOf::Approved => &CANCEL_OF_APPROVED,
    };
    let amount = reverse(transaction, back, c, kind)?;
    Ok(amount.map(|amount| Fact::Cancelled {
        cancel_id: back.id.as_deref().map(Into::into),
        amount,
        all: back.amount.is_none(),
        of: Some(of),
        names_of: sent.is_some(),
    }))
}

/// An earlier reversal: its id, its amount, and whether the remainder was requested.
type Earlier<'a> = (Option<&'a str>, u64, bool);

/// The differences between a cancel, a refund and a chargeback.
struct ReversalKind {
    operation: &'static str,
    id_field: &'static str,
    earlier: fn(&Fact) -> Option<Earlier<'_>>,
    left: fn(&Transaction, Millis) -> u64,
    allows: fn(Status, &Transaction) -> bool,
}

const CANCEL_OF_RESERVATION: ReversalKind = ReversalKind {
    operation: "cancel",
    id_field: "cancel_id",
    earlier: earlier_cancel,
    left: Transaction::held_amount,
    allows: |status, transaction| transaction.is_approved() || matches!(status, Status::Reserved | Status::Cancelled),
};

const CANCEL_OF_APPROVED: ReversalKind = ReversalKind {
    operation: "cancel",
    id_field: "cancel_id",
    earlier: earlier_cancel,
    left: |transaction, _| transaction.approved_remaining(),
    allows: |status, transaction| transaction.is_approved() || matches!(status, Status::Reserved | Status::Cancelled),
};

fn earlier_cancel(fact: &Fact) -> Option<Earlier<'_>> {
    match fact {
        Fact::Cancelled { cancel_id, amount, all, .. } => Some((cancel_id.as_deref(), *amount, *all)),
        _ => None,
    }
}

const REFUND: ReversalKind = ReversalKind {
    operation: "refund",
    id_field: "refund_id",
    earlier: |fact| match fact {
        Fact::Refunded { refund_id, amount, all, .. } => Some((refund_id.as_deref(), *amount, *all)),
        _ => None,
    },
    left: |transaction, _| transaction.approved_remaining(),
    allows: |_, transaction| transaction.is_approved(),
};

const CHARGEBACK: ReversalKind = ReversalKind {
    operation: "charge back",
    id_field: "chargeback_id",
    earlier: |fact| match fact {
        Fact::ChargedBack { chargeback_id, amount, all, .. } => Some((chargeback_id.as_deref(), *amount, *all)),
        _ => None,
    },
    // The bank takes approved money, even if a part of it was refunded already.
    left: |transaction, _| transaction.totals.approved.saturating_sub(transaction.totals.charged_back),
    allows: |_, transaction| transaction.is_approved(),
};

/// The amount of a reversal; `None`: a repetition.
fn reverse(
    transaction: &Transaction,
    back: &Reversal,
    c: TransitionContext<'_>,
    kind: &ReversalKind,
) -> Result<Option<u64>, Refusal> {
    let amount = back.amount.as_deref().map(|text| read(text, c)).transpose()?;
    if amount.is_some() && back.id.is_none() {
        return Err(Refusal::AmountNeedsId(kind.id_field));
    }
    let earlier = transaction.facts.iter().filter_map(|recorded_fact| (kind.earlier)(&recorded_fact.fact));
    if let Some((_, earlier, all)) = earlier.clone().find(|(id, ..)| *id == back.id.as_deref()) {
        // Compared as sent: "all that is left" and its amount are two requests.
        let is_same = amount.map_or(all, |amount| !all && amount == earlier);
        return if is_same { Ok(None) } else { Err(Refusal::Conflict(vec!["amount"])) };
    }
    let status = transaction.status(c.now);
    if !(kind.allows)(status, transaction) {
        return Err(Refusal::Status { operation: kind.operation, status: status.word() });
    }
    let left = (kind.left)(transaction, c.now);
    let wanted = amount.unwrap_or(left);
    if wanted == 0 || wanted > left {
        let show = |value: u64| Minor { value: u128::from(value), units: c.minor_units }.to_string();
        return Err(Refusal::MoreThanLeft { operation: kind.operation, amount: show(wanted), left: show(left) });
    }
    Ok(Some(wanted))
}

/// Whether a reserve with a known id is the late reserve of an approval, not a repetition.
#[must_use]
pub fn accepts_late_reserve(transaction: &Transaction) -> bool {
    let asked = |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::ReservedLate { .. });
    transaction.opening.opened == OpeningKind::Unreserved && !transaction.facts.iter().any(asked)
}

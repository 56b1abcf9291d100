//! What may happen to a transaction that is open: a pure function of the transaction, the operation and time.

use crate::domain::{
    decision::refusal::Refusal,
    rules::configuration::{Merchant, Refunds, words},
    transaction::{
        record::{CancelOf, FACTS_MAX, Fact, Flag, Opened, RecordedFact, Status, Transaction},
        summary::Flags,
    },
    vocabulary::{
        money::{AmountError, Minor, parse_amount},
        time::Millis,
    },
};

words! {
    /// What becomes of a payment at the processor.
    Outcome {
        /// Money moved.
        Approved = "approved",
        /// It did not.
        Declined = "declined",
    }
}

/// An operation on a known transaction; texts are as sent, amounts as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Money moved.
    Approve(Approval),
    /// The processor refused.
    Decline,
    /// Given back.
    Cancel {
        /// How much.
        back: TakeBack,
        /// Which money; `None`: what is held, and where nothing is, approved money.
        of: Option<CancelOf>,
    },
    /// Paid back by the merchant.
    Refund(TakeBack),
    /// Paid back by force.
    Chargeback(TakeBack),
    /// The hold is to last longer.
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

/// A capture as told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// How much.
    pub amount: CaptureAmount,
    /// `None`: the capture without a name.
    pub capture_id: Option<String>,
    /// Whether no capture follows.
    pub is_final: bool,
    /// The gate that paid.
    pub gate: Option<String>,
    /// The gateway's token.
    pub instrument: Option<String>,
}

impl Approval {
    /// A final capture without a name, of what is left or of an amount.
    #[must_use]
    pub fn of(amount: CaptureAmount) -> Self {
        Self { amount, capture_id: None, is_final: true, gate: None, instrument: None }
    }
}

/// How much a capture takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureAmount {
    /// The rest of the reservation.
    Left,
    /// The whole amount of the reserve, also where a part was released or paid: the outcome of a payment.
    Whole,
    /// As written.
    Written(String),
}

/// A cancel, a refund or a chargeback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakeBack {
    /// `None`: all that is left.
    pub amount: Option<String>,
    /// Names it; required with an amount.
    pub id: Option<String>,
}

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new fact.
    New(RecordedFact),
    /// It was said before.
    Replay,
}

/// What an operation is judged by, besides its transaction.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'r> {
    /// The fraction digits of the transaction's currency.
    pub minor_units: u8,
    /// The transaction's merchant; `None`: no longer configured.
    pub merchant: Option<&'r Merchant>,
    /// The time.
    pub now: Millis,
}

impl Circumstances<'_> {
    fn refunds_give_back(&self) -> bool {
        self.merchant.is_some_and(|merchant| merchant.refunds == Refunds::Original)
    }

    /// Whether a named gate is none of the merchant's. Of a merchant that is not configured no gate is known.
    fn is_unknown(&self, gate: &str) -> bool {
        self.merchant.is_some_and(|merchant| !merchant.gates.iter().any(|known| known.id.as_str() == gate))
    }
}

/// Judges an operation on a transaction (domain.md, section 5).
///
/// # Errors
/// The transaction's facts do not allow the operation. Money that moved is never refused, unless its amount is
/// unknown.
pub fn judge(transaction: &Transaction, operation: &Operation, c: Circumstances<'_>) -> Result<Effect, Refusal> {
    let status = transaction.status(c.now);
    let fact = match operation {
        Operation::Approve(approval) => match capture(transaction, approval, c)? {
            Some(fact) => fact,
            None => return Ok(Effect::Replay),
        },
        Operation::Decline => {
            let declined = |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::Declined { .. });
            if transaction.facts.iter().any(declined) {
                return Ok(Effect::Replay);
            }
            if status == Status::Denied {
                return Err(Refusal::Status { operation: "decline", status: status.word() });
            }
            Fact::Declined { conflict: transaction.is_approved() }
        }
        Operation::Cancel { back, of } => match cancel(transaction, back, *of, c)? {
            Some(fact) => fact,
            None => return Ok(Effect::Replay),
        },
        Operation::Refund(back) => match take_back(transaction, back, c, &REFUND)? {
            None => return Ok(Effect::Replay),
            Some(amount) => Fact::Refunded {
                refund_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
                gives_back: c.refunds_give_back(),
            },
        },
        Operation::Chargeback(back) => match take_back(transaction, back, c, &CHARGEBACK)? {
            None => return Ok(Effect::Replay),
            Some(amount) => Fact::ChargedBack {
                chargeback_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
                conflict: amount > transaction.left_of_approved(),
            },
        },
        Operation::Extend { until } => {
            let before =
                |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::Extended { until: u } if u == *until);
            if transaction.facts.iter().any(before) {
                return Ok(Effect::Replay);
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
    // Money that moved is always taken; what a caller repeats by choice is bounded.
    if transaction.facts.len() >= FACTS_MAX && !matches!(fact, Fact::Approved { .. } | Fact::Declined { .. }) {
        return Err(Refusal::TooManyFacts(FACTS_MAX));
    }
    Ok(Effect::New(RecordedFact { at: c.now, fact }))
}

fn read(text: &str, c: Circumstances<'_>) -> Result<u64, Refusal> {
    parse_amount(text, c.minor_units).map_err(|error| Refusal::Amount { field: "amount", error })
}

fn same(is: bool, field: &'static str) -> Result<Effect, Refusal> {
    if is { Ok(Effect::Replay) } else { Err(Refusal::Conflict(vec![field])) }
}

/// The fact of a capture; `None`: the same capture again.
///
/// # Errors
/// The same capture with another amount or another `final`; no amount where nothing is left of the reservation.
fn capture(transaction: &Transaction, approval: &Approval, c: Circumstances<'_>) -> Result<Option<Fact>, Refusal> {
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
        // A record of a version that did not note whether an amount was sent is taken at its word.
        let sent_none = all || was_final.is_none() && amount == transaction.asked();
        let same_amount = written.map_or(sent_none, |written| written == amount);
        let differs = [("amount", !same_amount), ("final", was_final.is_some_and(|was_final| was_final != *is_final))];
        let fields: Vec<_> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        return if fields.is_empty() { Ok(None) } else { Err(Refusal::Conflict(fields)) };
    }
    let amount = match (written, sent, transaction.unpaid()) {
        (Some(written), ..) => written,
        (None, CaptureAmount::Whole, _) => transaction.asked(),
        (None, _, 0) if transaction.is_approved() => return Err(Refusal::AmountNeeded),
        // All of it was released and money moved all the same: the whole amount of the reserve.
        (None, _, 0) => transaction.asked(),
        (None, _, unpaid) => unpaid,
    };
    if transaction.totals.approved.checked_add(amount).is_none() {
        return Err(Refusal::Amount { field: "amount", error: AmountError::TooLarge });
    }
    let status = transaction.status(c.now);
    let totals = &transaction.totals;
    let awaited = transaction.is_approved() && !totals.is_closed && totals.asked > 0;
    let ran_out = awaited && !transaction.is_open(c.now);
    // Where nothing was reserved nothing was refused either.
    let is_refused = matches!(status, Status::Declined | Status::Denied | Status::Cancelled)
        && totals.approved == 0
        && totals.asked > 0;
    let flags = Flags::NONE
        .with(Flag::Late, status == Status::Expired || ran_out && transaction.opening.opened != Opened::Denied)
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
/// The same cancel with another amount or other money; more than is left; a status that leaves nothing to cancel.
fn cancel(
    transaction: &Transaction,
    back: &TakeBack,
    sent: Option<CancelOf>,
    c: Circumstances<'_>,
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
        let same_amount = take_back(transaction, back, c, &CANCEL_OF_APPROVED);
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
    let of = sent.unwrap_or(match transaction.held(c.now) {
        // Before an approval there is only the reservation.
        0 if transaction.is_approved() => CancelOf::Approved,
        _ => CancelOf::Reservation,
    });
    let kind = match of {
        CancelOf::Reservation => &CANCEL_OF_RESERVATION,
        CancelOf::Approved => &CANCEL_OF_APPROVED,
    };
    let amount = take_back(transaction, back, c, kind)?;
    Ok(amount.map(|amount| Fact::Cancelled {
        cancel_id: back.id.as_deref().map(Into::into),
        amount,
        all: back.amount.is_none(),
        of: Some(of),
        names_of: sent.is_some(),
    }))
}

/// What was taken back before: its id, its amount, and whether all that was left was asked for.
type Earlier<'a> = (Option<&'a str>, u64, bool);

/// What tells a cancel, a refund and a chargeback apart.
struct Kind {
    operation: &'static str,
    id_field: &'static str,
    earlier: fn(&Fact) -> Option<Earlier<'_>>,
    left: fn(&Transaction, Millis) -> u64,
    allows: fn(Status, &Transaction) -> bool,
}

const CANCEL_OF_RESERVATION: Kind = Kind {
    operation: "cancel",
    id_field: "cancel_id",
    earlier: earlier_cancel,
    left: Transaction::held,
    allows: |status, transaction| transaction.is_approved() || matches!(status, Status::Reserved | Status::Cancelled),
};

const CANCEL_OF_APPROVED: Kind = Kind {
    operation: "cancel",
    id_field: "cancel_id",
    earlier: earlier_cancel,
    left: |transaction, _| transaction.left_of_approved(),
    allows: |status, transaction| transaction.is_approved() || matches!(status, Status::Reserved | Status::Cancelled),
};

fn earlier_cancel(fact: &Fact) -> Option<Earlier<'_>> {
    match fact {
        Fact::Cancelled { cancel_id, amount, all, .. } => Some((cancel_id.as_deref(), *amount, *all)),
        _ => None,
    }
}

const REFUND: Kind = Kind {
    operation: "refund",
    id_field: "refund_id",
    earlier: |fact| match fact {
        Fact::Refunded { refund_id, amount, all, .. } => Some((refund_id.as_deref(), *amount, *all)),
        _ => None,
    },
    left: |transaction, _| transaction.left_of_approved(),
    allows: |_, transaction| transaction.is_approved(),
};

const CHARGEBACK: Kind = Kind {
    operation: "charge back",
    id_field: "chargeback_id",
    earlier: |fact| match fact {
        Fact::ChargedBack { chargeback_id, amount, all, .. } => Some((chargeback_id.as_deref(), *amount, *all)),
        _ => None,
    },
    // The bank takes approved money, also where some of it went back already.
    left: |transaction, _| transaction.totals.approved.saturating_sub(transaction.totals.charged_back),
    allows: |_, transaction| transaction.is_approved(),
};

/// The amount that goes back; `None` where it was said before.
fn take_back(
    transaction: &Transaction,
    back: &TakeBack,
    c: Circumstances<'_>,
    kind: &Kind,
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

/// What a reserve means for an id that is known: the same again, or the reserve behind an approval.
#[must_use]
pub fn asks_late(transaction: &Transaction) -> bool {
    let asked = |recorded_fact: &RecordedFact| matches!(recorded_fact.fact, Fact::Asked { .. });
    transaction.opening.opened == Opened::Unreserved && !transaction.facts.iter().any(asked)
}

//! What may happen to a transaction that is open: a pure function of the transaction, the operation and time.

use super::{
    money::{Minor, parse_amount},
    refusal::Refusal,
    rules::{Refunds, words},
    time::Millis,
    transaction::{FACTS_MAX, Fact, Flag, Noted, Opened, Status, Transaction},
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
    Approve {
        /// `None`: what was asked for.
        amount: Option<String>,
        /// `None`: the capture without a name.
        capture_id: Option<String>,
        /// The gate that paid.
        gate: Option<String>,
        /// The gateway's token.
        instrument: Option<String>,
    },
    /// The processor refused.
    Decline,
    /// Given back.
    Cancel(TakeBack),
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
    New(Noted),
    /// It was said before.
    Replay,
}

/// What an operation is judged by, besides its transaction.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The fraction digits of the transaction's currency.
    pub minor_units: u8,
    /// The merchant's option.
    pub refunds: Refunds,
    /// The time.
    pub now: Millis,
}

/// Judges an operation on a transaction.
///
/// # Errors
/// What the transaction's facts do not allow; approvals of money that moved are never among them.
pub fn judge(transaction: &Transaction, operation: &Operation, c: Circumstances) -> Result<Effect, Refusal> {
    let status = transaction.status(c.now);
    let fact = match operation {
        Operation::Approve { amount, capture_id, gate, instrument } => {
            let amount = match amount {
                Some(text) => read(text, c)?,
                None => transaction.asked(),
            };
            if let Some(earlier) = capture(transaction, capture_id.as_deref()) {
                return same(earlier == amount, "amount");
            }
            if transaction.totals.approved.checked_add(amount).is_none() {
                let error = super::money::AmountError::TooLarge;
                return Err(Refusal::Amount { field: "amount", error });
            }
            let flag = match status {
                Status::Expired => Some(Flag::Late),
                Status::Declined | Status::Denied => Some(Flag::Conflict),
                _ => None,
            };
            let capture_id = capture_id.as_deref().map(Into::into);
            Fact::Approved {
                capture_id,
                amount,
                gate: gate.as_deref().map(Into::into),
                instrument: instrument.as_deref().map(Into::into),
                flag,
            }
        }
        Operation::Decline => {
            let declined = |noted: &Noted| matches!(noted.fact, Fact::Declined { .. });
            if transaction.facts.iter().any(declined) {
                return Ok(Effect::Replay);
            }
            if status == Status::Denied {
                return Err(Refusal::Status { operation: "decline", status: status.word() });
            }
            Fact::Declined { conflict: transaction.is_approved() }
        }
        Operation::Cancel(back) => match take_back(transaction, back, c, &CANCEL)? {
            None => return Ok(Effect::Replay),
            Some(amount) => {
                Fact::Cancelled { cancel_id: back.id.as_deref().map(Into::into), amount, all: back.amount.is_none() }
            }
        },
        Operation::Refund(back) => match take_back(transaction, back, c, &REFUND)? {
            None => return Ok(Effect::Replay),
            Some(amount) => Fact::Refunded {
                refund_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
                gives_back: c.refunds == Refunds::Original,
            },
        },
        Operation::Chargeback(back) => match take_back(transaction, back, c, &CHARGEBACK)? {
            None => return Ok(Effect::Replay),
            Some(amount) => Fact::ChargedBack {
                chargeback_id: back.id.as_deref().map(Into::into),
                amount,
                all: back.amount.is_none(),
            },
        },
        Operation::Extend { until } => {
            let before = |noted: &Noted| matches!(noted.fact, Fact::Extended { until: u } if u == *until);
            if transaction.facts.iter().any(before) {
                return Ok(Effect::Replay);
            }
            if status != Status::Reserved {
                return Err(Refusal::Status { operation: "extend", status: status.word() });
            }
            match transaction.hold_until {
                Some(end) if *until > end => Fact::Extended { until: *until },
                end => return Err(Refusal::NotLater(end.map_or_else(|| "never".to_owned(), |end| end.to_string()))),
            }
        }
        Operation::Attempt { attempt, gate, outcome } => {
            let earlier = transaction.facts.iter().find_map(|noted| match &noted.fact {
                Fact::Attempted { attempt: n, gate, outcome } if n == attempt => Some((gate, outcome)),
                _ => None,
            });
            match earlier {
                Some((g, _)) if **g != **gate => return same(false, "gate"),
                Some((_, o)) => return same(**o == **outcome, "outcome"),
                None => {
                    Fact::Attempted { attempt: *attempt, gate: gate.as_str().into(), outcome: outcome.as_str().into() }
                }
            }
        }
    };
    // Money that moved is always taken; what a caller repeats by choice is bounded.
    if transaction.facts.len() >= FACTS_MAX && !matches!(fact, Fact::Approved { .. } | Fact::Declined { .. }) {
        return Err(Refusal::TooManyFacts(FACTS_MAX));
    }
    Ok(Effect::New(Noted { at: c.now, fact }))
}

fn read(text: &str, c: Circumstances) -> Result<u64, Refusal> {
    parse_amount(text, c.minor_units).map_err(|error| Refusal::Amount { field: "amount", error })
}

fn same(is: bool, field: &'static str) -> Result<Effect, Refusal> {
    if is { Ok(Effect::Replay) } else { Err(Refusal::Conflict(vec![field])) }
}

fn capture(transaction: &Transaction, id: Option<&str>) -> Option<u64> {
    transaction.facts.iter().find_map(|noted| match &noted.fact {
        Fact::Approved { capture_id, amount, .. } if capture_id.as_deref() == id => Some(*amount),
        _ => None,
    })
}

/// What was taken back before: its id, its amount, and whether all that was left was asked for.
type Earlier<'a> = (Option<&'a str>, u64, bool);

/// What tells a cancel, a refund and a chargeback apart.
struct Kind {
    operation: &'static str,
    id_field: &'static str,
    earlier: fn(&Fact) -> Option<Earlier<'_>>,
    left: fn(&Transaction) -> u64,
    allows: fn(Status, &Transaction) -> bool,
}

const CANCEL: Kind = Kind {
    operation: "cancel",
    id_field: "cancel_id",
    earlier: |fact| match fact {
        Fact::Cancelled { cancel_id, amount, all } => Some((cancel_id.as_deref(), *amount, *all)),
        _ => None,
    },
    left: Transaction::left,
    allows: |status, transaction| transaction.is_approved() || matches!(status, Status::Reserved | Status::Cancelled),
};

const REFUND: Kind = Kind {
    operation: "refund",
    id_field: "refund_id",
    earlier: |fact| match fact {
        Fact::Refunded { refund_id, amount, all, .. } => Some((refund_id.as_deref(), *amount, *all)),
        _ => None,
    },
    left: Transaction::left,
    allows: |_, transaction| transaction.is_approved(),
};

const CHARGEBACK: Kind = Kind {
    operation: "charge back",
    id_field: "chargeback_id",
    earlier: |fact| match fact {
        Fact::ChargedBack { chargeback_id, amount, all } => Some((chargeback_id.as_deref(), *amount, *all)),
        _ => None,
    },
    left: |transaction| transaction.totals.approved.saturating_sub(transaction.totals.charged_back),
    allows: |_, transaction| transaction.is_approved(),
};

/// The amount that goes back; `None` where it was said before.
fn take_back(
    transaction: &Transaction,
    back: &TakeBack,
    c: Circumstances,
    kind: &Kind,
) -> Result<Option<u64>, Refusal> {
    let amount = back.amount.as_deref().map(|text| read(text, c)).transpose()?;
    if amount.is_some() && back.id.is_none() {
        return Err(Refusal::AmountNeedsId(kind.id_field));
    }
    let earlier = transaction.facts.iter().filter_map(|noted| (kind.earlier)(&noted.fact));
    if let Some((_, earlier, all)) = earlier.clone().find(|(id, ..)| *id == back.id.as_deref()) {
        // "All that is left" and its amount are the same request; an amount and "all" are not.
        let is_same = amount.map_or(all, |amount| amount == earlier);
        return if is_same { Ok(None) } else { Err(Refusal::Conflict(vec!["amount"])) };
    }
    let status = transaction.status(c.now);
    if !(kind.allows)(status, transaction) {
        return Err(Refusal::Status { operation: kind.operation, status: status.word() });
    }
    let left = (kind.left)(transaction);
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
    transaction.opening.opened == Opened::Unreserved && transaction.totals.asked == 0
}

//! The life of a transaction: which fact a line adds to the list, which flags it raises, and when it is refused.

use crate::model::calendar::written;
use crate::model::ledger::{CancelSource, Fact, Kind, Transaction, TransitionContent};
use crate::model::request::Line;

/// The HTTP status of a refusal.
pub type Refusal = u16;
pub const MALFORMED: Refusal = 400;
pub const UNKNOWN: Refusal = 404;
pub const DIFFERS: Refusal = 409;
pub const IMPOSSIBLE: Refusal = 422;

/// What a transition came to: a fact that is added, or None where it is a repetition, with the flags that it raises.
pub type Next = Option<(Fact, Vec<&'static str>)>;

fn wording(line: &Line, amount: Option<i128>) -> TransitionContent {
    let attempt = line.gate.clone().zip(line.outcome.clone()).filter(|_| line.op == "attempt");
    TransitionContent { amount, of: line.of, is_final: line.is_final, attempt }
}

/// The capture that an unreserved approval is.
pub fn capture(id: Option<String>, amount: i128, is_final: bool) -> Fact {
    let sent = TransitionContent { amount: Some(amount), is_final, ..TransitionContent::default() };
    Fact { kind: Kind::Capture, id, sent, amount, of: None, until: None }
}

fn decline() -> Fact {
    Fact { kind: Kind::Decline, id: None, sent: TransitionContent::default(), amount: 0, of: None, until: None }
}

/// The outcome that a payment brings along.
pub fn outcome(declined: bool, amount: i128) -> Fact {
    if declined {
        return decline();
    }
    // It is the capture without a name, of the whole, of which no amount was sent.
    let whole = capture(None, amount, true);
    Fact { sent: TransitionContent { amount: None, ..whole.sent }, ..whole }
}

/// The flags that an approval raises by the state that it meets.
pub fn flags_of_a_capture(transaction: &Transaction, now: i64) -> Vec<&'static str> {
    let mut captures = transaction.facts_of(Kind::Capture).peekable();
    let is_first = captures.peek().is_none();
    let is_closed = captures.any(|f| f.sent.is_final);
    let was_refused = transaction.denied || transaction.facts_of(Kind::Decline).next().is_some();
    let was_cancelled = is_first && transaction.status(now) == "cancelled";
    let awaited = if is_first { transaction.status(now) == "expired" } else { !is_closed && !transaction.denied };
    let mut flags = Vec::new();
    if was_refused || is_closed || was_cancelled {
        flags.push("conflict");
    }
    if awaited && transaction.hold_has_ended(now) {
        flags.push("late");
    }
    flags
}

/// The fact that a transition adds, with the flags that it raises; None where it is a repetition.
pub fn next_fact(
    line: &Line,
    amount: Option<i128>,
    transaction: &Transaction,
    now: i64,
    in_time: bool,
) -> Result<Next, Refusal> {
    let (kind, id) = match line.op.as_str() {
        "approve" => (Kind::Capture, line.capture_id.clone()),
        "decline" => (Kind::Decline, None),
        "cancel" => (Kind::Cancel, line.cancel_id.clone()),
        "refund" => (Kind::Refund, line.refund_id.clone()),
        "chargeback" => (Kind::Chargeback, line.chargeback_id.clone()),
        "extend" => (Kind::Extend, line.until.map(written)),
        _ => (Kind::Attempt, line.attempt.map(|n| n.to_string())),
    };
    let sent = wording(line, amount);
    if let Some(before) = transaction.facts_of(kind).find(|f| f.id == id) {
        let same = match kind {
            Kind::Capture => {
                (sent.amount == before.sent.amount || sent.amount == Some(before.amount))
                    && sent.is_final == before.sent.is_final
            }
            Kind::Cancel => (sent.amount, sent.of) == (before.sent.amount, before.sent.of),
            Kind::Refund | Kind::Chargeback => sent.amount == before.sent.amount,
            Kind::Attempt => sent.attempt == before.sent.attempt,
            Kind::Decline | Kind::Extend => true,
        };
        return if same { Ok(None) } else { Err(DIFFERS) };
    }
    if !in_time {
        return Err(IMPOSSIBLE);
    }
    let fact = |amount: i128, of: Option<CancelSource>| Fact {
        kind,
        id: id.clone(),
        sent: sent.clone(),
        amount,
        of,
        until: line.until.filter(|_| kind == Kind::Extend),
    };
    match kind {
        Kind::Capture => approve(amount, transaction, now).map(|(amount, flags)| Some((fact(amount, None), flags))),
        Kind::Decline if transaction.status(now) == "denied" => Err(IMPOSSIBLE),
        Kind::Decline => {
            let flags = transaction.approved().map(|_| "conflict").into_iter().collect();
            Ok(Some((fact(0, None), flags)))
        }
        Kind::Cancel => {
            let (of, left) = cancellable(line.of, transaction, now);
            within(amount, left).map(|amount| Some((fact(amount, Some(of)), Vec::new())))
        }
        Kind::Refund => within(amount, transaction.left()).map(|amount| Some((fact(amount, None), Vec::new()))),
        Kind::Chargeback => {
            let approved = transaction.approved().unwrap_or(0);
            let amount = within(amount, approved - transaction.charged_back())?;
            let flags = if amount > transaction.left() { vec!["conflict"] } else { Vec::new() };
            Ok(Some((fact(amount, None), flags)))
        }
        Kind::Extend => {
            let may_be = matches!(transaction.status(now), "reserved") || transaction.is_open(now);
            let later = transaction.expires_at().is_some_and(|end| line.until.is_some_and(|until| until > end));
            if may_be && later { Ok(Some((fact(0, None), Vec::new()))) } else { Err(IMPOSSIBLE) }
        }
        Kind::Attempt => Ok(Some((fact(0, None), Vec::new()))),
    }
}

/// What an approval captures: what was sent, or what is left of the reservation, or the whole of it where nothing is
/// left and nothing was approved yet.
fn approve(amount: Option<i128>, transaction: &Transaction, now: i64) -> Result<(i128, Vec<&'static str>), Refusal> {
    let mut flags = flags_of_a_capture(transaction, now);
    // An unreserved approval reserved nothing; a denied reserve asked for its amount all the same.
    let asked = if transaction.denied { transaction.sent.amount } else { transaction.reserved.unwrap_or(0) };
    let left = asked - transaction.released() - transaction.approved().unwrap_or(0);
    let amount = match amount {
        Some(amount) => amount,
        None if left > 0 => left,
        None if transaction.approved().is_none() => {
            flags.push("conflict");
            asked
        }
        None => return Err(IMPOSSIBLE),
    };
    Ok((amount, flags))
}

/// The money that a cancel takes, and how much of it is left.
fn cancellable(of: Option<CancelSource>, transaction: &Transaction, now: i64) -> (CancelSource, i128) {
    let held_amount = transaction.held_amount(now);
    let of = of.unwrap_or(if held_amount > 0 { CancelSource::Reservation } else { CancelSource::Approved });
    match of {
        CancelSource::Reservation => (of, held_amount),
        CancelSource::Approved => (of, transaction.left()),
    }
}

/// An amount that was sent, or all that is left; nothing where there is not so much.
fn within(amount: Option<i128>, left: i128) -> Result<i128, Refusal> {
    let amount = amount.unwrap_or(left);
    if left <= 0 || amount > left { Err(IMPOSSIBLE) } else { Ok(amount) }
}

//! The life of a transaction: which fact a line adds to the list, which flag it raises, and when it is refused.

use crate::calendar::written;
use crate::ledger::{Fact, Kind, Transaction};
use crate::request::Line;

/// The HTTP status of a refusal.
pub type Refusal = u16;
pub const MALFORMED: Refusal = 400;
pub const UNKNOWN: Refusal = 404;
pub const DIFFERS: Refusal = 409;
pub const IMPOSSIBLE: Refusal = 422;

pub fn capture(id: Option<String>, amount: i128) -> Fact {
    Fact { kind: Kind::Capture, id, sent: amount.to_string(), amount, until: None }
}

fn decline() -> Fact {
    Fact { kind: Kind::Decline, id: None, sent: String::new(), amount: 0, until: None }
}

/// The outcome that a payment brings along.
pub fn outcome(declined: bool, amount: i128) -> Fact {
    if declined { decline() } else { capture(None, amount) }
}

/// The fact that a transition adds, with the flag that it raises; None where it is a repetition.
pub fn next_fact(
    line: &Line,
    amount: Option<i128>,
    transaction: &Transaction,
    now: i64,
    in_time: bool,
) -> Result<Option<(Fact, Option<&'static str>)>, Refusal> {
    let status = transaction.status(now);
    let approved = transaction.approved();
    let as_sent = amount.map(|a| a.to_string()).unwrap_or_default();
    let (kind, id, sent) = match line.op.as_str() {
        "approve" => {
            let asked = amount.unwrap_or(transaction.sent.amount);
            (Kind::Capture, line.capture_id.clone(), asked.to_string())
        }
        "decline" => (Kind::Decline, None, String::new()),
        "cancel" => (Kind::Cancel, line.cancel_id.clone(), as_sent),
        "refund" => (Kind::Refund, line.refund_id.clone(), as_sent),
        "chargeback" => (Kind::Chargeback, line.chargeback_id.clone(), as_sent),
        "extend" => (Kind::Extend, line.until.map(written), String::new()),
        _ => (Kind::Attempt, line.attempt.map(|n| n.to_string()), format!("{:?} {:?}", line.gate, line.outcome)),
    };
    if let Some(same) = transaction.facts_of(kind).find(|f| f.id == id) {
        return if same.sent == sent { Ok(None) } else { Err(DIFFERS) };
    }
    if !in_time {
        return Err(IMPOSSIBLE);
    }
    let fact = |amount: i128| Fact { kind, id: id.clone(), sent: sent.clone(), amount, until: line.until };
    let never_paid_and_over = approved.is_none() && matches!(status, "declined" | "expired" | "denied");
    match kind {
        Kind::Capture => {
            let amount = amount.unwrap_or(transaction.sent.amount);
            let flag = match status {
                "denied" | "declined" => Some("conflict"),
                "expired" => Some("late"),
                _ => None,
            };
            Ok(Some((fact(amount), flag)))
        }
        Kind::Decline if status == "denied" => Err(IMPOSSIBLE),
        Kind::Decline => Ok(Some((fact(0), approved.map(|_| "conflict")))),
        Kind::Cancel | Kind::Refund | Kind::Chargeback => {
            let paid = match (kind, approved) {
                (_, Some(approved)) => approved,
                (Kind::Cancel, None) => transaction.reserved.unwrap_or(0),
                _ => 0,
            };
            let gone = match kind {
                // Money that was taken back by force was taken, whatever else was given back before.
                Kind::Chargeback => transaction.charged_back(),
                _ => transaction.cancelled() + transaction.refunded(),
            };
            let left = (paid - gone).max(0);
            let moved = amount.unwrap_or(left);
            if never_paid_and_over || left == 0 || moved > left {
                return Err(IMPOSSIBLE);
            }
            Ok(Some((fact(moved), None)))
        }
        Kind::Extend => {
            let later = transaction.expires_at().is_some_and(|end| line.until.is_some_and(|until| until > end));
            if status == "reserved" && later { Ok(Some((fact(0), None))) } else { Err(IMPOSSIBLE) }
        }
        Kind::Attempt => Ok(Some((fact(0), None))),
    }
}

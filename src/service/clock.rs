//! The system clock: shown, and accepted by an operator.

use crate::{
    clock::{Clock, Source},
    config::body::object,
    domain::vocabulary::{names::Name, time::Millis},
    ledger::ClockAcceptance,
    service::{
        documents::{as_text::AsText, card_guard::no_card_in_json, json::boolean},
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// The clock in the status.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClockState")]
pub(crate) struct ClockDocument {
    /// `accepted`; `jumped`: requests that need the present time are refused; `request`: the times of requests count.
    #[schemars(extend("enum" = ["accepted", "jumped", "request"]))]
    state: &'static str,
    /// The time with which records are stamped; `None`: no request has named a time.
    time: Option<AsText<Millis>>,
    /// The system clock.
    wall: AsText<Millis>,
    /// The seconds from the time to the system clock, while that is not accepted.
    step_seconds: Option<i64>,
}

impl ClockDocument {
    pub(crate) fn of(clock: &Clock) -> Self {
        let doubt = clock.unaccepted_difference();
        let state = match (clock.source(), doubt) {
            (Source::Requests, _) => "request",
            (Source::System, None) => "accepted",
            (Source::System, Some(_)) => "jumped",
        };
        Self {
            state,
            time: clock.stamp(None).ok().map(|stamp| AsText(stamp.at)),
            wall: AsText(clock.wall()),
            step_seconds: doubt.map(|difference| difference.step_ms / 1_000),
        }
    }
}

/// What the acceptance of the clock changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClockAccepted")]
pub(crate) struct AcceptedClockDocument {
    /// The time before.
    before: AsText<Millis>,
    /// The time since then.
    after: AsText<Millis>,
    /// From `before` to `after`; negative: the time went back.
    difference_ms: i64,
    /// Whether the acceptance was recorded; `false`: the clock was right, and nothing was changed.
    recorded: bool,
    /// Transactions later than `after` that are in memory, denied ones included.
    future_transactions: u64,
    /// Those of them that count in usage.
    future_entries: u64,
    /// Those of them whose hold is open and will end.
    future_holds: u64,
    /// Whether these were moved to `after`; otherwise they count in every window until the clock reaches them.
    moved: bool,
}

impl PaymentService {
    /// Accepts the system clock as it is. A body can request that future usage entries move to the new time. It visits all
    /// customers, after a snapshot in progress.
    ///
    /// # Errors
    /// The body is malformed, or the clock takes its time from requests.
    pub fn accept_clock(&self, body: &[u8], by: Option<Name>) -> Answered {
        no_card_in_json(body, None)?;
        let moves = moves_entries(body)?;
        if self.clock.source() == Source::Requests {
            return Err(ServiceError::clock_by_requests());
        }
        let (accepted, _) = self.ledger.accept_clock(moves, by, &mut || self.clock.accept());
        let ClockAcceptance { step, from_future, is_recorded } = accepted;
        let out = AcceptedClockDocument {
            before: AsText(step.before),
            after: AsText(step.after),
            difference_ms: step.after.since(step.before),
            recorded: is_recorded,
            future_transactions: from_future.transactions,
            future_entries: from_future.entries,
            future_holds: from_future.holds,
            moved: moves,
        };
        let effect = if moves { "moved to it" } else { "counted until the clock reaches them" };
        tracing::warn!(
            "the system clock was accepted by {}: the time was {} and is {} ({} s); {} transactions, {} usage entries and {} open \
         holds are later than that and are {effect}",
            by.as_ref().map_or("a caller without a token", |by| by.as_str()),
            step.before,
            step.after,
            out.difference_ms / 1_000,
            from_future.transactions,
            from_future.entries,
            from_future.holds,
        );
        Ok(Reply::new(&out))
    }
}

fn moves_entries(body: &[u8]) -> Result<bool, ServiceError> {
    const FIELD: &str = "move_future_entries";
    if body.trim_ascii().is_empty() {
        return Ok(false);
    }
    let mut moves = false;
    for (key, raw) in object(body)?.0 {
        if key != FIELD {
            return Err(ServiceError::unknown_field(&key, FIELD));
        }
        moves = boolean(FIELD, raw)?;
    }
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error::ErrorKind;

    #[test]
    fn the_body_is_optional_and_strict() {
        for (body, want) in [
            ("", Some(false)),
            (" \n", Some(false)),
            ("{}", Some(false)),
            (r#"{"move_future_entries": false}"#, Some(false)),
            (r#"{"move_future_entries": true}"#, Some(true)),
            (r#"{"move_future_entries": null}"#, None),
            (r#"{"move_future_entries": "true"}"#, None),
            (r#"{"move_future_entries": 1}"#, None),
            (r#"{"move": true}"#, None),
            (r#"{"move_future_entries": true, "move_future_entries": true}"#, None),
            ("[]", None),
            ("true", None),
        ] {
            let read = moves_entries(body.as_bytes());
            assert!(read.as_ref().err().is_none_or(|problem| problem.kind == ErrorKind::Malformed), "{body}: {read:?}");
            assert_eq!(read.ok(), want, "{body}");
        }
    }
}

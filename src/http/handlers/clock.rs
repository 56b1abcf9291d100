//! The system clock over the wire: accepted as it is, shown, measured.

use crate::{
    clock::{Clock, Source},
    config::parse::body::object,
    domain::vocabulary::{names::Name, time::Millis},
    ledger::ClockAccepted,
};
use crate::{
    http::{
        dto::{answers::Shows, card_guard::no_card_in_json, problem::Problem},
        handlers::handlers::{Daemon, read_body, told},
        server::grants::Grant,
    },
    service::payments::{PaymentService, render},
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::sync::Arc;

/// The clock in the status.
#[derive(Serialize)]
pub(crate) struct ClockOut {
    /// `accepted`; `jumped`: what needs the present time waits; `request`: the times of requests count.
    state: &'static str,
    /// With which records are stamped; `None`: no request has said a time.
    time: Option<Shows<Millis>>,
    /// The system clock.
    wall: Shows<Millis>,
    /// From the time to the system clock, while that is not accepted.
    step_seconds: Option<i64>,
}

impl ClockOut {
    pub(crate) fn of(clock: &Clock) -> Self {
        let doubt = clock.doubt();
        let state = match (clock.source(), doubt) {
            (Source::Requests, _) => "request",
            (Source::System, None) => "accepted",
            (Source::System, Some(_)) => "jumped",
        };
        Self {
            state,
            time: clock.stamp(None).ok().map(|stamp| Shows(stamp.at)),
            wall: Shows(clock.wall()),
            step_seconds: doubt.map(|difference| difference.step_ms / 1_000),
        }
    }
}

/// Sets the gauges of the clock.
pub(crate) fn measure(clock: &Clock) {
    let doubt = clock.doubt();
    metrics::gauge!("levelgate_clock_accepted").set(if doubt.is_none() { 1.0 } else { 0.0 });
    // Seconds of any step fit 32 bits.
    let seconds = doubt.map_or(0, |difference| difference.step_ms / 1_000);
    let seconds = i32::try_from(seconds).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX });
    metrics::gauge!("levelgate_clock_step_seconds").set(f64::from(seconds));
}

/// What an accepted clock did.
#[derive(Serialize)]
struct AcceptedOut {
    before: Shows<Millis>,
    after: Shows<Millis>,
    /// From the one to the other; negative: the time went back.
    difference_ms: i64,
    /// `false`: the clock was right, and nothing was changed.
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

/// `POST /v1/clock/accept`.
pub(crate) async fn accept(State(daemon): State<Arc<Daemon>>, grant: Option<Extension<Grant>>, body: Body) -> Response {
    let read = async {
        let body = read_body(&daemon, body).await?;
        no_card_in_json(&body, None)?;
        moves_entries(&body)
    };
    let moves = match read.await {
        Ok(moves) => moves,
        Err(problem) => return problem.into_response(),
    };
    let (by, desk) = (grant.map(|grant| grant.name), Arc::clone(&daemon.desk));
    // It passes over all customers, after a snapshot that is being taken: not on the threads that answer payments.
    match tokio::task::spawn_blocking(move || accept_with(&desk, moves, by)).await {
        Ok(done) => told(&daemon.desk, done).await,
        Err(_) => Problem::internal().into_response(),
    }
}

fn moves_entries(body: &[u8]) -> Result<bool, Problem> {
    const FIELD: &str = "move_future_entries";
    if body.trim_ascii().is_empty() {
        return Ok(false);
    }
    let mut moves = false;
    for (key, raw) in object(body)?.0 {
        if key != FIELD {
            let detail = format!("`{key}` is not taken here; taken is {FIELD}");
            return Err(Problem::malformed("unknown_field", detail).at(&key));
        }
        let bad = |_| Problem::malformed("wrong_type", format!("`{FIELD}` is true or false")).at(FIELD);
        moves = serde_json::from_str(raw.get()).map_err(bad)?;
    }
    Ok(moves)
}

fn accept_with(desk: &PaymentService, moves: bool, by: Option<Name>) -> Result<Vec<u8>, Problem> {
    if desk.clock.source() == Source::Requests {
        return Err(Problem::clock_by_requests());
    }
    let (accepted, _) = desk.ledger.accept_clock(moves, by, &mut || desk.clock.accept());
    let ClockAccepted { step, from_future, is_recorded } = accepted;
    let out = AcceptedOut {
        before: Shows(step.before),
        after: Shows(step.after),
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
    Ok(render(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(read.as_ref().err().is_none_or(|problem| problem.status == 400), "{body}: {read:?}");
            assert_eq!(read.ok(), want, "{body}");
        }
    }
}

//! The wait for a commit: no answer is sent before the journal holds every record that it depends on, and no answer to a
//! write while another daemon may have taken over.

use crate::{
    replication::{
        shipping_state::{Confirmation, MayAnswer, ShippingState},
        standby_state::StandbyState,
    },
    service::error::ServiceError,
    storage::journal::{Failed, Journal, Lsn},
    telemetry::latency::COMMIT_WAIT,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What an answer tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// The state. It also leaves while Redis is away.
    Read,
    /// The outcome of a change.
    Write,
}

/// Decides when an answer may leave. Every path that answers a request uses it.
///
/// Without `[redis]` an answer waits for the journal alone. With `[redis]` the gate also
///
/// - refuses a write before it is decided, if the lease may have ended or another daemon has taken over;
/// - waits until Redis has confirmed the record, if `ack` demands it, or until an outage is established;
/// - checks the lease again just before the answer to a write leaves.
///
/// A standby refuses every write until it has taken over. Its records are in Redis already, so that reads wait for its
/// journal alone.
#[derive(Debug, Clone, Default)]
pub struct AnswerGate {
    shipping: Option<Arc<ShippingState>>,
    standby: Option<Arc<StandbyState>>,
}

impl AnswerGate {
    /// A gate that waits for the journal alone.
    #[must_use]
    pub fn local() -> Self {
        Self::default()
    }

    /// A gate that also follows the rules of `[redis]`.
    #[must_use]
    pub fn shipped(shipping: Arc<ShippingState>) -> Self {
        Self { shipping: Some(shipping), standby: None }
    }

    /// The gate of a standby, which follows the rules of `[redis]` once it has taken over.
    #[must_use]
    pub fn of_standby(shipping: Arc<ShippingState>, standby: Arc<StandbyState>) -> Self {
        Self { shipping: Some(shipping), standby: Some(standby) }
    }

    /// The state of the standby; `None`: the daemon is a primary.
    #[must_use]
    pub fn standby(&self) -> Option<&Arc<StandbyState>> {
        self.standby.as_ref().filter(|standby| standby.is_standby())
    }

    /// The state of shipping; `None` without `[redis]`.
    #[must_use]
    pub fn shipping(&self) -> Option<&Arc<ShippingState>> {
        self.shipping.as_ref()
    }

    /// The last record that the event feed shows. Its readers remember their position, so it shows no record that can be
    /// lost. During an outage that stops the writes, another daemon takes over without the records that Redis lacks.
    #[must_use]
    pub fn feed_through(&self, journal: &Journal) -> Lsn {
        if self.holds_feed() { journal.shipped() } else { Lsn(u64::MAX) }
    }

    fn holds_feed(&self) -> bool {
        let rules = self.shipping.as_ref().map(|shipping| shipping.rules());
        rules.is_some_and(|rules| rules.waits_for_redis && !rules.continues_without) && self.standby().is_none()
    }

    /// Waits until the event feed shows a record after this one.
    ///
    /// # Errors
    /// The journal has failed.
    pub async fn when_in_feed(&self, journal: &Journal, after: Lsn) -> Result<(), Failed> {
        journal.lasting_after(after).await?;
        if self.holds_feed() { journal.shipped_to(Lsn(after.0.saturating_add(1))).await } else { Ok(()) }
    }

    /// Whether a request of this kind may be decided.
    ///
    /// # Errors
    /// The lease may have ended, Redis is away and this daemon does not continue without it, or another daemon has taken
    /// over. Nothing is recorded.
    pub fn may_decide(&self, kind: AnswerKind) -> Result<(), ServiceError> {
        let Some(shipping) = &self.shipping else { return Ok(()) };
        if self.standby().is_some() {
            return if kind == AnswerKind::Read { Ok(()) } else { Err(ServiceError::standby()) };
        }
        if kind == AnswerKind::Read {
            return if shipping.is_fenced_out() { Err(ServiceError::fenced_out()) } else { Ok(()) };
        }
        match shipping.may_decide(Instant::now()) {
            MayAnswer::Yes => Ok(()),
            MayAnswer::RedisUnavailable => Err(ServiceError::redis_unavailable()),
            MayAnswer::FencedOut => Err(ServiceError::fenced_out()),
        }
    }

    /// Waits until an answer that depends on this record may leave. `None`: it depends on every record so far.
    ///
    /// # Errors
    /// The outcome of the request is unknown: the journal has failed, the lease may have ended, Redis is away and this
    /// daemon does not continue without it, or another daemon has taken over.
    pub async fn leave(
        &self,
        journal: &Journal,
        depends_on_lsn: Option<Lsn>,
        kind: AnswerKind,
    ) -> Result<(), ServiceError> {
        let lsn = depends_on_lsn.unwrap_or_else(|| journal.last());
        // An answer that waits for nothing needs no clock.
        let waits = self.shipping.is_some() || !journal.is_committed(lsn);
        let waits_since = waits.then(Instant::now);
        let committed = journal.committed(lsn).await.map_err(|_| ServiceError::outcome_unknown());
        let outcome = match &self.shipping {
            _ if committed.is_err() => committed,
            Some(_) if self.standby().is_some() && kind == AnswerKind::Read => Ok(()),
            None => Ok(()),
            Some(shipping) => leave_shipped(shipping, journal, lsn, kind).await,
        };
        COMMIT_WAIT.record(waits_since.map_or(Duration::ZERO, |since| since.elapsed()));
        outcome
    }
}

/// [`AnswerGate::leave`] with `[redis]`, once the record is committed.
async fn leave_shipped(
    shipping: &ShippingState,
    journal: &Journal,
    lsn: Lsn,
    kind: AnswerKind,
) -> Result<(), ServiceError> {
    if shipping.rules().waits_for_redis {
        let lsn = lsn.min(journal.last());
        let mut changes = shipping.subscribe();
        while journal.shipped() < lsn {
            match (shipping.confirmation(Instant::now()), kind) {
                (Confirmation::Pending, _) => {}
                (Confirmation::LeavesWithout, _) | (Confirmation::Unavailable, AnswerKind::Read) => break,
                (Confirmation::Unavailable, AnswerKind::Write) | (Confirmation::FencedOut, _) => {
                    return Err(ServiceError::not_confirmed());
                }
            }
            shipping.want();
            tokio::select! {
                shipped = journal.shipped_to(lsn) => shipped.map_err(|_| ServiceError::outcome_unknown())?,
                // The state owns the sender.
                _ = changes.changed() => {}
            }
        }
    }
    let is_refused = match kind {
        AnswerKind::Read => shipping.is_fenced_out(),
        AnswerKind::Write => shipping.may_answer_write(Instant::now()) != MayAnswer::Yes,
    };
    if is_refused { Err(ServiceError::not_confirmed()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::{RenewalTime, ShippingRules};
    use std::{future::Future, pin::pin, time::Duration};

    const TOTAL: Duration = Duration::from_secs(3);
    const CONTINUE: ShippingRules =
        ShippingRules { waits_for_redis: true, needs_lease: false, continues_without: true, outage_after: TOTAL };
    const REFUSE: ShippingRules = ShippingRules { needs_lease: true, continues_without: false, ..CONTINUE };
    const LOCAL: ShippingRules = ShippingRules { waits_for_redis: false, ..CONTINUE };

    fn gate(rules: ShippingRules) -> (AnswerGate, Arc<ShippingState>) {
        let state = Arc::new(ShippingState::new(rules));
        state.set_lease(RenewalTime::now(), TOTAL * 100);
        (AnswerGate::shipped(Arc::clone(&state)), state)
    }

    /// The outcome of a future that is polled once.
    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(outcome) => Some(outcome),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    fn code(outcome: Option<Result<(), ServiceError>>) -> Option<Result<(), String>> {
        outcome.map(|outcome| outcome.map_err(|error| error.code.into_owned()))
    }

    #[tokio::test]
    async fn an_answer_waits_for_the_journal_alone_without_redis() {
        let journal = Journal::in_memory();
        let lsn = journal.append(1, b"event").lsn;
        let gate = AnswerGate::local();
        assert_eq!(code(now(gate.leave(&journal, Some(lsn), AnswerKind::Write)).await), Some(Ok(())));
        let (gate, _) = super::tests::gate(LOCAL);
        assert_eq!(code(now(gate.leave(&journal, Some(lsn), AnswerKind::Write)).await), Some(Ok(())), "ack = local");
    }

    #[tokio::test]
    async fn an_answer_waits_until_redis_has_its_record() {
        for kind in [AnswerKind::Read, AnswerKind::Write] {
            let journal = Journal::in_memory();
            let lsn = journal.append(1, b"event").lsn;
            let (gate, _) = gate(REFUSE);
            let mut leaving = pin!(gate.leave(&journal, Some(lsn), kind));
            assert_eq!(code(now(leaving.as_mut()).await), None, "{kind:?}");
            journal.set_shipped(lsn);
            assert_eq!(code(now(leaving.as_mut()).await), Some(Ok(())), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn an_established_outage_lets_answers_leave_with_continue_alone() {
        let journal = Journal::in_memory();
        let lsn = journal.append(1, b"event").lsn;
        for (rules, kind, expected) in [
            (CONTINUE, AnswerKind::Write, Ok(())),
            (CONTINUE, AnswerKind::Read, Ok(())),
            (REFUSE, AnswerKind::Read, Ok(())),
            (REFUSE, AnswerKind::Write, Err("outcome_unknown".to_owned())),
        ] {
            let (gate, state) = gate(rules);
            let mut leaving = pin!(gate.leave(&journal, Some(lsn), kind));
            state.note_failure(Instant::now(), "connection refused".to_owned());
            assert_eq!(code(now(leaving.as_mut()).await), None, "not established: {rules:?} {kind:?}");
            let began = Instant::now().checked_sub(TOTAL).expect("the machine has run for that long");
            let (established, other) = gate_with_outage(rules, began);
            assert!(other.is_outage(Instant::now()));
            let outcome = now(established.leave(&journal, Some(lsn), kind)).await;
            assert_eq!(code(outcome), Some(expected), "{rules:?} {kind:?}");
        }
    }

    fn gate_with_outage(rules: ShippingRules, began: Instant) -> (AnswerGate, Arc<ShippingState>) {
        let state = Arc::new(ShippingState::since(rules, began));
        state.set_lease(RenewalTime::now(), TOTAL);
        state.note_failure(began, "connection refused".to_owned());
        (AnswerGate::shipped(Arc::clone(&state)), state)
    }

    #[tokio::test]
    async fn the_lease_is_checked_before_the_decision_and_before_the_answer() {
        let journal = Journal::in_memory();
        let lsn = journal.append(1, b"event").lsn;
        journal.set_shipped(lsn);
        let (gate, state) = gate(REFUSE);
        assert!(gate.may_decide(AnswerKind::Write).is_ok());
        state.end_lease();
        let refused = gate.may_decide(AnswerKind::Write).map_err(|error| error.code.into_owned());
        assert_eq!(refused, Err("redis_unavailable".to_owned()));
        assert!(gate.may_decide(AnswerKind::Read).is_ok());
        let outcome = now(gate.leave(&journal, Some(lsn), AnswerKind::Write)).await;
        assert_eq!(code(outcome), Some(Err("outcome_unknown".to_owned())));
        assert_eq!(code(now(gate.leave(&journal, Some(lsn), AnswerKind::Read)).await), Some(Ok(())));
    }

    #[tokio::test]
    async fn the_feed_shows_no_record_that_a_take_over_loses() {
        for (rules, is_held) in [
            (LOCAL, false),
            (CONTINUE, false),
            (REFUSE, true),
            (ShippingRules { needs_lease: false, ..REFUSE }, true),
            (ShippingRules { waits_for_redis: false, ..REFUSE }, false),
        ] {
            let journal = Journal::in_memory();
            let lsn = journal.append(1, b"event").lsn;
            let (gate, _) = gate(rules);
            let mut waiting = pin!(gate.when_in_feed(&journal, Lsn::NONE));
            assert_eq!(gate.feed_through(&journal) < lsn, is_held, "{rules:?}");
            assert_eq!(now(waiting.as_mut()).await.is_none(), is_held, "{rules:?}");
            if is_held {
                journal.set_shipped(lsn);
                assert!(gate.feed_through(&journal) == lsn && now(waiting.as_mut()).await.is_some(), "{rules:?}");
            }
        }
        assert!(AnswerGate::local().feed_through(&Journal::in_memory()) == Lsn(u64::MAX));
    }

    #[tokio::test]
    async fn a_standby_answers_reads_alone_until_it_has_taken_over() {
        let journal = Journal::in_memory();
        let lsn = journal.append(1, b"event").lsn;
        let (_, shipping) = gate(REFUSE);
        let standby = Arc::new(StandbyState::new(lsn));
        let gate = AnswerGate::of_standby(shipping, Arc::clone(&standby));
        assert!(gate.may_decide(AnswerKind::Read).is_ok());
        let refused = gate.may_decide(AnswerKind::Write).map_err(|error| error.code.into_owned());
        assert_eq!(refused, Err("standby".to_owned()));
        assert_eq!(code(now(gate.leave(&journal, Some(lsn), AnswerKind::Read)).await), Some(Ok(())), "not shipped");
        standby.take_over();
        assert!(gate.may_decide(AnswerKind::Write).is_ok() && gate.standby().is_none());
        assert_eq!(code(now(gate.leave(&journal, Some(lsn), AnswerKind::Write)).await), None, "it waits for Redis");
    }

    #[tokio::test]
    async fn a_fenced_out_daemon_answers_nothing() {
        let journal = Journal::in_memory();
        let lsn = journal.append(1, b"event").lsn;
        for kind in [AnswerKind::Read, AnswerKind::Write] {
            let (gate, state) = gate(CONTINUE);
            let mut leaving = pin!(gate.leave(&journal, Some(lsn), kind));
            assert_eq!(code(now(leaving.as_mut()).await), None);
            state.fence_out();
            assert_eq!(code(now(leaving.as_mut()).await), Some(Err("outcome_unknown".to_owned())));
            let refused = gate.may_decide(kind).map_err(|error| error.code.into_owned());
            assert_eq!(refused, Err("fenced_out".to_owned()));
        }
    }
}

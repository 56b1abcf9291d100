//! What the threads that answer requests know about shipping: who may answer, and what Redis has confirmed.
//!
//! The shipper and the lease write this state on their own thread. The threads that answer read atomics. They wait for the
//! watermark of the journal ([`Journal::shipped`](crate::storage::journal::Journal::shipped)) and for [`ShippingState::subscribe`].

use crate::{
    replication::boot_time::{RenewalTime, boot_time},
    storage::journal::Lsn,
};
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// Which answers wait for Redis, and what happens while it is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippingRules {
    /// Whether an answer waits until Redis has confirmed its record.
    pub waits_for_redis: bool,
    /// Whether a daemon whose lease may have ended answers no write.
    pub needs_lease: bool,
    /// Whether answers leave without Redis once an outage is established.
    pub continues_without: bool,
    /// How long Redis must have failed until the outage is established.
    pub outage_after: Duration,
}

/// Whether a request may be decided, or its answer may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayAnswer {
    /// It may.
    Yes,
    /// The lease may have ended, or Redis is away and this daemon does not continue without it.
    RedisUnavailable,
    /// Another daemon has taken over.
    FencedOut,
}

/// The result of looking at a record that waits for Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Redis may still confirm it.
    Pending,
    /// Redis is away, and the answer may leave without it.
    LeavesWithout,
    /// Redis is away, and the answer may not leave without it.
    Unavailable,
    /// Another daemon has taken over.
    FencedOut,
}

/// An outage of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When the first command began that was not confirmed.
    pub since: Instant,
    /// Why the last command failed.
    pub cause: String,
    /// How many commands failed.
    pub failures: u64,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub struct ShippingCounts {
    /// Batches that Redis has confirmed.
    pub batches: AtomicU64,
    /// Bytes of records in these batches.
    pub bytes: AtomicU64,
    /// Commands that failed; each is followed by a new attempt, and by a new connection where the old one is broken.
    pub failures: AtomicU64,
    /// Snapshots that are complete in Redis.
    pub snapshots: AtomicU64,
    /// Snapshots that could not be sent.
    pub snapshots_failed: AtomicU64,
}

/// The state of shipping.
#[derive(Debug)]
pub struct ShippingState {
    rules: ShippingRules,
    /// The instants below are nanoseconds after it, plus one; 0: none.
    origin: Instant,
    lease_until: AtomicU64,
    /// The same end by the clock that goes on while the machine is suspended: nanoseconds since the machine was started.
    lease_until_since_boot: AtomicU64,
    boot_time: fn() -> Duration,
    outage_since: AtomicU64,
    is_fenced_out: AtomicBool,
    has_ended: AtomicBool,
    outage: Mutex<Option<Outage>>,
    /// An instant at which the journal had records that Redis did not have, and the last of them.
    lag: Mutex<Option<(Instant, Lsn)>>,
    /// The newest snapshot that is complete in Redis.
    snapshot: AtomicU64,
    /// Wakes what waits for an outage, for the end of the lease or for being fenced out.
    changes: watch::Sender<()>,
    /// A record waits for Redis: the shipper need not wait for the next sync.
    is_wanted: Notify,
    /// Counts since the start.
    pub counts: ShippingCounts,
}

impl ShippingState {
    /// The state before the first connection.
    #[must_use]
    pub fn new(rules: ShippingRules) -> Self {
        Self::since(rules, Instant::now())
    }

    /// The same with instants from `origin` on.
    #[must_use]
    pub fn since(rules: ShippingRules, origin: Instant) -> Self {
        Self {
            rules,
            origin,
            lease_until: AtomicU64::new(0),
            lease_until_since_boot: AtomicU64::new(0),
            boot_time,
            outage_since: AtomicU64::new(0),
            is_fenced_out: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            outage: Mutex::new(None),
            lag: Mutex::new(None),
            snapshot: AtomicU64::new(0),
            changes: watch::Sender::new(()),
            is_wanted: Notify::new(),
            counts: ShippingCounts::default(),
        }
    }

    /// Which answers wait for Redis.
    #[must_use]
    pub fn rules(&self) -> ShippingRules {
        self.rules
    }

    /// Whether a write may be decided now.
    #[must_use]
    pub fn may_decide(&self, now: Instant) -> MayAnswer {
        let ShippingRules { waits_for_redis, continues_without, .. } = self.rules;
        match self.may_answer_write(now) {
            MayAnswer::Yes if waits_for_redis && !continues_without && self.is_outage(now) => {
                MayAnswer::RedisUnavailable
            }
            answer => answer,
        }
    }

    /// Whether the answer to a write whose record is confirmed may leave now.
    #[must_use]
    pub fn may_answer_write(&self, now: Instant) -> MayAnswer {
        if self.is_fenced_out() {
            return MayAnswer::FencedOut;
        }
        if self.rules.needs_lease && !self.holds_lease(now) { MayAnswer::RedisUnavailable } else { MayAnswer::Yes }
    }

    /// Whether an answer still waits for Redis to confirm its record.
    #[must_use]
    pub fn confirmation(&self, now: Instant) -> Confirmation {
        if self.is_fenced_out() {
            return Confirmation::FencedOut;
        }
        let is_away = self.is_outage(now) || (self.rules.needs_lease && !self.holds_lease(now));
        match (is_away, self.rules.continues_without) {
            (false, _) => Confirmation::Pending,
            (true, true) => Confirmation::LeavesWithout,
            (true, false) => Confirmation::Unavailable,
        }
    }

    /// Whether the lease surely has not ended.
    #[must_use]
    pub fn holds_lease(&self, now: Instant) -> bool {
        self.nanos(now) < self.lease_until.load(Ordering::Acquire)
            && nanos_of((self.boot_time)()) < self.lease_until_since_boot.load(Ordering::Acquire)
    }

    /// Notes a lease that lasts at least so long from the time at which it was requested.
    pub fn set_lease(&self, asked_at: RenewalTime, lasts: Duration) {
        let since_boot = nanos_of(asked_at.since_boot.saturating_add(lasts));
        self.lease_until_since_boot.fetch_max(since_boot, Ordering::AcqRel);
        self.lease_until.fetch_max(self.nanos(asked_at.monotonic + lasts), Ordering::AcqRel);
        self.changes.send_replace(());
    }

    /// Ends the lease: it was released.
    pub fn end_lease(&self) {
        self.lease_until.store(0, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Whether an outage is established.
    #[must_use]
    pub fn is_outage(&self, now: Instant) -> bool {
        if self.has_ended.load(Ordering::Acquire) {
            return true;
        }
        match self.outage_since.load(Ordering::Acquire) {
            0 => false,
            since => {
                let after = u64::try_from(self.rules.outage_after.as_nanos()).unwrap_or(u64::MAX);
                self.nanos(now) >= since.saturating_add(after)
            }
        }
    }

    /// The outage, whether or not it is established.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.outage.lock().clone()
    }

    /// Notes that a command that began at `began` has failed. Returns the outage.
    pub fn note_failure(&self, began: Instant, cause: String) -> Outage {
        let outage = {
            let mut outage = self.outage.lock();
            let (since, failures) = outage.as_ref().map_or((began, 0), |outage| (outage.since, outage.failures));
            outage.insert(Outage { since, cause, failures: failures.saturating_add(1) }).clone()
        };
        self.outage_since.store(self.nanos(outage.since), Ordering::Release);
        self.changes.send_replace(());
        outage
    }

    /// Notes that Redis has confirmed everything that is durable. Returns the outage that this ends.
    pub fn note_caught_up(&self) -> Option<Outage> {
        if self.outage_since.swap(0, Ordering::AcqRel) == 0 {
            return None;
        }
        let ended = self.outage.lock().take();
        self.changes.send_replace(());
        ended
    }

    /// Notes how far Redis and the journal reach.
    pub fn note_lag(&self, shipped: Lsn, last: Lsn, now: Instant) {
        let mut lag = self.lag.lock();
        if lag.is_none_or(|(_, until)| until <= shipped) {
            *lag = (last > shipped).then_some((now, last));
        }
    }

    /// For how long Redis has lacked records, at least.
    #[must_use]
    pub fn lag(&self, now: Instant) -> Duration {
        self.lag.lock().map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(since))
    }

    /// Whether another daemon has taken over.
    #[must_use]
    pub fn is_fenced_out(&self) -> bool {
        self.is_fenced_out.load(Ordering::Acquire)
    }

    /// Notes that another daemon has taken over. It cannot be undone.
    pub fn fence_out(&self) {
        self.is_fenced_out.store(true, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Waits until another daemon has taken over.
    pub async fn when_fenced_out(&self) {
        self.until(|| self.is_fenced_out()).await;
    }

    /// Notes that the shipper has ended: what waits for Redis is not confirmed any more.
    pub fn note_end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.changes.send_replace(());
    }

    /// The last record before the newest snapshot that is complete in Redis.
    #[must_use]
    pub fn snapshot(&self) -> Lsn {
        Lsn(self.snapshot.load(Ordering::Acquire))
    }

    /// Notes a snapshot that is complete in Redis.
    pub fn set_snapshot(&self, begin: Lsn) {
        self.snapshot.store(begin.0, Ordering::Release);
    }

    /// Says that a record waits for Redis.
    pub fn want(&self) {
        self.is_wanted.notify_one();
    }

    /// Waits until a record waits for Redis.
    pub async fn when_wanted(&self) {
        self.is_wanted.notified().await;
    }

    /// Changes of the outage, the lease and the fence. Subscribe before looking at the state.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Waits until `is_true` returns true; it is asked after each change.
    async fn until(&self, is_true: impl Fn() -> bool) {
        let mut changes = self.subscribe();
        while !is_true() {
            if changes.changed().await.is_err() {
                // The sender is a field of this value.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Wakes what waits when the outage becomes established and when the lease ends. Runs until it is dropped.
    pub async fn watch_deadlines(&self) {
        let mut changes = self.subscribe();
        let mut passed = Vec::new();
        loop {
            let now = Instant::now();
            let outage = match self.outage_since.load(Ordering::Acquire) {
                0 => None,
                since => Some(self.instant(since) + self.rules.outage_after),
            };
            let lease = match self.lease_until.load(Ordering::Acquire) {
                0 => None,
                until => Some(self.instant(until)),
            };
            let deadlines = || [outage, lease].into_iter().flatten();
            let next = deadlines().filter(|at| *at > now).min();
            // One that has passed wakes too, once: what waits may have looked just before.
            let passed_now: Vec<Instant> = deadlines().filter(|at| *at <= now).collect();
            if passed_now.iter().any(|at| !passed.contains(at)) {
                self.changes.send_replace(());
                changes.mark_unchanged();
            }
            passed = passed_now;
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep => {
                    self.changes.send_replace(());
                    changes.mark_unchanged();
                }
            }
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos_of(at.saturating_duration_since(self.origin)).saturating_add(1)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos.saturating_sub(1))
    }
}

fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: Duration = Duration::from_millis(2_000);

    fn state(waits_for_redis: bool, needs_lease: bool, continues_without: bool) -> ShippingState {
        ShippingState::new(ShippingRules { waits_for_redis, needs_lease, continues_without, outage_after: TOTAL })
    }

    #[test]
    fn who_may_answer_by_rule_lease_outage_and_fence() {
        use Confirmation as C;
        use MayAnswer as M;
        // (waits, needs a lease, continues), lease, outage, fenced out: may decide, may answer, confirmation.
        let table = [
            ((true, false, true), false, false, false, (M::Yes, M::Yes, C::Pending)),
            ((true, false, true), false, true, false, (M::Yes, M::Yes, C::LeavesWithout)),
            ((true, false, true), false, false, true, (M::FencedOut, M::FencedOut, C::FencedOut)),
            ((true, true, false), true, false, false, (M::Yes, M::Yes, C::Pending)),
            ((true, true, false), true, true, false, (M::RedisUnavailable, M::Yes, C::Unavailable)),
            ((true, true, false), false, false, false, (M::RedisUnavailable, M::RedisUnavailable, C::Unavailable)),
            ((true, true, false), true, true, true, (M::FencedOut, M::FencedOut, C::FencedOut)),
            ((false, true, false), true, true, false, (M::Yes, M::Yes, C::Unavailable)),
            ((false, true, false), false, true, false, (M::RedisUnavailable, M::RedisUnavailable, C::Unavailable)),
            ((false, false, true), false, true, false, (M::Yes, M::Yes, C::LeavesWithout)),
            // Diskless with `continue`.
            ((true, false, false), false, true, false, (M::RedisUnavailable, M::Yes, C::Unavailable)),
            ((true, false, false), false, false, false, (M::Yes, M::Yes, C::Pending)),
        ];
        for ((waits, needs, continues), lease, outage, fenced, expected) in table {
            let state = state(waits, needs, continues);
            let began = Instant::now();
            let now = began + TOTAL;
            if lease {
                state.set_lease(RenewalTime::now(), TOTAL * 10);
            }
            if outage {
                state.note_failure(began, "connection refused".to_owned());
            }
            if fenced {
                state.fence_out();
            }
            let found = (state.may_decide(now), state.may_answer_write(now), state.confirmation(now));
            assert_eq!(found, expected, "{waits} {needs} {continues}, {lease} {outage} {fenced}");
        }
    }

    #[test]
    fn an_outage_is_established_after_its_time_and_ends_when_redis_has_everything() {
        let state = state(true, false, true);
        let began = Instant::now();
        assert_eq!(state.note_caught_up(), None);
        state.note_failure(began, "one".to_owned());
        let outage = state.note_failure(began + TOTAL, "two".to_owned());
        assert_eq!(outage, Outage { since: began, cause: "two".to_owned(), failures: 2 });
        assert!(!state.is_outage(began + TOTAL - Duration::from_nanos(1)));
        assert!(state.is_outage(began + TOTAL));
        assert_eq!(state.note_caught_up(), Some(outage));
        assert!(!state.is_outage(began + TOTAL));
        state.note_end();
        assert!(state.is_outage(began));
    }

    #[test]
    fn the_lag_is_the_age_of_what_redis_lacks() {
        let (state, now) = (state(true, false, true), Instant::now());
        let second = Duration::from_secs(1);
        state.note_lag(Lsn(5), Lsn(5), now);
        assert_eq!(state.lag(now + second), Duration::ZERO);
        state.note_lag(Lsn(5), Lsn(9), now);
        state.note_lag(Lsn(8), Lsn(20), now + second);
        assert_eq!(state.lag(now + second * 3), second * 3, "record 9 is still missing");
        state.note_lag(Lsn(9), Lsn(20), now + second * 3);
        assert_eq!(state.lag(now + second * 4), second, "records after 9 are missing since then");
        state.note_lag(Lsn(20), Lsn(20), now + second * 4);
        assert_eq!(state.lag(now + second * 9), Duration::ZERO);
    }

    #[test]
    fn a_lease_never_becomes_shorter_and_ends_on_release() {
        let state = state(true, true, false);
        let now = Instant::now();
        assert!(!state.holds_lease(now));
        let asked_at = RenewalTime { monotonic: now, since_boot: boot_time() };
        // It ends by the first of the two clocks.
        state.set_lease(asked_at, TOTAL);
        state.set_lease(asked_at, TOTAL / 2);
        assert!(state.holds_lease(now + TOTAL - Duration::from_nanos(1)));
        assert!(!state.holds_lease(now + TOTAL));
        state.end_lease();
        assert!(!state.holds_lease(now));
    }

    #[test]
    fn a_lease_ends_while_the_machine_is_suspended() {
        let (mut state, asked_at) = (state(false, true, false), RenewalTime::now());
        state.set_lease(asked_at, TOTAL * 10);
        assert!(state.holds_lease(asked_at.monotonic));
        // The monotonic clock stood still in between.
        state.boot_time = || boot_time() + TOTAL * 10;
        assert!(!state.holds_lease(asked_at.monotonic));
        assert_eq!(state.may_answer_write(asked_at.monotonic), MayAnswer::RedisUnavailable);
        state.set_lease(RenewalTime { since_boot: (state.boot_time)(), ..RenewalTime::now() }, TOTAL);
        assert!(state.holds_lease(asked_at.monotonic), "it was renewed");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_answers_wake_when_an_outage_is_established() {
        let state = state(true, false, true);
        state.note_failure(Instant::now(), "connection refused".to_owned());
        let mut changes = state.subscribe();
        tokio::select! {
            () = state.watch_deadlines() => unreachable!("it runs until it is dropped"),
            changed = changes.changed() => assert!(changed.is_ok()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_answers_wake_when_a_deadline_has_passed_already() {
        let state = state(true, true, false);
        let past = Instant::now();
        state.set_lease(RenewalTime { monotonic: past, since_boot: boot_time() }, Duration::ZERO);
        // It looks at the state before the watch does, and waits.
        let mut changes = state.subscribe();
        tokio::select! {
            () = state.watch_deadlines() => unreachable!("it runs until it is dropped"),
            changed = changes.changed() => assert!(changed.is_ok()),
        }
    }
}

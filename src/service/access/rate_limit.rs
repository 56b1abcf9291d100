//! The rate of requests of a token, by the generic cell rate algorithm (GCRA): a token bucket in one atomic number.
//!
//! The number is the time at which the bucket is full again. A request that is admitted moves it forward by the interval of
//! one request. It is refused if the bucket is then further from full than the burst allows. A refusal changes nothing, so
//! concurrent requests are admitted exactly as one after the other.

use crate::config::RequestRate;
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

const SECOND_NS: u64 = 1_000_000_000;

/// The times of a rate, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestTimes {
    /// Between two requests at the rate, rounded up: the rate is at most the configured one.
    interval: u64,
    /// How far from full the bucket may be before a request: the burst without that request.
    tolerance: u64,
}

impl RequestTimes {
    fn of(RequestRate { per_second, burst }: RequestRate) -> Self {
        let interval = SECOND_NS.div_ceil(u64::from(per_second.max(1)));
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.max(1) - 1)) }
    }

    /// The time at which the bucket is full after a request at `now`. `full_at`: the same before the request.
    ///
    /// # Errors
    /// The request comes too early: the time until it is admitted.
    fn admit(self, full_at: u64, now: u64) -> Result<u64, u64> {
        match full_at.saturating_sub(now).checked_sub(self.tolerance) {
            None | Some(0) => Ok(full_at.max(now).saturating_add(self.interval)),
            Some(early) => Err(early),
        }
    }
}

/// The limit on the requests of a token, and what is left of it. Clones share what is left.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit {
    times: RequestTimes,
    full_at: Arc<AtomicU64>,
    /// The number of its batches that run.
    batches: Arc<AtomicUsize>,
}

/// A running batch of a token with a limit. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct LimitedBatch(Arc<AtomicUsize>);

impl Drop for LimitedBatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Limits are equal if they admit the same requests from a full bucket on.
impl PartialEq for RateLimit {
    fn eq(&self, other: &Self) -> bool {
        self.times == other.times
    }
}

impl Eq for RateLimit {}

impl RateLimit {
    /// A limit with a full bucket.
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self { times: RequestTimes::of(rate), full_at: Arc::default(), batches: Arc::default() }
    }

    /// Begins a batch of the token; `None`: as many as may run.
    pub(crate) fn begin_batch(&self, most: usize) -> Option<LimitedBatch> {
        let begin = |running: usize| (running < most).then_some(running + 1);
        let begun = self.batches.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin).is_ok();
        begun.then(|| LimitedBatch(Arc::clone(&self.batches)))
    }

    /// Counts a request at `now`, in nanoseconds of a monotonic clock.
    ///
    /// # Errors
    /// There are too many: the nanoseconds until one is admitted, at most the interval of one request. Nothing is counted.
    pub(crate) fn take(&self, now: u64) -> Result<(), u64> {
        let mut refused = 0;
        let admit = |full_at| self.times.admit(full_at, now).inspect_err(|early| refused = *early).ok();
        // The number orders no other memory.
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, admit).map(drop).map_err(|_| refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A token bucket that is filled step by step. Its level is in nanoseconds of filling, so that it is exact.
    struct NaiveBucket {
        interval: u128,
        capacity: u128,
        level: u128,
        now: u64,
    }

    impl NaiveBucket {
        fn take(&mut self, now: u64) -> Result<(), u64> {
            self.level = self.capacity.min(self.level + u128::from(now - self.now));
            self.now = now;
            match self.level.checked_sub(self.interval) {
                Some(level) => {
                    self.level = level;
                    Ok(())
                }
                None => Err(u64::try_from(self.interval - self.level).unwrap()),
            }
        }
    }

    proptest! {
        #[test]
        fn it_admits_what_a_token_bucket_admits(
            per_second in prop_oneof![1..20_u32, Just(RequestRate::MAX), Just(3)],
            burst in prop_oneof![1..6_u32, Just(RequestRate::MAX)],
            start in prop_oneof![Just(0), 0..u64::MAX / 4],
            pauses in proptest::collection::vec(
                prop_oneof![Just(0_u64), Just(1), 0..2_000_u64, 0..2 * SECOND_NS, Just(SECOND_NS), 0..20 * SECOND_NS],
                1..80,
            ),
        ) {
            let limit = RateLimit::new(RequestRate { per_second, burst });
            let interval = u128::from(SECOND_NS).div_ceil(u128::from(per_second));
            let capacity = interval * u128::from(burst);
            let mut naive = NaiveBucket { interval, capacity, level: capacity, now: start };
            let mut now = start;
            for pause in pauses {
                now += pause;
                let expected = naive.take(now);
                prop_assert_eq!(limit.take(now), expected);
                if let Err(wait) = expected {
                    prop_assert!(u128::from(wait) <= interval);
                    // Exactly after the wait, and not a nanosecond before it.
                    let probe = RateLimit { full_at: Arc::new(limit.full_at.load(Ordering::Relaxed).into()), ..limit.clone() };
                    prop_assert_eq!(probe.take(now + wait - 1), Err(1));
                    prop_assert_eq!(probe.take(now + wait), Ok(()));
                }
            }
        }
    }

    #[test]
    fn concurrent_requests_are_admitted_exactly() {
        const BURST: u32 = 1_000;
        for round in 0..10_u64 {
            let limit = RateLimit::new(RequestRate { per_second: 10, burst: BURST });
            let admitted: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| scope.spawn(|| (0..BURST).filter(|_| limit.take(round * SECOND_NS).is_ok()).count()))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(admitted, usize::try_from(BURST).unwrap());
            // A second later there is room for ten.
            let later = (0..20).filter(|_| limit.take((round + 1) * SECOND_NS).is_ok()).count();
            assert_eq!(later, 10);
        }
    }
}

//! The time since the machine was started. Unlike the monotonic clock it goes on while the machine is suspended.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The time since the machine was started, suspensions included.
#[must_use]
pub(super) fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// When a renewal of the lease was sent, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct RenewalTime {
    pub(super) monotonic: Instant,
    pub(super) since_boot: Duration,
}

impl RenewalTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        // A suspension between the two makes the lease shorter by the first clock.
        let since_boot = boot_time();
        Self { monotonic: Instant::now(), since_boot }
    }

    /// The time since then, by the monotonic clock.
    pub(super) fn elapsed(&self) -> Duration {
        self.monotonic.elapsed()
    }
}

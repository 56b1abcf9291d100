//! The delay between two attempts to connect.

use std::time::Duration;
use tokio::time::Instant;

/// The delay after the first failure.
const FIRST_MS: u64 = 50;
/// The longest delay.
pub(in crate::replication) const DELAY_MS_MAX: u64 = 2_000;

/// Doubles the delay with each failure in a row, and draws from its upper half, so that many clients do not connect at once.
#[derive(Debug, Clone)]
pub(in crate::replication) struct BackOff {
    failures: u32,
    next: Option<Instant>,
    delay_ms_max: u64,
}

impl BackOff {
    pub(in crate::replication) fn new(delay_ms_max: u64) -> Self {
        Self { failures: 0, next: None, delay_ms_max: delay_ms_max.clamp(FIRST_MS, DELAY_MS_MAX) }
    }

    /// Waits until the next attempt may begin.
    pub(in crate::replication) async fn wait(&self) {
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
    }

    pub(in crate::replication) fn failed(&mut self) {
        let delay = delay_ms(self.failures, self.delay_ms_max, random());
        self.failures = self.failures.saturating_add(1);
        self.next = Some(Instant::now() + Duration::from_millis(delay));
    }

    pub(in crate::replication) fn succeeded(&mut self) {
        self.failures = 0;
        self.next = None;
    }
}

/// The delay after some failures before this one.
fn delay_ms(failures: u32, max: u64, random: u64) -> u64 {
    let whole = FIRST_MS.saturating_mul(1 << failures.min(16)).min(max);
    whole - random % (whole / 2 + 1)
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers there is no jitter, which is no fault.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_to_its_maximum_and_is_drawn_from_its_upper_half() {
        for (failures, max, random, want) in [
            (0, 2_000, 0, 50),
            (0, 2_000, 25, 25),
            (0, 2_000, 26, 50),
            (1, 2_000, 0, 100),
            (3, 2_000, 0, 400),
            (6, 2_000, 0, 2_000),
            (6, 2_000, 1_000, 1_000),
            (u32::MAX, 2_000, u64::MAX, 2_000 - u64::MAX % 1_001),
            (9, 300, 0, 300),
        ] {
            assert_eq!(delay_ms(failures, max, random), want, "{failures} {max} {random}");
        }
    }
}

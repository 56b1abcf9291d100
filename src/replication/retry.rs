//! Attempts that fail: pauses between them, and log lines that become rarer.

use crate::replication::client::back_off::{BackOff, DELAY_MS_MAX};
use std::time::{Duration, Instant};

/// While attempts fail, one line is logged for each such time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Failed attempts in a row.
#[derive(Debug)]
pub(super) struct Retry {
    back_off: BackOff,
    logged: Option<Instant>,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self { back_off: BackOff::new(DELAY_MS_MAX), logged: None }
    }

    /// Waits after one more failure. The pause grows with each failure up to two seconds, with jitter.
    pub(super) async fn pause(&mut self) {
        self.back_off.failed();
        self.back_off.wait().await;
    }

    /// Whether this failure is logged: the first one, and then one a minute.
    pub(super) fn is_logged(&mut self, now: Instant) -> bool {
        let is_due = self.logged.is_none_or(|logged| now.saturating_duration_since(logged) >= LOG_INTERVAL);
        if is_due {
            self.logged = Some(now);
        }
        is_due
    }

    /// Begins anew after a success.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_is_logged() {
        let (mut retry, start) = (Retry::new(), Instant::now());
        let logged = (0..300).filter(|second| retry.is_logged(start + Duration::from_secs(*second))).count();
        assert_eq!(logged, 5);
        retry.reset();
        assert!(retry.is_logged(start + Duration::from_secs(301)));
    }
}

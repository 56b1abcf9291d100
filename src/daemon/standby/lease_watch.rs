//! When a standby may take over by itself: with `on_outage = "refuse"`, once no lease is there.
//!
//! A failover, or a server that lost its data, can lose a lease that its owner still counts on, and the clock of another
//! server can be ahead, so that the lease expires there too early. So a standby believes that no lease is there only after
//! the latest end that any server has named, by its own monotonic clock. After each new connection it also waits as long as
//! a lease lasts, unless it has seen the lease on that connection.

use std::time::{Duration, Instant};

/// Watches the lease.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lease: Duration,
    /// Since when the connection works.
    connected_at: Option<Instant>,
    /// When a lease was seen last on this connection.
    seen_at: Option<Instant>,
    /// The latest end of a lease that a server has named.
    ends_at: Option<Instant>,
}

impl LeaseWatch {
    pub(super) fn new(lease_ms: u64) -> Self {
        Self { lease: Duration::from_millis(lease_ms), connected_at: None, seen_at: None, ends_at: None }
    }

    /// Notes a read that failed: the next one uses another connection, maybe to another server.
    pub(super) fn note_failure(&mut self) {
        (self.connected_at, self.seen_at) = (None, None);
    }

    /// Notes a read that began at `began`, and for how long the lease that it found lasts. Returns whether no daemon can
    /// have a lease.
    pub(super) fn is_free(&mut self, began: Instant, found: Option<Duration>) -> bool {
        let connected_at = *self.connected_at.get_or_insert(began);
        if let Some(remaining) = found {
            self.seen_at = Some(began);
            self.ends_at = self.ends_at.max(began.checked_add(remaining.min(self.lease)));
            return false;
        }
        let has_ended = self.ends_at.is_none_or(|ends_at| began >= ends_at);
        has_ended && (self.seen_at.is_some() || began.saturating_duration_since(connected_at) >= self.lease)
    }

    /// When a lease was seen last.
    pub(super) fn seen_at(&self) -> Option<Instant> {
        self.seen_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_lease_counts_after_its_latest_known_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let left = |ms| Some(Duration::from_millis(ms));
        let mut watch = LeaseWatch::new(600);
        assert!(!watch.is_free(at(0), None), "a failover may have lost it");
        assert!(!watch.is_free(at(599), None));
        assert!(watch.is_free(at(600), None));
        assert!(!watch.is_free(at(610), left(600)));
        assert!(!watch.is_free(at(700), left(510)), "not renewed since");
        assert!(!watch.is_free(at(720), None), "the server's clock was set, or the lease was released");
        assert!(watch.is_free(at(1_210), None), "it has expired");
        watch.note_failure();
        assert!(!watch.is_free(at(1_300), None), "another server");
        assert!(!watch.is_free(at(1_400), left(600)));
        watch.note_failure();
        assert!(!watch.is_free(at(1_500), left(10)), "the clock of another server is ahead");
        assert!(!watch.is_free(at(1_520), None), "the owner still counts on its renewal");
        assert!(watch.is_free(at(2_000), None));
    }
}

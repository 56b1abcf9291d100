//! When a standby may take over by itself: with `on_outage = "refuse"`, once no lease is there.
//!
//! A lease that was released is gone at once, and so is one that expired. A failover, or a server that lost its data, can
//! lose a lease that its owner still counts on. Both break the connection. So after each new connection a standby waits as
//! long as a lease lasts before it believes that none is there.

use std::time::{Duration, Instant};

/// Watches the lease.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lease: Duration,
    /// Since when the connection works.
    connected_at: Option<Instant>,
    /// When a lease was seen last on this connection.
    seen_at: Option<Instant>,
}

impl LeaseWatch {
    pub(super) fn new(lease_ms: u64) -> Self {
        Self { lease: Duration::from_millis(lease_ms), connected_at: None, seen_at: None }
    }

    /// Notes a read that failed: the next one uses another connection, maybe to another server.
    pub(super) fn note_failure(&mut self) {
        (self.connected_at, self.seen_at) = (None, None);
    }

    /// Notes a read that began at `began`. Returns whether no daemon can have a lease.
    pub(super) fn is_free(&mut self, began: Instant, has_lease: bool) -> bool {
        let connected_at = *self.connected_at.get_or_insert(began);
        if has_lease {
            self.seen_at = Some(began);
            return false;
        }
        self.seen_at.is_some() || began.saturating_duration_since(connected_at) >= self.lease
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
    fn a_missing_lease_counts_if_it_was_seen_or_after_its_length() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watch = LeaseWatch::new(600);
        assert!(!watch.is_free(at(0), false), "a failover may have lost it");
        assert!(!watch.is_free(at(599), false));
        assert!(watch.is_free(at(600), false));
        assert!(!watch.is_free(at(610), true));
        assert!(watch.is_free(at(620), false), "it was released or has expired");
        watch.note_failure();
        assert!(!watch.is_free(at(700), false), "another server");
        assert!(!watch.is_free(at(900), true));
        assert!(watch.is_free(at(910), false));
    }
}

//! When a standby may take over by itself: with `on_outage = "refuse"`, once no lease is there.
//!
//! A failover, or a server that lost its data, can lose a lease or its last renewal, on which the owner still counts. The
//! clock of another server can be ahead, so that the lease expires there too early. So a standby believes that no lease is
//! there only after the latest end that any server has named, by its own monotonic clock. After each new connection it also
//! waits as long as a lease lasts, unless it has seen a renewal on that connection: then the owner uses the same server.

use crate::replication::StreamRead;
use std::time::{Duration, Instant};

/// What a read says about the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenLease {
    /// How long the lease lasts; `None`: there is none.
    remaining: Option<Duration>,
    /// When it was renewed last, by the clock of the server.
    renewed_at_ms: Option<u64>,
    /// The connection of the read.
    connection: Option<u64>,
}

impl SeenLease {
    pub(super) fn of(read: &StreamRead) -> Self {
        let remaining = read.lease.map(|lease| lease.expires_in_ms.map_or(Duration::MAX, Duration::from_millis));
        Self { remaining, renewed_at_ms: read.renewed_at_ms, connection: read.connection }
    }
}

/// What is known of the present connection.
#[derive(Debug)]
struct KnownConnection {
    number: Option<u64>,
    since: Instant,
    /// The renewal that the first read found. Another server may have lost later ones.
    first_renewal: Option<u64>,
    /// Whether a renewal was seen on it.
    is_renewed: bool,
}

/// Watches the lease.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lease: Duration,
    connection: Option<KnownConnection>,
    /// When a lease was seen last.
    seen_at: Option<Instant>,
    /// The latest end of a lease that a server has named.
    ends_at: Option<Instant>,
}

impl LeaseWatch {
    pub(super) fn new(lease_ms: u64) -> Self {
        Self { lease: Duration::from_millis(lease_ms), connection: None, seen_at: None, ends_at: None }
    }

    /// Notes a read that began at `began`. Returns whether no daemon can have a lease.
    pub(super) fn is_free(&mut self, began: Instant, seen: &SeenLease) -> bool {
        let SeenLease { remaining, renewed_at_ms, connection: number } = *seen;
        let is_same = self.connection.as_ref().is_some_and(|known| known.number == number);
        if !is_same {
            self.connection = None;
        }
        let known = self.connection.get_or_insert(KnownConnection {
            number,
            since: began,
            first_renewal: renewed_at_ms,
            is_renewed: false,
        });
        known.is_renewed |= renewed_at_ms != known.first_renewal;
        if let Some(remaining) = remaining {
            self.seen_at = Some(began);
            self.ends_at = self.ends_at.max(began.checked_add(remaining.min(self.lease)));
            return false;
        }
        let has_ended = self.ends_at.is_none_or(|ends_at| began >= ends_at);
        has_ended && (known.is_renewed || began.saturating_duration_since(known.since) >= self.lease)
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
        let mut watch = LeaseWatch::new(600);
        // The time, the connection, the last renewal, the rest of the lease, whether it is free.
        for (ms, connection, renewed_at, left, is_free, why) in [
            (0, 1, None, None, false, "a failover may have lost it"),
            (599, 1, None, None, false, "the same"),
            (600, 1, None, None, true, "nothing was renewed for a lease"),
            (610, 1, Some(10), Some(600), false, "a lease"),
            (700, 1, Some(10), Some(510), false, "not renewed since"),
            (720, 1, Some(10), None, false, "the server's clock was set, or the lease was released"),
            (1_210, 1, Some(10), None, true, "it has expired"),
            (1_300, 2, Some(10), None, false, "another server"),
            (1_400, 2, Some(20), Some(600), false, "a renewal there"),
            (1_500, 3, Some(20), Some(10), false, "the clock of another server is ahead"),
            (1_520, 3, Some(20), None, false, "the owner still counts on its renewal"),
            (2_000, 3, Some(20), None, false, "the other server may have lost a later renewal"),
            (2_099, 3, Some(20), None, false, "the same"),
            (2_100, 3, Some(20), None, true, "nothing was renewed for a lease"),
            (2_200, 4, Some(20), Some(300), false, "another server"),
            (2_250, 4, Some(30), Some(600), false, "its owner uses the same server"),
            (2_849, 4, Some(30), None, false, "until its end"),
            (2_850, 4, Some(30), None, true, "it has expired"),
        ] {
            let remaining = left.map(Duration::from_millis);
            let seen = SeenLease { remaining, renewed_at_ms: renewed_at, connection: Some(connection) };
            assert_eq!(watch.is_free(start + Duration::from_millis(ms), &seen), is_free, "{ms} ms: {why}");
        }
    }
}

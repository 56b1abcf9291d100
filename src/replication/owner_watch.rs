//! Waits for an owner whose lease is not there, and who may count on it all the same.
//!
//! A failover of Redis can lose the last renewals, so that a lease is missing which its owner still counts on. Such a lease
//! ends within `lease_ms` of the first look at the server that lacks it. So a daemon that is about to take the fence looks
//! for that long, by its own monotonic clock, and sees that nothing was renewed. It begins anew with each connection: it may
//! lead to another server.

use crate::replication::model::head::{Fence, Head};
use std::time::{Duration, Instant};

/// What a look found.
type Sight = (Option<u64>, Option<Fence>, Option<u64>);

/// Looks at the head of the copy again and again.
#[derive(Debug)]
pub(super) struct OwnerWatch {
    lease: Duration,
    /// The connection, the fence and the last renewal, and since when nothing else was seen.
    seen: Option<(Sight, Instant)>,
}

impl OwnerWatch {
    pub(super) fn new(lease_ms: u64) -> Self {
        Self { lease: Duration::from_millis(lease_ms), seen: None }
    }

    /// Notes a look at `now`. Returns how long the owner may still count on its lease; `None`: no longer. `connection`
    /// identifies the connection.
    pub(super) fn look(&mut self, now: Instant, connection: Option<u64>, head: Option<&Head>) -> Option<Duration> {
        let sight = (connection, head.map(|head| head.fence), head.and_then(|head| head.renewed_at_ms));
        let since = match self.seen {
            Some((before, since)) if before == sight => since,
            _ => now,
        };
        self.seen = Some((sight, since));
        let rest = self.lease.saturating_sub(now.saturating_duration_since(since));
        Some(rest).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::OnOutage, storage::journal::JournalId};

    fn head(fence: u64, renewed_at_ms: u64) -> Head {
        Head {
            format: 1,
            instance: JournalId([5; 16]),
            secret: Vec::new(),
            fence: Fence(fence),
            owner: "primary".to_owned(),
            on_outage: OnOutage::Refuse,
            tip: None,
            begin: None,
            snapshot: None,
            lease: None,
            is_released: false,
            batches: 0,
            keys: 0,
            erased: 0,
            renewed_ago_ms: None,
            renewed_at_ms: Some(renewed_at_ms),
        }
    }

    #[test]
    fn an_owner_is_gone_after_a_lease_without_a_renewal_on_one_connection() {
        let start = Instant::now();
        let mut watch = OwnerWatch::new(600);
        // The time, the connection, fence and renewal, and the rest.
        for (ms, connection, seen, rest) in [
            (0, 1, Some((5, 70)), 600),
            (400, 1, Some((5, 70)), 200),
            (500, 1, Some((5, 71)), 600),
            (900, 2, Some((5, 71)), 600),
            (1_000, 2, None, 600),
            (1_100, 2, Some((6, 71)), 600),
            (1_699, 2, Some((6, 71)), 1),
            (1_700, 2, Some((6, 71)), 0),
        ] {
            let head = seen.map(|(fence, renewed_at)| head(fence, renewed_at));
            let found = watch.look(start + Duration::from_millis(ms), Some(connection), head.as_ref());
            assert_eq!(found.unwrap_or_default().as_millis(), rest, "{ms}");
        }
    }
}

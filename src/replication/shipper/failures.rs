//! What follows from a failure: another attempt, another acquisition, or the end of the daemon.

use crate::{
    config::OnOutage,
    replication::{
        establish::EstablishError,
        model::error::RedisError,
        ship_error::{ShipError, consequence},
        shipper::{Shipper, ShipperEnd},
    },
    storage::journal::Lsn,
};
use std::{sync::atomic::Ordering, time::Instant};

impl Shipper {
    /// Notes a failure; the end if shipping cannot go on.
    pub(super) fn note_failure(&mut self, began: Instant, error: &ShipError) -> Option<ShipperEnd> {
        let parts = &self.shared.parts;
        match error {
            ShipError::Journal(_) => return Some(ShipperEnd::JournalFailed),
            // A failover has lost the acquisition of this fence.
            ShipError::Redis(RedisError::FencedOut { fence, .. })
                if self.shared.fence().is_some_and(|own| own > *fence) =>
            {
                tracing::warn!("redis: a failover lost the fence of this daemon; it takes another one");
                self.position = None;
                return None;
            }
            ShipError::Redis(RedisError::FencedOut { .. })
            | ShipError::Redis(RedisError::OtherInstance(_))
            | ShipError::Establish(
                EstablishError::NotLocal { .. }
                | EstablishError::OtherInstance { .. }
                | EstablishError::OtherSecret
                | EstablishError::Redis(RedisError::FencedOut { .. } | RedisError::OtherInstance(_)),
            ) => {
                tracing::error!("fenced out: {error}");
                return Some(ShipperEnd::FencedOut);
            }
            // A daemon that has answered is fenced out by a lease of another one. Before that, it waits until it expires.
            ShipError::Establish(EstablishError::Held(held))
                if self.shared.fence().is_some() || parts.settings.on_outage == OnOutage::Continue =>
            {
                tracing::error!("fenced out: {} has taken over with fence {}", held.owner, held.fence);
                return Some(ShipperEnd::FencedOut);
            }
            // Redis was emptied: the fence is taken again, and everything is sent again.
            ShipError::Redis(RedisError::Empty) => {
                tracing::warn!("redis: Redis has lost its data; the whole journal and a snapshot are sent again");
                self.position = None;
                self.shared.set_confirmed(Lsn::NONE);
                self.shared.set_whole(false);
                parts.state.set_snapshot(Lsn::NONE);
                return None;
            }
            _ => {}
        }
        parts.state.counts.failures.fetch_add(1, Ordering::Relaxed);
        parts.state.note_lag(parts.journal.shipped(), parts.journal.last(), Instant::now());
        let outage = parts.state.note_failure(began, error.to_string());
        if self.retry.is_logged(Instant::now()) {
            let shipped = parts.journal.shipped();
            tracing::warn!(
                "redis: Redis does not confirm for {} s: {error}; {}; it has records up to {shipped}, the journal up to {}",
                outage.since.elapsed().as_secs(),
                consequence(parts.state.rules()),
                parts.journal.last()
            );
        }
        None
    }
}

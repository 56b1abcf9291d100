//! Renewing the lease.

use crate::replication::{
    boot_time::RenewalTime, model::error::RedisError, redis_store::RedisStore, retry::Retry, shared::Shared,
};
use std::{sync::atomic::Ordering, time::Duration};

/// Renews the lease. It never returns.
pub(super) async fn keep_lease(shared: &Shared, mut store: RedisStore) {
    let settings = &shared.parts.settings;
    let state = &shared.parts.state;
    let renew = Duration::from_millis(settings.renew_ms);
    let lease_ms = state.rules().needs_lease.then_some(settings.lease_ms);
    let mut retry = Retry::new();
    loop {
        let Some(fence) = shared.fence() else {
            tokio::time::sleep(renew).await;
            continue;
        };
        let asked_at = RenewalTime::now();
        match store.renew(fence, lease_ms).await {
            Ok(()) => {
                shared.note_lease(asked_at);
                retry.reset();
                tokio::time::sleep(renew.saturating_sub(asked_at.elapsed())).await;
            }
            Err(error @ (RedisError::FencedOut { .. } | RedisError::OtherInstance(_))) => {
                shared.end_if_replaced(&error);
                // Otherwise the shipper may have taken a newer fence during the call.
                tokio::time::sleep(renew).await;
            }
            // The shipper notices the same, logs it and takes the fence again where that is right.
            Err(_) => {
                state.counts.failures.fetch_add(1, Ordering::Relaxed);
                // No longer than a renewal: the pause is over as soon as Redis answers again.
                _ = tokio::time::timeout(renew, retry.pause()).await;
            }
        }
    }
}

//! Renewing the lease.

use crate::replication::{model::error::RedisError, redis_store::RedisStore, retry::Retry, shared::Shared};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Renews the lease until another daemon has taken over. It never returns before that.
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
        let asked_at = Instant::now();
        match store.renew(fence, lease_ms).await {
            Ok(()) => {
                shared.note_lease(asked_at);
                retry.reset();
                tokio::time::sleep(renew.saturating_sub(asked_at.elapsed())).await;
            }
            Err(RedisError::FencedOut { fence: newest, owner }) => {
                // The shipper may have taken a newer fence during the call. The same number with another owner is another fence:
                // Redis gave it a second time after it had lost the first one.
                let is_replaced = |own| own < newest || (own == newest && owner != shared.parts.owner);
                if shared.fence().is_some_and(is_replaced) {
                    tracing::error!("fenced out: {owner} has taken over with fence {newest}");
                    state.fence_out();
                    return;
                }
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

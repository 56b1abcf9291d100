//! Sending the customers' keys to Redis, wrapped.

use crate::{
    replication::{
        format::{CustomerKey, WrapError, random_nonce, wrap_key},
        model::{
            error::RedisError,
            head::Fence,
            requests::{ErasedKey, WrappedKey},
        },
        redis_store::RedisStore,
        shared::Shared,
    },
    storage::keys::KeysError,
};
use std::sync::Arc;

/// The most keys that one script writes.
const KEYS_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum KeySendError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Wrap(#[from] WrapError),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("a thread ended early: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Sends all keys that exist from the slot `next_slot` on, erased keys as erased. `next_slot` becomes the first slot that was
/// not sent, also after an error.
pub(super) async fn send_keys(
    shared: &Shared,
    store: &mut RedisStore,
    fence: Fence,
    next_slot: &mut u32,
) -> Result<(), KeySendError> {
    let parts = &shared.parts;
    while parts.keys.slots() > *next_slot {
        let (keys, first) = (Arc::clone(&parts.keys), *next_slot);
        // It may wait for the file of keys.
        let entries = tokio::task::spawn_blocking(move || keys.entries_after(first, KEYS_MAX)).await??;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        let (mut live, mut erased) = (Vec::new(), Vec::new());
        for (_, entry) in &entries {
            match entry.key {
                Some(key) => {
                    let key = CustomerKey { number: entry.number, customer: entry.customer, key };
                    let wrapped = wrap_key(&shared.wrapping, parts.instance.id, &key, random_nonce()?);
                    live.push(WrappedKey { number: entry.number, wrapped });
                }
                None => erased.push(ErasedKey { number: entry.number, customer: entry.customer }),
            }
        }
        if !live.is_empty() {
            store.put_keys(fence, &live).await?;
        }
        if !erased.is_empty() {
            store.erase_keys(fence, &erased).await?;
        }
        *next_slot = last.saturating_add(1);
    }
    Ok(())
}

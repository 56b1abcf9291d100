//! Sending the customers' keys.

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

/// Why keys were not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySenderError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Wrap(#[from] WrapError),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("a thread ended early: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Sends the keys from a slot on that exist when the call begins, erased ones as erased. Returns the slot after them.
pub(super) async fn send_keys(
    shared: &Shared,
    store: &mut RedisStore,
    fence: Fence,
    mut next_slot: u32,
) -> Result<u32, KeySenderError> {
    let parts = &shared.parts;
    while parts.keys.slots() > next_slot {
        let keys = Arc::clone(&parts.keys);
        // It may wait for the file of keys.
        let entries = tokio::task::spawn_blocking(move || keys.entries_after(next_slot, KEYS_MAX)).await??;
        let Some((last, _)) = entries.last() else { break };
        let after = last.saturating_add(1);
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
        next_slot = after;
    }
    Ok(next_slot)
}

//! Erasing the keys of customers in Redis, before their erasure counts as done.

use crate::{
    replication::{CopyEraser, ErasedKey, RedisError},
    storage::keys::Keys,
};

/// Erases the keys of a customer in Redis. They are erased in memory and on the disk before.
///
/// # Errors
/// Redis did not confirm. Repeating the call is safe.
pub(crate) fn erase_in_redis(eraser: &CopyEraser, keys: &Keys, customer: u64) -> Result<(), RedisError> {
    let erased = keys.erased_numbers(customer).into_iter().map(|number| ErasedKey { number, customer }).collect();
    eraser.erase(erased)
}

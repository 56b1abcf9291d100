//! The copy of the journal in Redis, as the daemon assembles it: who may start, what is sent, and what a daemon leaves that
//! another one has replaced.

mod assembly;
mod erasure;
mod fence_file;
mod prepare;
mod snapshots;
mod unshipped;

pub(crate) use crate::daemon::redis_copy::{
    assembly::{CopyStart, RedisCopy, keep_fence, known_fence, owner, redis_durability},
    erasure::erase_in_redis,
    prepare::{Prepared, RestoreOrder, prepare_folder, reader, restored_in_words},
};

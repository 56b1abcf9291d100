//! The copy of the journal in Redis.
//!
//! One daemon, the primary, writes. Redis has a copy of its journal, its customers' keys and its newest snapshot, from which
//! a new machine is restored and a standby follows. All keys contain the configured prefix as hash tag, so a cluster keeps
//! them in one slot and one script can change them together.
//!
//! | Key | Type | Contents |
//! |---|---|---|
//! | `{P}:head` | hash | format, instance, wrapped secret, fence, owner, what happens in an outage, tip, newest finished snapshot, first record |
//! | `{P}:stream` | stream | one entry a batch, with the id `LAST_LSN-0` and one field `b`: the framed batch |
//! | `{P}:keys` | hash | number of a customer's key (16 hex digits) to the wrapped entry |
//! | `{P}:erased` | hash | number of an erased key (16 hex digits) to the customer's number |
//! | `{P}:snapshot:BEGIN_LSN` | list | the framed chunks of one snapshot |
//! | `{P}:lease` | string | the fence; expires with `on_outage = "refuse"`, and never with `continue` |
//!
//! Each change is one Lua script that compares the caller's fence and owner with those of `head`. [`RedisStore`] has one
//! method for each script and each read. It reconnects, and never sends a command twice: the caller resends what it wants.
//!
//! [`ReplicationThread`] runs the shipper, the lease, the snapshots and erasures on its own thread. The threads that
//! answer requests read [`ShippingState`] and wait for the watermark of the journal. `format` describes the bytes.

mod answer;
mod boot_time;
pub mod client;
mod copied_head;
mod copy_error;
mod copy_reader;
mod establish;
pub mod format;
mod key_sender;
mod lease;
pub mod model;
mod owner_watch;
mod redis_reads;
pub mod redis_store;
mod replication_thread;
mod restore;
mod retry;
mod scripts;
mod shared;
mod ship_error;
mod shipper;
pub mod shipping_state;
mod snapshot_sender;
pub mod standby_state;
pub mod stream_reader;

pub use crate::replication::{
    boot_time::RenewalTime,
    copy_error::CopyError,
    copy_reader::{CopyReader, StreamPosition},
    establish::EstablishError,
    model::{
        answers::{Acquired, Appended, Begun, ChunkPut, Finished, HeldLease, ReplacedOwner},
        error::RedisError,
        head::{FORMAT, Fence, Head, Lease, SnapshotMark, Tip},
        pages::{ErasedPage, KeyPage, StreamEntry, StreamPage},
        requests::{AcquireRequest, BatchToAppend, ErasedKey, ExpectedCopy, Replaces, SnapshotToFinish, WrappedKey},
        server::ServerFacts,
    },
    redis_store::RedisStore,
    replication_thread::{CopyEraser, ReplicationEnd, ReplicationThread},
    restore::{RestoreTarget, RestoredCopy, restore},
    shared::{FenceHolder, FenceMemory, KnownFence, ReplicationParts, SnapshotSink, SnapshotSource},
    shipping_state::{ShippingRules, ShippingState},
    standby_state::StandbyState,
    stream_reader::{StreamError, StreamRead, StreamReader},
};

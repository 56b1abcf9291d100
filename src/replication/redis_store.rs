//! One logical connection to the copy in Redis, with one method for each script and each read.
//!
//! A method connects if there is no connection, sends its command once, and waits for at most the configured times. After a
//! failure the connection is dropped, and the next call resolves the master anew, after a delay that grows with each failure
//! to at most two seconds. No method resends: a command that timed out may have run.

use crate::{
    config::Redis,
    replication::model::{
        answers::{Acquired, Appended, Begun, ChunkPut, Finished, HeldLease},
        error::RedisError,
        head::{Fence, Head},
        pages::{ErasedPage, KeyPage, StreamPage},
        requests::{AcquireRequest, BatchToAppend, ErasedKey, SnapshotToFinish, WrappedKey},
    },
    storage::journal::{JournalId, Lsn},
};

/// One logical connection. Calls run one at a time; use [`RedisStore::separate`] for another connection.
#[derive(Debug)]
pub struct RedisStore {}

impl RedisStore {
    /// A store that is not connected yet. `owner` names this process: host, process, start time. Scripts compare it.
    ///
    /// # Errors
    /// A file of the settings (password, CA) cannot be used.
    pub fn new(settings: &Redis, owner: &str) -> Result<Self, RedisError> {
        let _ = (settings, owner);
        Err(RedisError::Empty)
    }

    /// Another connection to the same server for the same instance and owner.
    #[must_use]
    pub fn separate(&self) -> Self {
        Self {}
    }

    /// Compares the instance of the copy with this one in every later call.
    pub fn expect_instance(&mut self, instance: JournalId) {
        let _ = instance;
    }

    /// The head. `None`: Redis has no copy under this prefix.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn head(&mut self) -> Result<Option<Head>, RedisError> {
        Err(RedisError::Empty)
    }

    /// Takes the fence and the lease. Creates the head if Redis is empty. A lease of the same owner is taken again.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn acquire(&mut self, request: AcquireRequest<'_>) -> Result<Acquired, RedisError> {
        let _ = request;
        Err(RedisError::Empty)
    }

    /// Sets the lease again: for `lease_ms`, or for ever (`None`, with `on_outage = "continue"`).
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn renew(&mut self, fence: Fence, lease_ms: Option<u64>) -> Result<(), RedisError> {
        let _ = (fence, lease_ms);
        Err(RedisError::Empty)
    }

    /// Appends a batch if the stream ends with the record before it.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn append(&mut self, fence: Fence, batch: BatchToAppend<'_>) -> Result<Appended, RedisError> {
        let _ = (fence, batch);
        Err(RedisError::Empty)
    }

    /// Waits until `replicas` replicas have everything that this connection has appended, at most for the response time-out.
    /// Returns how many have it.
    ///
    /// # Errors
    /// See [`RedisError`]. [`RedisError::NothingToConfirm`] after a reconnection: append the batch again first.
    pub async fn wait_replicas(&mut self, replicas: u32) -> Result<u32, RedisError> {
        let _ = replicas;
        Err(RedisError::Empty)
    }

    /// Writes keys. A key that is erased stays erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn put_keys(&mut self, fence: Fence, keys: &[WrappedKey]) -> Result<(), RedisError> {
        let _ = (fence, keys);
        Err(RedisError::Empty)
    }

    /// Deletes keys, and records that they are erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn erase_keys(&mut self, fence: Fence, keys: &[ErasedKey]) -> Result<(), RedisError> {
        let _ = (fence, keys);
        Err(RedisError::Empty)
    }

    /// Begins a snapshot that contains all records up to `begin`. An unfinished one is deleted, also of the same number.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn begin_snapshot(&mut self, fence: Fence, begin: Lsn) -> Result<Begun, RedisError> {
        let _ = (fence, begin);
        Err(RedisError::Empty)
    }

    /// Adds a framed chunk if it is the next one.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn put_chunk(
        &mut self,
        fence: Fence,
        begin: Lsn,
        index: u64,
        frame: &[u8],
    ) -> Result<ChunkPut, RedisError> {
        let _ = (fence, begin, index, frame);
        Err(RedisError::Empty)
    }

    /// Names the snapshot in the head, if all chunks are there and the stream has reached its end. Deletes the one before.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn finish_snapshot(&mut self, fence: Fence, snapshot: SnapshotToFinish) -> Result<Finished, RedisError> {
        let _ = (fence, snapshot);
        Err(RedisError::Empty)
    }

    /// Removes the batches whose records are all at or before `through`, but never the last one. The finished snapshot must
    /// contain `through`. Returns the first record of the stream after it.
    ///
    /// # Errors
    /// See [`RedisError`]; [`RedisError::Refused`] if no finished snapshot contains `through`.
    pub async fn trim(&mut self, fence: Fence, through: Lsn) -> Result<Lsn, RedisError> {
        let _ = (fence, through);
        Err(RedisError::Empty)
    }

    /// Deletes the lease.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn release(&mut self, fence: Fence) -> Result<(), RedisError> {
        let _ = fence;
        Err(RedisError::Empty)
    }

    /// The entries whose last record is after `after`: at most `count`, and no more after `bytes` bytes are reached. Needs no
    /// fence and works on a replica.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_stream(&mut self, after: Lsn, count: u32, bytes: u64) -> Result<StreamPage, RedisError> {
        let _ = (after, count, bytes);
        Err(RedisError::Empty)
    }

    /// Keys from a cursor; 0 begins.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_keys(&mut self, cursor: u64) -> Result<KeyPage, RedisError> {
        let _ = cursor;
        Err(RedisError::Empty)
    }

    /// Erased keys from a cursor; 0 begins.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_erased(&mut self, cursor: u64) -> Result<ErasedPage, RedisError> {
        let _ = cursor;
        Err(RedisError::Empty)
    }

    /// A framed chunk of the snapshot that was begun with `begin`. `None`: there is no such chunk.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_chunk(&mut self, begin: Lsn, index: u64) -> Result<Option<Vec<u8>>, RedisError> {
        let _ = (begin, index);
        Err(RedisError::Empty)
    }

    /// Deletes the copy, whatever instance it belongs to. The fence stays and increases, so that a daemon that wrote the copy
    /// learns that it is fenced out. Unless forced, a lease prevents it: then the answer names its owner.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn discard(&mut self, forced: bool) -> Result<Option<HeldLease>, RedisError> {
        let _ = forced;
        Err(RedisError::Empty)
    }
}

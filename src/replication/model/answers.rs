//! What the scripts answer, besides errors.

use crate::{
    replication::model::head::{Fence, Tip},
    storage::journal::Lsn,
};

/// A lease of another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// The owner.
    pub owner: String,
    /// Its fence.
    pub fence: Fence,
    /// The time until the lease expires; `None`: it never does.
    pub expires_in_ms: Option<u64>,
}

/// The owner before an acquisition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedOwner {
    /// Its fence.
    pub fence: Fence,
    /// Its name.
    pub owner: String,
}

/// The answer to `acquire`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the fence.
    Yes {
        /// The new fence.
        fence: Fence,
        /// The last record of the stream.
        tip: Option<Tip>,
        /// Redis was empty, so the caller's instance and secret are stored now.
        created: bool,
        /// The owner before; `None`: there was none.
        replaced: Option<ReplacedOwner>,
    },
    /// Another owner has a lease; nothing changed.
    Held(HeldLease),
    /// The stream does not end as the caller expects; nothing changed. `None`: it has no record.
    Moved(Option<Tip>),
}

/// The answer to `append`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The batch is the last entry now.
    Yes,
    /// The batch was the last entry before: an earlier call succeeded.
    Already,
    /// The stream ends with another record; nothing changed. `None`: it has no record.
    EndsWith(Option<Tip>),
}

/// The answer to `begin_snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The snapshot has no chunk yet.
    Yes,
    /// Redis has a finished snapshot of the same number. No chunk is needed.
    AlreadyFinished,
}

/// The answer to `put_chunk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkPut {
    /// The chunk is the last one now, or was before.
    Yes,
    /// The chunk is not the next one; nothing changed.
    Expected {
        /// The index of the next chunk.
        next: u64,
    },
    /// This snapshot is not being built: another was begun.
    NotBegun,
}

/// The answer to `finish_snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// `head` names the snapshot.
    Yes,
    /// The stream does not reach the snapshot's end yet. `None`: it has no record.
    NotReached(Option<Lsn>),
    /// Redis has another number of chunks.
    Chunks(u64),
    /// This snapshot is not being built: another was begun.
    NotBegun,
}

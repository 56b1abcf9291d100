//! The head of the copy: who owns it, and how far it reaches.

use crate::{
    config::OnOutage,
    storage::journal::{JournalId, LogOffset, Lsn},
};
use std::fmt;

/// The version of everything that Redis contains. A higher one is refused.
pub const FORMAT: u32 = 1;

/// The number of an acquisition. A change with an older fence is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The last record of the stream. Two machines that continued from the same record have different tips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The record's number.
    pub lsn: Lsn,
    /// The epoch of the start that wrote it.
    pub epoch: u32,
    /// Its checksum.
    pub crc: u32,
    /// The offset after it in the journal.
    pub end: LogOffset,
}

/// The newest finished snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotMark {
    /// The last record before the snapshot began; it names the snapshot.
    pub begin: Lsn,
    /// The last record that a part of the snapshot contains.
    pub end: Lsn,
    /// The number of its chunks.
    pub chunks: u64,
    /// The bytes of its chunks, without their frames.
    pub bytes: u64,
}

/// The lease of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The fence of its holder.
    pub fence: Fence,
    /// The time until it expires; `None`: it never does.
    pub expires_in_ms: Option<u64>,
}

/// The contents of `head`, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version of the contents.
    pub format: u32,
    /// The journal that Redis has a copy of.
    pub instance: JournalId,
    /// The wrapped digest secret.
    pub secret: Vec<u8>,
    /// The newest fence.
    pub fence: Fence,
    /// Who took the fence: host, process, start time.
    pub owner: String,
    /// The owner's behaviour while Redis is unavailable.
    pub on_outage: OnOutage,
    /// The last record; `None`: the stream has none yet.
    pub tip: Option<Tip>,
    /// The first record of the stream; `None`: it has none yet.
    pub begin: Option<Lsn>,
    /// The newest finished snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// The owner's lease; `None`: released or expired.
    pub lease: Option<Lease>,
    /// Whether the owner has released its lease: it answers nothing any more.
    pub is_released: bool,
    /// The entries of the stream.
    pub batches: u64,
    /// The keys that are not erased.
    pub keys: u64,
    /// The erased keys.
    pub erased: u64,
    /// How long ago the owner renewed its lease last, by the clock of the server. `None`: a version that does not record
    /// it took the fence.
    pub renewed_ago_ms: Option<u64>,
    /// The same as an instant, in milliseconds of the server's clock.
    pub renewed_at_ms: Option<u64>,
}

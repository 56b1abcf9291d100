//! What the reads answer.

use crate::{
    replication::model::{
        head::{Fence, Lease, Tip},
        requests::{ErasedKey, WrappedKey},
    },
    storage::journal::Lsn,
};

/// One entry of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// The last record of the batch, as the entry's id names it.
    pub last: Lsn,
    /// The framed batch.
    pub frame: Vec<u8>,
}

/// Entries after a record, and the state of the stream at that instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    /// The entries, in order. None: nothing is after the record.
    pub entries: Vec<StreamEntry>,
    /// The last record of the stream.
    pub tip: Option<Tip>,
    /// The first record of the stream. If it is more than one after the requested record, trimming removed entries between
    /// them.
    pub begin: Option<Lsn>,
    /// The newest fence.
    pub fence: Fence,
    /// The owner's lease; `None`: released or expired.
    pub lease: Option<Lease>,
    /// When the owner renewed its lease last, in milliseconds of the server's clock.
    pub renewed_at_ms: Option<u64>,
}

/// Keys, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// Where to continue; 0: this is the last page.
    pub cursor: u64,
    /// The keys. A key may be on two pages.
    pub keys: Vec<WrappedKey>,
}

/// Erased keys, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedPage {
    /// Where to continue; 0: this is the last page.
    pub cursor: u64,
    /// The keys. A key may be on two pages.
    pub keys: Vec<ErasedKey>,
}

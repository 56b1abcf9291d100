//! Why the copy in Redis cannot be read or restored.

use crate::{
    replication::{
        format::{FormatError, WrapError},
        model::{
            answers::HeldLease,
            error::RedisError,
            head::{Fence, Tip},
        },
    },
    storage::{
        journal::{Lsn, RawFlaw},
        restored_folder::RestoreError,
    },
};
use std::io;

/// Why the copy in Redis cannot be read or restored. Nothing in Redis was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Redis does not answer, or refuses the command.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// No thread for the connection.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
    /// The owner of the copy still renews its lease.
    #[error(
        "another daemon writes this copy: {}, fence {}; it has renewed its lease while this one waited; stop it, or, if it is \
         certain that it does not answer any more, start with `levelgate serve --restore --take-over`",
        .0.owner, .0.fence
    )]
    OwnerLives(HeldLease),
    /// The owner of the copy has a lease that never expires, and no heartbeat is known.
    #[error(
        "{owner} has the lease of this copy, fence {fence}, and Redis does not tell when it was renewed; if it is certain \
         that it does not answer any more, start with `levelgate serve --restore --take-over`"
    )]
    NoHeartbeat {
        /// The owner.
        owner: String,
        /// Its fence.
        fence: Fence,
    },
    /// The wrapped secret does not open.
    #[error("the digest secret in Redis: {0}")]
    Secret(WrapError),
    /// A wrapped key does not open.
    #[error("a customer's key in Redis: {0}")]
    Key(WrapError),
    /// The stream lacks records.
    #[error("the stream in Redis lacks the records from {from} to {to}; {DAMAGED}")]
    Gap {
        /// The first one.
        from: Lsn,
        /// The last one.
        to: Lsn,
    },
    /// A batch is damaged, or belongs elsewhere.
    #[error("the entry {last}-0 of the stream in Redis: {error}; {DAMAGED}")]
    Batch {
        /// The number in its id.
        last: Lsn,
        /// The flaw.
        error: FormatError,
    },
    /// A batch has another last record than its id names.
    #[error("the entry {id}-0 of the stream in Redis ends with record {found}; {DAMAGED}")]
    Misplaced {
        /// The number in its id.
        id: Lsn,
        /// Its last record.
        found: Lsn,
    },
    /// The records of a batch are damaged, although its frame is whole.
    #[error("the entry {last}-0 of the stream in Redis: {flaw}; {DAMAGED}")]
    Records {
        /// The number in its id.
        last: Lsn,
        /// The flaw.
        flaw: RawFlaw,
    },
    /// A batch does not continue the one before it.
    #[error(
        "record {first} in Redis does not follow the record before it there: they are of different lineages; {DAMAGED}"
    )]
    OtherLineage {
        /// The first record of the batch.
        first: Lsn,
    },
    /// The stream does not end where the head says.
    #[error("the head in Redis names record {} as the last one, and the stream ends with record {found}; {DAMAGED}", .tip.lsn)]
    OtherTip {
        /// What the head names.
        tip: Tip,
        /// The last record of the stream.
        found: Lsn,
    },
    /// A chunk of the snapshot is missing.
    #[error("chunk {index} of {chunks} of the snapshot in Redis is missing; {DAMAGED}")]
    ChunkMissing {
        /// Its index.
        index: u64,
        /// The number of chunks.
        chunks: u64,
    },
    /// A chunk of the snapshot is damaged, or belongs elsewhere.
    #[error("chunk {index} of the snapshot in Redis: {error}; {DAMAGED}")]
    Chunk {
        /// Its index.
        index: u64,
        /// The flaw.
        error: FormatError,
    },
    /// A chunk is at another place than it says, or the chunks are of another length than the head says.
    #[error("the snapshot in Redis is not the one that the head names ({0}); {DAMAGED}")]
    OtherSnapshot(&'static str),
    /// The hashes of keys have other numbers of keys than were read.
    #[error(
        "Redis names {live} keys and {erased} erased keys, and {found_live} and {found_erased} were read; {DAMAGED}"
    )]
    Keys {
        /// The keys.
        live: u64,
        /// The erased keys.
        erased: u64,
        /// The keys that were read.
        found_live: u64,
        /// The erased keys that were read.
        found_erased: u64,
    },
    /// The copy changes all the time.
    #[error(
        "the copy in Redis has changed while it was read ({0}); another daemon writes it: stop that daemon and restore again"
    )]
    Changed(&'static str),
    /// The folder cannot be written, or the parts do not belong together.
    #[error(transparent)]
    Folder(#[from] RestoreError),
}

/// The remedy for damage of the copy.
const DAMAGED: &str = "nothing in Redis was changed; restore Redis from its replica or backup and restore again, or start on a \
                       backup of the data folder and run `levelgate redis discard`, after which the journal is sent again";

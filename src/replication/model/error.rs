//! The errors of Redis, one variant a cause.

use crate::replication::model::head::{FORMAT, Fence};
use crate::storage::journal::JournalId;

/// A command failed. [`RedisError::may_have_run`] tells whether it may have changed something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No connection, or the connection ended before the answer. The command may have run.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time. The command may have run.
    #[error("Redis did not answer within {ms} ms ({what})")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The time that was waited.
        ms: u64,
    },
    /// The server is a read-only replica.
    #[error("the Redis server is a read-only replica (READONLY); name the master, or use the address of the Sentinels")]
    ReadOnly,
    /// The server has no memory left for writes.
    #[error("Redis is out of memory (OOM); raise its `maxmemory`: a record needs space until it is trimmed")]
    OutOfMemory,
    /// One of our keys has a value of another type.
    #[error("a key of this prefix has another type (WRONGTYPE): another program uses it; choose another `prefix`")]
    WrongType,
    /// The server reads its data from disk.
    #[error("Redis is still loading its data (LOADING)")]
    Loading,
    /// The server is a replica without a master, or its cluster is incomplete.
    #[error("Redis has no master at present ({0})")]
    MasterDown(String),
    /// The password or the user is wrong or missing.
    #[error("Redis refuses the password or user ({0}); check `password_file`, and the user in `url`")]
    NotAuthenticated(String),
    /// The user may not run a command or use a key.
    #[error("the Redis user lacks a permission ({0}); allow the commands of the guide on keys with this prefix")]
    NotPermitted(String),
    /// Too few replicas are connected (`min-replicas-to-write`), or the last save to disk failed.
    #[error("Redis refuses writes at present ({0})")]
    WritesDisabled(String),
    /// Redis has no copy under this prefix: it never had one, or lost it.
    #[error("Redis has no data under this prefix")]
    Empty,
    /// A newer version of levelgate wrote the copy.
    #[error(
        "the data in Redis have format {found}, and this version knows formats up to {FORMAT}; use a newer levelgate"
    )]
    NewerFormat {
        /// The format.
        found: u64,
    },
    /// The copy belongs to another data folder.
    #[error("Redis has the data of another instance ({0}); choose another `prefix`, or another server")]
    OtherInstance(JournalId),
    /// Another daemon has taken the fence.
    #[error("another daemon has taken over: {owner}, fence {fence}")]
    FencedOut {
        /// The newest fence.
        fence: Fence,
        /// Who took it.
        owner: String,
    },
    /// The last entry of the stream is not the tip: an entry was deleted or added by hand.
    #[error("the stream in Redis was changed by hand: its last entry is {found}, and the head names {expected}")]
    StreamChanged {
        /// The id of the last entry, or `none`.
        found: String,
        /// The id that the head names, or `none`.
        expected: String,
    },
    /// `WAIT` on a connection that has not appended anything: append again first.
    #[error("the connection to Redis is new, so it cannot tell which replicas have the last batch")]
    NothingToConfirm,
    /// Any other refusal of the server or of a script.
    #[error("Redis refused the command: {0}")]
    Refused(String),
    /// An answer that no script and no read gives.
    #[error("Redis gave an unexpected answer: {0}")]
    Protocol(String),
}

impl RedisError {
    /// Whether the command may have run although it failed.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut { .. } | Self::Protocol(_))
    }

    /// Whether the server may be another one soon, or the same one may soon accept the command: the caller tries again.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::TimedOut { .. }
            | Self::ReadOnly
            | Self::OutOfMemory
            | Self::Loading
            | Self::MasterDown(_)
            | Self::NotAuthenticated(_)
            | Self::NotPermitted(_)
            | Self::WritesDisabled(_)
            | Self::WrongType
            | Self::Refused(_)
            | Self::Protocol(_)
            | Self::NothingToConfirm => true,
            Self::Empty
            | Self::NewerFormat { .. }
            | Self::OtherInstance(_)
            | Self::FencedOut { .. }
            | Self::StreamChanged { .. } => false,
        }
    }
}

//! The journal: recorded events as bytes, appended, synced and read back.
//!
//! A journal is one sequence of records, divided into segments. Applying its records in order gives the state; a snapshot
//! only saves applying old ones. The facts of a transaction are read from the journal by offset. This module knows events and
//! bytes. It knows no lock of the ledger, no rule and no clock.
//!
//! A record is addressed by its *offset* ([`LogOffset`]): the bytes of records since the journal began, across segments. It
//! is numbered by its *sequence number* ([`Lsn`]), which increases by one from record to record and never restarts. The
//! bytes of a record are in `format/frame.rs`, those of a segment in `format/segment_head.rs`, those of the file `synced` in
//! `format/synced_file.rs`. [`recovery`](crate::storage::recovery) reads them at a start.
//!
//! # Deleting the beginning
//!
//! The oldest segment may be deleted after snapshots contain its effect on the state, and after every transaction that must
//! stay and has a record in it was compacted. Offsets and numbers continue as before.
//!
//! # Personal data
//!
//! Attributes of a customer are only in events whose data is sealed with a key of that customer; see
//! [`keys`](super::keys). The keys are in a separate file, which no backup contains unless requested: erasing the key makes
//! every sealed copy unreadable. Digests of identities are keyed with a secret of the data folder; see [`Instance`].
//!
//! # Versions of the format
//!
//! An event begins with its tag. A tag is never reused and has one shape, which golden bytes hold: another shape is another
//! tag. The same holds for the numbers of facts and words. Each new tag, number or bit raises [`FORMAT`], so that an older
//! program refuses the file at its head and not in the middle.
//!
//! **Format 2** adds later captures, cancels of the reservation, and missing levels. Records of format 1 stay as they are:
//! the outcome in such a record is valid until the next fact about the transaction.
//!
//! **Format 3** adds brands and card-on-file types of instruments, removed instruments, attributes of staff, and the audit of
//! operations. Every record of format 2 has the same meaning in format 3.
//!
//! **Format 4** adds the figures of a denial, whether an instrument is stored, the chain of the blocks of an instrument, and
//! the job of a customer's step.
//! Every record of format 3 has the same meaning in format 4.
//!
//! **Format 5** adds the rate table of the files, the merchants of the files with whether they are test merchants, and the
//! start of an import of past payments. Every record of format 4 has the same meaning in format 5.
//!
//! A journal of an earlier format continues in segments of the present one.

pub mod archived;
mod audit;
mod background;
mod follow;
pub(in crate::storage) mod format;
mod group_commit;
mod history;
pub(in crate::storage) mod log;
pub(in crate::storage) mod model;
mod presence;
pub(in crate::storage) mod raw;
mod read;
mod rotate;
pub(in crate::storage) mod state;
mod turn_taking;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use crate::storage::journal::state::watermarks::CachePadded;
pub use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        archive::ArchivedTransactions,
        journal::{
            follow::{FOLLOW_BYTES_MAX, FollowError, Followed, UnreadableRecords, Visited},
            format::{
                frame::{self, FORMAT, Head, RECORD_BYTES_MAX},
                segment_head::{HeadFlaw, SegmentHead},
                segment_reader, synced_file,
            },
            history::{History, HistoryError},
            log::Journal,
            model::{
                companion::Companion,
                error::{Failed, OpenError, ReadError, ScanError},
                ids::{JournalId, Lsn},
                instance::{Instance, InstanceError},
                options::{BACKLOG_BYTES_MAX, Options, Sync},
                paths::{ARCHIVE, CUT, FOLDER},
                record::{Appended, Record},
                replay::{Refused, Replay},
                segment_info::SegmentInfo,
            },
            raw::{
                following_mark::PATH as FOLLOWING,
                ingest::IngestError,
                raw_after::RecordMark,
                raw_reader::RawReader,
                raw_records::{RawFlaw, RawRecords},
            },
            state::audited_blocks::{AuditSpan, AuditedRecord},
        },
        keys::Keys,
        recovery::Recovery,
    },
};

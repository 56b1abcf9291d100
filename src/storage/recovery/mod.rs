//! Recovery of the journal's files at a start.
//!
//! Everything is synced before it is read, so that no decision depends on bytes that a dead process left only in the cache.
//! Then segments are read in order: each record must be whole and have the next number and an epoch that does not decrease.
//! The *known synced number* is the highest number in any whole batch header, segment head or snapshot, including those after
//! damage, or in the file [`synced`](crate::storage::journal::synced_file).
//!
//! | Found | Then |
//! |---|---|
//! | all records are whole | continue after them; records that are not known to be synced are written again, since pages that a failed sync left look clean and are lost |
//! | damage or a gap at or below the known synced number | corruption: refuse, with file, offset and command; change nothing |
//! | damage above it | a power cut: cut there, even if whole records follow; the bytes are moved aside, counted and logged |
//! | a record above it whose key is missing | the same: a power cut that lost the key and left the record |
//! | a batch header without a record at the journal's end | cut there, and moved aside |
//! | the file `following` | batch headers are those of another daemon and confirm nothing; a group without its end at the journal's end is cut off, unless it was synced as it is |
//! | another journal's id | refuse |
//! | a whole record that is invalid: no power cut causes that | corruption: refuse |
//! | a newer format | refuse |
//! | `next.new` with records: a power cut lost its name | moved aside, counted and logged |
//! | `next.new` without records | removed |
//! | the journal ends before the number of the newest snapshot, or before that of the file `synced` | corruption: refuse |
//! | the file `synced` has no whole slot | no power cut causes that: refuse |
//! | a record that only the file `synced` confirms, whose key is missing | an older copy of the keys: refuse |
//! | a segment that no start replays is missing, has another length or a damaged head | refuse, unless it was released or its loss was accepted; see [`archive_list`](crate::storage::archive_list) |
//! | the journal begins after record 1, and a snapshot contains the effect of the records before | continue; its oldest segments were deleted |
//! | the same without such a snapshot | refuse |

mod archived;
mod find;
mod missing_keys;
pub(in crate::storage) mod recover;
mod repair;
mod replay;
pub(in crate::storage) mod scan;
mod segments;
mod validate;

pub use crate::storage::recovery::{
    recover::verdict,
    scan::{Recovery, Verdict},
};

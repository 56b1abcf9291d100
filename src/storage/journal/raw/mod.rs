//! Verbatim bytes of the journal, for a copy that is a prefix of it: reading them, checking them, and writing them to the
//! journal of another daemon.
//!
//! A *raw range* (`RawRecords`) has the bytes of whole records of one segment with the batch headers before them, as they
//! are in the file. The ranges after a number follow each other without a gap: their bytes together are the bytes of the
//! segments without their heads. A range may end inside a group.

pub(in crate::storage) mod following_mark;
pub(in crate::storage) mod ingest;
pub(in crate::storage) mod ingestion;
pub(in crate::storage) mod raw_after;
pub(in crate::storage) mod raw_reader;
pub(in crate::storage) mod raw_records;
mod shipped;

//! The archive index: transactions by id and by customer over sealed segments. It is derived from the segments and can be
//! lost: it is built again.
//!
//! It contains every record from [`Archive::begins_at`] to
//! [`archived_before`](ArchivedTransactions::archived_before) and no other, except for lost records: the index and these
//! places change in one transaction. It knows the places of records, not their effect on a counter.
//!
//! A Bloom filter in memory (`bloom_filter.rs`) answers most look-ups of new ids. Calls of [`Archive::build_filter_part`]
//! build it from the index after the start, part by part; look-ups of a part that is not built read the index.
//!
//! # Verification
//!
//! An id that is not in the index counts as new, so a negative answer must be as certain as a positive one. The database
//! verifies checksums only when it opens after a crash. So `tables.rs` stores sums over the entries, and compares them at
//! each look-up that reaches the index and when a part of the filter is built. The places of the index have a check too. A
//! mismatch, an error of the database, or a panic of it over damaged bytes marks the index as damaged
//! ([`Archive::damage`]): it then returns only errors, until [`Archive::rebuild_from`] and [`Archive::add`] have built it
//! again. Ids that the filter excludes count as new all the time: the filter was built from verified entries and is in
//! memory.

mod archive_index;
pub(in crate::storage) mod archived_transactions;
mod bloom_filter;
mod error;
mod guarded_database;
mod private_file;
mod segment_indexer;
mod tables;

pub use crate::storage::archive::{
    archive_index::Archive, archived_transactions::ArchivedTransactions, error::ArchiveError,
};

//! Snapshots as bytes: they save applying old records. This module knows no lock, no folder and no key: its callers supply
//! the pieces and write the bytes.
//!
//! A snapshot is a header and frames. The last piece is [`Piece::End`], which counts the others. A file without it, or with
//! bytes after it, is not a snapshot.
//!
//! # How a snapshot is written and read
//!
//! Records after *begin LSN* are applied to the decoded state. Of these, records about a customer with a number up to the
//! customer's `applied` are skipped, because they are contained already: an opening that is applied again after its slot
//! has left memory would count twice. A customer's piece comes before its summaries. Summaries may be newer than the
//! customer's piece, and in several pieces of different times: each fact sets the values of a summary. Only slots below the
//! customer's `next_slot` belong to the snapshot; later ones come from their records. While a customer's pieces are
//! written, no transaction of it may leave memory: what leaves is added to the sums of a series, and these are in the
//! customer's piece.
//!
//! There may be several [`Piece::Global`]. Their lists add up, so that no piece exceeds [`FRAME_BYTES_MAX`].
//!
//! A customer's profile is stored as the events that make it, so that it has one format.

mod error;
mod frame;
mod header;
mod piece;
mod reader;
mod version;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::storage::snapshot::{
    error::SnapshotError,
    frame::{Counts, Frame},
    header::{HEADER_BYTES, Header},
    piece::{
        FRAME_BYTES_MAX, Piece,
        customer::{CustomerDto, TransactionSummaryDto, UsageSeriesDto},
        global::{ArchivedFactDto, ClockDto, CountedDto, GlobalDto, LevelDto, RenameDto, SegmentDto},
        identifier::IdentifierDto,
        summaries::SummaryReader,
    },
    reader::Reader,
    version::{CODEC, FORMAT},
    writer::Writer,
};

//! The pieces of a snapshot, and how they become bytes.
//!
//! Only the files of this module use `bincode`, pinned to 1.3.3 and always with the same options: fixed-width little-endian
//! numbers, and no bytes after the end. The variant of an enum is its index as a `u32`, an option a byte, a length a `u64`.
//! So the order of fields and variants **is** the format. Golden bytes hold it; another shape is another
//! [`CODEC`](super::CODEC). The domain knows nothing of this: the shapes are in `piece/customer.rs` and
//! `piece/global.rs`, and words have the numbers that events use.

use crate::storage::snapshot::piece::{
    customer::{CustomerDto, TransactionSummaryDto},
    global::GlobalDto,
};
use bincode::Options;
use serde::{Deserialize, Serialize};

pub(super) mod codec1;
pub(super) mod customer;
pub(in crate::storage) mod global;
pub(super) mod identifier;
mod profile;
pub(super) mod summaries;
mod values;

/// The most bytes of the body of one frame.
pub const FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// The variants of [`Piece`] that belong to a customer, as the codec writes them.
pub(super) const CUSTOMER: u32 = 0;
pub(super) const TRANSACTION_SUMMARIES: u32 = 1;

/// The codec. It must never change.
pub(super) fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(u64::from(FRAME_BYTES_MAX))
}

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// A customer without its transactions.
    Customer(CustomerDto),
    /// Summaries of transactions of a customer, ascending by slot.
    TransactionSummaries {
        /// The number of the customer, whose piece comes before.
        customer: u64,
        /// Slot and summary.
        summaries: Vec<(u32, TransactionSummaryDto)>,
    },
    /// State that belongs to no customer.
    Global(GlobalDto),
    /// The last piece.
    End {
        /// The last record that any piece may contain. A journal that ends before it has lost records.
        end_lsn: u64,
        /// The number of pieces before this one.
        pieces: u64,
        /// The number of customers.
        customers: u64,
        /// The number of transaction summaries.
        summaries: u64,
    },
}

//! Frames of a snapshot: one piece each, with a checksum.
//!
//! A frame is the length of its body (`u32`), CRC-32C of length and body, and the body: one [`Piece`], which is decoded only
//! after its checksum was verified.

use crate::storage::snapshot::{
    error::SnapshotError,
    header::{u32_at, u64_at},
    piece::{CUSTOMER, Piece, TRANSACTION_SUMMARIES, codec, codec1::PieceV1, summaries::SummaryReader},
};
use bincode::Options;

/// The bytes of a frame before its body.
pub(super) const FRAME_HEAD_BYTES: usize = 8;

/// How much of a snapshot was written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pieces, without the end.
    pub pieces: u64,
    /// Customers.
    pub customers: u64,
    /// Transaction summaries.
    pub summaries: u64,
}

impl Counts {
    /// Counts a piece.
    pub(super) fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Customer(_) => self.customers += 1,
            Piece::TransactionSummaries { summaries, .. } => self.summaries += summaries.len() as u64,
            Piece::Global(_) | Piece::End { .. } => {}
        }
        self.pieces += 1;
    }

    /// Counts a piece that is not decoded.
    pub(super) fn add_frame(&mut self, frame: &Frame<'_>) {
        if frame.customer().is_some() {
            match u32_at(frame.body, 0) {
                CUSTOMER => self.customers += 1,
                _ => self.summaries = self.summaries.saturating_add(u64_at(frame.body, 12).unwrap_or(0)),
            }
        }
        self.pieces += 1;
    }
}

/// A piece as bytes of the file. Its checksum is verified, and it is not decoded.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The offset in the file.
    pub offset: u64,
    /// The codec of the body.
    pub codec: u32,
    /// The bytes of the piece.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The number of the customer that the piece belongs to; `None` for any other piece. The pieces of one customer must be
    /// taken in order; those of different customers are independent.
    #[must_use]
    pub fn customer(&self) -> Option<u64> {
        // Both kinds of piece begin with that number.
        matches!(u32_at(self.body, 0), CUSTOMER | TRANSACTION_SUMMARIES).then(|| u64_at(self.body, 4)).flatten()
    }

    /// The transaction summaries of the piece, one by one; `None`: it is another piece.
    ///
    /// # Errors
    /// The piece ends before the number of summaries.
    pub fn summaries(&self) -> Result<Option<SummaryReader<'a>>, SnapshotError> {
        if u32_at(self.body, 0) != TRANSACTION_SUMMARIES {
            return Ok(None);
        }
        SummaryReader::new(self.offset, self.codec, self.body).map(Some)
    }

    /// Decodes the piece.
    ///
    /// # Errors
    /// The body is not a piece.
    pub fn decode(&self) -> Result<Piece, SnapshotError> {
        let piece = match self.codec {
            1 => codec().deserialize(self.body).map(PieceV1::upgrade),
            _ => codec().deserialize(self.body),
        };
        piece.map_err(|_| SnapshotError::Damaged { offset: self.offset })
    }
}

/// The checksum of a frame.
pub(super) fn frame_crc(len: [u8; 4], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), body)
}

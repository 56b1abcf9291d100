//! Snapshots as bytes: what saves applying old records. This file knows no lock, no folder and no key: whoever writes
//! one brings the pieces and says where the bytes go.
//!
//! It is the only one that uses `bincode`, pinned to 1.3.3 and always with the same options: fixed-width
//! little-endian numbers, nothing behind the end. An enum's variant is its place as a `u32`, an option a byte, a length
//! a `u64`: the order of fields and variants below **is** the format. Golden bytes hold it; another shape is another
//! [`CODEC`]. The domain knows nothing of this: what is written are the shapes in `snapshot/shapes.rs` and `snapshot/world.rs`, and words by the numbers
//! that events use.
//!
//! # The file
//!
//! ```text
//!  0                8        12       16              32               40               48           60     64
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+- - -
//! | "LGSNAP\0\0"   | format | codec  | journal's id  | begin LSN      | created at     | 0          | CRC  | frames
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+- - -
//! ```
//!
//! The codec's version is in the header: a frame of codec 1 is read in its own shapes. A newer one is refused.
//!
//! A frame is a length (of its body, `u32`), CRC-32C of length and body, and the body: one [`Piece`], decoded only
//! behind the checksum. The last piece is the [`Piece::End`], which counts the others; a file without it, or with
//! anything behind it, is no snapshot.
//!
//! # How it is to be written and read
//!
//! Records behind *begin LSN* are applied to what is read; of them, those about a customer with a number up to the
//! head's `applied` are in it already and are passed over, because an opening that is applied twice after its slot has
//! left memory would be counted twice. A customer's head stands before the customer's briefs. TransactionSummaries may be newer than
//! their head, in several pieces of different moments: facts set what they say. Only slots below the head's `next_slot`
//! belong in; those that come later come from their records. From a customer's head to the last of its briefs no
//! brief may leave memory: what leaves goes into a book's sums, and those stand in the head.
//!
//! Several pieces may be [`Piece::World`]: their lists add up, so that none grows over [`FRAME_BYTES_MAX`].
//!
//! What is known of a customer besides payments stands in the head as the events that say it, so that it has one form.

mod codec1;
pub(crate) mod global;
mod identifier;
mod profile;
mod shapes;
pub(crate) mod summaries;
#[cfg(test)]
mod tests;

pub use crate::storage::snapshot::global::{ClockDto, CountedDto, LateDto, LevelDto, RenameDto, SegmentDto, WorldDto};
pub use crate::storage::snapshot::shapes::{HeadDto, IdentifierDto, TransactionSummaryDto, UsageSeriesDto};
pub use crate::storage::snapshot::summaries::SummaryReader;

use crate::storage::encoding::DecodeError;
use crate::storage::fs::{File, read_full};
use bincode::Options;
use serde::{Deserialize, Serialize};
use std::{io, sync::Arc};

/// The version of the file's layout.
pub const FORMAT: u32 = 1;
/// The version of a frame's body that this program writes. Codec 1 is read: its shapes are in `snapshot/codec1.rs`.
pub const CODEC: u32 = 2;
/// Of the header.
pub const HEADER_BYTES: usize = 64;
/// The most bytes of the body of one frame.
pub const FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"LGSNAP\0\0";
const FRAME_HEAD_BYTES: usize = 8;
const BUFFER_BYTES: usize = 1024 * 1024;

/// The variants of [`Piece`] that belong to a customer, as the codec writes them.
const HEAD: u32 = 0;
const BRIEFS: u32 = 1;

/// The codec, for ever.
fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(u64::from(FRAME_BYTES_MAX))
}

/// Why a file is no snapshot that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Bytes that were whole once, or never were.
    #[error("the snapshot is damaged at byte {offset}; an older one and the records behind it give the same state")]
    Damaged {
        /// Of the header or frame.
        offset: u64,
    },
    /// It ends before its end.
    #[error("the snapshot was not written to its end; an older one and the records behind it give the same state")]
    Unfinished,
    /// It belongs to another journal.
    #[error("the snapshot belongs to another journal; move it out of the data folder")]
    Foreign,
    /// It was written by a newer program.
    #[error(
        "the snapshot has format {format} and codec {codec}, this levelgate knows {FORMAT} and {CODEC}; run a newer one"
    )]
    Newer {
        /// Of the file.
        format: u32,
        /// Of the bodies.
        codec: u32,
    },
    /// What stands in it cannot be, though its checksum holds.
    #[error("the snapshot says what cannot be: {0}")]
    Content(String),
    /// Attributes in it are not what was sealed.
    #[error("the snapshot: {0}")]
    Attributes(DecodeError),
}

/// What a snapshot begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of the journal that it belongs to.
    pub journal: [u8; 16],
    /// Records behind this number are to be applied to it.
    pub begin_lsn: u64,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// What a snapshot consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// A customer but for its transactions.
    Head(HeadDto),
    /// Transactions of a customer in brief, by slot, ascending.
    TransactionSummaries {
        /// Whose: the head stands before.
        customer: u64,
        /// Slot and brief.
        summaries: Vec<(u32, TransactionSummaryDto)>,
    },
    /// What belongs to no customer.
    World(WorldDto),
    /// The last.
    End {
        /// The last record that any part of it may have seen: a journal that ends before it has lost something.
        end_lsn: u64,
        /// Pieces before this one.
        pieces: u64,
        /// Heads among them.
        customers: u64,
        /// TransactionSummaries in them.
        summaries: u64,
    },
}

/// What was written, or read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All, the end apart.
    pub pieces: u64,
    /// Heads.
    pub customers: u64,
    /// TransactionSummaries.
    pub summaries: u64,
}

impl Counts {
    fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Head(_) => self.customers += 1,
            Piece::TransactionSummaries { summaries, .. } => self.summaries += summaries.len() as u64,
            Piece::World(_) | Piece::End { .. } => {}
        }
        self.pieces += 1;
    }

    /// [`Counts::add`] of a piece that is not decoded.
    fn add_frame(&mut self, frame: &Frame<'_>) {
        if frame.customer().is_some() {
            match number_at(frame.body, 0) {
                0 => self.customers += 1,
                _ => self.summaries = self.summaries.saturating_add(long_at(frame.body, 12).unwrap_or(0)),
            }
        }
        self.pieces += 1;
    }
}

/// A piece as it stands in the file: its checksum is verified, and it is not decoded yet.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Where in the file.
    pub offset: u64,
    /// The version of the body.
    pub codec: u32,
    /// The piece.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Whose head or briefs it is; `None` for any other piece. The order of a customer's pieces counts, that of those of
    /// two customers does not.
    #[must_use]
    pub fn customer(&self) -> Option<u64> {
        // Both begin with the number, which the codec writes as it is.
        matches!(number_at(self.body, 0), HEAD | BRIEFS).then(|| long_at(self.body, 4)).flatten()
    }

    /// The briefs in it, one by one; `None`: it is another piece.
    ///
    /// # Errors
    /// It ends before it says how many they are.
    pub fn summaries(&self) -> Result<Option<SummaryReader<'a>>, SnapshotError> {
        if number_at(self.body, 0) != BRIEFS {
            return Ok(None);
        }
        SummaryReader::of(self).map(Some)
    }

    /// The piece.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(&self) -> Result<Piece, SnapshotError> {
        let piece = match self.codec {
            1 => codec().deserialize(self.body).map(codec1::Piece1::piece),
            _ => codec().deserialize(self.body),
        };
        piece.map_err(|_| SnapshotError::Damaged { offset: self.offset })
    }
}

impl Header {
    fn bytes(&self, codec: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&codec.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal);
        bytes[32..40].copy_from_slice(&self.begin_lsn.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_at.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header of a file, and the codec of its frames.
    fn of(bytes: &[u8; HEADER_BYTES], journal: [u8; 16]) -> Result<(Self, u32), SnapshotError> {
        let damaged = SnapshotError::Damaged { offset: 0 };
        if !bytes.starts_with(&MAGIC) || number_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err(damaged);
        }
        let (format, codec) = (number_at(bytes, 8), number_at(bytes, 12));
        if format != FORMAT || !(1..=CODEC).contains(&codec) {
            return Err(SnapshotError::Newer { format, codec });
        }
        let (mut known, mut begin_lsn, mut created_at) = ([0; 16], [0; 8], [0; 8]);
        known.copy_from_slice(&bytes[16..32]);
        begin_lsn.copy_from_slice(&bytes[32..40]);
        created_at.copy_from_slice(&bytes[40..48]);
        if known != journal {
            return Err(SnapshotError::Foreign);
        }
        let (begin_lsn, created_at) = (u64::from_le_bytes(begin_lsn), i64::from_le_bytes(created_at));
        let header = Self { journal, begin_lsn, created_at };
        if header.bytes(codec) == *bytes { Ok((header, codec)) } else { Err(damaged) }
    }
}

/// Writes a snapshot piece by piece, about a mebibyte at a time.
pub struct Writer<W> {
    out: W,
    buffer: Vec<u8>,
    counts: Counts,
}

impl<W: FnMut(&[u8]) -> io::Result<()>> Writer<W> {
    /// Begins one; `out` takes the bytes in order.
    #[must_use]
    pub fn begin(header: &Header, out: W) -> Self {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 4);
        buffer.extend_from_slice(&header.bytes(CODEC));
        Self { out, buffer, counts: Counts::default() }
    }

    /// Adds a piece that is not the end.
    ///
    /// # Errors
    /// Those of `out`; a piece over [`FRAME_BYTES_MAX`]; an end. The snapshot is to be given up.
    pub fn put(&mut self, piece: &Piece) -> io::Result<()> {
        if matches!(piece, Piece::End { .. }) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a snapshot is ended by Writer::end"));
        }
        self.frame(piece)?;
        self.counts.add(piece);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends it. `end_lsn` is the last record that any piece may have seen.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn end(mut self, end_lsn: u64) -> io::Result<Counts> {
        let Counts { pieces, customers, summaries } = self.counts;
        self.frame(&Piece::End { end_lsn, pieces, customers, summaries })?;
        self.flush()?;
        Ok(self.counts)
    }

    fn frame(&mut self, piece: &Piece) -> io::Result<()> {
        let at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
        codec().serialize_into(&mut self.buffer, piece).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("a piece of a snapshot cannot be written: {error}"))
        })?;
        let (_, frame) = self.buffer.split_at_mut(at);
        let (head, body) = frame.split_at_mut(FRAME_HEAD_BYTES);
        let len = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
        head[..4].copy_from_slice(&len);
        head[4..].copy_from_slice(&check(len, body).to_le_bytes());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.out)(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a snapshot piece by piece, in memory of about a mebibyte or the largest piece.
pub struct Reader {
    file: Arc<dyn File>,
    header: Header,
    codec: u32,
    counts: Counts,
    /// Bytes of the file, from `at` on; those before `used` have been read.
    buffer: Vec<u8>,
    used: usize,
    at: u64,
    len: u64,
    ended: bool,
}

impl Reader {
    /// Opens one of this journal.
    ///
    /// # Errors
    /// A header that is damaged, of another journal or newer.
    pub fn open(file: Arc<dyn File>, journal: [u8; 16]) -> Result<Self, SnapshotError> {
        let mut bytes = [0; HEADER_BYTES];
        if read_full(file.as_ref(), &mut bytes, 0)? < HEADER_BYTES {
            return Err(SnapshotError::Unfinished);
        }
        let ((header, codec), len) = (Header::of(&bytes, journal)?, file.len()?);
        let (counts, buffer, at) = (Counts::default(), Vec::new(), HEADER_BYTES as u64);
        Ok(Self { file, header, codec, counts, buffer, used: 0, at, len, ended: false })
    }

    /// What it begins with.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next piece, the end included; `None` behind it. What was read before an error is to be given up, and so is
    /// what was read before the end has come.
    ///
    /// # Errors
    /// Damage, and a file that ends before its end or goes on behind it.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, SnapshotError> {
        self.next_frame()?.map(|frame| frame.decode()).transpose()
    }

    /// The same, not decoded but for the end, which is checked.
    ///
    /// # Errors
    /// As [`Reader::next_piece`].
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SnapshotError> {
        let offset = self.at + self.used as u64;
        if self.ended {
            return Ok(None);
        }
        let damaged = SnapshotError::Damaged { offset };
        self.have(FRAME_HEAD_BYTES)?;
        let head = &self.buffer[self.used..self.used + FRAME_HEAD_BYTES];
        let (len, crc) = (number_at(head, 0), number_at(head, 4));
        if len > FRAME_BYTES_MAX {
            return Err(damaged);
        }
        let whole = FRAME_HEAD_BYTES + usize::try_from(len).map_err(io::Error::other)?;
        // What is not there is not allocated for, whatever the length says.
        self.have(whole)?;
        let body = &self.buffer[self.used + FRAME_HEAD_BYTES..self.used + whole];
        if check(len.to_le_bytes(), body) != crc {
            return Err(damaged);
        }
        let frame = Frame { offset, codec: self.codec, body };
        let end = if frame.customer().is_none() { Some(frame.decode()?) } else { None };
        if let Some(Piece::End { pieces, customers, summaries, .. }) = end {
            let complete = self.counts == Counts { pieces, customers, summaries };
            if !complete || offset + whole as u64 != self.len {
                return Err(damaged);
            }
            self.ended = true;
        } else {
            self.counts.add_frame(&frame);
        }
        self.used += whole;
        Ok(Some(frame))
    }

    /// Sees to it that so many bytes that are not used are in the buffer.
    fn have(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        if self.buffer.len() - self.used >= bytes {
            return Ok(());
        }
        self.buffer.drain(..self.used);
        self.at += self.used as u64;
        self.used = 0;
        let left = self.len.saturating_sub(self.at);
        if left < bytes as u64 {
            return Err(SnapshotError::Unfinished);
        }
        let (had, want) = (self.buffer.len(), left.min(bytes.max(BUFFER_BYTES) as u64));
        self.buffer.resize(usize::try_from(want).map_err(io::Error::other)?, 0);
        let read = read_full(self.file.as_ref(), &mut self.buffer[had..], self.at + had as u64)?;
        self.buffer.truncate(had + read);
        if self.buffer.len() < bytes { Err(SnapshotError::Unfinished) } else { Ok(()) }
    }
}

fn check(len: [u8; 4], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), body)
}

fn long_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

//! Reads a snapshot.

use crate::storage::{
    fs::store::{File, read_full},
    snapshot::{
        error::SnapshotError,
        frame::{Counts, FRAME_HEAD_BYTES, Frame, frame_crc},
        header::{HEADER_BYTES, Header, u32_at},
        piece::{FRAME_BYTES_MAX, Piece},
        writer::BUFFER_BYTES,
    },
};
use std::{io, sync::Arc};

/// Reads a snapshot piece by piece. It takes about one MiB of memory, or that of the largest piece.
pub struct Reader {
    file: Arc<dyn File>,
    header: Header,
    codec: u32,
    counts: Counts,
    /// Bytes of the file from offset `at` on. Those before `used` were returned.
    buffer: Vec<u8>,
    used: usize,
    at: u64,
    len: u64,
    has_ended: bool,
}

impl Reader {
    /// Opens a snapshot of this journal.
    ///
    /// # Errors
    /// The header is damaged, newer, or of another journal.
    pub fn open(file: Arc<dyn File>, journal: [u8; 16]) -> Result<Self, SnapshotError> {
        let mut bytes = [0; HEADER_BYTES];
        if read_full(file.as_ref(), &mut bytes, 0)? < HEADER_BYTES {
            return Err(SnapshotError::Unfinished);
        }
        let ((header, codec), len) = (Header::parse(&bytes, journal)?, file.len()?);
        let (counts, buffer, at) = (Counts::default(), Vec::new(), HEADER_BYTES as u64);
        Ok(Self { file, header, codec, counts, buffer, used: 0, at, len, has_ended: false })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next piece, including the end; `None` after the end. The caller must discard all pieces if an error comes before
    /// the end.
    ///
    /// # Errors
    /// A frame is damaged, or the file ends before the end piece or continues after it.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, SnapshotError> {
        self.next_frame()?.map(|frame| frame.decode()).transpose()
    }

    /// The next piece without decoding it. Only the end is decoded and checked.
    ///
    /// # Errors
    /// As [`Reader::next_piece`].
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SnapshotError> {
        let offset = self.at + self.used as u64;
        if self.has_ended {
            return Ok(None);
        }
        let damaged = SnapshotError::Damaged { offset };
        self.fill(FRAME_HEAD_BYTES)?;
        let head = &self.buffer[self.used..self.used + FRAME_HEAD_BYTES];
        let (len, crc) = (u32_at(head, 0), u32_at(head, 4));
        if len > FRAME_BYTES_MAX {
            return Err(damaged);
        }
        let whole = FRAME_HEAD_BYTES + usize::try_from(len).map_err(io::Error::other)?;
        // Memory is allocated only for bytes that the file has.
        self.fill(whole)?;
        let body = &self.buffer[self.used + FRAME_HEAD_BYTES..self.used + whole];
        if frame_crc(len.to_le_bytes(), body) != crc {
            return Err(damaged);
        }
        let frame = Frame { offset, codec: self.codec, body };
        let end = if frame.customer().is_none() { Some(frame.decode()?) } else { None };
        if let Some(Piece::End { pieces, customers, summaries, .. }) = end {
            let complete = self.counts == Counts { pieces, customers, summaries };
            if !complete || offset + whole as u64 != self.len {
                return Err(damaged);
            }
            self.has_ended = true;
        } else {
            self.counts.add_frame(&frame);
        }
        self.used += whole;
        Ok(Some(frame))
    }

    /// Fills the buffer with at least `bytes` unused bytes.
    fn fill(&mut self, bytes: usize) -> Result<(), SnapshotError> {
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

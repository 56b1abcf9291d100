//! Writes a snapshot.

use crate::storage::snapshot::{
    frame::{Counts, FRAME_HEAD_BYTES, frame_crc},
    header::Header,
    piece::{Piece, codec},
    version::CODEC,
};
use bincode::Options;
use std::io;

pub(super) const BUFFER_BYTES: usize = 1024 * 1024;

/// Writes a snapshot piece by piece, about one MiB at a time.
pub struct Writer<W> {
    out: W,
    buffer: Vec<u8>,
    counts: Counts,
}

impl<W: FnMut(&[u8]) -> io::Result<()>> Writer<W> {
    /// Begins a snapshot. `out` gets its bytes in order.
    #[must_use]
    pub fn begin(header: &Header, out: W) -> Self {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 4);
        buffer.extend_from_slice(&header.bytes(CODEC));
        Self { out, buffer, counts: Counts::default() }
    }

    /// Adds a piece that is not [`Piece::End`].
    ///
    /// # Errors
    /// `out` fails, the piece is larger than [`FRAME_BYTES_MAX`](super::FRAME_BYTES_MAX), or it is an end. The caller must discard the snapshot.
    pub fn put(&mut self, piece: &Piece) -> io::Result<()> {
        if matches!(piece, Piece::End { .. }) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the end of a snapshot is written by Writer::end"));
        }
        self.put_frame(piece)?;
        self.counts.add(piece);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the snapshot. `end_lsn` is the last record that any piece may contain.
    ///
    /// # Errors
    /// `out` fails.
    pub fn end(mut self, end_lsn: u64) -> io::Result<Counts> {
        let Counts { pieces, customers, summaries } = self.counts;
        self.put_frame(&Piece::End { end_lsn, pieces, customers, summaries })?;
        self.flush()?;
        Ok(self.counts)
    }

    fn put_frame(&mut self, piece: &Piece) -> io::Result<()> {
        let at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
        codec().serialize_into(&mut self.buffer, piece).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("a piece of a snapshot cannot be written: {error}"))
        })?;
        let (_, frame) = self.buffer.split_at_mut(at);
        let (head, body) = frame.split_at_mut(FRAME_HEAD_BYTES);
        let len = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
        head[..4].copy_from_slice(&len);
        head[4..].copy_from_slice(&frame_crc(len, body).to_le_bytes());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.out)(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

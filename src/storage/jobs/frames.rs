//! The bytes of a job's file: a header and frames, each with a checksum. This file knows no key and no job.
//!
//! `jobs/<number>.new` is a draft, `.job` a job that has begun, `.done` the result of a job that has ended (`.end` before it
//! is whole). Little-endian: "LGJOB\0\0\0", the format (4 bytes), the journal's id (16), CRC-32C of these; then frames, each
//! the length of its body, CRC-32C of kind and body, the kind, and the body.
//!
//! | Kind | Body |
//! |---|---|
//! | 1 piece | sealed: the next bytes of the content |
//! | 2 begun | sealed: the description of the job; no piece follows |
//! | 3 mark | steps done (8), the journal's last record at that time (8), and data of the caller |
//! | 4 ended | the result; the only frame of its file |
//!
//! Everything up to the frame of kind 2 was synced before the file got its name: damage there is corruption, and the start is
//! refused. Marks are not synced: a damaged mark ends them.

use crate::storage::{
    fs::store::{File, read_full},
    jobs::error::{FORMAT, JobError},
    journal::model::ids::JournalId,
};
use std::{io, sync::Arc};

const MAGIC: [u8; 8] = *b"LGJOB\0\0\0";
const HEADER_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 9;
/// The most bytes of a frame. A longer length allocates nothing.
const FRAME_BYTES_MAX: u32 = 256 * 1024 * 1024;

pub(super) mod kind {
    pub(in crate::storage) const PIECE: u8 = 1;
    pub(in crate::storage) const BEGUN: u8 = 2;
    pub(in crate::storage) const MARK: u8 = 3;
    pub(in crate::storage) const ENDED: u8 = 4;
}

/// The header of a file of this journal.
pub(super) fn header(id: JournalId) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&id.0);
    let check = crc32c::crc32c(&head);
    head.extend_from_slice(&check.to_le_bytes());
    head
}

/// Encodes a frame.
///
/// # Errors
/// The body is too long.
pub(super) fn frame(kind: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(body.len()).ok().filter(|len| *len <= FRAME_BYTES_MAX);
    let len = len.ok_or_else(|| io::Error::other("a frame of a job is larger than 256 MiB"))?;
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&[kind]), body).to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Reads the frames of a file.
pub(super) struct Frames {
    path: String,
    file: Arc<dyn File>,
    /// The end of the last whole frame.
    pub(super) at: u64,
}

impl Frames {
    /// Reads after the header of a file, which was verified before.
    pub(super) fn of(path: String, file: Arc<dyn File>) -> Self {
        Self { path, file, at: HEADER_BYTES as u64 }
    }

    /// Verifies the header of a file of this journal.
    ///
    /// # Errors
    /// It is damaged, newer or of another journal, or cannot be read.
    pub(super) fn open(path: &str, file: Arc<dyn File>, id: JournalId) -> Result<Self, JobError> {
        let mut head = [0; HEADER_BYTES];
        let read = read_full(&*file, &mut head, 0)?;
        let half = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        let path = path.to_owned();
        if read < HEADER_BYTES || head[..8] != MAGIC || crc32c::crc32c(&head[..28]) != half(28) {
            return Err(JobError::Damaged { path, offset: 0 });
        }
        if half(8) != FORMAT {
            return Err(JobError::Newer { path, format: half(8) });
        }
        if head[12..28] != id.0 {
            return Err(JobError::Foreign(path));
        }
        Ok(Self::of(path, file))
    }

    /// The error for damage at the current offset.
    pub(super) fn damaged(&self) -> JobError {
        JobError::Damaged { path: self.path.clone(), offset: self.at }
    }

    /// The next frame, of one of these kinds; `None` at the end of the file.
    ///
    /// # Errors
    /// It is damaged or of another kind, or cannot be read.
    pub(super) fn next(&mut self, kinds: &[u8]) -> Result<Option<(u8, Vec<u8>)>, JobError> {
        let mut head = [0; FRAME_HEAD_BYTES];
        let read = read_full(&*self.file, &mut head, self.at)?;
        if read == 0 {
            return Ok(None);
        }
        let half = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        let (len, kind) = (half(0), head[8]);
        let left = self.file.len()?.saturating_sub(self.at.saturating_add(FRAME_HEAD_BYTES as u64));
        if read < FRAME_HEAD_BYTES || len > FRAME_BYTES_MAX || u64::from(len) > left || !kinds.contains(&kind) {
            return Err(self.damaged());
        }
        let mut body = vec![0; len as usize];
        let whole = read_full(&*self.file, &mut body, self.at + FRAME_HEAD_BYTES as u64)? == body.len();
        if !whole || crc32c::crc32c_append(crc32c::crc32c(&[kind]), &body) != half(4) {
            return Err(self.damaged());
        }
        self.at += FRAME_HEAD_BYTES as u64 + u64::from(len);
        Ok(Some((kind, body)))
    }
}

//! The bytes of a job's file: a header and frames, each behind a checksum. This file knows no key and no job.

use crate::storage::{
    fs::{self, File, read_full},
    journal::JournalId,
    keys::KeysError,
};
use std::{io, sync::Arc};

pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"LGJOB\0\0\0";
const HEADER_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 9;
/// The most bytes of a frame: nothing is allocated by a length beyond.
const FRAME_BYTES_MAX: u32 = 256 * 1024 * 1024;

pub(super) mod kind {
    pub(in crate::storage::jobs) const PIECE: u8 = 1;
    pub(in crate::storage::jobs) const BEGUN: u8 = 2;
    pub(in crate::storage::jobs) const MARK: u8 = 3;
    pub(in crate::storage::jobs) const ENDED: u8 = 4;
}

/// Why a job cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The files.
    #[error("the files of jobs in the data folder: {0}")]
    Io(#[from] io::Error),
    /// Its key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Bytes that were whole once.
    #[error(
        "{path} is damaged at byte {offset}; restore the folder from a backup, or remove the file to give up what is not \
         done yet of that job"
    )]
    Damaged {
        /// The file, from the data folder on.
        path: String,
        /// Of the frame.
        offset: u64,
    },
    /// It belongs to another journal.
    #[error("{0} belongs to another journal; remove it from this folder")]
    Foreign(String),
    /// It was written by a newer program.
    #[error("{path} has format {format}, this levelgate knows {FORMAT}; run a newer one")]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        format: u32,
    },
}

impl JobError {
    /// Whether the disk, a quota or `min_free_bytes` leaves no room for the job's file.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io(error) | Self::Keys(KeysError::Io(error)) if fs::is_full(error))
    }
}

impl From<JobError> for io::Error {
    /// Keeps the kind of an error of the store.
    fn from(error: JobError) -> Self {
        match error {
            JobError::Io(error) | JobError::Keys(KeysError::Io(error)) => error,
            other => Self::other(other),
        }
    }
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

/// A frame's bytes.
///
/// # Errors
/// The body is longer than one may be.
pub(super) fn frame(kind: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(body.len()).ok().filter(|len| *len <= FRAME_BYTES_MAX);
    let len = len.ok_or_else(|| io::Error::other("a job says more than a frame may hold"))?;
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&[kind]), body).to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Frames of a file, one after another.
pub(super) struct Frames {
    path: String,
    file: Arc<dyn File>,
    /// Behind the last whole one.
    pub(super) at: u64,
}

impl Frames {
    /// Those behind the header of a file, which was looked at before.
    pub(super) fn of(path: String, file: Arc<dyn File>) -> Self {
        Self { path, file, at: HEADER_BYTES as u64 }
    }

    /// Those of a file of this journal.
    ///
    /// # Errors
    /// It is damaged, foreign or newer, or cannot be read.
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

    /// What stands there is not what was written.
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

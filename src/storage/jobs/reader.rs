//! Reads the content of a job, piece by piece.

use crate::storage::{
    fs::store::File,
    jobs::{
        frames::{Frames, kind},
        job_store::JobStore,
        paths::{BEGUN, path_of},
    },
};
use std::{
    io::{self, Read},
    sync::Arc,
};

impl JobStore {
    pub(super) fn reader(self: &Arc<Self>, number: u64, file: &Arc<dyn File>, end: u64) -> Reader {
        let frames = Frames::of(path_of(number, BEGUN), Arc::clone(file));
        Reader { jobs: Arc::clone(self), number, frames, end, piece: Vec::new(), read: 0 }
    }
}

/// Reads a job's content.
pub struct Reader {
    jobs: Arc<JobStore>,
    number: u64,
    frames: Frames,
    /// The end of the pieces; `u64::MAX` for a job that has begun, whose pieces end with the frame of kind 2.
    end: u64,
    piece: Vec<u8>,
    read: usize,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            if self.frames.at >= self.end {
                return Ok(0);
            }
            let next = self.frames.next(&[kind::PIECE, kind::BEGUN]).map_err(io::Error::other)?;
            let Some((kind::PIECE, sealed)) = next else {
                // Marks follow, and may be added during reading, so the end is remembered.
                self.end = 0;
                return Ok(0);
            };
            self.piece = self.jobs.unseal(self.number, &sealed).map_err(io::Error::other)?;
            self.read = 0;
        }
        let rest = &self.piece[self.read..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

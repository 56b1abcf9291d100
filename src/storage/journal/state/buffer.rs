//! The newest records in memory: unwritten ones, and a tail of written ones.
//!
//! Chunks contain whole records at consecutive offsets. A chunk that leaves the tail is reused, so that appending allocates
//! nothing once the tail is full. Every call takes one short lock and calls no file.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        format::frame::{self, Body, Framed, Head, Kind, RECORD_BYTES_MIN},
        model::{
            ids::{JournalId, Lsn},
            record::Appended,
        },
        state::{positions::RecordPosition, watermarks::Watermarks},
    },
};
use std::{collections::VecDeque, time::Instant};

/// Bytes of a chunk. A longer record gets a separate chunk.
pub(in crate::storage) const CHUNK_BYTES: usize = 256 * 1024;
/// The most chunks that leave the tail when one comes: so no append pays for many.
const LEAVE_MAX: usize = 4;

struct Chunk {
    offset: u64,
    bytes: Vec<u8>,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.offset.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// An empty chunk whose memory is there already: the system hands memory out where it is first written, page by page, and
/// no thread may wait for that under the lock.
pub(in crate::storage) fn spare() -> Vec<u8> {
    let mut chunk = vec![1; CHUNK_BYTES];
    chunk.clear();
    chunk
}

/// Invariant: chunks have consecutive offsets, the last one ends at `next_offset`, and no record at or after the written
/// offset has left.
pub(in crate::storage) struct Buffer {
    id: JournalId,
    epoch: u32,
    chunks: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
    next_lsn: u64,
    next_offset: u64,
    tail_bytes: usize,
    held_bytes: usize,
    /// Since when the oldest record waits before which a batch header was put; `None`: none waits.
    batch_since: Option<Instant>,
    /// Nothing is kept any more: the journal has failed.
    stopped: bool,
    /// The body of a record that was too long, which fails the journal.
    too_long: Option<usize>,
    /// Whether a record was appended since the start.
    has_appended: bool,
    /// Whether the records are those of another daemon.
    is_following: bool,
    /// A record was appended while the records were those of another daemon, which fails the journal.
    appended_while_following: bool,
}

impl Buffer {
    pub(in crate::storage) fn new(id: JournalId, epoch: u32, last: Lsn, end: LogOffset, tail_bytes: usize) -> Self {
        Self {
            id,
            epoch,
            chunks: VecDeque::new(),
            spare: Vec::new(),
            next_lsn: last.0.saturating_add(1),
            next_offset: end.0,
            tail_bytes,
            held_bytes: 0,
            batch_since: None,
            stopped: false,
            too_long: None,
            has_appended: false,
            is_following: false,
            appended_while_following: false,
        }
    }

    /// The number of the newest record.
    pub(in crate::storage) fn last(&self) -> Lsn {
        Lsn(self.next_lsn - 1)
    }

    /// The place of the next record.
    pub(in crate::storage) fn end(&self) -> LogOffset {
        LogOffset(self.next_offset)
    }

    /// Whether a record was too long for the journal.
    pub(in crate::storage) fn too_long(&self) -> Option<usize> {
        self.too_long
    }

    /// Whether a record was appended while the journal follows another one.
    pub(in crate::storage) fn appended_while_following(&self) -> bool {
        self.appended_while_following
    }

    /// From now on only records of another daemon are added. Returns false if a record was appended before.
    pub(in crate::storage) fn begin_following(&mut self) -> bool {
        self.is_following |= !self.has_appended;
        self.is_following
    }

    /// From now on records are appended, with this epoch.
    pub(in crate::storage) fn end_following(&mut self, epoch: u32) {
        (self.is_following, self.epoch, self.batch_since) = (false, epoch, None);
    }

    /// Adds whole frames that another daemon wrote, up to a record.
    pub(in crate::storage) fn put_raw<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a [u8]>,
        last: Lsn,
        far: &Watermarks,
    ) {
        for frame in frames {
            if self.stopped {
                break;
            }
            self.add(frame.len(), far, |out| out.extend_from_slice(frame));
        }
        self.next_lsn = last.0.saturating_add(1);
    }

    /// From now on nothing is kept.
    pub(in crate::storage) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Adds a record whose body is these pieces. How far others are is looked at where it matters, which is seldom.
    pub(in crate::storage) fn put(&mut self, kind: Kind, owner: u64, body: &[&[u8]], far: &Watermarks) -> Appended {
        let lsn = Lsn(self.next_lsn);
        self.next_lsn += 1;
        self.has_appended = true;
        if self.is_following {
            (self.stopped, self.appended_while_following) = (true, true);
        }
        let body_bytes = body.iter().map(|piece| piece.len()).sum();
        let Some(bytes) = frame::record_bytes(body_bytes) else {
            (self.stopped, self.too_long) = (true, Some(body_bytes));
            return Appended { lsn, offset: self.end() };
        };
        if self.stopped {
            let offset = self.end();
            self.next_offset = self.next_offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            return Appended { lsn, offset };
        }
        if self.batch_since.is_none() {
            self.batch_since = Some(Instant::now());
            let (epoch, id, synced) = (self.epoch, self.id, far.synced());
            self.add(frame::BATCH_BYTES, far, |out| frame::put_batch(out, lsn, epoch, &id, synced));
        }
        let head = Head { lsn, epoch: self.epoch, kind, owner };
        let offset = self.end();
        self.add(bytes, far, |out| frame::put(out, &head, body));
        Appended { lsn, offset }
    }

    fn add(&mut self, bytes: usize, far: &Watermarks, put: impl FnOnce(&mut Vec<u8>)) {
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() + bytes > chunk.bytes.capacity()) {
            self.drop_tail(far.written());
            let chunk = if bytes > CHUNK_BYTES { None } else { self.spare.pop() };
            let chunk = chunk.unwrap_or_else(|| Vec::with_capacity(bytes.max(CHUNK_BYTES)));
            self.chunks.push_back(Chunk { offset: self.next_offset, bytes: chunk });
        }
        if let Some(chunk) = self.chunks.back_mut() {
            put(&mut chunk.bytes);
            self.next_offset = chunk.end();
            self.held_bytes += bytes;
        }
    }

    /// Whether no chunk stands ready for when the newest is full.
    pub(in crate::storage) fn wants_spare(&self) -> bool {
        self.spare.is_empty() && !self.stopped
    }

    /// Takes a chunk for when the newest is full; see [`spare`].
    pub(in crate::storage) fn add_spare(&mut self, chunk: Vec<u8>) {
        if self.wants_spare() {
            self.spare.push(chunk);
        }
    }

    /// Lets chunks go that were written and that the tail need not hold.
    fn drop_tail(&mut self, written: LogOffset) {
        for _ in 0..LEAVE_MAX {
            let leaves = |chunk: &Chunk| {
                chunk.end() <= written.0 && self.held_bytes.saturating_sub(chunk.bytes.len()) >= self.tail_bytes
            };
            if !self.chunks.front().is_some_and(leaves) {
                return;
            }
            let Some(Chunk { mut bytes, .. }) = self.chunks.pop_front() else { return };
            self.held_bytes -= bytes.len();
            if bytes.capacity() == CHUNK_BYTES && self.spare.len() < LEAVE_MAX {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Ends the batch: says up to where it goes, its last number, and since when its first record waits.
    pub(in crate::storage) fn end_batch(&mut self) -> (LogOffset, Lsn, Option<Instant>) {
        (self.end(), self.last(), self.batch_since.take())
    }

    /// Since when the oldest record waits that is in no batch yet.
    pub(in crate::storage) fn waits_since(&self) -> Option<Instant> {
        self.batch_since
    }

    /// Copies the bytes between two offsets, at most a chunk. Returns how many.
    pub(in crate::storage) fn copy(&self, from: LogOffset, to: LogOffset, into: &mut Vec<u8>) -> usize {
        into.clear();
        let chunk = self.chunks.partition_point(|chunk| chunk.offset <= from.0).checked_sub(1);
        let Some(chunk) = chunk.and_then(|chunk| self.chunks.get(chunk)) else { return 0 };
        let within = |offset: u64| usize::try_from(offset.min(chunk.end()).saturating_sub(chunk.offset)).unwrap_or(0);
        let start = within(from.0);
        let end = within(to.0).min(start.saturating_add(CHUNK_BYTES));
        into.extend_from_slice(chunk.bytes.get(start..end).unwrap_or_default());
        into.len()
    }

    /// Reads the record at a place; `None` where it has left the tail, or was written by an earlier start.
    pub(in crate::storage) fn read<T>(
        &self,
        offset: LogOffset,
        found: impl FnOnce(Option<&Framed<'_>>) -> T,
    ) -> Option<T> {
        let chunk = self.chunks.partition_point(|chunk| chunk.offset <= offset.0).checked_sub(1);
        let Some(chunk) = chunk.and_then(|chunk| self.chunks.get(chunk)) else {
            return (offset.0 >= self.next_offset).then(|| found(None));
        };
        let skip = usize::try_from(offset.0.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let bytes = chunk.bytes.get(skip..).filter(|bytes| bytes.len() >= RECORD_BYTES_MIN).unwrap_or_default();
        let framed = frame::parse_checked(bytes).ok();
        Some(found(framed.as_ref().filter(|framed| matches!(framed.body, Body::Events(_) | Body::Part { .. }))))
    }

    /// The position of the last chunk whose first record is at or before this one; `None`: it has left the tail.
    pub(in crate::storage) fn nearest(&self, lsn: Lsn) -> Option<RecordPosition> {
        let first = |chunk: &Chunk| frame::parse_checked(&chunk.bytes).map_or(Lsn(u64::MAX), |first| first.head.lsn);
        let chunk = self.chunks.partition_point(|chunk| first(chunk) <= lsn).checked_sub(1)?;
        self.chunks.get(chunk).map(|chunk| RecordPosition { lsn: first(chunk), offset: LogOffset(chunk.offset) })
    }

    /// Copies the record at a place, a batch header too; nothing where none begins there.
    pub(in crate::storage) fn copy_record(&self, offset: LogOffset, into: &mut Vec<u8>) {
        into.clear();
        let chunk = self.chunks.partition_point(|chunk| chunk.offset <= offset.0).checked_sub(1);
        let Some(chunk) = chunk.and_then(|chunk| self.chunks.get(chunk)) else { return };
        let skip = usize::try_from(offset.0.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let bytes = chunk.bytes.get(skip..).unwrap_or_default();
        let length = frame::length(bytes).unwrap_or(0);
        into.extend_from_slice(bytes.get(..length).unwrap_or_default());
    }
}

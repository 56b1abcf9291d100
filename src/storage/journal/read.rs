//! Reading back: a record by its place, a segment from end to end.

use crate::storage::fs::{File, folder_of, read_full};
use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{
        ARCHIVE, FOLDER, Lsn, Record, SegmentInfo,
        error::{ReadError, ScanError},
        frame::{self, Body, CRC_BYTES, HEAD_BYTES, Head},
        lead::Files,
        log::Journal,
        segment_reader::{Groups, RECORDS_FROM, Step, Walk, WalkError},
    },
};
use std::{io, sync::Arc};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// The most files that are held open to be read from.
const HANDLES_MAX: usize = 64;
/// Bytes that the first look at a record reads: most records are shorter.
const LOOK_BYTES: usize = 512;

/// Open files of segments, the last used first.
pub(in crate::storage) struct Handles(Vec<(Lsn, Arc<dyn File>)>);

impl Handles {
    pub(in crate::storage) fn new(first: (Lsn, Arc<dyn File>)) -> Self {
        Self(vec![first])
    }

    fn find(&mut self, first_lsn: Lsn) -> Option<Arc<dyn File>> {
        let at = self.0.iter().position(|(lsn, _)| *lsn == first_lsn)?;
        self.0.get_mut(..=at)?.rotate_right(1);
        self.0.first().map(|(_, file)| Arc::clone(file))
    }

    pub(in crate::storage) fn forget(&mut self, first_lsn: Lsn) {
        self.0.retain(|(lsn, _)| *lsn != first_lsn);
    }

    pub(in crate::storage) fn put(&mut self, first_lsn: Lsn, file: Arc<dyn File>) {
        // Two readers may have opened it at the same time.
        self.forget(first_lsn);
        self.0.insert(0, (first_lsn, file));
        self.0.truncate(HANDLES_MAX);
    }
}

/// Opens a segment that is being moved to the archive: it is there before the list says so.
fn open_archived(files: &Files, path: &str, error: io::Error) -> io::Result<Arc<dyn File>> {
    if error.kind() != io::ErrorKind::NotFound || folder_of(path) != FOLDER {
        return Err(error);
    }
    files.store.open(&path.replacen(FOLDER, ARCHIVE, 1)).map_err(|_| error)
}

/// Runs what reads a file. Where the disk is slow, a worker's other tasks go to another thread first.
fn off_worker<T>(is_slow: bool, work: impl FnOnce() -> T) -> T {
    let is_worker =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if is_slow && is_worker() { block_in_place(work) } else { work() }
}

/// Leaves of a whole record its events.
fn keep_events(into: &mut Vec<u8>, body: Body<'_>) -> bool {
    match body {
        Body::Events(events) | Body::Part { events, .. } => {
            into.clear();
            into.extend_from_slice(events);
            true
        }
        Body::Batch { .. } | Body::Begin | Body::End { .. } => false,
    }
}

impl Journal {
    /// Reads the events of the record at a place, from memory where they are among the newest, else from the file.
    ///
    /// # Errors
    /// No record of events begins there, or it cannot be read. A record that was never committed may be gone.
    pub fn read(&self, place: LogOffset, into: &mut Vec<u8>) -> Result<Head, ReadError> {
        let found = self.buffer.lock().read(place, |framed| {
            let framed = framed.filter(|framed| keep_events(into, framed.body));
            framed.map(|framed| framed.head)
        });
        match (found, &self.files) {
            (Some(found), _) => found.ok_or(ReadError::NoRecord(place)),
            (None, Some(files)) => off_worker(self.pace.is_slow(), || Self::read_from(files, place, into))
                .map_err(|error| files.archive.explain(place, error)),
            (None, None) => Err(ReadError::NoRecord(place)),
        }
    }

    fn read_from(files: &Files, place: LogOffset, into: &mut Vec<u8>) -> Result<Head, ReadError> {
        let (file, path, first_place) = Self::file_at(files, place)?;
        let offset = RECORDS_FROM.saturating_add(place.0.saturating_sub(first_place.0));
        let io = |source| ReadError::Io { file: path.clone(), source };
        let damaged = |what: String| ReadError::Damaged { place, file: path.clone(), what };
        into.clear();
        into.resize(LOOK_BYTES, 0);
        let mut have = read_full(&*file, into, offset).map_err(io)?;
        into.truncate(have);
        let length = frame::length(into).map_err(|flaw| damaged(flaw.to_string()))?;
        if have < length {
            into.resize(length, 0);
            let behind = offset.saturating_add(u64::try_from(have).unwrap_or(u64::MAX));
            have += read_full(&*file, into.get_mut(have..).unwrap_or_default(), behind).map_err(io)?;
        }
        into.truncate(length.min(have));
        let framed = frame::parse(into).map_err(|flaw| damaged(flaw.to_string()))?;
        let head = framed.head;
        let skip = match framed.body {
            Body::Events(_) => HEAD_BYTES,
            Body::Part { .. } => HEAD_BYTES + 8,
            Body::Batch { .. } | Body::Begin | Body::End { .. } => return Err(ReadError::NoRecord(place)),
        };
        into.truncate(length - CRC_BYTES);
        into.drain(..skip);
        Ok(head)
    }

    /// The open file of the segment in which a place lies. No lock is held while it is opened.
    pub(in crate::storage) fn file_at(
        files: &Files,
        place: LogOffset,
    ) -> Result<(Arc<dyn File>, String, LogOffset), ReadError> {
        let find = || {
            let segments = files.segments.read();
            let at = segments.partition_point(|segment| segment.first_place <= place).checked_sub(1);
            at.and_then(|at| segments.get(at)).cloned().ok_or(ReadError::NoRecord(place))
        };
        let mut segment = find()?;
        loop {
            let SegmentInfo { first_lsn, first_place, .. } = segment;
            if let Some(file) = files.handles.lock().find(first_lsn) {
                return Ok((file, segment.path, first_place));
            }
            match files.store.open(&segment.path).or_else(|error| open_archived(files, &segment.path, error)) {
                Ok(file) => {
                    files.handles.lock().put(first_lsn, Arc::clone(&file));
                    return Ok((file, segment.path, first_place));
                }
                Err(source) => {
                    // It may have been deleted, or moved, since it was looked up.
                    let again = find()?;
                    if again.first_lsn == first_lsn && again.path == segment.path {
                        return Err(ReadError::Io { file: segment.path, source });
                    }
                    segment = again;
                }
            }
        }
    }

    /// RecoveryWorkers over the records of a sealed segment that count, in order. A group never straddles two segments, since it
    /// is appended in one step and a batch is never split.
    ///
    /// # Errors
    /// The segment cannot be read or is damaged, or the visitor refuses a record.
    pub fn scan(
        &self,
        segment: &SegmentInfo,
        visit: &mut dyn FnMut(&Record<'_>) -> Result<(), String>,
    ) -> Result<(), ScanError> {
        let file = segment.path.clone();
        let io = |source| ScanError::Io { file: file.clone(), source };
        let damaged = |offset, what: String| ScanError::Damaged { file: file.clone(), offset, what };
        let Some(files) = &self.files else { return Ok(()) };
        let end = RECORDS_FROM.saturating_add(segment.end_place.0.saturating_sub(segment.first_place.0));
        let walk = || match files.store.open(&file).map_err(io).map(Walk::over)? {
            Ok(walk) => Ok(walk.until(end)),
            Err(WalkError::Io(source)) => Err(io(source)),
            Err(WalkError::Head(flaw)) => Err(damaged(0, flaw.to_string())),
        };
        let (mut walk_once, mut groups) = (walk()?, Groups::from(segment.first_lsn));
        loop {
            match walk_once.step().map_err(io)? {
                Step::End => break,
                Step::Record(seen) => {
                    groups.see(&seen.framed).map_err(|what| damaged(seen.offset, what.to_owned()))?;
                }
                Step::Damage(damage) => return Err(damaged(damage.offset, damage.wrong.to_string())),
            }
        }
        let mut walk_again = walk()?;
        loop {
            match walk_again.step().map_err(io)? {
                Step::End => return Ok(()),
                Step::Record(seen) => {
                    let counts = |group: Option<Lsn>| group.is_none_or(|group| !groups.is_open(group));
                    if let Some((record, _)) = seen.record().filter(|(_, group)| counts(*group)) {
                        let refused = |what| ScanError::Refused { file: file.clone(), lsn: record.lsn, what };
                        visit(&record).map_err(refused)?;
                    }
                }
                Step::Damage(damage) => return Err(damaged(damage.offset, damage.wrong.to_string())),
            }
        }
    }
}

//! Reads a record by its offset, and a segment from begin to end.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::{File, folder_of, read_full},
        journal::{
            format::{
                frame::{self, Body, CRC_BYTES, HEAD_BYTES, Head},
                groups::Groups,
                segment_head::RECORDS_FROM,
                segment_reader::{SegmentReader, SegmentReaderError, Step},
            },
            log::Journal,
            model::{
                error::{ReadError, ScanError},
                ids::Lsn,
                paths::{ARCHIVE, FOLDER},
                record::Record,
                segment_info::SegmentInfo,
            },
            state::files::Files,
        },
    },
};
use std::{io, sync::Arc};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Bytes of the first read of a record. Most records are shorter.
const FIRST_READ_BYTES: usize = 512;

/// Opens a segment that is being moved to the archive: the file moves before the list changes.
fn open_archived(files: &Files, path: &str, error: io::Error) -> io::Result<Arc<dyn File>> {
    if error.kind() != io::ErrorKind::NotFound || folder_of(path) != FOLDER {
        return Err(error);
    }
    files.store.open(&path.replacen(FOLDER, ARCHIVE, 1)).map_err(|_| error)
}

/// Runs a read of a file. If the disk is slow, the worker's other tasks move to another thread first.
fn off_worker<T>(is_slow: bool, work: impl FnOnce() -> T) -> T {
    let is_worker =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if is_slow && is_worker() { block_in_place(work) } else { work() }
}

/// Copies the events of a record. Returns whether it has events.
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
    /// Reads the events of the record at an offset, from the tail in memory or else from the file.
    ///
    /// # Errors
    /// No record with events begins there, or it cannot be read. A record that was never committed may be lost.
    pub fn read(&self, offset: LogOffset, into: &mut Vec<u8>) -> Result<Head, ReadError> {
        let found = self.buffer.lock().read(offset, |framed| {
            let framed = framed.filter(|framed| keep_events(into, framed.body));
            framed.map(|framed| framed.head)
        });
        match (found, &self.files) {
            (Some(found), _) => found.ok_or(ReadError::NoRecord(offset)),
            (None, Some(files)) => off_worker(self.pace.is_slow(), || Self::read_from(files, offset, into))
                .map_err(|error| files.archive.explain(offset, error)),
            (None, None) => Err(ReadError::NoRecord(offset)),
        }
    }

    fn read_from(files: &Files, offset: LogOffset, into: &mut Vec<u8>) -> Result<Head, ReadError> {
        let (file, path, first_offset) = Self::file_at(files, offset)?;
        let file_offset = RECORDS_FROM.saturating_add(offset.0.saturating_sub(first_offset.0));
        let io = |source| ReadError::Io { file: path.clone(), source };
        let damaged = |what: String| ReadError::Damaged { offset, file: path.clone(), what };
        into.clear();
        into.resize(FIRST_READ_BYTES, 0);
        let mut have = read_full(&*file, into, file_offset).map_err(io)?;
        into.truncate(have);
        let length = frame::length(into).map_err(|flaw| damaged(flaw.to_string()))?;
        if have < length {
            into.resize(length, 0);
            let rest_at = file_offset.saturating_add(u64::try_from(have).unwrap_or(u64::MAX));
            have += read_full(&*file, into.get_mut(have..).unwrap_or_default(), rest_at).map_err(io)?;
        }
        into.truncate(length.min(have));
        let framed = frame::parse(into).map_err(|flaw| damaged(flaw.to_string()))?;
        let head = framed.head;
        let skip = match framed.body {
            Body::Events(_) => HEAD_BYTES,
            Body::Part { .. } => HEAD_BYTES + 8,
            Body::Batch { .. } | Body::Begin | Body::End { .. } => return Err(ReadError::NoRecord(offset)),
        };
        into.truncate(length - CRC_BYTES);
        into.drain(..skip);
        Ok(head)
    }

    /// The open file of the segment that contains an offset. No lock is held while it is opened.
    pub(in crate::storage) fn file_at(
        files: &Files,
        offset: LogOffset,
    ) -> Result<(Arc<dyn File>, String, LogOffset), ReadError> {
        let find = || {
            let segments = files.segments.read();
            let at = segments.partition_point(|segment| segment.first_offset <= offset).checked_sub(1);
            at.and_then(|at| segments.get(at)).cloned().ok_or(ReadError::NoRecord(offset))
        };
        let mut segment = find()?;
        loop {
            let SegmentInfo { first_lsn, first_offset, .. } = segment;
            if let Some(file) = files.handles.lock().find(first_lsn) {
                return Ok((file, segment.path, first_offset));
            }
            match files.store.open(&segment.path).or_else(|error| open_archived(files, &segment.path, error)) {
                Ok(file) => {
                    files.handles.lock().put(first_lsn, Arc::clone(&file));
                    return Ok((file, segment.path, first_offset));
                }
                Err(source) => {
                    // The file may have been deleted or moved since the look-up.
                    let again = find()?;
                    if again.first_lsn == first_lsn && again.path == segment.path {
                        return Err(ReadError::Io { file: segment.path, source });
                    }
                    segment = again;
                }
            }
        }
    }

    /// Passes the records of a sealed segment that count to the visitor, in order. A group is never in two segments, since it
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
        let end = RECORDS_FROM.saturating_add(segment.end_offset.0.saturating_sub(segment.first_offset.0));
        let open_reader = || match files.store.open(&file).map_err(io).map(SegmentReader::from_file)? {
            Ok(reader) => Ok(reader.until(end)),
            Err(SegmentReaderError::Io(source)) => Err(io(source)),
            Err(SegmentReaderError::Head(flaw)) => Err(damaged(0, flaw.to_string())),
        };
        let (mut first_reader, mut groups) = (open_reader()?, Groups::reading_from(segment.first_lsn));
        loop {
            match first_reader.step().map_err(io)? {
                Step::End => break,
                Step::Record(located) => {
                    groups.add(&located.framed).map_err(|what| damaged(located.offset, what.to_owned()))?;
                }
                Step::Damage(damage) => return Err(damaged(damage.offset, damage.flaw.to_string())),
            }
        }
        let mut second_reader = open_reader()?;
        loop {
            match second_reader.step().map_err(io)? {
                Step::End => return Ok(()),
                Step::Record(located) => {
                    let counts = |group: Option<Lsn>| group.is_none_or(|group| !groups.is_open(group));
                    if let Some((record, _)) = located.record().filter(|(_, group)| counts(*group)) {
                        let refused = |what| ScanError::Refused { file: file.clone(), lsn: record.lsn, what };
                        visit(&record).map_err(refused)?;
                    }
                }
                Step::Damage(damage) => return Err(damaged(damage.offset, damage.flaw.to_string())),
            }
        }
    }
}

//! Reads raw ranges from the tail in memory or from files.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::read_full,
        journal::{
            follow::{FollowError, Stepped},
            format::{
                frame::{self, Body, Flaw},
                segment_head::RECORDS_FROM,
            },
            log::Journal,
            model::{error::ReadError, ids::Lsn, segment_info::SegmentInfo},
            raw::raw_records::RawRecords,
            state::record_ends::RecordEnd,
        },
    },
};

/// The fewest bytes of one read.
const READ_BYTES_MIN: usize = 4 * 1024;
/// The most bytes that are read ahead at once.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// What identifies a record in the lineage of a journal, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMark {
    /// The number of the daemon's start that wrote it.
    pub epoch: u32,
    /// Its checksum.
    pub crc: u32,
    /// The offset after it, where the next raw range begins.
    pub end: LogOffset,
}

/// The segment that a range is of.
struct Span {
    first: Lsn,
    first_offset: LogOffset,
    /// Its last record and the offset after it; `None`: it is written to.
    end: Option<(Lsn, LogOffset)>,
}

/// Bytes of a segment from an offset on, and where they are read.
struct RawBytes<'a> {
    journal: &'a Journal,
    begin: LogOffset,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
}

impl RawBytes<'_> {
    /// The offset of an index.
    fn log_offset(&self, at: usize) -> LogOffset {
        LogOffset(self.begin.0.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// Reads until there are so many bytes, or none follow. Reads ahead up to `ahead` bytes in all.
    fn fill(&mut self, bytes: usize, ahead: usize) -> Result<(), ReadError> {
        while self.bytes.len() < bytes {
            let from = self.log_offset(self.bytes.len());
            let want = bytes.max(ahead.min(self.bytes.len().saturating_add(READ_BYTES_MAX)));
            let to = LogOffset(self.log_offset(want).0.min(self.journal.end().0));
            let copied = self.journal.buffer.lock().copy(from, to, &mut self.scratch);
            if copied > 0 {
                self.bytes.extend_from_slice(&self.scratch);
            } else if self.read_file(from, want.saturating_sub(self.bytes.len()))? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_file(&mut self, from: LogOffset, bytes: usize) -> Result<usize, ReadError> {
        let Some(files) = &self.journal.files else { return Ok(0) };
        // The first offset names the segment: `from` may be after its last record.
        let (file, path, first_offset) = Journal::file_at(files, self.begin)?;
        let have = self.bytes.len();
        self.bytes.resize(have.saturating_add(bytes.max(READ_BYTES_MIN)), 0);
        let offset = RECORDS_FROM.saturating_add(from.0.saturating_sub(first_offset.0));
        let read = read_full(&*file, self.bytes.get_mut(have..).unwrap_or_default(), offset);
        self.bytes.truncate(have.saturating_add(*read.as_ref().unwrap_or(&0)));
        read.map_err(|source| ReadError::Io { file: path, source })
    }

    fn damaged(&self, at: usize, what: &dyn ToString) -> ReadError {
        let offset = self.log_offset(at);
        let files = self.journal.files.as_ref();
        let file = files.and_then(|files| Journal::file_at(files, self.begin).ok()).map(|(_, path, _)| path);
        ReadError::Damaged { offset, file: file.unwrap_or_default(), what: what.to_string() }
    }
}

impl Journal {
    /// Verbatim bytes of the durable records after a number ([`Journal::lasting`]), of one segment, about `bytes_max`; a
    /// longer record is returned whole. `None`: there is no such record yet.
    ///
    /// A call that continues where an earlier one ended reads the tail in memory, and a file only if the records have left
    /// the tail.
    ///
    /// # Errors
    /// The records are not all kept any more, the number is not assigned yet, or they cannot be read.
    pub fn raw_after(&self, after: Lsn, bytes_max: usize) -> Result<Option<RawRecords>, FollowError> {
        let lasting = self.lasting();
        let (next, begins_at) = (Lsn(after.0.saturating_add(1)), self.begins_at());
        if next < begins_at {
            return Err(FollowError::Gone { after, begins_at });
        }
        if after > self.last() {
            return Err(FollowError::Ahead { after, last: self.last() });
        }
        if after >= lasting {
            return Ok(None);
        }
        if let Some((_, lost)) = self.loss_of(next) {
            return Err(FollowError::Gone { after, begins_at: Lsn(lost.0.saturating_add(1)) });
        }
        match self.raw_from(next, lasting, bytes_max) {
            Ok(raw) => Ok(Some(raw)),
            // The segment was deleted during the call.
            Err(_) if next < self.begins_at() => Err(FollowError::Gone { after, begins_at: self.begins_at() }),
            Err(error) => Err(error.into()),
        }
    }

    fn raw_from(&self, first: Lsn, lasting: Lsn, bytes_max: usize) -> Result<RawRecords, ReadError> {
        let span = self.span_of(first)?;
        let begin = if first == span.first { span.first_offset } else { self.end_of(Lsn(first.0.saturating_sub(1)))? };
        let limit = span.end.map_or(lasting, |(last, _)| last.min(lasting));
        let mut raw = RawBytes { journal: self, begin, bytes: Vec::new(), scratch: Vec::new() };
        let (mut at, mut end, mut next, mut epoch, mut last_crc) = (0, 0_usize, first, None, 0);
        while next <= limit {
            raw.fill(at + 8, bytes_max)?;
            let length = frame::length(raw.bytes.get(at..).unwrap_or_default());
            let length = length.map_err(|flaw| raw.damaged(at, &flaw))?;
            if end > 0 && at + length > bytes_max {
                break;
            }
            raw.fill(at + length, bytes_max)?;
            let framed = frame::parse(raw.bytes.get(at..).unwrap_or_default());
            let framed = framed.map_err(|flaw| raw.damaged(at, &flaw))?;
            if framed.head.lsn != next {
                let what = format!("record {} is where record {next} is expected", framed.head.lsn);
                return Err(raw.damaged(at, &what));
            }
            if *epoch.get_or_insert(framed.head.epoch) != framed.head.epoch {
                return Err(raw.damaged(at, &"a segment has records of two starts"));
            }
            at += framed.bytes;
            if !matches!(framed.body, Body::Batch { .. }) {
                (end, last_crc, next) = (at, framed.crc, Lsn(next.0.saturating_add(1)));
            }
        }
        let last = Lsn(next.0.saturating_sub(1));
        // An earlier version left a batch header without a record at the end of a segment.
        if let Some((_, end_offset)) = span.end.filter(|(sealed, _)| *sealed == last) {
            end = usize::try_from(end_offset.0.saturating_sub(begin.0)).unwrap_or(usize::MAX);
            raw.fill(end, bytes_max)?;
            if raw.bytes.len() < end {
                return Err(raw.damaged(raw.bytes.len(), &Flaw::Short));
            }
        }
        let mut bytes = raw.bytes;
        bytes.truncate(end);
        let range = RawRecords { epoch: epoch.unwrap_or(0), first, last, begin, bytes, last_crc };
        self.record_ends.note(RecordEnd { lsn: last, end: range.end() });
        Ok(range)
    }

    /// The segment that contains a durable record.
    fn span_of(&self, lsn: Lsn) -> Result<Span, ReadError> {
        let Some(files) = &self.files else {
            return Ok(Span { first: Lsn(1), first_offset: LogOffset(0), end: None });
        };
        let segments = files.segments.read();
        let at = segments.partition_point(|segment| segment.first_lsn <= lsn).checked_sub(1);
        let segment: &SegmentInfo = at.and_then(|at| segments.get(at)).ok_or(ReadError::NoRecord(LogOffset(0)))?;
        let end = segment.sealed.then_some((segment.last, segment.end_offset));
        Ok(Span { first: segment.first_lsn, first_offset: segment.first_offset, end })
    }

    /// The offset after a durable record.
    fn end_of(&self, lsn: Lsn) -> Result<LogOffset, ReadError> {
        match self.record_ends.find(lsn) {
            Some(end) => Ok(end),
            None => self.mark_of(lsn).map(|mark| mark.end),
        }
    }

    /// The epoch and the checksum of a durable record, and the offset after it. `None`: the journal does not have it yet, or
    /// not any more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn record_mark(&self, lsn: Lsn) -> Result<Option<RecordMark>, ReadError> {
        let is_kept = |lsn: Lsn| lsn >= self.begins_at() && self.loss_of(lsn).is_none();
        if lsn == Lsn::NONE || lsn > self.lasting() || !is_kept(lsn) {
            return Ok(None);
        }
        match self.mark_of(lsn) {
            Err(_) if !is_kept(lsn) => Ok(None),
            mark => mark.map(Some),
        }
    }

    fn mark_of(&self, lsn: Lsn) -> Result<RecordMark, ReadError> {
        let mut steps = self.steps_at(lsn)?;
        let found = loop {
            let offset = steps.spot().offset;
            match steps.step(self)? {
                Stepped::Record(seen) if matches!(seen.framed.body, Body::Batch { .. }) => {}
                Stepped::Record(seen) if seen.framed.head.lsn < lsn => {}
                Stepped::Record(seen) if seen.framed.head.lsn == lsn => break seen.framed.without_events(),
                Stepped::Record(_) | Stepped::End => return Err(ReadError::NoRecord(offset)),
                Stepped::Damage(what) => {
                    let file = self.files.as_ref().and_then(|files| Self::file_at(files, offset).ok());
                    let file = file.map(|(_, path, _)| path).unwrap_or_default();
                    return Err(ReadError::Damaged { offset, file, what });
                }
            }
        };
        let end = steps.spot().offset;
        let end = self.span_of(lsn)?.end.filter(|(last, _)| *last == lsn).map_or(end, |(_, end)| end);
        self.record_ends.note(RecordEnd { lsn, end });
        Ok(RecordMark { epoch: found.head.epoch, crc: found.crc, end })
    }
}

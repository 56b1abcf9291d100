//! Reads one segment record by record, for recovery, the archive and `inspect`.
//!
//! It reads in blocks, so it takes the memory of one block or of the largest record. It verifies that records are whole,
//! numbered without gaps, of one journal, and that the epoch does not decrease. It does not decide what follows from damage.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::{File, Store, read_full},
        journal::{
            format::{
                frame::{self, BATCH_BYTES, Body, Flaw, Framed},
                segment_head::{HeadFlaw, RECORDS_FROM, SEGMENT_HEAD_BYTES, SegmentHead},
            },
            model::{
                ids::{JournalId, Lsn},
                record::Record,
            },
        },
    },
};
use std::{io, sync::Arc};

/// Bytes read at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// The flaw of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFlaw {
    /// Its bytes are damaged.
    #[error(transparent)]
    Bytes(Flaw),
    /// Its number is not the next.
    #[error("record {found} is where record {expected} is expected")]
    Number {
        /// The found value.
        found: u64,
        /// The expected number.
        expected: u64,
    },
    /// Its epoch is less than that of a record before it.
    #[error("a record of start {found} follows a record of start {last}")]
    Epoch {
        /// The found value.
        found: u32,
        /// The epoch before it.
        last: u32,
    },
    /// It is a batch of another journal.
    #[error("the segment contains a batch of journal {0}")]
    Foreign(JournalId),
}

impl RecordFlaw {
    /// Whether a power cut can cause this: damaged bytes or a gap. Anything else was written in this form.
    #[must_use]
    pub fn may_be_torn(&self) -> bool {
        !matches!(self, Self::Bytes(Flaw::Invalid(_) | Flaw::Newer(_) | Flaw::Group(_)) | Self::Foreign(_))
    }
}

/// A damaged record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The offset in the file.
    pub offset: u64,
    /// The expected number of the record.
    pub lsn: Lsn,
    /// The flaw.
    pub flaw: RecordFlaw,
}

/// A whole record and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocatedRecord<'a> {
    /// The offset in the file.
    pub offset: u64,
    /// The offset in the journal.
    pub log_offset: LogOffset,
    /// The record.
    pub framed: Framed<'a>,
}

impl<'a> LocatedRecord<'a> {
    /// The record as it is replayed, if it has events, and the group of a part. A part counts only if its group ends.
    pub(in crate::storage) fn record(&self) -> Option<(Record<'a>, Option<Lsn>)> {
        let head = self.framed.head;
        let (events, group) = match self.framed.body {
            Body::Events(events) => (events, None),
            Body::Part { group, events } => (events, Some(group)),
            Body::Batch { .. } | Body::Begin | Body::End { .. } => return None,
        };
        Some((Record { lsn: head.lsn, epoch: head.epoch, owner: head.owner, offset: self.log_offset, events }, group))
    }
}

/// The result of reading one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole record.
    Record(LocatedRecord<'a>),
    /// The segment ends.
    End,
    /// A damaged record. [`SegmentReader::skip`] continues after it.
    Damage(Damage),
}

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentReaderError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its head is damaged or newer.
    #[error(transparent)]
    Head(#[from] HeadFlaw),
}

/// Reads the records of one segment in order.
pub struct SegmentReader {
    file: Arc<dyn File>,
    head: SegmentHead,
    len: u64,
    at: u64,
    next_lsn: Lsn,
    epoch: u32,
    block: Block,
}

#[derive(Default)]
struct Block {
    from: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// At least `want` bytes at an offset, or fewer at the end of the file.
    fn fill(&mut self, file: &dyn File, at: u64, want: usize, len: u64) -> io::Result<&[u8]> {
        let left = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = want.min(left);
        let inside = |block: &Self| usize::try_from(at.checked_sub(block.from)?).ok();
        let have = inside(self).filter(|skip| skip.saturating_add(want) <= self.bytes.len());
        if have.is_none() {
            self.bytes.resize(want.max(BLOCK_BYTES).min(left), 0);
            self.from = at;
            let read = read_full(file, &mut self.bytes, at)?;
            self.bytes.truncate(read);
        }
        let skip = inside(self).unwrap_or(0);
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }
}

impl SegmentReader {
    /// Opens a segment and reads its head.
    ///
    /// # Errors
    /// It cannot be read, or its head is damaged or newer.
    pub fn open(store: &dyn Store, path: &str) -> Result<Self, SegmentReaderError> {
        Self::from_file(store.open(path)?)
    }

    /// [`SegmentReader::open`] for an open file.
    ///
    /// # Errors
    /// It cannot be read, or its head is damaged or newer.
    pub fn from_file(file: Arc<dyn File>) -> Result<Self, SegmentReaderError> {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        let read = read_full(&*file, &mut bytes, 0)?;
        let head = SegmentHead::parse(bytes.get(..read).unwrap_or_default())?;
        Ok(Self::with_head(file, head)?)
    }

    /// Reads a file whose head is damaged, with an assumed head.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn with_head(file: Arc<dyn File>, head: SegmentHead) -> io::Result<Self> {
        let (next_lsn, epoch, block) = (head.first_lsn, head.epoch, Block::default());
        Ok(Self { len: file.len()?, file, head, at: RECORDS_FROM, next_lsn, epoch, block })
    }

    /// The head of the segment.
    #[must_use]
    pub fn head(&self) -> SegmentHead {
        self.head
    }

    /// The number of bytes of the file that are read.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.len
    }

    /// The offset of the next record in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The offset of the next record in the journal.
    #[must_use]
    pub fn log_offset(&self) -> LogOffset {
        self.log_offset_at(self.at)
    }

    /// The number of the next record.
    #[must_use]
    pub fn next_lsn(&self) -> Lsn {
        self.next_lsn
    }

    /// The highest epoch so far.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Ends at this offset of the file.
    #[must_use]
    pub fn until(self, offset: u64) -> Self {
        Self { len: self.len.min(offset), ..self }
    }

    fn log_offset_at(&self, offset: u64) -> LogOffset {
        LogOffset(self.head.first_offset.0.saturating_add(offset.saturating_sub(RECORDS_FROM)))
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn step(&mut self) -> io::Result<Step<'_>> {
        let (offset, log_offset, lsn) = (self.at, self.log_offset(), self.next_lsn);
        if offset >= self.len {
            return Ok(Step::End);
        }
        let damaged = |flaw| Ok(Step::Damage(Damage { offset, lsn, flaw }));
        let length = match frame::length(self.block.fill(&*self.file, offset, 8, self.len)?) {
            Ok(length) => length,
            Err(flaw) => return damaged(RecordFlaw::Bytes(flaw)),
        };
        // The length is verified, and no more is read than the file has.
        let bytes = self.block.fill(&*self.file, offset, length, self.len)?;
        let framed = match frame::parse(bytes) {
            Ok(framed) => framed,
            Err(flaw) => return damaged(RecordFlaw::Bytes(flaw)),
        };
        let head = framed.head;
        if head.lsn != lsn {
            return damaged(RecordFlaw::Number { found: head.lsn.0, expected: lsn.0 });
        }
        if head.epoch < self.epoch {
            return damaged(RecordFlaw::Epoch { found: head.epoch, last: self.epoch });
        }
        match framed.body {
            Body::Batch { id, .. } if id != self.head.id => return damaged(RecordFlaw::Foreign(id)),
            Body::Batch { .. } => {}
            _ => self.next_lsn = Lsn(lsn.0.saturating_add(1)),
        }
        self.epoch = head.epoch;
        self.at = offset.saturating_add(u64::try_from(framed.bytes).unwrap_or(u64::MAX));
        Ok(Step::Record(LocatedRecord { offset, log_offset, framed }))
    }

    /// Continues at the next whole batch header of this journal after damage. Returns whether there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn skip(&mut self) -> io::Result<bool> {
        let begin = frame::batch_prefix();
        let mut at = self.at.saturating_add(1);
        loop {
            let bytes = self.block.fill(&*self.file, at, BATCH_BYTES, self.len)?;
            if bytes.len() < BATCH_BYTES {
                return Ok(false);
            }
            let found = bytes.windows(begin.len()).position(|window| window == begin);
            let Some(skipped) = found else {
                // The last bytes may be the beginning of a header.
                at = at.saturating_add(u64::try_from(bytes.len() - begin.len() + 1).unwrap_or(u64::MAX));
                continue;
            };
            at = at.saturating_add(u64::try_from(skipped).unwrap_or(u64::MAX));
            let bytes = self.block.fill(&*self.file, at, BATCH_BYTES, self.len)?;
            if let Ok(Framed { head, body: Body::Batch { id, .. }, .. }) = frame::parse(bytes)
                && id == self.head.id
            {
                (self.at, self.next_lsn, self.epoch) = (at, head.lsn, head.epoch);
                return Ok(true);
            }
            at = at.saturating_add(1);
        }
    }
}

impl SegmentReader {
    /// Continues after damage: at the next record where the length of the damaged one can be read, or else at the next
    /// whole batch header with a number that is not before the expected one. Returns whether there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in crate::storage) fn skip_damage(&mut self) -> io::Result<bool> {
        let expected = self.next_lsn;
        if let Some((offset, lsn)) = self.record_after_damage()? {
            (self.at, self.next_lsn) = (offset, lsn);
            return Ok(true);
        }
        while self.skip()? {
            if self.next_lsn >= expected {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The offset and the number of the record that begins where the damaged one ends. `None`: the length of the damaged
    /// record cannot be read, or no record with the expected number or the next one begins there.
    fn record_after_damage(&mut self) -> io::Result<Option<(u64, Lsn)>> {
        let (damaged_at, expected) = (self.at, self.next_lsn);
        let Ok(length) = frame::length(self.block.fill(&*self.file, damaged_at, 8, self.len)?) else { return Ok(None) };
        let offset = damaged_at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if offset >= self.len {
            return Ok(None);
        }
        let Ok(length) = frame::length(self.block.fill(&*self.file, offset, 8, self.len)?) else { return Ok(None) };
        let Ok(framed) = frame::parse(self.block.fill(&*self.file, offset, length, self.len)?) else { return Ok(None) };
        let lsn = framed.head.lsn;
        let is_next = lsn == expected || lsn.0 == expected.0.saturating_add(1);
        Ok(is_next.then_some((offset, lsn)))
    }

    /// Continues at the record with this number, or at the batch header before it.
    pub(in crate::storage) fn go_to(&mut self, offset: u64, lsn: Lsn) {
        (self.at, self.next_lsn, self.epoch) = (offset, lsn, self.head.epoch);
    }

    /// Searches for a batch header near a wanted record by bisection, from a record at or before it, until `near_bytes` are
    /// left or no header is between. Returns the offset and the number from which to read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in crate::storage) fn bisect(
        &mut self,
        from: (u64, Lsn),
        wanted: Lsn,
        near_bytes: u64,
    ) -> io::Result<(u64, Lsn)> {
        let (mut low, mut high) = (from, self.len);
        let whole = self.len;
        while low.1 < wanted && high.saturating_sub(low.0) > near_bytes {
            let middle = low.0 + (high - low.0) / 2;
            // The bytes after `high` were searched before.
            (self.at, self.len) = (middle, high);
            let found = self.skip();
            self.len = whole;
            if found? && self.next_lsn <= wanted { low = (self.at, self.next_lsn) } else { high = middle }
        }
        Ok(low)
    }
}

//! One segment, record by record: what recovery, the archive and `inspect` have in common.
//!
//! A walk reads in blocks, so its memory is one block or one record, whichever is more. It checks what one segment can
//! tell: that records are whole, numbered without gaps, of one journal, of no falling epoch. It judges nothing.

use crate::storage::fs::{File, Store, read_full};
use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{
        JournalId, Lsn, Record,
        frame::{self, BATCH_BYTES, Body, Flaw, Framed, HeadFlaw, SEGMENT_HEAD_BYTES, SegmentHead},
    },
};
use std::{collections::HashMap, io, sync::Arc};

/// Bytes read at once.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Where the records of a segment begin.
pub(in crate::storage) const RECORDS_FROM: u64 = 60;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Its bytes.
    #[error(transparent)]
    Bytes(Flaw),
    /// Its number is not the next.
    #[error("record {found} stands where {expected} belongs")]
    Number {
        /// The one that it has.
        found: u64,
        /// The next.
        expected: u64,
    },
    /// Its epoch is below that of a record before it.
    #[error("a record of start {found} stands behind one of start {last}")]
    Epoch {
        /// The one that it has.
        found: u32,
        /// That before it.
        last: u32,
    },
    /// A batch of another journal.
    #[error("a batch of journal {0} stands in it")]
    Foreign(JournalId),
}

impl Wrong {
    /// Whether a power cut can leave this: bytes that are not whole, or a gap. The rest was written as it stands.
    #[must_use]
    pub fn may_be_torn(&self) -> bool {
        !matches!(self, Self::Bytes(Flaw::Senseless(_) | Flaw::Newer(_) | Flaw::Group(_)) | Self::Foreign(_))
    }
}

/// A damaged record, where the next whole one belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// The number that the record there should have.
    pub lsn: Lsn,
    /// What is wrong.
    pub wrong: Wrong,
}

/// A whole record and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Where in the file.
    pub offset: u64,
    /// Where in the journal.
    pub place: LogOffset,
    /// The record.
    pub framed: Framed<'a>,
}

impl<'a> Seen<'a> {
    /// The record as it is replayed, where it has events; those of a part count only if its group ends.
    pub(in crate::storage) fn record(&self) -> Option<(Record<'a>, Option<Lsn>)> {
        let head = self.framed.head;
        let (events, group) = match self.framed.body {
            Body::Events(events) => (events, None),
            Body::Part { group, events } => (events, Some(group)),
            Body::Batch { .. } | Body::Begin | Body::End { .. } => return None,
        };
        Some((Record { lsn: head.lsn, epoch: head.epoch, owner: head.owner, place: self.place, events }, group))
    }
}

/// One step of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole record.
    Record(Seen<'a>),
    /// Nothing more stands there.
    End,
    /// The walk goes no further by itself; [`Walk::skip`] looks behind the damage.
    Damage(Damage),
}

/// Why a segment cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its head.
    #[error(transparent)]
    Head(#[from] HeadFlaw),
}

/// A walk through one segment.
pub struct Walk {
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
    /// The bytes at an offset: as many as asked for, unless the file's end comes before.
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

impl Walk {
    /// Opens a segment and reads its head.
    ///
    /// # Errors
    /// It cannot be read, or its head is not whole.
    pub fn open(store: &dyn Store, path: &str) -> Result<Self, WalkError> {
        Self::over(store.open(path)?)
    }

    /// The same for a file that is open.
    ///
    /// # Errors
    /// It cannot be read, or its head is not whole.
    pub fn over(file: Arc<dyn File>) -> Result<Self, WalkError> {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        let read = read_full(&*file, &mut bytes, 0)?;
        let head = SegmentHead::parse(bytes.get(..read).unwrap_or_default())?;
        Ok(Self::with_head(file, head)?)
    }

    /// The same for a file whose head is damaged and assumed to be this.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn with_head(file: Arc<dyn File>, head: SegmentHead) -> io::Result<Self> {
        let (next_lsn, epoch, block) = (head.first_lsn, head.epoch, Block::default());
        Ok(Self { len: file.len()?, file, head, at: RECORDS_FROM, next_lsn, epoch, block })
    }

    /// The segment's head.
    #[must_use]
    pub fn head(&self) -> SegmentHead {
        self.head
    }

    /// Bytes of the file that are walked.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.len
    }

    /// Where in the file the next record begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Where in the journal the next record begins.
    #[must_use]
    pub fn place(&self) -> LogOffset {
        self.place_at(self.at)
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

    /// Ends the walk at this offset of the file.
    #[must_use]
    pub fn until(self, offset: u64) -> Self {
        Self { len: self.len.min(offset), ..self }
    }

    fn place_at(&self, offset: u64) -> LogOffset {
        LogOffset(self.head.first_place.0.saturating_add(offset.saturating_sub(RECORDS_FROM)))
    }

    /// The next record.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn step(&mut self) -> io::Result<Step<'_>> {
        let (offset, place, lsn) = (self.at, self.place(), self.next_lsn);
        if offset >= self.len {
            return Ok(Step::End);
        }
        let damaged = |wrong| Ok(Step::Damage(Damage { offset, lsn, wrong }));
        let length = match frame::length(self.block.fill(&*self.file, offset, 8, self.len)?) {
            Ok(length) => length,
            Err(flaw) => return damaged(Wrong::Bytes(flaw)),
        };
        // The length agrees with its check, and no more is read than the file has.
        let bytes = self.block.fill(&*self.file, offset, length, self.len)?;
        let framed = match frame::parse(bytes) {
            Ok(framed) => framed,
            Err(flaw) => return damaged(Wrong::Bytes(flaw)),
        };
        let head = framed.head;
        if head.lsn != lsn {
            return damaged(Wrong::Number { found: head.lsn.0, expected: lsn.0 });
        }
        if head.epoch < self.epoch {
            return damaged(Wrong::Epoch { found: head.epoch, last: self.epoch });
        }
        match framed.body {
            Body::Batch { id, .. } if id != self.head.id => return damaged(Wrong::Foreign(id)),
            Body::Batch { .. } => {}
            _ => self.next_lsn = Lsn(lsn.0.saturating_add(1)),
        }
        self.epoch = head.epoch;
        self.at = offset.saturating_add(u64::try_from(framed.bytes).unwrap_or(u64::MAX));
        Ok(Step::Record(Seen { offset, place, framed }))
    }

    /// Goes on at the next whole batch header of this journal behind a damage; says whether there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn skip(&mut self) -> io::Result<bool> {
        let begin = frame::batch_begins_with();
        let mut at = self.at.saturating_add(1);
        loop {
            let bytes = self.block.fill(&*self.file, at, BATCH_BYTES, self.len)?;
            if bytes.len() < BATCH_BYTES {
                return Ok(false);
            }
            let found = bytes.windows(begin.len()).position(|window| window == begin);
            let Some(skipped) = found else {
                // The last bytes may be the first of a header.
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

impl Walk {
    /// Goes on at a record, or the batch header before it, that has this number.
    pub(in crate::storage) fn go_to(&mut self, offset: u64, lsn: Lsn) {
        (self.at, self.next_lsn, self.epoch) = (offset, lsn, self.head.epoch);
    }

    /// From a record on that is not behind the wanted one, looks for batch headers nearer to it, halving what lies
    /// between until so many bytes are left or no header is among them. Says where to walk from: an offset and a number.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in crate::storage) fn halve(
        &mut self,
        from: (u64, Lsn),
        wanted: Lsn,
        near_bytes: u64,
    ) -> io::Result<(u64, Lsn)> {
        let (mut low, mut high) = (from, self.len);
        let whole = self.len;
        while low.1 < wanted && high.saturating_sub(low.0) > near_bytes {
            let middle = low.0 + (high - low.0) / 2;
            // What lies behind was looked at before.
            (self.at, self.len) = (middle, high);
            let found = self.skip();
            self.len = whole;
            if found? && self.next_lsn <= wanted { low = (self.at, self.next_lsn) } else { high = middle }
        }
        Ok(low)
    }
}

/// Which groups have begun and not ended. What is left at the end does not count.
#[derive(Debug, Default)]
pub(in crate::storage) struct Groups {
    /// Parts so far, by the number of the begin; `None` where the begin stands before what was walked.
    open: HashMap<Lsn, Option<u32>>,
    walked_from: Lsn,
}

impl Groups {
    pub(in crate::storage) fn from(walked_from: Lsn) -> Self {
        Self { open: HashMap::new(), walked_from }
    }

    /// Takes note of a record; says what is senseless about it.
    pub(in crate::storage) fn see(&mut self, framed: &Framed<'_>) -> Result<(), &'static str> {
        let (group, ends) = match framed.body {
            Body::Events(_) | Body::Batch { .. } => return Ok(()),
            Body::Begin => {
                self.open.insert(framed.head.lsn, Some(0));
                return Ok(());
            }
            Body::Part { group, .. } => (group, None),
            Body::End { group, parts } => (group, Some(parts)),
        };
        let walked_from = self.walked_from;
        let unseen = || if group < walked_from { Ok(None) } else { Err("it is of a group that has not begun") };
        let parts = self.open.get(&group).map_or_else(unseen, |parts| Ok(*parts))?;
        match ends {
            None => {
                self.open.insert(group, parts.map(|parts| parts.saturating_add(1)));
            }
            Some(said) if parts.is_some_and(|parts| parts != said) => {
                return Err("it ends a group of another number of parts");
            }
            Some(_) => {
                self.open.remove(&group);
            }
        }
        Ok(())
    }

    /// Whether the group is one that never ended.
    pub(in crate::storage) fn is_open(&self, group: Lsn) -> bool {
        self.open.contains_key(&group)
    }
}

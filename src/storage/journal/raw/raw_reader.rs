//! Reads the records of consecutive raw ranges.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        format::frame::Body,
        model::{
            ids::{JournalId, Lsn},
            record::Record,
        },
        raw::raw_records::{RawFlaw, RawRecord, RawRecords},
    },
};

/// A group that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpenGroup {
    group: Lsn,
    /// The number of parts so far; `None`: the group began before the first range.
    parts: Option<u32>,
}

/// Checks consecutive raw ranges and passes on the records that count, those of one group together. It remembers a group
/// that a range leaves unfinished. A group without its end is dropped when the next epoch begins.
#[derive(Debug, Clone)]
pub struct RawReader {
    id: JournalId,
    /// The first record that it reads.
    since: Lsn,
    next: Lsn,
    /// Where the next range begins; `None`: anywhere.
    end: Option<LogOffset>,
    epoch: u32,
    group: Option<OpenGroup>,
    parts: Vec<(Record<'static>, Vec<u8>)>,
}

impl RawReader {
    /// Reads the ranges of a journal after a record.
    #[must_use]
    pub fn new(id: JournalId, after: Lsn) -> Self {
        let next = Lsn(after.0.saturating_add(1));
        Self { id, since: next, next, end: None, epoch: 0, group: None, parts: Vec::new() }
    }

    /// [`RawReader::new`], and the first range must begin at this offset and not be of an earlier epoch.
    pub(in crate::storage) fn at(id: JournalId, after: Lsn, end: LogOffset, epoch: u32) -> Self {
        Self { end: Some(end), epoch, ..Self::new(id, after) }
    }

    /// The last record that was read.
    #[must_use]
    pub fn last(&self) -> Lsn {
        Lsn(self.next.0.saturating_sub(1))
    }

    /// The epoch of the last range; 0 before the first one.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether a group has begun and not ended.
    #[must_use]
    pub fn has_open_group(&self) -> bool {
        self.group.is_some()
    }

    /// Reads the next range. Records that were read before are skipped. A refused range changes nothing.
    ///
    /// # Errors
    /// The range is damaged, or does not follow the one before it.
    pub fn read(&mut self, raw: &RawRecords, visit: &mut dyn FnMut(&[Record<'_>])) -> Result<(), RawFlaw> {
        raw.verify(self.id)?;
        if raw.last < self.next {
            return Ok(());
        }
        let rest = if raw.first < self.next { raw.after(self.last()) } else { None };
        let raw = rest.as_ref().unwrap_or(raw);
        let group = self.check(raw)?;
        if raw.epoch > self.epoch {
            self.parts.clear();
        }
        for record in raw.frames() {
            self.pass(raw, &record, visit);
        }
        (self.group, self.next, self.epoch) = (group, Lsn(raw.last.0.saturating_add(1)), raw.epoch);
        self.end = Some(raw.end());
        Ok(())
    }

    /// Checks that a verified range follows, and its groups. Returns the group that it leaves open.
    fn check(&self, raw: &RawRecords) -> Result<Option<OpenGroup>, RawFlaw> {
        if raw.first != self.next {
            return Err(RawFlaw::Number { found: raw.first, expected: self.next });
        }
        if let Some(expected) = self.end.filter(|end| *end != raw.begin) {
            return Err(RawFlaw::Offset { lsn: raw.first, found: raw.begin, expected });
        }
        if raw.epoch < self.epoch {
            return Err(RawFlaw::Epoch { lsn: raw.first, found: raw.epoch, expected: self.epoch });
        }
        let mut open = self.group.filter(|_| raw.epoch == self.epoch);
        for record in raw.frames() {
            let head = record.framed.head;
            let flaw = |what| RawFlaw::Group { lsn: head.lsn, what };
            let of = |open: Option<OpenGroup>, named: Lsn| match open.filter(|open| open.group == named) {
                Some(open) => Ok(open),
                None if named < self.since => Ok(OpenGroup { group: named, parts: None }),
                None => Err(flaw("its group has not begun")),
            };
            match record.framed.body {
                Body::Events(_) | Body::Batch { .. } => {}
                Body::Begin => open = Some(OpenGroup { group: head.lsn, parts: Some(0) }),
                Body::Part { group, .. } => {
                    let OpenGroup { group, parts } = of(open, group)?;
                    open = Some(OpenGroup { group, parts: parts.map(|parts| parts.saturating_add(1)) });
                }
                Body::End { group, parts } => {
                    if of(open, group)?.parts.is_some_and(|counted| counted != parts) {
                        return Err(flaw("it ends a group with another number of parts"));
                    }
                    open = None;
                }
            }
        }
        Ok(open)
    }

    /// Passes on a checked record if it counts.
    fn pass(&mut self, raw: &RawRecords, record: &RawRecord<'_>, visit: &mut dyn FnMut(&[Record<'_>])) {
        let (head, offset) = (record.framed.head, raw.offset(record.at));
        let without_events = Record { lsn: head.lsn, epoch: head.epoch, owner: head.owner, offset, events: &[] };
        match record.framed.body {
            Body::Batch { .. } => {}
            Body::Begin => self.parts.clear(),
            Body::Events(events) => visit(&[Record { events, ..without_events }]),
            Body::Part { events, .. } => self.parts.push((without_events, events.to_vec())),
            Body::End { .. } => {
                let parts = std::mem::take(&mut self.parts);
                let whole: Vec<Record<'_>> =
                    parts.iter().map(|(record, events)| Record { events, ..*record }).collect();
                if !whole.is_empty() {
                    visit(&whole);
                }
            }
        }
    }
}

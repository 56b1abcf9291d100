//! Reads a journal from its first kept record on: the segments of the archive, then those of the journal. Nothing is
//! locked, synced or changed, so a daemon may serve the folder. The reader also finds a segment that the daemon moves into
//! the archive.

use crate::storage::{
    fs::store::Store,
    journal::{
        format::{
            frame::Body,
            segment_reader::{SegmentReader, SegmentReaderError, Step},
        },
        model::{
            ids::{JournalId, Lsn},
            paths::{ARCHIVE, FOLDER, number_of},
            record::Record,
        },
    },
};
use std::{collections::BTreeSet, io, sync::Arc};

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file cannot be read.
    #[error("segment {first} of the journal cannot be read: {source}")]
    Segment {
        /// The first record of the segment.
        first: Lsn,
        /// The cause.
        source: SegmentReaderError,
    },
    /// The folders cannot be listed.
    #[error("the segments cannot be listed: {0}")]
    List(#[from] io::Error),
    /// A record is damaged.
    #[error("record {lsn} is damaged: {what}; `levelgate inspect` examines the folder")]
    Damage {
        /// The record.
        lsn: Lsn,
        /// What is wrong.
        what: String,
    },
    /// Records are missing between two segments.
    #[error("records {from} to {to} are missing: without them no later decision can be judged; restore the archive")]
    Gap {
        /// The first missing record.
        from: Lsn,
        /// The last one.
        to: Lsn,
    },
    /// The segment is of another journal.
    #[error("segment {0} belongs to another journal")]
    Foreign(Lsn),
}

/// A journal that is read in the order of its records.
pub struct History {
    store: Arc<dyn Store>,
    id: JournalId,
    first: Lsn,
    last: Lsn,
}

impl History {
    /// The history up to `last`, a record that is known to be whole.
    ///
    /// # Errors
    /// The folders cannot be listed.
    pub fn open(store: Arc<dyn Store>, id: JournalId, last: Lsn) -> Result<Self, HistoryError> {
        let first = segments(&*store)?.first().copied().unwrap_or(Lsn(1));
        Ok(Self { store, id, first, last })
    }

    /// The first record that is kept.
    #[must_use]
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.last
    }

    /// Passes each step on, in order: a record, or all records of a group. A group without its end is dropped. It takes the
    /// memory of one block of a segment and one group.
    ///
    /// # Errors
    /// A record cannot be read, or `visit` failed.
    pub fn visit<E: From<HistoryError>>(&self, mut visit: impl FnMut(&[Record<'_>]) -> Result<(), E>) -> Result<(), E> {
        let mut next = self.first;
        let mut parts: Vec<(Record<'static>, Vec<u8>)> = Vec::new();
        while next <= self.last {
            // Listed again: the daemon may have sealed more segments by now.
            let named = segments(&*self.store).map_err(HistoryError::from)?;
            let Some(segment) = named.range(next..).next().copied().filter(|segment| *segment <= self.last) else {
                return Err(HistoryError::Gap { from: next, to: self.last }.into());
            };
            if segment > next {
                return Err(HistoryError::Gap { from: next, to: Lsn(segment.0.saturating_sub(1)) }.into());
            }
            let mut reader = self.segment(segment)?;
            loop {
                let step = reader.step().map_err(|error| failed(segment, error.into()))?;
                let located = match step {
                    Step::End => break,
                    Step::Damage(damage) => {
                        if damage.lsn > self.last {
                            break;
                        }
                        let what = damage.flaw.to_string();
                        return Err(HistoryError::Damage { lsn: damage.lsn, what }.into());
                    }
                    Step::Record(located) => located,
                };
                let head = located.framed.head;
                if head.lsn > self.last {
                    break;
                }
                match located.framed.body {
                    Body::Batch { .. } => continue,
                    Body::Begin => parts.clear(),
                    Body::End { .. } => {
                        let group = std::mem::take(&mut parts);
                        let whole: Vec<Record<'_>> =
                            group.iter().map(|(record, events)| Record { events, ..*record }).collect();
                        if !whole.is_empty() {
                            visit(&whole)?;
                        }
                    }
                    Body::Part { .. } | Body::Events(_) => match located.record() {
                        Some((record, Some(_))) => {
                            parts.push((Record { events: &[], ..record }, record.events.to_vec()));
                        }
                        Some((record, None)) => visit(&[record])?,
                        None => {}
                    },
                }
            }
            let after = reader.next_lsn();
            if after <= next && after <= self.last {
                return Err(HistoryError::Gap { from: after, to: self.last }.into());
            }
            next = after;
        }
        Ok(())
    }

    fn segment(&self, first: Lsn) -> Result<SegmentReader, HistoryError> {
        let open = |folder| SegmentReader::open(&*self.store, &format!("{folder}/{:020}.log", first.0));
        // A segment moves from the journal to the archive.
        let opened = match open(FOLDER) {
            Err(SegmentReaderError::Io(error)) if error.kind() == io::ErrorKind::NotFound => open(ARCHIVE),
            opened => opened,
        };
        let reader = opened.map_err(|source| failed(first, source))?;
        if reader.head().id == self.id { Ok(reader) } else { Err(HistoryError::Foreign(first)) }
    }
}

fn failed(first: Lsn, source: SegmentReaderError) -> HistoryError {
    HistoryError::Segment { first, source }
}

/// The first records of all segments.
fn segments(store: &dyn Store) -> io::Result<BTreeSet<Lsn>> {
    let mut named = BTreeSet::new();
    for folder in [FOLDER, ARCHIVE] {
        named.extend(store.list(folder)?.iter().filter_map(|name| number_of(name)));
    }
    Ok(named)
}

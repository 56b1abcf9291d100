//! Reads segments at a start: each separately, from begin to end, and after damage.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        journal::{
            format::{
                frame::{Body, Framed},
                segment_head::SegmentHead,
                segment_reader::{Damage, SegmentReader, SegmentReaderError, Step},
            },
            model::{error::OpenError, ids::Lsn},
        },
        recovery::scan::{Found, Scan, Tail, reading},
    },
};
use std::{
    io,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The content of one segment.
pub(super) struct SegmentContent {
    /// After its last whole record: the offset in the file and in the journal, and the next number.
    pub(super) end: u64,
    pub(super) log_offset: LogOffset,
    pub(super) next_lsn: Lsn,
    /// The highest.
    pub(super) epoch: u32,
    /// How far its batch headers say that the journal was synced.
    pub(super) known: Lsn,
    /// What begins, belongs to and ends groups, and where, without the events.
    pub(super) grouped: Vec<(u64, Framed<'static>)>,
    pub(super) tail: Tail,
    /// Why it goes no further.
    pub(super) damage: Option<Damage>,
}

impl Scan<'_> {
    /// Reads all segments in parallel: a start reads every byte here.
    pub(super) fn read_segments(&self) -> Vec<Result<SegmentContent, OpenError>> {
        let segments = self.segments.get(self.from..).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(segments.len());
        if threads <= 1 {
            return segments.iter().map(|found| self.read_segment(found)).collect();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let claimed = std::iter::from_fn(|| {
                let log_offset = next.fetch_add(1, Ordering::Relaxed);
                segments.get(log_offset).map(|found| (log_offset, self.read_segment(found)))
            });
            claimed.collect::<Vec<_>>()
        };
        let mut walked: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let walked = started.into_iter().map(|thread| thread.join().unwrap_or_else(|dead| resume_unwind(dead)));
            walked.flatten().collect()
        });
        walked.sort_unstable_by_key(|(log_offset, _)| *log_offset);
        walked.into_iter().map(|(_, walked)| walked).collect()
    }

    pub(super) fn reader(&self, path: &str) -> Result<SegmentReader, OpenError> {
        match SegmentReader::open(self.store, path) {
            Ok(reader) => Ok(reader),
            Err(SegmentReaderError::Io(source)) => Err(reading(path)(source)),
            Err(SegmentReaderError::Head(flaw)) => Err(reading(path)(io::Error::other(flaw))),
        }
    }

    /// One segment, whose head is whole, up to its end or to the first damage.
    fn read_segment(&self, found: &Found) -> Result<SegmentContent, OpenError> {
        let mut reader = self.reader(&found.path)?;
        let (mut known, mut grouped, mut tail) = (Lsn::NONE, Vec::new(), Tail::default());
        let damage = loop {
            match reader.step().map_err(reading(&found.path))? {
                Step::End => break None,
                Step::Damage(damage) => break Some(damage),
                Step::Record(located) => {
                    tail.add(&located);
                    match located.framed.body {
                        Body::Batch { synced, .. } => known = known.max(self.vouched_by_header(synced)),
                        Body::Events(_) => {}
                        Body::Begin | Body::Part { .. } | Body::End { .. } => {
                            grouped.push((located.offset, located.framed.without_events()));
                        }
                    }
                }
            }
        };
        let (end, next_lsn, log_offset, epoch) =
            (reader.offset(), reader.next_lsn(), reader.log_offset(), reader.epoch());
        Ok(SegmentContent { end, next_lsn, log_offset, epoch, known, grouped, tail, damage })
    }

    /// Up to where a batch header says that the journal of this folder was synced. One of another daemon says nothing.
    fn vouched_by_header(&self, synced: Lsn) -> Lsn {
        if self.wanted.follows { Lsn::NONE } else { synced }
    }

    /// Reads the synced numbers of batch headers after damage.
    pub(super) fn read_after_damage(&mut self, segment: usize) -> Result<(), OpenError> {
        for found in self.segments.iter().skip(segment) {
            let file = self.store.open(&found.path).map_err(reading(&found.path))?;
            // The records of a segment with a damaged head may be whole.
            let assumed = SegmentHead {
                epoch: 0,
                id: self.wanted.id,
                first_lsn: found.named,
                first_offset: LogOffset(0),
                synced: Lsn(0),
            };
            let mut reader =
                SegmentReader::with_head(file, found.head.unwrap_or(assumed)).map_err(reading(&found.path))?;
            loop {
                match reader.step().map_err(reading(&found.path))? {
                    Step::End => break,
                    Step::Record(located) => {
                        self.epoch = self.epoch.max(located.framed.head.epoch);
                        if let Body::Batch { synced, .. } = located.framed.body {
                            let synced = self.vouched_by_header(synced);
                            self.known = self.known.max(synced);
                            self.vouched = self.vouched.max(synced);
                        }
                    }
                    Step::Damage(_) => {
                        if !reader.skip().map_err(reading(&found.path))? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

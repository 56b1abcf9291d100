//! How a start reads segments: each by itself, from end to end, and behind a damage.

use crate::storage::recovery::{Found, Scan, reading};
use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{
        Lsn,
        error::OpenError,
        frame::{Body, Framed, SegmentHead},
        segment_reader::{Damage, Step, Walk, WalkError},
    },
};
use std::{
    io,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What one segment holds, seen by itself.
pub(super) struct Walked {
    /// Behind its last whole record: where in the file and in the journal, and with which number the next begins.
    pub(super) end: u64,
    pub(super) place: LogOffset,
    pub(super) next_lsn: Lsn,
    /// The highest.
    pub(super) epoch: u32,
    /// How far its batch headers say that the journal was synced.
    pub(super) known: Lsn,
    /// What begins, belongs to and ends groups, and where, without the events.
    pub(super) grouped: Vec<(u64, Framed<'static>)>,
    /// Why it goes no further.
    pub(super) damage: Option<Damage>,
}

impl Scan<'_> {
    /// Walks through each segment by itself, several side by side: that is where a start reads every byte.
    pub(super) fn walk_all(&self) -> Vec<Result<Walked, OpenError>> {
        let segments = self.segments.get(self.from..).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(segments.len());
        if threads <= 1 {
            return segments.iter().map(|found| self.walk_through(found)).collect();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let claimed = std::iter::from_fn(|| {
                let place = next.fetch_add(1, Ordering::Relaxed);
                segments.get(place).map(|found| (place, self.walk_through(found)))
            });
            claimed.collect::<Vec<_>>()
        };
        let mut walked: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let walked = started.into_iter().map(|thread| thread.join().unwrap_or_else(|dead| resume_unwind(dead)));
            walked.flatten().collect()
        });
        walked.sort_unstable_by_key(|(place, _)| *place);
        walked.into_iter().map(|(_, walked)| walked).collect()
    }

    pub(super) fn walk(&self, path: &str) -> Result<Walk, OpenError> {
        match Walk::open(self.store, path) {
            Ok(walk) => Ok(walk),
            Err(WalkError::Io(source)) => Err(reading(path)(source)),
            Err(WalkError::Head(flaw)) => Err(reading(path)(io::Error::other(flaw))),
        }
    }

    /// One segment, whose head is whole, up to its end or to the first damage.
    fn walk_through(&self, found: &Found) -> Result<Walked, OpenError> {
        let mut walk = self.walk(&found.path)?;
        let (mut known, mut grouped) = (Lsn::NONE, Vec::new());
        let damage = loop {
            match walk.step().map_err(reading(&found.path))? {
                Step::End => break None,
                Step::Damage(damage) => break Some(damage),
                Step::Record(seen) => match seen.framed.body {
                    Body::Batch { synced, .. } => known = known.max(synced),
                    Body::Events(_) => {}
                    Body::Begin | Body::Part { .. } | Body::End { .. } => {
                        grouped.push((seen.offset, seen.framed.without_events()));
                    }
                },
            }
        };
        let (end, next_lsn, place, epoch) = (walk.offset(), walk.next_lsn(), walk.place(), walk.epoch());
        Ok(Walked { end, next_lsn, place, epoch, known, grouped, damage })
    }

    /// What batch headers behind a damage say of how far the journal was synced.
    pub(super) fn look_behind(&mut self, segment: usize) -> Result<(), OpenError> {
        for found in self.segments.iter().skip(segment) {
            let file = self.store.open(&found.path).map_err(reading(&found.path))?;
            // Where the head is damaged, its records may still be whole and know more.
            let assumed = SegmentHead {
                epoch: 0,
                id: self.wanted.id,
                first_lsn: found.named,
                first_place: LogOffset(0),
                synced: Lsn(0),
            };
            let mut walk = Walk::with_head(file, found.head.unwrap_or(assumed)).map_err(reading(&found.path))?;
            loop {
                match walk.step().map_err(reading(&found.path))? {
                    Step::End => break,
                    Step::Record(seen) => {
                        self.epoch = self.epoch.max(seen.framed.head.epoch);
                        if let Body::Batch { synced, .. } = seen.framed.body {
                            self.known = self.known.max(synced);
                            self.vouched = self.vouched.max(synced);
                        }
                    }
                    Step::Damage(_) => {
                        if !walk.skip().map_err(reading(&found.path))? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

//! Following: the records behind a number, in their order, for whoever wants to hear of everything once.
//!
//! Nothing is handed over that a power cut could take back, for its number would be given again, and whoever had heard of
//! the one would never hear of the other: see [`Journal::lasting`].
//!
//! A number says in which segment its record lies. Inside, whoever follows the end is found by the chunks of the tail,
//! and whoever reads on by where earlier calls ended; anybody else by halving the file between two batch headers. So no
//! call walks through a segment to find its place, and none reads more than [`FOLLOW_BYTES_MAX`] and a batch from there.

use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{
        Lsn, Record, Sync,
        error::{Failed, ReadError},
        frame::{self, Body, Framed},
        log::Journal,
        segment_reader::{RECORDS_FROM, Seen, Step, Walk, WalkError},
    },
};
use parking_lot::Mutex;
use std::{collections::VecDeque, ops::ControlFlow, sync::atomic::Ordering};

/// Bytes of records that one call looks at, and the record or the group more that it is in then.
pub const FOLLOW_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// So near to a record a search goes before it walks.
const NEAR_BYTES: u64 = 1024 * 1024;
/// Of how many calls it is known where they ended.
const SPOTS_MAX: usize = 1_024;

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Behind this number the next call goes on.
    pub next: Lsn,
    /// Up to here there was something to hand over.
    pub last: Lsn,
    /// Whether it ended before that.
    pub was_cut: bool,
    /// The first record that is kept.
    pub begins_at: Lsn,
}

/// Why the records behind a number cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Some of them were deleted with their segments.
    #[error("the records behind {after} are not all kept any more: the first one is {begins_at}")]
    Gone {
        /// Behind which number.
        after: Lsn,
        /// The first record that is kept.
        begins_at: Lsn,
    },
    /// No record has had that number yet.
    #[error("there is no record {after} yet: the last one is {last}")]
    Ahead {
        /// Behind which number.
        after: Lsn,
        /// The last record.
        last: Lsn,
    },
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Where a record begins, or the batch header before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) struct Spot {
    pub(in crate::storage) lsn: Lsn,
    pub(in crate::storage) place: LogOffset,
}

/// Where calls ended, the last one behind.
#[derive(Default)]
pub(in crate::storage) struct Spots(Mutex<VecDeque<Spot>>);

impl Spots {
    fn note(&self, spot: Spot) {
        let mut known = self.0.lock();
        known.retain(|other| other.lsn != spot.lsn);
        if known.len() >= SPOTS_MAX {
            known.pop_front();
        }
        known.push_back(spot);
    }

    fn nearest(&self, lsn: Lsn) -> Option<Spot> {
        self.0.lock().iter().filter(|spot| spot.lsn <= lsn).max_by_key(|spot| spot.lsn).copied()
    }
}

/// A group on its way: it counts when its end is seen.
struct Parts {
    group: Lsn,
    parts: Vec<(Record<'static>, Vec<u8>)>,
}

/// From record to record, through a file or through memory.
enum Steps {
    File { walk: Walk, segment: Lsn, path: String },
    Memory { at: Spot, record: Vec<u8> },
}

impl Steps {
    fn spot(&self) -> Spot {
        match self {
            Self::File { walk, .. } => Spot { lsn: walk.next_lsn(), place: walk.place() },
            Self::Memory { at, .. } => *at,
        }
    }

    /// The first number of the segment.
    fn segment(&self) -> Option<Lsn> {
        match self {
            Self::File { segment, .. } => Some(*segment),
            Self::Memory { .. } => None,
        }
    }

    /// The next record; `None`: the segment ends.
    fn step(&mut self, journal: &Journal) -> Result<Option<Seen<'_>>, ReadError> {
        match self {
            Self::File { walk, path, .. } => {
                let (place, file) = (walk.place(), path.clone());
                match walk.step() {
                    Ok(Step::Record(seen)) => Ok(Some(seen)),
                    Ok(Step::End) => Ok(None),
                    Ok(Step::Damage(damage)) => Err(ReadError::Damaged { place, file, what: damage.wrong.to_string() }),
                    Err(source) => Err(ReadError::Io { file, source }),
                }
            }
            Self::Memory { at, record } => {
                let place = at.place;
                journal.buffer.lock().copy_record(place, record);
                let framed = frame::parse_checked(record).map_err(|_| ReadError::NoRecord(place))?;
                at.place = LogOffset(place.0.saturating_add(u64::try_from(framed.bytes).unwrap_or(u64::MAX)));
                if !matches!(framed.body, Body::Batch { .. }) {
                    at.lsn = Lsn(framed.head.lsn.0.saturating_add(1));
                }
                Ok(Some(Seen { offset: 0, place, framed }))
            }
        }
    }
}

/// Takes records that count, those of one group together; says whether to go on.
pub(in crate::storage) type Visit<'a> = dyn FnMut(&[Record<'_>]) -> ControlFlow<()> + 'a;

impl Journal {
    /// Up to where no power cut takes anything back; with [`Sync::Never`], where nobody can say that, up to where no kill
    /// does.
    #[must_use]
    pub fn lasting(&self) -> Lsn {
        match self.options.sync {
            Sync::Never => Lsn(self.marks.committed.load(Ordering::Acquire)),
            Sync::Always | Sync::Interval => self.synced(),
        }
    }

    /// Waits until more than this is lasting.
    ///
    /// # Errors
    /// The journal has failed.
    pub async fn lasting_behind(&self, lsn: Lsn) -> Result<(), Failed> {
        let look = || if self.lasting() > lsn { Some(Ok(())) } else { self.marks.failure().map(Err) };
        self.followers.until(look).await
    }

    /// The first record that is kept, or will be where there is none yet.
    #[must_use]
    pub fn begins_at(&self) -> Lsn {
        let files = self.files.as_ref();
        let first = files.and_then(|files| files.segments.read().first().map(|segment| segment.first_lsn));
        first.unwrap_or(Lsn(1))
    }

    /// RecoveryWorkers over the records behind a number that count and last, in order, for as long as they are wanted. Behind
    /// [`Lsn::NONE`] are all that are kept.
    ///
    /// # Errors
    /// They are not all kept any more, the number was never given, or they cannot be read.
    pub fn follow(&self, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        let (begins_at, last) = (self.begins_at(), self.lasting());
        let mut from = if after == Lsn::NONE { begins_at } else { Lsn(after.0.saturating_add(1)) };
        while let Some((_, lost)) = self.loss_of(from).filter(|_| after == Lsn::NONE) {
            from = Lsn(lost.0.saturating_add(1));
        }
        if from < begins_at {
            return Err(FollowError::Gone { after, begins_at });
        }
        if after > self.last() {
            return Err(FollowError::Ahead { after, last: self.last() });
        }
        let nothing = Followed { next: after, last: last.max(after), was_cut: false, begins_at };
        if from > last {
            return Ok(nothing);
        }
        if let Some((_, lost)) = self.loss_of(from) {
            return Err(FollowError::Gone { after, begins_at: Lsn(lost.0.saturating_add(1)) });
        }
        match self.follow_from(from, nothing, visit) {
            Ok(followed) => Ok(followed),
            // The segment was deleted meanwhile.
            Err(_) if from < self.begins_at() => Err(FollowError::Gone { after, begins_at: self.begins_at() }),
            Err(error) => Err(error.into()),
        }
    }

    fn loss_of(&self, lsn: Lsn) -> Option<(Lsn, Lsn)> {
        self.files.as_ref().and_then(|files| files.archive.loss_of(lsn))
    }

    fn follow_from(&self, from: Lsn, nothing: Followed, visit: &mut Visit<'_>) -> Result<Followed, ReadError> {
        let mut steps = self.steps_at(from)?;
        let (mut followed, mut group, mut begun) = (nothing, None::<Parts>, None::<LogOffset>);
        loop {
            let spot = steps.spot();
            if spot.lsn > followed.last {
                break;
            }
            let Some(seen) = steps.step(self)? else {
                // A group never straddles two segments.
                group = None;
                if self.loss_of(spot.lsn).is_some() {
                    followed.was_cut = true;
                    return Ok(followed);
                }
                let next = self.steps_at(spot.lsn)?;
                // What lasts was written, so that behind a segment that ends before it there is another.
                if next.segment() == steps.segment() {
                    return Err(ReadError::NoRecord(spot.place));
                }
                steps = next;
                continue;
            };
            let lsn = seen.framed.head.lsn;
            let flow = match seen.framed.body {
                Body::Batch { .. } => continue,
                Body::Begin => {
                    group = Some(Parts { group: lsn, parts: Vec::new() });
                    continue;
                }
                Body::Part { group: named, events } => {
                    let parts = match &mut group {
                        Some(parts) if parts.group == named => parts,
                        other => other.insert(Parts { group: named, parts: Vec::new() }),
                    };
                    if lsn >= from {
                        parts.parts.push((without_events(&seen), events.to_vec()));
                    }
                    continue;
                }
                Body::End { group: named, .. } => {
                    let parts = group.take().filter(|parts| parts.group == named);
                    let parts = parts.map(|parts| parts.parts).unwrap_or_default();
                    let whole: Vec<Record<'_>> =
                        parts.iter().map(|(record, events)| Record { events, ..*record }).collect();
                    if whole.is_empty() { ControlFlow::Continue(()) } else { visit(&whole) }
                }
                Body::Events(events) => {
                    group = None;
                    match lsn >= from {
                        true => visit(&[Record { events, ..without_events(&seen) }]),
                        false => continue,
                    }
                }
            };
            followed.next = followed.next.max(lsn);
            let place = steps.spot().place;
            let begun = *begun.get_or_insert(place);
            if flow.is_break() || place.0.saturating_sub(begun.0) >= FOLLOW_BYTES_MAX {
                break;
            }
        }
        let ended = steps.spot();
        followed.was_cut = ended.lsn <= followed.last;
        self.spots.note(ended);
        Ok(followed)
    }

    /// Begins at a record that lasts, or some before it.
    fn steps_at(&self, lsn: Lsn) -> Result<Steps, ReadError> {
        let near = [self.buffer.lock().nearest(lsn), self.spots.nearest(lsn)];
        let near = near.into_iter().flatten().max_by_key(|spot| spot.lsn);
        let Some(files) = &self.files else {
            let at = near.unwrap_or(Spot { lsn: Lsn(1), place: LogOffset(0) });
            return Ok(Steps::Memory { at, record: Vec::new() });
        };
        let segment = {
            let segments = files.segments.read();
            let at = segments.partition_point(|segment| segment.first_lsn <= lsn).checked_sub(1);
            at.and_then(|at| segments.get(at)).cloned().ok_or(ReadError::NoRecord(LogOffset(0)))?
        };
        let (file, path, first_place) = Self::file_at(files, segment.first_place)?;
        if first_place != segment.first_place {
            return Err(ReadError::NoRecord(segment.first_place));
        }
        let io = |source| ReadError::Io { file: path.clone(), source };
        let mut walk = match Walk::over(file) {
            Ok(walk) => walk,
            Err(WalkError::Io(source)) => return Err(io(source)),
            Err(WalkError::Head(flaw)) => {
                return Err(ReadError::Damaged { place: first_place, file: path, what: flaw.to_string() });
            }
        };
        let offset = |place: LogOffset| RECORDS_FROM.saturating_add(place.0.saturating_sub(first_place.0));
        if segment.sealed {
            walk = walk.until(offset(segment.end_place));
        }
        let first = Spot { lsn: segment.first_lsn, place: first_place };
        let near = near.filter(|near| near.place >= first_place).unwrap_or(first);
        let (offset, at) = walk.halve((offset(near.place), near.lsn), lsn, NEAR_BYTES).map_err(io)?;
        walk.go_to(offset, at);
        Ok(Steps::File { walk, segment: segment.first_lsn, path })
    }
}

/// A record whose events are kept elsewhere.
fn without_events(seen: &Seen<'_>) -> Record<'static> {
    let Framed { head, .. } = seen.framed;
    Record { lsn: head.lsn, epoch: head.epoch, owner: head.owner, place: seen.place, events: &[] }
}

//! Follows the journal: returns the records after a number in order, each exactly once.
//!
//! Only durable records are returned: a power cut could remove others, and their numbers would be assigned again; see
//! [`Journal::lasting`].
//!
//! The number of a record determines its segment. Within the segment, a call near the end finds its position by the chunks of
//! the tail, and a continued call by the end of an earlier call. Any other call bisects the file by batch headers. So no call
//! reads a segment from its beginning to find a position, and none reads more than [`FOLLOW_BYTES_MAX`] and a batch.
//!
//! A damaged record ends no call. The visitor learns which records cannot be read and why, and the call continues after
//! them.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        format::{
            frame::{self, Body, Framed},
            segment_head::{RECORDS_FROM, SegmentHead},
            segment_reader::{LocatedRecord, SegmentReader, SegmentReaderError, Step},
        },
        log::Journal,
        model::{
            error::{Failed, ReadError},
            ids::Lsn,
            options::Sync,
            record::Record,
        },
        state::positions::RecordPosition,
    },
};
use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
};

/// Bytes of records that one call reads, plus the rest of the last record or group.
pub const FOLLOW_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bisection stops at this distance before the record.
const NEAR_BYTES: u64 = 1024 * 1024;

/// The result of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The next call continues after this number.
    pub next: Lsn,
    /// The last durable record at the time of the call.
    pub last: Lsn,
    /// Whether the call ended before `last`.
    pub was_cut: bool,
    /// The first record of the journal.
    pub begins_at: Lsn,
}

/// Why the records after a number cannot be returned.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Some of them were deleted with their segments.
    #[error("some records after {after} were deleted: the first record is {begins_at}")]
    Gone {
        /// The requested number.
        after: Lsn,
        /// The first record of the journal.
        begins_at: Lsn,
    },
    /// The number is not assigned yet.
    #[error("there is no record {after} yet: the last one is {last}")]
    Ahead {
        /// The requested number.
        after: Lsn,
        /// The last record.
        last: Lsn,
    },
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Consecutive records that cannot be read, because their bytes are damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRecords {
    /// The first of them.
    pub first: Lsn,
    /// The last of them.
    pub last: Lsn,
    /// The damage.
    pub reason: String,
}

/// What a visitor receives.
#[derive(Debug, Clone, Copy)]
pub enum Visited<'a> {
    /// Records that count, those of one group together.
    Records(&'a [Record<'a>]),
    /// Records that cannot be read.
    Unreadable(&'a UnreadableRecords),
}

/// What is passed on of a group that begins before the first wanted record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// The wanted records.
    Wanted,
    /// All records of the group.
    All,
}

/// The parts of a group whose end was not read yet.
struct Parts {
    group: Lsn,
    parts: Vec<(Record<'static>, Vec<u8>)>,
}

impl Parts {
    fn of(group: Lsn) -> Self {
        Self { group, parts: Vec::new() }
    }

    /// Passes the parts to the visitor, and forgets them.
    fn pass(&mut self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        let parts = std::mem::take(&mut self.parts);
        let whole: Vec<Record<'_>> = parts.iter().map(|(record, events)| Record { events, ..*record }).collect();
        if whole.is_empty() { ControlFlow::Continue(()) } else { visit(Visited::Records(&whole)) }
    }
}

/// Reads records from a file or from memory.
pub(super) enum Steps {
    File { reader: SegmentReader, segment: Lsn, path: String },
    Memory { at: RecordPosition, record: Vec<u8> },
}

/// The result of one step.
pub(super) enum Stepped<'a> {
    Record(LocatedRecord<'a>),
    /// The next record is damaged, in these words.
    Damage(String),
    /// The segment ends.
    End,
}

impl Steps {
    pub(super) fn spot(&self) -> RecordPosition {
        match self {
            Self::File { reader, .. } => RecordPosition { lsn: reader.next_lsn(), offset: reader.log_offset() },
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

    /// Reads the next record.
    pub(super) fn step(&mut self, journal: &Journal) -> Result<Stepped<'_>, ReadError> {
        match self {
            Self::File { reader, path, .. } => match reader.step() {
                Ok(Step::Record(located)) => Ok(Stepped::Record(located)),
                Ok(Step::End) => Ok(Stepped::End),
                Ok(Step::Damage(damage)) => Ok(Stepped::Damage(damage.flaw.to_string())),
                Err(source) => Err(ReadError::Io { file: path.clone(), source }),
            },
            Self::Memory { at, record } => {
                let offset = at.offset;
                journal.buffer.lock().copy_record(offset, record);
                let framed = frame::parse_checked(record).map_err(|_| ReadError::NoRecord(offset))?;
                at.offset = LogOffset(offset.0.saturating_add(u64::try_from(framed.bytes).unwrap_or(u64::MAX)));
                if !matches!(framed.body, Body::Batch { .. }) {
                    at.lsn = Lsn(framed.head.lsn.0.saturating_add(1));
                }
                Ok(Stepped::Record(LocatedRecord { offset: 0, log_offset: offset, framed }))
            }
        }
    }

    /// Continues after damage. Returns whether the segment has a whole record after it.
    fn skip_damage(&mut self) -> Result<bool, ReadError> {
        match self {
            Self::File { reader, path, .. } => {
                reader.skip_damage().map_err(|source| ReadError::Io { file: path.clone(), source })
            }
            Self::Memory { .. } => Ok(false),
        }
    }
}

/// Receives records in order. Returns whether to continue.
pub(in crate::storage) type Visit<'a> = dyn FnMut(Visited<'_>) -> ControlFlow<()> + 'a;

impl Journal {
    /// The last record that a power cut cannot remove; with [`Sync::Never`] the last one that a kill cannot remove.
    #[must_use]
    pub fn lasting(&self) -> Lsn {
        match self.options.sync {
            Sync::Never => Lsn(self.marks.committed.load(Ordering::Acquire)),
            Sync::Always | Sync::Interval => self.synced(),
        }
    }

    /// Waits until a record after this one is durable.
    ///
    /// # Errors
    /// The journal has failed.
    pub async fn lasting_after(&self, lsn: Lsn) -> Result<(), Failed> {
        let look = || if self.lasting() > lsn { Some(Ok(())) } else { self.marks.failure().map(Err) };
        self.followers.until(look).await
    }

    /// The number of the first record, or of the next one if there is none.
    #[must_use]
    pub fn begins_at(&self) -> Lsn {
        let files = self.files.as_ref();
        let first = files.and_then(|files| files.segments.read().first().map(|segment| segment.first_lsn));
        first.unwrap_or(Lsn(1))
    }

    /// Passes the durable records after a number that count to the visitor, in order, until it stops. After
    /// [`Lsn::NONE`] are all that are kept.
    ///
    /// # Errors
    /// They are not all kept any more, the number was never given, or they cannot be read.
    pub fn follow(&self, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        self.follow_to(Lsn(u64::MAX), after, visit)
    }

    /// As [`Journal::follow`], with no record after `through`.
    ///
    /// # Errors
    /// Those of [`Journal::follow`].
    pub fn follow_to(&self, through: Lsn, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        self.follow_up_to(self.lasting().min(through), after, visit)
    }

    /// As [`Journal::follow`], with every committed record: a power cut may remove the last of them.
    ///
    /// # Errors
    /// Those of [`Journal::follow`].
    pub fn follow_committed(&self, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        self.follow_up_to(self.last_committed(), after, visit)
    }

    /// As [`Journal::follow_committed`], with all parts of a group that ends after the number: a group is not cut.
    ///
    /// # Errors
    /// Those of [`Journal::follow`].
    pub fn follow_groups(&self, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        self.follow_in(Passed::All, self.last_committed(), after, visit)
    }

    /// The last committed record.
    #[must_use]
    pub fn last_committed(&self) -> Lsn {
        Lsn(self.marks.committed.load(Ordering::Acquire))
    }

    fn follow_up_to(&self, last: Lsn, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        self.follow_in(Passed::Wanted, last, after, visit)
    }

    fn follow_in(&self, passed: Passed, last: Lsn, after: Lsn, visit: &mut Visit<'_>) -> Result<Followed, FollowError> {
        let begins_at = self.begins_at();
        let mut from = if after == Lsn::NONE { begins_at } else { Lsn(after.0.saturating_add(1)) };
        while let Some((_, last_lost)) = self.loss_of(from).filter(|_| after == Lsn::NONE) {
            from = Lsn(last_lost.0.saturating_add(1));
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
        if let Some((_, last_lost)) = self.loss_of(from) {
            return Err(FollowError::Gone { after, begins_at: Lsn(last_lost.0.saturating_add(1)) });
        }
        match self.follow_from((from, passed), nothing, visit) {
            Ok(followed) => Ok(followed),
            // The segment was deleted during the call.
            Err(_) if from < self.begins_at() => Err(FollowError::Gone { after, begins_at: self.begins_at() }),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn loss_of(&self, lsn: Lsn) -> Option<(Lsn, Lsn)> {
        self.files.as_ref().and_then(|files| files.archive.loss_of(lsn))
    }

    fn follow_from(
        &self,
        (from, passed): (Lsn, Passed),
        nothing: Followed,
        visit: &mut Visit<'_>,
    ) -> Result<Followed, ReadError> {
        let mut steps = self.steps_at(from)?;
        let (mut followed, mut group, mut begun) = (nothing, None::<Parts>, None::<LogOffset>);
        // The next number, where the call ends at damage.
        let mut ended = None::<Lsn>;
        loop {
            let spot = steps.spot();
            if spot.lsn > followed.last {
                break;
            }
            let located = match steps.step(self)? {
                Stepped::Record(located) => located,
                Stepped::End => {
                    // A group never straddles two segments.
                    group = None;
                    if self.loss_of(spot.lsn).is_some() {
                        followed.was_cut = true;
                        return Ok(followed);
                    }
                    let next = self.steps_at(spot.lsn)?;
                    // Durable records were written, so another segment follows one that ends before them.
                    if next.segment() == steps.segment() {
                        return Err(ReadError::NoRecord(spot.offset));
                    }
                    steps = next;
                    continue;
                }
                Stepped::Damage(reason) => {
                    let goes_on = steps.skip_damage()?;
                    let next = if goes_on { steps.spot().lsn } else { self.first_after(&steps, followed.last) };
                    let last = Lsn(next.0.saturating_sub(1)).min(followed.last);
                    let unreadable = UnreadableRecords { first: spot.lsn.max(from), last, reason };
                    if unreadable.first <= last {
                        // The parts before the damage are passed on without the end of their group: it can be damaged.
                        let flow = group.as_mut().map_or(ControlFlow::Continue(()), |parts| parts.pass(visit));
                        followed.next = followed.next.max(Lsn(unreadable.first.0.saturating_sub(1)));
                        if flow.is_break() {
                            ended = Some(unreadable.first);
                            break;
                        }
                        followed.next = last;
                        if visit(Visited::Unreadable(&unreadable)).is_break() {
                            ended = Some(next);
                            break;
                        }
                    }
                    if !goes_on {
                        if next > followed.last {
                            ended = Some(next);
                            break;
                        }
                        group = None;
                        steps = self.steps_at(next)?;
                    }
                    continue;
                }
            };
            let lsn = located.framed.head.lsn;
            let flow = match located.framed.body {
                Body::Batch { .. } => continue,
                Body::Begin => {
                    group = Some(Parts::of(lsn));
                    continue;
                }
                Body::Part { group: named, events } => {
                    let parts = match &mut group {
                        Some(parts) if parts.group == named => parts,
                        other => other.insert(Parts::of(named)),
                    };
                    if lsn >= from || passed == Passed::All {
                        parts.parts.push((without_events(&located), events.to_vec()));
                    }
                    continue;
                }
                Body::End { group: named, .. } => {
                    let parts = group.take().filter(|parts| parts.group == named && lsn >= from);
                    parts.map_or(ControlFlow::Continue(()), |mut parts| parts.pass(visit))
                }
                Body::Events(events) => {
                    group = None;
                    match lsn >= from {
                        true => visit(Visited::Records(&[Record { events, ..without_events(&located) }])),
                        false => continue,
                    }
                }
            };
            followed.next = followed.next.max(lsn);
            let offset = steps.spot().offset;
            let begun = *begun.get_or_insert(offset);
            if flow.is_break() || offset.0.saturating_sub(begun.0) >= FOLLOW_BYTES_MAX {
                break;
            }
        }
        let spot = steps.spot();
        followed.was_cut = ended.unwrap_or(spot.lsn) <= followed.last;
        self.spots.note(spot);
        Ok(followed)
    }

    /// The number after the last record of a segment whose end cannot be read.
    fn first_after(&self, steps: &Steps, last: Lsn) -> Lsn {
        let segments = self.files.as_ref().map(|files| files.segments.read());
        let mut segments = segments.iter().flat_map(|segments| segments.iter());
        let segment = segments.find(|segment| Some(segment.first_lsn) == steps.segment() && segment.sealed);
        Lsn(segment.map_or(last, |segment| segment.last).0.saturating_add(1))
    }

    /// Begins at a durable record, or before it.
    pub(super) fn steps_at(&self, lsn: Lsn) -> Result<Steps, ReadError> {
        let near = [self.buffer.lock().nearest(lsn), self.spots.nearest(lsn)];
        let near = near.into_iter().flatten().max_by_key(|spot| spot.lsn);
        let Some(files) = &self.files else {
            let at = near.unwrap_or(RecordPosition { lsn: Lsn(1), offset: LogOffset(0) });
            return Ok(Steps::Memory { at, record: Vec::new() });
        };
        let segment = {
            let segments = files.segments.read();
            let at = segments.partition_point(|segment| segment.first_lsn <= lsn).checked_sub(1);
            at.and_then(|at| segments.get(at)).cloned().ok_or(ReadError::NoRecord(LogOffset(0)))?
        };
        let (file, path, first_offset) = Self::file_at(files, segment.first_offset)?;
        if first_offset != segment.first_offset {
            return Err(ReadError::NoRecord(segment.first_offset));
        }
        let io = |source| ReadError::Io { file: path.clone(), source };
        let mut reader = match SegmentReader::from_file(Arc::clone(&file)) {
            Ok(reader) => reader,
            Err(SegmentReaderError::Io(source)) => return Err(io(source)),
            // The list of segments contains what the head of the file contains.
            Err(SegmentReaderError::Head(_)) => {
                let (id, first_lsn, synced) = (files.id, segment.first_lsn, Lsn::NONE);
                SegmentReader::with_head(file, SegmentHead { epoch: 0, id, first_lsn, first_offset, synced })
                    .map_err(io)?
            }
        };
        let file_offset = |offset: LogOffset| RECORDS_FROM.saturating_add(offset.0.saturating_sub(first_offset.0));
        if segment.sealed {
            reader = reader.until(file_offset(segment.end_offset));
        }
        let first = RecordPosition { lsn: segment.first_lsn, offset: first_offset };
        let near = near.filter(|near| near.offset >= first_offset).unwrap_or(first);
        let (file_offset, at) = reader.bisect((file_offset(near.offset), near.lsn), lsn, NEAR_BYTES).map_err(io)?;
        reader.go_to(file_offset, at);
        Ok(Steps::File { reader, segment: segment.first_lsn, path })
    }
}

/// A record without its events.
fn without_events(located: &LocatedRecord<'_>) -> Record<'static> {
    let Framed { head, .. } = located.framed;
    Record { lsn: head.lsn, epoch: head.epoch, owner: head.owner, offset: located.log_offset, events: &[] }
}

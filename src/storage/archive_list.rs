//! Which segments the archive must have: what every snapshot lists, what retention has let go, and what an operator has
//! accepted as lost. A segment that is listed, and neither let go nor accepted, must be there.

use crate::domain::{
    events::global_event::GlobalEvent,
    vocabulary::{names::Name, time::Millis},
};
use crate::{
    domain::transaction::record::LogOffset,
    storage::{
        encoding::{self, Recorded},
        journal::{Lsn, error::ReadError},
        snapshot::{SegmentDto, WorldDto},
    },
};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;

/// Segments in one piece of a snapshot.
const PIECE_SEGMENTS: usize = 10_000;

/// A loss that an operator has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// The first record.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
    /// When it was accepted.
    pub at: Millis,
    /// By whom, where that is known.
    pub by: Option<Name>,
}

impl AcceptedLoss {
    /// As it is recorded.
    #[must_use]
    pub fn event(&self) -> GlobalEvent {
        GlobalEvent::ArchiveLossAccepted { first: self.first.0, last: self.last.0, at: self.at, by: self.by }
    }
}

/// The segments that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveList {
    /// By the number of the first record.
    segments: BTreeMap<u64, SegmentDto>,
    accepted: Vec<AcceptedLoss>,
    /// Records up to here were let go by retention.
    let_go: Lsn,
}

impl ArchiveList {
    /// Adds a segment, or replaces what is known of it.
    pub fn put(&mut self, segment: SegmentDto) {
        if segment.last_lsn > self.let_go.0 {
            self.segments.insert(segment.first_lsn, segment);
        }
    }

    /// A segment by the number of its first record.
    #[must_use]
    pub fn get(&self, first: Lsn) -> Option<&SegmentDto> {
        self.segments.get(&first.0)
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentDto> {
        self.segments.values()
    }

    /// The losses that were accepted.
    #[must_use]
    pub fn accepted(&self) -> &[AcceptedLoss] {
        &self.accepted
    }

    /// Takes what a record or a snapshot says of the archive; anything else is passed over.
    pub fn take(&mut self, common: &GlobalEvent) {
        match common {
            GlobalEvent::SegmentsLetGo { last, .. } => {
                self.let_go = self.let_go.max(Lsn(*last));
                self.segments.retain(|_, segment| segment.last_lsn > *last);
            }
            GlobalEvent::ArchiveLossAccepted { first, last, at, by } => {
                let accepted = AcceptedLoss { first: Lsn(*first), last: Lsn(*last), at: *at, by: *by };
                if !self.accepted.contains(&accepted) {
                    self.accepted.push(accepted);
                }
            }
            _ => {}
        }
    }

    /// The same for a record's events. Whether they can be understood is judged where they are replayed.
    pub(crate) fn take_record(&mut self, events: &[u8]) {
        if !encoding::is_of_archive(events) {
            return;
        }
        for event in encoding::decode(events, &mut |_| Ok(None)).unwrap_or_default() {
            if let Recorded::GlobalEvent(common) = event {
                self.take(&common);
            }
        }
    }

    /// Whether each of these records was let go or accepted as lost.
    #[must_use]
    pub fn is_accounted_for(&self, first: Lsn, last: Lsn) -> bool {
        let mut next = first.max(Lsn(self.let_go.0.saturating_add(1)));
        let mut accepted: Vec<(Lsn, Lsn)> = self.accepted.iter().map(|loss| (loss.first, loss.last)).collect();
        accepted.sort_unstable();
        for (from, to) in accepted {
            if from <= next && to >= next {
                next = Lsn(to.0.saturating_add(1));
            }
        }
        next > last
    }

    /// What a snapshot that is true up to a record keeps of it.
    #[must_use]
    pub fn pieces(&self, true_up_to: Lsn) -> Vec<WorldDto> {
        let accepted: Vec<GlobalEvent> = self.accepted.iter().map(AcceptedLoss::event).collect();
        let mut worlds = WorldDto::beside(&accepted);
        let listed: Vec<SegmentDto> =
            self.segments.values().filter(|segment| segment.last_lsn <= true_up_to.0).copied().collect();
        let piece = |archive: &[SegmentDto]| WorldDto { archive: archive.to_vec(), ..WorldDto::default() };
        worlds.extend(listed.chunks(PIECE_SEGMENTS).map(piece));
        worlds
    }
}

/// What a start demands of the archive.
#[derive(Debug, Clone, Default)]
pub struct Demanded {
    /// The list of the snapshot that the start goes on from.
    pub list: ArchiveList,
    /// Whether what is missing is accepted as lost.
    pub accept_lost: bool,
}

/// Records of the archive that are missing or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The first record.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
    /// Where the first one was.
    pub from: LogOffset,
    /// The place after the last one.
    pub to: LogOffset,
    /// The files, and what is wrong with each.
    pub what: String,
    /// Whether no record says yet that the loss was accepted.
    pub is_new: bool,
}

/// The archive of a running journal: its list, and what of it is lost.
#[derive(Default)]
pub(crate) struct ArchiveState {
    pub(crate) list: Mutex<ArchiveList>,
    pub(crate) lost: RwLock<Vec<Loss>>,
}

impl ArchiveState {
    /// Names the loss in the place of any other reason why a record there cannot be read.
    pub(crate) fn explain(&self, place: LogOffset, error: ReadError) -> ReadError {
        let lost = self.lost.read();
        match lost.iter().find(|loss| loss.from <= place && place < loss.to) {
            Some(loss) => ReadError::Lost { place, first: loss.first, last: loss.last },
            None => error,
        }
    }

    /// The loss that a record's number is in.
    pub(crate) fn loss_of(&self, lsn: Lsn) -> Option<(Lsn, Lsn)> {
        let lost = self.lost.read();
        lost.iter().find(|loss| loss.first <= lsn && lsn <= loss.last).map(|loss| (loss.first, loss.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first_lsn: u64, last_lsn: u64) -> SegmentDto {
        SegmentDto { first_lsn, last_lsn, bytes: 100, crc: 7 }
    }

    fn accepted(first: u64, last: u64) -> GlobalEvent {
        GlobalEvent::ArchiveLossAccepted { first, last, at: Millis(1), by: None }
    }

    #[test]
    fn records_are_accounted_for_by_what_was_let_go_and_accepted_together() {
        let mut list = ArchiveList::default();
        for (first, last) in [(1, 10), (11, 20), (21, 30), (31, 40)] {
            list.put(segment(first, last));
        }
        assert!(!list.is_accounted_for(Lsn(1), Lsn(10)));
        list.take(&GlobalEvent::SegmentsLetGo { last: 10, at: Millis(1) });
        assert!(list.is_accounted_for(Lsn(1), Lsn(10)) && !list.is_accounted_for(Lsn(1), Lsn(20)));
        assert_eq!(list.segments().count(), 3);
        list.put(segment(1, 10));
        assert_eq!(list.segments().count(), 3, "what was let go is listed no more");
        list.take(&accepted(26, 30));
        list.take(&accepted(11, 25));
        list.take(&accepted(11, 25));
        assert!(list.is_accounted_for(Lsn(1), Lsn(30)) && !list.is_accounted_for(Lsn(30), Lsn(31)));
        assert_eq!(list.accepted().len(), 2);
    }

    #[test]
    fn a_snapshot_keeps_what_was_accepted_and_the_segments_up_to_its_record() {
        let mut list = ArchiveList::default();
        list.take(&accepted(1, 5));
        for (first, last) in [(1, 5), (6, 9), (10, 12)] {
            list.put(segment(first, last));
        }
        let mut again = ArchiveList::default();
        for world in list.pieces(Lsn(9)) {
            world.archive.iter().for_each(|segment| again.put(*segment));
            world.said().unwrap().iter().for_each(|common| again.take(common));
        }
        assert_eq!(again.accepted(), list.accepted());
        assert_eq!(again.segments().map(|segment| segment.last_lsn).collect::<Vec<_>>(), [5, 9]);
    }
}

//! The segments that the archive must have. A listed segment must be there unless retention released it or an operator
//! accepted its loss.
//!
//! A snapshot lists every sealed segment up to its begin, with the length and the CRC-32C of the file, whether it was moved
//! to the archive or not. The checksum is computed when the segment is read for the index; 0 means that it is not
//! computed yet. Before retention deletes segments it records the number of their last record (event 74). A start reads the
//! list and the records after the snapshot, and compares: a listed segment must be there with its length, and each segment
//! must continue where the one before it ends. A missing segment that was neither released nor accepted (event 76) is
//! refused with the name of each file. With `--accept-lost-archive` the start records the acceptance and continues. The lost
//! segments stay listed, so that their offsets still lead to an error with the cause ([`ReadError::Lost`]), and an id that
//! the index finds there is never new. Only segments that no start replays can be accepted as lost: without the others there
//! is no state.

use crate::{
    domain::{
        events::global_event::GlobalEvent,
        transaction::log_offset::LogOffset,
        vocabulary::{names::Name, time::Millis},
    },
    storage::{
        encoding::{self, RecordedEvent},
        journal::model::{error::ReadError, ids::Lsn},
        snapshot::{GlobalDto, SegmentDto},
    },
};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;

/// The number of segments in one piece of a snapshot.
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
    /// Who accepted it, if known.
    pub by: Option<Name>,
}

impl AcceptedLoss {
    /// The event of the acceptance.
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
    /// Retention released the records up to this one.
    released_to: Lsn,
}

impl ArchiveList {
    /// Adds or replaces a segment.
    pub fn put(&mut self, segment: SegmentDto) {
        if segment.last_lsn > self.released_to.0 {
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

    /// The accepted losses.
    #[must_use]
    pub fn accepted(&self) -> &[AcceptedLoss] {
        &self.accepted
    }

    /// Applies an event about the archive; other events change nothing.
    pub fn take(&mut self, common: &GlobalEvent) {
        match common {
            GlobalEvent::SegmentsReleased { last, .. } => {
                self.released_to = self.released_to.max(Lsn(*last));
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

    /// Applies the events of a record. Events that cannot be decoded are refused by the replay.
    pub(crate) fn take_record(&mut self, events: &[u8]) {
        if !encoding::is_of_archive(events) {
            return;
        }
        for event in encoding::decode(events, &mut |_| Ok(None)).unwrap_or_default() {
            if let RecordedEvent::Global(common) = event {
                self.take(&common);
            }
        }
    }

    /// Whether each of these records was released or accepted as lost.
    #[must_use]
    pub fn is_accounted_for(&self, first: Lsn, last: Lsn) -> bool {
        let mut next = first.max(Lsn(self.released_to.0.saturating_add(1)));
        let mut accepted: Vec<(Lsn, Lsn)> = self.accepted.iter().map(|loss| (loss.first, loss.last)).collect();
        accepted.sort_unstable();
        for (from, to) in accepted {
            if from <= next && to >= next {
                next = Lsn(to.0.saturating_add(1));
            }
        }
        next > last
    }

    /// The pieces of a snapshot that contains the effect of all records up to one.
    #[must_use]
    pub fn pieces(&self, true_up_to: Lsn) -> Vec<GlobalDto> {
        let accepted: Vec<GlobalEvent> = self.accepted.iter().map(AcceptedLoss::event).collect();
        let mut worlds = GlobalDto::pieces_of(&accepted);
        let listed: Vec<SegmentDto> =
            self.segments.values().filter(|segment| segment.last_lsn <= true_up_to.0).copied().collect();
        let piece = |archive: &[SegmentDto]| GlobalDto { archive: archive.to_vec(), ..GlobalDto::default() };
        worlds.extend(listed.chunks(PIECE_SEGMENTS).map(piece));
        worlds
    }
}

/// The segments that a start requires.
#[derive(Debug, Clone, Default)]
pub struct Demanded {
    /// The list of the snapshot from which the start continues.
    pub list: ArchiveList,
    /// Whether missing segments are accepted as lost.
    pub accept_lost: bool,
}

/// Records of the archive that are missing or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The first record.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
    /// The offset of the first record.
    pub from: LogOffset,
    /// The offset after the last record.
    pub to: LogOffset,
    /// The files and their flaws.
    pub what: String,
    /// Whether the loss was not accepted yet.
    pub is_new: bool,
}

/// The archive of a running journal: its list and its losses.
#[derive(Default)]
pub(crate) struct ArchiveState {
    pub(crate) list: Mutex<ArchiveList>,
    pub(crate) losses: RwLock<Vec<Loss>>,
}

impl ArchiveState {
    /// Replaces the error of a record that is within a loss.
    pub(crate) fn explain(&self, offset: LogOffset, error: ReadError) -> ReadError {
        let losses = self.losses.read();
        match losses.iter().find(|loss| loss.from <= offset && offset < loss.to) {
            Some(loss) => ReadError::Lost { offset, first: loss.first, last: loss.last },
            None => error,
        }
    }

    /// The loss that contains a record.
    pub(crate) fn loss_of(&self, lsn: Lsn) -> Option<(Lsn, Lsn)> {
        let losses = self.losses.read();
        losses.iter().find(|loss| loss.first <= lsn && lsn <= loss.last).map(|loss| (loss.first, loss.last))
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
        list.take(&GlobalEvent::SegmentsReleased { last: 10, at: Millis(1) });
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
            world.events().unwrap().iter().for_each(|common| again.take(common));
        }
        assert_eq!(again.accepted(), list.accepted());
        assert_eq!(again.segments().map(|segment| segment.last_lsn).collect::<Vec<_>>(), [5, 9]);
    }
}

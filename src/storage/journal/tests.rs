//! Tests of the room: what they share.
//!
//! A [`Story`] is what a client does and what it was told; after any accident the journal that is found must agree
//! with it. Every hunt prints its seed.

mod accidents;
mod flips;
mod following;
mod presence;
mod running;
mod stalls;
mod starting;
mod synced;

use crate::storage::fs::{Store, memory::Memory};
use crate::{
    domain::transaction::record::LogOffset,
    storage::{
        journal::{JournalId, Lsn, Options, Sync, error::OpenError, log::Journal},
        recovery::Recovery,
    },
};
use std::{sync::Arc, time::Duration};

pub(super) const ID: JournalId = JournalId(*b"a journal's name");

/// Small segments, a tail that forgets, and an interval that does not come by itself.
pub(super) fn options(sync: Sync) -> Options {
    Options { sync, sync_interval: Duration::from_secs(3_600), segment_bytes: 600, tail_bytes: 0 }
}

/// A record as a test keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) lsn: Lsn,
    pub(super) owner: u64,
    pub(super) place: LogOffset,
    pub(super) events: Vec<u8>,
}

pub(super) struct Opened {
    pub(super) journal: Arc<Journal>,
    pub(super) recovery: Recovery,
    pub(super) found: Vec<Kept>,
}

pub(super) fn open_store(store: Arc<dyn Store>, options: Options, after: Lsn, known: Lsn) -> Result<Opened, OpenError> {
    let mut found = Vec::new();
    let (journal, recovery) =
        Journal::open(store, ID, options, None, after, known, &mut |record: &super::Record<'_>| {
            let (lsn, owner, place) = (record.lsn, record.owner, record.place);
            found.push(Kept { lsn, owner, place, events: record.events.to_vec() });
            Ok(())
        })?;
    assert_eq!(recovery.records, u64::try_from(found.len()).unwrap());
    Ok(Opened { journal, recovery, found })
}

pub(super) fn open(store: &Memory, sync: Sync) -> Result<Opened, OpenError> {
    open_store(Arc::new(store.clone()), options(sync), Lsn(0), Lsn(0))
}

/// xorshift64*: enough chance for tests, and the same on every machine.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// What was appended in one step: records that are found together or not at all.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) records: Vec<Kept>,
    /// What to wait for.
    pub(super) lsn: Lsn,
}

/// What a client did, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) steps: Vec<Step>,
    /// Up to here the journal said that records are committed.
    pub(super) committed: Lsn,
    /// Up to here it said that they are synced.
    pub(super) synced: Lsn,
}

impl Story {
    pub(super) fn append(&mut self, journal: &Journal, owner: u64, events: &[u8]) -> Lsn {
        let appended = journal.append(owner, events);
        let kept = Kept { lsn: appended.lsn, owner, place: appended.place, events: events.to_vec() };
        self.steps.push(Step { records: vec![kept], lsn: appended.lsn });
        appended.lsn
    }

    pub(super) fn append_group(&mut self, journal: &Journal, parts: &[(u64, Vec<u8>)]) -> Lsn {
        let (appended, lsn) = journal.append_group(parts);
        let kept = |(appended, (owner, events)): (&super::Appended, &(u64, Vec<u8>))| Kept {
            lsn: appended.lsn,
            owner: *owner,
            place: appended.place,
            events: events.clone(),
        };
        self.steps.push(Step { records: appended.iter().zip(parts).map(kept).collect(), lsn });
        lsn
    }

    pub(super) fn commit(&mut self, journal: &Journal, lsn: Lsn) {
        if journal.commit(lsn).is_ok() {
            assert!(journal.is_committed(lsn));
            self.committed = self.committed.max(lsn);
        }
        self.synced = self.synced.max(journal.synced());
    }

    pub(super) fn sync(&mut self, journal: &Journal) {
        if let Ok(synced) = journal.sync() {
            assert!(journal.synced() >= synced);
            (self.committed, self.synced) = (self.committed.max(synced), self.synced.max(synced));
        }
    }

    /// All records up to a number, in order.
    pub(super) fn records(&self, to: Lsn) -> Vec<Kept> {
        self.steps.iter().filter(|step| step.lsn <= to).flat_map(|step| step.records.clone()).collect()
    }

    /// What is found is what was done up to some step, whole steps only, and no step up to `promised` is missing.
    pub(super) fn agrees(&self, opened: &Opened, promised: Lsn, about: &str) {
        assert_eq!(opened.found, self.records(opened.recovery.last), "{about}");
        assert!(opened.recovery.last >= promised, "{about}: {promised} is lost");
    }
}

/// Appends, groups, commits, syncs and rotations, as the seed says.
pub(super) fn live(journal: &Journal, story: &mut Story, seed: u64, steps: usize) {
    let mut chance = Chance::new(seed);
    for step in 0..steps {
        let events = |chance: &mut Chance| {
            let long = if chance.below(8) == 0 { 700 } else { 40 };
            let bytes = chance.below(long);
            (0..bytes).map(|n| u8::try_from((n + step) % 251).unwrap()).collect::<Vec<u8>>()
        };
        let owner = 1 + chance.next() % 3;
        let lsn = match chance.below(10) {
            0 | 1 => {
                let parts: Vec<_> = (0..=chance.below(3)).map(|n| (n as u64 + 1, events(&mut chance))).collect();
                story.append_group(journal, &parts)
            }
            2 => {
                story.sync(journal);
                continue;
            }
            3 if chance.below(4) == 0 => {
                let _rotated = journal.rotate();
                story.synced = story.synced.max(journal.synced());
                continue;
            }
            _ => story.append(journal, owner, &events(&mut chance)),
        };
        // Some are not waited for, so that batches hold more than one.
        if chance.below(3) > 0 {
            story.commit(journal, lsn);
        }
    }
}

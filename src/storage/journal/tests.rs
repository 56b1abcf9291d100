//! Tests of the journal, and what they share.
//!
//! A [`Workload`] has the calls of a client and their results. After any crash or damage the recovered journal must agree with
//! it. Every randomized test prints its seed.

mod accidents;
mod flips;
mod following;
mod ingesting;
mod presence;
mod raw_ranges;
mod running;
mod shipping;
mod stalls;
mod starting;
mod synced;

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::{memory::Memory, store::Store},
        journal::{
            log::Journal,
            model::{
                companion::Companion,
                error::OpenError,
                ids::{JournalId, Lsn},
                options::{Options, Sync},
                record::Record,
            },
        },
        recovery::scan::Recovery,
    },
};
use std::{sync::Arc, time::Duration};

pub(super) const ID: JournalId = JournalId(*b"a journal's name");

/// Small segments, no tail, and an interval that does not elapse during a test.
pub(super) fn options(sync: Sync) -> Options {
    Options { sync, sync_interval: Duration::from_secs(3_600), segment_bytes: 600, tail_bytes: 0 }
}

/// A copy of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordCopy {
    pub(super) lsn: Lsn,
    pub(super) owner: u64,
    pub(super) offset: LogOffset,
    pub(super) events: Vec<u8>,
}

pub(super) struct Opened {
    pub(super) journal: Arc<Journal>,
    pub(super) recovery: Recovery,
    pub(super) found: Vec<RecordCopy>,
}

pub(super) fn open_store(store: Arc<dyn Store>, options: Options, after: Lsn, known: Lsn) -> Result<Opened, OpenError> {
    let mut found = Vec::new();
    let (journal, recovery) = Journal::open(store, ID, options, None, after, known, &mut |record: &Record<'_>| {
        let (lsn, owner, offset) = (record.lsn, record.owner, record.offset);
        found.push(RecordCopy { lsn, owner, offset, events: record.events.to_vec() });
        Ok(())
    })?;
    assert_eq!(recovery.records, u64::try_from(found.len()).unwrap());
    Ok(Opened { journal, recovery, found })
}

/// Opens a journal with a companion.
pub(super) fn open_with_companion(store: &Memory, companion: Arc<dyn Companion>) -> Arc<Journal> {
    let mut replay = |_: &Record<'_>| Ok(());
    let store = Arc::new(store.clone());
    Journal::open(store, ID, options(Sync::Interval), Some(companion), Lsn(0), Lsn(0), &mut replay).unwrap().0
}

pub(super) fn open(store: &Memory, sync: Sync) -> Result<Opened, OpenError> {
    open_store(Arc::new(store.clone()), options(sync), Lsn(0), Lsn(0))
}

/// The random generator xorshift64*, the same on every machine.
pub(super) struct Random(u64);

impl Random {
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

/// Records that were appended in one step and are recovered together or not at all.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) records: Vec<RecordCopy>,
    /// The number to wait for.
    pub(super) lsn: Lsn,
}

/// The calls of a client, and their results.
#[derive(Debug, Default)]
pub(super) struct Workload {
    pub(super) steps: Vec<Step>,
    /// The last record that the journal reported as committed.
    pub(super) committed: Lsn,
    /// The last record that the journal reported as synced.
    pub(super) synced: Lsn,
}

impl Workload {
    pub(super) fn append(&mut self, journal: &Journal, owner: u64, events: &[u8]) -> Lsn {
        let appended = journal.append(owner, events);
        let kept = RecordCopy { lsn: appended.lsn, owner, offset: appended.offset, events: events.to_vec() };
        self.steps.push(Step { records: vec![kept], lsn: appended.lsn });
        appended.lsn
    }

    pub(super) fn append_group(&mut self, journal: &Journal, parts: &[(u64, Vec<u8>)]) -> Lsn {
        let (appended, lsn) = journal.append_group(parts);
        let kept = |(appended, (owner, events)): (&super::Appended, &(u64, Vec<u8>))| RecordCopy {
            lsn: appended.lsn,
            owner: *owner,
            offset: appended.offset,
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
    pub(super) fn records(&self, to: Lsn) -> Vec<RecordCopy> {
        self.steps.iter().filter(|step| step.lsn <= to).flat_map(|step| step.records.clone()).collect()
    }

    /// Checks that the recovered records are those of whole steps up to some step, and that no step up to `promised` is missing.
    pub(super) fn agrees(&self, opened: &Opened, promised: Lsn, about: &str) {
        assert_eq!(opened.found, self.records(opened.recovery.last), "{about}");
        assert!(opened.recovery.last >= promised, "{about}: {promised} is lost");
    }
}

/// Runs appends, groups, commits, syncs and rotations, chosen by the seed.
pub(super) fn live(journal: &Journal, workload: &mut Workload, seed: u64, steps: usize) {
    let mut random = Random::new(seed);
    for step in 0..steps {
        let events = |random: &mut Random| {
            let long = if random.below(8) == 0 { 700 } else { 40 };
            let bytes = random.below(long);
            (0..bytes).map(|n| u8::try_from((n + step) % 251).unwrap()).collect::<Vec<u8>>()
        };
        let owner = 1 + random.next() % 3;
        let lsn = match random.below(10) {
            0 | 1 => {
                let parts: Vec<_> = (0..=random.below(3)).map(|n| (n as u64 + 1, events(&mut random))).collect();
                workload.append_group(journal, &parts)
            }
            2 => {
                workload.sync(journal);
                continue;
            }
            3 if random.below(4) == 0 => {
                let _rotated = journal.rotate();
                workload.synced = workload.synced.max(journal.synced());
                continue;
            }
            _ => workload.append(journal, owner, &events(&mut random)),
        };
        // Some are not waited for, so that batches have several records.
        if random.below(3) > 0 {
            workload.commit(journal, lsn);
        }
    }
}

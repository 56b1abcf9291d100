//! The crash points once more with shipping on. The model of Redis contains consecutive batches, the keys that existed
//! when a batch was read, and the newest complete snapshot, as the scripts guarantee. After each crash the journal
//! still has every record that was shipped. A folder that is restored from the copy contains everything that Redis has
//! confirmed, and nothing that was never done.

use crate::disk_images::ImageKind;
use crate::harness::Harness;
use crate::power_cuts::{DeadDaemon, Trial};
use crate::run::{Progress, run_steps_with};
use crate::workload::{Mix, Workload};
use levelgate::storage::{
    fs::{
        Store,
        memory::{EIO, Fault, Memory},
    },
    journal::{Instance, Journal, Lsn, RawRecords, Sync},
    keys::KeyEntry,
    restored_folder::{IncompleteGroup, RestoredFolder},
};
use std::sync::Arc;
use support::environment::seeds;
use support::random::Random;

/// What Redis has.
struct CopyModel {
    random: Random,
    /// Batches, each with the checksum of the record before it.
    batches: Vec<(RawRecords, u32)>,
    keys: Vec<KeyEntry>,
    snapshot: Option<(Lsn, Vec<u8>)>,
    /// The last records of steps: the end of a group among them.
    ends: Vec<u64>,
}

impl CopyModel {
    fn new(seed: u64) -> Self {
        let random = Random::seeded(seed);
        Self { random, batches: Vec::new(), keys: Vec::new(), snapshot: None, ends: Vec::new() }
    }

    /// The last record that was shipped.
    fn tip(&self) -> Lsn {
        self.batches.last().map_or(Lsn::NONE, |(batch, _)| batch.last)
    }

    /// The last record on which an answer depends that Redis has confirmed.
    fn confirmed(&self) -> u64 {
        self.ends.iter().copied().filter(|end| *end <= self.tip().0).max().unwrap_or(0)
    }

    /// The journal has the last record that was shipped, or the disk does not answer any more.
    fn compare(&self, journal: &Journal, about: &str) {
        let Some((batch, _)) = self.batches.last() else { return };
        let Ok(mark) = journal.record_mark(batch.last) else { return };
        let mark = mark.map(|mark| (mark.epoch, mark.crc, mark.end));
        let shipped = (batch.epoch, batch.last_crc, batch.end());
        assert_eq!(mark, Some(shipped), "{about}: record {} was shipped, and the journal lost it", batch.last);
    }

    /// Ships some of what is durable after a step of the daemon.
    fn follow(&mut self, harness: &Harness, store: &Memory, about: &str) {
        let journal = harness.journal();
        self.ends.push(journal.last().0);
        if self.random.percent(40) {
            return;
        }
        if self.random.percent(50) {
            // An answer waits for Redis. If the disk fails, nothing is shipped that is not synced.
            let _synced = journal.sync();
        }
        self.compare(journal, about);
        let batches_max = self.random.place(4);
        if self.ship(harness, batches_max) && self.random.percent(40) {
            self.put_snapshot(store);
        }
    }

    /// Ships at most so many batches; returns whether the copy has every durable record.
    fn ship(&mut self, harness: &Harness, batches_max: usize) -> bool {
        let journal = harness.journal();
        for _ in 0..=batches_max {
            let bytes_max = self.random.place(3_000);
            let batch = match journal.raw_after(self.tip(), bytes_max) {
                Ok(Some(batch)) => batch,
                Ok(None) => return true,
                Err(_) => return false,
            };
            // The keys are read after the batch, and sent before it.
            let Ok(entries) = harness.desk.ledger.storage().keys.entries_after(0, usize::MAX) else { return false };
            self.keys = entries.into_iter().map(|(_, entry)| entry).collect();
            let crc_before = self.batches.last().map_or(0, |(batch, _)| batch.last_crc);
            self.batches.push((batch, crc_before));
        }
        false
    }

    /// Puts the newest snapshot of the folder into the copy: the stream has reached its end.
    fn put_snapshot(&mut self, store: &Memory) {
        let Ok(names) = store.list("snapshots") else { return };
        let Some(name) = names.iter().rfind(|name| name.ends_with(".snap")) else { return };
        let Some(bytes) = store.bytes(&format!("snapshots/{name}")) else { return };
        let begin = name.trim_end_matches(".snap").parse().expect("a number");
        self.snapshot = Some((Lsn(begin), bytes));
    }

    /// A folder that is restored from the copy.
    fn restored(&self, instance: Instance, group: IncompleteGroup, about: &str) -> Memory {
        let restored = Memory::new();
        let mut folder = RestoredFolder::begin(Arc::new(restored.clone()), instance, 3_000).expect("an empty folder");
        if let Some((begin, bytes)) = &self.snapshot {
            let mut chunks = bytes.chunks(900).map(|chunk| Ok(chunk.to_vec()));
            folder.put_snapshot(*begin, &mut chunks).unwrap_or_else(|error| panic!("{about}: the snapshot: {error}"));
        }
        for (batch, crc_before) in &self.batches {
            batch.verify(instance.id).unwrap_or_else(|flaw| panic!("{about}: {flaw}"));
            folder.put_records(batch, *crc_before).unwrap_or_else(|error| panic!("{about}: {error}"));
        }
        folder.put_keys(&self.keys).expect("keys are written");
        folder.finish(group).unwrap_or_else(|error| panic!("{about}: {error}"));
        restored
    }
}

/// A run with shipping on a store that may die.
struct ShippedRun {
    copy: CopyModel,
    progress: Progress,
    harness: Option<Harness>,
}

impl ShippedRun {
    fn of(workload: &Workload, (store, index, sync): (&Memory, &std::path::Path, Sync), about: &str) -> Self {
        let mut copy = CopyModel::new(workload.seed);
        let (progress, harness) =
            run_steps_with(workload, 0..workload.steps.len(), (store, index, sync), about, &mut |harness| {
                copy.follow(harness, store, about);
            });
        Self { copy, progress, harness }
    }
}

/// Judges what a crash has left, on the disk and in Redis.
fn judge(
    trial: &mut Trial,
    run: ShippedRun,
    image: &Memory,
    (index, sync): (&std::path::Path, Sync),
    goes_on: bool,
    about: &str,
) -> bool {
    let ShippedRun { mut copy, progress, harness } = run;
    drop(harness);
    if copy.batches.is_empty() {
        return false;
    }
    let instance = Instance::known(image).expect("an instance").expect("the shipped records are of one");
    let group = [IncompleteGroup::Write, IncompleteGroup::LeaveOut][usize::from(trial.images.is_multiple_of(2))];
    // The machine is lost.
    let restored = copy.restored(instance, group, about);
    let lost = format!("{about}, restored from the copy up to record {} ({group:?})", copy.tip());
    let left = DeadDaemon { image: &restored, index: &trial.indexes.fresh(), sync };
    trial.check(&left, copy.confirmed(), progress, goes_on, &lost);
    // It is not, and starts again: its journal continues the copy.
    let first = image.kill_image();
    let opened = Harness::open(&first, &trial.indexes.copy_of(index), sync, &trial.workload.first.rules, None);
    let opened = opened.unwrap_or_else(|error| panic!("{about}: it does not start: {error:#}"));
    copy.compare(opened.journal(), about);
    let (from, partly) = trial.steps_of(opened.journal().last().0, about);
    drop(opened);
    if !goes_on || partly {
        return true;
    }
    let about = format!("{about}, going on from step {from}");
    let (steps, again) = (trial.workload.steps.len(), image.kill_image());
    let index = trial.indexes.copy_of(index);
    let (progress, harness) =
        run_steps_with(&trial.workload, from..steps, (&again, &index, sync), &about, &mut |harness| {
            copy.follow(harness, &again, &about);
        });
    let harness = harness.unwrap_or_else(|| panic!("{about}: it does not start"));
    harness.journal().sync().expect("all is synced");
    while !copy.ship(&harness, usize::MAX) {}
    let last = harness.journal().last();
    assert_eq!(copy.tip(), last, "{about}");
    drop(harness);
    let restored = copy.restored(instance, IncompleteGroup::Write, &about);
    let left = DeadDaemon { image: &restored, index: &trial.indexes.fresh(), sync };
    trial.check(&left, last.0, progress, false, &format!("{about}, restored at the end"));
    true
}

const SHORT: Mix = Mix { steps: 28, side: 20, staff: 25, keeps: 10, syncs: 5, restarts: 4, reloads: 5, waits: 75 };
const LONG: Mix = Mix { steps: 160, side: 12, staff: 25, keeps: 7, syncs: 3, restarts: 2, reloads: 5, waits: 70 };

/// `sync = "never"` is refused with Redis.
fn degree(seed: u64) -> Sync {
    [Sync::Interval, Sync::Always][usize::from(seed % 2 == 1)]
}

/// The calls of a run with shipping, without an accident. Everything that Redis has is in the folder, and the other way
/// round.
fn calls(trial: &mut Trial, sync: Sync) -> u64 {
    let (store, index) = (Memory::new(), trial.indexes.fresh());
    let about = format!("seed {}, {sync:?}, shipping without an accident", trial.workload.seed);
    let run = ShippedRun::of(&trial.workload, (&store, &index, sync), &about);
    assert_eq!((run.progress.begun, run.progress.failed), (trial.workload.steps.len(), false), "{about}");
    let (calls, image) = (store.calls(), store.kill_image());
    judge(trial, run, &image, (&index, sync), true, &about);
    calls
}

/// Lets the store freeze at a call.
fn freeze(trial: &mut Trial, call: u64, sync: Sync, number: u64) -> bool {
    let (store, index) = (Memory::new(), trial.indexes.fresh());
    store.freeze_at(call);
    let seed = trial.workload.seed;
    let kind = ImageKind::of(seed.wrapping_mul(31) + call + number);
    let about =
        format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}, shipping, frozen at call {call}, image {kind:?}");
    let run = ShippedRun::of(&trial.workload, (&store, &index, sync), &about);
    judge(trial, run, &kind.of_store(&store), (&index, sync), call.is_multiple_of(5), &about)
}

#[test]
fn power_cut_at_every_call_while_shipping_keeps_what_redis_confirmed() {
    for seed in seeds(1) {
        let (mut trial, sync) = (Trial::of(seed, SHORT), degree(seed));
        let calls = calls(&mut trial, sync);
        let judged = (1..=calls + 1).filter(|call| freeze(&mut trial, *call, sync, 0)).count();
        println!("seed {seed}, {sync:?}: {calls} calls, {judged} copies judged");
        assert!(judged > 0, "seed {seed}: nothing was shipped");
    }
}

#[test]
fn power_cut_in_a_long_run_while_shipping_keeps_what_redis_confirmed() {
    for seed in seeds(1) {
        let (mut trial, sync) = (Trial::of(seed, LONG), degree(seed));
        let calls = calls(&mut trial, sync);
        let each = (calls / 12).max(1);
        let chosen = (1..=calls).filter(|call| (call + seed) % each == 0);
        let judged = chosen.filter(|call| freeze(&mut trial, *call, sync, 1)).count();
        println!("seed {seed}, {sync:?}: {calls} calls, {judged} copies judged");
    }
}

#[test]
fn failing_call_while_shipping_loses_nothing_that_redis_confirmed() {
    for seed in seeds(1) {
        let (mut trial, sync) = (Trial::of(seed, SHORT), degree(seed));
        let calls = calls(&mut trial, sync);
        for call in 1..=calls {
            let (store, index) = (Memory::new(), trial.indexes.fresh());
            store.fail_at(call, Fault::Error(EIO));
            let about =
                format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}, shipping, call {call} fails with EIO");
            let run = ShippedRun::of(&trial.workload, (&store, &index, sync), &about);
            let kind = ImageKind::of(call);
            let image = kind.of_store(&store);
            judge(&mut trial, run, &image, (&index, sync), call.is_multiple_of(7), &format!("{about}, image {kind:?}"));
        }
    }
}

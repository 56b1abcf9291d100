//! The power is cut and the process killed at every call.

use crate::disk_images::ImageKind;
use crate::expected_state::{Expected, disagreement};
use crate::harness::{Harness, Indexes};
use crate::run::{Progress, run_steps};
use crate::workload::{Action, Mix, Workload};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use support::environment::{seeds, seeds_from};
use support::random::Random;

/// The files of a dead daemon: its store and the archive's index.
pub struct DeadDaemon<'a> {
    pub image: &'a Memory,
    pub index: &'a Path,
    pub sync: Sync,
}

/// A workload with all that is known of it.
pub struct Trial {
    pub workload: Workload,
    pub indexes: Indexes,
    expected: HashMap<usize, Rc<Expected>>,
    pub images: u64,
    /// An index that is opened again and again: nothing leaves memory where it is used.
    pub flipped: PathBuf,
}

impl Trial {
    pub fn of(seed: u64, mix: Mix) -> Self {
        let (indexes, expected) = (Indexes::new(), HashMap::new());
        let flipped = indexes.fresh();
        Self { workload: Workload::write(seed, mix), indexes, expected, images: 0, flipped }
    }

    pub fn expected(&mut self, steps: usize) -> Rc<Expected> {
        let workload = &self.workload;
        Rc::clone(self.expected.entry(steps).or_insert_with(|| Rc::new(Expected::after(workload, steps))))
    }

    /// How many steps a journal that ends with this record contains, including later ones that recorded nothing; and
    /// whether it holds a part of the next.
    pub fn steps_of(&self, last: u64, about: &str) -> (usize, bool) {
        let steps = &self.workload.steps;
        let whole = steps.partition_point(|step| step.last <= last);
        let before = whole.checked_sub(1).map_or(0, |n| steps[n].last);
        if before == last {
            return (whole, false);
        }
        // Records that a request writes in addition to its own precede it, and no later request writes them again.
        let (begins, step) = (last - before, &steps[whole]);
        let besides = match &step.act {
            Action::Line(_) => 1,
            Action::Signal { instrument: Some(_), .. } => step.last - before - 1,
            Action::Staff { staff_call, .. } if staff_call.reaches_many() => step.last - before - 1,
            _ => 0,
        };
        assert!(begins <= besides, "{about}: the journal ends with record {last}, within {step:#?} after {before}");
        (whole, true)
    }

    /// Opens an image, and compares it with what must be in it. With `goes_on` the rest of the workload follows.
    pub fn check(&mut self, left: &DeadDaemon<'_>, least: u64, progress: Progress, goes_on: bool, about: &str) {
        let DeadDaemon { image, index, sync } = *left;
        self.images += 1;
        let first = image.kill_image();
        let opened = Harness::open(&first, &self.indexes.copy_of(index), sync, &self.workload.first.rules, None);
        let harness = opened.unwrap_or_else(|error| panic!("{about}: it does not start: {error:#}"));
        let last = harness.journal().last().0;
        assert!(last >= least, "{about}: record {least} was promised, the journal ends with {last}");
        let (mut steps, partly) = self.steps_of(last, about);
        let begun = progress.begun.max(1) - 1;
        let most = self.workload.steps.get(begun).map_or(u64::MAX, |step| step.last);
        assert!(last <= most, "{about}: the journal ends with record {last}, of operations that were never begun");
        if partly {
            // A caller without an answer sends the request again.
            self.stand(&harness, steps);
            let step = &self.workload.steps[steps];
            let (reply, want) = (harness.act(&step.act), step.reply.as_ref().expect("an answer"));
            assert_eq!(reply.text, want.text, "{about}: sent again: {step:#?}");
            steps += 1;
        }
        let expected = self.expected(steps);
        self.stand(&harness, steps);
        let found = disagreement(&expected, &harness, 0, about);
        let of = self.workload.steps.len();
        assert!(found.is_none(), "{about}, found are the first {steps} of {of} steps: {}", found.unwrap_or_default());
        harness.journal().close().unwrap_or_else(|failed| panic!("{about}: {failed}"));
        drop(harness);
        let harness = Harness::open(&first, &self.indexes.fresh(), sync, &self.workload.first.rules, None);
        let harness = harness.unwrap_or_else(|error| panic!("{about}: it does not start again: {error:#}"));
        self.stand(&harness, steps);
        let found = disagreement(&expected, &harness, expected.again_from, about);
        assert!(found.is_none(), "{about}, started again: {}", found.unwrap_or_default());
        drop(harness);
        if goes_on && !partly {
            self.go_on(&image.kill_image(), &self.indexes.copy_of(index), sync, steps, about);
        }
    }

    /// Plays the rest of the workload on the recovered state, and starts again.
    fn go_on(&mut self, image: &Memory, index: &Path, sync: Sync, from: usize, about: &str) {
        let about = format!("{about}, going on from step {from}");
        let (progress, harness) =
            run_steps(&self.workload, from..self.workload.steps.len(), image, index, sync, &about);
        let steps = self.workload.steps.len();
        let harness = harness.unwrap_or_else(|| panic!("{about}: it does not start"));
        assert_eq!((progress.begun.max(from), progress.failed), (steps, false), "{about}");
        let expected = self.expected(steps);
        harness.journal().close().unwrap_or_else(|failed| panic!("{about}: {failed}"));
        let found = disagreement(&expected, &harness, 0, &about);
        assert!(found.is_none(), "{about}, at the end: {}", found.unwrap_or_default());
        drop(harness);
        let harness = Harness::open(image, index, sync, &self.workload.first.rules, None);
        let harness = harness.unwrap_or_else(|error| panic!("{about}: it does not start at the end: {error:#}"));
        self.stand(&harness, steps);
        let found = disagreement(&expected, &harness, expected.again_from, &about);
        assert!(found.is_none(), "{about}, started at the end: {}", found.unwrap_or_default());
    }

    /// Sets the clock and the configuration to those after so many steps.
    pub fn stand(&self, harness: &Harness, steps: usize) {
        harness.reload(self.workload.configuration(steps));
        let clock = steps.checked_sub(1).map(|n| self.workload.steps[n].clock).filter(|clock| *clock > i64::MIN);
        if let Some(clock) = clock {
            harness.desk.clock.now(Some(levelgate::domain::vocabulary::time::Millis(clock))).expect("a time");
        }
    }

    /// How many calls of the store a life without an accident makes.
    pub fn calls(&self, sync: Sync) -> u64 {
        let store = Memory::new();
        let about = format!("seed {}, {sync:?}, without an accident", self.workload.seed);
        let (progress, harness) =
            run_steps(&self.workload, 0..self.workload.steps.len(), &store, &self.indexes.fresh(), sync, &about);
        assert_eq!((progress.begun, progress.failed), (self.workload.steps.len(), false), "{about}");
        let left = harness
            .map_or(0, |harness| harness.desk.ledger.customers_len() * u64::from(harness.desk.ledger.has_evicted()));
        println!("{about}: {} calls, some of {left} customers' transactions have left memory", store.calls());
        store.calls()
    }

    /// Writes a snapshot while the next steps are played, some after each of its pieces. Returns how many were played.
    pub fn snapshot_interleaved(
        &self,
        harness: &Harness,
        store: &Memory,
        from: usize,
        random: &mut Random,
        about: &str,
    ) -> usize {
        let mut next = from;
        harness.snapshot_interleaved(store, || {
            for _ in 0..random.between(0, 2) {
                let Some(step) = self.workload.steps.get(next) else { break };
                next += 1;
                match (&step.act, &step.reply) {
                    (Action::Line(_) | Action::Signal { .. } | Action::Staff { .. }, Some(want)) => {
                        assert_eq!(harness.act(&step.act).text, want.text, "{about}, operation {}", next - 1);
                    }
                    (Action::Reload(configuration), _) => harness.reload(configuration),
                    _ => _ = harness.retire(),
                }
            }
        });
        next
    }

    /// Lets the store freeze at a call, and checks so many images.
    fn freeze(&mut self, call: u64, sync: Sync, images: u64) {
        let (store, index) = (Memory::new(), self.indexes.fresh());
        store.freeze_at(call);
        let seed = self.workload.seed;
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}, frozen at call {call}");
        let (progress, harness) = run_steps(&self.workload, 0..self.workload.steps.len(), &store, &index, sync, &about);
        drop(harness);
        for number in 0..images {
            let kind = ImageKind::of(seed.wrapping_mul(31) + call * images + number);
            // An index is found again, or it was lost.
            let is_index_lost = (call + number).is_multiple_of(2);
            let found = if is_index_lost { self.indexes.fresh() } else { index.clone() };
            let least = progress.least(sync, kind == ImageKind::Killed);
            let about = format!("{about}, image {kind:?}, index lost: {is_index_lost}");
            let goes_on = (call + number).is_multiple_of(5);
            let left = DeadDaemon { image: &kind.of_store(&store), index: &found, sync };
            self.check(&left, least, progress, goes_on, &about);
        }
    }
}

const SHORT: Mix = Mix { steps: 28, side: 20, staff: 25, keeps: 10, syncs: 5, restarts: 4, reloads: 5, waits: 75 };
const LONG: Mix = Mix { steps: 160, side: 12, staff: 25, keeps: 7, syncs: 3, restarts: 2, reloads: 5, waits: 70 };

/// Each degree, one after the other.
pub fn degree(seed: u64) -> Sync {
    [Sync::Interval, Sync::Always, Sync::Never][(seed % 3) as usize]
}

#[test]
fn power_cut_at_every_call_of_a_short_run_keeps_acknowledged_operations() {
    for seed in seeds(2) {
        let (mut trial, sync) = (Trial::of(seed, SHORT), degree(seed));
        let calls = trial.calls(sync);
        (1..=calls + 1).for_each(|call| trial.freeze(call, sync, 1));
        println!("seed {seed}, {sync:?}: {calls} calls, {} images", trial.images);
    }
}

#[test]
fn power_cut_in_a_long_run_keeps_acknowledged_operations() {
    for seed in seeds_from(1_001, 2) {
        let (mut trial, sync) = (Trial::of(seed, LONG), degree(seed));
        let calls = trial.calls(sync);
        let each = (calls / 12).max(1);
        (1..=calls).filter(|call| (call + seed) % each == 0).for_each(|call| trial.freeze(call, sync, 2));
        println!("seed {seed}, {sync:?}: {calls} calls, {} images", trial.images);
    }
}

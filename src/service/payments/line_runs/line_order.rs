//! The order of the runs of one stream: who may pass the gate, and which lines are done.

use crate::ledger::{Footprint, StateKey};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// How often a thread looks again before it sleeps.
const SPINS: u32 = 64;

/// Sleeping threads are woken once for so many lines, and at the end of a run.
const ANNOUNCED_LINES: usize = 8;

/// The last line of a run that has a key.
pub(super) type KeyTable = HashMap<StateKey, usize, foldhash::fast::FixedState>;

/// The order of the runs of one stream.
#[derive(Default)]
pub struct LineOrder {
    state: Mutex<OrderState>,
    /// The run that may pass the gate.
    gate: AtomicU64,
    /// Threads that sleep until the gate or a line changes.
    sleepers: AtomicUsize,
    changed: Condvar,
}

#[derive(Default)]
struct OrderState {
    /// The runs that have passed the gate, in their order. Those that no run in work overlaps are removed.
    passed: VecDeque<Arc<PassedRun>>,
    /// The runs in work, each with the first run that was not done when it began.
    in_work: Vec<(u64, u64)>,
}

/// A run that has passed the gate.
pub(super) struct PassedRun {
    number: u64,
    footprints: Vec<Footprint>,
    keys: KeyTable,
    /// Whether a line of it may have changed what its keys do not name.
    pub(super) has_opaque_lines: bool,
    /// The number of lines at its beginning that are done.
    done: AtomicUsize,
}

impl PassedRun {
    pub(super) fn is_done(&self) -> bool {
        self.is_line_done(self.footprints.len().saturating_sub(1))
    }

    /// Whether a line, and all lines of the run before it, are done.
    pub(super) fn is_line_done(&self, line: usize) -> bool {
        self.done.load(Ordering::SeqCst) > line || self.footprints.is_empty()
    }

    /// The last line that has a key.
    pub(super) fn line_with(&self, key: StateKey) -> Option<usize> {
        self.keys.get(&key).copied()
    }

    pub(super) fn footprint(&self, line: usize) -> Option<&Footprint> {
        self.footprints.get(line)
    }

    pub(super) fn len(&self) -> usize {
        self.footprints.len()
    }
}

impl LineOrder {
    /// Begins a run. Runs begin in the order of their numbers, which count from 0, and each is done to its end.
    pub(super) fn begin(&self, number: u64) -> RunTurn<'_> {
        let mut state = self.state.lock();
        let first_open = state.passed.iter().find(|run| !run.is_done()).map(|run| run.number);
        // A run before this one that has not passed the gate yet will pass it before this one.
        let floor = first_open.unwrap_or(u64::MAX).min(self.gate.load(Ordering::SeqCst));
        state.in_work.push((number, floor));
        drop(state);
        RunTurn { order: self, number, floor, passed: None }
    }

    fn wait_until(&self, is_so: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if is_so() {
                return;
            }
            std::hint::spin_loop();
        }
        // Other threads may wait for lines that this thread has done and not announced.
        self.announce();
        let mut state = self.state.lock();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !is_so() {
            self.changed.wait(&mut state);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes the threads that wait for what has just changed.
    fn announce(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            // A thread that has looked and does not sleep yet holds this lock.
            drop(self.state.lock());
            self.changed.notify_all();
        }
    }
}

/// The turn of a run. However its thread ends, the runs after it go on.
pub(super) struct RunTurn<'o> {
    order: &'o LineOrder,
    number: u64,
    floor: u64,
    passed: Option<Arc<PassedRun>>,
}

impl RunTurn<'_> {
    /// Waits until all earlier runs have passed the gate. Returns those of them that were not done when this one began.
    pub(super) fn enter_gate(&self) -> Vec<Arc<PassedRun>> {
        self.order.wait_until(|| self.order.gate.load(Ordering::SeqCst) == self.number);
        let mut state = self.order.state.lock();
        let first = state.in_work.iter().map(|(_, floor)| *floor).min().unwrap_or(u64::MAX);
        while state.passed.front().is_some_and(|run| run.number < first && run.is_done()) {
            state.passed.pop_front();
        }
        state.passed.iter().filter(|run| run.number >= self.floor).cloned().collect()
    }

    /// Waits until a line of an earlier run is done.
    pub(super) fn wait_for_line(&self, run: &PassedRun, line: usize) {
        self.order.wait_until(|| run.is_line_done(line));
    }

    /// Lets the next run pass the gate. `done`: the number of lines at the beginning of this run that are done.
    pub(super) fn leave_gate(
        &mut self,
        footprints: Vec<Footprint>,
        keys: KeyTable,
        has_opaque_lines: bool,
        done: usize,
    ) {
        let done = AtomicUsize::new(done);
        let run = Arc::new(PassedRun { number: self.number, footprints, keys, has_opaque_lines, done });
        self.order.state.lock().passed.push_back(Arc::clone(&run));
        self.passed = Some(run);
        self.open_gate();
    }

    pub(super) fn has_passed(&self) -> bool {
        self.passed.is_some()
    }

    fn open_gate(&self) {
        self.order.gate.store(self.number + 1, Ordering::SeqCst);
        self.order.announce();
    }

    /// Notes that the lines before `line` are done.
    pub(super) fn lines_done(&self, line: usize) {
        if let Some(run) = &self.passed {
            run.done.store(line, Ordering::SeqCst);
            if line.is_multiple_of(ANNOUNCED_LINES) || line >= run.len() {
                self.order.announce();
            }
        }
    }
}

impl Drop for RunTurn<'_> {
    fn drop(&mut self) {
        if self.passed.is_none() {
            self.order.wait_until(|| self.order.gate.load(Ordering::SeqCst) == self.number);
            self.open_gate();
        }
        self.lines_done(usize::MAX);
        self.order.state.lock().in_work.retain(|(number, _)| *number != self.number);
    }
}

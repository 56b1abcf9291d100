//! Calls that stall: a test closes a gate, some calls wait before it, and all others go on.

use crate::storage::fs::memory::Memory;
use parking_lot::{Condvar, Mutex};

/// Which calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stalls {
    /// Writes to files in a folder; the empty text: to files in none.
    Writes(&'static str),
    /// Syncs of files in a folder, and of the folder.
    Syncs(&'static str),
    /// Creating and renaming files.
    Names,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<Waiting>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    closed: Option<Stalls>,
    /// How many calls wait.
    now: usize,
}

impl Gate {
    /// Returns at once, or when the gate is open.
    pub(super) fn pass(&self, is_of: impl Fn(Stalls) -> bool) {
        let mut state = self.state.lock();
        if !state.closed.is_some_and(&is_of) {
            return;
        }
        state.now += 1;
        self.moved.notify_all();
        self.moved.wait_while(&mut state, |state| state.closed.is_some_and(&is_of));
        state.now -= 1;
    }

    /// The folder whose files' calls wait, where some do.
    pub(super) fn folder(&self) -> Option<&'static str> {
        match self.state.lock().closed? {
            Stalls::Writes(folder) | Stalls::Syncs(folder) => Some(folder),
            Stalls::Names => None,
        }
    }
}

/// A closed gate; it opens when this is dropped.
#[derive(Debug)]
pub struct Stall(Memory);

impl Memory {
    /// Lets calls wait until the value is dropped; one at a time.
    #[must_use]
    pub fn stall(&self, stalls: Stalls) -> Stall {
        self.0.gate.state.lock().closed = Some(stalls);
        Stall(self.clone())
    }
}

impl Stall {
    /// Returns once a call waits.
    pub fn until_a_call_waits(&self) {
        let gate = &self.0.0.gate;
        gate.moved.wait_while(&mut gate.state.lock(), |state| state.now == 0);
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.0.gate.state.lock().now
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        let gate = &self.0.0.gate;
        gate.state.lock().closed = None;
        gate.moved.notify_all();
    }
}

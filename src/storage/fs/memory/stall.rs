//! Stalled calls: while a test stalls some kind of call, these calls block and all others proceed.

use parking_lot::{Condvar, Mutex};
use std::{sync::Arc, thread};

/// The calls that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StalledCalls {
    /// Writes to files of a folder; an empty text: to files in no folder.
    Writes(&'static str),
    /// Syncs of files of a folder, and of the folder.
    Syncs(&'static str),
    /// Creating and renaming files.
    Names,
}

/// Blocks the stalled calls.
#[derive(Debug, Default)]
pub(super) struct CallBarrier {
    state: Mutex<BarrierState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BarrierState {
    stalled: Option<StalledCalls>,
    /// The names of the threads whose calls are blocked.
    blocked: Vec<String>,
}

impl CallBarrier {
    /// Blocks while calls are stalled that `matches` accepts.
    pub(super) fn pass(&self, matches: impl Fn(StalledCalls) -> bool) {
        let mut state = self.state.lock();
        if !state.stalled.is_some_and(&matches) {
            return;
        }
        let name = thread::current().name().unwrap_or_default().to_owned();
        state.blocked.push(name.clone());
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| state.stalled.is_some_and(&matches));
        let place = state.blocked.iter().position(|blocked| *blocked == name);
        place.map(|place| state.blocked.swap_remove(place));
    }

    /// The folder whose files' calls are stalled, if any.
    pub(super) fn folder(&self) -> Option<&'static str> {
        match self.state.lock().stalled? {
            StalledCalls::Writes(folder) | StalledCalls::Syncs(folder) => Some(folder),
            StalledCalls::Names => None,
        }
    }

    /// Stalls calls until the guard is dropped.
    pub(super) fn close(self: &Arc<Self>, calls: StalledCalls) -> StallGuard {
        self.state.lock().stalled = Some(calls);
        StallGuard(Arc::clone(self))
    }
}

/// Keeps calls stalled until it is dropped.
#[derive(Debug)]
pub struct StallGuard(Arc<CallBarrier>);

impl StallGuard {
    /// Returns as soon as a call is blocked.
    pub fn until_a_call_waits(&self) {
        self.0.changed.wait_while(&mut self.0.state.lock(), |state| state.blocked.is_empty());
    }

    /// The names of the threads whose calls are blocked.
    #[must_use]
    pub fn blocked_threads(&self) -> Vec<String> {
        self.0.state.lock().blocked.clone()
    }
}

impl Drop for StallGuard {
    fn drop(&mut self) {
        self.0.state.lock().stalled = None;
        self.0.changed.notify_all();
    }
}

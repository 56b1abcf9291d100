//! The clock steps that operators accepted.

use crate::domain::{events::global_event::ClockStep, transaction::log_offset::LogOffset, vocabulary::time::Millis};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// All accepted clock steps, in the order of their records.
#[derive(Default)]
pub(in crate::ledger) struct AcceptedClocks {
    steps: RwLock<Vec<(LogOffset, ClockStep)>>,
    /// Whether a step moved entries. If so, the hold and the time of a transaction may differ from its facts.
    has_moved_entries: AtomicBool,
}

impl AcceptedClocks {
    /// Adds the step of the record at an offset, unless it is already known.
    pub(in crate::ledger) fn add(&self, offset: LogOffset, step: ClockStep) {
        let mut steps = self.steps.write();
        if let Err(index) = steps.binary_search_by_key(&offset, |(known, _)| *known) {
            steps.insert(index, (offset, step));
        }
        self.has_moved_entries.fetch_or(step.moves_entries, Ordering::AcqRel);
    }

    pub(in crate::ledger) fn all(&self) -> Vec<(LogOffset, ClockStep)> {
        self.steps.read().clone()
    }

    pub(in crate::ledger) fn last(&self) -> Option<ClockStep> {
        self.steps.read().last().map(|(_, step)| *step)
    }

    pub(in crate::ledger) fn has_moved_entries(&self) -> bool {
        self.has_moved_entries.load(Ordering::Acquire)
    }

    /// The time of a record at or before an offset, limited to the times that were accepted after it.
    pub(in crate::ledger) fn corrected_time(&self, offset: LogOffset, at: Millis) -> Millis {
        let steps = self.steps.read();
        steps.iter().filter(|(accepted, _)| *accepted >= offset).fold(at, |at, (_, step)| at.min(step.after))
    }
}

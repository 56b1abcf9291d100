//! An operator accepts the system clock: the time goes on from there, for all customers at once.
//!
//! Like a level's new name it is one record, which reaches every customer, written while the gate is closed and all
//! shards are locked, and while no snapshot is being taken. What each stored time does when the time goes back:
//!
//! | Stored time | When the time goes back |
//! |---|---|
//! | the time as of which a customer is seen | lowered to the accepted time |
//! | a usage entry | counts in every window that contains now, until the clock reaches it; or is moved to now |
//! | the end of a hold that is in the future again | the hold is open again and counts; it keeps its length where its entry is moved |
//! | the end of a hold that a caller set (`extend`) for a transaction of the past | stays |
//! | what left memory while the time was wrong | stays out of memory: it counts only in windows without a start |
//! | times of facts, of transactions, of customers, in histories | stay as they are recorded |
//! | a raise of own limits, its deadline, the end of an operator's limits | wait until the clock reaches them |
//! | the date on which a customer is erased | waits until the clock reaches it; nothing is erased while the clock is not accepted |
//! | own rates and common rates (`valid_from`, `as_of`) | wait until the clock reaches them |
//! | when a job began and ended | stays |
//! | the newest time in a segment of the archive | counts as no later than the accepted time, so that `archive_days` goes on |

use crate::ledger::{Ledger, state::shards::SHARDS};
use crate::{
    domain::{
        customer::aggregate::FromFuture,
        events::global_event::{ClockStep, GlobalEvent},
        transaction::record::LogOffset,
        vocabulary::{
            names::Name,
            time::{DAY_MS, Millis},
        },
    },
    storage::{encoding, journal::Lsn},
};
use parking_lot::RwLock;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

/// How long nothing leaves memory after a step forward was accepted: going back does not bring it into windows again.
const KEPT_AFTER_STEP_MS: i64 = DAY_MS;

/// All steps of the clock that were accepted, in the order of their records.
#[derive(Default)]
pub(crate) struct AcceptedClocks {
    all: RwLock<Vec<(LogOffset, ClockStep)>>,
    /// Whether any step moved entries: then a transaction's hold and time may differ from its facts.
    moved: AtomicBool,
}

impl AcceptedClocks {
    /// Takes the step of the record at a place; one that is known already is passed over.
    pub(crate) fn add(&self, place: LogOffset, step: ClockStep) {
        let mut all = self.all.write();
        if let Err(spot) = all.binary_search_by_key(&place, |(known, _)| *known) {
            all.insert(spot, (place, step));
        }
        self.moved.fetch_or(step.moves_entries, Ordering::AcqRel);
    }

    pub(crate) fn all(&self) -> Vec<(LogOffset, ClockStep)> {
        self.all.read().clone()
    }

    /// The time of the last step.
    pub(crate) fn last(&self) -> Option<ClockStep> {
        self.all.read().last().map(|(_, step)| *step)
    }

    pub(crate) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Acquire)
    }

    /// A recorded time before a place, no later than the times that were accepted after it.
    fn no_later(&self, place: LogOffset, at: Millis) -> Millis {
        let all = self.all.read();
        all.iter().filter(|(accepted, _)| *accepted >= place).fold(at, |at, (_, step)| at.min(step.after))
    }
}

/// What became of a clock that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockAccepted {
    /// From which time to which, and whether entries were moved.
    pub step: ClockStep,
    /// What was later than the accepted time, before anything was moved.
    pub from_future: FromFuture,
    /// Whether it was recorded; `false`: the clock was right already, and nothing was to be moved.
    pub is_recorded: bool,
}

impl Ledger {
    /// Bounds the times with which callers come: none is taken as later than this newest time that was told. A caller who
    /// asked for the time before it went back, and comes after, would take the customer to the old time again.
    pub fn bound_times(&mut self, newest_told: Arc<AtomicI64>) {
        self.newest_told = newest_told;
    }

    /// A caller's time, no later than the newest that was told. Exact under a customer's lock or inside the gate.
    pub(in crate::ledger) fn not_later(&self, now: Millis) -> Millis {
        now.min(Millis(self.newest_told.load(Ordering::Acquire)))
    }

    /// Goes on from another time. `set` accepts the clock and returns the time before and after it; it is called once,
    /// when no operation is under way. Returns what came of it, and the record that it rests on.
    ///
    /// No payment is decided meanwhile; it takes one pass over the customers, after a snapshot that is being taken.
    pub fn accept_clock(
        &self,
        moves_entries: bool,
        by: Option<Name>,
        set: &mut dyn FnMut() -> (Millis, Millis),
    ) -> (ClockAccepted, Lsn) {
        let _no_snapshot = self.made_levels.keeping.lock();
        let _closed = self.made_levels.gate.close();
        let mut shards: Vec<_> = (0..SHARDS).map(|place| self.customers.shard(place)).collect();
        let (before, after) = set();
        let step = ClockStep { before, after, moves_entries };
        let mut from_future = FromFuture::default();
        let is_recorded = before != after || moves_entries;
        let mut rests_on = self.journal.last();
        if is_recorded {
            let mut body = Vec::new();
            encoding::encode_common(&GlobalEvent::ClockAccepted { step, by }, &mut body);
            let appended = self.journal.append(0, &body);
            self.clocks.add(appended.place, step);
            rests_on = appended.lsn;
        }
        for customer in shards.iter_mut().flat_map(|shard| shard.values_mut()) {
            from_future += match step.changes_customers() {
                true => {
                    // RecordedFact for all: whoever replays the record must not apply it to what came after it.
                    customer.applied = customer.applied.max(rests_on.0);
                    customer.accept_clock(&step)
                }
                false => customer.later_than(after),
            };
        }
        drop(shards);
        // Stripes contain transactions as they were before; they come before customers in the lock order.
        self.id_stripes.each(|stripe| stripe.held = None);
        (ClockAccepted { step, from_future, is_recorded }, rests_on)
    }

    /// The newest time of records before a place, corrected by the clocks that were accepted after them.
    #[must_use]
    pub fn no_later(&self, place: LogOffset, at: Millis) -> Millis {
        self.clocks.no_later(place, at)
    }

    /// Whether transactions may leave memory at a time: not for a day after a step forward was accepted.
    #[must_use]
    pub fn may_retire(&self, now: Millis) -> bool {
        let last = self.clocks.last().filter(|step| step.after > step.before);
        last.is_none_or(|step| now.since(step.after) >= KEPT_AFTER_STEP_MS)
    }
}

#[cfg(test)]
mod tests;

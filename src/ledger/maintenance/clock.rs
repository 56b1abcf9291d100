//! Accepted clocks: an operator accepts the system clock, and the time continues from there for all customers at once.
//!
//! Like a rename of a level, it is one record that reaches every customer. It is written under the exclusive rename lock,
//! with all shards locked, and while no snapshot is taken. What happens to each stored time:
//!
//! | Stored time | When the time goes back |
//! |---|---|
//! | the time as of which a customer is read | lowered to the accepted time |
//! | a usage entry | counts in every window that contains the current time, until the clock reaches it; or is moved to the current time |
//! | the end of a hold that is in the future again | the hold is open again and counts; it keeps its length where its entry is moved |
//! | the end of a hold that a caller set (`extend`) for a transaction of the past | stays |
//! | transactions that were evicted while the time was wrong | stay evicted: they count only in windows without a start |
//! | times of facts, transactions and customers, and in histories | stay as recorded |
//! | a raise of own limits, its deadline, the end of an operator's limits | wait until the clock reaches them |
//! | the date on which a customer is erased | waits until the clock reaches it; nothing is erased while the clock is not accepted |
//! | own rates and common rates (`valid_from`, `as_of`) | wait until the clock reaches them |
//! | when a job began and ended | stays |
//! | the newest time in a segment of the archive | counts as no later than the accepted time, so that `archive_days` goes on |

use crate::ledger::state::ledger::Ledger;
use crate::{
    domain::{
        customer::aggregate::clock_step::FutureCounts,
        events::global_event::{ClockStep, GlobalEvent},
        transaction::log_offset::LogOffset,
        vocabulary::{
            names::Name,
            time::{DAY_MS, Millis},
        },
    },
    storage::{encoding, journal::Lsn},
};

/// The time without eviction after an accepted step forward. A step back does not bring evicted transactions back into
/// windows.
const EVICTION_PAUSE_MS: i64 = DAY_MS;

/// The result of an accepted clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockAcceptance {
    /// The times before and after the step, and whether entries were moved.
    pub step: ClockStep,
    /// What was later than the accepted time, before anything was moved.
    pub from_future: FutureCounts,
    /// Whether the step was recorded; `false`: the clock was right already, and no entries were to be moved.
    pub is_recorded: bool,
}

impl Ledger {
    /// Continues from another time. `set` accepts the clock and returns the times before and after; it is called once, while
    /// no operation is in progress. Returns the result, and the LSN that it depends on.
    ///
    /// Operations on payments wait during one pass over the customers. The step itself waits for a running snapshot.
    pub fn accept_clock(
        &self,
        moves_entries: bool,
        by: Option<Name>,
        set: &mut dyn FnMut() -> (Millis, Millis),
    ) -> (ClockAcceptance, Lsn) {
        let _no_snapshot = self.snapshot_lock.lock();
        let _exclusive = self.rename_lock.write();
        let mut shards = self.customers.all_shards();
        let (before, after) = set();
        let step = ClockStep { before, after, moves_entries };
        let mut from_future = FutureCounts::default();
        let is_recorded = before != after || moves_entries;
        let mut depends_on_lsn = self.journal.last();
        if is_recorded {
            let mut body = Vec::new();
            encoding::encode_global(&GlobalEvent::ClockAccepted { step, by }, &mut body);
            let appended = self.journal.append(0, &body);
            self.clocks.add(appended.offset, step);
            depends_on_lsn = appended.lsn;
        }
        for customer in shards.iter_mut().flat_map(|shard| shard.values_mut()) {
            from_future += match step.changes_customers() {
                true => {
                    // For every customer: recovery must not apply this record to events that came after it.
                    customer.applied = customer.applied.max(depends_on_lsn.0);
                    customer.apply_clock_step(&step)
                }
                false => customer.count_future(after),
            };
        }
        drop(shards);
        // Cached transactions contain the old times. Stripes come before shards in the lock order.
        self.id_stripes.for_each(|stripe| stripe.cached = None);
        (ClockAcceptance { step, from_future, is_recorded }, depends_on_lsn)
    }

    /// The newest time of the records before an offset, limited to the times that were accepted after them.
    #[must_use]
    pub fn corrected_time(&self, offset: LogOffset, at: Millis) -> Millis {
        self.clocks.corrected_time(offset, at)
    }

    /// Whether transactions may be evicted at a time: not for a day after an accepted step forward.
    #[must_use]
    pub fn may_evict(&self, now: Millis) -> bool {
        let last = self.clocks.last().filter(|step| step.after > step.before);
        last.is_none_or(|step| now.since(step.after) >= EVICTION_PAUSE_MS)
    }
}

#[cfg(test)]
mod tests;

//! Recovery: the state is built from a snapshot and the records after it, and the indexes from the state.
//!
//! Nothing is decided again. Records are applied in their order, each to its customer, unless the snapshot contains it
//! already. Customers are independent, so several threads each own the customers of some shards: one thread reads and
//! hands each record to the owner of its customer. The state and the errors do not depend on the number of threads.

use crate::ledger::{
    index::{default_countries::DefaultCountries, sharding::SHARDS},
    recovery::{
        global_state::GlobalState,
        index_entries::IndexEntries,
        partition::Partition,
        workers::{Failure, RecoveryWorkers},
    },
    state::ledger::{Ledger, LedgerLimits, LedgerStorage},
};
use crate::{
    domain::vocabulary::time::Millis,
    storage::{
        archive_list::Demanded,
        journal::{Keys, Lsn, Record, Refused, Replay},
        snapshot::{Frame, Piece, SnapshotError},
    },
};
use std::{
    io,
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
};

/// A state while it is recovered.
pub struct StateRecovery {
    workers: RecoveryWorkers,
    global_state: GlobalState,
    default_countries: DefaultCountries,
}

impl StateRecovery {
    /// An empty state, with as many threads as the machine has.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn new(secret: (u64, u64), keys: &Arc<Keys>) -> io::Result<Self> {
        Self::with_threads(secret, keys, std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// An empty state, with `threads` threads in addition to the reading one.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn with_threads(secret: (u64, u64), keys: &Arc<Keys>, threads: usize) -> io::Result<Self> {
        let workers = RecoveryWorkers::new(secret, keys, threads.clamp(1, SHARDS))?;
        Ok(Self { workers, global_state: GlobalState::default(), default_countries: DefaultCountries::default() })
    }

    /// Sets the default countries of the customers' phone numbers. Without this call there are none.
    pub fn set_default_countries(&mut self, countries: DefaultCountries) {
        self.default_countries = countries;
    }

    /// Lets the start continue where segments of the archive are missing: they are accepted as lost.
    pub fn accept_lost_archive(&mut self) {
        self.global_state.archive.accept_lost = true;
    }

    /// Restores a piece of a snapshot. Returns the LSN of the snapshot's end for its last piece; then every piece was
    /// valid.
    ///
    /// # Errors
    /// This piece or an earlier one is invalid.
    pub fn restore(&mut self, frame: &Frame<'_>) -> Result<Option<Lsn>, SnapshotError> {
        if let Some(customer) = frame.customer() {
            self.workers.restore(customer, frame);
            return if self.workers.has_failed() { self.finish_pieces().map(|()| None) } else { Ok(None) };
        }
        match frame.decode()? {
            Piece::Global(world) => self.global_state.restore(world).map(|()| None),
            Piece::End { end_lsn, .. } => self.finish_pieces().map(|()| Some(Lsn(end_lsn))),
            Piece::Customer(_) | Piece::TransactionSummaries { .. } => {
                Err(SnapshotError::Damaged { offset: frame.offset })
            }
        }
    }

    fn finish_pieces(&mut self) -> Result<(), SnapshotError> {
        match self.workers.finish_batches() {
            Some(Failure::Piece(_, error)) => Err(error),
            Some(Failure::Record(Refused { what, .. })) => Err(SnapshotError::Content(what)),
            None => Ok(()),
        }
    }

    /// Builds the indexes and the ledger. Returns also the newest recorded time, if any.
    #[must_use]
    pub fn finish(self, limits: LedgerLimits, storage: LedgerStorage) -> (Ledger, Option<Millis>) {
        let Self { workers, mut global_state, default_countries } = self;
        let mut partitions = workers.into_partitions();
        let mut global_events = Vec::new();
        for partition in &mut partitions {
            let effects = &mut partition.effects;
            global_state.next_customer = global_state.next_customer.max(effects.next_customer);
            global_state.currencies.append(&mut effects.currencies);
            global_state.known_merchants.add(effects.merchants.drain());
            for (key, slot, offset) in effects.archived_facts.drain(..) {
                global_state.archived_facts.insert(key, slot, offset);
            }
            global_events.append(&mut partition.global_events);
        }
        global_events.sort_by_key(|(lsn, ..)| *lsn);
        global_events.into_iter().for_each(|(_, offset, event)| global_state.apply(offset, &event));
        // An accepted clock sets the newest time of each partition to its own, also to an earlier one.
        let times = partitions.iter().filter_map(|partition| partition.effects.newest_time);
        let newest_time = times.chain(global_state.accepted_time).max();
        let journal_start = storage.journal.first_offset();
        let GlobalState { made_levels, known_merchants, level_renames, clocks, .. } = global_state;
        let GlobalState { archived_facts, blocked_instruments, .. } = global_state;
        let ledger = Ledger {
            made_levels,
            known_merchants,
            level_renames,
            clocks,
            archived_facts,
            journal_start,
            blocked_instruments,
            ..Ledger::new(limits, storage)
        };
        ledger.identities.default_countries.store(Arc::new(default_countries));
        ledger.forget_before(journal_start);
        *ledger.external_ids.lock() = global_state.external_ids.into_inner();
        ledger.next_customer.store(global_state.next_customer, Ordering::Relaxed);
        global_state.currencies.into_iter().for_each(|currency| ledger.currencies.insert(currency));
        // The indexes are sharded, so that several threads fill them in parallel.
        let count = partitions.len();
        let entries: Vec<IndexEntries> = std::thread::scope(|scope| {
            let restore = |(n, partition): (usize, Partition)| {
                let ledger = &ledger;
                scope.spawn(move || ledger.restore_shards(partition.effects.transactions, partition.into_shards(n)))
            };
            let threads: Vec<_> = partitions.into_iter().enumerate().map(restore).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let (mut slots, mut search_entries, mut changed_forms) = (Vec::new(), Vec::new(), Vec::new());
        for entries in entries {
            slots.push(entries.slots);
            search_entries.push(entries.search_entries);
            changed_forms.extend(entries.changed_forms);
        }
        ledger.newly_equal.store(ledger.identities.newly_equal(changed_forms), Ordering::Relaxed);
        std::thread::scope(|scope| {
            let (ledger, slots) = (&ledger, &slots);
            scope.spawn(move || ledger.search.insert_all(&search_entries));
            (0..count).for_each(|n| drop(scope.spawn(move || ledger.index_slots(slots, n, count))));
        });
        (ledger, newest_time)
    }
}

impl Replay for StateRecovery {
    fn archive(&self) -> Demanded {
        self.global_state.archive.clone()
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused> {
        self.workers.apply(record);
        if self.workers.has_failed() { self.end_replay() } else { Ok(()) }
    }

    fn end_replay(&mut self) -> Result<(), Refused> {
        match self.workers.finish_batches() {
            Some(Failure::Record(refused)) => Err(refused),
            Some(Failure::Piece(_, error)) => Err(Refused { lsn: Lsn::NONE, what: error.to_string() }),
            None => Ok(()),
        }
    }
}

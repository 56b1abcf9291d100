//! The lock between operations on payments and changes of all customers.

use crate::storage::journal::CachePadded;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// The number of locks that readers are spread over. Threads seldom share one, and no two share a cache line.
const READER_LOCKS: usize = 64;

/// A lock that operations hold shared, from before they read the rules until they end. A rename of a level, an accepted
/// clock and a new default country hold it exclusively: they change the rules and all customers in one step.
pub(in crate::ledger) struct RenameLock {
    locks: Box<[CachePadded<RwLock<()>>]>,
    /// How often exclusive access was given.
    changes: AtomicU64,
}

impl Default for RenameLock {
    fn default() -> Self {
        Self { locks: (0..READER_LOCKS).map(|_| CachePadded::default()).collect(), changes: AtomicU64::new(0) }
    }
}

/// Shared access to the rename lock; see [`crate::ledger::Ledger::block_renames`].
pub struct RenameGuard<'a> {
    _guard: RwLockReadGuard<'a, ()>,
    changes: u64,
}

impl RenameGuard<'_> {
    /// The number of changes so far. What was read under one guard is valid under another one with the same number.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

impl RenameLock {
    /// Shared access. Each thread always uses the same one of the reader locks.
    pub(in crate::ledger) fn read(&self) -> RenameGuard<'_> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static INDEX: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % READER_LOCKS));
        let guard = self.locks[INDEX.get()].read();
        RenameGuard { _guard: guard, changes: self.changes.load(Ordering::Relaxed) }
    }

    /// Exclusive access: waits until all readers have ended.
    pub(in crate::ledger) fn write(&self) -> Vec<RwLockWriteGuard<'_, ()>> {
        let guards = self.locks.iter().map(|lock| lock.write()).collect();
        self.changes.fetch_add(1, Ordering::Relaxed);
        guards
    }
}

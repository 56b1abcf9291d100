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
    /// Counts the beginnings and the ends of exclusive access.
    generation: AtomicU64,
}

impl Default for RenameLock {
    fn default() -> Self {
        let locks = (0..READER_LOCKS).map(|_| CachePadded::default()).collect();
        Self { locks, generation: AtomicU64::new(0) }
    }
}

/// Shared access to the rename lock; see [`crate::ledger::Ledger::block_renames`].
pub struct RenameGuard<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}

/// Exclusive access to the rename lock.
pub(in crate::ledger) struct ExclusiveRenameGuard<'a> {
    generation: &'a AtomicU64,
    _guards: Vec<RwLockWriteGuard<'a, ()>>,
}

impl Drop for ExclusiveRenameGuard<'_> {
    fn drop(&mut self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl RenameLock {
    /// Shared access. Each thread always uses the same one of the reader locks.
    pub(in crate::ledger) fn read(&self) -> RenameGuard<'_> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static INDEX: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % READER_LOCKS));
        RenameGuard { _guard: self.locks[INDEX.get()].read() }
    }

    /// Exclusive access: waits until all readers have ended.
    pub(in crate::ledger) fn write(&self) -> ExclusiveRenameGuard<'_> {
        let guards = self.locks.iter().map(|lock| lock.write()).collect();
        self.generation.fetch_add(1, Ordering::AcqRel);
        ExclusiveRenameGuard { generation: &self.generation, _guards: guards }
    }

    /// A number that differs before, during and after each exclusive access. What was read without the lock still holds
    /// under the lock if the number is the same.
    pub(in crate::ledger) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

//! The customer that each merged customer is now part of.

use parking_lot::RwLock;
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The target of each merged customer, for readers that do not lock customers. Never stored: it is rebuilt from the
/// customers. An entry changes only under the locks of both customers.
#[derive(Default)]
pub(in crate::ledger) struct MergeTargets {
    targets: RwLock<HashMap<u64, u64>>,
    /// The number of entries. While it is 0, a lookup takes no lock.
    len: AtomicUsize,
}

impl MergeTargets {
    /// Sets the target of a merged customer.
    pub(in crate::ledger) fn set(&self, number: u64, target: u64) {
        let mut targets = self.targets.write();
        targets.insert(number, target);
        self.len.store(targets.len(), Ordering::Release);
    }

    /// The customer that a number leads to: its target, or itself.
    pub(in crate::ledger) fn current(&self, number: u64) -> u64 {
        if self.len.load(Ordering::Acquire) == 0 {
            return number;
        }
        self.targets.read().get(&number).copied().unwrap_or(number)
    }

    /// The customers that numbers lead to, without repetitions, in the order of their first occurrence.
    pub(in crate::ledger) fn all_current(&self, numbers: Vec<u64>) -> Vec<u64> {
        if self.len.load(Ordering::Acquire) == 0 {
            return numbers;
        }
        let mut found = HashSet::with_capacity(numbers.len());
        numbers.into_iter().map(|number| self.current(number)).filter(|number| found.insert(*number)).collect()
    }
}

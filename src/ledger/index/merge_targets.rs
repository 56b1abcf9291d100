//! The customer that each merged customer is now part of.

use crate::ledger::index::customer_numbers::to_u32;
use parking_lot::RwLock;
use roaring::RoaringBitmap;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The target of each merged customer, for readers that do not lock customers. Never stored: it is rebuilt from the
/// customers. An entry changes only under the locks of both customers.
#[derive(Default)]
pub(in crate::ledger) struct MergeTargets {
    targets: RwLock<Targets>,
    /// The number of entries. While it is 0, a lookup takes no lock.
    len: AtomicUsize,
}

#[derive(Default)]
struct Targets {
    by_number: HashMap<u64, u64>,
    /// The keys of `by_number`.
    merged: RoaringBitmap,
}

impl MergeTargets {
    /// Sets the target of a merged customer.
    pub(in crate::ledger) fn set(&self, number: u64, target: u64) {
        let mut targets = self.targets.write();
        targets.by_number.insert(number, target);
        targets.merged.insert(to_u32(number));
        self.len.store(targets.by_number.len(), Ordering::Release);
    }

    /// The customer that a number leads to: its target, or itself.
    pub(in crate::ledger) fn current(&self, number: u64) -> u64 {
        if self.len.load(Ordering::Acquire) == 0 {
            return number;
        }
        self.targets.read().by_number.get(&number).copied().unwrap_or(number)
    }

    /// The customers that numbers lead to. It takes a step for each merged number among them.
    pub(in crate::ledger) fn all_current(&self, mut numbers: RoaringBitmap) -> RoaringBitmap {
        if self.len.load(Ordering::Acquire) == 0 {
            return numbers;
        }
        let targets = self.targets.read();
        let merged = &numbers & &targets.merged;
        numbers -= &merged;
        numbers
            .extend(merged.iter().filter_map(|number| targets.by_number.get(&u64::from(number)).copied().map(to_u32)));
        numbers
    }
}

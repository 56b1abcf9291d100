//! Customers who have become one: whoever asks for one of them locks all, and sees them as of one time.
//!
//! A merge moves nothing: the source stays in memory with its transactions and its usage, and says whose part it is. The
//! indexes go on leading to the source, so that it keeps its age among those who share an attribute; from there it is one
//! step to the target, under the lock, where no merge can come between. Who was never merged costs one look at a list
//! that is not there.

use crate::ledger::{
    Ledger,
    state::{
        index::number_of,
        shards::{LockedShards, Shard},
    },
};
use crate::{
    domain::{
        customer::aggregate::Customer,
        decision::refusal::Refusal,
        usage::{limits::UsageSeriesSet, series::UsageSeries},
        vocabulary::time::Millis,
    },
    storage::journal::Lsn,
};
use parking_lot::{MutexGuard, RwLock};
use smallvec::SmallVec;
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The usage of those who were merged.
pub(in crate::ledger) type Others<'h> = SmallVec<[&'h [UsageSeries]; 2]>;

/// A customer with all who were merged into it, under lock.
pub(in crate::ledger) struct Locked<'l> {
    /// The one who stands for all.
    head: u64,
    guards: Guards<'l>,
}

enum Guards<'l> {
    One(MutexGuard<'l, Shard>),
    /// And the numbers of the others.
    Several(LockedShards<'l>, Vec<u64>),
}

/// A customer and all who are part of it.
pub(in crate::ledger) struct MergeGroup<'h> {
    /// Whose identity, standing, level and limits count.
    pub(in crate::ledger) head: &'h mut Customer,
    /// Whose usage counts with the head's.
    pub(in crate::ledger) others: SmallVec<[&'h mut Customer; 2]>,
}

impl Locked<'_> {
    /// Those who are locked; `None`: there is nobody of the number.
    pub(in crate::ledger) fn merge_group(&mut self) -> Option<MergeGroup<'_>> {
        match &mut self.guards {
            Guards::One(shard) => Some(MergeGroup::of(shard.get_mut(&self.head)?)),
            Guards::Several(shards, others) => {
                let mut numbers = vec![self.head];
                numbers.extend_from_slice(others);
                let mut all = shards.several(&numbers);
                let head = all.iter().position(|customer| customer.number() == self.head)?;
                let head = all.swap_remove(head);
                Some(MergeGroup { head, others: all.into() })
            }
        }
    }
}

impl<'h> MergeGroup<'h> {
    /// A customer alone.
    pub(in crate::ledger) fn of(head: &'h mut Customer) -> Self {
        Self { head, others: SmallVec::new() }
    }

    /// The member of a number.
    pub(in crate::ledger) fn member(&mut self, number: u64) -> Option<&mut Customer> {
        if self.head.number() == number {
            return Some(self.head);
        }
        self.others.iter_mut().find(|other| other.number() == number).map(|other| &mut **other)
    }

    /// Lets the holds of all run out; returns the time from which they are to be seen, which is one for all. The second
    /// number counts as [`Customer::settle`] does.
    fn settle(&mut self, now: Millis) -> (Millis, u64) {
        let (mut now, mut visited) = self.head.settle(now);
        if self.others.is_empty() {
            return (now, visited);
        }
        now = self.others.iter().map(|other| other.settled_at()).fold(now, Millis::max);
        for member in self.others.iter_mut().map(|other| &mut **other).chain([&mut *self.head]) {
            visited += member.settle(now).1;
        }
        (now, visited)
    }

    /// The usage of the others.
    pub(in crate::ledger) fn others(&self) -> Others<'_> {
        self.others.iter().map(|other| other.books()).collect()
    }

    /// All who belong to it.
    pub(in crate::ledger) fn members(&self) -> impl Iterator<Item = &Customer> {
        std::iter::once(&*self.head).chain(self.others.iter().map(|other| &**other))
    }
}

/// A customer as it is looked at: with the usage of all who were merged into it.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// The customer.
    pub customer: &'a Customer,
    /// What counts.
    pub books: UsageSeriesSet<'a>,
    /// The record that all of it rests on, which must be committed before it is said.
    pub rests_on: Lsn,
}

impl Ledger {
    /// Locks whoever a number leads to, with all who are part of it.
    pub(in crate::ledger) fn lock_household(&self, number: u64) -> Locked<'_> {
        let mut head = number;
        loop {
            let shard = self.customers.lock(head);
            let Some(customer) = shard.get(&head) else { return Locked { head, guards: Guards::One(shard) } };
            // Before anything is asked of the customer: else what that waits for comes first, and this behind it.
            customer.touch();
            if let Some(into) = customer.merged_into() {
                head = into;
                continue;
            }
            if customer.merged().is_empty() {
                return Locked { head, guards: Guards::One(shard) };
            }
            let others = customer.merged().to_vec();
            drop(shard);
            let mut numbers = others.clone();
            numbers.push(head);
            let shards = self.customers.lock_all(&numbers);
            let is_still = |customer: &Customer| customer.merged_into().is_none() && customer.merged() == others;
            if shards.get(head).is_some_and(is_still) {
                return Locked { head, guards: Guards::Several(shards, others) };
            }
        }
    }

    /// [`Ledger::settle`] of all of a household.
    pub(in crate::ledger) fn settle_all(&self, merge_group: &mut MergeGroup<'_>, now: Millis) -> Millis {
        let (now, visited) = merge_group.settle(self.not_later(now));
        if visited > 0 {
            self.holds_visited.fetch_add(visited, Ordering::Relaxed);
        }
        now
    }

    /// The last record that what a household comes to rests on: of its members, or of what several share.
    pub(in crate::ledger) fn rests_on(&self, merge_group: &MergeGroup<'_>) -> Lsn {
        let own = merge_group.members().map(|member| member.applied).max().unwrap_or(0);
        self.journal.last_shared().max(Lsn(own))
    }

    /// Does something with a merchant's customer, and all who are part of it, under their locks.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub(in crate::ledger) fn with_household<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        visit: impl FnOnce(&mut MergeGroup<'_>) -> T,
    ) -> Result<T, Refusal> {
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        let mut locked = self.lock_household(number);
        let merge_group = locked.merge_group().filter(|merge_group| merge_group.head.merchant.as_str() == merchant);
        Ok(visit(&mut merge_group.ok_or_else(unknown)?))
    }

    /// Who stands for a customer of a merchant, and the numbers of all who are part of that one.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub(in crate::ledger) fn household_at(
        &self,
        merchant: &str,
        customer_id: &str,
    ) -> Result<(u64, Vec<u64>), Refusal> {
        let numbers = |merge_group: &MergeGroup<'_>| merge_group.members().map(|member| member.number()).collect();
        self.with_household(merchant, customer_id, |merge_group| (merge_group.head.number(), numbers(merge_group)))
    }
}

/// Who stands for those who were merged. Never stored; rebuilt from the customers. For whoever may not lock a customer:
/// it is changed under the locks of all whom it is about.
#[derive(Default)]
pub(in crate::ledger) struct Leads {
    into: RwLock<HashMap<u64, u64>>,
    /// How many, for whoever need not look.
    len: AtomicUsize,
}

impl Leads {
    /// From now on a customer stands for another.
    pub(in crate::ledger) fn set(&self, number: u64, into: u64) {
        let mut all = self.into.write();
        all.insert(number, into);
        self.len.store(all.len(), Ordering::Release);
    }

    /// Who stands for a customer.
    pub(in crate::ledger) fn of(&self, number: u64) -> u64 {
        if self.len.load(Ordering::Acquire) == 0 {
            return number;
        }
        self.into.read().get(&number).copied().unwrap_or(number)
    }

    /// Those who stand for these, each once, in the order in which they come first.
    pub(in crate::ledger) fn all_of(&self, numbers: Vec<u64>) -> Vec<u64> {
        if self.len.load(Ordering::Acquire) == 0 {
            return numbers;
        }
        let mut seen = HashSet::with_capacity(numbers.len());
        numbers.into_iter().map(|number| self.of(number)).filter(|number| seen.insert(*number)).collect()
    }
}

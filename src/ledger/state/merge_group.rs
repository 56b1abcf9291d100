//! Merge groups: a customer and all customers that are merged into it, locked together and read as of one time.
//!
//! A merge moves no data. The source stays in memory with its transactions and its usage, and stores the number of its
//! target. The indexes keep the number of the source, so that the source keeps its age among the customers that share an
//! attribute. A merge of a target also sets the new target of its sources: one step always leads to the head of the group.

use crate::ledger::{
    index::customer_numbers::number_of,
    state::{
        ledger::Ledger,
        shards::{LockedShards, Shard},
    },
};
use crate::{
    domain::{
        customer::aggregate::Customer, request::refusal::Refusal, usage::series::UsageSeries, vocabulary::time::Millis,
    },
    storage::journal::Lsn,
};
use parking_lot::MutexGuard;
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// The usage of several members of a merge group.
pub(in crate::ledger) type MemberUsage<'h> = SmallVec<[&'h [UsageSeries]; 2]>;

/// The locks of a merge group.
pub(in crate::ledger) struct LockedMergeGroup<'l> {
    head: u64,
    guards: Guards<'l>,
}

enum Guards<'l> {
    One(MutexGuard<'l, Shard>),
    /// Several shards, and the numbers of the other members.
    Several(LockedShards<'l>, Vec<u64>),
}

/// A customer and all customers that are merged into it.
pub(in crate::ledger) struct MergeGroup<'h> {
    /// The customer whose identity, status, level and limits apply.
    pub(in crate::ledger) head: &'h mut Customer,
    /// The merged customers. Their usage counts in addition to the head's.
    pub(in crate::ledger) others: SmallVec<[&'h mut Customer; 2]>,
}

impl LockedMergeGroup<'_> {
    /// The members. `None`: no customer has the number.
    pub(in crate::ledger) fn members(&mut self) -> Option<MergeGroup<'_>> {
        match &mut self.guards {
            Guards::One(shard) => Some(MergeGroup::of(shard.get_mut(self.head)?)),
            Guards::Several(shards, others) => {
                let mut numbers = vec![self.head];
                numbers.extend_from_slice(others);
                let mut all = shards.get_all_mut(&numbers);
                let head = all.iter().position(|customer| customer.number() == self.head)?;
                let head = all.swap_remove(head);
                Some(MergeGroup { head, others: all.into() })
            }
        }
    }
}

impl<'h> MergeGroup<'h> {
    /// The group of an unmerged customer.
    pub(in crate::ledger) fn of(head: &'h mut Customer) -> Self {
        Self { head, others: SmallVec::new() }
    }

    /// The member with a number.
    pub(in crate::ledger) fn member(&mut self, number: u64) -> Option<&mut Customer> {
        if self.head.number() == number {
            return Some(self.head);
        }
        self.others.iter_mut().find(|other| other.number() == number).map(|other| &mut **other)
    }

    /// Ends the expired holds of all members. Returns the time as of which all are read, which is the same for all, and
    /// the number of visited holds.
    fn settle(&mut self, now: Millis) -> (Millis, u64) {
        let (mut now, mut visited) = self.head.expire_holds(now);
        if self.others.is_empty() {
            return (now, visited);
        }
        now = self.others.iter().map(|other| other.settled_at()).fold(now, Millis::max);
        for member in self.others.iter_mut().map(|other| &mut **other).chain([&mut *self.head]) {
            visited += member.expire_holds(now).1;
        }
        (now, visited)
    }

    /// The usage of the merged customers.
    pub(in crate::ledger) fn other_usage(&self) -> MemberUsage<'_> {
        self.others.iter().map(|other| other.usage_series()).collect()
    }

    /// All members, the head first.
    pub(in crate::ledger) fn members(&self) -> impl Iterator<Item = &Customer> {
        std::iter::once(&*self.head).chain(self.others.iter().map(|other| &**other))
    }
}

impl Ledger {
    /// Locks the merge group that a customer number leads to. An unmerged customer costs one null check more than its
    /// lock.
    pub(in crate::ledger) fn lock_merge_group(&self, number: u64) -> LockedMergeGroup<'_> {
        let mut head = number;
        loop {
            let shard = self.customers.lock(head);
            let Some(customer) = shard.get(head) else { return LockedMergeGroup { head, guards: Guards::One(shard) } };
            // Before the first field is read: otherwise these loads wait for that one.
            customer.prefetch();
            if let Some(target) = customer.merged_into() {
                head = target;
                continue;
            }
            if customer.merged().is_empty() {
                return LockedMergeGroup { head, guards: Guards::One(shard) };
            }
            let others = customer.merged().to_vec();
            drop(shard);
            let mut numbers = others.clone();
            numbers.push(head);
            let shards = self.customers.lock_all(&numbers);
            let is_unchanged = |customer: &Customer| customer.merged_into().is_none() && customer.merged() == others;
            if shards.get(head).is_some_and(is_unchanged) {
                return LockedMergeGroup { head, guards: Guards::Several(shards, others) };
            }
        }
    }

    /// [`Ledger::settle`] for all members of a merge group.
    pub(in crate::ledger) fn settle_group(&self, merge_group: &mut MergeGroup<'_>, now: Millis) -> Millis {
        let (now, visited) = merge_group.settle(self.limited_time(now));
        if visited > 0 {
            self.holds_visited.fetch_add(visited, Ordering::Relaxed);
        }
        now
    }

    /// The LSN that the state of a merge group depends on: of its members, or of a record about several customers.
    pub(in crate::ledger) fn depends_on_lsn(&self, merge_group: &MergeGroup<'_>) -> Lsn {
        let own = merge_group.members().map(|member| member.applied).max().unwrap_or(0);
        self.journal.last_shared().max(Lsn(own))
    }

    /// Calls `visit` with the merge group that a merchant's `customer_id` leads to, under the locks of its members.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub(in crate::ledger) fn with_current_customer<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        visit: impl FnOnce(&mut MergeGroup<'_>) -> T,
    ) -> Result<T, Refusal> {
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        let mut locked = self.lock_merge_group(number);
        let merge_group = locked.members().filter(|merge_group| merge_group.head.merchant.as_str() == merchant);
        Ok(visit(&mut merge_group.ok_or_else(unknown)?))
    }

    /// The numbers of the merge group that a merchant's `customer_id` leads to, the head first.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn merge_group_numbers(&self, merchant: &str, customer_id: &str) -> Result<SmallVec<[u64; 2]>, Refusal> {
        self.with_current_customer(merchant, customer_id, |merge_group| {
            merge_group.members().map(|member| member.number()).collect()
        })
    }

    /// Calls `attempt` with the number of the customer that a number leads to, and again as long as it returns `None`.
    /// For changes that take other locks before the customer's: `attempt` takes its locks and returns `None` where
    /// `merged_into` is set by then, or where the customer no longer is what the locks were chosen for.
    ///
    /// # Errors
    /// Those of `attempt`.
    pub(in crate::ledger) fn retry_on_current<T>(
        &self,
        number: u64,
        mut attempt: impl FnMut(u64) -> Result<Option<T>, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            if let Some(done) = attempt(self.identities.merge_targets.current(number))? {
                return Ok(done);
            }
        }
    }
}

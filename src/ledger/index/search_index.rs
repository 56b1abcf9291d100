//! The search index: which customers of a merchant have a level, a status, a label, and when they were created. Never
//! stored: it is rebuilt from the customers.
//!
//! A set of customers is a bitmap of their numbers. The intersection of several filters costs one step for each 65,536
//! customers, and a page costs one step for each row. Numbers grow in the order of creation, and pages follow them: a
//! customer that is added or removed between two pages moves no other customer.
//!
//! A status that follows from the time is in no set, because no record says when a card expires. The index has the status
//! of each customer while one of its instruments is usable, and the month after which the customer is `not_active`. A
//! query states its month and moves those customers between the sets, so that it agrees with the documents.

use crate::domain::{
    customer::{
        aggregate::{Customer, core::StatusByMonth},
        status::CustomerStatus,
    },
    vocabulary::{
        calendar::month::Month,
        direction::Direction,
        names::{Map, Name},
        time::Millis,
    },
};
use crate::ledger::index::{
    creation_times::{BlockSpan, CreationPeriod, CreationTimes, PeriodCursor},
    customer_numbers::to_u32,
};
use dashmap::DashMap;
use parking_lot::Mutex;
use roaring::{MultiOps, RoaringBitmap};
use smallvec::SmallVec;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A property by which customers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchKey {
    /// The stored level of a direction; `None`: empty.
    Level(Direction, Option<Name>),
    /// The status.
    Status(CustomerStatus),
    /// One of the labels.
    Label(Name),
}

/// All properties by which one customer is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct SearchKeys {
    created: Millis,
    /// With the status up to the end of `last_month`.
    keys: SmallVec<[SearchKey; 4]>,
    /// See [`StatusByMonth::last_month`].
    last_month: Option<Month>,
    /// When the personal attributes are to be erased.
    deletion_due: Option<Millis>,
}

impl SearchKeys {
    pub(in crate::ledger) fn of(customer: &Customer) -> Self {
        let [deposit, withdrawal] = customer.levels;
        let StatusByMonth { status, last_month } = customer.status_by_month();
        let mut keys: SmallVec<[SearchKey; 4]> = SmallVec::from_slice(&[
            SearchKey::Level(Direction::Deposit, deposit),
            SearchKey::Level(Direction::Withdrawal, withdrawal),
            SearchKey::Status(status),
        ]);
        keys.extend(customer.labels().iter().map(|label| SearchKey::Label(*label)));
        let deletion_due = customer.profile().and_then(|profile| profile.deletion_due);
        Self { created: customer.created, keys, last_month, deletion_due }
    }

    /// Whether the customer has a key in a month.
    pub(in crate::ledger) fn contains(&self, key: SearchKey, month: Month) -> bool {
        match key {
            SearchKey::Status(status) if self.last_month.is_some_and(|last| last < month) => {
                status == CustomerStatus::NotActive
            }
            key => self.keys.contains(&key),
        }
    }
}

/// A customer of a merchant and its search keys.
pub(in crate::ledger) struct SearchEntry {
    pub(in crate::ledger) merchant: Name,
    pub(in crate::ledger) number: u64,
    pub(in crate::ledger) keys: SearchKeys,
}

/// A query for candidates of one merchant.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct SearchQuery<'a> {
    /// A candidate has all of them.
    pub(in crate::ledger) keys: &'a [SearchKey],
    /// The month of the query in the time zone of the merchant.
    pub(in crate::ledger) month: Month,
    /// A candidate is in each of these sets.
    pub(in crate::ledger) within: &'a [RoaringBitmap],
    /// Created at this time or later.
    pub(in crate::ledger) created_from: Option<Millis>,
    /// Created before this time.
    pub(in crate::ledger) created_to: Option<Millis>,
    /// After this number in the order of the page.
    pub(in crate::ledger) after: Option<u32>,
    /// The newest customer first.
    pub(in crate::ledger) descending: bool,
    /// The most candidates to return.
    pub(in crate::ledger) limit: usize,
}

#[derive(Default)]
struct MerchantSearchIndex {
    all: RoaringBitmap,
    by_key: Map<SearchKey, RoaringBitmap>,
    /// Customers by the month after which they are `not_active`; see [`StatusByMonth::last_month`].
    by_last_month: BTreeMap<Month, RoaringBitmap>,
    created: CreationTimes,
}

impl MerchantSearchIndex {
    fn candidates(&self, query: &SearchQuery<'_>) -> Vec<u32> {
        let created = self.created_within(query);
        match self.common(query, created.as_ref()) {
            Some(common) => page(&common, query),
            None => Vec::new(),
        }
    }

    /// The customers that have all keys of a query and are in all of its sets, and in one more. `None`: there are none.
    fn common<'s>(
        &'s self,
        query: &SearchQuery<'s>,
        created: Option<&'s RoaringBitmap>,
    ) -> Option<Cow<'s, RoaringBitmap>> {
        let mut sets: Vec<Cow<'s, RoaringBitmap>> = Vec::with_capacity(query.keys.len() + query.within.len() + 2);
        for key in query.keys {
            sets.push(self.customers_with(*key, query.month)?);
        }
        sets.extend(query.within.iter().chain(created).map(Cow::Borrowed));
        // The given sets contain customers of other merchants and merged ones.
        if sets.is_empty() || !query.within.is_empty() {
            sets.push(Cow::Borrowed(&self.all));
        }
        // The smallest is copied.
        sets.sort_by_key(|set| set.len());
        let mut sets = sets.into_iter();
        let smallest = sets.next()?;
        if sets.len() == 0 {
            return Some(smallest);
        }
        let mut common = smallest.into_owned();
        sets.for_each(|set| common &= &*set);
        Some(Cow::Owned(common))
    }

    /// The customers with a key in a month.
    fn customers_with(&self, key: SearchKey, month: Month) -> Option<Cow<'_, RoaringBitmap>> {
        let known = self.by_key.get(&key).map(Cow::Borrowed);
        let is_moved = match key {
            SearchKey::Status(CustomerStatus::NotActive) => true,
            SearchKey::Status(CustomerStatus::New | CustomerStatus::Member) => false,
            _ => return known,
        };
        let mut moved = self.by_last_month.range(..month).map(|(_, set)| set).peekable();
        if moved.peek().is_none() {
            return known;
        }
        let moved: RoaringBitmap = moved.union();
        match is_moved {
            true => Some(Cow::Owned(known.map_or(moved.clone(), |known| known.as_ref() | &moved))),
            false => known.map(|known| Cow::Owned(known.as_ref() - &moved)),
        }
    }

    /// Moves a customer from one set of [`Self::by_last_month`] to another.
    fn move_last_month(&mut self, number: u32, old: Option<Month>, new: Option<Month>) {
        if old == new {
            return;
        }
        if let Some(old) = old
            && self.by_last_month.get_mut(&old).is_some_and(|set| remove_from(set, number))
        {
            self.by_last_month.remove(&old);
        }
        new.iter().for_each(|new| _ = self.by_last_month.entry(*new).or_default().insert(number));
    }

    /// A superset of the customers created within the span of a query. Without a span: `None`.
    fn created_within(&self, query: &SearchQuery<'_>) -> Option<RoaringBitmap> {
        if query.created_from.is_none() && query.created_to.is_none() {
            return None;
        }
        let from = query.created_from.unwrap_or(Millis(i64::MIN));
        let last = Millis(query.created_to.map_or(i64::MAX, |to| to.0.saturating_sub(1)));
        Some(self.created.within(from, last, &self.all))
    }
}

/// Removes a number from a set. Returns whether the set is empty now.
fn remove_from(set: &mut RoaringBitmap, number: u32) -> bool {
    set.remove(number);
    set.is_empty()
}

fn page(set: &RoaringBitmap, query: &SearchQuery<'_>) -> Vec<u32> {
    match (query.descending, query.after) {
        (false, None) => set.iter().take(query.limit).collect(),
        (false, Some(after)) => set.range(after.saturating_add(1)..).take(query.limit).collect(),
        (true, None) => set.iter().rev().take(query.limit).collect(),
        (true, Some(after)) => set.range(..after).rev().take(query.limit).collect(),
    }
}

/// The search indexes of all merchants, and the customers that are to be erased.
#[derive(Default)]
pub(in crate::ledger) struct SearchIndex {
    merchants: DashMap<Name, Arc<Mutex<MerchantSearchIndex>>>,
    /// The customers whose personal attributes are to be erased, by due time.
    deletions_due: Mutex<BTreeSet<(Millis, u64)>>,
    /// The customers whose attributes are erased and whose keys are not yet.
    keys_due: Mutex<BTreeSet<u64>>,
}

impl SearchIndex {
    fn of_merchant(&self, merchant: Name) -> Arc<Mutex<MerchantSearchIndex>> {
        // No lock is taken while a guard of the map is held.
        if let Some(known) = self.merchants.get(&merchant) {
            return Arc::clone(&known);
        }
        Arc::clone(&self.merchants.entry(merchant).or_default())
    }

    /// The number of a merchant's customers with a property.
    pub(in crate::ledger) fn count(&self, merchant: Name, key: SearchKey) -> u64 {
        if !self.contains_merchant(merchant) {
            return 0;
        }
        self.of_merchant(merchant).lock().by_key.get(&key).map_or(0, RoaringBitmap::len)
    }

    /// Whether a merchant has or had customers.
    pub(in crate::ledger) fn contains_merchant(&self, merchant: Name) -> bool {
        self.merchants.contains_key(&merchant)
    }

    /// Replaces the search keys of a customer. The caller holds the customer's lock.
    pub(in crate::ledger) fn update(
        &self,
        merchant: Name,
        number: u64,
        old: Option<&SearchKeys>,
        new: Option<&SearchKeys>,
    ) {
        if old == new {
            return;
        }
        let due = |keys: Option<&SearchKeys>| keys.and_then(|keys| keys.deletion_due).map(|due| (due, number));
        if due(old) != due(new) {
            let mut all = self.deletions_due.lock();
            due(old).iter().for_each(|due| _ = all.remove(due));
            all.extend(due(new));
        }
        let number = to_u32(number);
        let index = self.of_merchant(merchant);
        let mut index = index.lock();
        old.iter().for_each(|keys| index.created.remove(number, keys.created));
        new.iter().for_each(|keys| index.created.add(number, keys.created));
        let last_month = |keys: Option<&SearchKeys>| keys.and_then(|keys| keys.last_month);
        index.move_last_month(number, last_month(old), last_month(new));
        let MerchantSearchIndex { all, by_key, .. } = &mut *index;
        let keys = |keys: Option<&SearchKeys>| keys.map(|keys| keys.keys.clone()).unwrap_or_default();
        let (old_keys, new_keys) = (keys(old), keys(new));
        for key in old_keys.iter().filter(|key| !new_keys.contains(key)) {
            if by_key.get_mut(key).is_some_and(|set| remove_from(set, number)) {
                by_key.remove(key);
            }
        }
        for key in new_keys.iter().filter(|key| !old_keys.contains(key)) {
            by_key.entry(*key).or_default().insert(number);
        }
        match new {
            Some(_) => _ = all.insert(number),
            None => _ = all.remove(number),
        }
    }

    /// Adds many new customers at once, in lists of any order. They are sorted first, so that each is appended to its sets.
    pub(in crate::ledger) fn insert_all(&self, lists: &[Vec<SearchEntry>]) {
        let entries = || lists.iter().flatten();
        let mut sorted: Vec<(Name, u64, &SearchKeys)> =
            entries().map(|entry| (entry.merchant, entry.number, &entry.keys)).collect();
        sorted.sort_unstable_by_key(|(merchant, number, _)| (*merchant, *number));
        for of_merchant in sorted.chunk_by(|(one, ..), (next, ..)| one == next) {
            let index = self.of_merchant(of_merchant[0].0);
            let mut index = index.lock();
            for (_, number, keys) in of_merchant {
                index.created.add(to_u32(*number), keys.created);
                index.move_last_month(to_u32(*number), None, keys.last_month);
            }
            let MerchantSearchIndex { all, by_key, .. } = &mut *index;
            for (_, number, keys) in of_merchant {
                all.insert(to_u32(*number));
                keys.keys.iter().for_each(|key| _ = by_key.entry(*key).or_default().insert(to_u32(*number)));
            }
        }
        let due = entries().filter_map(|entry| entry.keys.deletion_due.map(|due| (due, entry.number)));
        self.deletions_due.lock().extend(due);
    }

    /// The customers whose personal attributes are to be erased by now, at most `limit`.
    pub(in crate::ledger) fn deletions_due(&self, now: Millis, limit: usize) -> Vec<u64> {
        self.deletions_due.lock().range(..=(now, u64::MAX)).take(limit).map(|(_, number)| *number).collect()
    }

    /// Adds a customer whose key is to be erased.
    pub(in crate::ledger) fn add_key_due(&self, number: u64) {
        self.keys_due.lock().insert(number);
    }

    /// Removes a customer whose key is erased.
    pub(in crate::ledger) fn remove_key_due(&self, number: u64) {
        self.keys_due.lock().remove(&number);
    }

    /// The customers whose keys are to be erased.
    pub(in crate::ledger) fn keys_due(&self) -> Vec<u64> {
        self.keys_due.lock().iter().copied().collect()
    }

    /// The merchants with customers.
    pub(in crate::ledger) fn merchants(&self) -> Vec<Name> {
        let known: Vec<_> = self.merchants.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect();
        known.into_iter().filter(|(_, index)| !index.lock().all.is_empty()).map(|(id, _)| id).collect()
    }

    /// The customers of a merchant in a set. It takes a step for each 65,536 numbers.
    pub(in crate::ledger) fn among(&self, merchant: Name, numbers: &RoaringBitmap) -> RoaringBitmap {
        let index = self.merchants.get(&merchant).map(|known| Arc::clone(&known));
        index.map(|index| &index.lock().all & numbers).unwrap_or_default()
    }

    /// The numbers of customers that have all keys, in the order of the page. Some may have been created outside of the
    /// time span: the caller checks each.
    pub(in crate::ledger) fn candidates(&self, merchant: Name, query: &SearchQuery<'_>) -> Vec<u32> {
        let Some(index) = self.merchants.get(&merchant).map(|known| Arc::clone(&known)) else { return Vec::new() };
        let index = index.lock();
        index.candidates(query)
    }

    /// The customers that have all keys and are in all sets of a query, whenever they were created.
    pub(in crate::ledger) fn all_candidates(&self, merchant: Name, query: &SearchQuery<'_>) -> RoaringBitmap {
        let Some(index) = self.merchants.get(&merchant).map(|known| Arc::clone(&known)) else {
            return RoaringBitmap::new();
        };
        let index = index.lock();
        index.common(query, None).map(Cow::into_owned).unwrap_or_default()
    }

    /// The customers of a set that were created in the first period, in order, from a period on. `None`: there are none.
    pub(in crate::ledger) fn next_period(
        &self,
        merchant: Name,
        set: &RoaringBitmap,
        cursor: PeriodCursor,
    ) -> Option<CreationPeriod> {
        let index = self.merchants.get(&merchant).map(|known| Arc::clone(&known))?;
        let index = index.lock();
        index.created.next_period(set, cursor)
    }

    /// The creation times of the blocks of numbers that contain customers of a set. It takes a step for each block of the
    /// merchant.
    pub(in crate::ledger) fn block_spans(&self, merchant: Name, set: &RoaringBitmap) -> Vec<BlockSpan> {
        let Some(index) = self.merchants.get(&merchant).map(|known| Arc::clone(&known)) else { return Vec::new() };
        let index = index.lock();
        index.created.block_spans(set)
    }
}

#[cfg(test)]
mod tests;

//! Customers in shards, each with its lock, and stripes of locks.

use crate::domain::customer::aggregate::Customer;
use crate::ledger::index::{
    customer_numbers::{FIRST_CUSTOMER, LAST_CUSTOMER},
    sharding::{SHARDS, SpreadHashBuilder, shard_of},
};
use parking_lot::{Mutex, MutexGuard};
use prefetch_index::prefetch_index;
use smallvec::SmallVec;
use std::collections::HashMap;

/// The customers of one shard. Numbers are assigned consecutively, so a number is an index into the shard and no key is
/// compared.
#[derive(Default)]
pub(in crate::ledger) struct Shard {
    customers: Vec<Option<Customer>>,
    /// Placeholders, whose numbers are below [`FIRST_CUSTOMER`]. They own the transactions without a customer.
    placeholders: HashMap<u64, Customer, SpreadHashBuilder>,
}

/// The index of a customer in its shard. `None`: the number is a placeholder's.
fn index_of(number: u64) -> Option<usize> {
    let numbers = FIRST_CUSTOMER..=LAST_CUSTOMER;
    let index = numbers.contains(&number).then(|| (number - FIRST_CUSTOMER) / SHARDS as u64)?;
    usize::try_from(index).ok()
}

impl Shard {
    pub(in crate::ledger) fn get(&self, number: u64) -> Option<&Customer> {
        match index_of(number) {
            Some(index) => self.customers.get(index)?.as_ref(),
            None => self.placeholders.get(&number),
        }
    }

    /// Loads the place of a customer into the cache.
    pub(in crate::ledger) fn prefetch(&self, number: u64) {
        if let Some(index) = index_of(number) {
            prefetch_index(&self.customers, index);
        }
    }

    pub(in crate::ledger) fn get_mut(&mut self, number: u64) -> Option<&mut Customer> {
        match index_of(number) {
            Some(index) => self.customers.get_mut(index)?.as_mut(),
            None => self.placeholders.get_mut(&number),
        }
    }

    /// The customers of ascending numbers that are in this shard.
    fn get_all_mut(&mut self, numbers: &[u64]) -> Vec<&mut Customer> {
        let (mut found, mut customers, mut visited) = (Vec::new(), self.customers.iter_mut(), 0);
        for index in numbers.iter().filter_map(|number| index_of(*number)) {
            found.extend(customers.nth(index - visited).and_then(Option::as_mut));
            visited = index + 1;
        }
        let placeholders = self.placeholders.iter_mut().filter(|(number, _)| numbers.contains(number));
        found.extend(placeholders.map(|(_, customer)| customer));
        found
    }

    pub(in crate::ledger) fn insert(&mut self, number: u64, customer: Customer) {
        match index_of(number) {
            Some(index) => {
                if self.customers.len() <= index {
                    // Grows by an eighth: doubling would leave a third of the memory empty.
                    if self.customers.capacity() <= index {
                        self.customers.reserve_exact(index + 1 + index / 8 - self.customers.len());
                    }
                    self.customers.resize_with(index + 1, || None);
                }
                self.customers[index] = Some(customer);
            }
            None => _ = self.placeholders.insert(number, customer),
        }
    }

    /// The placeholder of a number, created where it does not exist.
    pub(in crate::ledger) fn placeholder(&mut self, number: u64, create: impl FnOnce() -> Customer) -> &mut Customer {
        self.placeholders.entry(number).or_insert_with(create)
    }

    /// All placeholders.
    pub(in crate::ledger) fn placeholders(&self) -> impl Iterator<Item = &Customer> {
        self.placeholders.values()
    }

    /// Creates the customer of a number, unless it exists.
    pub(in crate::ledger) fn insert_absent(&mut self, number: u64, create: impl FnOnce() -> Customer) {
        if self.get(number).is_none() {
            self.insert(number, create());
        }
    }

    pub(in crate::ledger) fn values(&self) -> impl Iterator<Item = &Customer> {
        self.customers.iter().flatten().chain(self.placeholders.values())
    }

    pub(in crate::ledger) fn values_mut(&mut self) -> impl Iterator<Item = &mut Customer> {
        self.customers.iter_mut().flatten().chain(self.placeholders.values_mut())
    }

    pub(in crate::ledger) fn numbers(&self) -> Vec<u64> {
        self.values().map(|customer| customer.number()).collect()
    }
}

/// All customers. The lock of a customer is the lock of its shard.
pub(in crate::ledger) struct Customers(Box<[Mutex<Shard>]>);

impl Customers {
    pub(in crate::ledger) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Loads the shard of a customer into the cache.
    pub(in crate::ledger) fn prefetch(&self, number: u64) {
        prefetch_index(&self.0, shard_of(number));
    }

    /// Locks the shard of a customer, unless another thread holds it.
    pub(in crate::ledger) fn try_lock(&self, number: u64) -> Option<MutexGuard<'_, Shard>> {
        self.0[shard_of(number)].try_lock()
    }

    /// Locks the shard of a customer.
    pub(in crate::ledger) fn lock(&self, number: u64) -> MutexGuard<'_, Shard> {
        self.0[shard_of(number)].lock()
    }

    /// Locks the shards of several customers, each once, in ascending order.
    pub(in crate::ledger) fn lock_all(&self, numbers: &[u64]) -> LockedShards<'_> {
        let mut shards: Vec<usize> = numbers.iter().map(|number| shard_of(*number)).collect();
        shards.sort_unstable();
        shards.dedup();
        LockedShards(shards.into_iter().map(|shard| (shard, self.0[shard].lock())).collect())
    }

    /// Locks all shards, in ascending order, as [`Customers::lock_all`] does.
    pub(in crate::ledger) fn lock_every(&self) -> LockedShards<'_> {
        LockedShards(self.all_shards().into_iter().enumerate().collect())
    }

    /// Locks a shard by its index.
    pub(in crate::ledger) fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.0[index].lock()
    }

    /// Locks all shards, in ascending order.
    pub(in crate::ledger) fn all_shards(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.0.iter().map(|shard| shard.lock()).collect()
    }
}

/// Several locked shards, in ascending order.
pub(in crate::ledger) struct LockedShards<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl LockedShards<'_> {
    /// Inserts a customer into its shard, which must be locked.
    pub(in crate::ledger) fn insert(&mut self, number: u64, customer: Customer) {
        if let Ok(index) = self.0.binary_search_by_key(&shard_of(number), |(shard, _)| *shard) {
            self.0[index].1.insert(number, customer);
        }
    }

    /// The shard of a customer, where it is locked.
    pub(in crate::ledger) fn shard_mut(&mut self, number: u64) -> Option<&mut Shard> {
        let index = self.0.binary_search_by_key(&shard_of(number), |(shard, _)| *shard).ok()?;
        Some(&mut *self.0[index].1)
    }

    /// All customers of the locked shards.
    pub(in crate::ledger) fn values_mut(&mut self) -> impl Iterator<Item = &mut Customer> {
        self.0.iter_mut().flat_map(|(_, shard)| shard.values_mut())
    }

    pub(in crate::ledger) fn get(&self, number: u64) -> Option<&Customer> {
        let index = self.0.binary_search_by_key(&shard_of(number), |(shard, _)| *shard).ok()?;
        self.0[index].1.get(number)
    }

    /// The customers of these numbers, each once, in no particular order.
    pub(in crate::ledger) fn get_all_mut(&mut self, numbers: &[u64]) -> Vec<&mut Customer> {
        let mut numbers: Vec<u64> = numbers.to_vec();
        numbers.sort_unstable_by_key(|number| (shard_of(*number), *number));
        numbers.dedup();
        let (mut found, mut rest) = (Vec::with_capacity(numbers.len()), numbers.as_slice());
        for (index, shard) in &mut self.0 {
            rest = &rest[rest.partition_point(|number| shard_of(*number) < *index)..];
            let (in_shard, later) = rest.split_at(rest.partition_point(|number| shard_of(*number) <= *index));
            found.extend(Shard::get_all_mut(shard, in_shard));
            rest = later;
        }
        found
    }
}

/// Locks for keys: each key has the lock of its stripe. `T` is data of the stripe that the lock protects.
pub(in crate::ledger) struct Stripes<T = ()>(Box<[Mutex<T>]>);

impl<T: Default> Stripes<T> {
    pub(in crate::ledger) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Loads the stripe of a key into the cache.
    pub(in crate::ledger) fn prefetch(&self, key: u64) {
        prefetch_index(&self.0, shard_of(key));
    }

    pub(in crate::ledger) fn lock(&self, key: u64) -> MutexGuard<'_, T> {
        self.0[shard_of(key)].lock()
    }

    /// Locks the stripe of a key, unless another thread holds it.
    pub(in crate::ledger) fn try_lock(&self, key: u64) -> Option<MutexGuard<'_, T>> {
        self.0[shard_of(key)].try_lock()
    }

    /// Locks the stripes of several keys, each once, in ascending order.
    pub(in crate::ledger) fn lock_keys(&self, keys: &[u64]) -> LockedStripes<'_, T> {
        let mut stripes: SmallVec<[usize; 2]> = keys.iter().map(|key| shard_of(*key)).collect();
        stripes.sort_unstable();
        stripes.dedup();
        LockedStripes(stripes.into_iter().map(|stripe| (stripe, self.0[stripe].lock())).collect())
    }

    /// Visits the data of all stripes; one stripe is locked at a time.
    pub(in crate::ledger) fn for_each(&self, visit: impl Fn(&mut T)) {
        self.0.iter().for_each(|stripe| visit(&mut stripe.lock()));
    }

    /// Locks the stripes of several digests, each once, in ascending order.
    pub(in crate::ledger) fn lock_all(&self, digests: impl Iterator<Item = u128>) -> Vec<MutexGuard<'_, T>> {
        let mut stripes: Vec<usize> =
            digests.map(|digest| shard_of(u64::try_from(digest >> 64).unwrap_or(0))).collect();
        stripes.sort_unstable();
        stripes.dedup();
        stripes.into_iter().map(|stripe| self.0[stripe].lock()).collect()
    }
}

/// Several locked stripes, in ascending order.
pub(in crate::ledger) struct LockedStripes<'a, T>(SmallVec<[(usize, MutexGuard<'a, T>); 2]>);

impl<T> LockedStripes<'_, T> {
    /// The data of the stripe of a key, where it is locked.
    pub(in crate::ledger) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let index = self.0.binary_search_by_key(&shard_of(key), |(stripe, _)| *stripe).ok()?;
        Some(&mut *self.0[index].1)
    }
}

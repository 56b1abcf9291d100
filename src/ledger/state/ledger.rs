//! The ledger: all state in memory, and its locks.

use crate::ledger::{
    index::{
        customer_numbers::{FIRST_CUSTOMER, LAST_CUSTOMER},
        digest::{DigestKey, Digester},
        identity_index::IdentityIndex,
        number_set::NumberSet,
        search_index::SearchIndex,
        sharding::{SHARDS, SpreadHashBuilder, shard_of},
    },
    state::{
        accepted_clocks::AcceptedClocks,
        archived_facts::ArchivedFacts,
        blocked_instruments::BlockedInstruments,
        currencies::RecordedCurrencies,
        evicted_times::EvictedTimes,
        known_merchants::KnownMerchants,
        level_renames::LevelRenames,
        loaded_transaction::TransactionStripe,
        made_levels::MadeLevels,
        rename_lock::{RenameGuard, RenameLock},
        sealed_merchants::SealedMerchants,
        shards::{Customers, Stripes},
        test_merchants::TestMerchants,
    },
};
use crate::{
    domain::{
        customer::aggregate::Customer,
        decision::clock_skew::ClockSkew,
        request::refusal::Refusal,
        rules::configuration::Rules,
        transaction::log_offset::LogOffset,
        vocabulary::{names::Name, time::Millis},
    },
    storage::journal::{ArchivedTransactions, CachePadded, Journal, Keys},
};
use dashmap::DashMap;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

/// The limits of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// The most transactions in memory. At the limit new reserves are refused; facts are still recorded.
    pub transactions_max: u64,
    /// How far the time of a payment may differ from the current time.
    pub skew: ClockSkew,
}

/// The storage of a ledger.
#[derive(Clone)]
pub struct LedgerStorage {
    /// The journal that records are appended to.
    pub journal: Arc<Journal>,
    /// The keys that seal personal attributes.
    pub keys: Arc<Keys>,
    /// The index of evicted transactions. `None`: no transaction is ever evicted.
    pub archive: Option<Arc<dyn ArchivedTransactions>>,
    /// The secret of the digests.
    pub secret: (u64, u64),
}

impl LedgerStorage {
    /// A journal and keys in memory, without files.
    #[must_use]
    pub fn in_memory(secret: (u64, u64)) -> Self {
        Self {
            journal: Arc::new(Journal::in_memory()),
            keys: Arc::new(Keys::in_memory([0; 16])),
            archive: None,
            secret,
        }
    }
}

/// All state.
///
/// **Lock order.** Each lock is taken after those above it, and never in another order:
/// 1. `snapshot_lock`: a snapshot, or a change of all customers.
/// 2. `rename_lock`: shared by each operation on payments, exclusive for a change of all customers.
/// 3. `signal_stripes`: the stripe of an instrument while a signal about it is recorded, which may take several steps.
/// 4. `id_stripes`: the stripe of a transaction id.
/// 5. `external_ids`: while an external id is generated.
/// 6. `identity_stripes`: the stripes of all identifiers that an operation reads or sets, in ascending order.
/// 7. `customers`: the shards of all customers of the operation, in ascending order.
/// 8. The locks of maps and indexes. They are leaves: no lock is taken while one of them is held.
///
/// An operation appends to the journal and applies its events under the locks of its customers. No thread waits for a
/// disk while it holds such a lock.
pub struct Ledger {
    pub(in crate::ledger) limits: LedgerLimits,
    pub(in crate::ledger) digest_key: DigestKey,
    pub(in crate::ledger) journal: Arc<Journal>,
    pub(in crate::ledger) keys: Arc<Keys>,
    pub(in crate::ledger) archive: Option<Arc<dyn ArchivedTransactions>>,
    pub(in crate::ledger) customers: Customers,
    pub(in crate::ledger) archived_facts: ArchivedFacts,
    pub(in crate::ledger) evicted_times: EvictedTimes,
    pub(in crate::ledger) identities: IdentityIndex,
    pub(in crate::ledger) signal_stripes: Stripes,
    pub(in crate::ledger) id_stripes: Stripes<TransactionStripe>,
    pub(in crate::ledger) identity_stripes: Stripes,
    pub(in crate::ledger) blocked_instruments: BlockedInstruments,
    /// The customers that hold an instrument, at all merchants, by the digest of the instrument.
    pub(in crate::ledger) instrument_holders: DashMap<u128, NumberSet, SpreadHashBuilder>,
    pub(in crate::ledger) search: SearchIndex,
    /// The number of generated external ids by merchant.
    pub(in crate::ledger) external_ids: Mutex<HashMap<Name, u64>>,
    pub(in crate::ledger) currencies: RecordedCurrencies,
    pub(in crate::ledger) known_merchants: KnownMerchants,
    pub(in crate::ledger) made_levels: MadeLevels,
    pub(in crate::ledger) level_renames: LevelRenames,
    pub(in crate::ledger) rename_lock: RenameLock,
    /// Held while a snapshot is taken. The pieces of one customer must agree on the names of levels and on the time.
    pub(in crate::ledger) snapshot_lock: Mutex<()>,
    pub(in crate::ledger) clocks: AcceptedClocks,
    /// See [`Ledger::limit_caller_times`].
    pub(in crate::ledger) newest_issued_time: Arc<AtomicI64>,
    pub(in crate::ledger) next_customer: AtomicU64,
    /// The number of customers. It is lower than the count of assigned numbers: a failed registration uses up a number.
    pub(in crate::ledger) customer_count: AtomicU64,
    pub(in crate::ledger) transaction_count: CachePadded<AtomicU64>,
    /// The number of evicted transactions. While it is 0, new ids are not looked up in the archive.
    pub(in crate::ledger) evicted_count: AtomicU64,
    /// The first offset of the journal at the start. Older snapshots may refer to records before it that are deleted.
    pub(in crate::ledger) journal_start: LogOffset,
    /// Evicted transactions whose last record is before this offset are unknown: the journal before it is deleted, or
    /// is about to be.
    pub(in crate::ledger) forgotten_before: AtomicU64,
    pub(in crate::ledger) holds_visited: AtomicU64,
    /// See [`Ledger::newly_equal_customers`].
    pub(in crate::ledger) newly_equal: AtomicU64,
    /// The merchants whose customers' identifiers are sealed.
    pub(in crate::ledger) sealing: arc_swap::ArcSwap<SealedMerchants>,
    /// The merchants whose blocks of instruments are apart from all others.
    pub(in crate::ledger) test_merchants: arc_swap::ArcSwap<TestMerchants>,
    /// The number of attributes and identifiers that could not be sealed and were therefore not stored.
    pub(in crate::ledger) unsealed_count: AtomicU64,
    /// The shard that a snapshot reads, plus one; 0: none.
    pub(in crate::ledger) snapshot_shard: AtomicUsize,
    /// The last record of a primary that was applied; [`NOT_REPLICATED`]: this ledger follows no primary.
    pub(in crate::ledger) replicated: AtomicU64,
}

/// Marks a ledger that follows no primary.
pub(in crate::ledger) const NOT_REPLICATED: u64 = u64::MAX;

impl Ledger {
    /// Whether a snapshot reads the shard of a customer. Exact under the lock of the customer.
    pub(in crate::ledger) fn is_in_snapshot(&self, customer: u64) -> bool {
        self.snapshot_shard.load(Ordering::Acquire) == shard_of(customer) + 1
    }

    /// How far from now a time of a request may be.
    #[must_use]
    pub fn clock_skew(&self) -> ClockSkew {
        self.limits.skew
    }

    /// An empty ledger.
    #[must_use]
    pub fn new(limits: LedgerLimits, storage: LedgerStorage) -> Self {
        let digest_key = DigestKey::new(storage.secret);
        Self {
            limits,
            digest_key,
            journal: storage.journal,
            keys: storage.keys,
            archive: storage.archive,
            customers: Customers::new(),
            archived_facts: ArchivedFacts::default(),
            evicted_times: EvictedTimes::default(),
            identities: IdentityIndex::new(digest_key),
            signal_stripes: Stripes::new(),
            id_stripes: Stripes::new(),
            identity_stripes: Stripes::new(),
            blocked_instruments: BlockedInstruments::default(),
            instrument_holders: DashMap::with_capacity_and_hasher_and_shard_amount(
                0,
                SpreadHashBuilder::default(),
                SHARDS,
            ),
            search: SearchIndex::default(),
            external_ids: Mutex::default(),
            currencies: RecordedCurrencies::default(),
            known_merchants: KnownMerchants::default(),
            made_levels: MadeLevels::default(),
            level_renames: LevelRenames::default(),
            rename_lock: RenameLock::default(),
            snapshot_lock: Mutex::default(),
            clocks: AcceptedClocks::default(),
            newest_issued_time: Arc::new(AtomicI64::new(i64::MAX)),
            next_customer: AtomicU64::new(FIRST_CUSTOMER),
            customer_count: AtomicU64::new(0),
            transaction_count: CachePadded::default(),
            evicted_count: AtomicU64::new(0),
            journal_start: LogOffset(0),
            forgotten_before: AtomicU64::new(0),
            holds_visited: AtomicU64::new(0),
            newly_equal: AtomicU64::new(0),
            sealing: arc_swap::ArcSwap::default(),
            test_merchants: arc_swap::ArcSwap::default(),
            unsealed_count: AtomicU64::new(0),
            snapshot_shard: AtomicUsize::new(0),
            replicated: AtomicU64::new(NOT_REPLICATED),
        }
    }

    /// The journal that this ledger appends to.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The storage, for a second ledger over the same files.
    #[must_use]
    pub fn storage(&self) -> LedgerStorage {
        LedgerStorage {
            journal: Arc::clone(&self.journal),
            keys: Arc::clone(&self.keys),
            archive: self.archive.clone(),
            secret: self.digest_key.secret(),
        }
    }

    /// The digest of a transaction id, which is its key in the indexes.
    #[must_use]
    pub fn transaction_key(&self, merchant: &str, transaction_id: &str) -> u64 {
        self.digest_key.transaction(merchant, transaction_id)
    }

    /// A keyed digest of a text that arrives in pieces.
    #[must_use]
    pub fn digester(&self) -> Digester {
        Digester::new(self.digest_key)
    }

    /// Blocks renames of levels, accepted clocks and changes of a default country until the guard is dropped: the rules
    /// that the caller reads from here on agree with the customers. A caller that locks the stripe of a transaction id
    /// holds this guard. A thread must not take it twice.
    #[must_use]
    pub fn block_renames(&self) -> RenameGuard<'_> {
        self.rename_lock.read()
    }

    /// Limits the times of callers: a time later than the newest time that the clock issued is replaced by that time.
    /// Without the limit, a caller that read the clock before it was set back would settle customers at the old time.
    pub fn limit_caller_times(&mut self, newest_issued_time: Arc<AtomicI64>) {
        self.newest_issued_time = newest_issued_time;
    }

    /// The earlier of a caller's time and the newest issued time. Exact under the lock of a customer or under
    /// `rename_lock`.
    pub(in crate::ledger) fn limited_time(&self, now: Millis) -> Millis {
        now.min(Millis(self.newest_issued_time.load(Ordering::Acquire)))
    }

    /// Ends the expired holds of a customer. Returns the time as of which the customer is read.
    pub(in crate::ledger) fn settle(&self, customer: &mut Customer, now: Millis) -> Millis {
        let (now, visited) = customer.expire_holds(self.limited_time(now));
        if visited > 0 {
            self.holds_visited.fetch_add(visited, Ordering::Relaxed);
        }
        now
    }

    /// Notes the merchants of a configuration that takes effect.
    pub fn note_merchants(&self, rules: &Rules) {
        self.known_merchants.add_rules(rules);
    }

    /// Whether a merchant was configured at some time: since the start, or by its records.
    #[must_use]
    pub fn knows_merchant(&self, merchant: Name) -> bool {
        self.known_merchants.contains(merchant) || self.search.contains_merchant(merchant)
    }

    /// Makes evicted transactions unknown whose last record is before this offset.
    pub fn forget_before(&self, offset: LogOffset) {
        self.forgotten_before.fetch_max(offset.0, Ordering::AcqRel);
    }

    pub(in crate::ledger) fn forgotten_before(&self) -> LogOffset {
        LogOffset(self.forgotten_before.load(Ordering::Acquire))
    }

    /// The number of the next customer, or a higher one.
    #[must_use]
    pub fn next_customer(&self) -> u64 {
        self.next_customer.load(Ordering::Relaxed)
    }

    /// Assigns a number to a new customer.
    pub(in crate::ledger) fn next_number(&self) -> Result<u64, Refusal> {
        let number = self.next_customer.fetch_add(1, Ordering::Relaxed);
        if number > LAST_CUSTOMER {
            self.next_customer.store(LAST_CUSTOMER + 1, Ordering::Relaxed);
            return Err(Refusal::MemoryFull(LAST_CUSTOMER));
        }
        Ok(number)
    }
}

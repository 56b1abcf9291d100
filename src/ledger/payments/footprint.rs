//! The footprint of an operation: the parts of the state that it reads and changes, known before it is done. Operations of
//! a stream whose footprints have nothing in common can be done at the same time, and give the answers that they would give
//! in the order of the stream.
//!
//! A footprint is looked up without the locks of the operation. It holds while only operations of the same stream change
//! the state, each after those before it that it has a key in common with. It never decides what an operation does: the
//! operation takes its locks and looks everything up itself.

use crate::domain::{
    decision::payment::{Payment, SentIdentity},
    rules::{merchant::OperationMode, registration::identifier::RegistrationSource},
    transaction::opening::SentLevel,
    vocabulary::attributes::Attribute,
};
use crate::ledger::{
    index::{
        identity_index::IdentityMatch,
        sharding::SHARDS,
        transaction_index::{IndexedSlot, TransactionSlot},
    },
    payments::reserve::PaymentLookup,
    state::ledger::Ledger,
};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// A transaction, a customer or an attribute's value, as a number. Two parts of the state may share a number: their
/// operations then wait for each other without need.
pub type StateKey = u64;

/// How far an operation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its keys.
    Keys,
    /// Its keys, and a customer that it may create.
    NewCustomer,
    /// Anything.
    All,
}

/// The parts of the state that an operation reads and changes.
#[derive(Debug, Clone)]
pub struct Footprint {
    /// How far it reaches.
    pub reach: Reach,
    /// Its transaction; `None`: it names none.
    pub transaction: Option<StateKey>,
    /// Whether its transaction is not in memory yet. An operation before it may open the transaction, for a customer that
    /// is among the keys of that operation.
    pub is_new_transaction: bool,
    /// Its customers.
    pub keys: SmallVec<[StateKey; 2]>,
    /// The values of attributes that recognise customers.
    pub attributes: SmallVec<[StateKey; 2]>,
}

/// The name of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct TransactionName<'a> {
    /// The id of the merchant as sent.
    pub merchant: &'a str,
    /// The transaction id.
    pub id: &'a str,
}

impl Footprint {
    /// The footprint of an operation that touches nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            reach: Reach::Keys,
            transaction: None,
            is_new_transaction: false,
            keys: SmallVec::new(),
            attributes: SmallVec::new(),
        }
    }

    fn reaches_all(mut self) -> Self {
        self.reach = Reach::All;
        self
    }

    /// All keys.
    pub fn all_keys(&self) -> impl Iterator<Item = StateKey> {
        self.transaction.into_iter().chain(self.keys.iter().chain(&self.attributes).copied())
    }

    /// Adds the customers of another operation, which may have opened the same transaction.
    pub fn add_customers_of(&mut self, other: &Self) {
        other.keys.iter().for_each(|key| self.add(*key));
    }

    fn add(&mut self, key: StateKey) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }
}

/// The key of a customer: odd, so that it differs from every key of a digest.
fn customer_key(number: u64) -> StateKey {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

fn digest_key(digest: u64) -> StateKey {
    digest & !1
}

impl Ledger {
    /// The footprint of a reserve, a `payment` or a check, and what was looked up for it.
    #[must_use]
    pub fn payment_footprint(&self, payment: &Payment<'_>, is_recorded: bool) -> (Footprint, PaymentLookup) {
        let merchant = payment.merchant;
        let sent_identifier = self.identities.sent_identifier(payment);
        let key = match is_recorded {
            true => self.digest_key.transaction(merchant.id.as_str(), &payment.transaction_id),
            false => 0,
        };
        let mut lookup = PaymentLookup { key, sent_identifier, customer: None };
        let mut footprint = Footprint::empty();
        if is_recorded {
            self.add_transaction(&mut footprint, key);
        }
        if !payment.attributes.is_empty() {
            for digest in self.identities.of_identities(merchant.id, None, &payment.attributes) {
                footprint.attributes.push(digest_key(u64::try_from(digest >> 64).unwrap_or_default()));
            }
        }
        let source = RegistrationSource::Payment;
        // An id that is generated for a new customer depends on the ids that customers have.
        let may_take_generated_id = payment.attributes.value(Attribute::ExternalId).is_some()
            && merchant.registration.generates_external_id(source);
        if payment.has_unknown_names() || (is_recorded && (may_take_generated_id || self.would_make_level(payment))) {
            return (footprint.reaches_all(), lookup);
        }
        match self.identities.find(payment, sent_identifier, || {}) {
            IdentityMatch::Customer(number, _) if self.is_lasting_match(payment, number) => {
                footprint.add(customer_key(self.identities.merge_targets.current(number)));
                lookup.customer = sent_identifier.map(|_| number);
            }
            IdentityMatch::Bypassed if is_recorded => footprint.add(customer_key(placeholder_of(key))),
            IdentityMatch::Bypassed => {}
            // It may be created, or belong to no customer.
            IdentityMatch::Customer(..) | IdentityMatch::NoCustomer => {
                if footprint.reach == Reach::Keys {
                    footprint.reach = Reach::NewCustomer;
                }
                if is_recorded {
                    footprint.add(customer_key(placeholder_of(key)));
                }
            }
        }
        (footprint, lookup)
    }

    /// The footprint of an operation on a transaction. `opens_unknown`: it opens the transaction where that is unknown.
    #[must_use]
    pub fn transition_footprint(&self, transaction: TransactionName<'_>, opens_unknown: bool) -> Footprint {
        let TransactionName { merchant, id } = transaction;
        let key = self.digest_key.transaction(merchant, id);
        let mut footprint = Footprint::empty();
        self.add_transaction(&mut footprint, key);
        // Memory may contain the summary of a transaction whose records are deleted.
        if opens_unknown && (footprint.is_new_transaction || self.recorded_content(merchant, id).is_none()) {
            return footprint.reaches_all();
        }
        footprint
    }

    /// Adds the key of a transaction and of the customer that it is recorded for.
    fn add_transaction(&self, footprint: &mut Footprint, key: u64) {
        footprint.transaction = Some(digest_key(key));
        match self.indexed_slots(key).as_slice() {
            [slot] => footprint.add(customer_key(self.identities.merge_targets.current(slot.customer))),
            [] => {
                footprint.is_new_transaction = true;
                let is_archived = self.evicted_count.load(Ordering::Acquire) > 0
                    && self.archived_records(key).map_or(true, |records| !records.is_empty());
                if is_archived {
                    footprint.reach = Reach::All;
                }
            }
            _ => footprint.reach = Reach::All,
        }
    }

    /// The slots of the transactions in memory with this key.
    fn indexed_slots(&self, key: u64) -> SmallVec<[TransactionSlot; 2]> {
        let entries: SmallVec<[IndexedSlot; 2]> = self.id_stripes.lock(key).index.find(key).collect();
        entries.into_iter().flat_map(|entry| self.records_in_memory(key, entry)).map(|(slot, _)| slot).collect()
    }

    /// Adds the customer that the transaction of an operation is recorded for, once the operation is done.
    pub fn add_recorded_customer(&self, footprint: &mut Footprint, transaction: TransactionName<'_>) {
        let key = self.digest_key.transaction(transaction.merchant, transaction.id);
        for slot in self.indexed_slots(key) {
            footprint.add(customer_key(self.identities.merge_targets.current(slot.customer)));
        }
    }

    /// Whether the identity of a payment goes on leading to this customer.
    fn is_lasting_match(&self, payment: &Payment<'_>, number: u64) -> bool {
        match payment.identity {
            SentIdentity::Identifier(_) | SentIdentity::Attributes(_) => true,
            SentIdentity::CustomerId(_) => {
                let shard = self.customers.lock(number);
                shard.get(number).is_some_and(|customer| customer.merchant == payment.merchant.id)
            }
        }
    }

    /// Whether recording a payment may make a level.
    fn would_make_level(&self, payment: &Payment<'_>) -> bool {
        let merchant = payment.merchant;
        match payment.level() {
            SentLevel::Named(name) => {
                merchant.mode == OperationMode::Crm
                    && !merchant.has_level(name)
                    && !self.made_levels.contains(merchant.id, name)
            }
            SentLevel::Absent | SentLevel::Empty => false,
        }
    }

    /// Whether this many more transactions are far from the limit on transactions.
    #[must_use]
    pub fn has_room_for(&self, count: u64) -> bool {
        self.transaction_count.load(Ordering::Relaxed).saturating_add(count) < self.limits.transactions_max
    }
}

/// The owner of a transaction without a customer.
fn placeholder_of(key: u64) -> u64 {
    key % SHARDS as u64
}

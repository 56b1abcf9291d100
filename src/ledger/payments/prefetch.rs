//! Loads the memory that payments will read, before they are decided.
//!
//! A decision follows pointers: from an identity to the customer's number, to the customer's place, to the customer, to the
//! ends of its lists. With many customers each step waits for memory. Here a pass takes one step for every payment, so that
//! the waits of all payments overlap. A prefetch does not wait, a lock does: a pass prefetches what the next one locks or
//! reads. Nothing changes, and no decision relies on what is found here.

use crate::domain::{customer::aggregate::Customer, decision::payment::Payment};
use crate::ledger::{
    index::identity_index::{IdentityMatch, in_merchant},
    state::{ledger::Ledger, shards::Shard},
};

/// The keys of a payment in the indexes.
struct IndexKeys {
    transaction: u64,
    /// The digest of the identifier.
    sent_identifier: Option<u128>,
    /// The digest of the identifier in its merchant.
    identity: Option<u128>,
}

impl Ledger {
    /// Loads what the decisions of `payments` will read into the caches of the processor. Useful for payments that are
    /// decided within less than a millisecond, and are few enough to fit: a hundred take about 100 KiB.
    ///
    /// A stripe or a customer that another thread has locked is left out: that thread may be reading a file. The locks of the
    /// identity index are held for moments only, and are waited for.
    pub fn prefetch_payments<'p>(&self, payments: impl Iterator<Item = &'p Payment<'p>> + Clone) {
        let keys: Vec<IndexKeys> = payments.clone().map(|payment| self.prefetch_shards(payment)).collect();
        for keys in &keys {
            let stripe = self.id_stripes.try_lock(keys.transaction);
            stripe.iter().for_each(|stripe| stripe.index.prefetch(keys.transaction));
            keys.identity.iter().for_each(|identity| self.identities.prefetch_entry(*identity));
        }
        let find = |(payment, keys): (&Payment<'_>, &IndexKeys)| {
            let found = self.identities.find(payment, keys.sent_identifier, || {});
            if let IdentityMatch::Customer(number, _) = found { Some(number) } else { None }
        };
        let numbers: Vec<u64> = payments.zip(&keys).filter_map(find).collect();
        let visit = |load: &dyn Fn(&Shard, u64)| {
            numbers.iter().for_each(|number| {
                self.customers.try_lock(*number).iter().for_each(|shard| load(shard, *number));
            });
        };
        numbers.iter().for_each(|number| self.customers.prefetch(*number));
        visit(&Shard::prefetch);
        visit(&|shard, number| shard.get(number).into_iter().for_each(Customer::prefetch_head));
        visit(&|shard, number| shard.get(number).into_iter().for_each(Customer::prefetch));
    }

    /// Loads the shards of a payment in the indexes.
    fn prefetch_shards(&self, payment: &Payment<'_>) -> IndexKeys {
        let merchant = payment.merchant.id;
        let transaction = self.digest_key.transaction(merchant.as_str(), &payment.transaction_id);
        let sent_identifier = self.identities.sent_identifier(payment);
        let identity = sent_identifier.map(|sent| in_merchant(merchant, sent));
        self.id_stripes.prefetch(transaction);
        identity.iter().for_each(|identity| self.identities.prefetch_shard(*identity));
        IndexKeys { transaction, sent_identifier, identity }
    }
}

//! Loads the memory that payments will read, before they are decided.
//!
//! A decision follows pointers: from an identity to the customer's number, to the customer's place, to the customer, to the
//! ends of its lists. With many customers each step waits for memory. Here a pass takes one step for every payment, so that
//! the waits of all payments overlap. A prefetch does not wait, a lock does: a pass prefetches what the next one locks or
//! reads. Nothing changes, and no decision relies on what is found here.

use crate::domain::{customer::aggregate::Customer, decision::payment::Payment, vocabulary::names::Name};
use crate::ledger::{
    index::identity_index::{IdentityMatch, in_merchant},
    state::{ledger::Ledger, shards::Shard},
};

/// The keys of a payment in the indexes.
#[derive(Debug, Clone, Copy)]
pub struct PaymentKeys {
    pub(in crate::ledger) transaction: u64,
    /// The digest of the identifier.
    pub(in crate::ledger) sent_identifier: Option<u128>,
}

impl PaymentKeys {
    /// The digest of the identifier in its merchant.
    fn identity(&self, merchant: Name) -> Option<u128> {
        self.sent_identifier.map(|sent| in_merchant(merchant, sent))
    }
}

impl Ledger {
    /// The keys of a payment. It begins to load the shards that they lead to.
    pub fn payment_keys(&self, payment: &Payment<'_>) -> PaymentKeys {
        let merchant = payment.merchant.id;
        let transaction = self.digest_key.transaction(merchant.as_str(), &payment.transaction_id);
        self.id_stripes.prefetch(transaction);
        let keys = PaymentKeys { transaction, sent_identifier: self.identities.sent_identifier(payment) };
        keys.identity(merchant).iter().for_each(|identity| self.identities.prefetch_shard(*identity));
        keys
    }

    /// Loads what the decisions of `payments` will read into the caches of the processor. Useful for payments that are
    /// decided within less than a millisecond, and are few enough to fit: a hundred take about 100 KiB.
    ///
    /// A stripe or a customer that another thread has locked is left out: that thread may be reading a file. The locks of the
    /// identity index are held for moments only, and are waited for.
    pub fn prefetch_payments<'p>(&self, payments: impl Iterator<Item = (&'p Payment<'p>, PaymentKeys)> + Clone) {
        for (payment, keys) in payments.clone() {
            let stripe = self.id_stripes.try_lock(keys.transaction);
            stripe.iter().for_each(|stripe| stripe.index.prefetch(keys.transaction));
            let identity = keys.identity(payment.merchant.id);
            identity.iter().for_each(|identity| self.identities.prefetch_entry(*identity));
        }
        let find = |(payment, keys): (&Payment<'_>, PaymentKeys)| {
            let found = self.identities.find(payment, keys.sent_identifier, || {});
            if let IdentityMatch::Customer(number, _) = found { Some(number) } else { None }
        };
        let numbers: Vec<u64> = payments.filter_map(find).collect();
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
}

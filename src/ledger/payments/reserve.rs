//! Opens transactions: finds or creates the customer of a payment.

use crate::domain::{
    customer::aggregate::Customer,
    decision::payment::{Payment, SentIdentity, check_identifiable, check_may_register},
    request::refusal::Refusal,
    rules::{configuration::Rules, registration::identifier::RegistrationSource},
    transaction::{
        opening::{CustomerResolution, OpeningKind},
        transition::ProcessorOutcome,
    },
    vocabulary::{attributes::Attribute, time::Millis},
};
use crate::ledger::{
    index::{identity_index::IdentityMatch, sharding::SHARDS, transaction_index::TransactionIndex},
    payments::{
        answer::{PaymentAnswer, RecordedState, TransitionAnswer},
        new_transaction::{InitialOperation, NewTransaction, ResolvedTransaction, unique_attributes},
        prefetch::PaymentKeys,
        transaction_rules::headroom_of,
    },
    state::{ledger::Ledger, loaded_transaction::TransactionStripe, merge_group::MergeGroup},
};
use std::sync::atomic::Ordering;

impl Ledger {
    /// Reserves. Where the id is known, answers from the record. With an `outcome`, also applies it: a payment.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn reserve<'a>(
        &self,
        rules: &'a Rules,
        payment: &'a Payment<'_>,
        outcome: Option<ProcessorOutcome>,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        self.reserve_by_keys(rules, (payment, self.payment_keys(payment)), outcome, now)
    }

    /// [`Ledger::reserve`] with the keys of the payment, which were computed ahead.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn reserve_by_keys<'a>(
        &self,
        rules: &'a Rules,
        (payment, keys): (&'a Payment<'_>, PaymentKeys),
        outcome: Option<ProcessorOutcome>,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        let merchant = payment.merchant.id.as_str();
        let PaymentKeys { transaction: key, sent_identifier } = keys;
        let mut stripe = self.id_stripes.lock(key);
        let customer = self.identities.find(payment, sent_identifier, || stripe.index.prefetch(key));
        if let IdentityMatch::Customer(number, _) = customer {
            self.customers.prefetch(number);
        }
        match self.find_transaction(&mut stripe, key, merchant, &payment.transaction_id)? {
            Some(known) => self.repeat(rules, payment, outcome, known, now),
            None => {
                let operation = outcome.map_or(InitialOperation::None, InitialOperation::Outcome);
                let opened = OpeningKind::Reserved;
                let new = NewTransaction { rules, payment, operation, opened, key, sent_identifier, customer };
                self.open_transaction(&new, &mut stripe.index, now)
            }
        }
    }

    /// Opens a transaction whose id is unknown. The caller holds the stripe of the id, whose index is `index`.
    pub(in crate::ledger) fn open_transaction<'a>(
        &self,
        new: &NewTransaction<'a>,
        index: &mut TransactionIndex,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        let NewTransaction { payment, operation, opened, key, sent_identifier, mut customer, .. } = *new;
        if opened == OpeningKind::Reserved {
            self.check_capacity()?;
        }
        if let IdentityMatch::Customer(number, resolution) = customer {
            // The stripes of unique attributes are held, so that two payments do not give one to two customers.
            let _stripes = (!payment.attributes.is_empty()).then(|| {
                let unique = self.identities.of_identities(payment.merchant.id, None, &unique_attributes(payment));
                self.identity_stripes.lock_all(unique.into_iter())
            });
            let mut locked = self.lock_merge_group(number);
            let members = locked.members().filter(|members| members.head.merchant == payment.merchant.id);
            if let Some(mut merge_group) = members {
                let resolved = ResolvedTransaction { new, resolution, external_id: None };
                return self.decide_and_record(resolved, &mut merge_group, index, now);
            }
            // An unknown `customer_id` bypasses the rules. Any other identity no longer leads to a customer.
            let is_by_number = matches!(payment.identity, SentIdentity::CustomerId(_));
            customer = if is_by_number { IdentityMatch::Bypassed } else { IdentityMatch::NoCustomer };
        }
        if customer == IdentityMatch::NoCustomer {
            check_identifiable(payment)?;
        }
        // With `from_payments = "match"` only money that moved is recorded, without a customer.
        match check_may_register(payment) {
            Err(refusal) if opened != OpeningKind::Unreserved => return Err(refusal),
            Err(_) => customer = IdentityMatch::Bypassed,
            Ok(()) => {}
        }
        if customer == IdentityMatch::Bypassed {
            let number = key % SHARDS as u64;
            let mut shard = self.customers.lock(number);
            let create = || Customer::new(number, payment.merchant.id, None, now);
            let mut placeholder = MergeGroup::of(shard.placeholder(number, create));
            let resolved = ResolvedTransaction { new, resolution: CustomerResolution::Bypassed, external_id: None };
            return self.decide_and_record(resolved, &mut placeholder, index, now);
        }
        let merchant = payment.merchant;
        // A payment is not refused because the merchant's external ids are used up. The id that recognises the customer is
        // not replaced: the next payment would not find the customer.
        let keeps_sent = payment.is_identity(Attribute::ExternalId)
            || !merchant.registration.replaces_external_id(RegistrationSource::Payment);
        let generated = match payment.attributes.value(Attribute::ExternalId) {
            Some(_) if keeps_sent => None,
            _ => self.generate_external_id(merchant, RegistrationSource::Payment).unwrap_or_default(),
        };
        let mut digests = self.identities.of_payment(payment);
        if let Some(generated) = &generated {
            digests.extend(self.identities.of_external_id(merchant.id, &generated.id));
        }
        let stripes = self.identity_stripes.lock_all(digests.into_iter());
        customer = self.identities.find(payment, sent_identifier, || {});
        // Another request created the customer, or took the external id, before the stripes were locked.
        if matches!(customer, IdentityMatch::Customer(..))
            || generated.as_ref().is_some_and(|generated| self.is_external_id_taken(merchant.id, &generated.id))
        {
            drop((stripes, generated));
            return self.open_transaction(&NewTransaction { customer, ..*new }, index, now);
        }
        if !operation.is_accepted_at_any_time() {
            self.limits.skew.place(payment.occurred_at, now, "occurred_at")?;
        }
        let number = self.next_number()?;
        let mut customer = Customer::with_default_label(number, merchant, now);
        let external_id = generated.as_ref().map(|generated| generated.id.clone());
        generated.into_iter().for_each(|generated| self.use_external_id(generated));
        let external_id = external_id.as_deref();
        let resolved = ResolvedTransaction { new, resolution: CustomerResolution::Created, external_id };
        // The record and the customer become visible in one step, so that no snapshot contains one without the other.
        let mut shard = self.customers.lock(number);
        let answer = self.decide_and_record(resolved, &mut MergeGroup::of(&mut customer), index, now)?;
        let digests = self.identities.of_customer(&customer);
        shard.insert(number, customer);
        self.customer_count.fetch_add(1, Ordering::Relaxed);
        drop(shard);
        self.identities.insert_all(digests, number);
        Ok(answer)
    }

    /// Refuses where no transaction may be opened that is not yet a fact.
    pub(in crate::ledger) fn check_capacity(&self) -> Result<(), Refusal> {
        if self.transaction_count.load(Ordering::Relaxed) >= self.limits.transactions_max {
            return Err(Refusal::MemoryFull(self.limits.transactions_max));
        }
        if self.journal.is_full() { Err(Refusal::WriteBacklogFull) } else { Ok(()) }
    }

    /// Opens the transaction of an approval without a reserve. The caller holds the stripe of the id.
    pub(in crate::ledger) fn approve_unreserved(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        operation: InitialOperation<'_>,
        stripe: &mut TransactionStripe,
        now: Millis,
    ) -> Result<TransitionAnswer, Refusal> {
        // The answer to an approval contains no customer: a new customer without an identity could not be found again.
        if matches!(&payment.identity, SentIdentity::Attributes(sent) if sent.is_empty()) {
            check_identifiable(payment)?;
            return Err(Refusal::NeededToRecord("customer_id"));
        }
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let key = self.digest_key.transaction(merchant, id);
        let sent_identifier = self.identities.sent_identifier(payment);
        let customer = self.identities.find(payment, sent_identifier, || {});
        let opened = OpeningKind::Unreserved;
        let new = NewTransaction { rules, payment, operation, opened, key, sent_identifier, customer };
        let answer = self.open_transaction(&new, &mut stripe.index, now)?;
        let unknown = || Refusal::UnknownTransaction(id.to_string());
        let known = self.find_transaction(stripe, key, merchant, id)?.ok_or_else(unknown)?;
        let mut locked = self.lock_merge_group(known.slot.customer);
        let mut merge_group = locked.members().ok_or_else(unknown)?;
        let now = self.settle_group(&mut merge_group, now);
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        let (outcome, depends_on_lsn) = (known.outcome, answer.depends_on_lsn);
        let state = RecordedState { outcome, headroom, now, depends_on_lsn };
        let moved = TransitionAnswer::of(&known.transaction, state, false);
        Ok(TransitionAnswer { invalid_attributes: answer.invalid_attributes, ..moved })
    }
}

//! The instruments of customers: their holders, and the events of payments that use them.

use crate::domain::{
    customer::{
        aggregate::Customer,
        change::CustomerChange,
        instrument_blocks::{BlockPlace, MerchantScope},
        instruments::Instrument,
        status::Signal,
    },
    events::customer_event::CustomerEvent,
    vocabulary::{names::Name, time::Millis},
};
use crate::ledger::{
    index::{customer_numbers::to_u32, number_set::NumberSet},
    state::{ledger::Ledger, test_merchants::TestMerchants},
};
use dashmap::mapref::entry::Entry;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// The most holders of one merchant that are visited.
const HOLDER_VISITS_MAX: usize = 256;

/// A merchant outside of a caller's reach whose customer holds an instrument.
pub(in crate::ledger) struct OutsideHolder {
    /// The merchant; `None`: there is none.
    pub(in crate::ledger) merchant: Option<Name>,
    /// The number of customers that were visited.
    pub(in crate::ledger) visited: usize,
}

impl Ledger {
    /// Keeps the blocks of these merchants, and of no others, apart from the next call on.
    pub fn separate_test_merchants(&self, merchants: TestMerchants) {
        self.test_merchants.store(Arc::new(merchants));
    }

    /// A merchant as a place of blocks.
    #[must_use]
    pub fn block_place(&self, merchant: Name) -> BlockPlace {
        self.test_merchants.load().place(merchant)
    }

    /// Whether payments with an instrument are blocked at a merchant.
    #[must_use]
    pub fn is_instrument_blocked(&self, instrument: &str, merchant: Name) -> bool {
        self.blocked_instruments.is_blocked_at(instrument, || self.block_place(merchant))
    }

    /// Looks for a real merchant that a caller may not act for and that has a customer with an instrument. The holders at the
    /// caller's own merchants are not visited. It visits at most [`HOLDER_VISITS_MAX`] holders of another merchant, one by
    /// one, and holds no lock in between. If all of these have dropped the instrument, the merchant counts as holding it.
    pub(in crate::ledger) fn find_holder_outside(&self, id: &str, reach: &MerchantScope) -> OutsideHolder {
        // Of merged customers, only the instruments of the target count.
        let holders = self.identities.merge_targets.all_current(self.holders_of(id));
        let mut found = OutsideHolder { merchant: None, visited: 0 };
        if *reach == MerchantScope::All || holders.is_empty() {
            return found;
        }
        let is_outside = |merchant: &Name| !reach.contains(*merchant) && !self.block_place(*merchant).is_sandbox;
        for merchant in self.search.merchants().into_iter().filter(is_outside) {
            let of_merchant = self.search.among(merchant, &holders);
            // The index keeps holders whose profile dropped the instrument because it was full.
            let mut holds = |number: u32| {
                found.visited += 1;
                let number = u64::from(number);
                self.customers.lock(number).get(number).is_some_and(|customer| customer.has_instrument(id))
            };
            if of_merchant.iter().take(HOLDER_VISITS_MAX).any(&mut holds)
                || of_merchant.len() > HOLDER_VISITS_MAX as u64
            {
                found.merchant = Some(merchant);
                return found;
            }
        }
        found
    }

    /// The customers that hold an instrument, at all merchants, as they were recorded: some may be merged or have dropped
    /// the instrument.
    pub(in crate::ledger) fn holders_of(&self, id: &str) -> RoaringBitmap {
        let holders = self.instrument_holders.get(&self.digest_key.instrument(id));
        holders.map(|holders| holders.to_bitmap()).unwrap_or_default()
    }

    pub(in crate::ledger) fn index_holder(&self, id: &str, number: u64) {
        let number = to_u32(number);
        match self.instrument_holders.entry(self.digest_key.instrument(id)) {
            Entry::Occupied(mut holders) => holders.get_mut().insert(number),
            Entry::Vacant(none) => _ = none.insert(NumberSet::One(number)),
        }
    }

    /// Removes a customer from the holders of an instrument. The caller holds the customer's lock.
    pub(in crate::ledger) fn remove_holder(&self, id: &str, number: u64) {
        let digest = self.digest_key.instrument(id);
        // Under one guard of the map, so that no signal misses the other holders.
        self.instrument_holders.remove_if_mut(&digest, |_, holders| !holders.remove(to_u32(number)));
    }

    /// The events of a payment with instruments that the customer does not hold yet. A concurrent signal about such an
    /// instrument may not find this holder; in that case its effect on the customer is among the events.
    pub(in crate::ledger) fn instrument_held_events<'i>(
        &self,
        customer: &Customer,
        instruments: impl Iterator<Item = &'i str>,
        at: Millis,
    ) -> Vec<CustomerEvent> {
        let mut events = Vec::new();
        for id in instruments.filter(|id| !customer.has_instrument(id)) {
            // The index is changed first: either the signal finds this holder, or this thread finds the block.
            self.index_holder(id, customer.number());
            events.push(CustomerEvent::InstrumentAdded { id: id.into(), at });
            if self.is_instrument_blocked(id, customer.merchant) {
                events.push(CustomerEvent::SignalReceived {
                    signal: Signal::FraudConfirmed,
                    names_instrument: true,
                    at,
                });
            }
        }
        events
    }

    /// Adds the effect of blocks on a customer that new instruments among `events` have, as for a payment with them. A
    /// customer does not hold an instrument any more that `events` remove.
    pub(in crate::ledger) fn add_instrument_effects(
        &self,
        customer: &Customer,
        events: &mut Vec<CustomerEvent>,
        at: Millis,
    ) {
        for event in events.iter() {
            if let CustomerEvent::CustomerChanged(CustomerChange::InstrumentRemoved(id)) = event {
                self.remove_holder(id, customer.number());
            }
            if let CustomerEvent::CustomerChanged(CustomerChange::Instrument(stored)) = event
                && !customer.has_instrument(&stored.id)
            {
                // The index is changed first, as for a payment.
                self.index_holder(&stored.id, customer.number());
            }
        }
        let blocked = self.blocked_instrument_event(customer, events, at);
        events.extend(blocked);
    }

    /// The event of a customer who gets a blocked instrument by events. Nothing changes.
    pub(in crate::ledger) fn blocked_instrument_event(
        &self,
        customer: &Customer,
        events: &[CustomerEvent],
        at: Millis,
    ) -> Option<CustomerEvent> {
        let brings_blocked = |event: &CustomerEvent| {
            matches!(event, CustomerEvent::CustomerChanged(CustomerChange::Instrument(stored))
                if !customer.has_instrument(&stored.id) && self.is_instrument_blocked(&stored.id, customer.merchant))
        };
        let is_blocked = events.iter().any(brings_blocked);
        is_blocked.then_some(CustomerEvent::SignalReceived {
            signal: Signal::FraudConfirmed,
            names_instrument: true,
            at,
        })
    }

    /// The events of an approval by instruments that the customer holds or is about to hold. It stores those that are not
    /// stored yet. `is_first`: it is the first capture of its transaction, which counts as one success.
    pub(in crate::ledger) fn instrument_used_events<'i>(
        customer: &Customer,
        instruments: impl Iterator<Item = &'i str>,
        is_first: bool,
        at: Millis,
    ) -> Vec<CustomerEvent> {
        let used = |id: &'i str| {
            let known = customer.profile().and_then(|profile| profile.instrument(id));
            let successes = known.map_or(0, |known| known.successes).saturating_add(u64::from(is_first));
            if known.is_some_and(|known| known.is_stored) {
                return is_first.then(|| CustomerEvent::InstrumentUsed { id: id.into(), at, successes });
            }
            let stored = known.cloned().unwrap_or_else(|| Instrument::bare(id, at)).stored_at(at);
            let stored = Instrument { last_success_at: Some(at), successes, ..stored };
            Some(CustomerEvent::CustomerChanged(CustomerChange::Instrument(stored)))
        };
        instruments.filter_map(used).collect()
    }
}

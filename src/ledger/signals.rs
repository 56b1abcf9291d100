//! Signals about customers and instruments. Instrument ids are one space over all merchants.

use super::{Ledger, index::number_of};
use crate::{
    domain::{
        common::Common,
        customer::{Customer, Event},
        name::Name,
        profile::{Author, Change, Instrument, InstrumentState, Source},
        refusal::Refusal,
        standing::{CustomerStatus, Signal},
        time::Millis,
    },
    journal::Lsn,
};

impl Ledger {
    /// Takes a signal about a customer; one about fraud that names an instrument reaches all who hold it, at every
    /// merchant, in one step. Returns the customer's status behind it, and the record that it rests on.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub fn signal(
        &self,
        merchant: &str,
        customer_id: &str,
        signal: Signal,
        instrument: Option<&str>,
        by: Option<Name>,
        now: Millis,
    ) -> Result<(CustomerStatus, Lsn), Refusal> {
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        // Signals about one instrument come one after another.
        let digest = instrument.map(|id| self.key.instrument(id));
        let _alone = self.identity_stripes.lock_all(digest.into_iter());
        if self.customers.lock(number).get(&number).is_none_or(|c| c.merchant.as_str() != merchant) {
            return Err(unknown());
        }
        let block = instrument.zip(signal.blocks_instrument());
        // A block comes first: from here on no payment passes by the instrument, whoever holds it.
        if let Some((id, true)) = block {
            self.set_blocked(id, true);
        }
        loop {
            // Whoever is part of another by now is reached there.
            let number = self.identities.leads.of(number);
            let mut reached = vec![number];
            if let Some(digest) = digest.filter(|_| signal.reaches_holders()) {
                let holders = self.holders.get(&digest).map(|numbers| numbers.to_vec()).unwrap_or_default();
                reached.extend(self.identities.leads.all_of(holders));
            }
            reached.sort_unstable();
            reached.dedup();
            let mut shards = self.customers.lock_all(&reached);
            let mut customers = shards.several(&reached);
            if customers.iter().any(|customer| customer.merged_into().is_some()) {
                continue;
            }
            customers.sort_unstable_by_key(|customer| customer.number());
            let step = |customer| {
                let customer: &mut Customer = customer;
                let state = instrument.and_then(|id| state_of(customer, signal, id));
                let events = std::iter::once(Event::Signalled { signal, at: now }).chain(state).collect();
                (customer, 0, events)
            };
            let steps: Vec<_> = customers.into_iter().map(step).collect();
            // What is said of the instrument and what is said of its holders are one step: both are found again, or
            // neither.
            let common = block.map(|(id, blocked)| Common::InstrumentBlocked { id: id.into(), blocked, at: now });
            let author = Author { source: Source::Api, by };
            let (_, last) = self.record_together(steps, common.as_ref(), (author, now));
            if let Some((id, false)) = block {
                self.set_blocked(id, false);
            }
            let status = shards.get(number).map_or(CustomerStatus::New, |customer| customer.status());
            return Ok((status, last));
        }
    }

    pub(super) fn set_blocked(&self, id: &str, blocked: bool) {
        if blocked {
            self.blocked_instruments.insert(id.into());
        } else {
            self.blocked_instruments.remove(id);
        }
    }

    /// What is to be recorded because a payment passed by instruments which the customer did not hold yet. A signal that
    /// is under way may not know of this holder; what it says is made up for here.
    pub(super) fn newly_held<'i>(
        &self,
        customer: &Customer,
        instruments: impl Iterator<Item = &'i str>,
        at: Millis,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for id in instruments.filter(|id| !customer.holds_instrument(id)) {
            // The index first: either the signal finds this holder there, or the block is found here.
            self.index_holder(id, customer.number());
            events.push(Event::InstrumentHeld { id: id.into(), at });
            if self.blocked_instruments.contains(id) {
                events.push(Event::Signalled { signal: Signal::FraudConfirmed, at });
            }
        }
        events
    }

    /// What follows where a customer comes to hold instruments by changes, as by a payment.
    pub(super) fn hold_stored(&self, customer: &Customer, events: &mut Vec<Event>, at: Millis) {
        let mut is_blocked = false;
        for event in events.iter() {
            if let Event::Changed(Change::Instrument(stored)) = event
                && !customer.holds_instrument(&stored.id)
            {
                // The index first, as above.
                self.index_holder(&stored.id, customer.number());
                is_blocked |= self.blocked_instruments.contains(&stored.id);
            }
        }
        if is_blocked {
            events.push(Event::Signalled { signal: Signal::FraudConfirmed, at });
        }
    }

    /// What is to be recorded because a payment by instruments succeeded, which the customer holds or is about to.
    pub(super) fn used<'i>(customer: &Customer, instruments: impl Iterator<Item = &'i str>, at: Millis) -> Vec<Event> {
        let known = |id: &str| customer.profile()?.instrument(id).map(|instrument| instrument.successes);
        let used = |id: &'i str| {
            let successes = known(id).unwrap_or(0).saturating_add(1);
            Event::InstrumentUsed { id: id.into(), at, successes }
        };
        instruments.map(used).collect()
    }

    pub(super) fn index_holder(&self, id: &str, number: u64) {
        let mut numbers = self.holders.entry(self.key.instrument(id)).or_default();
        if let Err(place) = numbers.binary_search(&number) {
            numbers.insert(place, number);
        }
    }
}

/// What a signal makes of an instrument that the customer holds.
fn state_of(customer: &Customer, signal: Signal, id: &str) -> Option<Event> {
    let held = customer.profile()?.instrument(id)?;
    let state = match signal {
        Signal::CardExpired => InstrumentState::Expired,
        Signal::CardInvalid => InstrumentState::Invalid,
        // Paying goes on.
        Signal::Cleared => InstrumentState::Active,
        _ => return None,
    };
    (held.state != state).then(|| Event::Changed(Change::Instrument(Instrument { state, ..held.clone() })))
}

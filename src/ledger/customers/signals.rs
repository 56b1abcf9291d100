//! Signals about customers and instruments. Instrument ids are one space over all merchants.

use crate::ledger::{Ledger, state::index::number_of};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            instrument_blocks::{Block, OutOfReach, Reach},
            profile::{Author, Change, Instrument, InstrumentState, Source},
            status::{CustomerStatus, Signal},
        },
        decision::refusal::Refusal,
        events::global_event::GlobalEvent,
        vocabulary::{names::Name, time::Millis},
    },
    storage::journal::Lsn,
};

/// A signal as a caller sends it.
#[derive(Debug, Clone, Copy)]
pub struct SentSignal<'a> {
    /// The id of a merchant, who need not be one of the rules any more.
    pub merchant: &'a str,
    /// Whom it is about.
    pub customer_id: &'a str,
    /// What became known.
    pub signal: Signal,
    /// Of which instrument, where one is named.
    pub instrument: Option<&'a str>,
    /// The name of the caller's token; `None` without tokens.
    pub by: Option<Name>,
    /// The merchants that the caller may act for.
    pub reach: &'a Reach,
    /// Whether the merchant's blocks act everywhere, those by callers for some merchants too.
    pub trusts_blocks: bool,
}

impl SentSignal<'_> {
    /// Who changes a customer by it. The history of a merchant whom the caller may not act for does not name the caller.
    fn author_for(&self, customer: &Customer) -> Author {
        let by = self.by.filter(|_| self.reach.contains(customer.merchant));
        Author { source: Source::Api, by }
    }
}

impl Ledger {
    /// Takes a signal about a customer; one about fraud that names an instrument reaches all who hold it, at every
    /// merchant, in one step: where the block acts they are fraud, elsewhere suspicious. Returns the customer's status
    /// after it, and the record that it rests on.
    ///
    /// # Errors
    /// The customer is not known to the merchant; the caller may not lift a block of the instrument.
    pub fn signal(&self, sent: &SentSignal<'_>, now: Millis) -> Result<(CustomerStatus, Lsn), Refusal> {
        let SentSignal { customer_id, signal, instrument, reach, .. } = *sent;
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        // Signals about one instrument come one after another.
        let digest = instrument.map(|id| self.key.instrument(id));
        let _alone = self.identity_stripes.lock_all(digest.into_iter());
        let merchant = self.customers.lock(number).get(&number).map(|customer| customer.merchant);
        let merchant = merchant.filter(|merchant| merchant.as_str() == sent.merchant).ok_or_else(unknown)?;
        let block = Block::set_at(merchant, reach, sent.trusts_blocks);
        let changed = match instrument.zip(signal.blocks_instrument()) {
            None => None,
            // The block acts first: from here on no payment with the instrument passes.
            Some((id, true)) => {
                self.blocked_instruments.announce(id, block.clone());
                Some((id, self.blocked_instruments.of(id).with(block.clone())))
            }
            Some((id, false)) => {
                let held_at = if *reach == Reach::All { Vec::new() } else { self.merchants_holding(id) };
                let left = self.blocked_instruments.of(id).lifted_at(merchant, reach, &held_at);
                Some((id, left.map_err(|OutOfReach| Refusal::BlockOutOfReach)?))
            }
        };
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
            let now = self.not_later(now);
            let mut customers = shards.several(&reached);
            if customers.iter().any(|customer| customer.merged_into().is_some()) {
                continue;
            }
            customers.sort_unstable_by_key(|customer| customer.number());
            let step = |customer| {
                let customer: &mut Customer = customer;
                // At other merchants the card is only flagged.
                let is_blocked = signal.blocks_instrument() != Some(true) || block.acts_at(customer.merchant);
                let signal = if instrument.is_none() || is_blocked { signal } else { Signal::FraudSuspected };
                let state = instrument.and_then(|id| state_of(customer, signal, id));
                let signalled = CustomerEvent::Signalled { signal, names_instrument: instrument.is_some(), at: now };
                (customer, 0, std::iter::once(signalled).chain(state).collect())
            };
            let steps: Vec<_> = customers.into_iter().map(step).collect();
            // What is said of the instrument and what is said of its holders are one step: both are found again, or
            // neither.
            let common = changed.as_ref().filter(|(id, blocks)| self.blocked_instruments.of(id) != *blocks);
            let common = common.map(|(id, blocks)| GlobalEvent::InstrumentBlocks {
                id: (*id).into(),
                blocks: blocks.clone(),
                at: now,
            });
            let (_, last) = self.record_together_by(steps, common.as_ref(), &|customer| sent.author_for(customer), now);
            // Under the locks, so that a snapshot that does not read the record finds the blocks.
            if let Some((id, blocks)) = changed {
                self.blocked_instruments.set(id, blocks, now);
            }
            let status = shards.get(number).map_or(CustomerStatus::New, |customer| customer.status());
            return Ok((status, last));
        }
    }

    /// What is to be recorded because a payment passed by instruments which the customer did not hold yet. A signal that
    /// is under way may not know of this holder; what it says is made up for here.
    pub(in crate::ledger) fn newly_held<'i>(
        &self,
        customer: &Customer,
        instruments: impl Iterator<Item = &'i str>,
        at: Millis,
    ) -> Vec<CustomerEvent> {
        let mut events = Vec::new();
        for id in instruments.filter(|id| !customer.holds_instrument(id)) {
            // The index first: either the signal finds this holder there, or the block is found here.
            self.index_holder(id, customer.number());
            events.push(CustomerEvent::InstrumentHeld { id: id.into(), at });
            if self.blocks(id, customer.merchant) {
                events.push(CustomerEvent::Signalled { signal: Signal::FraudConfirmed, names_instrument: true, at });
            }
        }
        events
    }

    /// What follows where a customer comes to hold instruments by changes, as by a payment.
    pub(in crate::ledger) fn hold_stored(&self, customer: &Customer, events: &mut Vec<CustomerEvent>, at: Millis) {
        let mut is_blocked = false;
        for event in events.iter() {
            if let CustomerEvent::Changed(Change::Instrument(stored)) = event
                && !customer.holds_instrument(&stored.id)
            {
                // The index first, as above.
                self.index_holder(&stored.id, customer.number());
                is_blocked |= self.blocks(&stored.id, customer.merchant);
            }
        }
        if is_blocked {
            events.push(CustomerEvent::Signalled { signal: Signal::FraudConfirmed, names_instrument: true, at });
        }
    }

    /// What is to be recorded because a payment by instruments succeeded, which the customer holds or is about to.
    pub(in crate::ledger) fn used<'i>(
        customer: &Customer,
        instruments: impl Iterator<Item = &'i str>,
        at: Millis,
    ) -> Vec<CustomerEvent> {
        let known = |id: &str| customer.profile()?.instrument(id).map(|instrument| instrument.successes);
        let used = |id: &'i str| {
            let successes = known(id).unwrap_or(0).saturating_add(1);
            CustomerEvent::InstrumentUsed { id: id.into(), at, successes }
        };
        instruments.map(used).collect()
    }

    pub(in crate::ledger) fn index_holder(&self, id: &str, number: u64) {
        let mut numbers = self.holders.entry(self.key.instrument(id)).or_default();
        if let Err(place) = numbers.binary_search(&number) {
            numbers.insert(place, number);
        }
    }
}

/// What a signal makes of an instrument that the customer holds.
fn state_of(customer: &Customer, signal: Signal, id: &str) -> Option<CustomerEvent> {
    let held = customer.profile()?.instrument(id)?;
    let state = match signal {
        Signal::CardExpired => InstrumentState::Expired,
        Signal::CardInvalid => InstrumentState::Invalid,
        // Paying goes on.
        Signal::Cleared => InstrumentState::Active,
        _ => return None,
    };
    (held.state != state).then(|| CustomerEvent::Changed(Change::Instrument(Instrument { state, ..held.clone() })))
}

#[cfg(test)]
mod tests;

//! Signals about customers and instruments. Instrument ids are one space over all merchants.

use super::{Ledger, index::number_of};
use crate::domain::{
    customer::{Customer, Event},
    refusal::Refusal,
    standing::{CustomerStatus, Signal},
    time::Millis,
};

impl Ledger {
    /// Takes a signal about a customer; one about fraud that names an instrument reaches all who hold it, at every
    /// merchant. Returns the customer's status behind it.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub fn signal(
        &self,
        merchant: &str,
        customer_id: &str,
        signal: Signal,
        instrument: Option<&str>,
        now: Millis,
    ) -> Result<CustomerStatus, Refusal> {
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        if self.customers.lock(number).get(&number).is_none_or(|c| c.merchant.as_str() != merchant) {
            return Err(unknown());
        }
        let mut reached = vec![number];
        if let Some(id) = instrument {
            let digest = self.key.instrument(id);
            // The block comes first: from here on no payment passes by the instrument, whoever holds it.
            match signal.blocks_instrument() {
                Some(true) => _ = self.blocked_instruments.insert(digest, ()),
                Some(false) => _ = self.blocked_instruments.remove(&digest),
                None => {}
            }
            if signal.reaches_holders() {
                reached.extend(self.holders.get(&digest).iter().flat_map(|numbers| numbers.iter().copied()));
            }
        }
        reached.sort_unstable();
        reached.dedup();
        let mut status = CustomerStatus::New;
        for reached in reached {
            if let Some(customer) = self.customers.lock(reached).get_mut(&reached) {
                customer.apply(Event::Signalled { signal, at: now });
                if reached == number {
                    status = customer.status();
                }
            }
        }
        Ok(status)
    }

    /// Remembers that a customer holds an instrument. A signal that was taken while the payment was under way did not
    /// know of this holder yet; what it said is made up for here.
    pub(super) fn hold_instrument(&self, customer: &mut Customer, id: &str, now: Millis) {
        let mut numbers = self.holders.entry(self.key.instrument(id)).or_default();
        let Err(place) = numbers.binary_search(&customer.number) else { return };
        numbers.insert(place, customer.number);
        drop(numbers);
        if self.is_blocked_instrument(id) {
            customer.apply(Event::Signalled { signal: Signal::FraudConfirmed, at: now });
        }
    }
}

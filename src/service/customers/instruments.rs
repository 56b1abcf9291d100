//! Stored payment instruments of a customer.

use crate::{
    domain::{
        customer::{change::CustomerChange, instruments::Instrument},
        events::customer_event::CustomerEvent,
        request::{identifier_text, refusal::Refusal},
    },
    ledger::TransactionQuery,
    service::{
        customers::customer_service::{CustomerService, Trial},
        documents::customers::instrument::read_instrument,
        error::ServiceError,
        reply::{Answered, Reply},
    },
};
use serde_json::{Value, json};

impl CustomerService<'_> {
    /// Shows a stored instrument.
    ///
    /// # Errors
    /// The merchant has no such customer, or the customer has no such instrument.
    pub fn instrument(&self, customer_id: &str, instrument: &str) -> Answered {
        let id = token(instrument)?;
        let document = self.read(customer_id, |customer, now| {
            let stored = customer.stored_instrument(id);
            stored.map(|stored| Reply::new(&self.context(now).instrument_document(customer, stored)))
        })?;
        Ok(document.ok_or_else(|| Refusal::UnknownInstrument(id.to_owned()))?)
    }

    /// Stores an instrument, or updates a stored one by the fields of a body.
    ///
    /// # Errors
    /// The body is malformed or contradicts what is in force, or the merchant has no such customer.
    pub fn put_instrument(&self, customer_id: &str, instrument: &str, body: &[u8]) -> Answered {
        self.set_instrument(customer_id, instrument, body, Trial::No)?;
        self.instrument(customer_id, instrument)
    }

    /// What [`Self::put_instrument`] would make of a stored instrument: `instrument` as it would be, and `status`, the
    /// status that the customer would have. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::put_instrument`].
    pub fn try_instrument(&self, customer_id: &str, instrument: &str, body: &[u8]) -> Answered {
        self.set_instrument(customer_id, instrument, body, Trial::Yes)
    }

    /// Sets an instrument, unless it is a trial. Returns what the trial answers.
    fn set_instrument(&self, customer_id: &str, instrument: &str, body: &[u8], trial: Trial) -> Answered {
        let id = token(instrument)?;
        let update = read_instrument(body)?;
        let mut after_change = Value::Null;
        self.change(customer_id, &mut |customer, now| {
            let known = customer.profile().and_then(|profile| profile.instrument(id));
            let before = known.cloned().unwrap_or_else(|| Instrument::bare(id, now)).stored_at(now);
            let context = self.context(now);
            let after = update.applied_to(before.clone(), &context.instrument_context(customer, &before))?;
            let is_same = known == Some(&after);
            let shown = json!(context.instrument_document(customer, &after));
            let change = CustomerChange::Instrument(after);
            after_change = json!({
                "instrument": shown,
                "status": customer.status_after(&change, context.local()).word(),
            });
            let changes_nothing = is_same || trial == Trial::Yes;
            Ok(if changes_nothing { Vec::new() } else { vec![CustomerEvent::CustomerChanged(change)] })
        })?;
        Ok(Reply::new(&after_change))
    }

    /// Removes a stored instrument. Its blocks and its transactions stay. Answers with the instrument as it was.
    ///
    /// # Errors
    /// The merchant has no such customer, or the customer has no such instrument.
    pub fn remove_instrument(&self, customer_id: &str, instrument: &str) -> Answered {
        let id = token(instrument)?;
        let mut removed = None;
        self.change(customer_id, &mut |customer, now| {
            let stored = customer.stored_instrument(id).ok_or_else(|| Refusal::UnknownInstrument(id.to_owned()))?;
            removed = Some(Reply::new(&self.context(now).instrument_document(customer, stored)));
            Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::InstrumentRemoved(stored.id.clone()))])
        })?;
        Ok(removed.ok_or_else(|| Refusal::UnknownInstrument(id.to_owned()))?)
    }

    /// The status that the customer would have without a stored instrument, as `status`. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::remove_instrument`].
    pub fn try_instrument_removal(&self, customer_id: &str, instrument: &str) -> Answered {
        let id = token(instrument)?;
        let status = self.read(customer_id, |customer, now| {
            let stored = customer.stored_instrument(id)?;
            let change = CustomerChange::InstrumentRemoved(stored.id.clone());
            Some(customer.status_after(&change, self.context(now).local()).word())
        })?;
        let status = status.ok_or_else(|| Refusal::UnknownInstrument(id.to_owned()))?;
        Ok(Reply::new(&json!({ "status": status })))
    }

    /// A page of the customer's transactions that name an instrument, also one that is not stored any more. It can read
    /// from the disk.
    ///
    /// # Errors
    /// The merchant has no such customer, or a transaction cannot be read.
    pub(crate) fn instrument_transactions(
        &self,
        customer_id: &str,
        instrument: &str,
        filter: TransactionQuery,
    ) -> Answered {
        let instrument = Some(token(instrument)?.to_owned());
        self.transactions(customer_id, TransactionQuery { instrument, ..filter })
    }
}

/// The token of an instrument in a path.
fn token(instrument: &str) -> Result<&str, ServiceError> {
    const FIELD: &str = "payment_instrument";
    Ok(identifier_text::parse(FIELD, instrument)?.ok_or(Refusal::Missing(FIELD))?)
}

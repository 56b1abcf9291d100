//! Stored payment instruments of a customer.

use crate::{
    domain::{
        customer::{change::CustomerChange, instruments::Instrument},
        events::customer_event::CustomerEvent,
        request::{identifier_text, refusal::Refusal},
    },
    service::{
        customers::customer_service::CustomerService,
        documents::customers::instrument::read_instrument,
        reply::{Answered, Reply},
    },
};

impl CustomerService<'_> {
    /// Stores an instrument, or updates a stored one by the fields of a body.
    ///
    /// # Errors
    /// The body is malformed, or the merchant has no such customer.
    pub fn put_instrument(&self, customer_id: &str, instrument: &str, body: &[u8]) -> Answered {
        const FIELD: &str = "payment_instrument";
        let id = identifier_text::parse(FIELD, instrument)?.ok_or(Refusal::Missing(FIELD))?;
        let update = read_instrument(body)?;
        self.change(customer_id, &mut |customer, now| {
            let known = customer.profile().and_then(|profile| profile.instrument(id));
            let before = known.cloned().unwrap_or_else(|| Instrument::bare(id, now));
            let after = update.applied_to(before)?;
            let is_same = known == Some(&after);
            Ok(if is_same {
                Vec::new()
            } else {
                vec![CustomerEvent::CustomerChanged(CustomerChange::Instrument(after))]
            })
        })?;
        let document = self.read(customer_id, |customer, now| {
            let stored = customer.profile().and_then(|profile| profile.instrument(id));
            stored.map(|instrument| self.context(now).instrument_document(instrument))
        })?;
        Ok(Reply::new(&document))
    }
}

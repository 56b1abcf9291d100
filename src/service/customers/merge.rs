//! The merge of two customers into one.

use crate::{
    domain::{
        customer::aggregate::Customer,
        request::{identifier_text, refusal::Refusal},
    },
    ledger::Actor,
    service::{
        customers::customer_service::CustomerService,
        documents::json::texts,
        error::ServiceError,
        reply::{Answered, Reply},
    },
};

impl CustomerService<'_> {
    /// Merges a customer into the one that a body names as `into`, and shows that one.
    ///
    /// # Errors
    /// The body is malformed, or the two cannot be merged.
    pub fn merge(&self, customer_id: &str, body: &[u8]) -> Answered {
        let into = target_of(body)?;
        let into = into.as_str();
        self.service.ledger.merge(self.merchant, customer_id, into, Actor { author: self.author, now: self.now()? })?;
        Ok(Reply::new(&self.read(into, |customer, now| self.context(now).document(customer))?))
    }

    /// Shows the target as it would be after [`Self::merge`]. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::merge`].
    pub fn try_merge(&self, customer_id: &str, body: &[u8]) -> Answered {
        let into = target_of(body)?;
        let now = self.now()?;
        let show = |customer: &Customer| self.context(now).document(customer);
        Ok(Reply::new(&self.service.ledger.try_merge(self.merchant, (customer_id, &into), now, show)?))
    }
}

/// The customer that a body names as `into`.
fn target_of(body: &[u8]) -> Result<String, ServiceError> {
    let [into] = texts(body, ["into"])?;
    let into = into.unwrap_or_default();
    Ok(identifier_text::parse("into", &into)?.ok_or(Refusal::Missing("into"))?.to_owned())
}

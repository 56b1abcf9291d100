//! The merge of two customers into one.

use crate::{
    domain::request::{identifier_text, refusal::Refusal},
    ledger::Actor,
    service::{
        customers::customer_service::CustomerService,
        documents::json::texts,
        reply::{Answered, Reply},
    },
};

impl CustomerService<'_> {
    /// Merges a customer into the one that a body names as `into`, and shows that one.
    ///
    /// # Errors
    /// The body is malformed, or the two cannot be merged.
    pub fn merge(&self, customer_id: &str, body: &[u8]) -> Answered {
        let [into] = texts(body, ["into"])?;
        let into = into.unwrap_or_default();
        let into = identifier_text::parse("into", &into)?.ok_or(Refusal::Missing("into"))?;
        self.service.ledger.merge(self.merchant, customer_id, into, Actor { author: self.author, now: self.now()? })?;
        Ok(Reply::new(&self.read(into, |customer, now| self.context(now).document(customer))?))
    }
}

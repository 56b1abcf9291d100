//! A transaction without a customer, and the customer to whom it is linked.

use crate::{
    config::body::object,
    domain::request::{identifier_text, refusal::Refusal},
    ledger::{Actor, LinkTarget},
    service::{
        customers::customer_service::CustomerService,
        documents::{
            customers::update::{CustomerRequest, read_customer_object},
            json::{member, text, unknown_key},
        },
        error::ServiceError,
        reply::{Answered, Reply},
    },
};

/// The customer to whom a transaction is to be linked.
enum LinkRequest {
    /// A known customer, by `customer_id`.
    Known(String),
    /// A customer who is registered for the transaction.
    New(CustomerRequest),
}

impl CustomerService<'_> {
    /// Links a transaction to the customer that `customer_id` of a body names, or to a new one that the body describes.
    ///
    /// # Errors
    /// The body is malformed; the transaction has a customer; the customer is not known, or cannot be registered.
    pub fn link(&self, transaction_id: &str, body: &[u8]) -> Answered {
        let actor = Actor { author: self.author, now: self.now()? };
        let request = self.read_link(body)?;
        if let LinkRequest::New(request) = &request {
            request.update.check_forms(actor.now)?;
        }
        let ledger = &self.service.ledger;
        let merchant_id = self.merchant.id.as_str();
        let is_new = {
            let _inside = ledger.block_renames();
            // These rules have the level names that the customers have while no level is renamed.
            let rules = self.service.rules();
            let merchant =
                rules.merchant(merchant_id).ok_or_else(|| Refusal::UnknownMerchant(merchant_id.to_owned()))?;
            let registration;
            let whose = match &request {
                LinkRequest::Known(customer_id) => LinkTarget::Known(customer_id),
                LinkRequest::New(request) => {
                    registration = request.registration(merchant, self.author);
                    LinkTarget::New(&registration)
                }
            };
            ledger.link(merchant, transaction_id, whose, actor)?.0
        };
        let shown = self.service.transaction(merchant_id, transaction_id)?;
        Ok(Reply::from_body(shown.body).created_if(is_new))
    }

    fn read_link(&self, body: &[u8]) -> Result<LinkRequest, ServiceError> {
        const FIELD: &str = "customer_id";
        let body = object(body)?;
        let Some(raw) = member(&body, FIELD) else {
            return Ok(LinkRequest::New(read_customer_object(&body, self.rules, true)?));
        };
        if let Some(other) = unknown_key(&body, &[FIELD]) {
            let detail = format!(
                "`{other}` is not taken together with `customer_id`, which names a known customer; leave `customer_id` out \
                 to create a customer, or change the known one by PATCH"
            );
            return Err(ServiceError::malformed("unknown_field", detail).at(other));
        }
        let written = text(FIELD, raw)?.unwrap_or_default();
        let id = identifier_text::parse(FIELD, &written)?.ok_or(Refusal::Missing(FIELD))?;
        Ok(LinkRequest::Known(id.to_owned()))
    }
}

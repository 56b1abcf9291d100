//! Customers themselves: registered, found, shown, updated, deleted.

use crate::{
    domain::{customer::erasure::deletion_events, vocabulary::calendar::LocalTime},
    ledger::{Actor, Amendment, CustomerQuery, RegisteredCustomer, Registration},
    service::{
        customers::customer_service::CustomerService,
        documents::{
            as_text::AsText,
            customers::{search::position_text, update::read_customer},
        },
        error::ServiceError,
        reply::{Answered, Reply},
    },
};
use serde_json::json;

impl CustomerService<'_> {
    /// The number of the merchant's customers.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.service.ledger.count_customers(self.merchant.id)
    }

    /// A page of the customers that a search finds; `None`: no customer can match. It can read many.
    ///
    /// # Errors
    /// The time is not known; the order needs more customers than one page may read.
    pub fn find(&self, search: Option<&CustomerQuery>) -> Answered {
        let Some(search) = search else { return Ok(Reply::new(&json!({ "customers": [], "next_cursor": null }))) };
        let show = |customer: &_, now| self.context(now).document(customer);
        let local = LocalTime { calendar: &self.merchant.calendar, now: self.now()? };
        let mut found = self.service.ledger.find_customers(self.merchant.id, search, local, show)?;
        // The customers that are sorted by it show it.
        for (customer, at) in found.customers.iter_mut().zip(found.last_payments) {
            customer["last_payment_at"] = json!(at.map(AsText));
        }
        let next = found.next.map(|next| position_text(search.sort, next));
        Ok(Reply::new(&json!({ "customers": found.customers, "next_cursor": next })))
    }

    /// Registers the customer that a body describes, by the merchant's policy.
    ///
    /// # Errors
    /// The body is malformed, or the policy refuses the customer.
    pub fn register(&self, body: &[u8]) -> Answered {
        let request = read_customer(body, self.rules, true)?;
        let now = self.now()?;
        request.update.check_forms(now)?;
        let ledger = &self.service.ledger;
        let (admitted, _) = ledger.register(&request.registration(self.merchant, self.author), now)?;
        let RegisteredCustomer { number, is_new } = admitted.unless_existing()?;
        let show = |customer: &_, now| self.context(now).document(customer);
        let document = ledger.with_customer(self.merchant.id.as_str(), &number.to_string(), now, show)?;
        Ok(Reply::new(&document).created_if(is_new))
    }

    /// What [`Self::register`] would do: the number of the known customer who would be changed, or `None` where a customer
    /// would be created. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::register`].
    pub fn try_register(&self, body: &[u8]) -> Result<Option<u64>, ServiceError> {
        let request = read_customer(body, self.rules, true)?;
        let now = self.now()?;
        request.update.check_forms(now)?;
        let registration = Registration { is_trial: true, ..request.registration(self.merchant, self.author) };
        let RegisteredCustomer { number, is_new } =
            self.service.ledger.register(&registration, now)?.0.unless_existing()?;
        Ok((!is_new).then_some(number))
    }

    /// Shows a customer.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn customer(&self, customer_id: &str) -> Answered {
        self.show(customer_id, |customer, now| self.context(now).document(customer))
    }

    /// Updates a customer by the fields of a body.
    ///
    /// # Errors
    /// The body is malformed, or an update is not allowed.
    pub fn update(&self, customer_id: &str, body: &[u8]) -> Answered {
        let request = read_customer(body, self.rules, false)?;
        let actor = Actor { author: self.author, now: self.now()? };
        let (merchant, update) = (self.merchant, &request.update);
        self.service.ledger.amend(&Amendment { merchant, customer_id, update, actor, is_trial: false })?;
        self.customer(customer_id)
    }

    /// Whether an update by the fields of a body would change anything. Nothing changes.
    ///
    /// # Errors
    /// The body is malformed, or the update is not allowed.
    pub fn try_update(&self, customer_id: &str, body: &[u8]) -> Result<bool, ServiceError> {
        let request = read_customer(body, self.rules, false)?;
        let actor = Actor { author: self.author, now: self.now()? };
        let (merchant, update) = (self.merchant, &request.update);
        let amendment = Amendment { merchant, customer_id, update, actor, is_trial: true };
        Ok(!self.service.ledger.amend(&amendment)?.0.is_empty())
    }

    /// Requests the deletion of a customer.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn delete(&self, customer_id: &str) -> Answered {
        self.change(customer_id, &mut |customer, now| Ok(deletion_events(customer, self.merchant, now)))?;
        self.customer(customer_id)
    }

    /// A page of a customer's transactions. It can read from the disk.
    ///
    /// # Errors
    /// The merchant has no such customer, or a transaction cannot be read.
    pub(crate) fn transactions(&self, customer_id: &str, mut filter: crate::ledger::TransactionQuery) -> Answered {
        self.read(customer_id, |_, _| ())?;
        filter.customer_id = Some(customer_id.to_owned());
        self.service.transactions(self.merchant.id.as_str(), &filter)
    }
}

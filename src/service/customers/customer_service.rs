//! The customers of one merchant, as one caller asks for them.

use crate::{
    domain::{
        customer::{
            aggregate::{Customer, customer::DecideEvents},
            audit::Author,
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{attributes::Attributes, time::Millis},
    },
    ledger::{Actor, CustomerRef, CustomerWithUsage},
    service::{
        access::access_tokens::LesserCaller,
        documents::customers::customer::CustomerContext,
        error::ServiceError,
        jobs::Jobs,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use serde::Serialize;
use serde_json::Value;

/// Whether a change is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Trial {
    Yes,
    No,
}

/// The operations on a merchant's customers for one caller, under one configuration.
#[derive(Clone, Copy)]
pub struct CustomerService<'a> {
    /// The state.
    pub service: &'a PaymentService,
    /// The uploads and bulk changes, whose ids histories show.
    pub jobs: &'a Jobs,
    /// The configuration that the request sees.
    pub rules: &'a Rules,
    /// The merchant, one of `rules`.
    pub merchant: &'a Merchant,
    /// The caller, for histories.
    pub author: Author,
    /// The caller's token where it may not do what only operators may do; `None`: the caller may.
    pub lesser: Option<LesserCaller>,
}

impl CustomerService<'_> {
    /// The time.
    pub(super) fn now(&self) -> Result<Millis, ServiceError> {
        self.service.time()
    }

    /// Refuses what only operators may do; `what` describes it.
    pub(super) fn require_operator(&self, what: &str) -> Result<(), ServiceError> {
        match self.lesser {
            None => Ok(()),
            Some(LesserCaller { kind, role }) => Err(ServiceError::forbidden(format!(
                "{what} needs a {kind} of role operator; the role of this {kind} is {}",
                role.word(),
                kind = kind.word()
            ))),
        }
    }

    /// What the documents of customers depend on besides them.
    pub(super) fn context(&self, now: Millis) -> CustomerContext<'_> {
        let ledger = Some(&self.service.ledger);
        CustomerContext { rules: self.rules, merchant: self.merchant, ledger, now }
    }

    /// Reads something of a customer as of now.
    pub(super) fn read<T>(
        &self,
        customer_id: &str,
        read: impl FnOnce(&Customer, Millis) -> T,
    ) -> Result<T, ServiceError> {
        Ok(self.service.ledger.with_customer(self.merchant.id.as_str(), customer_id, self.now()?, read)?)
    }

    /// An answer that shows one customer and depends on the records of this customer only.
    pub(super) fn show(&self, customer_id: &str, show: impl FnOnce(&Customer, Millis) -> Value) -> Answered {
        self.show_with_usage(customer_id, |whole, now| show(whole.customer, now))
    }

    /// The same with the usage of all customers who were merged into it.
    pub(super) fn show_with_usage<T: Serialize>(
        &self,
        customer_id: &str,
        show: impl FnOnce(CustomerWithUsage<'_>, Millis) -> T,
    ) -> Answered {
        let show = |whole: CustomerWithUsage<'_>, now| (whole.depends_on_lsn, show(whole, now));
        let merchant = self.merchant.id.as_str();
        let (depends_on_lsn, document) =
            self.service.ledger.with_customer_usage(merchant, customer_id, self.now()?, show)?;
        Ok(Reply::new(&document).depending_on(depends_on_lsn))
    }

    /// Changes a customer by the events that `make` returns.
    pub(super) fn change(&self, customer_id: &str, make: &mut DecideEvents<'_>) -> Result<(), ServiceError> {
        let actor = Actor { author: self.author, now: self.now()? };
        let customer = CustomerRef { merchant: self.merchant.id, customer_id };
        self.service.ledger.change(customer, actor, &Attributes::default(), make)?;
        Ok(())
    }
}

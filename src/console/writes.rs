//! The one place where the pages of levels and transactions try and commit their changes.

use crate::{
    console::page_request::PageRequest,
    service::{
        configuration::{
            change::{ConfigurationAction, ConfigurationChange},
            trial::ConfigurationTrial,
        },
        error::ServiceError,
        reply::Reply,
    },
};

/// A change that a person has confirmed.
#[derive(Debug, Clone)]
pub(super) enum ConfirmedWrite {
    /// A change of levels.
    Configuration(ConfigurationAction),
    /// A transaction gets the customer that a body names or describes.
    Link {
        /// The transaction.
        transaction_id: String,
        /// The body, as the API takes it.
        body: Vec<u8>,
    },
}

impl PageRequest {
    /// Makes a change. The page leaves once it is committed.
    ///
    /// # Errors
    /// The change is refused; nothing has changed.
    pub(super) fn commit(&self, write: ConfirmedWrite) -> Result<(), ServiceError> {
        let parts = &self.console.parts;
        match write {
            ConfirmedWrite::Configuration(action) => {
                let outcome = parts.status.control.configure(&self.configuration_change(action)?)?;
                // An answer that depends on every record so far.
                let shown: Reply = parts.payments.deleted_levels(&outcome);
                self.read(Ok(shown)).map(drop)
            }
            ConfirmedWrite::Link { transaction_id, body } => {
                let customers = self.customers(self.merchant()?);
                self.read(customers.link(&transaction_id, &body)).map(drop)
            }
        }
    }

    /// What a change of levels would do.
    ///
    /// # Errors
    /// The change would be refused.
    pub(super) fn try_configuration(&self, action: ConfigurationAction) -> Result<ConfigurationTrial, ServiceError> {
        self.console.parts.status.control.try_configure(&self.configuration_change(action)?)
    }

    fn configuration_change(&self, action: ConfigurationAction) -> Result<ConfigurationChange, ServiceError> {
        let payments = &self.console.parts.payments;
        let at = match payments.time() {
            Err(error) if error.is_unavailable() => return Err(error),
            // No request has named a time yet.
            now => now.unwrap_or_else(|_| payments.clock.wall()),
        };
        Ok(ConfigurationChange { action, by: self.token.as_ref().map(|token| token.name), at })
    }
}

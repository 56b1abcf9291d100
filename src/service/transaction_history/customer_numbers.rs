//! The customers that a file names by number: each number is one customer, and each customer has one number.

use crate::{
    domain::decision::payment::SentIdentity, ledger::PastCustomer, service::transaction_history::row::HistoryRow,
};
use std::collections::HashMap;

/// The customers that a file names by number. It takes a few bytes for each of them.
#[derive(Debug, Default)]
pub struct CustomerNumbers {
    /// The merchant and the identifier of a number, as a digest.
    customers: HashMap<u64, u64>,
    /// The number of a merchant's identifier.
    numbers: HashMap<u64, u64>,
    /// The number after the largest one.
    pub next: u64,
}

impl CustomerNumbers {
    /// Adds the customer of a row.
    ///
    /// # Errors
    /// An earlier row has the number for another customer, or another number for the customer.
    pub fn add(&mut self, row: &HistoryRow<'_>) -> Result<(), String> {
        let PastCustomer::Numbered(number) = row.customer else { return Ok(()) };
        let (customer, identifier) = self.digests(row);
        self.next = self.next.max(number + 1);
        if self.customers.insert(number, customer).is_some_and(|known| known != customer) {
            return Err(format!("an earlier row has the customer_id {number} for another customer"));
        }
        match identifier.and_then(|identifier| self.numbers.insert(identifier, number)) {
            Some(other) if other != number => {
                Err(format!("an earlier row has the customer_id {other} for this customer"))
            }
            _ => Ok(()),
        }
    }

    /// The customer of a row: by its number, where any row of the file names the number of its identifier.
    #[must_use]
    pub fn customer_of(&self, row: &HistoryRow<'_>) -> PastCustomer {
        if row.customer != PastCustomer::Named {
            return row.customer;
        }
        let number = self.digests(row).1.and_then(|identifier| self.numbers.get(&identifier));
        number.map_or(PastCustomer::Named, |number| PastCustomer::Numbered(*number))
    }

    /// The digests of the merchant with the identifier, where there is one, and of the identifier alone.
    fn digests(&self, row: &HistoryRow<'_>) -> (u64, Option<u64>) {
        use std::hash::BuildHasher;
        let merchant = row.payment.merchant.id.as_str();
        let of = |identifier: &str| self.customers.hasher().hash_one((merchant, identifier));
        match &row.payment.identity {
            SentIdentity::Identifier(id) => (of(id.trim()), Some(of(id.trim()))),
            SentIdentity::CustomerId(_) | SentIdentity::Attributes(_) => (of(""), None),
        }
    }
}

//! The row at which an interrupted import continues. The interruption may have come between its record and its mark: then
//! the row is imported already. A row without an identifier does not find its customer, so its customer is looked for.

use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            status::CustomerStatus,
            update::{CustomerUpdate, identifier_of},
        },
        rules::{merchant::Merchant, registration::identifier::RegistrationSource},
        vocabulary::{attributes::Attribute, calendar::LocalTime, names::Name, time::Millis},
    },
    ledger::{CustomerQuery, Ledger, PAGE_MAX},
};

/// What a row says about the customer that it creates.
pub(super) struct CreatingRow<'a> {
    pub(super) identifier: Option<&'a str>,
    pub(super) created: Option<Millis>,
    pub(super) update: &'a CustomerUpdate,
    /// Its customer has a higher number than this one.
    pub(super) newest: u64,
}

/// Whether one of the newest customers of a merchant is the one that a row creates.
pub(super) fn is_imported(ledger: &Ledger, merchant: &Merchant, row: &CreatingRow<'_>, now: Millis) -> bool {
    let query = CustomerQuery { descending: true, limit: PAGE_MAX, ..CustomerQuery::default() };
    let local = LocalTime { calendar: &merchant.calendar, now };
    let is_its = |customer: &Customer, now| {
        customer.number() > row.newest && is_of_row(LocalTime { now, ..local }, merchant, customer, row)
    };
    ledger.find_customers(merchant.id, &query, local, is_its).is_ok_and(|page| page.customers.contains(&true))
}

/// Whether a new customer has what a row gives it, and nothing else.
fn is_of_row(local: LocalTime<'_>, merchant: &Merchant, customer: &Customer, row: &CreatingRow<'_>) -> bool {
    let CreatingRow { identifier, created, update, .. } = *row;
    let policy = &merchant.registration;
    let is_generated = |attribute| {
        attribute == Attribute::ExternalId
            && (policy.replaces_external_id(RegistrationSource::Import)
                || policy.generates_external_id(RegistrationSource::Import)
                    && !update.attributes.iter().any(|(known, value)| *known == attribute && !value.is_empty()))
    };
    let offered = update.offered_attributes(merchant);
    let offers = |(attribute, value): (Attribute, &str)| offered.value(attribute) == Some(value);
    let mut of_customer = customer.attributes.iter().filter(|(attribute, _)| !is_generated(*attribute));
    // The policy may leave out an identifier of another customer.
    let mut required = offered.iter().filter(|(attribute, _)| identifier_of(*attribute).is_none());
    let default_label: Vec<Name> = merchant.default_label().map(|label| label.name).into_iter().collect();
    customer.shown_identifier() == identifier
        && created.is_none_or(|created| created == customer.created)
        && update.levels.iter().zip(&customer.levels).all(|(sent, stored)| sent.unwrap_or_default() == *stored)
        && customer.status(local) == update.status.unwrap_or(CustomerStatus::New)
        && customer.labels() == update.labels.as_ref().unwrap_or(&default_label)
        && of_customer.all(offers)
        && required.all(|(attribute, value)| customer.attributes.value(attribute) == Some(value))
}

//! The template of a merchant: the header of a table, and two example rows that a trial import of this merchant takes.

use crate::{
    domain::{
        customer::status::CustomerStatus,
        rules::{
            labels::LabelKind,
            merchant::{Merchant, OperationMode},
            registration::identifier::{Identifier, RegistrationSource},
        },
        vocabulary::{contact::phone, names::Name, time::Millis},
    },
    service::{
        csv::{
            Column, Row,
            cell::{Expected, join_labels},
            write::Writer,
        },
        customers::CustomerService,
        error::ServiceError,
        import_export::{
            generate::levels_of,
            row::{ImportTarget, RowEffect, import_row},
        },
    },
};
use std::io;

/// The most examples that are tried. The identifiers of the first ones can be taken.
const TRIES_MAX: u64 = 1_000;
/// The country of example phone numbers where the merchant has no `default_country`.
const EXAMPLE_COUNTRY: &str = "CY";

impl CustomerService<'_> {
    /// The template of the merchant.
    ///
    /// # Errors
    /// The time is not known.
    pub fn template(&self) -> Result<Vec<u8>, ServiceError> {
        let (ledger, merchant, now) = (&self.service.ledger, self.merchant, self.service.time()?);
        let target = ImportTarget {
            ledger,
            merchant,
            by: self.author.by,
            job: None,
            now,
            new_from: u64::MAX,
            resumed_after: None,
        };
        template(&target).map_err(|_| ServiceError::internal())
    }
}

/// The template of a merchant.
///
/// # Errors
/// None but those of memory.
pub(super) fn template(target: &ImportTarget<'_>) -> io::Result<Vec<u8>> {
    let mut writer = Writer::with_all_columns(Vec::new(), Expected::of(&target.merchant.registration))?;
    let mut from = 1;
    for is_whole in [true, false] {
        let is_taken = |place: &u64| {
            let tried = import_row(target, &example(target.merchant, *place, is_whole, target.now), true);
            matches!(tried, Ok(RowEffect::Created(_)))
        };
        let place = (from..from + TRIES_MAX).find(is_taken).unwrap_or(from);
        writer.write(&example(target.merchant, place, is_whole, target.now))?;
        from = place + 1;
    }
    writer.finish()
}

/// An example row. No two places share an identifier. `is_whole`: with every column; else with those that a registration
/// needs.
fn example(merchant: &Merchant, place: u64, is_whole: bool, now: Millis) -> Row {
    let policy = &merchant.registration;
    let is_primary = |identifier| policy.primary_identifier == identifier;
    let is_needed = |identifier| is_whole || is_primary(identifier) || policy.rule(identifier).required;
    let mut row = Row::default();
    if is_primary(Identifier::MerchantCustomerIdentifier) || merchant.mode == OperationMode::Crm {
        row.set(Column::MerchantCustomerIdentifier, format!("example-{place}"));
    }
    if is_needed(Identifier::Email) {
        row.set(Column::Email, format!("example-{place}@example.com"));
    }
    let country = policy.default_country.or_else(|| phone::Country::parse(EXAMPLE_COUNTRY));
    if let Some(country) = country.filter(|_| is_needed(Identifier::Phone)) {
        row.set(Column::Phone, example_phone(country, place));
    }
    let is_generated = policy.generates_external_id(RegistrationSource::Import);
    if !is_generated && is_needed(Identifier::ExternalId) {
        row.set(Column::ExternalId, format!("EX-{place}"));
    }
    row.set(Column::Status, if is_whole { CustomerStatus::Member } else { CustomerStatus::New }.word());
    if !is_whole {
        return row;
    }
    let levels = levels_of(merchant);
    for (column, names) in [(Column::DepositLevel, levels.deposit), (Column::WithdrawalLevel, levels.withdrawal)] {
        row.set(column, names.first().copied().map_or("", Name::as_str));
    }
    let active = merchant.labels.iter().filter(|label| label.kind == LabelKind::Active);
    row.set(Column::Labels, join_labels(active.take(merchant.labels_max.min(2)).map(|label| label.name.as_str())));
    for (column, text) in [
        (Column::FirstName, "Alice"),
        (Column::LastName, "Example"),
        (Column::Country, EXAMPLE_COUNTRY),
        (Column::City, "Nicosia"),
        (Column::DateOfBirth, "1990-05-17"),
        (Column::Language, "en"),
        (Column::Comment, "prefers e-mail"),
        (Column::Rating, "80"),
        (Column::RegistrationIp, "192.0.2.7"),
        (Column::PhoneVerified, "true"),
        (Column::ReferredBy, "partner-7"),
    ] {
        row.set(column, text);
    }
    row.set(Column::CreatedAt, now.to_string());
    row
}

/// A valid number of a country. Of a hundred places in a row one has such a number.
fn example_phone(country: phone::Country, place: u64) -> String {
    (place..place + 100).find_map(|place| phone::example(country, place)).unwrap_or_default()
}

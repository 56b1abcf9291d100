//! Registrations, their outcomes, and the owners of identifiers.

use crate::domain::{
    customer::{
        audit::{Author, ChangeSource},
        update::CustomerUpdate,
    },
    request::refusal::Refusal,
    rules::{
        merchant::Merchant,
        registration::{
            identifier::{IDENTIFIERS, Identifier, RegistrationSource},
            policy::{Applicant, OfferedIdentifier},
        },
    },
    vocabulary::{
        attributes::{Attribute, Attributes},
        time::Millis,
    },
};
use smallvec::SmallVec;

mod default_countries;
mod external_ids;
mod register;

/// A customer to register.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// The customer's merchant.
    pub merchant: &'a Merchant,
    /// The `merchant_customer_identifier`, unique in the merchant where set.
    pub identifier: Option<&'a str>,
    /// The attributes and settings.
    pub update: &'a CustomerUpdate,
    /// When the customer was created, where that was earlier.
    pub created: Option<Millis>,
    /// Who registers the customer.
    pub author: Author,
    /// A dry run: nothing is recorded.
    pub is_trial: bool,
}

/// The result of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationOutcome {
    /// A customer was created.
    Created(u64),
    /// The identifier is this customer's already; nothing changed.
    Existing(u64, Identifier),
    /// The registration was merged into this customer, by the merchant's policy.
    Merged(u64),
}

/// A customer that a registration created or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredCustomer {
    /// The number of the customer.
    pub number: u64,
    /// Whether the registration created it.
    pub is_new: bool,
}

/// The current owners of identifiers; of those that several customers share, the two oldest.
#[derive(PartialEq, Eq)]
pub(in crate::ledger) struct IdentifierOwners {
    pub(super) identifier: Option<u64>,
    pub(super) attributes: Vec<(Attribute, SmallVec<[u64; 2]>)>,
}

impl IdentifierOwners {
    /// The oldest owner of an identifying attribute, other than `except`.
    pub(in crate::ledger) fn of(&self, attribute: Attribute, except: Option<u64>) -> Option<u64> {
        let (_, numbers) = self.attributes.iter().find(|(known, _)| *known == attribute)?;
        numbers.iter().copied().find(|number| Some(*number) != except)
    }

    pub(super) fn applicant(&self, registration: &Registration<'_>, offered: &Attributes, at: Millis) -> Applicant {
        let offer = |identifier: Identifier| {
            let (is_offered, owner) = match attribute_of(identifier) {
                None => (registration.identifier.is_some(), self.identifier),
                Some(attribute) => (offered.value(attribute).is_some(), self.of(attribute, None)),
            };
            match (is_offered, owner) {
                (false, _) => OfferedIdentifier::Absent,
                (true, None) => OfferedIdentifier::Free,
                (true, Some(owner)) => OfferedIdentifier::Taken(owner),
            }
        };
        Applicant { offers: IDENTIFIERS.map(offer), source: source_of(registration.author.source), at }
    }
}

pub(super) fn source_of(source: ChangeSource) -> RegistrationSource {
    match source {
        ChangeSource::Payment => RegistrationSource::Payment,
        ChangeSource::Upload => RegistrationSource::Import,
        ChangeSource::Api | ChangeSource::System => RegistrationSource::Api,
    }
}

fn attribute_of(identifier: Identifier) -> Option<Attribute> {
    match identifier {
        Identifier::MerchantCustomerIdentifier | Identifier::CustomerId => None,
        Identifier::Email => Some(Attribute::Email),
        Identifier::Phone => Some(Attribute::Phone),
        Identifier::ExternalId => Some(Attribute::ExternalId),
    }
}

impl RegistrationOutcome {
    /// The created or changed customer.
    ///
    /// # Errors
    /// The customer already existed.
    pub fn unless_existing(self) -> Result<RegisteredCustomer, Refusal> {
        match self {
            Self::Created(number) => Ok(RegisteredCustomer { number, is_new: true }),
            Self::Merged(number) => Ok(RegisteredCustomer { number, is_new: false }),
            Self::Existing(number, by) => Err(Refusal::Taken { field: by.word(), customer_id: number.to_string() }),
        }
    }
}

/// The identities of a registration that is merged into a known customer.
pub(in crate::ledger) struct AdditionalIdentities<'a> {
    /// All attributes of the registration.
    pub(in crate::ledger) offered: &'a Attributes,
    /// Those that the known customer has with other values, and that no customer owns.
    pub(in crate::ledger) additional: Attributes,
}

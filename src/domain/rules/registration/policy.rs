//! The registration policy: which identifiers register a customer, and how shared identifiers are resolved.
//!
//! The policy is evaluated on its own: its input is the offered identifiers and their present owners. It has no access
//! to customers or indexes. Where the contract leaves a choice:
//!
//! - Without the primary identifier (`allow_any_identifier`), the first one offered, in the order of [`Identifier`],
//!   acts as the primary. Its owner is already registered, so sending it twice does not create two customers with two
//!   limits.
//! - With `customer_id` as the primary, which no registration offers, nothing need be offered. A
//!   `merchant_customer_identifier` that is offered acts as the primary all the same, because it names one customer; with
//!   `allow_any_identifier` the first identifier does.
//! - The owner of the primary identifier is already registered. A registration never merges two existing customers:
//!   a secondary identifier of another customer is refused or left out.
//! - A merge needs one target: unique identifiers of two different customers are refused as duplicates.
//! - A secondary identifier that is required is never left out: it is refused as a duplicate.
//! - `strict_primary_check` and `skip_secondary_on_primary_mismatch` judge every secondary identifier, unique or not;
//!   `merge_on_duplicate` the unique ones. A `merchant_customer_identifier` is unique in any case.
//! - Without any of the three an identifier that is not unique is shared.
//! - Filling an absent attribute is not an update and needs no `allow_update`. An update never merges customers.

use crate::domain::{
    rules::registration::{
        external_id::ExternalIds,
        identifier::{IDENTIFIERS, Identifier, IdentifierSet, PaymentRegistration, RegistrationSource},
    },
    vocabulary::{
        attributes::{Attribute, normalised},
        contact::{country, phone},
        time::Millis,
    },
};
use std::borrow::Cow;

/// The rule of one identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierRule {
    /// Whether a registration needs it.
    pub required: bool,
    /// Whether no two customers of the merchant may share it.
    pub unique: bool,
    /// Whether a present value may be changed.
    pub allow_update: bool,
}

impl Default for IdentifierRule {
    fn default() -> Self {
        Self { required: false, unique: false, allow_update: true }
    }
}

/// A merchant's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationPolicy {
    /// The identifier by which customers are registered.
    pub primary_identifier: Identifier,
    /// Whether another identifier is accepted instead.
    pub allow_any_identifier: bool,
    /// Of e-mail addresses.
    pub email: IdentifierRule,
    /// Of phone numbers.
    pub phone: IdentifierRule,
    /// Of external ids.
    pub external_id: IdentifierRule,
    /// Whether a secondary identifier of another customer is refused.
    pub strict_primary_check: bool,
    /// Whether a secondary identifier of another customer is left out instead.
    pub skip_secondary_on_primary_mismatch: bool,
    /// Whether a new applicant with a unique identifier of an existing customer is registered as that customer.
    pub merge_on_duplicate: bool,
    /// The effect of a payment whose customer is not known.
    pub from_payments: PaymentRegistration,
    /// The earliest registration time.
    pub min_registration_date: Option<Millis>,
    /// The country of phone numbers without a country code.
    pub default_country: Option<phone::Country>,
    /// The generator of external ids, if configured.
    pub external_ids: Option<ExternalIds>,
}

impl Default for RegistrationPolicy {
    fn default() -> Self {
        Self {
            primary_identifier: Identifier::MerchantCustomerIdentifier,
            allow_any_identifier: false,
            email: IdentifierRule::default(),
            phone: IdentifierRule::default(),
            external_id: IdentifierRule::default(),
            strict_primary_check: false,
            skip_secondary_on_primary_mismatch: false,
            merge_on_duplicate: false,
            from_payments: PaymentRegistration::Create,
            min_registration_date: None,
            default_country: None,
            external_ids: None,
        }
    }
}

/// An identifier of an applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OfferedIdentifier {
    /// Not offered.
    #[default]
    Absent,
    /// Offered, and no customer has it.
    Free,
    /// Offered, and this customer has it; of several customers, the oldest.
    Taken(u64),
}

/// An applicant for registration.
#[derive(Debug, Clone, Copy)]
pub struct Applicant {
    /// In the order of [`IDENTIFIERS`].
    pub offers: [OfferedIdentifier; 4],
    /// How the registration arrives.
    pub source: RegistrationSource,
    /// The time of the registration.
    pub at: Millis,
}

impl Applicant {
    /// What is offered of an identifier.
    fn offer(&self, identifier: Identifier) -> OfferedIdentifier {
        self.offers.get(identifier as usize).copied().unwrap_or_default()
    }
}

/// The result of an accepted registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationDecision {
    /// A customer is created with the offered identifiers.
    Create {
        /// Identifiers that are left out.
        left_out: IdentifierSet,
    },
    /// The primary identifier belongs to this customer.
    Registered {
        /// The customer.
        number: u64,
        /// The identifier that acted as the primary.
        by: Identifier,
        /// Identifiers of other customers, which are left out.
        left_out: IdentifierSet,
    },
    /// The applicant is this customer: the offered identifiers lead to it, and absent attributes are filled.
    Merge {
        /// The customer.
        into: u64,
    },
}

/// Why a registration or an update is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The policy requires it.
    #[error("`{field}` is required to register a customer", field = .0.word())]
    Required(Identifier),
    /// No identifier is offered.
    #[error("one of merchant_customer_identifier, email, phone, external_id is required to register a customer")]
    Nothing,
    /// The identifier is unique and belongs to another customer.
    #[error("`{field}` belongs to another customer, {holder}", field = .field.word())]
    Duplicate {
        /// The identifier.
        field: Identifier,
        /// The number of that customer.
        holder: u64,
    },
    /// `strict_primary_check`.
    #[error(
        "`{field}` belongs to another customer, {holder}, than `{primary}`: strict_primary_check",
        field = .field.word(),
        primary = .primary.word()
    )]
    OfAnother {
        /// The secondary identifier.
        field: Identifier,
        /// The primary identifier, which does not name that customer.
        primary: Identifier,
        /// The number of that customer.
        holder: u64,
    },
    /// Earlier than `min_registration_date`.
    #[error("`created_at` is before {0}, the merchant's min_registration_date")]
    TooEarly(Millis),
    /// `allow_update` is off.
    #[error("`{field}` may not be changed: `allow_update` is off for it", field = .0.word())]
    Fixed(Identifier),
}

impl RegistrationError {
    /// The stable name on the wire.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Required(_) | Self::Nothing => "identifier_required",
            Self::Duplicate { .. } => "identifier_duplicate",
            Self::OfAnother { .. } => "identifier_of_another",
            Self::TooEarly(_) => "registered_too_early",
            Self::Fixed(_) => "identifier_fixed",
        }
    }

    /// The field at fault.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Required(field)
            | Self::Duplicate { field, .. }
            | Self::OfAnother { field, .. }
            | Self::Fixed(field) => field.word(),
            Self::Nothing => Identifier::MerchantCustomerIdentifier.word(),
            Self::TooEarly(_) => "created_at",
        }
    }
}

impl RegistrationPolicy {
    /// The rule of an identifier.
    #[must_use]
    pub fn rule(&self, identifier: Identifier) -> IdentifierRule {
        match identifier {
            Identifier::MerchantCustomerIdentifier => IdentifierRule { unique: true, ..IdentifierRule::default() },
            Identifier::Email => self.email,
            Identifier::Phone => self.phone,
            Identifier::ExternalId => self.external_id,
            Identifier::CustomerId => IdentifierRule { unique: true, allow_update: false, ..IdentifierRule::default() },
        }
    }

    /// Whether a registration of this source gets a generated external id in place of the one that it offers. The primary
    /// identifier is not replaced: the same registration again would not find its customer.
    #[must_use]
    pub fn replaces_external_id(&self, source: RegistrationSource) -> bool {
        self.primary_identifier != Identifier::ExternalId
            && self.external_ids.as_ref().is_some_and(|ids| ids.format().replace && ids.covers_source(source))
    }

    /// Whether a registration of this source without an external id gets a generated one.
    #[must_use]
    pub fn generates_external_id(&self, source: RegistrationSource) -> bool {
        self.external_ids.as_ref().is_some_and(|ids| ids.covers_source(source))
    }

    /// The form in which two values of an attribute are compared; see [`normalised`].
    #[must_use]
    pub fn normalised<'v>(&self, attribute: Attribute, value: &'v str) -> Cow<'v, str> {
        normalised(attribute, value, self.default_country)
    }

    /// A value of a payment as it is stored: an identifier and a date trimmed, a country in capital letters, a phone number
    /// as it is compared where the merchant has a country to read it with, any other value as written. Empty where it is
    /// blank.
    #[must_use]
    pub fn stored<'v>(&self, attribute: Attribute, value: &'v str) -> Cow<'v, str> {
        match attribute {
            Attribute::Phone if self.default_country.is_some() => self.normalised(attribute, value),
            Attribute::ExternalId | Attribute::PaymentInstrument | Attribute::DateOfBirth => value.trim().into(),
            Attribute::Country => country::code(value).unwrap_or_else(|| value.trim()).into(),
            _ if value.trim().is_empty() => "".into(),
            _ => value.into(),
        }
    }

    /// Evaluates a registration.
    ///
    /// # Errors
    /// The first violation: a missing identifier, then the date, then an identifier of another customer, each in the
    /// order of [`IDENTIFIERS`].
    pub fn evaluate(&self, applicant: &Applicant) -> Result<RegistrationDecision, RegistrationError> {
        let offer = |identifier: Identifier| applicant.offer(identifier);
        let primary = self.acting_primary(applicant)?;
        let named = match offer(primary) {
            OfferedIdentifier::Taken(number) => Some(number),
            OfferedIdentifier::Absent | OfferedIdentifier::Free => None,
        };
        let made = |field| field == Identifier::ExternalId && self.generates_external_id(applicant.source);
        let missing = |field: &Identifier| {
            self.rule(*field).required && offer(*field) == OfferedIdentifier::Absent && !made(*field)
        };
        // A registered customer needs no further identifier.
        if named.is_none() {
            if let Some(field) = IDENTIFIERS.into_iter().find(missing) {
                return Err(RegistrationError::Required(field));
            }
            if let Some(earliest) = self.min_registration_date.filter(|&earliest| applicant.at < earliest) {
                return Err(RegistrationError::TooEarly(earliest));
            }
        }
        let mut left_out = IdentifierSet::default();
        let mut into = None;
        for field in IDENTIFIERS.into_iter().filter(|&field| field != primary) {
            let OfferedIdentifier::Taken(holder) = offer(field) else { continue };
            if named == Some(holder) {
                continue;
            }
            let rule = self.rule(field);
            if self.strict_primary_check {
                return Err(RegistrationError::OfAnother { field, primary, holder });
            }
            if self.skip_secondary_on_primary_mismatch && !rule.required {
                left_out = left_out.with(field);
            } else if self.skip_secondary_on_primary_mismatch {
                return Err(RegistrationError::Duplicate { field, holder });
            } else if rule.unique {
                let one_target = named.is_none() && into.is_none_or(|target| target == holder);
                if !self.merge_on_duplicate || !one_target {
                    return Err(RegistrationError::Duplicate { field, holder });
                }
                into = Some(holder);
            }
        }
        Ok(match (named, into) {
            (Some(number), _) => RegistrationDecision::Registered { number, by: primary, left_out },
            (None, Some(into)) => RegistrationDecision::Merge { into },
            (None, None) => RegistrationDecision::Create { left_out },
        })
    }

    /// The identifier that acts as the primary for this applicant.
    fn acting_primary(&self, applicant: &Applicant) -> Result<Identifier, RegistrationError> {
        let offered = |field: &Identifier| applicant.offer(*field) != OfferedIdentifier::Absent;
        let primary = self.primary_identifier;
        if primary == Identifier::CustomerId {
            let first = IDENTIFIERS.into_iter().find(offered);
            let names_one =
                |field: &Identifier| self.allow_any_identifier || *field == Identifier::MerchantCustomerIdentifier;
            return Ok(first.filter(names_one).unwrap_or(primary));
        }
        let made = primary == Identifier::ExternalId && self.generates_external_id(applicant.source);
        if offered(&primary) || made {
            return Ok(primary);
        }
        if !self.allow_any_identifier {
            return Err(RegistrationError::Required(primary));
        }
        IDENTIFIERS.into_iter().find(offered).ok_or(RegistrationError::Nothing)
    }

    /// Checks whether a customer may get, change or lose an identifier. `had`: whether the customer has a value; `now`:
    /// the new value, [`OfferedIdentifier::Absent`] to remove it. An unchanged value needs no check.
    ///
    /// # Errors
    /// The violation of the policy.
    pub fn check_update(
        &self,
        number: u64,
        field: Identifier,
        had: bool,
        now: OfferedIdentifier,
    ) -> Result<(), RegistrationError> {
        let rule = self.rule(field);
        if had && !rule.allow_update {
            return Err(RegistrationError::Fixed(field));
        }
        let is_primary = field == self.primary_identifier;
        match now {
            OfferedIdentifier::Absent if rule.required || (is_primary && !self.allow_any_identifier) => {
                Err(RegistrationError::Required(field))
            }
            OfferedIdentifier::Taken(holder) if holder != number && (rule.unique || is_primary) => {
                Err(RegistrationError::Duplicate { field, holder })
            }
            OfferedIdentifier::Taken(holder) if holder != number && self.strict_primary_check => {
                Err(RegistrationError::OfAnother { field, primary: self.primary_identifier, holder })
            }
            OfferedIdentifier::Absent | OfferedIdentifier::Free | OfferedIdentifier::Taken(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

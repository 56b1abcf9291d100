//! The identifiers by which customers are registered, and the ways in which registrations arrive.

use crate::domain::vocabulary::words::words;

words! {
    /// An identifier by which a customer is registered and found.
    Identifier {
        /// The merchant's own.
        MerchantCustomerIdentifier = "merchant_customer_identifier",
        /// E-mail address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// The id in another system, or a generated one.
        ExternalId = "external_id",
        /// The number that the daemon gives. A registration never offers it.
        CustomerId = "customer_id",
    }
}

/// The identifiers that a registration can offer, in the order in which they are evaluated.
pub const IDENTIFIERS: [Identifier; 4] =
    [Identifier::MerchantCustomerIdentifier, Identifier::Email, Identifier::Phone, Identifier::ExternalId];

/// A set of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentifierSet(u8);

impl IdentifierSet {
    /// With one more.
    #[must_use]
    pub fn with(self, identifier: Identifier) -> Self {
        Self(self.0 | 1 << identifier as u8)
    }

    /// Whether one is in it.
    #[must_use]
    pub fn contains(self, identifier: Identifier) -> bool {
        self.0 & (1 << identifier as u8) != 0
    }
}

words! {
    /// The effect of a payment whose customer is not known.
    PaymentRegistration {
        /// It registers the customer.
        Create = "create",
        /// It is refused: only registered customers pay.
        Match = "match",
    }
}

words! {
    /// How a registration arrives.
    RegistrationSource {
        /// With a payment.
        Payment = "payment",
        /// By a call of the API.
        Api = "api",
        /// As a row of an import.
        Import = "import",
    }
}

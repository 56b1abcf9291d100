//! Changes of a customer. Each sets its value completely, so that the last one in order decides.

use crate::domain::{
    customer::{
        individual_settings::IndividualSettings,
        instruments::Instrument,
        own_limits::OwnLimits,
        status::{CustomerStatus, StatusFactors},
        stored_identifier::StoredIdentifier,
    },
    rules::rates::OwnRate,
    vocabulary::{
        attributes::{AttributeSet, Attributes},
        names::Name,
        time::Millis,
    },
};
/// A change of a customer that does not come from a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerChange {
    /// Attributes that are set and removed.
    Attributes {
        /// Attributes with their new values.
        set: Attributes,
        /// Removed attributes.
        removed: AttributeSet,
    },
    /// The status, set by hand.
    Status(CustomerStatus),
    /// Consent and suspicion. Only snapshots contain it; journal records contain the signals.
    StatusFactors(StatusFactors),
    /// The labels.
    Labels(Vec<Name>),
    /// Individual payment settings, complete.
    Settings(IndividualSettings),
    /// The customer's own limits of one (direction, currency).
    Limits(OwnLimits),
    /// The projects in which the customer may not pay.
    DisabledProjects(Vec<Name>),
    /// The customer's own exchange rates.
    Rates(Vec<OwnRate>),
    /// A stored payment instrument.
    Instrument(Instrument),
    /// The stored payment instrument of this id is removed.
    InstrumentRemoved(Box<str>),
    /// When the personal attributes will be erased; `None`: they will not.
    DeletionDue(Option<Millis>),
    /// The personal attributes and the texts of sealed identifiers are erased, together with their key.
    Erased,
    /// The customer is merged into another one: all its identifiers lead there.
    MergedInto(u64),
    /// All customers merged into this one: ascending numbers.
    Merged(Vec<u64>),
    /// The further identifiers of the customer, in the order in which they were added.
    Identifiers(Vec<StoredIdentifier>),
}

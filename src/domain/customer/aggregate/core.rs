//! The data of a customer without its transactions.

use crate::domain::{
    customer::{
        audit::{AuditEntry, Author},
        change::CustomerChange,
        individual_settings::IndividualSettings,
        instruments::{self, Instrument, InstrumentsUsable},
        own_limits::OwnLimits,
        profile::Profile,
        status::{CustomerStatus, StatusFactors},
        stored_identifier::StoredIdentifier,
    },
    events::customer_event::CustomerEvent,
    rules::rates::OwnRate,
    transaction::log_offset::LogOffset,
    vocabulary::{
        attributes::Attributes,
        calendar::{LocalTime, month::Month},
        direction::Direction,
        money::Currency,
        names::Name,
        time::Millis,
    },
};
/// The largest number that a customer may have.
pub const CUSTOMER_NUMBER_MAX: u64 = u32::MAX as u64;

/// The data of a customer without its transactions.
///
/// The order of the fields is their order in memory: the data that each payment reads is first and adjacent.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct CustomerCore {
    number: u32,
    /// Consent and suspicion, of which the status follows.
    pub status_factors: StatusFactors,
    /// The merchant.
    pub merchant: Name,
    /// The stored level name by direction; `None`: empty.
    pub levels: [Option<Name>; 2],
    /// The latest time as of which the customer was read. A caller that waited for the lock and comes with an earlier
    /// time is answered as of this one: otherwise it would not see what was counted since. Only
    /// [`super::Customer::apply_clock_step`] lowers it.
    pub(super) settled_at: Millis,
    /// The number of the last record that was applied.
    pub applied: u64,
    /// The profile, if there is one.
    pub(super) profile: Option<Box<Profile>>,
    /// Unique in the merchant where set.
    pub identifier: Option<StoredIdentifier>,
    /// Common attributes.
    pub attributes: Attributes,
    /// When the customer was created.
    pub created: Millis,
    /// When the customer last changed, except for its transactions.
    pub modified: Millis,
    /// See [`CustomerCore::last_audit_offset`]; [`NO_AUDIT`]: there is none.
    last_audit: LogOffset,
}

/// The status of a customer as far as it does not depend on the time, and how it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusByMonth {
    /// The status up to the end of `last_month`.
    pub status: CustomerStatus,
    /// The month in which the last stored instrument expires; from the next one on the status is `not_active`. `None`: the
    /// status does not depend on the time.
    pub last_month: Option<Month>,
}

impl StatusByMonth {
    /// The status at a time.
    #[must_use]
    pub fn at(self, local: LocalTime<'_>) -> CustomerStatus {
        let is_over = self.last_month.is_some_and(|last| last < local.month());
        if is_over { CustomerStatus::NotActive } else { self.status }
    }
}

/// Marks that no audit entry is recorded.
const NO_AUDIT: LogOffset = LogOffset(u64::MAX);

/// A number as it is stored: none is larger than [`CUSTOMER_NUMBER_MAX`].
fn stored_number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl CustomerCore {
    pub(super) fn new(number: u64, merchant: Name, identifier: Option<StoredIdentifier>, at: Millis) -> Self {
        Self {
            number: stored_number(number),
            status_factors: StatusFactors::default(),
            merchant,
            levels: [None; 2],
            settled_at: at,
            applied: 0,
            profile: None,
            identifier,
            attributes: Attributes::default(),
            created: at,
            modified: at,
            last_audit: NO_AUDIT,
        }
    }

    /// The internal number; `customer_id` is its decimal text.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from(self.number)
    }

    /// Sets the number.
    pub fn set_number(&mut self, number: u64) {
        self.number = stored_number(number);
    }

    /// The offset of the last audit entry.
    #[must_use]
    pub fn last_audit_offset(&self) -> Option<LogOffset> {
        (self.last_audit != NO_AUDIT).then_some(self.last_audit)
    }

    /// Sets the offset of the last audit entry.
    pub fn set_last_audit_offset(&mut self, offset: Option<LogOffset>) {
        self.last_audit = offset.unwrap_or(NO_AUDIT);
    }

    /// The status of the customer at a time.
    #[must_use]
    pub fn status(&self, local: LocalTime<'_>) -> CustomerStatus {
        self.status_by_month().at(local)
    }

    /// The status at a time after a change of the profile. Nothing changes.
    #[must_use]
    pub fn status_after(&self, change: &CustomerChange, local: LocalTime<'_>) -> CustomerStatus {
        let mut profile = self.profile().cloned().unwrap_or_default();
        profile.apply(change);
        self.status_by_month_with(&profile.instruments).at(local)
    }

    /// The status, and the month after which it is `not_active`.
    #[must_use]
    pub fn status_by_month(&self) -> StatusByMonth {
        self.status_by_month_with(self.instruments())
    }

    fn status_by_month_with(&self, instruments: &[Instrument]) -> StatusByMonth {
        let status_with = |all_unusable| self.status_factors.status_with(all_unusable);
        match instruments::usable(instruments) {
            InstrumentsUsable::Always => StatusByMonth { status: status_with(false), last_month: None },
            InstrumentsUsable::Never => StatusByMonth { status: status_with(true), last_month: None },
            InstrumentsUsable::UntilEndOf(last) => {
                let status = status_with(false);
                StatusByMonth { status, last_month: (status_with(true) != status).then_some(last) }
            }
        }
    }

    /// The profile; `None`: it is empty.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// The operator's labels.
    #[must_use]
    pub fn labels(&self) -> &[Name] {
        self.profile().map_or(&[], |profile| &profile.labels)
    }

    /// Projects in which the customer may not pay.
    #[must_use]
    pub fn disabled_projects(&self) -> &[Name] {
        self.profile().map_or(&[], |profile| &profile.disabled_projects)
    }

    /// Whether the personal attributes were erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.profile().is_some_and(|profile| profile.erased)
    }

    /// Whether the customer may not pay in a project.
    #[must_use]
    pub fn is_project_disabled(&self, project: Name) -> bool {
        self.disabled_projects().contains(&project)
    }

    /// The customer into which this one is merged.
    #[must_use]
    pub fn merged_into(&self) -> Option<u64> {
        self.profile().and_then(|profile| profile.merged_into)
    }

    /// The customers merged into this one: ascending numbers.
    #[must_use]
    pub fn merged(&self) -> &[u64] {
        self.profile().map_or(&[], |profile| &profile.merged)
    }

    /// The further identifiers of the customer.
    #[must_use]
    pub fn identifiers(&self) -> &[StoredIdentifier] {
        self.profile().map_or(&[], |profile| &profile.identifiers)
    }

    /// All identifiers of the customer, its own first.
    pub fn all_identifiers(&self) -> impl Iterator<Item = &StoredIdentifier> {
        self.identifier.iter().chain(self.identifiers())
    }

    /// The identifier that is shown: the customer's own, or the first further one; `None`: there is none, or its text is
    /// forgotten.
    #[must_use]
    pub fn shown_identifier(&self) -> Option<&str> {
        self.all_identifiers().next().and_then(StoredIdentifier::text).map(str::trim)
    }

    /// Whether the customer has an identifier; white space at the ends does not count.
    #[must_use]
    pub fn has_identifier(&self, identifier: &StoredIdentifier) -> bool {
        self.all_identifiers().any(|known| known.is_same(identifier))
    }

    /// Maps each identifier to its stored form, readable or sealed. This is not a change of the customer.
    pub fn map_identifiers(&mut self, map: impl Fn(&StoredIdentifier) -> StoredIdentifier) {
        let more = self.profile.iter_mut().flat_map(|profile| &mut profile.identifiers);
        self.identifier.iter_mut().chain(more).for_each(|identifier| *identifier = map(identifier));
    }

    /// Payment instruments, sorted by id, also those that are not stored.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        self.profile().map_or(&[], |profile| &profile.instruments)
    }

    /// The stored instrument of an id.
    #[must_use]
    pub fn stored_instrument(&self, id: &str) -> Option<&Instrument> {
        self.profile().and_then(|profile| profile.instrument(id)).filter(|instrument| instrument.is_stored)
    }

    /// The customer's own exchange rates.
    #[must_use]
    pub fn rates(&self) -> &[OwnRate] {
        self.profile().map_or(&[], |profile| &profile.rates)
    }

    /// The audit entry that ends a step which changes the customer.
    #[must_use]
    pub fn audit_entry(&self, author: Author, at: Millis) -> CustomerEvent {
        let Author { source, by, job } = author;
        CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous: self.last_audit_offset(), job })
    }

    /// The customer's own limits in this (direction, currency).
    #[must_use]
    pub fn limits_for(&self, direction: Direction, currency: Currency) -> Option<&OwnLimits> {
        self.profile().and_then(|profile| profile.limits_for(direction, currency))
    }

    /// The individual settings for this (direction, currency, level).
    #[must_use]
    pub fn settings_for(&self, direction: Direction, currency: Currency, level: Name) -> Option<&IndividualSettings> {
        self.profile().and_then(|profile| profile.settings_for(direction, currency, level))
    }

    /// Whether the customer has this instrument, stored or named by a payment.
    #[must_use]
    pub fn has_instrument(&self, id: &str) -> bool {
        self.profile().is_some_and(|profile| profile.instrument(id).is_some())
    }

    /// The latest time as of which the customer was read.
    #[must_use]
    pub fn settled_at(&self) -> Millis {
        self.settled_at
    }

    pub(super) fn apply_change(&mut self, change: &CustomerChange) {
        match change {
            CustomerChange::Attributes { set, removed } => {
                set.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                removed.iter().for_each(|attribute| self.attributes.set(attribute, ""));
                return;
            }
            CustomerChange::Status(status) => {
                self.status_factors = self.status_factors.set(*status);
                return;
            }
            CustomerChange::StatusFactors(standing) => {
                self.status_factors = *standing;
                return;
            }
            CustomerChange::Erased => {
                self.attributes = Attributes::default();
                self.identifier.iter_mut().for_each(StoredIdentifier::forget);
            }
            CustomerChange::Labels(_)
            | CustomerChange::Settings(_)
            | CustomerChange::Limits(_)
            | CustomerChange::DisabledProjects(_)
            | CustomerChange::Rates(_)
            | CustomerChange::Instrument(_)
            | CustomerChange::InstrumentRemoved(_)
            | CustomerChange::DeletionDue(_)
            | CustomerChange::MergedInto(_)
            | CustomerChange::Merged(_)
            | CustomerChange::Identifiers(_) => {}
        }
        self.profile.get_or_insert_default().apply(change);
    }
}

//! What is known of a customer, transactions apart.

use crate::domain::customer::aggregate::{Change, CustomerEvent};
use crate::domain::{
    customer::{
        attributes::Attributes,
        own_limits::{OwnLimits, OwnRate},
        profile::{AuditEntry, Author, IndividualSettings, Instrument, Profile},
        status::{CustomerStatus, Standing},
        stored_identifier::StoredIdentifier,
    },
    rules::configuration::Direction,
    transaction::record::LogOffset,
    vocabulary::{money::Currency, names::Name, time::Millis},
};

/// The largest number that a customer may have.
pub const LAST_NUMBER: u64 = u32::MAX as u64;

/// A customer but for its transactions.
///
/// The fields stand in memory as they stand here: what every payment reads comes first and lies together.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Head {
    number: u32,
    /// Where the customer stands.
    pub standing: Standing,
    /// Whose.
    pub merchant: Name,
    /// The stored level name by direction; `None`: empty.
    pub levels: [Option<Name>; 2],
    /// The latest time at which anybody looked. Whoever comes with an earlier one, having waited for the lock, is
    /// answered as of this one: otherwise it would not see what was counted meanwhile. Only
    /// [`super::Customer::accept_clock`] lowers it.
    pub(super) settled_at: Millis,
    /// The number of the last record that was applied.
    pub applied: u64,
    /// What is known besides payments, where anything is.
    pub(super) profile: Option<Box<Profile>>,
    /// Unique in the merchant where set.
    pub identifier: Option<StoredIdentifier>,
    /// GlobalEvent attributes.
    pub attributes: Attributes,
    /// When the customer was made.
    pub created: Millis,
    /// When the customer last changed, transactions apart.
    pub modified: Millis,
    /// See [`Head::history`]; [`LogOffset::HERE`]: nowhere.
    history: LogOffset,
}

/// A number as it is kept: none is larger than [`LAST_NUMBER`].
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Head {
    pub(super) fn new(number: u64, merchant: Name, identifier: Option<StoredIdentifier>, at: Millis) -> Self {
        Self {
            number: small(number),
            standing: Standing::default(),
            merchant,
            levels: [None; 2],
            settled_at: at,
            applied: 0,
            profile: None,
            identifier,
            attributes: Attributes::default(),
            created: at,
            modified: at,
            history: LogOffset::HERE,
        }
    }

    /// The internal number; `customer_id` is its decimal text.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from(self.number)
    }

    /// Gives the customer another number.
    pub fn renumber(&mut self, number: u64) {
        self.number = small(number);
    }

    /// Where the last step lies by which the customer changed, transactions apart.
    #[must_use]
    pub fn history(&self) -> Option<LogOffset> {
        (self.history != LogOffset::HERE).then_some(self.history)
    }

    /// The last step by which the customer changed lies there.
    pub fn set_history(&mut self, place: Option<LogOffset>) {
        self.history = place.unwrap_or(LogOffset::HERE);
    }

    /// Where the customer stands, as one word.
    #[must_use]
    pub fn status(&self) -> CustomerStatus {
        let dead = self.profile.as_ref().is_some_and(|profile| profile.has_only_dead_instruments());
        self.standing.status_with(dead)
    }

    /// What is known besides payments; `None`: nothing.
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
    pub fn switched_off(&self) -> &[Name] {
        self.profile().map_or(&[], |profile| &profile.switched_off)
    }

    /// Whether the personal attributes were erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.profile().is_some_and(|profile| profile.erased)
    }

    /// Whether the customer may not pay in a project.
    #[must_use]
    pub fn is_switched_off(&self, project: Name) -> bool {
        self.switched_off().contains(&project)
    }

    /// The customer whose part this one is, where it was merged.
    #[must_use]
    pub fn merged_into(&self) -> Option<u64> {
        self.profile().and_then(|profile| profile.merged_into)
    }

    /// Who is part of this customer: ascending numbers.
    #[must_use]
    pub fn merged(&self) -> &[u64] {
        self.profile().map_or(&[], |profile| &profile.merged)
    }

    /// The identifiers that lead here besides the customer's own.
    #[must_use]
    pub fn identifiers(&self) -> &[StoredIdentifier] {
        self.profile().map_or(&[], |profile| &profile.identifiers)
    }

    /// All identifiers that lead here, the customer's own first.
    pub fn all_identifiers(&self) -> impl Iterator<Item = &StoredIdentifier> {
        self.identifier.iter().chain(self.identifiers())
    }

    /// The identifier that is shown: the customer's own, or the first that came to lead here; `None`: there is none, or it
    /// is forgotten.
    #[must_use]
    pub fn shown_identifier(&self) -> Option<&str> {
        self.all_identifiers().next().and_then(StoredIdentifier::text).map(str::trim)
    }

    /// Whether an identifier leads here; white space at the ends does not count.
    #[must_use]
    pub fn goes_by(&self, identifier: &StoredIdentifier) -> bool {
        self.all_identifiers().any(|known| known.is_same(identifier))
    }

    /// Keeps each identifier as `kept` says: how records and snapshots hold it, which is no change of the customer.
    pub fn keep_identifiers(&mut self, kept: impl Fn(&StoredIdentifier) -> StoredIdentifier) {
        let more = self.profile.iter_mut().flat_map(|profile| &mut profile.identifiers);
        self.identifier.iter_mut().chain(more).for_each(|identifier| *identifier = kept(identifier));
    }

    /// Stored payment instruments, sorted by id.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        self.profile().map_or(&[], |profile| &profile.instruments)
    }

    /// The customer's own exchange rates.
    #[must_use]
    pub fn rates(&self) -> &[OwnRate] {
        self.profile().map_or(&[], |profile| &profile.rates)
    }

    /// What stands last in a step that says something of the customer.
    #[must_use]
    pub fn audit_entry(&self, author: Author, at: Millis) -> CustomerEvent {
        let Author { source, by } = author;
        CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous: self.history() })
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

    /// Whether a payment by this instrument has passed.
    #[must_use]
    pub fn holds_instrument(&self, id: &str) -> bool {
        self.profile().is_some_and(|profile| profile.instrument(id).is_some())
    }

    /// The latest time at which anybody looked.
    #[must_use]
    pub fn settled_at(&self) -> Millis {
        self.settled_at
    }

    pub(super) fn change(&mut self, change: &Change) {
        match change {
            Change::Attributes { set, removed } => {
                set.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                removed.iter().for_each(|attribute| self.attributes.set(attribute, ""));
                return;
            }
            Change::Status(status) => {
                self.standing = self.standing.set(*status);
                return;
            }
            Change::Standing(standing) => {
                self.standing = *standing;
                return;
            }
            Change::Erased => {
                self.attributes = Attributes::default();
                self.identifier.iter_mut().for_each(StoredIdentifier::forget);
            }
            _ => {}
        }
        self.profile.get_or_insert_default().take(change);
    }
}

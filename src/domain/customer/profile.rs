//! What is known of a customer besides payments: labels, own settings, own limits, own rates, stored payment
//! instruments, and where a customer may not pay. Most customers have none of it.
//!
//! Each [`Change`] sets what it says, whole, so that the last one in order decides; who made it and when stands once a
//! step, in a [`AuditEntry`].

use crate::domain::{
    customer::{
        attributes::{AttributeSet, Attributes},
        own_limits::{OwnLimits, OwnRate},
        status::{CustomerStatus, Standing},
        stored_identifier::StoredIdentifier,
    },
    rules::configuration::{Direction, words},
    transaction::record::LogOffset,
    vocabulary::{money::Currency, names::Name, time::Millis},
};

/// The most labels of one customer.
pub const LABELS_MAX: usize = 100;
/// The most stored instruments of one customer; the one that was used longest ago makes room.
pub const INSTRUMENTS_MAX: usize = 100;
/// The most customers that are merged into one.
pub const MERGED_MAX: usize = 100;
/// The most identifiers that lead to one customer besides its own.
pub const IDENTIFIERS_MAX: usize = 1_000;
/// The most individual settings of one customer: one for each (direction, currency, level).
pub const SETTINGS_MAX: usize = 1_000;

words! {
    /// What brought a change.
    Source {
        /// A payment.
        Payment = "payment",
        /// A call of the API.
        Api = "api",
        /// A row of an upload.
        Upload = "upload",
        /// The daemon itself, by a rule.
        System = "system",
    }
}

/// Who changes a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// What brings the change.
    pub source: Source,
    /// The token's name, where one was asked for.
    pub by: Option<Name>,
}

impl Author {
    /// A payment.
    pub const PAYMENT: Self = Self { source: Source::Payment, by: None };
    /// The daemon itself.
    pub const SYSTEM: Self = Self { source: Source::System, by: None };
}

/// Who changed a customer in one step, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Millis,
    /// What brought it.
    pub source: Source,
    /// The token's name; `None`: nobody was asked for one, or it was nobody's call.
    pub by: Option<Name>,
    /// Where the step before this one lies; `None`: this is the customer's first.
    pub previous: Option<LogOffset>,
}

/// A change of a customer that is no payment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Attributes were set, and others taken away.
    Attributes {
        /// With their values from now on.
        set: Attributes,
        /// None of them from now on.
        removed: AttributeSet,
    },
    /// The status was set by hand.
    Status(CustomerStatus),
    /// Consent and suspicion from now on. Only snapshots say this; steps of the history say what brought it.
    Standing(Standing),
    /// The labels from now on.
    Labels(Vec<Name>),
    /// Individual payment settings from now on, whole.
    Settings(IndividualSettings),
    /// The customer's own limits from now on, of one (direction, currency).
    Limits(OwnLimits),
    /// The projects in which the customer may not pay from now on.
    SwitchedOff(Vec<Name>),
    /// The customer's own exchange rates from now on.
    Rates(Vec<OwnRate>),
    /// A stored payment instrument from now on.
    Instrument(Instrument),
    /// When the personal attributes are to be erased; `None`: not any more.
    DeletionDue(Option<Millis>),
    /// The personal attributes and the texts of sealed identifiers are gone, and with their key what was sealed of them.
    Erased,
    /// The customer is part of another one from now on: everything that leads here leads there.
    MergedInto(u64),
    /// The customers who are part of this one from now on, all of them: ascending numbers.
    Merged(Vec<u64>),
    /// The identifiers that lead to the customer besides its own from now on, in the order in which they came.
    Identifiers(Vec<StoredIdentifier>),
}

/// Settings of one customer for one (direction, currency, level), over the level's. Empty ones are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndividualSettings {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The level under which they apply.
    pub level: Name,
    /// By method.
    pub methods: Vec<OwnMethod>,
    /// The global limit: applies to all methods, minor units.
    pub global_min: Option<u64>,
    /// The global limit: applies to all methods, minor units.
    pub global_max: Option<u64>,
}

impl IndividualSettings {
    /// Whether they say nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.global_min.is_none() && self.global_max.is_none()
    }

    fn is_for(&self, direction: Direction, currency: Currency, level: Name) -> bool {
        (self.direction, self.currency, self.level) == (direction, currency, level)
    }
}

/// What a customer's own settings say of a payment method; `None` says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMethod {
    /// The method.
    pub method: Name,
    /// Whether the form shows it.
    pub show_in_form: Option<bool>,
    /// Minor units.
    pub min_amount: Option<u64>,
    /// Minor units.
    pub max_amount: Option<u64>,
    /// Its own list of gates and routes, by id: what they are is configured, and may change.
    pub gates: Option<Vec<Name>>,
}

impl OwnMethod {
    /// Says nothing of a method.
    #[must_use]
    pub fn silent(method: Name) -> Self {
        Self { method, show_in_form: None, min_amount: None, max_amount: None, gates: None }
    }
}

words! {
    /// What a stored payment instrument is good for. That payments by it are blocked is no state of one customer's.
    InstrumentState {
        /// It can be used.
        Active = "active",
        /// It has expired.
        Expired = "expired",
        /// Processing says that it does not exist any more.
        Invalid = "invalid",
    }
}
words! {
    /// What a stored payment instrument is.
    InstrumentType {
        /// A card: of its number, the first six and the last four digits are known.
        Card = "card",
        /// A bank account: of its number, the last four digits are known.
        BankAccount = "bank_account",
        /// Anything else, or nobody said.
        Other = "other",
    }
}

/// A stored payment instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// The gateway's token.
    pub id: Box<str>,
    /// What it is.
    pub kind: InstrumentType,
    /// The digits that may be known, as `411111******1111`.
    pub masked: Option<Box<str>>,
    /// Its last month, counted from the year 0: 12 a year, January is 0.
    pub expires: Option<u32>,
    /// When it was first heard of.
    pub saved_at: Millis,
    /// When a payment by it last succeeded.
    pub last_success_at: Option<Millis>,
    /// Payments by it that succeeded.
    pub successes: u64,
    /// What it is good for.
    pub state: InstrumentState,
    /// Whether it is offered first.
    pub is_default: bool,
    /// Whether the customer agreed to its being kept on file.
    pub on_file: bool,
}

impl Instrument {
    /// One of which nothing is known but its id.
    #[must_use]
    pub fn bare(id: &str, saved_at: Millis) -> Self {
        Self {
            id: id.into(),
            kind: InstrumentType::Other,
            masked: None,
            expires: None,
            saved_at,
            last_success_at: None,
            successes: 0,
            state: InstrumentState::Active,
            is_default: false,
            on_file: false,
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The operator's names, in the order in which they were given.
    pub labels: Vec<Name>,
    /// Individual payment settings.
    pub settings: Vec<IndividualSettings>,
    /// Own limits.
    pub limits: Vec<OwnLimits>,
    /// Where the customer may not pay.
    pub switched_off: Vec<Name>,
    /// Own exchange rates.
    pub rates: Vec<OwnRate>,
    /// Stored payment instruments, sorted by id.
    pub instruments: Vec<Instrument>,
    /// When the personal attributes are to be erased.
    pub deletion_due: Option<Millis>,
    /// Whether they are.
    pub erased: bool,
    /// The customer whose part this one is.
    pub merged_into: Option<u64>,
    /// Who is part of this one: ascending numbers.
    pub merged: Vec<u64>,
    /// Identifiers besides the customer's own.
    pub identifiers: Vec<StoredIdentifier>,
}

impl Profile {
    /// Takes a change, but for what stands elsewhere in the customer.
    pub(in crate::domain) fn take(&mut self, change: &Change) {
        match change {
            Change::Attributes { .. } | Change::Status(_) | Change::Standing(_) => {}
            Change::Labels(labels) => self.labels.clone_from(labels),
            Change::Settings(settings) => {
                let IndividualSettings { direction, currency, level, .. } = *settings;
                let place = self.settings.iter().position(|known| known.is_for(direction, currency, level));
                set(&mut self.settings, place, settings, settings.is_empty());
            }
            Change::Limits(limits) => {
                let key = (limits.direction, limits.currency);
                let place = self.limits.iter().position(|known| (known.direction, known.currency) == key);
                set(&mut self.limits, place, limits, limits.is_empty());
            }
            Change::SwitchedOff(projects) => self.switched_off.clone_from(projects),
            Change::Rates(rates) => self.rates.clone_from(rates),
            Change::Instrument(instrument) => self.keep(instrument),
            Change::DeletionDue(due) => self.deletion_due = *due,
            Change::Erased => {
                (self.erased, self.deletion_due) = (true, None);
                self.identifiers.iter_mut().for_each(StoredIdentifier::forget);
            }
            Change::MergedInto(into) => self.merged_into = Some(*into),
            Change::Merged(merged) => self.merged.clone_from(merged),
            Change::Identifiers(identifiers) => self.identifiers.clone_from(identifiers),
        }
    }

    /// Keeps an instrument as it stands from now on; only one is the default.
    pub(in crate::domain) fn keep(&mut self, instrument: &Instrument) {
        if instrument.is_default {
            self.instruments.iter_mut().for_each(|other| other.is_default = false);
        }
        match self.place_of(&instrument.id) {
            Ok(place) => self.instruments[place] = instrument.clone(),
            Err(place) => self.instruments.insert(place, instrument.clone()),
        }
        if self.instruments.len() > INSTRUMENTS_MAX {
            let used = |other: &Instrument| (other.is_default, other.last_success_at.unwrap_or(other.saved_at));
            let others = self.instruments.iter().enumerate().filter(|(_, other)| other.id != instrument.id);
            if let Some((oldest, _)) = others.min_by_key(|(_, other)| used(other)) {
                self.instruments.remove(oldest);
            }
        }
    }

    fn place_of(&self, id: &str) -> Result<usize, usize> {
        self.instruments.binary_search_by(|known| known.id.as_ref().cmp(id))
    }

    /// The stored instrument of an id. Earlier versions kept the white space at the ends of an id, which does not count.
    #[must_use]
    pub fn instrument(&self, id: &str) -> Option<&Instrument> {
        self.find(id).map(|place| &self.instruments[place])
    }

    pub(in crate::domain) fn instrument_mut(&mut self, id: &str) -> Option<&mut Instrument> {
        self.find(id).map(|place| &mut self.instruments[place])
    }

    fn find(&self, id: &str) -> Option<usize> {
        let trimmed = || self.instruments.iter().position(|known| known.id.trim() == id.trim());
        self.place_of(id).ok().or_else(trimmed)
    }

    /// Whether there is an instrument of an id as it was written.
    pub(in crate::domain) fn has_instrument(&self, id: &str) -> bool {
        self.place_of(id).is_ok()
    }

    /// Whether there are instruments and none can be used.
    #[must_use]
    pub fn has_only_dead_instruments(&self) -> bool {
        !self.instruments.is_empty() && self.instruments.iter().all(|i| i.state != InstrumentState::Active)
    }

    /// The settings for this (direction, currency, level).
    #[must_use]
    pub fn settings_for(&self, direction: Direction, currency: Currency, level: Name) -> Option<&IndividualSettings> {
        self.settings.iter().find(|settings| settings.is_for(direction, currency, level))
    }

    /// The own limits for this (direction, currency).
    #[must_use]
    pub fn limits_for(&self, direction: Direction, currency: Currency) -> Option<&OwnLimits> {
        self.limits.iter().find(|limits| (limits.direction, limits.currency) == (direction, currency))
    }

    /// The changes that make this of an empty one, for whoever writes it down.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        if !self.labels.is_empty() {
            changes.push(Change::Labels(self.labels.clone()));
        }
        changes.extend(self.settings.iter().cloned().map(Change::Settings));
        changes.extend(self.limits.iter().cloned().map(Change::Limits));
        if !self.switched_off.is_empty() {
            changes.push(Change::SwitchedOff(self.switched_off.clone()));
        }
        if !self.rates.is_empty() {
            changes.push(Change::Rates(self.rates.clone()));
        }
        changes.extend(self.instruments.iter().cloned().map(Change::Instrument));
        if self.erased {
            changes.push(Change::Erased);
        }
        if self.deletion_due.is_some() {
            changes.push(Change::DeletionDue(self.deletion_due));
        }
        changes.extend(self.merged_into.map(Change::MergedInto));
        if !self.merged.is_empty() {
            changes.push(Change::Merged(self.merged.clone()));
        }
        if !self.identifiers.is_empty() {
            changes.push(Change::Identifiers(self.identifiers.clone()));
        }
        changes
    }
}

/// Sets, adds or takes away one of a list.
fn set<T: Clone>(list: &mut Vec<T>, place: Option<usize>, one: &T, is_none: bool) {
    match (place, is_none) {
        (Some(place), true) => drop(list.remove(place)),
        (Some(place), false) => list[place] = one.clone(),
        (None, true) => {}
        (None, false) => list.push(one.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instrument_is_the_default_and_the_longest_unused_makes_room() {
        let mut profile = Profile::default();
        for n in (0..).take(INSTRUMENTS_MAX + 5) {
            profile.keep(&Instrument { is_default: n < 2, ..Instrument::bare(&format!("t{n:03}"), Millis(n)) });
        }
        assert_eq!(profile.instruments.len(), INSTRUMENTS_MAX);
        let defaults: Vec<_> = profile.instruments.iter().filter(|i| i.is_default).map(|i| i.id.as_ref()).collect();
        assert_eq!(defaults, ["t001"], "a default one stays however long it is unused");
        assert!(profile.instrument("t000").is_none() && profile.instrument("t104").is_some());
        assert!(profile.instruments.is_sorted_by(|one, next| one.id < next.id));
    }

    #[test]
    fn a_profile_is_the_sum_of_its_changes() {
        let name = |text| Name::parse(text).unwrap();
        let eur = Currency::parse("EUR").unwrap();
        let settings = |global_max| IndividualSettings {
            direction: Direction::Deposit,
            currency: eur,
            level: name("gold"),
            methods: Vec::new(),
            global_min: None,
            global_max,
        };
        let mut profile = Profile::default();
        let changes = [
            Change::Labels(vec![name("vip")]),
            Change::Settings(settings(Some(5))),
            Change::SwitchedOff(vec![name("web")]),
            Change::Instrument(Instrument::bare("t", Millis(1))),
            Change::Erased,
            Change::DeletionDue(Some(Millis(9))),
            Change::MergedInto(7),
            Change::Merged(vec![3, 5]),
            Change::Identifiers(vec!["bob".into()]),
        ];
        changes.iter().for_each(|change| profile.take(change));
        assert_eq!(profile.changes(), changes);
        assert!(profile.settings_for(Direction::Deposit, eur, name("gold")).is_some());
        profile.take(&Change::Settings(settings(None)));
        assert!(profile.settings.is_empty(), "settings that say nothing are none");
    }
}

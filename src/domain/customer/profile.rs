//! The profile of a customer: labels, individual settings, own limits, own rates, stored payment instruments and disabled
//! projects. Most customers have none.
//!
//! Each [`CustomerChange`] sets its value completely, so that the last one in order decides. One audit entry in each step
//! contains the author and the time.

use crate::domain::{
    customer::{
        change::CustomerChange,
        individual_settings::IndividualSettings,
        instruments::{INSTRUMENTS_MAX, Instrument},
        own_limits::OwnLimits,
        stored_identifier::StoredIdentifier,
    },
    rules::rates::OwnRate,
    vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
};
/// The most labels of one customer.
pub const LABELS_MAX: usize = 100;

/// The maximum number of customers merged into one.
pub const MERGED_MAX: usize = 100;

/// The maximum number of further identifiers of one customer.
pub const IDENTIFIERS_MAX: usize = 1_000;

/// The profile of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Labels, in the order in which they were set.
    pub labels: Vec<Name>,
    /// Individual payment settings.
    pub settings: Vec<IndividualSettings>,
    /// Own limits.
    pub limits: Vec<OwnLimits>,
    /// Projects in which the customer may not pay.
    pub disabled_projects: Vec<Name>,
    /// Own exchange rates.
    pub rates: Vec<OwnRate>,
    /// Payment instruments, sorted by id; see [`Instrument::is_stored`].
    pub instruments: Vec<Instrument>,
    /// When the personal attributes are to be erased.
    pub deletion_due: Option<Millis>,
    /// Whether the personal attributes are erased.
    pub erased: bool,
    /// The customer into which this one is merged.
    pub merged_into: Option<u64>,
    /// The customers merged into this one: ascending numbers.
    pub merged: Vec<u64>,
    /// Further identifiers of the customer.
    pub identifiers: Vec<StoredIdentifier>,
}

impl Profile {
    /// Applies a change to the profile; attributes and status are stored elsewhere in the customer.
    pub(in crate::domain) fn apply(&mut self, change: &CustomerChange) {
        match change {
            CustomerChange::Attributes { .. } | CustomerChange::Status(_) | CustomerChange::StatusFactors(_) => {}
            CustomerChange::Labels(labels) => self.labels.clone_from(labels),
            CustomerChange::Settings(settings) => {
                let IndividualSettings { direction, currency, level, .. } = *settings;
                let place = self.settings.iter().position(|known| known.is_for(direction, currency, level));
                replace_in(&mut self.settings, place, settings, settings.is_empty());
            }
            CustomerChange::Limits(limits) => {
                let key = (limits.direction, limits.currency);
                let place = self.limits.iter().position(|known| (known.direction, known.currency) == key);
                replace_in(&mut self.limits, place, limits, limits.is_empty());
            }
            CustomerChange::DisabledProjects(projects) => self.disabled_projects.clone_from(projects),
            CustomerChange::Rates(rates) => self.rates.clone_from(rates),
            CustomerChange::Instrument(instrument) => self.put_instrument(instrument),
            CustomerChange::InstrumentRemoved(id) => {
                self.place_of(id).into_iter().for_each(|place| drop(self.instruments.remove(place)));
            }
            CustomerChange::DeletionDue(due) => self.deletion_due = *due,
            CustomerChange::Erased => {
                (self.erased, self.deletion_due) = (true, None);
                self.identifiers.iter_mut().for_each(StoredIdentifier::forget);
            }
            CustomerChange::MergedInto(into) => self.merged_into = Some(*into),
            CustomerChange::Merged(merged) => self.merged.clone_from(merged),
            CustomerChange::Identifiers(identifiers) => self.identifiers.clone_from(identifiers),
        }
    }

    /// Inserts or replaces an instrument; at most one is the default.
    pub(in crate::domain) fn put_instrument(&mut self, instrument: &Instrument) {
        if instrument.is_default {
            self.instruments.iter_mut().for_each(|other| other.is_default = false);
        }
        match self.place_of(&instrument.id) {
            Ok(place) => self.instruments[place] = instrument.clone(),
            Err(place) => self.instruments.insert(place, instrument.clone()),
        }
        if self.instruments.len() > INSTRUMENTS_MAX {
            // Payments that were not approved push out no stored instrument while another one is there.
            let used = |other: &Instrument| (other.is_default, other.is_stored, other.last_used_at());
            let others = self.instruments.iter().enumerate().filter(|(_, other)| other.id != instrument.id);
            if let Some((oldest, _)) = others.min_by_key(|(_, other)| used(other)) {
                self.instruments.remove(oldest);
            }
        }
    }

    fn place_of(&self, id: &str) -> Result<usize, usize> {
        self.instruments.binary_search_by(|known| known.id.as_ref().cmp(id))
    }

    /// The instrument of an id. White space at the ends does not count; earlier versions stored it.
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

    /// Whether there is an instrument with exactly this id.
    pub(in crate::domain) fn has_instrument(&self, id: &str) -> bool {
        self.place_of(id).is_ok()
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

    /// The changes that build this profile from an empty one, for snapshots.
    #[must_use]
    pub fn changes(&self) -> Vec<CustomerChange> {
        let mut changes = Vec::new();
        if !self.labels.is_empty() {
            changes.push(CustomerChange::Labels(self.labels.clone()));
        }
        changes.extend(self.settings.iter().cloned().map(CustomerChange::Settings));
        changes.extend(self.limits.iter().cloned().map(CustomerChange::Limits));
        if !self.disabled_projects.is_empty() {
            changes.push(CustomerChange::DisabledProjects(self.disabled_projects.clone()));
        }
        if !self.rates.is_empty() {
            changes.push(CustomerChange::Rates(self.rates.clone()));
        }
        changes.extend(self.instruments.iter().cloned().map(CustomerChange::Instrument));
        if self.erased {
            changes.push(CustomerChange::Erased);
        }
        if self.deletion_due.is_some() {
            changes.push(CustomerChange::DeletionDue(self.deletion_due));
        }
        changes.extend(self.merged_into.map(CustomerChange::MergedInto));
        if !self.merged.is_empty() {
            changes.push(CustomerChange::Merged(self.merged.clone()));
        }
        if !self.identifiers.is_empty() {
            changes.push(CustomerChange::Identifiers(self.identifiers.clone()));
        }
        changes
    }
}

/// Replaces, adds or removes an element of a list.
fn replace_in<T: Clone>(list: &mut Vec<T>, place: Option<usize>, one: &T, is_none: bool) {
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
    fn one_instrument_is_the_default_and_the_least_recently_used_is_removed() {
        let mut profile = Profile::default();
        for n in (0..).take(INSTRUMENTS_MAX + 5) {
            profile
                .put_instrument(&Instrument { is_default: n < 2, ..Instrument::bare(&format!("t{n:03}"), Millis(n)) });
        }
        assert_eq!(profile.instruments.len(), INSTRUMENTS_MAX);
        let defaults: Vec<_> = profile.instruments.iter().filter(|i| i.is_default).map(|i| i.id.as_ref()).collect();
        assert_eq!(defaults, ["t001"], "the default one is never removed");
        assert!(profile.instrument("t000").is_none() && profile.instrument("t104").is_some());
        assert!(profile.instruments.is_sorted_by(|one, next| one.id < next.id));
    }

    #[test]
    fn an_instrument_that_is_not_stored_is_removed_before_a_stored_one() {
        let mut profile = Profile::default();
        for n in (1..).take(INSTRUMENTS_MAX) {
            profile.put_instrument(&Instrument::bare(&format!("stored{n}"), Millis(n)).stored_at(Millis(n)));
        }
        for n in (1_000..).take(INSTRUMENTS_MAX) {
            profile.put_instrument(&Instrument::bare(&format!("tried{n}"), Millis(n)));
        }
        assert_eq!(profile.instruments.iter().filter(|instrument| instrument.is_stored).count(), INSTRUMENTS_MAX - 1);
        assert!(profile.instrument("tried1099").is_some());
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
            CustomerChange::Labels(vec![name("vip")]),
            CustomerChange::Settings(settings(Some(5))),
            CustomerChange::DisabledProjects(vec![name("web")]),
            CustomerChange::Instrument(Instrument::bare("t", Millis(1))),
            CustomerChange::Erased,
            CustomerChange::DeletionDue(Some(Millis(9))),
            CustomerChange::MergedInto(7),
            CustomerChange::Merged(vec![3, 5]),
            CustomerChange::Identifiers(vec!["bob".into()]),
        ];
        changes.iter().for_each(|change| profile.apply(change));
        assert_eq!(profile.changes(), changes);
        assert!(profile.settings_for(Direction::Deposit, eur, name("gold")).is_some());
        profile.apply(&CustomerChange::Settings(settings(None)));
        assert!(profile.settings.is_empty(), "empty settings are removed");
        for gone in ["other", "t", "t"] {
            profile.apply(&CustomerChange::InstrumentRemoved(gone.into()));
            assert_eq!(profile.instrument("t").is_none(), gone == "t");
        }
    }
}

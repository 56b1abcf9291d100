//! The fields of a customer that the events of an update change.

use crate::domain::{
    customer::{aggregate::Customer, change::CustomerChange},
    events::customer_event::CustomerEvent,
    vocabulary::{
        attributes::{Attribute, AttributeSet},
        direction::Direction,
        words::Word,
    },
};

/// The changed fields of a customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdatedFields {
    attributes: AttributeSet,
    levels: [bool; 2],
    status: bool,
    labels: bool,
    /// Individual settings, which a change of the level can remove.
    settings: bool,
    /// A field that no table of customers contains.
    others: bool,
}

impl UpdatedFields {
    /// The fields that events change of a customer.
    #[must_use]
    pub fn of(events: &[CustomerEvent], customer: &Customer) -> Self {
        events.iter().fold(Self::default(), |fields, event| fields.with(event, customer))
    }

    /// The fields of both.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        let either = |direction: usize| self.levels[direction] || more.levels[direction];
        Self {
            attributes: self.attributes.iter().chain(more.attributes.iter()).collect(),
            levels: [either(Direction::Deposit as usize), either(Direction::Withdrawal as usize)],
            status: self.status || more.status,
            labels: self.labels || more.labels,
            settings: self.settings || more.settings,
            others: self.others || more.others,
        }
    }

    /// Whether no field changes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether the field of this name changes: a column of a table of customers.
    #[must_use]
    pub fn contains(self, field: &str) -> bool {
        match field {
            "deposit_level" => self.levels[Direction::Deposit as usize],
            "withdrawal_level" => self.levels[Direction::Withdrawal as usize],
            "status" => self.status,
            "labels" => self.labels,
            _ => Attribute::parse(field).is_some_and(|attribute| self.attributes.contains(attribute)),
        }
    }

    /// Whether individual payment settings change.
    #[must_use]
    pub fn changes_settings(self) -> bool {
        self.settings
    }

    fn with(mut self, event: &CustomerEvent, customer: &Customer) -> Self {
        match event {
            CustomerEvent::LevelSet { direction, drops_settings, .. } => {
                self.levels[*direction as usize] = true;
                let mut settings = customer.profile().into_iter().flat_map(|profile| &profile.settings);
                self.settings |= *drops_settings && settings.any(|settings| settings.direction == *direction);
            }
            CustomerEvent::AttributesFilled { attributes, .. } => self.add(attributes.iter().map(|(field, _)| field)),
            CustomerEvent::CustomerChanged(change) => match change {
                CustomerChange::Attributes { set, removed } => {
                    self.add(set.iter().map(|(field, _)| field).chain(removed.iter()));
                }
                CustomerChange::Status(_) => self.status = true,
                CustomerChange::Labels(_) => self.labels = true,
                CustomerChange::Settings(_) => self.settings = true,
                // The date follows from the labels, or was withdrawn.
                CustomerChange::DeletionDue(_)
                | CustomerChange::StatusFactors(_)
                | CustomerChange::Limits(_)
                | CustomerChange::DisabledProjects(_)
                | CustomerChange::Rates(_)
                | CustomerChange::Instrument(_)
                | CustomerChange::InstrumentRemoved(_)
                | CustomerChange::Erased
                | CustomerChange::MergedInto(_)
                | CustomerChange::Merged(_)
                | CustomerChange::Identifiers(_) => self.others = true,
            },
            CustomerEvent::AuditEntry(_) => {}
            CustomerEvent::Created { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::TransactionOpened { .. }
            | CustomerEvent::FactRecorded { .. }
            | CustomerEvent::Compacted { .. }
            | CustomerEvent::Assigned { .. }
            | CustomerEvent::AssignedElsewhere { .. } => self.others = true,
        }
        self
    }

    fn add(&mut self, attributes: impl Iterator<Item = Attribute>) {
        self.attributes = self.attributes.iter().chain(attributes).collect();
    }
}

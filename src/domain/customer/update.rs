//! What staff say of a customer, by a call or by a row of an upload, and what happens because of it.
//!
//! Whatever is not said stays as it is. What is said and is so already is no change.

use crate::domain::{
    customer::{
        aggregate::{Customer, CustomerEvent},
        attributes::{AttributeSet, Attributes},
        own_limits::OwnRate,
        profile::Change,
        status::CustomerStatus,
    },
    decision::{payment::asked, refusal::Refusal},
    rules::{
        configuration::{Attribute, Direction, Merchant},
        labels::{LabelKind, Restriction},
        registration::{Identifier, NotRegistered, Offer},
    },
    vocabulary::{names::Name, time::Millis},
};

/// What is said. `None` says nothing; an empty value takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerUpdate {
    /// Each once.
    pub attributes: Vec<(Attribute, Box<str>)>,
    /// The stored level of deposits and of withdrawals; `Some(None)`: empty from now on.
    pub levels: [Option<Option<Name>>; 2],
    /// By hand.
    pub status: Option<CustomerStatus>,
    /// Whether the status may only repeat what is shown, as a row of a table that was downloaded does.
    pub repeats_status: bool,
    /// All of them, in order.
    pub labels: Option<Vec<Name>>,
    /// Where the customer may not pay: all of them.
    pub switched_off: Option<Vec<Name>>,
    /// All of them.
    pub rates: Option<Vec<OwnRate>>,
    /// Fields with a text that is no name, and the text: in the lists and levels above [`Name::unrecorded`] stands for it.
    pub unrecorded: Vec<(&'static str, Box<str>)>,
}

/// What speaks for itself outside of the customer.
pub struct UpdateContext<'a> {
    /// Whose.
    pub merchant: &'a Merchant,
    /// Whether a level of this name exists in the direction, configured or made by a request.
    pub knows_level: &'a dyn Fn(Direction, Name) -> bool,
    /// The oldest other customer who has an attribute that is said.
    pub holder: &'a dyn Fn(Attribute) -> Option<u64>,
    /// The time.
    pub now: Millis,
}

/// The identifiers among attributes: those that a registration's policy speaks of.
#[must_use]
pub fn identifier_of(attribute: Attribute) -> Option<Identifier> {
    match attribute {
        Attribute::Email => Some(Identifier::Email),
        Attribute::Phone => Some(Identifier::Phone),
        Attribute::ExternalId => Some(Identifier::ExternalId),
        _ => None,
    }
}

impl CustomerUpdate {
    /// A name that is said in a field: one that is known, or [`Name::unrecorded`]. Only what the merchant has can be
    /// recorded of a customer, so no name is made of a text.
    ///
    /// # Errors
    /// The text cannot be a name.
    pub fn name(&mut self, field: &'static str, text: &str) -> Result<Name, Refusal> {
        let name = asked(field, text)?;
        if name == Name::unrecorded() {
            self.unrecorded.push((field, text.into()));
        }
        Ok(name)
    }

    /// The text of a name of a field, as it was said.
    fn text(&self, field: &str, name: Name) -> &str {
        let said = self.unrecorded.iter().find(|(of, _)| *of == field && name == Name::unrecorded());
        said.map_or(name.as_str(), |(_, text)| text)
    }

    /// The attributes that are set, in the form that is stored.
    #[must_use]
    pub fn offered(&self, merchant: &Merchant) -> Attributes {
        let mut offered = Attributes::default();
        for (attribute, value) in &self.attributes {
            let policy = &merchant.registration;
            let stored = match attribute {
                Attribute::Phone => policy.normalised(*attribute, value),
                _ => policy.stored(*attribute, value),
            };
            offered.set(*attribute, &stored);
        }
        offered
    }

    /// What happens to a customer. `is_new`: the customer is only being made, and what a policy says of updates does not
    /// hold.
    ///
    /// # Errors
    /// The first thing that cannot be, with its field.
    pub fn events(
        &self,
        customer: &Customer,
        context: &UpdateContext<'_>,
        is_new: bool,
    ) -> Result<Vec<CustomerEvent>, Refusal> {
        let mut events = Vec::new();
        self.attributes(customer, context, is_new, &mut events)?;
        for direction in [Direction::Deposit, Direction::Withdrawal] {
            self.level(direction, customer, context, &mut events)?;
        }
        // The shown status may follow from the instruments: setting it by hand is no change. Only fraud that is known
        // through instruments becomes the customer's.
        let moves = |status: &CustomerStatus| {
            let is_shown = *status == customer.status();
            let is_said = !is_shown || (*status == CustomerStatus::Fraud && !self.repeats_status);
            is_said && customer.standing.set(*status) != customer.standing
        };
        if let Some(status) = self.status.filter(moves) {
            events.push(CustomerEvent::Changed(Change::Status(status)));
        }
        self.labels(customer, context, &mut events)?;
        if let Some(projects) = self.switched_off.as_ref().filter(|projects| *projects != customer.switched_off()) {
            distinct("disabled_projects", projects)?;
            for project in projects {
                if context.merchant.project(project.as_str()).is_none() {
                    let candidates =
                        context.merchant.projects.iter().map(|project| project.id.as_str()).collect::<Vec<_>>();
                    let value = self.text("disabled_projects", *project).to_owned();
                    let candidates = candidates.join(", ");
                    return Err(Refusal::UnknownPlace { field: "disabled_projects", value, candidates });
                }
            }
            events.push(CustomerEvent::Changed(Change::SwitchedOff(projects.clone())));
        }
        if let Some(rates) = self.rates.as_ref().filter(|rates| *rates != customer.rates()) {
            events.push(CustomerEvent::Changed(Change::Rates(rates.clone())));
        }
        Ok(events)
    }

    fn attributes(
        &self,
        customer: &Customer,
        context: &UpdateContext<'_>,
        is_new: bool,
        events: &mut Vec<CustomerEvent>,
    ) -> Result<(), Refusal> {
        let offered = self.offered(context.merchant);
        let (mut set, mut removed) = (Attributes::default(), Vec::new());
        for (attribute, sent) in &self.attributes {
            let (had, now) = (customer.attributes.value(*attribute), offered.value(*attribute));
            // An earlier version stored this text; sent back as it was shown, it is no change.
            if had == now || had == Some(sent) {
                continue;
            }
            // Another way to write the same identifier is another text, and no other identifier.
            let form = |value| context.merchant.registration.normalised(*attribute, value);
            let is_same = had.map(form) == now.map(form);
            if let Some(identifier) = identifier_of(*attribute).filter(|_| !is_new && !is_same) {
                if context.merchant.forbids(customer.labels(), Restriction::BlockIdentifierChange) {
                    return Err(forbidden(attribute.word(), Restriction::BlockIdentifierChange));
                }
                let offer = match (now, (context.holder)(*attribute)) {
                    (None, _) => Offer::Absent,
                    (Some(_), None) => Offer::Free,
                    (Some(_), Some(holder)) => Offer::Held(holder),
                };
                let policy = &context.merchant.registration;
                policy.update(customer.number(), identifier, had.is_some(), offer).map_err(Refusal::NotRegistered)?;
            }
            match now {
                Some(value) => set.set(*attribute, value),
                None => removed.push(*attribute),
            }
        }
        // The key with which they would be kept is gone for good.
        if let Some((attribute, _)) = set.iter().next().filter(|_| customer.is_erased()) {
            let reason = format!("cannot be kept: customer {} asked to be forgotten and is", customer.number());
            return Err(Refusal::NotAllowed { field: attribute.word(), reason });
        }
        if !set.is_empty() || !removed.is_empty() {
            events.push(CustomerEvent::Changed(Change::Attributes { set, removed: AttributeSet::of(&removed) }));
        }
        Ok(())
    }

    fn level(
        &self,
        direction: Direction,
        customer: &Customer,
        context: &UpdateContext<'_>,
        events: &mut Vec<CustomerEvent>,
    ) -> Result<(), Refusal> {
        let Some(level) = self.levels[direction as usize] else { return Ok(()) };
        if level == customer.levels[direction as usize] {
            return Ok(());
        }
        let field = match direction {
            Direction::Deposit => "deposit_level",
            Direction::Withdrawal => "withdrawal_level",
        };
        if context.merchant.forbids(customer.labels(), Restriction::BlockLevelChange) {
            return Err(forbidden(field, Restriction::BlockLevelChange));
        }
        if let Some(name) = level.filter(|name| !(context.knows_level)(direction, *name)) {
            return Err(no_level(field, direction, self.text(field, name)));
        }
        let drops_settings = context.merchant.reset_settings_on_level_change;
        events.push(CustomerEvent::LevelSet { direction, level, drops_settings, at: context.now });
        Ok(())
    }

    fn labels(
        &self,
        customer: &Customer,
        context: &UpdateContext<'_>,
        events: &mut Vec<CustomerEvent>,
    ) -> Result<(), Refusal> {
        let Some(labels) = self.labels.as_ref().filter(|labels| *labels != customer.labels()) else { return Ok(()) };
        let merchant = context.merchant;
        distinct("labels", labels)?;
        if labels.len() > merchant.labels_max {
            return Err(Refusal::TooMany { field: "labels", most: merchant.labels_max });
        }
        if let Some(label) = labels.iter().find(|label| merchant.label(**label).is_none()) {
            let known: Vec<&str> = merchant.labels.iter().map(|label| label.name.as_str()).collect();
            let label = self.text("labels", *label);
            let reason = format!("{label:?} is no label of this merchant; it has {}", known.join(", "));
            return Err(Refusal::NotAllowed { field: "labels", reason });
        }
        events.push(CustomerEvent::Changed(Change::Labels(labels.clone())));
        let asks = |labels: &[Name]| merchant.bears(labels, LabelKind::PendingDeletion);
        match (asks(customer.labels()), asks(labels)) {
            (false, true) => {
                let due = context.now.plus(merchant.deletion_grace_ms);
                events.push(CustomerEvent::Changed(Change::DeletionDue(Some(due))));
            }
            (true, false) => events.push(CustomerEvent::Changed(Change::DeletionDue(None))),
            _ => {}
        }
        Ok(())
    }
}

/// What is said of a level that the merchant does not have.
#[must_use]
pub fn no_level(field: &'static str, direction: Direction, name: &str) -> Refusal {
    let reason = format!("{name:?} is no level of this merchant for {}s", direction.word());
    Refusal::NotAllowed { field, reason }
}

fn forbidden(field: &'static str, restriction: Restriction) -> Refusal {
    let reason = format!("may not be changed: a label of the customer says {}", restriction.word());
    Refusal::NotAllowed { field, reason }
}

fn distinct(field: &'static str, names: &[Name]) -> Result<(), Refusal> {
    // Texts that are no names are refused for that.
    let is_one = |name: &Name| *name != Name::unrecorded();
    let twice = names.iter().enumerate().find(|(place, name)| is_one(name) && names[..*place].contains(name));
    match twice {
        Some((_, name)) => Err(Refusal::NotAllowed { field, reason: format!("names {name:?} twice") }),
        None => Ok(()),
    }
}

/// What a deletion request makes happen: the customer is labelled, and the personal attributes are erased when the
/// merchant's time of grace is over.
#[must_use]
pub fn deletion(customer: &Customer, merchant: &Merchant, now: Millis) -> Vec<CustomerEvent> {
    let profile = customer.profile();
    if profile.is_some_and(|profile| profile.erased || profile.deletion_due.is_some()) {
        return Vec::new();
    }
    let due = CustomerEvent::Changed(Change::DeletionDue(Some(now.plus(merchant.deletion_grace_ms))));
    relabelled(customer, merchant, LabelKind::PendingDeletion).into_iter().chain([due]).collect()
}

/// What the end of the time of grace makes happen.
#[must_use]
pub fn erasure(customer: &Customer, merchant: Option<&Merchant>) -> Vec<CustomerEvent> {
    let labelled = merchant.and_then(|merchant| relabelled(customer, merchant, LabelKind::Deleted));
    labelled.into_iter().chain([CustomerEvent::Changed(Change::Erased)]).collect()
}

/// The labels with the merchant's first one of a kind in the place of one that asked for deletion.
fn relabelled(customer: &Customer, merchant: &Merchant, kind: LabelKind) -> Option<CustomerEvent> {
    let label = merchant.labels.iter().find(|label| label.kind == kind)?;
    let is_over = |name: &Name| merchant.label(*name).is_some_and(|label| label.kind == LabelKind::PendingDeletion);
    let mut labels: Vec<Name> = customer.labels().iter().copied().filter(|name| !is_over(name)).collect();
    if !labels.contains(&label.name) {
        labels.push(label.name);
    }
    Some(CustomerEvent::Changed(Change::Labels(labels)))
}

impl From<NotRegistered> for Refusal {
    fn from(why: NotRegistered) -> Self {
        Self::NotRegistered(why)
    }
}

//! Updates of a customer by a call of staff or a row of an upload, and the events that follow.
//!
//! An absent field stays as it is. Setting a field to its current value is a no-op.

use crate::domain::{
    customer::{aggregate::customer::Customer, change::CustomerChange, status::CustomerStatus},
    events::customer_event::CustomerEvent,
    request::{fields::look_up_name, refusal::Refusal},
    rules::{
        labels::{LabelKind, Restriction},
        merchant::Merchant,
        rates::OwnRate,
        registration::{identifier::Identifier, policy::OfferedIdentifier},
    },
    vocabulary::{
        attributes::{Attribute, AttributeSet, Attributes, check_form},
        calendar::LocalTime,
        direction::Direction,
        names::Name,
        text::suggest::did_you_mean,
        time::Millis,
    },
};
/// An update. `None`: the field is absent; an empty value removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerUpdate {
    /// Attributes, each once.
    pub attributes: Vec<(Attribute, Box<str>)>,
    /// The stored level of deposits and of withdrawals; `Some(None)`: removed.
    pub levels: [Option<Option<Name>>; 2],
    /// The status, set by hand.
    pub status: Option<CustomerStatus>,
    /// Whether the status may be a repetition of the shown one, as in a row of a downloaded table.
    pub repeats_status: bool,
    /// All labels, in order.
    pub labels: Option<Vec<Name>>,
    /// Whether a deletion request is withdrawn.
    pub withdraws_deletion: bool,
    /// All projects in which the customer may not pay.
    pub disabled_projects: Option<Vec<Name>>,
    /// All own exchange rates.
    pub rates: Option<Vec<OwnRate>>,
    /// Fields with a text that is not an interned name, and the text: [`Name::unrecorded`] takes its place in the lists and
    /// levels above.
    pub unrecorded: Vec<(&'static str, Box<str>)>,
}

/// The context of an update besides the customer.
pub struct UpdateContext<'a> {
    /// The merchant.
    pub merchant: &'a Merchant,
    /// Whether a level of this name exists in the direction, configured or created by a request.
    pub knows_level: &'a dyn Fn(Direction, Name) -> bool,
    /// The names of the levels of a direction, for a refusal.
    pub level_list: &'a dyn Fn(Direction, &str) -> String,
    /// The oldest other customer with the updated attribute.
    pub holder: &'a dyn Fn(Attribute) -> Option<u64>,
    /// The time.
    pub now: Millis,
}

/// The identifier of an attribute, for attributes with a rule in the registration policy.
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
    /// Looks up the name of a field: an interned name, or [`Name::unrecorded`]. Only names of the merchant can be recorded,
    /// so no text is interned.
    ///
    /// # Errors
    /// The text cannot be a name.
    pub fn name(&mut self, field: &'static str, text: &str) -> Result<Name, Refusal> {
        let name = look_up_name(field, text)?;
        if name == Name::unrecorded() {
            self.unrecorded.push((field, text.into()));
        }
        Ok(name)
    }

    /// The text of a name of a field, as sent.
    fn text(&self, field: &str, name: Name) -> &str {
        let sent = self.unrecorded.iter().find(|(of, _)| *of == field && name == Name::unrecorded());
        sent.map_or(name.as_str(), |(_, text)| text)
    }

    /// The attributes that are set, in the form that is stored.
    #[must_use]
    pub fn offered_attributes(&self, merchant: &Merchant) -> Attributes {
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

    /// Checks the form of every attribute, for a customer who has none of them yet.
    ///
    /// # Errors
    /// The first value that is not of its form.
    pub fn check_forms(&self, now: Millis) -> Result<(), Refusal> {
        self.attributes.iter().try_for_each(|(attribute, value)| checked_form(*attribute, value, now))
    }

    /// The events of the update. `is_new`: the customer is being created, so the policy for updates does not apply.
    ///
    /// # Errors
    /// The first violation, with its field.
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
        // The shown status may follow from the instruments; setting it by hand is a no-op. Only setting fraud, which is
        // shown because of instruments, makes it fraud of the customer.
        let moves = |status: &CustomerStatus| {
            let local = LocalTime { calendar: &context.merchant.calendar, now: context.now };
            let is_shown = *status == customer.status(local);
            let is_set = !is_shown || (*status == CustomerStatus::Fraud && !self.repeats_status);
            is_set && customer.status_factors.set(*status) != customer.status_factors
        };
        if let Some(status) = self.status.filter(moves) {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Status(status)));
        }
        self.labels(customer, context, &mut events)?;
        self.withdrawal(customer, context, &mut events)?;
        if let Some(projects) =
            self.disabled_projects.as_ref().filter(|projects| *projects != customer.disabled_projects())
        {
            check_distinct("disabled_projects", projects)?;
            for project in projects {
                if context.merchant.project(project.as_str()).is_none() {
                    let candidates =
                        context.merchant.projects.iter().map(|project| project.id.as_str()).collect::<Vec<_>>();
                    let value = self.text("disabled_projects", *project).to_owned();
                    let candidates = candidates.join(", ");
                    return Err(Refusal::UnknownPlace { field: "disabled_projects", value, candidates });
                }
            }
            events.push(CustomerEvent::CustomerChanged(CustomerChange::DisabledProjects(projects.clone())));
        }
        if let Some(rates) = self.rates.as_ref().filter(|rates| *rates != customer.rates()) {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Rates(rates.clone())));
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
        let offered = self.offered_attributes(context.merchant);
        let (mut set, mut removed) = (Attributes::default(), Vec::new());
        for (attribute, sent) in &self.attributes {
            let (had, now) = (customer.attributes.value(*attribute), offered.value(*attribute));
            // An earlier version stored this text; sent back as shown, it is a no-op.
            if had == now || had == Some(sent) {
                continue;
            }
            // An earlier version may have stored a value of another form, with white space at its ends.
            if had.map(str::trim) != Some(sent.trim()) {
                checked_form(*attribute, sent, context.now)?;
            }
            // Another notation of the same identifier changes the text but not the identifier.
            let form = |value| context.merchant.registration.normalised(*attribute, value);
            let is_same = had.map(form) == now.map(form);
            if let Some(identifier) = identifier_of(*attribute).filter(|_| !is_new && !is_same) {
                check_labels(attribute.word(), customer, context.merchant, Restriction::BlockIdentifierChange)?;
                let offer = match (now, (context.holder)(*attribute)) {
                    (None, _) => OfferedIdentifier::Absent,
                    (Some(_), None) => OfferedIdentifier::Free,
                    (Some(_), Some(holder)) => OfferedIdentifier::Taken(holder),
                };
                let policy = &context.merchant.registration;
                policy
                    .check_update(customer.number(), identifier, had.is_some(), offer)
                    .map_err(Refusal::RegistrationError)?;
            }
            match now {
                Some(value) => set.set(*attribute, value),
                None => removed.push(*attribute),
            }
        }
        // The key for storing them is deleted.
        if let Some((attribute, _)) = set.iter().next().filter(|_| customer.is_erased()) {
            let reason = format!("cannot be stored: the personal data of customer {} is erased", customer.number());
            return Err(Refusal::NotAllowed { field: attribute.word(), reason });
        }
        if !set.is_empty() || !removed.is_empty() {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Attributes {
                set,
                removed: AttributeSet::of(&removed),
            }));
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
        let field = level_field(direction);
        check_labels(field, customer, context.merchant, Restriction::BlockLevelChange)?;
        if let Some(name) = level.filter(|name| !(context.knows_level)(direction, *name)) {
            return Err(self.unknown_level(direction, name, context.level_list));
        }
        let drops_settings = context.merchant.reset_settings_on_level_change;
        events.push(CustomerEvent::LevelSet { direction, level, drops_settings, at: context.now });
        Ok(())
    }

    /// Refuses levels and labels that the merchant does not have. No customer is needed for that. `knows_level` and `level_list`
    /// are those of an [`UpdateContext`].
    ///
    /// # Errors
    /// The first name that does not exist.
    pub fn check_names(
        &self,
        merchant: &Merchant,
        knows_level: &dyn Fn(Direction, Name) -> bool,
        level_list: &dyn Fn(Direction, &str) -> String,
    ) -> Result<(), Refusal> {
        for direction in [Direction::Deposit, Direction::Withdrawal] {
            let level = self.levels[direction as usize].flatten();
            if let Some(name) = level.filter(|name| !knows_level(direction, *name)) {
                return Err(self.unknown_level(direction, name, level_list));
            }
        }
        self.check_label_names(merchant, self.labels.as_deref().unwrap_or_default())
    }

    fn check_label_names(&self, merchant: &Merchant, labels: &[Name]) -> Result<(), Refusal> {
        let Some(label) = labels.iter().find(|label| merchant.label(**label).is_none()) else { return Ok(()) };
        let known: Vec<&str> = merchant.labels.iter().map(|label| label.name.as_str()).collect();
        let label = self.text("labels", *label);
        let near = did_you_mean(label, known.iter().copied());
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let reason = format!("{label:?} is not a label of this merchant; it has {known}{near}");
        Err(Refusal::NotAllowed { field: "labels", reason })
    }

    fn unknown_level(
        &self,
        direction: Direction,
        name: Name,
        level_list: &dyn Fn(Direction, &str) -> String,
    ) -> Refusal {
        let field = level_field(direction);
        let name = self.text(field, name);
        let (known, direction) = (level_list(direction, name), direction.word());
        let reason = format!("{name:?} is not a level of this merchant for {direction}s; it has {known}");
        Refusal::NotAllowed { field, reason }
    }

    /// Withdraws a deletion request. One that a label makes is withdrawn by removing the label.
    fn withdrawal(
        &self,
        customer: &Customer,
        context: &UpdateContext<'_>,
        events: &mut Vec<CustomerEvent>,
    ) -> Result<(), Refusal> {
        let is_due = customer.profile().is_some_and(|profile| profile.deletion_due.is_some());
        if !self.withdraws_deletion || !is_due {
            return Ok(());
        }
        let labels = self.labels.as_deref().unwrap_or(customer.labels());
        if context.merchant.has_label_of(labels, LabelKind::PendingDeletion) {
            let reason = "a label of the customer requests the deletion: send `labels` without it".to_owned();
            return Err(Refusal::NotAllowed { field: "deletion_due", reason });
        }
        let withdrawn = CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(None));
        if !events.contains(&withdrawn) {
            events.push(withdrawn);
        }
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
        check_distinct("labels", labels)?;
        if labels.len() > merchant.labels_max {
            return Err(Refusal::TooMany { field: "labels", most: merchant.labels_max });
        }
        self.check_label_names(merchant, labels)?;
        events.push(CustomerEvent::CustomerChanged(CustomerChange::Labels(labels.clone())));
        let asks = |labels: &[Name]| merchant.has_label_of(labels, LabelKind::PendingDeletion);
        match (asks(customer.labels()), asks(labels)) {
            (false, true) => {
                let due = context.now.plus(merchant.deletion_grace_ms);
                events.push(CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(Some(due))));
            }
            (true, false) => events.push(CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(None))),
            _ => {}
        }
        Ok(())
    }
}

/// Refuses a value that is not of its attribute's form.
fn checked_form(attribute: Attribute, value: &str, now: Millis) -> Result<(), Refusal> {
    check_form(attribute, value, now).map_err(|expected| Refusal::AttributeForm { field: attribute.word(), expected })
}

fn level_field(direction: Direction) -> &'static str {
    match direction {
        Direction::Deposit => "deposit_level",
        Direction::Withdrawal => "withdrawal_level",
    }
}

/// Refuses a change that a label of the customer forbids.
fn check_labels(
    field: &'static str,
    customer: &Customer,
    merchant: &Merchant,
    restriction: Restriction,
) -> Result<(), Refusal> {
    let Some(label) = merchant.forbidding_label(customer.labels(), restriction) else { return Ok(()) };
    let (label, restriction) = (label.as_str(), restriction.word());
    let reason = format!("may not be changed: the label {label:?} of the customer has {restriction}");
    Err(Refusal::NotAllowed { field, reason })
}

fn check_distinct(field: &'static str, names: &[Name]) -> Result<(), Refusal> {
    // Unknown texts are refused later.
    let is_one = |name: &Name| *name != Name::unrecorded();
    let twice = names.iter().enumerate().find(|(place, name)| is_one(name) && names[..*place].contains(name));
    match twice {
        Some((_, name)) => Err(Refusal::NotAllowed { field, reason: format!("names {name:?} twice") }),
        None => Ok(()),
    }
}

//! Individual payment settings of a customer.

use crate::{
    config::body,
    domain::{
        customer::{
            change::CustomerChange,
            individual_settings::{IndividualSettings, SETTINGS_MAX},
            update,
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        customers::customer_service::CustomerService, documents::customers::settings::settings_document,
        reply::Answered,
    },
};

/// The key of individual settings.
#[derive(Debug, Clone, Copy)]
pub struct SettingsKey<'a> {
    /// The direction of payments.
    pub direction: Direction,
    /// The currency of payments.
    pub currency: Currency,
    /// The level; [`Name::unrecorded`] for a text that was never a name.
    pub level: Name,
    /// The level as it was sent.
    pub level_text: &'a str,
}

impl SettingsKey<'_> {
    /// Settings of this key that change nothing.
    fn empty(&self) -> IndividualSettings {
        let Self { direction, currency, level, .. } = *self;
        IndividualSettings { direction, currency, level, methods: Vec::new(), global_min: None, global_max: None }
    }
}

impl CustomerService<'_> {
    /// Shows a customer's settings, empty ones where the customer has none.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn settings(&self, customer_id: &str, key: SettingsKey<'_>) -> Answered {
        self.show(customer_id, |customer, _| {
            let empty = key.empty();
            let known = customer.settings_for(key.direction, key.currency, key.level);
            let mut document = settings_document(known.unwrap_or(&empty), self.rules);
            if key.level == Name::unrecorded() {
                document["level"] = key.level_text.into();
            }
            document
        })
    }

    /// Replaces a customer's settings by those of a body.
    ///
    /// # Errors
    /// The body is malformed; it names an unknown level or gate; the customer has too many settings.
    pub fn put_settings(&self, customer_id: &str, key: SettingsKey<'_>, body: &[u8]) -> Answered {
        let sent = body::settings(body, key.currency, &self.rules.currencies, self.merchant.id)?;
        if !self.service.ledger.knows_level(self.merchant, key.direction, key.level) {
            return Err(update::unknown_level_refusal("level", key.direction, key.level_text).into());
        }
        let mut gates = sent.methods.iter().flat_map(|method| method.gates.iter().flatten());
        if let Some(unknown) = gates.find(|gate| self.merchant.gate_item(**gate).is_none()) {
            return Err(self.unknown_gate(*unknown).into());
        }
        let (global_min, global_max) = (sent.global_min, sent.global_max);
        let settings = IndividualSettings { methods: sent.methods, global_min, global_max, ..key.empty() };
        self.change(customer_id, &mut |customer, _| {
            let known = customer.settings_for(key.direction, key.currency, key.level);
            if known == Some(&settings) || (known.is_none() && settings.is_empty()) {
                return Ok(Vec::new());
            }
            if known.is_none() && customer.profile().is_some_and(|profile| profile.settings.len() >= SETTINGS_MAX) {
                return Err(Refusal::TooMany { field: "settings", most: SETTINGS_MAX });
            }
            Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::Settings(settings.clone()))])
        })?;
        self.settings(customer_id, key)
    }

    /// Removes a customer's settings.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn delete_settings(&self, customer_id: &str, key: SettingsKey<'_>) -> Answered {
        self.change(customer_id, &mut |customer, _| {
            let known = customer.settings_for(key.direction, key.currency, key.level);
            Ok(known
                .map(|_| CustomerEvent::CustomerChanged(CustomerChange::Settings(key.empty())))
                .into_iter()
                .collect())
        })?;
        self.settings(customer_id, key)
    }

    fn unknown_gate(&self, gate: Name) -> Refusal {
        let gates = self.merchant.gates.iter().map(|gate| gate.id.as_str());
        let routes = self.merchant.routes.iter().map(|route| route.id.as_str());
        let candidates = gates.chain(routes).collect::<Vec<_>>().join(", ");
        Refusal::UnknownPlace { field: "gates", value: gate.to_string(), candidates }
    }
}

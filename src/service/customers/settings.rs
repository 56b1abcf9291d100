//! Individual payment settings of a customer.

use crate::{
    config::{body, lint::request},
    domain::{
        customer::{
            change::CustomerChange,
            individual_settings::{IndividualSettings, SETTINGS_MAX},
            update,
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::configuration::Rules,
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        customers::customer_service::CustomerService,
        documents::{customers::settings::SettingsDocument, description::Description},
        reply::Answered,
    },
};
use serde_json::json;

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

impl<'a> SettingsKey<'a> {
    /// The document of settings of this key.
    fn document(&self, settings: &IndividualSettings, rules: &Rules) -> SettingsDocument<'a> {
        SettingsDocument::of(settings, rules).for_level(self.level, self.level_text)
    }

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
            json!(key.document(known.unwrap_or(&empty), self.rules))
        })
    }

    /// Replaces a customer's settings by those of a body. The settings that the customer has are no change. The answer has
    /// `warnings`.
    ///
    /// # Errors
    /// The body is malformed or describes other settings; it names an unknown level or gate; the customer has too many
    /// settings.
    pub fn put_settings(&self, customer_id: &str, key: SettingsKey<'_>, body: &[u8]) -> Answered {
        let description = Description::read(body, &body::SETTINGS_DESCRIPTION)?;
        let mut sent = body::settings(body, key.currency, &self.rules.currencies, self.merchant.id)?;
        let (methods, global_min, global_max) = (std::mem::take(&mut sent.methods), sent.global_min, sent.global_max);
        let settings = IndividualSettings { methods, global_min, global_max, ..key.empty() };
        self.change(customer_id, &mut |customer, _| {
            description.check(&json!(key.document(&key.empty(), self.rules)))?;
            let known = customer.settings_for(key.direction, key.currency, key.level);
            if known == Some(&settings) {
                return Ok(Vec::new());
            }
            self.check_references(key, &settings)?;
            if known.is_none() && settings.is_empty() {
                return Ok(Vec::new());
            }
            if known.is_none() && customer.profile().is_some_and(|profile| profile.settings.len() >= SETTINGS_MAX) {
                return Err(Refusal::TooMany { field: "settings", most: SETTINGS_MAX });
            }
            Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::Settings(settings.clone()))])
        })?;
        let warnings = request::settings_warnings(sent, &settings, self.merchant, self.rules);
        self.show(customer_id, |customer, _| {
            let empty = key.empty();
            let known = customer.settings_for(key.direction, key.currency, key.level).unwrap_or(&empty);
            json!(key.document(known, self.rules).with_warnings(&warnings))
        })
    }

    /// Refuses settings for a level, or with gates, that the merchant does not have.
    fn check_references(&self, key: SettingsKey<'_>, settings: &IndividualSettings) -> Result<(), Refusal> {
        if !self.service.ledger.knows_level(self.merchant, key.direction, key.level) {
            return Err(update::unknown_level_refusal("level", key.direction, key.level_text));
        }
        let mut gates = settings.methods.iter().flat_map(|method| method.gates.iter().flatten());
        let unknown = gates.find(|gate| self.merchant.gate_item(**gate).is_none());
        unknown.map_or(Ok(()), |gate| Err(self.unknown_gate(*gate)))
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

//! Individual payment settings of a customer.

use crate::{
    config::{body, lint::request},
    domain::{
        customer::{
            aggregate::Customer,
            change::CustomerChange,
            individual_settings::{IndividualSettings, SETTINGS_MAX},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::configuration::Rules,
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        customers::customer_service::{CustomerService, Trial},
        documents::{customers::settings::SettingsDocument, description::Description},
        error::ServiceError,
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
    /// The merchant has no such customer, or no such level and the customer has no settings for it.
    pub fn settings(&self, customer_id: &str, key: SettingsKey<'_>) -> Answered {
        self.check_place(customer_id, key)?;
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
        self.set_settings(customer_id, key, body, Trial::No)
    }

    /// Answers as [`Self::put_settings`] would, and changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::put_settings`].
    pub fn try_settings(&self, customer_id: &str, key: SettingsKey<'_>, body: &[u8]) -> Answered {
        self.set_settings(customer_id, key, body, Trial::Yes)
    }

    fn set_settings(&self, customer_id: &str, key: SettingsKey<'_>, body: &[u8], trial: Trial) -> Answered {
        // An unknown customer or level is refused before a bad body.
        self.check_place(customer_id, key)?;
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
            Ok(match trial {
                Trial::Yes => Vec::new(),
                Trial::No => vec![CustomerEvent::CustomerChanged(CustomerChange::Settings(settings.clone()))],
            })
        })?;
        let warnings = request::settings_warnings(sent, &settings, self.merchant, self.rules);
        self.show(customer_id, |customer, _| {
            let empty = key.empty();
            let known = customer.settings_for(key.direction, key.currency, key.level).unwrap_or(&empty);
            let shown = if trial == Trial::Yes { &settings } else { known };
            json!(key.document(shown, self.rules).with_warnings(&warnings))
        })
    }

    /// Refuses settings for a level, or with gates, that the merchant does not have.
    fn check_references(&self, key: SettingsKey<'_>, settings: &IndividualSettings) -> Result<(), Refusal> {
        self.check_level(key)?;
        let mut gates = settings.methods.iter().flat_map(|method| method.gates.iter().flatten());
        let unknown = gates.find(|gate| self.merchant.gate_item(**gate).is_none());
        unknown.map_or(Ok(()), |gate| Err(self.unknown_gate(*gate)))
    }

    /// Refuses an unknown customer, and a level that the merchant does not have. Settings stay when their level is removed,
    /// and their customer has a place for them then.
    fn check_place(&self, customer_id: &str, key: SettingsKey<'_>) -> Result<(), ServiceError> {
        let has_settings =
            |customer: &Customer| customer.settings_for(key.direction, key.currency, key.level).is_some();
        match self.read(customer_id, |customer, _| has_settings(customer))? {
            true => Ok(()),
            false => Ok(self.check_level(key)?),
        }
    }

    /// Refuses a level that the merchant does not have.
    fn check_level(&self, key: SettingsKey<'_>) -> Result<(), Refusal> {
        let (ledger, merchant) = (&self.service.ledger, self.merchant);
        if ledger.knows_level(merchant, key.direction, key.level) {
            return Ok(());
        }
        let known = ledger.level_list(merchant, (key.direction, None), key.level_text);
        let direction = key.direction.word();
        let level = format!("level {:?} of this merchant for {direction}s; it has {known}", key.level_text);
        Err(Refusal::UnknownLevel(level))
    }

    /// Removes a customer's settings.
    ///
    /// # Errors
    /// The merchant has no such customer, or no such level and the customer has no settings for it.
    pub fn delete_settings(&self, customer_id: &str, key: SettingsKey<'_>) -> Answered {
        self.change(customer_id, &mut |customer, _| {
            if customer.settings_for(key.direction, key.currency, key.level).is_none() {
                return self.check_level(key).map(|()| Vec::new());
            }
            Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::Settings(key.empty()))])
        })?;
        self.show(customer_id, |_, _| json!(key.document(&key.empty(), self.rules)))
    }

    fn unknown_gate(&self, gate: Name) -> Refusal {
        let gates = self.merchant.gates.iter().map(|gate| gate.id.as_str());
        let routes = self.merchant.routes.iter().map(|route| route.id.as_str());
        let candidates = gates.chain(routes).collect::<Vec<_>>().join(", ");
        Refusal::UnknownPlace { field: "gates", value: gate.to_string(), candidates }
    }
}

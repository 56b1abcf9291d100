//! Individual payment settings as a document. A request takes what an answer shows: see
//! [`crate::config::body::settings`].

use crate::{
    config::{
        document::{self, RawMethod},
        schema::{
            texts::{NameText, SentenceText},
            words::WordOf,
        },
    },
    domain::{
        customer::individual_settings::{IndividualMethod, IndividualSettings},
        rules::configuration::Rules,
        vocabulary::{
            direction::Direction,
            money::{Currency, Minor},
            names::Name,
        },
    },
    service::documents::as_text::{Amount, AsText},
};
use schemars::JsonSchema;
use serde::Serialize;

/// Individual settings of a customer for a direction, a currency and a level.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IndividualSettings")]
pub(crate) struct SettingsDocument<'a> {
    /// The direction of payments.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of payments.
    currency: AsText<Currency>,
    /// The level.
    #[schemars(with = "NameText")]
    level: &'a str,
    /// The settings of single methods.
    methods: Vec<RawMethod>,
    /// The bounds of all methods.
    global_limit: AmountRangeDocument,
    /// Of a `PUT`: what is valid and probably a mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<SentenceText>>")]
    warnings: Option<&'a [String]>,
}

/// Bounds of the amounts of all methods.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GlobalLimit")]
struct AmountRangeDocument {
    /// The smallest amount. `null`: there is none.
    min_amount: Option<Amount>,
    /// The largest amount. `null`: there is none.
    max_amount: Option<Amount>,
}

impl<'a> SettingsDocument<'a> {
    pub(crate) fn of(settings: &IndividualSettings, rules: &Rules) -> Self {
        let units = rules.currencies.units(settings.currency);
        let amount = |value: Option<u64>| value.map(|value| AsText(Minor { value: u128::from(value), units }));
        let method = |own: &IndividualMethod| document::individual_method(own, settings.currency, &rules.currencies);
        Self {
            direction: settings.direction.word(),
            currency: AsText(settings.currency),
            level: settings.level.as_str(),
            methods: settings.methods.iter().map(method).collect(),
            global_limit: AmountRangeDocument {
                min_amount: amount(settings.global_min),
                max_amount: amount(settings.global_max),
            },
            warnings: None,
        }
    }

    /// The same; a text that was never a name is shown as it was sent.
    pub(crate) fn for_level(self, level: Name, text: &'a str) -> Self {
        if level == Name::unrecorded() { Self { level: text, ..self } } else { self }
    }

    /// The same with the warnings about the settings.
    pub(crate) fn with_warnings(self, warnings: &'a [String]) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

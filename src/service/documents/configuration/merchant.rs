//! The configuration of a merchant as a document.

use crate::{
    config::{
        document::{self, RawMerchant},
        schema::{
            texts::{NameText, SentenceText, VersionText},
            words::WordOf,
        },
    },
    domain::rules::{
        configuration::Rules,
        merchant::{DefaultBehaviour, Merchant, OperationMode},
    },
    service::documents::configuration::level::LevelDocument,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A merchant in a list of merchants.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MerchantSummary<'r> {
    /// The id of the merchant.
    #[schemars(with = "NameText")]
    id: &'static str,
    /// The name for people.
    #[schemars(with = "SentenceText")]
    name: &'r str,
    /// How payments name customers.
    #[schemars(with = "WordOf<OperationMode>")]
    operation_mode: &'static str,
    /// The behaviour where no level is configured.
    #[schemars(with = "WordOf<DefaultBehaviour>")]
    default_behaviour: &'static str,
    /// The IANA time zone of days, weeks and months.
    #[schemars(with = "NameText")]
    time_zone: &'r str,
    /// Whether it is a test merchant.
    sandbox: bool,
}

impl<'r> MerchantSummary<'r> {
    pub(crate) fn of(merchant: &'r Merchant) -> Self {
        Self {
            id: merchant.id.as_str(),
            name: &merchant.name,
            operation_mode: merchant.mode.word(),
            default_behaviour: merchant.default_behaviour.word(),
            time_zone: merchant.calendar.name(),
            sandbox: merchant.sandbox,
        }
    }
}

/// The effective configuration of a merchant: every key of its file, with the defaults filled in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Merchant")]
pub(crate) struct MerchantDocument<'r> {
    /// The configuration.
    #[serde(flatten)]
    merchant: RawMerchant<LevelDocument>,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    config_version: &'r str,
}

impl<'r> MerchantDocument<'r> {
    pub(crate) fn of(rules: &'r Rules, merchant: &Merchant, levels: Vec<LevelDocument>) -> Self {
        let merchant = document::merchant(merchant, &rules.currencies, levels);
        Self { merchant, config_version: &rules.version }
    }
}

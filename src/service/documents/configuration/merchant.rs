//! The configuration of a merchant as a document.

use crate::{
    config::document::{self, RawMerchant},
    domain::rules::{configuration::Rules, merchant::Merchant},
    service::documents::configuration::level::LevelDocument,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A merchant in a list of merchants.
pub(crate) fn merchant_summary(merchant: &Merchant) -> Value {
    json!({
        "id": merchant.id.as_str(),
        "name": merchant.name,
        "operation_mode": merchant.mode.word(),
        "default_behaviour": merchant.default_behaviour.word(),
        "time_zone": merchant.calendar.name(),
    })
}

/// The effective configuration of a merchant: every key of its file, with the defaults filled in.
#[derive(Serialize)]
pub(crate) struct MerchantDocument<'r> {
    #[serde(flatten)]
    merchant: RawMerchant<LevelDocument>,
    config_version: &'r str,
}

impl<'r> MerchantDocument<'r> {
    pub(crate) fn of(rules: &'r Rules, merchant: &Merchant, levels: Vec<LevelDocument>) -> Self {
        let merchant = document::merchant(merchant, &rules.currencies, levels);
        Self { merchant, config_version: &rules.version }
    }
}

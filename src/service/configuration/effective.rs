//! The configuration in force, as it is shown.

use crate::{
    domain::{
        request::refusal::Refusal,
        rules::{
            configuration::Rules,
            level::{Level, LevelKey, ProjectList},
            merchant::Merchant,
            provenance::Provenance,
        },
        vocabulary::names::Name,
    },
    ledger::MadeLevel,
    service::{
        configuration::change::ConfigurationOutcome,
        documents::configuration::{
            level::level_document,
            merchant::{merchant_document, merchant_summary},
            rates::rates_document,
        },
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use serde_json::{Value, json};
use std::sync::Arc;

impl PaymentService {
    /// The merchants that `reaches` selects, by id. The answer depends on no record.
    pub fn merchants(&self, reaches: impl Fn(Name) -> bool) -> Reply {
        let rules = self.rules();
        let mut merchants: Vec<&Arc<Merchant>> = rules.merchants.values().filter(|m| reaches(m.id)).collect();
        merchants.sort_by_key(|merchant| merchant.id);
        let rows: Vec<Value> = merchants.iter().map(|merchant| merchant_summary(merchant)).collect();
        Reply::new(&json!({ "merchants": rows, "config_version": rules.version }))
    }

    /// The effective configuration of a merchant.
    ///
    /// # Errors
    /// The merchant is not known.
    pub fn merchant(&self, id: &str) -> Answered {
        let (rules, merchant) = self.find_merchant(id)?;
        let levels = self.level_documents(&rules, &merchant);
        Ok(self.configuration_reply(&merchant_document(&rules, &merchant, &levels)))
    }

    /// The levels of a merchant.
    ///
    /// # Errors
    /// The merchant is not known.
    pub fn levels(&self, id: &str) -> Answered {
        let (rules, merchant) = self.find_merchant(id)?;
        Ok(self.configuration_reply(&json!({ "levels": self.level_documents(&rules, &merchant) })))
    }

    /// The rates. `names_author`: whether the document names the token that set them.
    pub fn rates(&self, names_author: bool) -> Reply {
        let mut document = rates_document(&self.rules());
        if !names_author {
            document["by"] = Value::Null;
        }
        self.configuration_reply(&document)
    }

    /// The rates after a change of them.
    pub fn rates_after_change(&self) -> Reply {
        Reply::new(&rates_document(&self.rules()))
    }

    /// A level after it was set.
    pub fn level_after_change(&self, key: LevelKey, outcome: &ConfigurationOutcome) -> Reply {
        let rules = self.rules();
        let merchant = rules.merchant(key.merchant.as_str());
        let level = merchant.and_then(|m| Some((m, m.level(key.direction, key.currency, key.name)?)));
        let shown = level.map(|(merchant, level)| level_document(&rules, merchant, level));
        Reply::new(&json!({ "level": shown, "config_version": rules.version })).created_if(outcome.is_new)
    }

    /// The names of deleted levels.
    pub fn deleted_levels(&self, outcome: &ConfigurationOutcome) -> Reply {
        let deleted: Vec<&str> = outcome.deleted.iter().map(|name| name.as_str()).collect();
        Reply::new(&json!({ "deleted": deleted, "config_version": self.rules().version }))
    }

    /// The outcome of the rename of a level.
    pub fn renamed_level(&self, from: Name, to: Name, outcome: &ConfigurationOutcome) -> Reply {
        let currencies: Vec<String> = outcome.currencies.iter().map(ToString::to_string).collect();
        Reply::new(&json!({
            "from": from.as_str(), "to": to.as_str(), "currencies": currencies, "customers": outcome.customers,
            "config_version": self.rules().version,
        }))
    }

    /// A document that depends only on the records that all customers share.
    fn configuration_reply(&self, document: &Value) -> Reply {
        Reply::new(document).depending_on(self.ledger.journal().last_shared())
    }

    fn find_merchant(&self, id: &str) -> Result<(Arc<Rules>, Arc<Merchant>), ServiceError> {
        let rules = self.rules();
        match rules.merchant(id).map(Arc::clone) {
            Some(merchant) => Ok((rules, merchant)),
            None => Err(Refusal::UnknownMerchant(id.to_owned()).into()),
        }
    }

    /// The configured levels of a merchant and those that requests have made.
    fn level_documents(&self, rules: &Rules, merchant: &Merchant) -> Vec<Value> {
        let configured = merchant.levels.iter().map(|level| level_document(rules, merchant, level));
        let made = self.ledger.made_levels(merchant.id).into_iter();
        let made = made.filter(|made| merchant.level(made.direction, made.currency, made.name).is_none());
        let made = made.map(|made| level_document(rules, merchant, &empty_level(made)));
        configured.chain(made).collect()
    }
}

/// A level that a request has made and that is not configured.
fn empty_level(MadeLevel { name, direction, currency, created }: MadeLevel) -> Level {
    Level {
        name,
        direction,
        currency,
        active: true,
        projects: ProjectList::Listed(Vec::new()),
        methods: Vec::new(),
        gates: None,
        routing: None,
        filters: Vec::new(),
        known: Provenance::made_at(created),
    }
}

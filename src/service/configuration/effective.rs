//! The configuration in force, as it is shown.

use crate::{
    config::schema::texts::{NameText, SentenceText, VersionText},
    domain::{
        request::refusal::Refusal,
        rules::{
            configuration::Rules,
            level::{Level, LevelKey},
            merchant::Merchant,
            provenance::Provenance,
        },
        vocabulary::{
            money::Currency,
            names::{Name, UNKNOWN_LEVEL},
        },
    },
    ledger::MadeLevel,
    service::{
        configuration::change::ConfigurationOutcome,
        documents::as_text::AsText,
        documents::configuration::{
            level::LevelDocument,
            merchant::{MerchantDocument, MerchantSummary},
            provenance::ShowsName,
            rates::RatesDocument,
        },
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A level as it is in force.
pub(crate) struct LevelInForce {
    pub(crate) level: Level,
    pub(crate) document: LevelDocument,
}

/// The merchants that a token reaches.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MerchantList<'r> {
    /// The merchants, by id.
    merchants: Vec<MerchantSummary<'r>>,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    config_version: &'r str,
}

/// The levels of a merchant.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LevelList {
    /// The configured levels and those that requests have created.
    levels: Vec<LevelDocument>,
}

/// The levels that a call deleted.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeletedLevels<'r> {
    /// The names of the deleted levels.
    #[schemars(with = "Vec<NameText>")]
    deleted: Vec<&'static str>,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    config_version: &'r str,
}

/// The outcome of a rename.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RenamedLevel<'r> {
    /// The old name.
    #[schemars(with = "NameText")]
    from: &'static str,
    /// The new name.
    #[schemars(with = "NameText")]
    to: &'static str,
    /// The currencies in which the level was renamed.
    currencies: Vec<AsText<Currency>>,
    /// The number of customers who had the old name.
    customers: usize,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    config_version: &'r str,
}

/// A level after it was set.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LevelChange<'a> {
    /// The level in force. `null`: its merchant has been removed.
    level: Option<LevelDocument>,
    /// The rules in force.
    #[schemars(with = "VersionText")]
    config_version: &'a str,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: &'a [String],
}

impl PaymentService {
    /// The merchants that `reaches` selects, by id. The answer depends on no record.
    pub fn merchants(&self, reaches: impl Fn(Name) -> bool) -> Reply {
        let rules = self.rules();
        let mut merchants: Vec<&Arc<Merchant>> = rules.merchants.values().filter(|m| reaches(m.id)).collect();
        merchants.sort_by_key(|merchant| merchant.id);
        let merchants = merchants.into_iter().map(|merchant| MerchantSummary::of(merchant)).collect();
        Reply::new(&MerchantList { merchants, config_version: &rules.version })
    }

    /// The effective configuration of a merchant. `shows_name` selects the tokens that the document names.
    ///
    /// # Errors
    /// The merchant is not known.
    pub fn merchant(&self, id: &str, shows_name: &dyn Fn(Name) -> bool) -> Answered {
        let (rules, merchant) = self.find_merchant(id)?;
        let levels = self.level_documents(&rules, &merchant, shows_name);
        Ok(self.configuration_reply(&MerchantDocument::of(&rules, &merchant, levels)))
    }

    /// The levels of a merchant. `shows_name` selects the tokens that the documents name.
    ///
    /// # Errors
    /// The merchant is not known.
    pub fn levels(&self, id: &str, shows_name: &dyn Fn(Name) -> bool) -> Answered {
        let (rules, merchant) = self.find_merchant(id)?;
        Ok(self.configuration_reply(&LevelList { levels: self.level_documents(&rules, &merchant, shows_name) }))
    }

    /// A level of a merchant, as a request may send it. The level `unknown` always exists. `shows_name` selects
    /// the token that the document names.
    ///
    /// # Errors
    /// There is no such level.
    pub fn level(&self, key: &LevelKey, shows_name: &dyn Fn(Name) -> bool) -> Answered {
        let (rules, merchant) = self.find_merchant(key.merchant.as_str())?;
        let level = self.level_in_force(&rules, &merchant, key).ok_or_else(|| self.unknown_level(&merchant, key))?;
        Ok(self.configuration_reply(&level.document.with_shown_author(shows_name)))
    }

    /// The refusal of a level that the merchant does not have, with those of the direction and currency that it has.
    pub(crate) fn unknown_level(&self, merchant: &Merchant, key: &LevelKey) -> Refusal {
        let known = self.ledger.level_list(merchant, (key.direction, Some(key.currency)), key.name.as_str());
        Refusal::UnknownLevel(format!("{key}; it has {known}"))
    }

    /// A level that is configured or that a request has made, and the level `unknown` in any case.
    pub(crate) fn level_in_force(&self, rules: &Rules, merchant: &Merchant, key: &LevelKey) -> Option<LevelInForce> {
        let LevelKey { direction, currency, name, .. } = *key;
        let is_it = |made: &MadeLevel| (made.direction, made.currency, made.name) == (direction, currency, name);
        let made = || self.ledger.made_levels(merchant.id).into_iter().find(is_it).map(empty_level);
        if let Some(level) = merchant.level(direction, currency, name).cloned().or_else(made) {
            let document = LevelDocument::of(rules, merchant, &level);
            return Some(LevelInForce { level, document });
        }
        let level = Level::bare(name, direction, currency);
        let document = LevelDocument::without_origin(rules, merchant, &level);
        (name.as_str() == UNKNOWN_LEVEL).then_some(LevelInForce { level, document })
    }

    /// The rates. `names_author`: whether the document names the token that set them.
    pub fn rates(&self, names_author: bool) -> Reply {
        let rules = self.rules();
        let document = RatesDocument::of(&rules.rates);
        self.configuration_reply(&if names_author { document } else { document.without_author() })
    }

    /// The rates after a change of them.
    pub fn rates_after_change(&self, outcome: &ConfigurationOutcome) -> Reply {
        Reply::new(&RatesDocument::of(&self.rules().rates).with_warnings(&outcome.warnings))
    }

    /// A level after it was set.
    pub fn level_after_change(&self, key: LevelKey, outcome: &ConfigurationOutcome) -> Reply {
        let rules = self.rules();
        let merchant = rules.merchant(key.merchant.as_str());
        let level = merchant.and_then(|merchant| self.level_in_force(&rules, merchant, &key));
        let shown = LevelChange {
            level: level.map(|level| level.document),
            config_version: &rules.version,
            warnings: &outcome.warnings,
        };
        Reply::new(&shown).created_if(outcome.is_new)
    }

    /// The names of deleted levels.
    pub fn deleted_levels(&self, outcome: &ConfigurationOutcome) -> Reply {
        let deleted = outcome.deleted.iter().map(|name| name.as_str()).collect();
        Reply::new(&DeletedLevels { deleted, config_version: &self.rules().version })
    }

    /// The outcome of the rename of a level.
    pub fn renamed_level(&self, from: Name, to: Name, outcome: &ConfigurationOutcome) -> Reply {
        Reply::new(&RenamedLevel {
            from: from.as_str(),
            to: to.as_str(),
            currencies: outcome.currencies.iter().copied().map(AsText).collect(),
            customers: outcome.customers,
            config_version: &self.rules().version,
        })
    }

    /// A document that depends only on the records that all customers share.
    fn configuration_reply(&self, document: &impl Serialize) -> Reply {
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
    fn level_documents(&self, rules: &Rules, merchant: &Merchant, shows_name: &ShowsName<'_>) -> Vec<LevelDocument> {
        let configured = merchant.levels.iter().map(|level| LevelDocument::of(rules, merchant, level));
        let made = self.ledger.made_levels(merchant.id).into_iter();
        let made = made.filter(|made| merchant.level(made.direction, made.currency, made.name).is_none());
        let made = made.map(|made| LevelDocument::of(rules, merchant, &empty_level(made)));
        configured.chain(made).map(|level| level.with_shown_author(shows_name)).collect()
    }
}

/// A level that a request has made and that is not configured.
fn empty_level(MadeLevel { name, direction, currency, created }: MadeLevel) -> Level {
    Level { known: Provenance::made_at(created), ..Level::bare(name, direction, currency) }
}

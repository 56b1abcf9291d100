//! Trials: what a change of levels would do, and what the next reload of a merchant's file would do. Nothing is changed.

use crate::{
    config::{
        diff::Difference,
        schema::texts::{SentenceText, VersionText},
    },
    service::{
        configuration::change::ConfigurationOutcome, documents::configuration::differences::DifferenceLists,
        reply::Reply,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// What a change would do.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationTrial {
    /// What the change would return.
    pub outcome: ConfigurationOutcome,
    /// The differences of the rules, each with the customers above a limit that would be lower.
    pub differences: Vec<Difference>,
    /// The customers whose payments the changed levels decide: those who have one of them, and those without a level where
    /// the level is the default.
    pub customers: u64,
    /// The rules that the change would be applied to.
    pub version: String,
}

/// The answer to a trial.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LevelTrial")]
pub(crate) struct TrialDocument<'a> {
    /// Always `true`: nothing has changed.
    dry_run: bool,
    /// The customers whose payments the changed levels decide.
    customers: u64,
    /// What would differ.
    #[serde(flatten)]
    differences: DifferenceLists,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: &'a [String],
    /// The rules in force, to which the change would be applied.
    #[schemars(with = "VersionText")]
    config_version: &'a str,
}

impl ConfigurationTrial {
    /// The answer.
    pub(crate) fn reply(&self) -> Reply {
        let differences: Vec<&Difference> = self.differences.iter().collect();
        Reply::new(&TrialDocument {
            dry_run: true,
            customers: self.customers,
            differences: DifferenceLists::new(&differences),
            warnings: &self.outcome.warnings,
            config_version: &self.version,
        })
    }
}

/// The file of a merchant as it is in the folder now, and what a reload would do with it.
#[derive(Debug, Clone, Default)]
pub struct MerchantFile {
    /// Its path in the configuration folder.
    pub path: String,
    /// Its text. Numbers of cards are masked.
    pub text: String,
    /// What a reload would change at the merchant.
    pub differences: Vec<Difference>,
    /// Why a reload would be refused, as far as the merchant is concerned.
    pub errors: Vec<String>,
    /// What is valid and probably a mistake, and what the files would supersede.
    pub warnings: Vec<String>,
}

/// The file of a merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MerchantFile")]
pub(crate) struct MerchantFileDocument<'a> {
    /// The path in the configuration folder.
    #[schemars(with = "SentenceText")]
    path: &'a str,
    /// The text, as it is in the folder now.
    #[schemars(with = "SentenceText")]
    text: &'a str,
    /// What a reload would change at the merchant.
    reload: DifferenceLists,
    /// Why a reload would be refused, as far as the merchant is concerned.
    #[schemars(with = "Vec<SentenceText>")]
    errors: &'a [String],
    /// What is valid and probably a mistake, and what a reload would supersede.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: &'a [String],
}

impl MerchantFile {
    /// The answer.
    pub(crate) fn reply(&self) -> Reply {
        let differences: Vec<&Difference> = self.differences.iter().collect();
        Reply::new(&MerchantFileDocument {
            path: &self.path,
            text: &self.text,
            reload: DifferenceLists::new(&differences),
            errors: &self.errors,
            warnings: &self.warnings,
        })
    }
}

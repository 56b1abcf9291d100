//! A level as a document. A request takes what an answer shows: see [`crate::config::body::level`].

use crate::{
    config::document::{self, RawLevel},
    domain::rules::{configuration::Rules, level::Level, merchant::Merchant},
    service::documents::configuration::provenance::{ProvenanceDocument, ShowsName},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A level of a merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Level")]
pub(crate) struct LevelDocument {
    /// The settings.
    #[serde(flatten)]
    level: RawLevel,
    /// Where they come from.
    #[serde(flatten)]
    provenance: ProvenanceDocument,
}

impl LevelDocument {
    pub(crate) fn of(rules: &Rules, merchant: &Merchant, level: &Level) -> Self {
        let provenance = ProvenanceDocument::of(&level.known);
        Self { provenance, ..Self::without_origin(rules, merchant, level) }
    }

    /// The same without the name of the token, unless `shows_name` selects it.
    pub(crate) fn with_shown_author(self, shows_name: &ShowsName<'_>) -> Self {
        Self { provenance: self.provenance.with_shown_author(shows_name), ..self }
    }

    /// A level that nothing configures.
    pub(crate) fn without_origin(rules: &Rules, merchant: &Merchant, level: &Level) -> Self {
        Self { level: document::level(level, merchant, &rules.currencies), provenance: ProvenanceDocument::default() }
    }
}

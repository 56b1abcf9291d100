//! The rate table as a document. A request takes what an answer shows: see [`crate::config::body::rates`].

use crate::{
    config::{
        document::{self, RawRates},
        schema::texts::{SentenceText, VersionText},
    },
    domain::rules::rates::Rates,
    service::documents::configuration::provenance::ProvenanceDocument,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A rate table.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rates")]
pub(crate) struct RatesDocument<'r> {
    /// The table.
    #[serde(flatten)]
    rates: RawRates,
    /// The version of the table.
    #[schemars(with = "VersionText")]
    version: &'r str,
    /// Where it comes from.
    #[serde(flatten)]
    provenance: ProvenanceDocument,
    /// Of a `PUT`: what is valid and probably a mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<SentenceText>>")]
    warnings: Option<&'r [String]>,
}

impl<'r> RatesDocument<'r> {
    pub(crate) fn of(rates: &'r Rates) -> Self {
        let provenance = ProvenanceDocument::of(&rates.known);
        Self { rates: document::rates(rates), version: &rates.version, provenance, warnings: None }
    }

    /// The same without the name of the token that set the rates.
    pub(crate) fn without_author(self) -> Self {
        Self { provenance: self.provenance.without_author(), ..self }
    }

    /// The same with the warnings about the table.
    pub(crate) fn with_warnings(self, warnings: &'r [String]) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

//! The rate table as a document. A request takes what an answer shows: see [`crate::config::body::rates`].

use crate::{
    config::document::{self, RawRates},
    domain::rules::rates::Rates,
    service::documents::configuration::provenance::ProvenanceDocument,
};
use serde::Serialize;

/// A rate table.
#[derive(Serialize)]
pub(crate) struct RatesDocument<'r> {
    #[serde(flatten)]
    rates: RawRates,
    version: &'r str,
    #[serde(flatten)]
    provenance: ProvenanceDocument,
    /// The warnings about a table that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
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

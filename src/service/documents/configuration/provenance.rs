//! Where a level or a rate table came from, when, and by whom.

use crate::{
    domain::{rules::provenance::Provenance, vocabulary::names::Name},
    service::documents::as_text::{AsText, Time},
};
use serde::Serialize;

/// The origin and the times of a level or a rate table.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ProvenanceDocument {
    created: Option<Time>,
    modified: Option<Time>,
    /// `null`: nothing configures it.
    origin: Option<&'static str>,
    by: Option<AsText<Name>>,
}

/// Whether the caller is shown the name of a token.
pub(crate) type ShowsName<'a> = dyn Fn(Name) -> bool + 'a;

impl ProvenanceDocument {
    pub(crate) fn of(provenance: &Provenance) -> Self {
        Self {
            created: provenance.created.map(AsText),
            modified: provenance.modified.map(AsText),
            origin: Some(provenance.origin.word()),
            by: provenance.by.map(AsText),
        }
    }

    /// The same without the name of the token, unless `shows_name` selects it.
    pub(crate) fn with_shown_author(self, shows_name: &ShowsName<'_>) -> Self {
        Self { by: self.by.filter(|by| shows_name(by.0)), ..self }
    }

    /// The same without the name of the token.
    pub(crate) fn without_author(self) -> Self {
        Self { by: None, ..self }
    }
}

//! Where a level or a rate table came from, when, and by whom.

use crate::{
    config::schema::words::WordOf,
    domain::{
        rules::provenance::{Origin, Provenance},
        vocabulary::names::Name,
    },
    service::documents::as_text::{AsText, Time},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The origin and the times of a level or a rate table.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ProvenanceDocument {
    /// When it was created. `null`: not known.
    created: Option<Time>,
    /// When it was last changed. `null`: not known.
    modified: Option<Time>,
    /// Where it comes from. `null`: nothing configures it.
    #[schemars(with = "Option<WordOf<Origin>>")]
    origin: Option<&'static str>,
    /// The name of the token that set it. `null`: it is not known or not shown.
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

//! Where a level or a rate table came from, when, and by whom.

use crate::{
    domain::{rules::provenance::Provenance, vocabulary::time::Millis},
    service::documents::as_text::AsText,
};
use serde_json::{Value, json};

/// Adds the members `created`, `modified`, `origin` and `by` to a document.
pub(crate) fn add_provenance(document: &mut Value, provenance: &Provenance) {
    document["created"] = json!(provenance.created.map(AsText::<Millis>));
    document["modified"] = json!(provenance.modified.map(AsText::<Millis>));
    document["origin"] = json!(provenance.origin.word());
    document["by"] = json!(provenance.by.map(|by| by.as_str()));
}

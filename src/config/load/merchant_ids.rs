//! The ids of all merchants, each with the place that defines it.

use crate::config::{
    parse::located::Located,
    report::{
        file_report::FileReport,
        problem::RelatedPlace,
        source::{Source, Span},
    },
};
use crate::domain::vocabulary::{names::Name, text::suggest::nearest};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The defined ids. An id that is defined twice keeps its first place.
#[derive(Default)]
pub(super) struct MerchantIds {
    places: HashMap<Name, (Arc<Source>, Span)>,
    /// Whether the id of some file could not be read. Then no reference is known to be wrong.
    is_incomplete: bool,
}

impl MerchantIds {
    /// Adds the id of a file; `None`: the file has no valid id. Reports an id that another file has.
    pub(super) fn add(&mut self, id: Option<&Located<Name>>, report: &FileReport) {
        let Some(id) = id else {
            self.is_incomplete = true;
            return;
        };
        match self.places.get(&id.value) {
            Some((source, span)) => {
                let first = RelatedPlace::new(source, span, "first defined here");
                let help = "write one merchant in each file, and give each another id";
                report.error_with(&id.span, format!("merchant `{}` is defined twice", id.value), help, first);
            }
            None => _ = self.places.insert(id.value, (Arc::clone(&report.source), id.span.clone())),
        }
    }

    /// The merchant of each file, by the file's path. Of two files with one id, only the first is included.
    pub(super) fn owners(&self) -> BTreeMap<String, Name> {
        self.places.iter().map(|(id, (source, _))| (source.path.clone(), *id)).collect()
    }

    /// Reports references to merchants that no file defines.
    pub(super) fn check_references(&self, references: &[Located<Name>], report: &FileReport) {
        for name in references.iter().filter(|name| !self.is_incomplete && !self.places.contains_key(&name.value)) {
            let mut known: Vec<&str> = self.places.keys().map(|id| id.as_str()).collect();
            known.sort_unstable();
            let help = match nearest(name.value.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add merchants/*.toml with this id".to_owned(),
            };
            report.error(&name.span, format!("unknown merchant `{}`", name.value), help);
        }
    }
}

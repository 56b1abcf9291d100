//! The empty parts that the files state on purpose.
//!
//! A file that was cut at a table and a file that was emptied on purpose compile to the same rules. An empty list that is
//! written out, and `removed = true`, tell the two apart.

use crate::config::parse::{located::value_or, section::Section};
use crate::domain::vocabulary::names::Name;
use std::collections::BTreeSet;

/// The statements of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statements {
    /// Whether `levelgate.toml` exists.
    pub has_daemon_file: bool,
    /// `tokens = []` under `[auth]`.
    pub has_no_tokens: bool,
    /// The merchants whose file says `removed = true`.
    pub removed: BTreeSet<Name>,
    /// The merchants whose file says `projects = []`.
    pub without_projects: BTreeSet<Name>,
    /// The merchants whose file says `levels = []`.
    pub without_levels: BTreeSet<Name>,
    /// The merchants each of whose levels has `filters`, which may be an empty list.
    pub without_filters: BTreeSet<Name>,
}

/// The statements of one merchant's file.
#[derive(Debug, Clone, Copy)]
pub(super) struct MerchantStatements {
    pub(in crate::config) is_removed: bool,
    has_no_projects: bool,
    has_no_levels: bool,
    each_level_has_filters: bool,
}

impl MerchantStatements {
    /// Reads the statements of a file. Reports the first other key of a file that removes its merchant.
    pub(super) fn read(s: &Section<'_>) -> Self {
        let is_removed = value_or(&s.flag("removed"), false);
        if is_removed && let Some(key) = s.content().other_key(&["id", "removed"]) {
            let message =
                format!("a file with `removed = true` contains only `id`, and this one contains `{}`", key.value);
            let help = "remove everything else from the file, or remove `removed`: then the merchant stays";
            s.report.error(&key.span, message, help);
        }
        Self {
            is_removed,
            has_no_projects: s.content().is_empty_list("projects"),
            has_no_levels: s.content().is_empty_list("levels"),
            each_level_has_filters: s.content().each_has("levels", "filters"),
        }
    }
}

impl Statements {
    /// Adds the statements of a merchant's file.
    pub(super) fn add(&mut self, id: Name, stated: MerchantStatements) {
        let MerchantStatements { is_removed, has_no_projects, has_no_levels, each_level_has_filters } = stated;
        for (is_stated, merchants) in [
            (is_removed, &mut self.removed),
            (has_no_projects, &mut self.without_projects),
            (has_no_levels, &mut self.without_levels),
            (each_level_has_filters, &mut self.without_filters),
        ] {
            if is_stated {
                merchants.insert(id);
            }
        }
    }
}

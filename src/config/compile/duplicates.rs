//! Reports names that are defined twice in one list.

use crate::config::{
    parse::located::Located,
    report::{file_report::FileReport, source::Span},
};
use crate::domain::vocabulary::names::Name;
use std::collections::HashMap;

/// Reports each name that is defined twice. `what` names the kind of thing in the message.
pub(in crate::config) fn refuse_duplicates<'n>(
    names: impl Iterator<Item = Option<&'n Located<Name>>>,
    what: &str,
    help: &str,
    report: &FileReport,
) {
    let mut defined: HashMap<Name, &Span> = HashMap::new();
    for name in names.flatten() {
        match defined.get(&name.value) {
            Some(first) => report.defined_twice(&name.span, first, &format!("{what} `{}`", name.value), help),
            None => _ = defined.insert(name.value, &name.span),
        }
    }
}

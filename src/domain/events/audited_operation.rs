//! Operations as the audit shows them: who did what, with the old values that no other event of the step contains.

use crate::domain::{
    customer::audit::ChangeSource,
    vocabulary::{names::Name, time::Millis, words::words},
};
use std::collections::BTreeMap;

/// The most details of one merchant that one operation records.
const DETAILS_MAX: usize = 200;
/// The most bytes of values of one merchant that one operation records.
const VALUE_BYTES_MAX: usize = 256 * 1024;

words! {
    /// The kind of an operation.
    OperationKind {
        /// The configuration files were read again.
        Reload = "reload",
        /// Levels were set or deleted through the API.
        Level = "level",
        /// The rates were set through the API.
        Rates = "rates",
        /// A table of customers was imported.
        Upload = "upload",
        /// Many customers were changed at once.
        Bulk = "bulk",
    }
}

/// One change of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationDetail {
    /// The merchant that it concerns; `None`: all merchants.
    pub merchant: Option<Name>,
    /// The changed item, in words.
    pub subject: Box<str>,
    /// The value before, as JSON or in words; `None`: there was none, or it is too long to be recorded.
    pub old: Option<Box<str>>,
    /// The value after, likewise.
    pub new: Option<Box<str>>,
}

impl OperationDetail {
    fn value_bytes(&self) -> usize {
        [&self.old, &self.new].into_iter().flatten().map(|value| value.len()).sum()
    }
}

/// An operation of staff or of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedOperation {
    /// The kind.
    pub kind: OperationKind,
    /// A call of the API, or the daemon itself.
    pub source: ChangeSource,
    /// When.
    pub at: Millis,
    /// Who did it, where known.
    pub by: Option<Name>,
    /// The version of the configuration after it, where it changed the configuration.
    pub version: Option<Box<str>>,
    /// The changes.
    pub details: Vec<OperationDetail>,
}

impl AuditedOperation {
    /// The operation with so few details that a record can contain it: at most [`DETAILS_MAX`] of each merchant, and values
    /// of at most [`VALUE_BYTES_MAX`] bytes. The last detail of a merchant counts those that are left out.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let mut counts: BTreeMap<Option<Name>, (usize, usize)> = BTreeMap::new();
        let mut omitted: BTreeMap<Option<Name>, usize> = BTreeMap::new();
        self.details.retain_mut(|detail| {
            let (details, bytes) = counts.entry(detail.merchant).or_default();
            *details += 1;
            if *details > DETAILS_MAX {
                *omitted.entry(detail.merchant).or_default() += 1;
                return false;
            }
            *bytes += detail.value_bytes();
            if *bytes > VALUE_BYTES_MAX {
                (detail.old, detail.new) = (None, None);
            }
            true
        });
        self.details.extend(omitted.into_iter().map(|(merchant, count)| OperationDetail {
            merchant,
            subject: format!("and {count} more changes, which are not recorded").into(),
            old: None,
            new: None,
        }));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_records_so_many_details_of_each_merchant() {
        let [busy, other] = ["busy", "other"].map(|id| Some(Name::parse(id).unwrap()));
        let detail = |merchant, bytes: usize| OperationDetail {
            merchant,
            subject: "gates".into(),
            old: None,
            new: Some("x".repeat(bytes).into()),
        };
        let mut details = vec![detail(busy, 1); DETAILS_MAX + 3];
        details.extend([detail(other, VALUE_BYTES_MAX), detail(other, 1), detail(None, 1)]);
        let (kind, source) = (OperationKind::Reload, ChangeSource::Api);
        let bounded = AuditedOperation { kind, source, at: Millis(0), by: None, version: None, details }.bounded();
        let of = |merchant| bounded.details.iter().filter(move |detail| detail.merchant == merchant);
        assert_eq!(of(busy).count(), DETAILS_MAX + 1);
        assert_eq!(of(busy).next_back().unwrap().subject.as_ref(), "and 3 more changes, which are not recorded");
        let values: Vec<bool> = of(other).map(|detail| detail.new.is_some()).collect();
        assert_eq!((values, of(None).count()), (vec![true, false], 1), "one merchant leaves the others their room");
    }
}

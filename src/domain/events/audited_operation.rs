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
/// About the most bytes of one part of an operation: a record contains a part.
const PART_BYTES: usize = 1024 * 1024;

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
        /// Past payments were imported into the data folder: the start that records it imports and does nothing else.
        Import = "import",
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

    fn bytes(&self) -> usize {
        self.subject.len() + self.value_bytes()
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
    /// The operation with so few details that a record can contain it: at most `DETAILS_MAX` of each merchant, and values
    /// of at most `VALUE_BYTES_MAX` bytes. The last detail of a merchant counts those that are left out.
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

    /// The operation as [`AuditedOperation::bounded`] bounds it, in parts: an operation on many merchants is longer than a
    /// record may be.
    #[must_use]
    pub fn bounded_parts(self) -> Vec<Self> {
        let Self { kind, source, at, by, version, details } = self.bounded();
        let mut parts: Vec<Self> = Vec::new();
        let mut bytes = PART_BYTES;
        for detail in details {
            if bytes >= PART_BYTES {
                bytes = 0;
                parts.push(Self { kind, source, at, by, version: version.clone(), details: Vec::new() });
            }
            bytes += detail.bytes();
            parts.last_mut().into_iter().for_each(|part| part.details.push(detail.clone()));
        }
        parts
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

    #[test]
    fn an_operation_on_many_merchants_is_recorded_in_parts() {
        let merchant = |n: usize| Name::parse(&format!("merchant-{}", n / 100));
        let detail = |n: usize| OperationDetail {
            merchant: merchant(n).ok(),
            subject: format!("limit {n}").into(),
            old: Some("x".repeat(500).into()),
            new: Some("y".repeat(500).into()),
        };
        let details: Vec<OperationDetail> = (0..20_000).map(detail).collect();
        let (kind, source) = (OperationKind::Reload, ChangeSource::Api);
        let operation =
            AuditedOperation { kind, source, at: Millis(0), by: None, version: None, details: details.clone() };
        let parts = operation.bounded_parts();
        assert!(parts.len() > 15, "{}", parts.len());
        let bytes = |part: &AuditedOperation| part.details.iter().map(OperationDetail::bytes).sum::<usize>();
        assert!(parts.iter().all(|part| bytes(part) <= PART_BYTES + VALUE_BYTES_MAX + 1_000));
        let all: Vec<OperationDetail> = parts.into_iter().flat_map(|part| part.details).collect();
        assert_eq!(all, details, "nothing is lost or doubled");
        let empty = AuditedOperation { kind, source, at: Millis(0), by: None, version: None, details: Vec::new() };
        assert!(empty.bounded_parts().is_empty());
    }
}

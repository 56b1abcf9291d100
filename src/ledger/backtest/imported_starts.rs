//! Finds the openings that an import of past payments recorded. No rules decided about them.

use crate::domain::{
    transaction::opening::{Opening, OpeningKind},
    vocabulary::time::DAY_MS,
};

/// The starts that imported past payments. An import is a start without other work, and it records its oldest payment
/// first.
#[derive(Default)]
pub(super) struct ImportedStarts {
    epoch: u32,
    is_import: Option<bool>,
}

impl ImportedStarts {
    /// Whether an import recorded an opening. An import decides nothing: what it allows has no gates.
    pub(super) fn contains(&mut self, epoch: u32, opening: &Opening) -> bool {
        if self.epoch != epoch {
            *self = Self { epoch, is_import: None };
        }
        if self.is_import.is_none() {
            self.is_import = match opening.opened {
                OpeningKind::Reserved => Some(opening.gates.is_empty()),
                OpeningKind::Denied if opening.recorded_at.since(opening.at) > IMPORTED_BEFORE_MS => Some(true),
                OpeningKind::Denied | OpeningKind::Unreserved => None,
            };
        }
        self.is_import == Some(true)
    }
}

/// A denial that is recorded so much later than it happened comes from an import: no daemon takes a payment so late.
const IMPORTED_BEFORE_MS: i64 = 7 * DAY_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        transaction::opening::{CustomerResolution, ExplicitFields, LevelSource, PaymentContent, SentLevel},
        vocabulary::{attributes::AttributeSet, direction::Direction, money::Currency, names::Name, time::Millis},
    };
    use smallvec::SmallVec;

    fn opening(opened: OpeningKind, at: i64, gates: &[&str]) -> Opening {
        let name = |text: &str| Name::parse(text).unwrap();
        let content = PaymentContent {
            direction: Direction::Deposit,
            currency: Currency::parse("EUR").unwrap(),
            amount: 100,
            identity: 1,
            defined_by: AttributeSet::of(&[]),
            level: SentLevel::Absent,
            method: None,
            project: name("web"),
            endpoint: name("web-eur"),
        };
        Opening {
            id: "t".into(),
            merchant: name("acme"),
            at: Millis(at),
            recorded_at: Millis(30 * DAY_MS),
            opened,
            content,
            hold_until: None,
            level: None,
            level_source: LevelSource::Default,
            resolution: CustomerResolution::Found,
            names: ExplicitFields::BOTH,
            bypassed_id: None,
            violations: SmallVec::new(),
            gates: gates.iter().map(|gate| name(gate)).collect(),
            instrument: None,
            suspicious: false,
            outlier: false,
        }
    }

    #[test]
    fn a_start_is_an_import_by_the_first_payment_that_shows_it() {
        let now = 30 * DAY_MS;
        let mut starts = ImportedStarts::default();
        assert!(starts.contains(1, &opening(OpeningKind::Reserved, 0, &[])), "allowed without gates");
        assert!(starts.contains(1, &opening(OpeningKind::Denied, now, &[])), "the rest of the import");
        assert!(!starts.contains(2, &opening(OpeningKind::Denied, now, &[])), "a denial of a daemon");
        assert!(!starts.contains(2, &opening(OpeningKind::Reserved, now, &["gate-a"])));
        assert!(!starts.contains(2, &opening(OpeningKind::Denied, 0, &[])), "a daemon's start");
        assert!(starts.contains(3, &opening(OpeningKind::Denied, 0, &[])), "a denial of long ago");
    }
}

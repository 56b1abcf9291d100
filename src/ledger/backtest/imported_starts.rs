//! Finds the openings that an import of past payments recorded. No rules decided about them.

use crate::domain::{
    transaction::opening::{Opening, OpeningKind},
    vocabulary::time::DAY_MS,
};

/// The starts that imported past payments. An import is a start without other work.
///
/// From journal format 5 on, an import records that it is one before its first payment, and a daemon records its merchants
/// before its first decision. The records of an earlier format show it by what they contain: an import records its oldest
/// payment first.
#[derive(Default)]
pub(super) struct ImportedStarts {
    epoch: u32,
    is_import: Option<bool>,
    /// Whether the records are of a format that names an import.
    is_recorded: bool,
}

impl ImportedStarts {
    /// Notes that a start recorded that it is an import.
    pub(super) fn note_import(&mut self, epoch: u32) {
        *self = Self { epoch, is_import: Some(true), is_recorded: true };
    }

    /// Notes that a daemon of a format that names imports recorded its merchants.
    pub(super) fn note_daemon(&mut self, epoch: u32) {
        let is_import = epoch == self.epoch && self.is_import == Some(true);
        *self = Self { epoch, is_import: Some(is_import), is_recorded: true };
    }

    /// Whether an import recorded an opening. An import decides nothing: what it allows has no gates.
    pub(super) fn contains(&mut self, epoch: u32, opening: &Opening) -> bool {
        if self.epoch != epoch {
            *self = Self { epoch, is_import: self.is_recorded.then_some(false), is_recorded: self.is_recorded };
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

    #[test]
    fn a_start_is_an_import_where_it_recorded_that_it_is() {
        let now = 30 * DAY_MS;
        let (recent, old) = (opening(OpeningKind::Denied, now, &[]), opening(OpeningKind::Denied, 0, &[]));
        let mut starts = ImportedStarts::default();
        starts.note_import(1);
        assert!(starts.contains(1, &recent), "recorded as an import");
        assert!(!starts.contains(2, &old), "a daemon that recorded nothing new");
        starts.note_import(3);
        assert!(starts.contains(3, &recent));
        starts.note_daemon(4);
        assert!(!starts.contains(4, &old));
        let mut upgraded = ImportedStarts::default();
        upgraded.note_daemon(7);
        assert!(!upgraded.contains(7, &old));
    }
}

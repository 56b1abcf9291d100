//! The report of a replayed history: which decisions differ, by code, level and gate.

use crate::{
    domain::{
        transaction::opening::{Opening, OpeningKind},
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{FIRST_CUSTOMER, RefusedApproval, ReplayedDecision},
    service::backtest::tally::{Change, Counted, Group, Measure, RowKey, Tally},
};

/// The report.
#[derive(Debug, Clone, Default)]
pub struct BacktestReport {
    /// The rows of all tables.
    pub tally: Tally,
    /// The number of decisions that were judged.
    pub judged: u64,
    /// The number of decisions that differ.
    pub differences: u64,
    /// The number of decisions that cannot be judged.
    pub not_judged: u64,
    /// The number of reloads in the period that changed a merchant or the rates: the rules of the day changed there.
    pub reloads: u64,
    /// The first record of the history.
    pub first_record: u64,
    /// The last one.
    pub last_record: u64,
    /// The time of the first judged decision.
    pub first_at: Option<Millis>,
    /// The time of the last one.
    pub last_at: Option<Millis>,
}

/// How a decision differs; `None`: it does not.
#[must_use]
pub fn change_of(recorded: &Opening, replayed: &Opening) -> Option<Change> {
    let codes =
        |opening: &Opening| -> Vec<u16> { opening.violations.iter().map(|found| found.code.number()).collect() };
    match (recorded.opened == OpeningKind::Denied, replayed.opened == OpeningKind::Denied) {
        (false, true) => Some(Change::NewlyDenied),
        (true, false) => Some(Change::NewlyAllowed),
        (true, true) if codes(recorded) != codes(replayed) => Some(Change::OtherCodes),
        (false, false) if recorded.gates != replayed.gates => Some(Change::OtherGates),
        _ => (recorded.level != replayed.level).then_some(Change::OtherLevel),
    }
}

impl BacktestReport {
    /// Counts a decision. Returns how it differs.
    pub fn count(&mut self, decision: &ReplayedDecision<'_>) -> Option<Change> {
        let ReplayedDecision { customer, recorded, replayed } = *decision;
        let key = |group, measure| {
            let (merchant, currency) = (recorded.merchant.as_str(), recorded.content.currency);
            RowKey { group, measure, merchant, currency }
        };
        let counted = Counted { customer: customer_of(customer), amount: recorded.content.amount };
        let replayed = match replayed {
            Ok(replayed) => replayed,
            Err(reason) => {
                self.not_judged += 1;
                self.tally.count(key(Group::Total, Measure::NotJudged(reason)), counted);
                return None;
            }
        };
        self.judged += 1;
        self.first_at.get_or_insert(recorded.recorded_at);
        self.last_at = Some(recorded.recorded_at);
        self.tally.count(key(Group::Total, Measure::Judged), counted);
        for (opening, measure) in [(recorded, Measure::AllowedBefore), (replayed, Measure::AllowedAfter)] {
            if opening.opened != OpeningKind::Denied {
                self.tally.count(key(Group::Total, measure), counted);
            }
        }
        let change = change_of(recorded, replayed)?;
        self.differences += 1;
        let measure = Measure::Changed(change);
        let (direction, name) = (recorded.content.direction, recorded.level.map(Name::as_str));
        let groups = [Some(Group::Total), code_of(change, recorded, replayed), Some(Group::Level { direction, name })];
        for group in groups.into_iter().flatten().chain(gate_of(recorded, replayed)) {
            self.tally.count(key(group, measure), counted);
        }
        Some(change)
    }

    /// Counts an approval of a payment that is denied now.
    pub fn count_approval(&mut self, approval: &RefusedApproval) {
        let RefusedApproval { customer, amount, payment } = *approval;
        let (group, measure) = (Group::Total, Measure::ApprovedNowDenied);
        let (merchant, currency) = (payment.merchant.as_str(), payment.currency);
        let counted = Counted { customer: customer_of(customer), amount };
        self.tally.count(RowKey { group, measure, merchant, currency }, counted);
    }
}

/// The customer of a payment; a placeholder is none.
fn customer_of(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|_| number >= FIRST_CUSTOMER)
}

fn code_of(change: Change, recorded: &Opening, replayed: &Opening) -> Option<Group> {
    let opening = match change {
        Change::NewlyDenied | Change::OtherCodes => replayed,
        Change::NewlyAllowed => recorded,
        Change::OtherGates | Change::OtherLevel => return None,
    };
    let code = opening.violations.first()?.code;
    Some(Group::Code { number: code.number(), reason: code.reason() })
}

/// The first gates, where they differ.
fn gate_of(recorded: &Opening, replayed: &Opening) -> Option<Group> {
    let [before, after] = [recorded, replayed].map(|opening| opening.gates.first().map(|gate| gate.as_str()));
    (before != after).then_some(Group::Gate { before, after })
}

//! Counts decisions by measure and group. The counts take memory for each group, not for each decision.

use crate::domain::{
    decision::recorded_payment::NotJudged,
    vocabulary::{direction::Direction, money::Currency, words::words},
};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

words! {
    /// How a decision differs under the other configuration. The first that applies counts.
    Change {
        /// Allowed in fact, denied now.
        NewlyDenied = "newly_denied",
        /// Denied in fact, allowed now.
        NewlyAllowed = "newly_allowed",
        /// Denied in both, for other reasons.
        OtherCodes = "other_codes",
        /// Allowed in both, by other gates or in another order.
        OtherGates = "other_gates",
        /// The same answer under another level.
        OtherLevel = "other_level",
    }
}

/// What the decisions of a row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// They were judged.
    Judged,
    /// They were allowed in fact.
    AllowedBefore,
    /// They are allowed under the other configuration.
    AllowedAfter,
    /// They differ.
    Changed(Change),
    /// Money moved for them in fact, and they are denied now. The count is that of the approvals.
    ApprovedNowDenied,
    /// They cannot be judged.
    NotJudged(NotJudged),
}

impl Measure {
    /// The word of the measure.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::AllowedBefore => "allowed_before",
            Self::AllowedAfter => "allowed_after",
            Self::Changed(change) => change.word(),
            Self::ApprovedNowDenied => "approved_now_denied",
            Self::NotJudged(reason) => reason.word(),
        }
    }
}

/// What the rows of a table distinguish in addition to the measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Nothing.
    Total,
    /// The first code: of the denial now, or of the denial in fact where the payment is allowed now.
    Code {
        /// Its number.
        number: u16,
        /// Its reason.
        reason: &'static str,
    },
    /// The level of the decision in fact; `None`: it had none.
    Level {
        /// Which way the money goes.
        direction: Direction,
        /// Its name.
        name: Option<&'static str>,
    },
    /// The first gates; `None`: denied.
    Gate {
        /// In fact.
        before: Option<&'static str>,
        /// Now.
        after: Option<&'static str>,
    },
}

/// The key of a row. Amounts of several currencies are never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The group.
    pub group: Group,
    /// The measure.
    pub measure: Measure,
    /// The merchant.
    pub merchant: &'static str,
    /// The currency of the amount.
    pub currency: Currency,
}

/// The counts of a row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The number of decisions.
    pub decisions: u64,
    /// The sum of their amounts in minor units.
    pub amount: u128,
    /// The customers; payments without one are left out.
    pub customers: RoaringBitmap,
}

/// One decision that counts in a row.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The customer; `None`: the payment had none.
    pub customer: Option<u32>,
    /// Minor units.
    pub amount: u64,
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    rows: BTreeMap<RowKey, Row>,
}

impl Tally {
    /// Counts a decision in a row.
    pub fn count(&mut self, key: RowKey, counted: Counted) {
        let row = self.rows.entry(key).or_default();
        row.decisions += 1;
        row.amount = row.amount.saturating_add(u128::from(counted.amount));
        counted.customer.into_iter().for_each(|customer| _ = row.customers.insert(customer));
    }

    /// The rows in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_decisions_amounts_and_each_customer_once() {
        let currency = Currency::parse("EUR").unwrap();
        let key = RowKey { group: Group::Total, measure: Measure::Judged, merchant: "acme", currency };
        let mut tally = Tally::default();
        for (customer, amount) in [(Some(7), 100), (Some(7), 50), (None, u64::MAX)] {
            tally.count(key, Counted { customer, amount });
        }
        let (_, row) = tally.rows().next().unwrap();
        assert_eq!((row.decisions, row.amount, row.customers.len()), (3, u128::from(u64::MAX) + 150, 1));
    }
}

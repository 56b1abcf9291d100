//! Counts and amounts of past payments, by merchant, direction, currency and outcome.

use crate::domain::{
    rules::configuration::Rules,
    transaction::past_payment::{PastAmounts, PastOutcome},
    vocabulary::{direction::Direction, money::Currency, money::Minor, names::Name},
};
use std::{collections::BTreeMap, fmt::Write};

/// The subject of a line of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SumKey {
    /// The merchant.
    pub merchant: Name,
    /// Which way the money went.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The result.
    pub outcome: PastOutcome,
}

/// A line of the sums; amounts in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SumLine {
    payments: u64,
    requested: u128,
    released: u128,
    approved: u128,
    cancelled: u128,
    refunded: u128,
    charged_back: u128,
}

/// Sums of payments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistorySums(BTreeMap<SumKey, SumLine>);

impl HistorySums {
    /// Adds a payment.
    pub fn add(&mut self, key: SumKey, amounts: PastAmounts) {
        let line = self.0.entry(key).or_default();
        let PastAmounts { reserved, released, approved, cancelled, refunded, charged_back } = amounts;
        line.payments += 1;
        line.requested += u128::from(reserved);
        line.released += u128::from(released);
        line.approved += u128::from(approved);
        line.cancelled += u128::from(cancelled);
        line.refunded += u128::from(refunded);
        line.charged_back += u128::from(charged_back);
    }

    /// The number of payments.
    #[must_use]
    pub fn payments(&self) -> u64 {
        self.0.values().map(|line| line.payments).sum()
    }

    /// The sums as a table.
    #[must_use]
    pub fn to_text(&self, rules: &Rules) -> String {
        let mut text = String::new();
        let head = ["payments", "amount", "approved", "released", "cancelled", "refunded", "charged back"];
        let _ = write!(text, "{:<20} {:<10} {:<8} {:<18}", "merchant", "direction", "currency", "outcome");
        head.iter().for_each(|name| _ = write!(text, " {name:>16}"));
        text.push('\n');
        for (key, line) in &self.0 {
            let SumKey { merchant, direction, currency, outcome } = key;
            let (direction, outcome) = (direction.word(), outcome.word());
            let currency_text = currency.to_string();
            let _ = write!(text, "{:<20} {direction:<10} {currency_text:<8} {outcome:<18}", merchant.as_str());
            let _ = write!(text, " {:>16}", line.payments);
            let amounts =
                [line.requested, line.approved, line.released, line.cancelled, line.refunded, line.charged_back];
            for value in amounts {
                let amount = Minor { value, units: rules.currencies.units(*currency) }.to_string();
                let _ = write!(text, " {amount:>16}");
            }
            text.push('\n');
        }
        text
    }

    /// The lines in which these sums and others differ, in words.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let keys: std::collections::BTreeSet<&SumKey> = self.0.keys().chain(other.0.keys()).collect();
        let line = |sums: &Self, key: &SumKey| sums.0.get(key).copied().unwrap_or_default();
        let differing = keys.into_iter().filter(|key| line(self, key) != line(other, key));
        let describe = |key: &SumKey| {
            let SumKey { merchant, direction, currency, outcome } = key;
            let (direction, outcome) = (direction.word(), outcome.word());
            let merchant = merchant.as_str();
            format!("{merchant} {direction} {currency} {outcome}: {:?} and {:?}", line(self, key), line(other, key))
        };
        differing.map(describe).collect()
    }
}

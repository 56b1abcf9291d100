//! Adds to the differences of two configurations what only the state shows: how many customers they affect.

use crate::{
    config::diff::{Difference, DifferenceKind, DifferenceSubject, LimitMeasure, is_tightened},
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    ledger::{Ledger, LimitQuestion},
};

/// The most customers that are read for one list of differences. A count that would exceed the limit is left out.
const VISITS_MAX: u64 = 500_000;

/// The rules before and after, and the time of the question.
#[derive(Clone, Copy)]
pub(crate) struct ComparedRules<'a> {
    pub(crate) old: &'a Rules,
    pub(crate) new: &'a Rules,
    pub(crate) now: Millis,
}

/// Adds the number of customers above each limit that is lower or enforced now, and of those who have a removed level.
/// It locks one customer at a time and must not run on a thread that answers payments.
pub(crate) fn add_affected_customers(differences: &mut [Difference], rules: ComparedRules<'_>, ledger: &Ledger) {
    let mut visits_left = VISITS_MAX;
    for difference in differences {
        let note = match difference.subject {
            DifferenceSubject::Level(level) if difference.kind == DifferenceKind::Removed => {
                match ledger.customers_with_level(&level) {
                    0 => None,
                    1 => Some("1 customer has it".to_owned()),
                    count => Some(format!("{count} customers have it")),
                }
            }
            subject @ DifferenceSubject::Limit { level, filter, measure }
                if is_tightened(&subject, rules.old, rules.new) =>
            {
                let by_amount = measure != LimitMeasure::Quantity;
                let by_quantity = measure != LimitMeasure::Amount;
                let question = LimitQuestion { level, filter, by_amount, by_quantity };
                ledger.customers_above(rules.new, &question, rules.now, &mut visits_left).map(|count| match count {
                    1 => "1 customer is above it now".to_owned(),
                    count => format!("{count} customers are above it now"),
                })
            }
            _ => None,
        };
        difference.note.extend(note);
    }
}

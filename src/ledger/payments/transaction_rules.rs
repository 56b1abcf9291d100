//! What the rules give for a recorded transaction: the circumstances of a transition, and the headroom of its limits.

use crate::domain::{
    decision::{
        gauge::{Headroom, least_headroom},
        level_choice::LevelQuery,
        usage_meter::{OwnTerms, UsageMeter},
    },
    rules::{configuration::Rules, merchant::Merchant},
    transaction::{state::Transaction, transition::TransitionContext},
    usage::series_set::UsageSeriesSet,
    vocabulary::time::Millis,
};
use crate::ledger::state::merge_group::MergeGroup;

/// The circumstances in which a transition of a transaction is judged.
pub(in crate::ledger) fn circumstances<'r>(
    rules: &'r Rules,
    transaction: &Transaction,
    now: Millis,
) -> TransitionContext<'r> {
    TransitionContext {
        minor_units: rules.currencies.units(transaction.opening.content.currency),
        merchant: rules.merchant(transaction.opening.merchant.as_str()).map(|merchant| &**merchant),
        now,
    }
}

/// The headroom that the customer of a transaction has now under the level of the transaction.
pub(in crate::ledger) fn headroom_of(
    rules: &Rules,
    merge_group: &MergeGroup<'_>,
    transaction: &Transaction,
    now: Millis,
) -> Headroom {
    let opening = &transaction.opening;
    let Some(merchant) = rules.merchant(opening.merchant.as_str()).filter(|_| opening.counts()) else {
        return Headroom::default();
    };
    let content = &opening.content;
    let (direction, currency) = (content.direction, content.currency);
    let merchant: &Merchant = merchant;
    let query = LevelQuery { merchant, direction, currency, project: content.project };
    let level = query.recorded(opening.level, opening.level_source);
    let (own, others) = (OwnTerms::of(merge_group.head, direction, currency), merge_group.other_usage());
    let usage = UsageSeriesSet::new(merge_group.head.usage_series(), &others);
    let measure = UsageMeter { rules, merchant, usage, direction, currency, level, own, now, counts_future: true };
    least_headroom(&measure.read_gauges(now, false), None)
}

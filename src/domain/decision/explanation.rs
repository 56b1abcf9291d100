//! Explanations: why a decision is what it is.

use crate::domain::{
    decision::{gauge::Gauges, method_settings::LayeredBound, usage_meter::UsageMeter},
    routing::gates::SkipReason,
    rules::{
        filter::Filter,
        rates::{MissingRate, OwnRate},
    },
    transaction::violation::LimitOwner,
    vocabulary::{calendar::Window, names::Name, time::Millis},
};

/// Why a decision is what it is.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// Every filter that is not off, in the order of the level.
    pub limits: Vec<LimitExplained>,
    /// The range of the method, minor units, with the layers that the bounds come from. Without a method: from the lowest
    /// minimum to the highest maximum of those that may pay. `None`: no method may pay.
    pub amount_range: Option<(LayeredBound, LayeredBound)>,
    /// Gates left out and why.
    pub skipped_gates: Vec<(Name, SkipReason)>,
    /// The customer's own exchange rates that were read.
    pub own_rates: Vec<OwnRate>,
}

/// One filter with its usage.
#[derive(Debug, Clone)]
pub struct LimitExplained {
    /// The filter.
    pub filter: Filter,
    /// Who set it.
    pub owner: LimitOwner,
    /// The first instant inside; `None`: all of the past.
    pub start: Option<Millis>,
    /// The instant at which the window ends: for a rolling one, now.
    pub end: Millis,
    /// When usage decreases next.
    pub frees_at: Option<Millis>,
    /// Minor units in the level's currency, or the pair without a rate.
    pub amount_used: Result<u128, MissingRate>,
    /// Transactions.
    pub quantity_used: u64,
}

/// Explains each filter; `counted` is the amount of a payment to include in the usage.
#[must_use]
pub fn explain(measure: &UsageMeter<'_>, gauges: &Gauges<'_>, counted: Option<u64>, at: Millis) -> Vec<LimitExplained> {
    let mut limits: Vec<LimitExplained> = Vec::new();
    for gauge in gauges {
        let filter = gauge.filter;
        let rolling = !filter.window.is_calendar();
        let counted = counted.filter(|_| gauge.holds_payment);
        let oldest = measure
            .counted(filter)
            .filter_map(|series| series.oldest_in(measure.counting(gauge.range), filter.subtract_cancels))
            .chain(counted.map(|_| at))
            .min();
        let frees_at = match filter.window {
            Window::Lifetime => None,
            window if rolling => oldest.and_then(|at| measure.merchant.calendar.leaves_at(window, at.0, measure.now)),
            // An entry later than the window counts in it until the clock has passed the entry's own window.
            window => match oldest.filter(|at| at.0 >= gauge.range.to) {
                Some(later) => Some(Millis(measure.merchant.calendar.range(window, later).to)),
                None => Some(Millis(gauge.range.to)),
            },
        };
        let (start, end) = gauge.window_ends(measure.now);
        let amount_used = gauge.amount_used().unwrap_or(Ok(0));
        limits.push(LimitExplained {
            filter: filter.clone(),
            owner: gauge.owner,
            start,
            end,
            frees_at,
            amount_used: amount_used.map(|used| used.saturating_add(counted.map_or(0, u128::from))),
            quantity_used: gauge.quantity_used.saturating_add(u64::from(counted.is_some())),
        });
    }
    limits
}

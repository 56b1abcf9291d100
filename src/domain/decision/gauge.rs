//! A filter with its usage, before and after a payment: violations, warnings and headroom.

use crate::domain::{
    rules::{
        filter::{Filter, FilterMode},
        rates::MissingRate,
    },
    transaction::violation::{LimitFigures, LimitOwner, Violation, ViolationDetail},
    vocabulary::{
        calendar::{TimeRange, Window},
        denial_codes::DenialCode,
        names::Name,
        time::Millis,
    },
};
use smallvec::SmallVec;

/// A filter, read over one range of time. A rolling window has one range; a calendar window has two where a payment
/// is placed in an earlier one than now's.
#[derive(Debug, Clone, Copy)]
pub struct Gauge<'a> {
    /// Which filter.
    pub filter: &'a Filter,
    /// Who set it.
    pub owner: LimitOwner,
    /// Which instants.
    pub range: TimeRange,
    /// Whether the range contains the time of the payment.
    pub holds_payment: bool,
    /// Transactions.
    pub quantity_used: u64,
    /// See [`Gauge::amount_used`]. Its three cases are separate fields because a gauge is written for each filter of
    /// each payment, and plain fields are written in place.
    pub(super) used: u128,
    pub(super) is_asked: bool,
    pub(super) missing: Option<MissingRate>,
}

/// The smallest remaining amount and quantity of all enforced filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    /// Minor units; `None`: no amount limit, or a rate is missing.
    pub amount: Option<u64>,
    /// Transactions; `None`: no quantity limit.
    pub quantity: Option<u64>,
}

/// Gauges of one decision.
pub type Gauges<'a> = SmallVec<[Gauge<'a>; 4]>;

impl Gauge<'_> {
    /// Minor units of the level's currency, rounded up, or the pair without a rate; `None`: the amount was not read.
    #[must_use]
    #[inline]
    pub fn amount_used(&self) -> Option<Result<u128, MissingRate>> {
        let used = match self.missing {
            None => Ok(self.used),
            Some(pair) => Err(pair),
        };
        self.is_asked.then_some(used)
    }

    /// Whether this filter is enforced and refuses a payment of `amount` minor units.
    #[must_use]
    #[inline]
    fn denies(&self, amount: u64) -> bool {
        self.filter.mode == FilterMode::Enforce && self.is_over(amount)
    }

    /// Whether a payment of `amount` minor units is above a limit of this filter.
    #[must_use]
    #[inline]
    fn is_over(&self, amount: u64) -> bool {
        let by_amount = self.filter.amount_limit.is_some_and(|limit| match self.amount_used() {
            Some(Ok(used)) => used.saturating_add(u128::from(amount)) > u128::from(limit),
            Some(Err(_)) => true,
            None => false,
        });
        let by_quantity =
            || self.filter.quantity_limit.is_some_and(|limit| self.quantity_used.saturating_add(1) > limit);
        by_amount || by_quantity()
    }

    /// The codes under which this filter refuses a payment of `amount` minor units, with its figures at `now`.
    pub fn violations(&self, amount: u64, now: Millis) -> impl Iterator<Item = Violation> {
        let violation = |code, pair, limit, used: Option<u128>| {
            let used = used.map(|used| u64::try_from(used).unwrap_or(u64::MAX));
            let (start, end) = self.window_ends(now);
            let Filter { name, scope, window, .. } = *self.filter;
            let figures = LimitFigures { owner: self.owner, scope, limit, used, window, start, end };
            Violation { code, filter: Some(name), pair, detail: Some(ViolationDetail::Limit(figures)) }
        };
        let (over_amount, over_quantity) = self.filter.class.codes();
        let by_amount = match (self.filter.amount_limit, self.amount_used()) {
            (Some(limit), Some(Err(pair))) => Some(violation(DenialCode::RateUnavailable, Some(pair), limit, None)),
            (Some(limit), Some(Ok(used))) if used.saturating_add(u128::from(amount)) > u128::from(limit) => {
                Some(violation(over_amount, None, limit, Some(used)))
            }
            _ => None,
        };
        let by_quantity = match self.filter.quantity_limit {
            Some(limit) if self.quantity_used.saturating_add(1) > limit => {
                Some(violation(over_quantity, None, limit, Some(u128::from(self.quantity_used))))
            }
            _ => None,
        };
        by_amount.into_iter().chain(by_quantity)
    }

    /// The start of the window at `now`, which a rolling window excludes, and its end. No start: all of the past.
    #[must_use]
    pub fn window_ends(&self, now: Millis) -> (Option<Millis>, Millis) {
        let is_rolling = !self.filter.window.is_calendar();
        let start = match self.filter.window {
            Window::Lifetime => None,
            // The first instant inside is one millisecond after the start.
            _ if is_rolling => Some(Millis(self.range.from - 1)),
            _ => Some(Millis(self.range.from)),
        };
        (start, Millis(if is_rolling { now.0 } else { self.range.to }))
    }

    /// What remains after a payment of this amount, if the range contains its time.
    #[must_use]
    #[inline]
    pub fn headroom(&self, payment: Option<u64>) -> Headroom {
        let (amount, count) = payment.filter(|_| self.holds_payment).map_or((0, 0), |amount| (amount, 1));
        let left = |limit: u64, used: u128| {
            u64::try_from(used.saturating_add(u128::from(amount))).map_or(0, |used| limit.saturating_sub(used))
        };
        let amount = match (self.filter.amount_limit, self.amount_used()) {
            (Some(limit), Some(Ok(used))) => Some(left(limit, used)),
            _ => None,
        };
        let counted = self.quantity_used.saturating_add(count);
        Headroom { amount, quantity: self.filter.quantity_limit.map(|limit| limit.saturating_sub(counted)) }
    }

    /// Whether an allowed payment of this amount reaches the share of a limit at which it is to be reported.
    #[must_use]
    pub fn warns(&self, amount: u64) -> bool {
        let Some(share) = self.filter.warn_at else { return false };
        let reached = |used: u128, limit: u128| used.saturating_mul(10_000) >= limit.saturating_mul(u128::from(share));
        let by_amount = match (self.filter.amount_limit, self.amount_used()) {
            (Some(limit), Some(Ok(used))) => reached(used.saturating_add(u128::from(amount)), u128::from(limit)),
            _ => false,
        };
        let used = u128::from(self.quantity_used.saturating_add(1));
        by_amount || self.filter.quantity_limit.is_some_and(|limit| reached(used, u128::from(limit)))
    }
}

/// The smallest headroom of the enforced filters, after a payment where one is given.
#[must_use]
pub fn least_headroom(gauges: &[Gauge<'_>], payment: Option<u64>) -> Headroom {
    let mut least = Headroom::default();
    for gauge in gauges.iter().filter(|gauge| gauge.filter.mode == FilterMode::Enforce) {
        let one = gauge.headroom(payment);
        least.amount = least_of(least.amount, one.amount);
        least.quantity = least_of(least.quantity, one.quantity);
    }
    least
}

fn least_of(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The violations of the enforced filters, in the order of precedence; each filter reports a code once.
#[must_use]
#[inline]
pub fn violations(gauges: &[Gauge<'_>], amount: u64, now: Millis) -> SmallVec<[Violation; 1]> {
    // Most payments pass.
    if gauges.iter().any(|gauge| gauge.denies(amount)) { refusals(gauges, amount, now) } else { SmallVec::new() }
}

#[cold]
fn refusals(gauges: &[Gauge<'_>], amount: u64, now: Millis) -> SmallVec<[Violation; 1]> {
    let mut found: SmallVec<[Violation; 1]> = SmallVec::new();
    for (place, gauge) in gauges.iter().enumerate().filter(|(_, gauge)| gauge.denies(amount)) {
        for violation in gauge.violations(amount, now) {
            // A calendar filter that is read over two ranges still refuses under each code once. Two filters may have one
            // name: the level's and the customer's own.
            let same = |other: &&Gauge<'_>| std::ptr::eq(other.filter, gauge.filter) && other.denies(amount);
            let known = |other: &Gauge<'_>| other.violations(amount, now).any(|known| known.code == violation.code);
            if !gauges[..place].iter().filter(same).any(known) {
                found.push(violation);
            }
        }
    }
    found.sort_by_key(|violation| violation.code);
    found
}

/// The names of the level's filters in shadow mode that refuse a payment of `amount` minor units.
#[must_use]
#[inline]
pub fn shadow_denials(gauges: &[Gauge<'_>], amount: u64) -> SmallVec<[Name; 1]> {
    let mut names: SmallVec<[Name; 1]> = SmallVec::new();
    let is_shadow = |gauge: &&Gauge<'_>| gauge.filter.mode == FilterMode::Shadow && gauge.owner == LimitOwner::Level;
    for gauge in gauges.iter().filter(is_shadow).filter(|gauge| gauge.is_over(amount)) {
        if !names.contains(&gauge.filter.name) {
            names.push(gauge.filter.name);
        }
    }
    names
}

/// The names of the filters whose `warn_at` an allowed payment reaches.
#[inline]
pub fn warnings(gauges: &[Gauge<'_>], amount: u64) -> SmallVec<[Name; 2]> {
    let mut names: SmallVec<[Name; 2]> = SmallVec::new();
    for gauge in gauges.iter().filter(|gauge| gauge.warns(amount)) {
        if !names.contains(&gauge.filter.name) {
            names.push(gauge.filter.name);
        }
    }
    names
}

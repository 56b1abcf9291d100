//! Reads the usage that the filters of a level and of a customer count.

use crate::domain::{
    customer::{aggregate::core::CustomerCore, own_limits::OwnLimits},
    decision::{
        gauge::{Gauge, Gauges},
        level_choice::EffectiveLevel,
    },
    rules::{
        configuration::Rules,
        filter::{Filter, FilterMode, FilterScope},
        merchant::Merchant,
        rates::{MissingRate, OwnRate, own_rate},
    },
    transaction::violation::LimitOwner,
    usage::{
        conversion::{RateTable, sum_rounded_up},
        series::{UsageSeries, UsageSeriesKey},
        series_set::UsageSeriesSet,
    },
    vocabulary::{calendar::TimeRange, direction::Direction, money::Currency, time::Millis},
};
use smallvec::SmallVec;

/// Reads the usage of a customer for the filters of a level and of the customer.
#[derive(Debug, Clone, Copy)]
pub struct UsageMeter<'a> {
    /// Currencies and rates.
    pub rules: &'a Rules,
    /// The merchant, whose calendar defines the windows.
    pub merchant: &'a Merchant,
    /// The customer's usage.
    pub usage: UsageSeriesSet<'a>,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payment and the level.
    pub currency: Currency,
    /// The level that decides.
    pub level: EffectiveLevel<'a>,
    /// The customer's own limits and rates.
    pub own: OwnTerms<'a>,
    /// The time.
    pub now: Millis,
    /// Whether usage later than `now` counts in every window that contains `now`. True for the present: such entries are
    /// from a clock that was wrong. False for a question about another instant, after which usage is normal.
    pub counts_future: bool,
}

/// A customer's own limits and exchange rates.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnTerms<'a> {
    /// In the payment's direction and currency.
    pub limits: Option<&'a OwnLimits>,
    /// Before the common table.
    pub rates: &'a [OwnRate],
}

impl<'a> OwnTerms<'a> {
    /// Those of a customer.
    #[must_use]
    pub fn of(customer: &'a CustomerCore, direction: Direction, currency: Currency) -> Self {
        Self { limits: customer.limits_for(direction, currency), rates: customer.rates() }
    }
}

impl<'a> UsageMeter<'a> {
    /// Reads every filter of the level that is not off, for a payment placed at `at`.
    ///
    /// `every_amount` also sums where no amount is limited, for explanations.
    #[must_use]
    #[inline]
    pub fn read_gauges(&self, at: Millis, every_amount: bool) -> Gauges<'a> {
        let mut gauges = Gauges::new();
        self.read_all(at, every_amount, &mut gauges);
        gauges
    }

    /// [`UsageMeter::read_gauges`] into a list of the caller, because the gauges are expensive to move.
    pub(in crate::domain) fn read_all(&self, at: Millis, every_amount: bool, gauges: &mut Gauges<'a>) {
        for filter in self.level.level.map_or(&[][..], |level| &level.filters) {
            self.read(filter, LimitOwner::Level, at, every_amount, gauges);
        }
        if let Some(own) = self.own.limits {
            for filter in own.own_at(self.now) {
                self.read(filter, LimitOwner::Customer, at, every_amount, gauges);
            }
            for filter in own.operator_at(self.now) {
                self.read(filter, LimitOwner::Operator, at, every_amount, gauges);
            }
        }
    }

    #[inline]
    fn read(&self, filter: &'a Filter, owner: LimitOwner, at: Millis, every_amount: bool, gauges: &mut Gauges<'a>) {
        if filter.mode == FilterMode::Off {
            return;
        }
        let now = self.merchant.calendar.range(filter.window, self.now);
        gauges.push(Gauge { owner, ..self.gauge(filter, now, at, every_amount) });
        // A rolling window at now is the one that will hold the payment; a calendar window may be an earlier one.
        if !now.holds(at) && filter.window.is_calendar() {
            let then = self.merchant.calendar.range(filter.window, at);
            gauges.push(Gauge { owner, ..self.gauge(filter, then, at, every_amount) });
        }
    }

    /// Whether a filter counts a series.
    #[inline]
    pub(in crate::domain) fn counts(&self, filter: &Filter, series: &UsageSeriesKey) -> bool {
        let UsageSeriesKey { direction, currency, level } = *series;
        direction == self.direction
            && match filter.scope {
                FilterScope::Level => currency == self.currency && level == self.level.name,
                FilterScope::Customer => currency == self.currency,
                FilterScope::Merchant => true,
            }
    }

    /// The customer's own rates by which amounts were read, each once.
    pub(in crate::domain) fn own_rates(&self, gauges: &[Gauge<'_>]) -> Vec<OwnRate> {
        let mut read: Vec<OwnRate> = Vec::new();
        for gauge in gauges.iter().filter(|gauge| gauge.is_asked) {
            let range = self.counting(gauge.range);
            let foreign =
                self.counted(gauge.filter).filter(|series| series.used(range, gauge.filter.subtract_cancels).0 > 0);
            for rate in
                foreign.filter_map(|series| own_rate(self.own.rates, series.key.currency, self.currency, self.now))
            {
                if !read.contains(rate) {
                    read.push(*rate);
                }
            }
        }
        read
    }

    #[inline]
    fn gauge(&self, filter: &'a Filter, range: TimeRange, at: Millis, every_amount: bool) -> Gauge<'a> {
        let is_asked = filter.amount_limit.is_some() || every_amount;
        let counting = self.counting(range);
        let (mut quantity_used, mut used, mut has_foreign) = (0_u64, 0_u128, false);
        self.usage.each(|series| {
            if !self.counts(filter, &series.key) {
                return;
            }
            let (amount, quantity) = series.used(counting, filter.subtract_cancels);
            quantity_used += quantity;
            match series.key.currency == self.currency {
                true => used += amount,
                false => has_foreign = true,
            }
        });
        // Usage in the level's own currency needs no rate, and mostly there is no other.
        let mut missing = None;
        if is_asked && has_foreign {
            match self.converted(filter, counting) {
                Ok(all) => used = all,
                Err(pair) => missing = Some(pair),
            }
        }
        Gauge {
            filter,
            owner: LimitOwner::Level,
            range,
            holds_payment: range.holds(at),
            quantity_used,
            used,
            is_asked,
            missing,
        }
    }

    /// The instants whose usage counts in a window: all from its start on where it contains now, see
    /// [`UsageMeter::counts_future`].
    #[inline]
    pub(in crate::domain) fn counting(&self, range: TimeRange) -> TimeRange {
        match self.counts_future && range.holds(self.now) {
            true => TimeRange { to: i64::MAX, ..range },
            false => range,
        }
    }

    /// The series that a filter counts.
    pub(in crate::domain) fn counted(&self, filter: &Filter) -> impl Iterator<Item = &'a UsageSeries> {
        self.usage.iter().filter(|series| self.counts(filter, &series.key))
    }

    /// The usage in all currencies, in the level's currency.
    #[cold]
    fn converted(&self, filter: &Filter, range: TimeRange) -> Result<u128, MissingRate> {
        // Each currency's total is converted once, over all levels.
        let mut totals: SmallVec<[(Currency, u128); 4]> = SmallVec::new();
        for series in self.counted(filter) {
            let (currency, amount) = (series.key.currency, series.used(range, filter.subtract_cancels).0);
            match totals.iter_mut().find(|(known, _)| *known == currency) {
                Some((_, total)) => *total += amount,
                None => totals.push((currency, amount)),
            }
        }
        let table = RateTable { common: &self.rules.rates, own: self.own.rates, currencies: &self.rules.currencies };
        sum_rounded_up(totals, self.currency, &table, self.now)
    }
}

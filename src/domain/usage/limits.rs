//! Limits: what a level's filters say of a customer's usage, before and after a payment.

use crate::domain::{
    customer::{
        aggregate::Head,
        own_limits::{OwnLimits, OwnRate, own_rate},
    },
    decision::{denial_codes::Code, level_choice::InForce},
    rules::configuration::{Direction, Filter, Merchant, Mode, Rules, Scope, WindowClass},
    transaction::record::Violation,
    usage::{
        conversion::{Table, Unavailable, sum_rounded_up},
        series::{UsageSeries, UsageSeriesKey},
    },
    vocabulary::{calendar::Range, money::Currency, names::Name, time::Millis},
};
use smallvec::SmallVec;

/// What limits are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Measure<'a> {
    /// Currencies and rates.
    pub rules: &'a Rules,
    /// Whose calendar.
    pub merchant: &'a Merchant,
    /// The customer's usage.
    pub books: UsageSeriesSet<'a>,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payment and the level.
    pub currency: Currency,
    /// The level that decides.
    pub level: InForce<'a>,
    /// What the customer has of own limits and rates.
    pub own: Own<'a>,
    /// The time.
    pub now: Millis,
    /// Whether usage later than `now` counts in every window that contains `now`. True for the present: such entries are
    /// from a clock that was wrong. False for a question about another instant, after which usage is normal.
    pub counts_future: bool,
}

/// A customer's usage: the customer's own books, and those of everybody who was merged into the customer.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageSeriesSet<'a> {
    own: &'a [UsageSeries],
    others: &'a [&'a [UsageSeries]],
}

impl<'a> UsageSeriesSet<'a> {
    /// Of a customer with those who were merged into the customer.
    #[must_use]
    pub fn new(own: &'a [UsageSeries], others: &'a [&'a [UsageSeries]]) -> Self {
        Self { own, others }
    }

    /// All of them; several may have one key.
    pub fn iter(self) -> impl Iterator<Item = &'a UsageSeries> {
        self.own.iter().chain(self.others.iter().copied().flatten())
    }

    /// [`UsageSeriesSet::iter`], for where every payment comes by for every filter: hardly anybody has a second list.
    #[inline]
    fn each(self, mut read: impl FnMut(&'a UsageSeries)) {
        let (mut list, mut others) = (self.own, self.others);
        loop {
            list.iter().for_each(&mut read);
            let [next, rest @ ..] = others else { break };
            (list, others) = (next, rest);
        }
    }
}

/// A customer's own limits and exchange rates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own<'a> {
    /// In the payment's direction and currency.
    pub limits: Option<&'a OwnLimits>,
    /// Before the common table.
    pub rates: &'a [OwnRate],
}

impl<'a> Own<'a> {
    /// Those of a customer.
    #[must_use]
    pub fn of(customer: &'a Head, direction: Direction, currency: Currency) -> Self {
        Self { limits: customer.limits_for(direction, currency), rates: customer.rates() }
    }
}

/// A filter, read over one range of time. A rolling window has one range; a calendar window has two where a payment
/// is placed in an earlier one than now's.
#[derive(Debug, Clone, Copy)]
pub struct Gauge<'a> {
    /// Which filter.
    pub filter: &'a Filter,
    /// Which instants.
    pub range: Range,
    /// Whether the payment will lie in the range.
    pub holds_payment: bool,
    /// Transactions.
    pub quantity_used: u64,
    /// See [`Gauge::amount_used`], whose three cases stand side by side here: a gauge is written once for every filter of
    /// every payment, and plain fields are written where they stay.
    used: u128,
    is_asked: bool,
    missing: Option<Unavailable>,
}

/// The least that is left over all enforced filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    /// Minor units; `None`: nothing limits, or what limits cannot be answered.
    pub amount: Option<u64>,
    /// Transactions; `None`: nothing limits.
    pub quantity: Option<u64>,
}

/// Gauges of one decision.
pub type Gauges<'a> = SmallVec<[Gauge<'a>; 4]>;

impl<'a> Measure<'a> {
    /// Reads every filter of the level that is not off, for a payment placed at `at`.
    ///
    /// `every_amount` also sums where no amount is limited, for explanations.
    #[must_use]
    #[inline]
    pub fn gauges(&self, at: Millis, every_amount: bool) -> Gauges<'a> {
        let mut gauges = Gauges::new();
        self.read_all(at, every_amount, &mut gauges);
        gauges
    }

    /// [`Measure::gauges`] into a place of the caller's: they are many bytes to carry.
    pub(in crate::domain) fn read_all(&self, at: Millis, every_amount: bool, gauges: &mut Gauges<'a>) {
        for filter in self.level.level.map_or(&[][..], |level| &level.filters) {
            self.read(filter, at, every_amount, gauges);
        }
        if let Some(own) = self.own.limits {
            own.in_force(self.now).for_each(|filter| self.read(filter, at, every_amount, gauges));
        }
    }

    #[inline]
    fn read(&self, filter: &'a Filter, at: Millis, every_amount: bool, gauges: &mut Gauges<'a>) {
        if filter.mode == Mode::Off {
            return;
        }
        let now = self.merchant.calendar.range(filter.window, self.now);
        gauges.push(self.gauge(filter, now, at, every_amount));
        // A rolling window at now is the one that will hold the payment; a calendar window may be an earlier one.
        if !now.holds(at) && filter.window.is_calendar() {
            let then = self.merchant.calendar.range(filter.window, at);
            gauges.push(self.gauge(filter, then, at, every_amount));
        }
    }

    /// Whether a filter counts what lies in a book.
    #[inline]
    fn counts(&self, filter: &Filter, series: &UsageSeriesKey) -> bool {
        let UsageSeriesKey { direction, currency, level } = *series;
        direction == self.direction
            && match filter.scope {
                Scope::Level => currency == self.currency && level == self.level.name,
                Scope::Customer => currency == self.currency,
                Scope::Merchant => true,
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
    fn gauge(&self, filter: &'a Filter, range: Range, at: Millis, every_amount: bool) -> Gauge<'a> {
        let is_asked = filter.amount_limit.is_some() || every_amount;
        let counting = self.counting(range);
        let (mut quantity_used, mut used, mut has_foreign) = (0_u64, 0_u128, false);
        self.books.each(|series| {
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
        // What lies in the level's own currency needs no rate, and most often nothing else is there.
        let mut missing = None;
        if is_asked && has_foreign {
            match self.converted(filter, counting) {
                Ok(all) => used = all,
                Err(pair) => missing = Some(pair),
            }
        }
        Gauge { filter, range, holds_payment: range.holds(at), quantity_used, used, is_asked, missing }
    }

    /// The instants whose usage counts in a window: all from its start on where it contains now, see
    /// [`Measure::counts_future`].
    #[inline]
    pub(in crate::domain) fn counting(&self, range: Range) -> Range {
        match self.counts_future && range.holds(self.now) {
            true => Range { to: i64::MAX, ..range },
            false => range,
        }
    }

    /// The books that a filter counts.
    pub(in crate::domain) fn counted(&self, filter: &Filter) -> impl Iterator<Item = &'a UsageSeries> {
        self.books.iter().filter(|series| self.counts(filter, &series.key))
    }

    /// What was used over all currencies, in the level's.
    #[cold]
    fn converted(&self, filter: &Filter, range: Range) -> Result<u128, Unavailable> {
        // Each currency's total is converted once, over all levels.
        let mut totals: SmallVec<[(Currency, u128); 4]> = SmallVec::new();
        for series in self.counted(filter) {
            let (currency, amount) = (series.key.currency, series.used(range, filter.subtract_cancels).0);
            match totals.iter_mut().find(|(known, _)| *known == currency) {
                Some((_, total)) => *total += amount,
                None => totals.push((currency, amount)),
            }
        }
        let table = Table { common: &self.rules.rates, own: self.own.rates, currencies: &self.rules.currencies };
        sum_rounded_up(totals, self.currency, &table, self.now)
    }
}

impl Gauge<'_> {
    /// Minor units of the level's currency, rounded up, or the pair without a rate; `None` where nobody asks.
    #[must_use]
    #[inline]
    pub fn amount_used(&self) -> Option<Result<u128, Unavailable>> {
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
        let by_amount = self.filter.amount_limit.is_some_and(|limit| match self.amount_used() {
            Some(Ok(used)) => used.saturating_add(u128::from(amount)) > u128::from(limit),
            Some(Err(_)) => true,
            None => false,
        });
        let by_quantity =
            || self.filter.quantity_limit.is_some_and(|limit| self.quantity_used.saturating_add(1) > limit);
        self.filter.mode == Mode::Enforce && (by_amount || by_quantity())
    }

    /// The codes under which this filter refuses a payment of `amount` minor units.
    pub fn violations(&self, amount: u64) -> impl Iterator<Item = Violation> {
        let violation = |code, pair| Violation { code, filter: Some(self.filter.name), pair };
        let (over_amount, over_quantity) = self.filter.class.codes();
        let by_amount = match (self.filter.amount_limit, self.amount_used()) {
            (Some(_), Some(Err(pair))) => Some(violation(Code::RateUnavailable, Some(pair))),
            (Some(limit), Some(Ok(used))) if used.saturating_add(u128::from(amount)) > u128::from(limit) => {
                Some(violation(over_amount, None))
            }
            _ => None,
        };
        let by_quantity = match self.filter.quantity_limit {
            Some(limit) if self.quantity_used.saturating_add(1) > limit => Some(violation(over_quantity, None)),
            _ => None,
        };
        by_amount.into_iter().chain(by_quantity)
    }

    /// What is left behind a payment of this amount, where one is given that lies in the range.
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

/// The least headroom over the enforced filters, behind a payment where one is given.
#[must_use]
pub fn least_headroom(gauges: &[Gauge<'_>], payment: Option<u64>) -> Headroom {
    let mut least = Headroom::default();
    for gauge in gauges.iter().filter(|gauge| gauge.filter.mode == Mode::Enforce) {
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

/// What the enforced filters refuse, in the order of precedence; the same code once for each filter.
#[must_use]
#[inline]
pub fn violations(gauges: &[Gauge<'_>], amount: u64) -> SmallVec<[Violation; 1]> {
    // Most payments pass.
    if gauges.iter().any(|gauge| gauge.denies(amount)) { refusals(gauges, amount) } else { SmallVec::new() }
}

#[cold]
fn refusals(gauges: &[Gauge<'_>], amount: u64) -> SmallVec<[Violation; 1]> {
    let mut found: SmallVec<[Violation; 1]> = SmallVec::new();
    for (place, gauge) in gauges.iter().enumerate().filter(|(_, gauge)| gauge.denies(amount)) {
        for violation in gauge.violations(amount) {
            // A calendar filter that is read over two ranges still refuses under each code once. Two filters may have one
            // name: the level's and the customer's own.
            let same = |other: &&Gauge<'_>| std::ptr::eq(other.filter, gauge.filter) && other.denies(amount);
            let known = |other: &Gauge<'_>| other.violations(amount).any(|known| known.code == violation.code);
            if !gauges[..place].iter().filter(same).any(known) {
                found.push(violation);
            }
        }
    }
    found.sort_by_key(|violation| violation.code);
    found
}

impl WindowClass {
    /// The codes for the amount and for the quantity.
    #[must_use]
    pub fn codes(self) -> (Code, Code) {
        match self {
            Self::Daily => (Code::DailyAmountLimitExceeded, Code::DailyQuantityLimitExceeded),
            Self::Weekly => (Code::WeeklyAmountLimitExceeded, Code::WeeklyQuantityLimitExceeded),
            Self::Monthly => (Code::MonthlyAmountLimitExceeded, Code::MonthlyQuantityLimitExceeded),
            Self::Other => (Code::AmountLimitExceeded, Code::QuantityLimitExceeded),
        }
    }
}

/// The names of the filters that an allowed payment is to be reported for.
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

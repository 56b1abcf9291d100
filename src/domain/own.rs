//! What a customer has of own limits and own exchange rates.

use super::{
    money::{Currency, Decimal},
    rules::{Direction, Filter},
    time::Millis,
};

/// The most filters of one customer's own in one (direction, currency).
pub const OWN_FILTERS_MAX: usize = 20;
/// The most rates of one customer's own.
pub const OWN_RATES_MAX: usize = 100;

/// Limits of one customer's own in one (direction, currency), over all levels. Without any filter they are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLimits {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payments and of the amounts.
    pub currency: Currency,
    /// The customer's own, in force until something pending is.
    pub own: Vec<Filter>,
    /// What is in force of the customer's own from an instant on, instead.
    pub pending: Option<(Millis, Vec<Filter>)>,
    /// Set by an operator.
    pub operator: Vec<Filter>,
    /// Until when the operator's are in force; `None`: until they are taken away.
    pub until: Option<Millis>,
}

impl OwnLimits {
    /// None, of one (direction, currency).
    #[must_use]
    pub fn none(direction: Direction, currency: Currency) -> Self {
        Self { direction, currency, own: Vec::new(), pending: None, operator: Vec::new(), until: None }
    }

    /// Whether nothing limits, nor will.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.pending.is_none() && self.operator.is_empty()
    }

    /// The customer's own in force at a time.
    #[must_use]
    pub fn own_at(&self, now: Millis) -> &[Filter] {
        match &self.pending {
            Some((from, pending)) if *from <= now => pending,
            _ => &self.own,
        }
    }

    /// The operator's in force at a time.
    #[must_use]
    pub fn operator_at(&self, now: Millis) -> &[Filter] {
        if self.until.is_some_and(|until| until <= now) { &[] } else { &self.operator }
    }

    /// The same as of a time: what has come into force stands in its place, and what is over is gone.
    #[must_use]
    pub fn settled(&self, now: Millis) -> Self {
        let operator = self.operator_at(now).to_vec();
        Self {
            own: self.own_at(now).to_vec(),
            pending: self.pending.clone().filter(|(from, _)| *from > now),
            until: self.until.filter(|_| !operator.is_empty()),
            operator,
            ..*self
        }
    }

    /// All in force at a time.
    pub fn in_force(&self, now: Millis) -> impl Iterator<Item = &Filter> {
        self.own_at(now).iter().chain(self.operator_at(now))
    }

    /// The limits once the customer's own are to be these. What is lower, narrower or new is in force at once; what is
    /// higher, wider or gone waits: until `now + raise_delay_ms` both hold.
    #[must_use]
    pub fn asked(&self, filters: &[Filter], now: Millis, raise_delay_ms: i64) -> Self {
        let held = self.own_at(now);
        let strict = stricter_of(held, filters);
        let pending = match &self.pending {
            _ if strict == filters || raise_delay_ms == 0 => None,
            // Asked for a second time, it waits no longer.
            Some((from, pending)) if *from > now && pending == filters => Some((*from, filters.to_vec())),
            _ => Some((now.plus(raise_delay_ms), filters.to_vec())),
        };
        let own = if raise_delay_ms == 0 { filters.to_vec() } else { strict };
        Self { own, pending, ..self.clone() }
    }
}

impl OwnLimits {
    /// Limits under which nothing passes that either would refuse, now or later. What waits with one or with both is in
    /// force when the later of the two is.
    #[must_use]
    pub fn narrower(&self, other: &Self, now: Millis) -> Self {
        let own = stricter_of(self.own_at(now), other.own_at(now));
        let waits = |limits: &Self| limits.pending.as_ref().map(|(from, _)| *from).filter(|from| *from > now);
        let pending = waits(self).max(waits(other)).and_then(|from| {
            let then = stricter_of(self.own_at(from), other.own_at(from));
            (then != own).then_some((from, then))
        });
        let (one, two) = (self.operator_at(now), other.operator_at(now));
        let until = match (one.is_empty(), two.is_empty()) {
            (false, true) => self.until,
            (true, false) => other.until,
            (true, true) => None,
            // Those that are not taken away by themselves hold for ever, and the others with them.
            (false, false) => self.until.zip(other.until).map(|(one, two)| one.max(two)),
        };
        Self { own, pending, operator: stricter_of(one, two), until, ..*self }
    }
}

/// What holds while both lists are to hold: the filters of the new one as asked where they are no wider, and of the old
/// one each that the new one lacks or widens.
fn stricter_of(old: &[Filter], new: &[Filter]) -> Vec<Filter> {
    let mut strict: Vec<Filter> = Vec::new();
    for asked in new {
        match old.iter().find(|held| same_reach(held, asked)) {
            Some(held) => strict.push(Filter {
                amount_limit: least(held.amount_limit, asked.amount_limit),
                quantity_limit: least(held.quantity_limit, asked.quantity_limit),
                ..asked.clone()
            }),
            None => strict.push(asked.clone()),
        }
    }
    strict.extend(old.iter().filter(|held| !new.iter().any(|asked| same_reach(held, asked))).cloned());
    strict
}

/// Whether two filters measure the same, so that only their limits tell which is wider.
fn same_reach(one: &Filter, other: &Filter) -> bool {
    let reach = |filter: &Filter| (filter.name, filter.window, filter.scope, filter.subtract_cancels, filter.mode);
    reach(one) == reach(other)
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// An exchange rate of one customer's own: so many `from` are so many `to`; read in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRate {
    /// One currency.
    pub from: Currency,
    /// The other.
    pub to: Currency,
    /// Units of `to`, more than zero.
    pub rate: Decimal,
    /// For so many units of `from`, more than zero.
    pub units: u32,
    /// From when on; of several the latest that has begun holds.
    pub valid_from: Millis,
}

/// The newest rate between two currencies that is valid at a time.
#[must_use]
pub fn own_rate(rates: &[OwnRate], one: Currency, other: Currency, now: Millis) -> Option<&OwnRate> {
    let of_pair = rates.iter().filter(|rate| {
        rate.valid_from <= now && ((rate.from, rate.to) == (one, other) || (rate.from, rate.to) == (other, one))
    });
    of_pair.max_by_key(|rate| rate.valid_from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        calendar::Window,
        name::Name,
        rules::{Mode, Scope, WindowClass},
        time::DAY_MS,
    };

    fn daily(amount: Option<u64>, quantity: Option<u64>) -> Filter {
        Filter {
            name: Name::parse("daily").unwrap(),
            class: WindowClass::Daily,
            window: Window::Rolling(DAY_MS),
            amount_limit: amount,
            quantity_limit: quantity,
            scope: Scope::Customer,
            subtract_cancels: false,
            mode: Mode::Enforce,
            warn_at: None,
        }
    }

    fn weekly(amount: u64) -> Filter {
        Filter {
            name: Name::parse("weekly").unwrap(),
            window: Window::Rolling(7 * DAY_MS),
            ..daily(Some(amount), None)
        }
    }

    /// What was asked before, what is asked, what holds until the delay is over, and whether anything waits.
    #[test]
    fn cuts_hold_at_once_and_raises_wait() {
        let (now, delay) = (Millis(1_000), DAY_MS);
        let unnamed = |filter: Filter| Filter { window: Window::Day, ..filter };
        for (what, held, asked, strict, waits) in [
            ("new", vec![], vec![daily(Some(5), None)], vec![daily(Some(5), None)], false),
            ("lower", vec![daily(Some(9), None)], vec![daily(Some(5), None)], vec![daily(Some(5), None)], false),
            ("the same", vec![daily(Some(5), None)], vec![daily(Some(5), None)], vec![daily(Some(5), None)], false),
            ("higher", vec![daily(Some(5), None)], vec![daily(Some(9), None)], vec![daily(Some(5), None)], true),
            ("gone", vec![daily(Some(5), None)], vec![], vec![daily(Some(5), None)], true),
            (
                "one more bound",
                vec![daily(Some(5), None)],
                vec![daily(Some(5), Some(2))],
                vec![daily(Some(5), Some(2))],
                false,
            ),
            (
                "one bound gone",
                vec![daily(Some(5), Some(2))],
                vec![daily(Some(5), None)],
                vec![daily(Some(5), Some(2))],
                true,
            ),
            (
                "lower and higher",
                vec![daily(Some(5), Some(2))],
                vec![daily(Some(4), Some(3))],
                vec![daily(Some(4), Some(2))],
                true,
            ),
            (
                "another beside",
                vec![daily(Some(5), None)],
                vec![daily(Some(5), None), weekly(7)],
                vec![daily(Some(5), None), weekly(7)],
                false,
            ),
            (
                "another instead",
                vec![daily(Some(5), None)],
                vec![weekly(7)],
                vec![weekly(7), daily(Some(5), None)],
                true,
            ),
            (
                "another reach",
                vec![daily(Some(5), None)],
                vec![unnamed(daily(Some(5), None))],
                vec![unnamed(daily(Some(5), None)), daily(Some(5), None)],
                true,
            ),
        ] {
            let before =
                OwnLimits { own: held, ..OwnLimits::none(Direction::Deposit, Currency::parse("EUR").unwrap()) };
            let after = before.asked(&asked, now, delay);
            assert_eq!(after.own_at(now), strict, "{what}");
            assert_eq!(after.own_at(now.plus(delay - 1)), strict, "{what}, a moment before");
            assert_eq!(after.own_at(now.plus(delay)), asked, "{what}, behind the delay");
            assert_eq!(after.pending.is_some(), waits, "{what}");
            assert_eq!(after.asked(&asked, now.plus(10), delay), after, "{what}: asked again, it waits no longer");
            assert_eq!(before.asked(&asked, now, 0).own_at(now), asked, "{what}: without a delay");
            let taken_back = after.asked(&strict, now.plus(20), delay);
            assert_eq!(taken_back.own_at(now.plus(2 * delay)), strict, "{what}: taken back");
            assert_eq!(taken_back.pending, None, "{what}: taken back");
        }
    }

    #[test]
    fn limits_as_of_a_time_say_the_same_and_no_more() {
        let eur = Currency::parse("EUR").unwrap();
        let limits = OwnLimits {
            own: vec![daily(Some(5), None)],
            pending: Some((Millis(20), vec![daily(Some(9), None)])),
            operator: vec![weekly(3)],
            until: Some(Millis(50)),
            ..OwnLimits::none(Direction::Deposit, eur)
        };
        for now in [0, 19, 20, 49, 50, 90].map(Millis) {
            let settled = limits.settled(now);
            let shown = |limits: &OwnLimits| {
                let pending = limits.pending.clone().filter(|(from, _)| *from > now);
                (limits.own_at(now).to_vec(), limits.operator_at(now).to_vec(), pending)
            };
            assert_eq!(shown(&settled), shown(&limits), "{now}");
            assert_eq!(settled.settled(now), settled, "{now}");
            assert_eq!(settled.pending.is_some(), now < Millis(20), "{now}");
            assert_eq!(settled.until.is_some(), now < Millis(50), "{now}");
        }
        let for_ever = OwnLimits { until: None, operator: Vec::new(), ..limits };
        assert_eq!(OwnLimits { until: Some(Millis(99)), ..for_ever.clone() }.settled(Millis(0)), for_ever);
    }

    /// Of two customers who become one, whatever either has now or waits for.
    #[test]
    fn two_customers_limits_refuse_together_what_either_refuses() {
        let eur = Currency::parse("EUR").unwrap();
        let none = OwnLimits::none(Direction::Deposit, eur);
        let (now, soon, late) = (Millis(10), Millis(20), Millis(30));
        let owns = [vec![], vec![daily(Some(5), None)], vec![daily(None, Some(2)), weekly(7)]];
        // What is asked for, and how long a raise waits.
        let asks = [None, Some((vec![daily(Some(9), None)], 20)), Some((vec![], 30)), Some((vec![], 10))];
        let operators = [(vec![], None), (vec![weekly(3)], Some(soon)), (vec![weekly(4)], None)];
        let mut all = Vec::new();
        for own in &owns {
            for asked in &asks {
                for (operator, until) in &operators {
                    let (own, operator) = (own.clone(), operator.clone());
                    let held = OwnLimits { own, operator, until: *until, ..none.clone() };
                    all.push(match asked {
                        Some((filters, delay_ms)) => held.asked(filters, Millis(0), *delay_ms),
                        None => held,
                    });
                }
            }
        }
        // Whether every bound of the one is at least as narrow in the other.
        let holds = |wide: &OwnLimits, narrow: &OwnLimits, at: Millis| {
            let least = |limits: &OwnLimits, reach: &Filter, of: fn(&Filter) -> Option<u64>| {
                limits.in_force(at).filter(|filter| same_reach(filter, reach)).filter_map(of).min()
            };
            wide.in_force(at).all(|filter| {
                let bound = |of: fn(&Filter) -> Option<u64>| {
                    of(filter).is_none_or(|wide| least(narrow, filter, of).is_some_and(|narrow| narrow <= wide))
                };
                bound(|filter| filter.amount_limit) && bound(|filter| filter.quantity_limit)
            })
        };
        for one in &all {
            for other in &all {
                let both = one.narrower(other, now);
                for at in [now, Millis(19), soon, late, Millis(99)] {
                    assert!(holds(one, &both, at) && holds(other, &both, at), "{at}: {one:?} {other:?} {both:?}");
                }
                assert!(!one.is_empty() || both.in_force(now).eq(other.in_force(now)), "{one:?} {other:?} {both:?}");
            }
        }
    }

    #[test]
    fn an_operator_s_limits_end_by_themselves() {
        let limits = OwnLimits {
            operator: vec![weekly(3)],
            until: Some(Millis(50)),
            ..OwnLimits::none(Direction::Deposit, Currency::parse("EUR").unwrap())
        };
        assert_eq!(limits.in_force(Millis(49)).count(), 1);
        assert_eq!(limits.in_force(Millis(50)).count(), 0);
    }

    #[test]
    fn the_newest_rate_that_has_begun_holds_in_both_directions() {
        let currency = |code| Currency::parse(code).unwrap();
        let rate = |from, to, valid_from| OwnRate {
            from: currency(from),
            to: currency(to),
            rate: Decimal::ONE,
            units: 1,
            valid_from: Millis(valid_from),
        };
        let rates = [rate("EUR", "USD", 10), rate("USD", "EUR", 20), rate("EUR", "JPY", 0)];
        for (now, want) in [(9, None), (10, Some(10)), (19, Some(10)), (20, Some(20))] {
            for (one, other) in [("EUR", "USD"), ("USD", "EUR")] {
                let found = own_rate(&rates, currency(one), currency(other), Millis(now));
                assert_eq!(found.map(|rate| rate.valid_from.0), want, "{one} to {other} at {now}");
            }
        }
    }
}

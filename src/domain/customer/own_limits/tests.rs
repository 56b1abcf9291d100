//! A customer's own limits: cuts, raises, confirmations, merges.

mod naive;

use super::*;
use crate::domain::{
    rules::{
        filter::{FilterMode, FilterScope, WindowClass},
        merchant::RefundPolicy,
        rates::{OwnRate, own_rate},
    },
    vocabulary::{
        calendar::{WeekStart, Window},
        money::Decimal,
        names::Name,
        time::DAY_MS,
        words::Word,
    },
};

fn daily(amount: Option<u64>, quantity: Option<u64>) -> Filter {
    Filter {
        name: Name::parse("daily").unwrap(),
        class: WindowClass::Daily,
        window: Window::Rolling(DAY_MS),
        amount_limit: amount,
        quantity_limit: quantity,
        scope: FilterScope::Customer,
        subtract_cancels: false,
        mode: FilterMode::Enforce,
        warn_at: None,
    }
}

fn weekly(amount: u64) -> Filter {
    Filter { name: Name::parse("weekly").unwrap(), window: Window::Rolling(7 * DAY_MS), ..daily(Some(amount), None) }
}

/// Raises that wait for so long and take effect by themselves.
fn after(delay_ms: i64) -> RaisePolicy {
    RaisePolicy { delay_ms, confirm_within_ms: None, waits_for_period_end: false }
}

fn utc() -> Calendar {
    Calendar::of("UTC").unwrap()
}

/// Limits of deposits in euro.
fn own(filters: Vec<Filter>) -> OwnLimits {
    OwnLimits { own: filters, ..OwnLimits::none(Direction::Deposit, Currency::parse("EUR").unwrap()) }
}

/// The limits before, the limits requested, the limits until the delay is over, and whether a raise waits.
#[test]
fn cuts_apply_immediately_and_raises_are_delayed() {
    let (now, delay) = (Millis(1_000), DAY_MS);
    let calendar = utc();
    let terms = |delay_ms| RaiseTerms { policy: after(delay_ms), calendar: &calendar };
    let unnamed = |filter: Filter| Filter { window: Window::Day, ..filter };
    for (what, current, asked, strict, waits) in [
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
            "another in addition",
            vec![daily(Some(5), None)],
            vec![daily(Some(5), None), weekly(7)],
            vec![daily(Some(5), None), weekly(7)],
            false,
        ),
        ("another instead", vec![daily(Some(5), None)], vec![weekly(7)], vec![weekly(7), daily(Some(5), None)], true),
        (
            "another reach",
            vec![daily(Some(5), None)],
            vec![unnamed(daily(Some(5), None))],
            vec![unnamed(daily(Some(5), None)), daily(Some(5), None)],
            true,
        ),
    ] {
        let before = own(current);
        let after = before.request(&asked, now, &terms(delay));
        assert_eq!(after.own_at(now), strict, "{what}");
        assert_eq!(after.own_at(now.plus(delay - 1)), strict, "{what}, a moment before");
        assert_eq!(after.own_at(now.plus(delay)), asked, "{what}, after the delay");
        assert_eq!(after.pending.is_some(), waits, "{what}");
        assert_eq!(
            after.request(&asked, now.plus(10), &terms(delay)),
            after,
            "{what}: asked again, it waits no longer"
        );
        assert_eq!(before.request(&asked, now, &terms(0)).own_at(now), asked, "{what}: without a delay");
        let taken_back = after.request(&strict, now.plus(20), &terms(delay));
        assert_eq!(taken_back.own_at(now.plus(2 * delay)), strict, "{what}: taken back");
        assert_eq!(taken_back.pending, None, "{what}: taken back");
    }
}

/// Raises that are to be confirmed: within 50 ms after a wait of 100 ms.
const CONFIRMED: RaisePolicy = RaisePolicy { delay_ms: 100, confirm_within_ms: Some(50), waits_for_period_end: false };

#[test]
fn a_raise_that_needs_a_confirmation_never_takes_effect_without_one() {
    let calendar = utc();
    let terms = RaiseTerms { policy: CONFIRMED, calendar: &calendar };
    let (low, high) = (vec![daily(Some(5), None)], vec![daily(Some(9), None)]);
    let asked = own(low.clone()).request(&high, Millis(0), &terms);
    let raise = PendingRaise { from: Millis(100), confirm_until: Some(Millis(150)), filters: high.clone() };
    assert_eq!(asked.pending, Some(raise));
    for (now, state, outcome) in [
        (0, Some("waiting"), Err(ConfirmationError::TooEarly(Millis(100)))),
        (99, Some("waiting"), Err(ConfirmationError::TooEarly(Millis(100)))),
        (100, Some("awaiting_confirmation"), Ok(())),
        (149, Some("awaiting_confirmation"), Ok(())),
        (150, None, Err(ConfirmationError::Lapsed(Millis(150)))),
        (i64::from(i32::MAX), None, Err(ConfirmationError::Lapsed(Millis(150)))),
    ] {
        let now = Millis(now);
        assert_eq!(asked.own_at(now), low, "{now:?}: it is not in force by itself");
        assert_eq!(asked.pending_at(now).map(|raise| raise.state(now).word()), state, "{now:?}");
        let confirmed = asked.confirm(now);
        assert_eq!(confirmed.clone().map(|_| ()), outcome, "{now:?}");
        let Ok(confirmed) = confirmed else { continue };
        assert_eq!((confirmed.own_at(now), confirmed.confirmed_at), (high.as_slice(), Some(now)));
        assert_eq!(confirmed.pending, None);
        for later in [now, Millis(150), Millis(9_000)] {
            assert_eq!(confirmed.confirm(later).as_ref(), Ok(&confirmed), "repeated, it changes nothing");
        }
        // A later change of the limits clears the confirmation.
        assert_eq!(confirmed.request(&high, Millis(160), &terms), confirmed, "not the same again");
        let lower = confirmed.request(&low, Millis(160), &terms);
        assert_eq!(lower.confirm(Millis(160)), Err(ConfirmationError::NothingPending));
        let raised = confirmed.request(&[], Millis(160), &terms);
        assert_eq!(raised.confirm(Millis(160)), Err(ConfirmationError::TooEarly(Millis(260))));
        let cancelled = OwnLimits { pending: None, ..raised };
        assert_eq!(cancelled.confirm(Millis(160)), Err(ConfirmationError::NothingPending));
    }
    // The same request is no confirmation, and moves neither time; a new policy moves none either.
    for now in [Millis(1), Millis(120)] {
        for policy in [CONFIRMED, after(7)] {
            let terms = RaiseTerms { policy, calendar: &calendar };
            assert_eq!(asked.request(&high, now, &terms), asked, "{now:?} {policy:?}");
        }
    }
    // After the lapse it is a new request; so is another one at any time.
    let again = asked.request(&high, Millis(150), &terms);
    assert_eq!(again.pending.map(|raise| raise.from), Some(Millis(250)));
    let other = asked.request(&[daily(Some(8), None)], Millis(120), &terms);
    assert_eq!(other.pending.map(|raise| (raise.from, raise.confirm_until)), Some((Millis(220), Some(Millis(270)))));
    // A removed limit is a raise like any other, and its confirmation is remembered where nothing else is.
    let removed = own(low.clone()).request(&[], Millis(0), &terms).confirm(Millis(100)).unwrap();
    assert!(removed.own.is_empty() && !removed.is_empty());
    assert_eq!(removed.confirm(Millis(999)).as_ref(), Ok(&removed));
    // What needs no confirmation takes none.
    let by_itself = own(low.clone()).request(&high, Millis(0), &RaiseTerms { policy: after(100), calendar: &calendar });
    assert_eq!(by_itself.confirm(Millis(99)), Err(ConfirmationError::NotNeeded(Millis(100))));
    assert_eq!(by_itself.confirm(Millis(100)), Err(ConfirmationError::NothingPending));
    assert_eq!(own(low).confirm(Millis(0)), Err(ConfirmationError::NothingPending));
    // Without a delay it can be confirmed at once, and is not in force before.
    let policy = RaisePolicy { delay_ms: 0, ..CONFIRMED };
    let at_once = own(vec![weekly(3)]).request(&[], Millis(7), &RaiseTerms { policy, calendar: &calendar });
    assert_eq!((at_once.own_at(Millis(7)), at_once.confirm(Millis(7)).unwrap().own), ([weekly(3)].as_slice(), vec![]));
}

/// The time zone, when a raise is requested, what is raised, and when it takes effect with a delay of 72 hours.
#[test]
fn a_raise_waits_for_the_later_of_its_delay_and_the_end_of_each_period_that_it_raises() {
    let at = |text: &str| Millis::parse(text).unwrap();
    let named = |name: &str, window| Filter { name: Name::parse(name).unwrap(), window, ..daily(Some(5), None) };
    let day = named("d", Window::Day);
    let week = named("w", Window::Week(WeekStart::Monday));
    let sunday = named("w", Window::Week(WeekStart::Sunday));
    let month = named("m", Window::Month);
    let same_day = named("m", Window::RollingMonth);
    let span = named("s", Window::Rolling(10 * DAY_MS));
    let ever = named("e", Window::Lifetime);
    for (zone, now, raised, from) in [
        // The delay is the later one.
        ("UTC", "2026-11-20T10:00:00Z", vec![&day], "2026-11-23T10:00:00Z"),
        ("UTC", "2026-11-20T10:00:00Z", vec![&week], "2026-11-23T10:00:00Z"),
        ("UTC", "2026-11-20T10:00:00Z", vec![&ever], "2026-11-23T10:00:00Z"),
        ("UTC", "2026-11-29T10:00:00Z", vec![&month], "2026-12-02T10:00:00Z"),
        // The period's end is.
        ("UTC", "2026-11-17T10:00:00Z", vec![&week], "2026-11-23T00:00:00Z"),
        ("UTC", "2026-11-17T10:00:00Z", vec![&sunday], "2026-11-22T00:00:00Z"),
        ("UTC", "2026-11-17T10:00:00Z", vec![&month], "2026-12-01T00:00:00Z"),
        ("UTC", "2026-11-17T10:00:00Z", vec![&span], "2026-11-27T10:00:00Z"),
        ("UTC", "2026-11-17T10:00:00Z", vec![&same_day], "2026-12-17T10:00:00Z"),
        ("UTC", "2027-01-31T10:00:00Z", vec![&same_day], "2027-03-01T00:00:00Z"),
        // In the merchant's time zone, over a change of its clocks.
        ("Europe/Stockholm", "2026-10-20T10:00:00Z", vec![&week], "2026-10-25T23:00:00Z"),
        ("Europe/Stockholm", "2026-10-20T10:00:00Z", vec![&month], "2026-10-31T23:00:00Z"),
        ("Pacific/Auckland", "2026-11-17T12:00:00Z", vec![&month], "2026-11-30T11:00:00Z"),
        // The latest of several.
        ("UTC", "2026-11-17T10:00:00Z", vec![&week, &month, &ever], "2026-12-01T00:00:00Z"),
        ("UTC", "2026-11-17T10:00:00Z", vec![&span, &week, &day], "2026-11-27T10:00:00Z"),
    ] {
        let calendar = Calendar::of(zone).unwrap();
        let policy = RaisePolicy { delay_ms: 3 * DAY_MS, confirm_within_ms: None, waits_for_period_end: true };
        let terms = RaiseTerms { policy, calendar: &calendar };
        let current: Vec<Filter> = raised.into_iter().cloned().collect();
        let wider = |filter: &Filter| Filter { amount_limit: Some(6), ..filter.clone() };
        let other = named("other", Window::Rolling(90 * DAY_MS));
        for asked in [vec![], current.iter().map(wider).collect(), vec![other.clone()]] {
            let pending = own(current.clone()).request(&asked, at(now), &terms).pending.unwrap();
            assert_eq!((pending.from, pending.confirm_until), (at(from), None), "{zone} {now} {current:?} {asked:?}");
        }
        // A limit that is not raised does not count, and neither does a new one.
        let with_other = [current.clone(), vec![other.clone()]].concat();
        let asked: Vec<Filter> = current.iter().map(wider).chain([other]).collect();
        assert_eq!(own(with_other).request(&asked, at(now), &terms).pending.unwrap().from, at(from), "{zone} {now}");
        // The time for the confirmation begins when the wait is over.
        let policy = RaisePolicy { confirm_within_ms: Some(DAY_MS), ..policy };
        let pending = own(current).request(&[], at(now), &RaiseTerms { policy, calendar: &calendar }).pending.unwrap();
        assert_eq!((pending.from, pending.confirm_until), (at(from), Some(at(from).plus(DAY_MS))));
    }
    // Without a delay, too.
    let calendar = utc();
    let policy = RaisePolicy { delay_ms: 0, confirm_within_ms: None, waits_for_period_end: true };
    let terms = RaiseTerms { policy, calendar: &calendar };
    let now = at("2026-11-20T10:00:00Z");
    assert_eq!(own(vec![day]).request(&[], now, &terms).pending.unwrap().from, at("2026-11-21T00:00:00Z"));
    assert_eq!(own(vec![ever]).request(&[], now, &terms), own(vec![]), "a lifetime has no end to wait for");
}

#[test]
fn limits_as_of_a_time_have_the_same_filters_in_force() {
    for (confirm_until, ends) in [(None, Millis(20)), (Some(Millis(40)), Millis(40))] {
        let limits = OwnLimits {
            pending: Some(PendingRaise { from: Millis(20), confirm_until, filters: vec![daily(Some(9), None)] }),
            operator: vec![weekly(3)],
            until: Some(Millis(50)),
            ..own(vec![daily(Some(5), None)])
        };
        for now in [0, 19, 20, 39, 40, 49, 50, 90].map(Millis) {
            let settled = limits.as_of(now);
            let shown = |limits: &OwnLimits| {
                (limits.own_at(now).to_vec(), limits.operator_at(now).to_vec(), limits.pending_at(now).cloned())
            };
            assert_eq!(shown(&settled), shown(&limits), "{now}");
            assert_eq!(settled.as_of(now), settled, "{now}");
            assert_eq!(settled.pending.is_some(), now < ends, "{now}");
            assert_eq!(settled.until.is_some(), now < Millis(50), "{now}");
            let is_raised = confirm_until.is_none() && now >= Millis(20);
            assert_eq!(settled.own, [daily(Some(if is_raised { 9 } else { 5 }), None)], "{now}");
        }
        let without_end = OwnLimits { until: None, operator: Vec::new(), ..limits };
        assert_eq!(OwnLimits { until: Some(Millis(99)), ..without_end.clone() }.as_of(Millis(0)), without_end);
    }
}

/// Of two customers who become one, with all that either has now or waits for, confirmed at some time or never.
#[test]
fn the_intersection_of_limits_denies_what_either_denies() {
    let calendar = utc();
    let (now, soon) = (Millis(10), Millis(20));
    let times = [10, 19, 20, 24, 25, 29, 30, 34, 35, 99].map(Millis);
    let owns = [vec![], vec![daily(Some(5), None)], vec![daily(None, Some(2)), weekly(7)]];
    // The request, how long a raise waits, and for how long it can be confirmed.
    let asks = [
        None,
        Some((vec![daily(Some(9), None)], 20, None)),
        Some((vec![], 30, None)),
        Some((vec![], 10, None)),
        Some((vec![daily(Some(8), None)], 10, Some(15))),
        Some((vec![], 20, Some(15))),
        Some((vec![], 25, Some(5))),
        Some((vec![], 5, Some(5))),
    ];
    let operators = [(vec![], None), (vec![weekly(3)], Some(soon)), (vec![weekly(4)], None)];
    let mut all = Vec::new();
    for filters in &owns {
        for asked in &asks {
            for (operator, until) in &operators {
                let current = OwnLimits { operator: operator.clone(), until: *until, ..own(filters.clone()) };
                all.push(match asked {
                    Some((filters, delay_ms, confirm_within_ms)) => {
                        let policy = RaisePolicy { confirm_within_ms: *confirm_within_ms, ..after(*delay_ms) };
                        current.request(filters, Millis(0), &RaiseTerms { policy, calendar: &calendar })
                    }
                    None => current,
                });
            }
        }
    }
    // Whether every bound of the one is at least as narrow in the other.
    let holds = |wide: &OwnLimits, narrow: &OwnLimits, at: Millis| {
        let least = |limits: &OwnLimits, reach: &Filter, of: fn(&Filter) -> Option<u64>| {
            limits.in_force(at).filter(|filter| measures_same(filter, reach)).filter_map(of).min()
        };
        wide.in_force(at).all(|filter| {
            let bound = |of: fn(&Filter) -> Option<u64>| {
                of(filter).is_none_or(|wide| least(narrow, filter, of).is_some_and(|narrow| narrow <= wide))
            };
            bound(|filter| filter.amount_limit) && bound(|filter| filter.quantity_limit)
        })
    };
    let confirmed = |limits: &OwnLimits, at: Millis| limits.confirm(at).unwrap_or_else(|_| limits.clone());
    let mut raised = 0;
    for one in &all {
        for other in &all {
            let both = one.intersection(other, now);
            for at in times {
                assert!(holds(one, &both, at) && holds(other, &both, at), "{at}: {one:?} {other:?} {both:?}");
                // A confirmation counts for both.
                let [one, other, both] = [one, other, &both].map(|limits| confirmed(limits, at));
                raised += i32::from(both.confirmed_at.is_some());
                for at in times.into_iter().filter(|later| *later >= at) {
                    assert!(holds(&one, &both, at) && holds(&other, &both, at), "{at}: {one:?} {other:?} {both:?}");
                }
            }
            assert!(!one.is_empty() || both.in_force(now).eq(other.in_force(now)), "{one:?} {other:?} {both:?}");
        }
    }
    assert!(raised > 100, "raises are confirmed: {raised}");
    // What waits with one goes on waiting, with its times.
    let waits = &all.iter().find(|limits| limits.pending.as_ref().is_some_and(|r| r.confirm_until.is_some())).unwrap();
    assert_eq!(own(vec![]).intersection(waits, now).pending, waits.pending);
    assert_eq!(waits.intersection(&own(vec![]), now).pending, waits.pending);
}

#[test]
fn an_operator_s_limits_end_at_their_time() {
    let limits = OwnLimits {
        operator: vec![weekly(3)],
        until: Some(Millis(50)),
        ..OwnLimits::none(Direction::Deposit, Currency::parse("EUR").unwrap())
    };
    assert_eq!(limits.in_force(Millis(49)).count(), 1);
    assert_eq!(limits.in_force(Millis(50)).count(), 0);
}

#[test]
fn the_latest_rate_that_has_started_applies_in_both_directions() {
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

#[test]
fn a_limit_has_the_plain_name_only_where_nothing_is_subtracted() {
    let net = Filter { subtract_cancels: true, ..weekly(1) };
    for (filter, direction, refunds, kind) in [
        (&weekly(1), Direction::Deposit, RefundPolicy::None, "deposit_limit"),
        (&weekly(1), Direction::Deposit, RefundPolicy::Original, "net_deposit_limit"),
        (&net, Direction::Deposit, RefundPolicy::None, "net_deposit_limit"),
        (&net, Direction::Deposit, RefundPolicy::Original, "net_deposit_limit"),
        (&weekly(1), Direction::Withdrawal, RefundPolicy::None, "withdrawal_limit"),
        (&net, Direction::Withdrawal, RefundPolicy::None, "net_withdrawal_limit"),
    ] {
        let found = LimitKind::of(filter, direction, refunds);
        assert_eq!((found.word(), found.is_gross()), (kind, !kind.starts_with("net_")));
        assert_eq!(LimitKind::parse(kind), Some(found));
    }
}

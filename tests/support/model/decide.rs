//! The decision of the naive model: all checks in their order, every filter summed afresh over the whole list of the
//! customer's transactions.

use crate::model::calendar::Bounds;
use crate::model::ledger::Transaction;
use crate::model::money::{Fraction, shown};
use crate::model::rules::{Endpoint, Filter, Gate, Level, Merchant, Method, Mode, Rules};
use std::collections::BTreeMap;

pub fn reason(code: i64) -> &'static str {
    match code {
        19000 => "daily_amount_limit_exceeded",
        19001 => "daily_quantity_limit_exceeded",
        19002 => "weekly_amount_limit_exceeded",
        19003 => "weekly_quantity_limit_exceeded",
        19004 => "monthly_amount_limit_exceeded",
        19005 => "monthly_quantity_limit_exceeded",
        19006 => "amount_limit_exceeded",
        19007 => "quantity_limit_exceeded",
        19101 => "payment_method_not_available",
        19102 => "amount_below_minimum",
        19103 => "amount_above_maximum",
        19104 => "rate_unavailable",
        19105 => "no_gate_available",
        other => panic!("no code {other} in the model"),
    }
}

/// The place of a code in the order of the checks.
fn rank(code: i64) -> i64 {
    match code {
        19101..=19103 => code - 19200,
        _ => code,
    }
}

/// The least headroom over the enforced filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    pub amount: Option<String>,
    pub quantity: Option<i64>,
    pub currency: String,
}

/// One filter as `explain` shows it: limit, used and remaining. None where nothing is limited; the used amount and
/// what remains are None where a rate that is needed is not at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub filter: String,
    pub mode: Mode,
    pub amount: Option<(String, Option<(String, String)>)>,
    pub quantity: Option<(i64, i64, i64)>,
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub codes: Vec<(i64, Option<String>)>,
    pub gates: Vec<String>,
    pub remaining: Remaining,
    pub limits: Vec<Explained>,
}

/// The subject of the question, apart from the customer's past.
pub struct Question<'a> {
    pub rules: &'a Rules,
    pub merchant: &'a Merchant,
    pub endpoint: &'a Endpoint,
    pub direction: &'a str,
    pub amount: i128,
    pub method: Option<&'a str>,
    pub level: Option<&'a Level>,
    /// The time on the server's clock, and the time at which the payment is placed.
    pub now: i64,
    pub placed: i64,
}

/// Usage of one filter in one of its windows. `used` is None where a rate that is needed is not at hand.
struct Usage {
    /// Whether the payment in question will be in the window.
    holds: bool,
    used: Option<Fraction>,
    count: i64,
}

fn usage(
    filter: &Filter,
    level: &Level,
    bounds: Bounds,
    placed: i64,
    past: &[&Transaction],
    rules: &Rules,
    now: i64,
) -> Usage {
    let mut totals: BTreeMap<&str, i128> = BTreeMap::new();
    let mut count = 0;
    for transaction in past {
        let same_level = transaction.sent.currency == level.currency
            && transaction.level.as_ref().is_some_and(|(name, _)| name.as_ref() == Some(&level.name));
        if transaction.sent.direction == level.direction
            && (filter.all_currencies || same_level)
            && bounds.hold(transaction.at)
        {
            let (amount, one) = transaction.contributes(filter.subtract, now);
            *totals.entry(&transaction.sent.currency).or_default() += amount;
            count += one;
        }
    }
    let to = (level.currency.as_str(), rules.digits(&level.currency));
    let mut used = Some(Fraction::whole(0));
    for (currency, total) in totals.into_iter().filter(|(_, total)| *total != 0) {
        let converted = rules.rates.convert(total, (currency, rules.digits(currency)), to, now);
        used = used.zip(converted).map(|(sum, more)| sum.plus(&more));
    }
    Usage { holds: bounds.hold(placed), used, count }
}

/// The least headroom over the enforced filters of a level after `amount` and `count` more in the windows that hold
/// them.
fn headroom(
    level: Option<&Level>,
    currency: &str,
    usages: &[(&Filter, Vec<Usage>)],
    amount: i128,
    count: i64,
    rules: &Rules,
) -> Remaining {
    let mut least_amount: Option<i128> = None;
    let mut least_quantity: Option<i64> = None;
    for (filter, windows) in usages.iter().filter(|(f, _)| level.is_some() && f.mode == Mode::Enforce) {
        for usage in windows {
            let (amount, count) = if usage.holds { (amount, count) } else { (0, 0) };
            if let (Some(limit), Some(used)) = (filter.amount_limit, &usage.used) {
                let left = Fraction::whole(limit - amount).minus(used).floor_from_zero();
                least_amount = Some(least_amount.map_or(left, |l| l.min(left)));
            }
            if let Some(limit) = filter.quantity_limit {
                let left = (limit - usage.count - count).max(0);
                least_quantity = Some(least_quantity.map_or(left, |l| l.min(left)));
            }
        }
    }
    let digits = rules.digits(currency);
    Remaining {
        amount: least_amount.map(|a| shown(a, digits)),
        quantity: least_quantity,
        currency: currency.to_owned(),
    }
}

/// The headroom at one instant, for answers that decide nothing.
pub fn standing(
    rules: &Rules,
    merchant: &Merchant,
    level: Option<&Level>,
    currency: &str,
    past: &[&Transaction],
    now: i64,
) -> Remaining {
    let filters = level.map_or(&[][..], |l| &l.filters);
    let usages: Vec<_> = filters
        .iter()
        .filter_map(|f| level.map(|l| (f, l)))
        .map(|(f, l)| (f, vec![usage(f, l, f.window.at(now, &merchant.zone), now, past, rules, now)]))
        .collect();
    headroom(level, currency, &usages, 0, 0, rules)
}

pub fn decide(question: &Question<'_>, past: &[&Transaction]) -> Decision {
    let Question { rules, merchant, endpoint, level, amount, now, placed, .. } = *question;
    let mut codes = method_codes(question);
    let mut usages = Vec::new();
    for (level, filter) in level.into_iter().flat_map(|l| l.filters.iter().map(move |f| (l, f))) {
        if filter.mode == Mode::Off {
            continue;
        }
        // A payment placed in the past is held against every window that will hold it and against the present one.
        let mut bounds = vec![filter.window.at(now, &merchant.zone)];
        if filter.window.is_calendar() {
            let then = filter.window.at(placed, &merchant.zone);
            if !bounds.contains(&then) {
                bounds.push(then);
            }
        }
        let windows: Vec<Usage> =
            bounds.into_iter().map(|b| usage(filter, level, b, placed, past, rules, now)).collect();
        if filter.mode == Mode::Enforce {
            let name = Some(filter.name.clone());
            if let Some(limit) = filter.amount_limit {
                let over = |u: &Usage| {
                    u.used
                        .as_ref()
                        .is_some_and(|used| !used.plus(&Fraction::whole(amount)).at_most(&Fraction::whole(limit)))
                };
                if windows.iter().any(over) {
                    codes.push((filter.code, name.clone()));
                }
                if windows.iter().any(|u| u.used.is_none()) {
                    codes.push((19104, name.clone()));
                }
            }
            if filter.quantity_limit.is_some_and(|limit| windows.iter().any(|u| u.count + 1 > limit)) {
                codes.push((filter.code + 1, name));
            }
        }
        usages.push((filter, windows));
    }
    let gates = gates(question);
    if gates.is_empty() {
        codes.push((19105, None));
    }
    codes.sort_by_key(|(code, _)| rank(*code));
    let allowed = codes.is_empty();
    let (more, one) = if allowed { (amount, 1) } else { (0, 0) };
    let remaining = headroom(level, &endpoint.currency, &usages, more, one, rules);
    let digits = rules.digits(&endpoint.currency);
    let limits = usages.iter().map(|(f, windows)| explained(f, &windows[0], more, one, digits)).collect();
    Decision { codes, gates: if allowed { gates } else { Vec::new() }, remaining, limits }
}

fn explained(filter: &Filter, usage: &Usage, more: i128, one: i64, digits: u32) -> Explained {
    let amount = filter.amount_limit.map(|limit| {
        let shown_usage = usage.used.as_ref().map(|used| {
            let used = used.plus(&Fraction::whole(more));
            let left = Fraction::whole(limit).minus(&used).floor_from_zero();
            (shown(used.ceiling(), digits), shown(left, digits))
        });
        (shown(limit, digits), shown_usage)
    });
    let count = usage.count + one;
    let quantity = filter.quantity_limit.map(|limit| (limit, count, (limit - count).max(0)));
    Explained { filter: filter.name.clone(), mode: filter.mode, amount, quantity }
}

/// Checks 3 to 5: the method is offered and shown, and the amount lies within the layered range. Where no method is
/// named, some method that may pay must take the amount.
fn method_codes(question: &Question<'_>) -> Vec<(i64, Option<String>)> {
    let Question { endpoint, amount, .. } = *question;
    let mut codes = Vec::new();
    if let Some(name) = question.method {
        let offered = endpoint.methods.iter().find(|m| m.name == name);
        let Some((min, max)) = offered.and_then(|m| range(question, m)) else { return vec![(19101, None)] };
        if amount < min {
            codes.push((19102, None));
        }
        if max.is_some_and(|max| amount > max) {
            codes.push((19103, None));
        }
        return codes;
    }
    let ranges: Vec<_> = endpoint.methods.iter().filter_map(|m| range(question, m)).collect();
    let contains = |(min, max): &(i128, Option<i128>)| *min <= amount && max.is_none_or(|max| amount <= max);
    if ranges.iter().any(contains) || endpoint.methods.is_empty() {
        return codes;
    }
    let code = match ranges.as_slice() {
        [] => 19101,
        ranges if ranges.iter().all(|(min, _)| amount < *min) => 19102,
        _ => 19103,
    };
    vec![(code, None)]
}

/// The layered range of a method that the endpoint offers; none where the method may not pay.
fn range(question: &Question<'_>, offered: &Method) -> Option<(i128, Option<i128>)> {
    let edited = question.level.and_then(|l| l.methods.iter().find(|m| m.name == offered.name));
    let show = edited.and_then(|m| m.show).or(offered.show).unwrap_or(true);
    let min = edited.and_then(|m| m.min).or(offered.min).unwrap_or(0);
    let max = edited.and_then(|m| m.max).or(offered.max);
    (show || question.merchant.hide_only).then_some((min, max))
}

/// The eligible gates in their order: those of the level's method, else of the level, else of the endpoint.
fn gates(question: &Question<'_>) -> Vec<String> {
    let Question { merchant, endpoint, level, method, .. } = *question;
    let by_method = |methods: &[Method]| {
        method.and_then(|name| methods.iter().find(|m| m.name == name)).and_then(|m| m.gates.clone())
    };
    let listed = level
        .and_then(|l| by_method(&l.methods))
        .or_else(|| level.and_then(|l| l.gates.clone()))
        .or_else(|| by_method(&endpoint.methods))
        .unwrap_or_else(|| endpoint.gates.clone());
    let mut order: Vec<String> = Vec::new();
    for name in listed {
        let route = merchant.routes.iter().find(|(id, _)| *id == name);
        for gate in route.map_or_else(|| vec![name.clone()], |(_, gates)| gates.clone()) {
            if !order.contains(&gate) {
                order.push(gate);
            }
        }
    }
    order.retain(|id| merchant.gates.iter().any(|g| g.id == *id && eligible(g, question)));
    order
}

fn eligible(gate: &Gate, question: &Question<'_>) -> bool {
    let serves = |list: &Option<Vec<String>>, what: &str| list.as_ref().is_none_or(|l| l.iter().any(|x| x == what));
    let digits = question.rules.digits(&question.endpoint.currency);
    let amount = Fraction::of(question.amount, 10_i128.pow(digits));
    let plain = |(value, scale): (i128, u32)| Fraction::of(value, 10_i128.pow(scale));
    gate.enabled
        && serves(&gate.directions, question.direction)
        && serves(&gate.currencies, &question.endpoint.currency)
        && question.method.is_none_or(|m| serves(&gate.methods, m))
        && gate.min.is_none_or(|min| plain(min).at_most(&amount))
        && gate.max.is_none_or(|max| amount.at_most(&plain(max)))
}

//! A customer's usage over the wire: every filter's used and remaining, and what was counted in all.

use crate::domain::{
    customer::aggregate::Customer,
    decision::{
        decide::explain,
        level_choice::{self, InForce},
    },
    rules::configuration::{DefaultBehaviour, Direction, Merchant, Rules},
    transaction::record::LevelSource,
    usage::{
        limits::{Measure, Own},
        series::UsageSeriesKey,
    },
    vocabulary::{
        calendar::Range,
        money::{Currency, Minor},
        names::Name,
        time::Millis,
    },
};
use crate::http::dto::answers::{LimitOut, Shows};
use crate::ledger::Whole;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Of every direction and currency in which the merchant takes payments or the customer has any.
pub(crate) fn of(whole: Whole<'_>, rules: &Rules, merchant: &Merchant, now: Millis) -> Value {
    let Whole { customer, books: all_books, .. } = whole;
    let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints).map(|endpoint| endpoint.currency);
    let levels = merchant.levels.iter().map(|level| level.currency);
    let books = all_books.iter().map(|series| series.key.currency);
    let currencies: BTreeSet<[u8; 3]> = endpoints.chain(levels).chain(books).map(Currency::code).collect();
    let currencies = currencies.into_iter().filter_map(|code| Currency::parse(std::str::from_utf8(&code).ok()?));
    let mut usage = Vec::new();
    for currency in currencies {
        for direction in [Direction::Deposit, Direction::Withdrawal] {
            let level = in_force(customer, merchant, direction, currency);
            let own = Own::of(customer, direction, currency);
            let measure = Measure {
                rules,
                merchant,
                books: all_books,
                direction,
                currency,
                level,
                own,
                now,
                counts_future: true,
            };
            let gauges = measure.gauges(now, true);
            if gauges.is_empty() {
                continue;
            }
            let limits = explain(&measure, &gauges, None, now);
            let limits: Vec<LimitOut> = limits.iter().map(|limit| LimitOut::of(limit, currency, rules)).collect();
            usage.push(json!({
                "direction": direction.word(),
                "currency": Shows(currency),
                "level": level.name.map(Name::as_str),
                "limits": limits,
            }));
        }
    }
    let all = Range { from: i64::MIN, to: i64::MAX };
    // Of customers who have become one, several books may count the same.
    let mut counted: Vec<UsageSeriesKey> = Vec::new();
    all_books.iter().for_each(|series| {
        if !counted.contains(&series.key) {
            counted.push(series.key);
        }
    });
    let totals = counted.into_iter().map(|key| {
        let UsageSeriesKey { direction, currency, level } = key;
        let units = rules.currencies.units(currency);
        let sum = |subtract| {
            let used = all_books.iter().filter(|series| series.key == key).map(|series| series.used(all, subtract));
            let (amount, quantity) = used.fold((0, 0), |(amount, quantity), used| (amount + used.0, quantity + used.1));
            json!({ "amount": Shows(Minor { value: amount, units }), "quantity": quantity })
        };
        json!({
            "direction": direction.word(),
            "currency": Shows(currency),
            "level": level.map(Name::as_str),
            "gross": sum(false),
            "net": sum(true),
        })
    });
    json!({ "usage": usage, "totals": totals.collect::<Vec<_>>(), "server_time": Shows(now) })
}

/// The level of the stored name where one is active, else the merchant's default: the project is not known here.
fn in_force<'r>(customer: &Customer, merchant: &'r Merchant, direction: Direction, currency: Currency) -> InForce<'r> {
    let active = |name| merchant.level(direction, currency, name).filter(|level| level.active);
    let stored = customer.levels[direction as usize].and_then(|name| Some((name, active(name)?)));
    match (stored, merchant.default_behaviour) {
        (Some((name, level)), _) => InForce { name: Some(name), source: LevelSource::Stored, level: Some(level) },
        (None, DefaultBehaviour::UnknownLevel) => {
            let name = level_choice::unknown();
            InForce { name: Some(name), source: LevelSource::Default, level: active(name) }
        }
        (None, DefaultBehaviour::Project) => InForce { name: None, source: LevelSource::Project, level: None },
    }
}

//! A customer's usage over the wire: every filter's used and remaining, and what was counted in all.

use super::shapes::{LimitOut, Shows};
use crate::domain::{
    calendar::Range,
    customer::Customer,
    decide::explain,
    level::{self, InForce},
    limits::{Measure, Own},
    money::{Currency, Minor},
    rules::{Direction, Merchant, Rules},
    time::Millis,
    transaction::LevelSource,
    usage::BookKey,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Of every direction and currency in which the merchant takes payments or the customer has any.
pub(super) fn of(customer: &Customer, rules: &Rules, merchant: &Merchant, now: Millis) -> Value {
    let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints).map(|endpoint| endpoint.currency);
    let levels = merchant.levels.iter().map(|level| level.currency);
    let books = customer.books.iter().map(|book| book.key.currency);
    let currencies: BTreeSet<[u8; 3]> = endpoints.chain(levels).chain(books).map(Currency::code).collect();
    let currencies = currencies.into_iter().filter_map(|code| Currency::parse(std::str::from_utf8(&code).ok()?));
    let mut usage = Vec::new();
    for currency in currencies {
        for direction in [Direction::Deposit, Direction::Withdrawal] {
            let level = in_force(customer, merchant, direction, currency);
            let own = Own::of(customer, direction, currency);
            let measure = Measure { rules, merchant, books: &customer.books, direction, currency, level, own, now };
            let gauges = measure.gauges(now, true);
            if gauges.is_empty() {
                continue;
            }
            let limits = explain(&measure, &gauges, None, now);
            let limits: Vec<LimitOut> = limits.iter().map(|limit| LimitOut::of(limit, currency, rules)).collect();
            usage.push(json!({
                "direction": direction.word(),
                "currency": Shows(currency),
                "level": level.name.as_str(),
                "limits": limits,
            }));
        }
    }
    let all = Range { from: i64::MIN, to: i64::MAX };
    let totals = customer.books.iter().map(|book| {
        let BookKey { direction, currency, level } = book.key;
        let units = rules.currencies.units(currency);
        let sum = |subtract| {
            let (amount, quantity) = book.used(all, subtract);
            json!({ "amount": Shows(Minor { value: amount, units }), "quantity": quantity })
        };
        json!({
            "direction": direction.word(),
            "currency": Shows(currency),
            "level": level.as_str(),
            "gross": sum(false),
            "net": sum(true),
        })
    });
    json!({ "usage": usage, "totals": totals.collect::<Vec<_>>(), "server_time": Shows(now) })
}

/// The level of the stored name where one is active, else `unknown`: which project a payment comes by is not known here.
fn in_force<'r>(customer: &Customer, merchant: &'r Merchant, direction: Direction, currency: Currency) -> InForce<'r> {
    let active = |name| merchant.level(direction, currency, name).filter(|level| level.active);
    let stored = customer.levels[direction as usize].and_then(|name| Some((name, active(name)?)));
    match stored {
        Some((name, level)) => InForce { name, source: LevelSource::Stored, level: Some(level) },
        None => {
            let name = level::unknown();
            InForce { name, source: LevelSource::Default, level: active(name) }
        }
    }
}

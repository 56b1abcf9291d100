//! A customer's usage: what every filter has used and has left, and the totals.

use crate::domain::{
    customer::aggregate::Customer,
    decision::{
        explanation::explain,
        held_usage::{HeldTransaction, held_transactions},
        level_choice::{self, EffectiveLevel},
        usage_meter::{OwnTerms, UsageMeter},
    },
    rules::{
        configuration::Rules,
        merchant::{DefaultBehaviour, Merchant},
    },
    transaction::opening::LevelSource,
    usage::series::UsageSeriesKey,
    vocabulary::{
        calendar::TimeRange,
        direction::Direction,
        money::{Currency, Minor},
        names::Name,
        time::Millis,
    },
};
use crate::{
    ledger::CustomerWithUsage,
    service::{
        customers::customer_service::CustomerService,
        documents::{as_text::AsText, payments::decision::FilterUsage},
        reply::Answered,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most transactions in memory of one customer that are read for the open holds. They are read under the lock of the
/// customer.
const SUMMARIES_MAX: usize = 20_000;

impl CustomerService<'_> {
    /// Shows a customer's usage.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn usage(&self, customer_id: &str) -> Answered {
        self.show_with_usage(customer_id, |whole, now| usage_document(whole, self.rules, self.merchant, now))
    }
}

/// The usage in every direction and currency in which the merchant takes payments or the customer has any.
pub(super) fn usage_document(whole: CustomerWithUsage<'_>, rules: &Rules, merchant: &Merchant, now: Millis) -> Value {
    let CustomerWithUsage { customer, merged, usage: all_usage, .. } = whole;
    let held = held_by_all(customer, merged, now);
    let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints).map(|endpoint| endpoint.currency);
    let levels = merchant.levels.iter().map(|level| level.currency);
    let series = all_usage.iter().map(|series| series.key.currency);
    let currencies: BTreeSet<[u8; 3]> = endpoints.chain(levels).chain(series).map(Currency::code).collect();
    let currencies = currencies.into_iter().filter_map(|code| Currency::parse(std::str::from_utf8(&code).ok()?));
    let mut usage = Vec::new();
    for currency in currencies {
        for direction in [Direction::Deposit, Direction::Withdrawal] {
            let level = in_force(customer, merchant, direction, currency);
            let own = OwnTerms::of(customer, direction, currency);
            let measure = UsageMeter {
                rules,
                merchant,
                usage: all_usage,
                direction,
                currency,
                level,
                own,
                now,
                counts_future: true,
            };
            let gauges = measure.read_gauges(now, true);
            if gauges.is_empty() {
                continue;
            }
            let limits = explain(&measure, &gauges, None, now);
            let limits = limits.iter().zip(&gauges).map(|(limit, gauge)| {
                let held = held.as_ref().map(|held| measure.held(gauge, held));
                FilterUsage::of(limit, currency, rules).with_held(held, currency, rules)
            });
            let limits: Vec<FilterUsage> = limits.collect();
            usage.push(json!({
                "direction": direction.word(),
                "currency": AsText(currency),
                "level": level.name.map(Name::as_str),
                "limits": limits,
            }));
        }
    }
    let all = TimeRange { from: i64::MIN, to: i64::MAX };
    // Several series of merged customers can have the same key.
    let mut counted: Vec<UsageSeriesKey> = Vec::new();
    all_usage.iter().for_each(|series| {
        if !counted.contains(&series.key) {
            counted.push(series.key);
        }
    });
    let totals = counted.into_iter().map(|key| {
        let UsageSeriesKey { direction, currency, level } = key;
        let units = rules.currencies.units(currency);
        let sum = |subtract| {
            let used = all_usage.iter().filter(|series| series.key == key).map(|series| series.used(all, subtract));
            let (amount, quantity) = used.fold((0, 0), |(amount, quantity), used| (amount + used.0, quantity + used.1));
            json!({ "amount": AsText(Minor { value: amount, units }), "quantity": quantity })
        };
        json!({
            "direction": direction.word(),
            "currency": AsText(currency),
            "level": level.map(Name::as_str),
            "gross": sum(false),
            "net": sum(true),
        })
    });
    json!({ "usage": usage, "totals": totals.collect::<Vec<_>>(), "server_time": AsText(now) })
}

/// The open holds of a customer and of those who were merged into it; `None`: there are too many transactions in memory.
fn held_by_all(customer: &Customer, merged: &[&Customer], now: Millis) -> Option<Vec<HeldTransaction>> {
    let all = [customer].into_iter().chain(merged.iter().copied());
    let held: Option<Vec<_>> = all.map(|one| held_transactions(one, now, SUMMARIES_MAX)).collect();
    held.map(|held| held.concat())
}

/// The customer's stored level where it is active, else the merchant's default. The project is not known here.
pub(super) fn in_force<'r>(
    customer: &Customer,
    merchant: &'r Merchant,
    direction: Direction,
    currency: Currency,
) -> EffectiveLevel<'r> {
    let active = |name| merchant.level(direction, currency, name).filter(|level| level.active);
    let stored = customer.levels[direction as usize].and_then(|name| Some((name, active(name)?)));
    match (stored, merchant.default_behaviour) {
        (Some((name, level)), _) => {
            EffectiveLevel { name: Some(name), source: LevelSource::Stored, level: Some(level) }
        }
        (None, DefaultBehaviour::UnknownLevel) => {
            let name = level_choice::unknown_level();
            EffectiveLevel { name: Some(name), source: LevelSource::Default, level: active(name) }
        }
        (None, DefaultBehaviour::Project) => EffectiveLevel { name: None, source: LevelSource::Project, level: None },
    }
}

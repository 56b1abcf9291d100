//! A customer's own limits as a document. [`crate::config::body::limits`] reads `filters` with the keys that
//! [`filter_document`] writes, and `until`; the other members are in the path or follow from the customer.

use crate::{
    domain::{
        customer::own_limits::{LimitKind, OwnLimits},
        rules::{
            configuration::Rules,
            filter::{Filter, FilterScope, WindowClass},
            merchant::Merchant,
        },
        vocabulary::{
            calendar::{WeekStart, Window},
            money::Minor,
            time::Millis,
        },
    },
    service::documents::{as_text::AsText, payments::decision::span_word},
};
use serde_json::{Value, json};

/// The limits that a customer has for a direction and a currency.
pub(crate) fn limits_document(limits: &OwnLimits, rules: &Rules, merchant: &Merchant, now: Millis) -> Value {
    let units = rules.currencies.units(limits.currency);
    let filters = |filters: &[Filter]| -> Vec<Value> {
        let kind = |filter: &Filter| LimitKind::of(filter, limits.direction, merchant.refunds);
        filters.iter().map(|filter| filter_document(filter, kind(filter), units)).collect()
    };
    let pending = limits.pending_at(now).map(|raise| {
        json!({
            "state": raise.state(now).word(),
            "from": AsText(raise.from),
            "lapses_at": raise.confirm_until.map(AsText),
            "filters": filters(&raise.filters),
        })
    });
    json!({
        "direction": limits.direction.word(),
        "currency": AsText(limits.currency),
        "filters": filters(limits.own_at(now)),
        "pending": pending,
        "confirmed_at": limits.confirmed_at.map(AsText),
        "operator": (!limits.operator_at(now).is_empty()).then(|| {
            json!({ "filters": filters(limits.operator_at(now)), "until": limits.until.map(AsText) })
        }),
    })
}

/// A filter with the keys by which it is sent, so that a caller can send it again. `units` are the currency's.
pub(crate) fn filter_document(filter: &Filter, kind: LimitKind, units: u8) -> Value {
    let window = match filter.class {
        WindowClass::Other => span_word(filter.window),
        class => class.word().to_owned(),
    };
    let mut document = json!({
        "name": filter.name.as_str(),
        "kind": kind.word(),
        "window": window,
        "amount_limit": filter.amount_limit.map(|value| AsText(Minor { value: u128::from(value), units })),
        "quantity_limit": filter.quantity_limit,
        "for_all_merchant_currencies": filter.scope == FilterScope::Merchant,
        "subtract_cancel_transactions": filter.subtract_cancels,
        "mode": filter.mode.word(),
    });
    if filter.class != WindowClass::Other {
        document["calendar"] = json!(matches!(filter.window, Window::Day | Window::Week(_) | Window::Month));
    }
    match filter.window {
        Window::Week(WeekStart::Monday) => document["week_starts_on"] = json!("monday"),
        Window::Week(WeekStart::Sunday) => document["week_starts_on"] = json!("sunday"),
        Window::RollingMonth => document["month"] = json!("same_day"),
        _ => {}
    }
    if let Some(share) = filter.warn_at {
        document["warn_at"] = json!(format!("{}%", Minor { value: u128::from(share), units: 2 }));
    }
    document
}

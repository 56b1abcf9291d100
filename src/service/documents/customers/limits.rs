//! A customer's own limits as a document. A request takes what an answer shows: see [`crate::config::body::limits`].

use crate::{
    config::document::{self, RawFilter},
    domain::{
        customer::own_limits::{LimitKind, OwnLimits},
        rules::{configuration::Rules, filter::Filter, merchant::Merchant},
        vocabulary::{money::Currency, time::Millis},
    },
    service::documents::as_text::{AsText, Time},
};
use serde::Serialize;

/// The limits that a customer has for a direction and a currency.
#[derive(Serialize)]
pub(crate) struct LimitsDocument {
    direction: &'static str,
    currency: AsText<Currency>,
    filters: Vec<LimitDocument>,
    pending: Option<PendingDocument>,
    confirmed_at: Option<Time>,
    operator: Option<OperatorDocument>,
    /// The warnings about limits that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

/// A limit: a filter of a customer.
#[derive(Serialize)]
pub(crate) struct LimitDocument {
    #[serde(flatten)]
    filter: RawFilter,
    kind: &'static str,
}

#[derive(Serialize)]
struct PendingDocument {
    state: &'static str,
    from: Time,
    lapses_at: Option<Time>,
    filters: Vec<LimitDocument>,
}

#[derive(Serialize)]
struct OperatorDocument {
    filters: Vec<LimitDocument>,
    until: Option<Time>,
}

impl LimitsDocument {
    pub(crate) fn of(limits: &OwnLimits, rules: &Rules, merchant: &Merchant, now: Millis) -> Self {
        let filters = |filters: &[Filter]| -> Vec<LimitDocument> {
            let one = |filter| LimitDocument::of(filter, limits, merchant, rules);
            filters.iter().map(one).collect()
        };
        let pending = limits.pending_at(now).map(|raise| PendingDocument {
            state: raise.state(now).word(),
            from: AsText(raise.from),
            lapses_at: raise.confirm_until.map(AsText),
            filters: filters(&raise.filters),
        });
        let operator = limits.operator_at(now);
        Self {
            direction: limits.direction.word(),
            currency: AsText(limits.currency),
            filters: filters(limits.own_at(now)),
            pending,
            confirmed_at: limits.confirmed_at.map(AsText),
            operator: (!operator.is_empty())
                .then(|| OperatorDocument { filters: filters(operator), until: limits.until.map(AsText) }),
            warnings: None,
        }
    }

    /// The same with the warnings about the limits.
    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings: Some(warnings), ..self }
    }
}

impl LimitDocument {
    pub(crate) fn of(filter: &Filter, limits: &OwnLimits, merchant: &Merchant, rules: &Rules) -> Self {
        Self {
            filter: document::filter(filter, limits.currency, &rules.currencies),
            kind: LimitKind::of(filter, limits.direction, merchant.refunds).word(),
        }
    }
}

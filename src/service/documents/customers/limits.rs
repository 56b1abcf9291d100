//! A customer's own limits as a document. A request takes what an answer shows: see [`crate::config::body::limits`].

use crate::{
    config::{
        document::{self, RawFilter},
        schema::{texts::SentenceText, words::WordOf},
    },
    domain::{
        customer::own_limits::{LimitKind, OwnLimits, RaiseState},
        rules::{configuration::Rules, filter::Filter, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, time::Millis},
    },
    service::documents::as_text::{AsText, Time},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The limits that a customer has for a direction and a currency.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnLimits")]
pub(crate) struct LimitsDocument {
    /// The direction of payments.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of payments.
    currency: AsText<Currency>,
    /// The own limits in force.
    filters: Vec<LimitDocument>,
    /// The raise that waits. `null`: none does.
    pending: Option<PendingDocument>,
    /// The last confirmation. `null`: there was none.
    confirmed_at: Option<Time>,
    /// The limits that an operator set for this customer. `null`: there are none.
    operator: Option<OperatorDocument>,
    /// Of a `PUT`: what is valid and probably a mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<SentenceText>>")]
    warnings: Option<Vec<String>>,
}

/// A limit: a filter of a customer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnLimit")]
pub(crate) struct LimitDocument {
    /// The filter.
    #[serde(flatten)]
    filter: RawFilter,
    /// The kind of the limit.
    #[schemars(with = "WordOf<LimitKind>")]
    kind: &'static str,
}

/// A raise of a customer's own limits that waits.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PendingRaise")]
pub(crate) struct PendingDocument {
    /// Whether it waits for its time or for a confirmation.
    #[schemars(with = "WordOf<RaiseState>")]
    state: &'static str,
    /// When it takes effect, or can be confirmed.
    from: Time,
    /// When it lapses without a confirmation. `null`: it does not.
    lapses_at: Option<Time>,
    /// The limits after the raise.
    filters: Vec<LimitDocument>,
}

/// Limits that an operator set for a customer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorLimits")]
pub(crate) struct OperatorDocument {
    /// The limits.
    filters: Vec<LimitDocument>,
    /// When they end.
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

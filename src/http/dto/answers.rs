//! The shapes of answers. Field names are the contract's; amounts and times are texts.

use crate::{
    domain::{
        customer::own_limits::OwnRate,
        decision::decide::LimitExplained,
        rules::configuration::Rules,
        transaction::record::{LevelSource, Opening, Violation},
        usage::limits::Headroom,
        vocabulary::{
            calendar::Window,
            money::{Currency, Minor},
            names::Name,
            time::{Millis, show_span},
        },
    },
    ledger::{Answer, CustomerId, CustomerShown},
};
use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use std::fmt::Display;

/// Anything that is shown as a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shows<T>(pub(crate) T);

impl<T: Display> Serialize for Shows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(crate) type Amount = Shows<Minor>;
pub(crate) type Time = Shows<Millis>;

#[derive(Debug, Serialize)]
pub(crate) struct CodeOut {
    code: u16,
    reason: &'static str,
    filter: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
}

impl CodeOut {
    pub(crate) fn of(violation: &Violation) -> Self {
        Self {
            code: violation.code.number(),
            reason: violation.code.reason(),
            filter: violation.filter.map(Name::as_str),
            pair: violation.pair.map(|pair| format!("{}/{}", pair.from, pair.to)),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CustomerOut<'a> {
    customer_id: Option<Shows<&'a CustomerId<'a>>>,
    merchant_customer_identifier: Option<&'a str>,
    resolution: &'static str,
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    labels: SmallVec<[&'static str; 1]>,
    /// What the labels ask of whoever enforces it, here or elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restrictions: Vec<&'static str>,
}

impl<'a> CustomerOut<'a> {
    pub(crate) fn of(customer: &'a CustomerShown<'_>, rules: &Rules) -> Self {
        let restrictions = match rules.merchant(customer.merchant.as_str()) {
            Some(merchant) if !customer.labels.is_empty() => merchant.restrictions(&customer.labels),
            _ => Vec::new(),
        };
        Self {
            labels: customer.labels.iter().map(|label| label.as_str()).collect(),
            restrictions,
            customer_id: customer.customer_id.as_ref().map(Shows),
            merchant_customer_identifier: customer.identifier.as_deref(),
            resolution: customer.resolution.word(),
            status: customer.status.map(|status| status.word()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct LevelOut {
    name: Option<&'static str>,
    source: &'static str,
}

impl LevelOut {
    pub(crate) fn of(name: Option<Name>, source: LevelSource) -> Self {
        Self { name: name.map(Name::as_str), source: source.word() }
    }

    /// The level under which a transaction counts; `None`: it bypassed the rules.
    pub(crate) fn of_opening<Text>(opening: &Opening<Text>) -> Option<Self> {
        opening.counts().then(|| Self::of(opening.level, opening.level_source))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RemainingOut {
    amount: Option<Amount>,
    quantity: Option<u64>,
    currency: Shows<Currency>,
}

impl RemainingOut {
    pub(crate) fn of(headroom: &Headroom, currency: Currency, rules: &Rules) -> Self {
        let units = rules.currencies.units(currency);
        Self {
            amount: headroom.amount.map(|value| Shows(Minor { value: u128::from(value), units })),
            quantity: headroom.quantity,
            currency: Shows(currency),
        }
    }
}

#[derive(Debug, Serialize)]
struct WindowOut {
    calendar: bool,
    start: Option<Time>,
    end: Time,
    frees_at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct AmountGauge {
    limit: Option<Amount>,
    used: Option<Amount>,
    remaining: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_rate: Option<String>,
}

#[derive(Debug, Serialize)]
struct QuantityGauge {
    limit: Option<u64>,
    used: u64,
    remaining: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LimitOut {
    filter: &'static str,
    window: WindowOut,
    span: String,
    scope: &'static str,
    mode: &'static str,
    currency: Shows<Currency>,
    amount: AmountGauge,
    quantity: QuantityGauge,
}

#[derive(Debug, Serialize)]
struct RangeOut {
    min: Option<Amount>,
    max: Option<Amount>,
    min_source: Option<&'static str>,
    max_source: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct SkippedOut {
    gate: &'static str,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct RatesOut<'a> {
    version: &'a str,
    as_of: Option<Time>,
    /// The customer's own that stood in for the table's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own: Vec<OwnRateOut>,
}

/// A customer's own exchange rate.
#[derive(Debug, Serialize)]
pub(crate) struct OwnRateOut {
    from: Shows<Currency>,
    to: Shows<Currency>,
    rate: String,
    units: u32,
    valid_from: Time,
}

impl OwnRateOut {
    pub(crate) fn of(rate: &OwnRate) -> Self {
        let OwnRate { from, to, rate, units, valid_from } = *rate;
        Self { from: Shows(from), to: Shows(to), rate: rate.to_string(), units, valid_from: Shows(valid_from) }
    }
}

#[derive(Debug, Serialize)]
struct ExplainOut<'a> {
    limits: Vec<LimitOut>,
    amount_range: Option<RangeOut>,
    skipped_gates: Vec<SkippedOut>,
    rates: RatesOut<'a>,
}

/// The answer to a reserve, a payment or a check.
#[derive(Debug, Serialize)]
pub(crate) struct DecisionOut<'a> {
    decision: &'static str,
    transaction_id: Option<&'a str>,
    status: &'static str,
    code: Option<u16>,
    reason: Option<&'static str>,
    codes: SmallVec<[CodeOut; 2]>,
    customer: CustomerOut<'a>,
    level: Option<LevelOut>,
    gates: SmallVec<[&'static str; 4]>,
    remaining: RemainingOut,
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    flags: SmallVec<[&'static str; 2]>,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    warnings: SmallVec<[&'static str; 2]>,
    config_version: &'a str,
    server_time: Time,
    /// Only in a stream, where no header can say it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replay: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    explain: Option<ExplainOut<'a>>,
}

impl<'a> DecisionOut<'a> {
    pub(crate) fn of(answer: &'a Answer<'_>, rules: &'a Rules, in_stream: bool) -> Self {
        let first = answer.violations.first();
        Self {
            decision: if first.is_none() { "allow" } else { "deny" },
            transaction_id: Some(answer.transaction_id).filter(|id| !id.is_empty()),
            status: answer.status.map_or("checked", |status| status.word()),
            code: first.map(|violation| violation.code.number()),
            reason: first.map(|violation| violation.code.reason()),
            codes: answer.violations.iter().map(CodeOut::of).collect(),
            customer: CustomerOut::of(&answer.customer, rules),
            level: answer.level.map(|(name, source)| LevelOut::of(name, source)),
            gates: answer.gates.iter().map(|gate| gate.as_str()).collect(),
            remaining: RemainingOut::of(&answer.headroom, answer.currency, rules),
            expires_at: answer.expires_at.map(Shows),
            flags: answer.flags.iter().map(|flag| flag.word()).collect(),
            warnings: answer.warnings.iter().map(|name| name.as_str()).collect(),
            config_version: &rules.version,
            server_time: Shows(answer.now),
            replay: in_stream && answer.replay,
            explain: explain(answer, rules),
        }
    }
}

fn explain<'a>(answer: &Answer<'_>, rules: &'a Rules) -> Option<ExplainOut<'a>> {
    let explanation = answer.explanation.as_deref()?;
    let units = rules.currencies.units(answer.currency);
    let amount = |value: u128| Shows(Minor { value, units });
    let limits = explanation.limits.iter().map(|limit| LimitOut::of(limit, answer.currency, rules));
    Some(ExplainOut {
        limits: limits.collect(),
        amount_range: explanation.amount_range.map(|(min, max)| RangeOut {
            min: min.map(|(value, _)| amount(u128::from(value))),
            max: max.map(|(value, _)| amount(u128::from(value))),
            min_source: min.map(|(_, layer)| layer.word()),
            max_source: max.map(|(_, layer)| layer.word()),
        }),
        skipped_gates: explanation
            .skipped_gates
            .iter()
            .map(|(gate, reason)| SkippedOut { gate: gate.as_str(), reason: reason.word() })
            .collect(),
        rates: RatesOut {
            version: &rules.rates.version,
            as_of: rules.rates.as_of.map(Shows),
            own: explanation.own_rates.iter().map(OwnRateOut::of).collect(),
        },
    })
}

impl LimitOut {
    /// One filter as it was read.
    pub(crate) fn of(limit: &LimitExplained, currency: Currency, rules: &Rules) -> Self {
        let units = rules.currencies.units(currency);
        let amount = |value: u128| Shows(Minor { value, units });
        let filter = &limit.filter;
        let used = limit.amount_used.ok();
        let amount_limit = filter.amount_limit.map(u128::from);
        Self {
            filter: filter.name.as_str(),
            window: WindowOut {
                calendar: filter.window.is_calendar(),
                start: limit.start.map(Shows),
                end: Shows(limit.end),
                frees_at: limit.frees_at.map(Shows),
            },
            span: span_word(filter.window),
            scope: filter.scope.word(),
            mode: filter.mode.word(),
            currency: Shows(currency),
            amount: AmountGauge {
                limit: amount_limit.map(amount),
                used: used.map(amount),
                remaining: amount_limit.zip(used).map(|(limit, used)| amount(limit.saturating_sub(used))),
                missing_rate: limit.amount_used.err().map(|pair| format!("{}/{}", pair.from, pair.to)),
            },
            quantity: QuantityGauge {
                limit: filter.quantity_limit,
                used: limit.quantity_used,
                remaining: filter.quantity_limit.map(|most| most.saturating_sub(limit.quantity_used)),
            },
        }
    }
}

/// The span of a window in words.
pub(crate) fn span_word(window: Window) -> String {
    use crate::domain::vocabulary::calendar::WeekStart;
    match window {
        Window::Rolling(ms) => show_span(ms),
        Window::RollingMonth => "same_day_month".to_owned(),
        Window::Lifetime => "lifetime".to_owned(),
        Window::Day => "day".to_owned(),
        Window::Week(WeekStart::Monday) => "week_from_monday".to_owned(),
        Window::Week(WeekStart::Sunday) => "week_from_sunday".to_owned(),
        Window::Month => "month".to_owned(),
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct MethodOut {
    pub(crate) method: &'static str,
    pub(crate) min: Option<Amount>,
    pub(crate) max: Option<Amount>,
    pub(crate) gates: Vec<&'static str>,
    pub(crate) edited: bool,
}

/// What a cashier page needs.
#[derive(Debug, Serialize)]
pub(crate) struct FormOut<'a> {
    pub(crate) methods: Vec<MethodOut>,
    pub(crate) customer: CustomerOut<'a>,
    pub(crate) level: Option<LevelOut>,
    pub(crate) remaining: RemainingOut,
    pub(crate) config_version: &'a str,
    pub(crate) server_time: Time,
}

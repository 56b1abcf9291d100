//! The shapes of answers. Field names are the contract's; amounts and times are texts.

use crate::{
    domain::{
        decision::{explanation::LimitExplained, gauge::Headroom},
        rules::configuration::Rules,
        transaction::opening::{LevelSource, Opening},
        vocabulary::{
            attributes::{Attribute, AttributeSet},
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::{CustomerId, CustomerView, PaymentAnswer},
    service::documents::{
        as_text::{Amount, AsText, Time, span_word},
        customers::own_rate::OwnRateDocument,
        payments::code::{CodeDocument, DeniedPayment},
    },
};
use serde::Serialize;
use serde_json::Value;
use smallvec::SmallVec;

#[derive(Debug, Serialize)]
pub(crate) struct CustomerReference<'a> {
    customer_id: Option<AsText<&'a CustomerId<'a>>>,
    merchant_customer_identifier: Option<&'a str>,
    resolution: &'static str,
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    labels: SmallVec<[&'static str; 1]>,
    /// The restrictions of the labels, which this daemon or another system enforces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restrictions: Vec<&'static str>,
}

impl<'a> CustomerReference<'a> {
    pub(crate) fn of(customer: &'a CustomerView<'_>, rules: &Rules) -> Self {
        Self {
            labels: customer.labels.iter().map(|label| label.as_str()).collect(),
            restrictions: restrictions(customer, rules),
            customer_id: customer.customer_id.as_ref().map(AsText),
            merchant_customer_identifier: customer.identifier.as_deref(),
            resolution: customer.resolution.word(),
            status: customer.status.map(|status| status.word()),
        }
    }
}

/// The restrictions of a customer's labels.
pub(crate) fn restrictions(customer: &CustomerView<'_>, rules: &Rules) -> Vec<&'static str> {
    if customer.labels.is_empty() {
        return Vec::new();
    }
    rules
        .merchant(customer.merchant.as_str())
        .map(|merchant| merchant.restrictions(&customer.labels))
        .unwrap_or_default()
}

#[derive(Debug, Serialize)]
pub(crate) struct AppliedLevel {
    name: Option<&'static str>,
    source: &'static str,
}

impl AppliedLevel {
    pub(crate) fn of(name: Option<Name>, source: LevelSource) -> Self {
        Self { name: name.map(Name::as_str), source: source.word() }
    }

    /// The level under which a transaction counts; `None`: it bypassed the rules.
    pub(crate) fn of_opening<Text>(opening: &Opening<Text>) -> Option<Self> {
        opening.counts().then(|| Self::of(opening.level, opening.level_source))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RemainingDocument {
    amount: Option<Amount>,
    quantity: Option<u64>,
    currency: AsText<Currency>,
}

impl RemainingDocument {
    pub(crate) fn of(headroom: &Headroom, currency: Currency, rules: &Rules) -> Self {
        let units = rules.currencies.units(currency);
        Self {
            amount: headroom.amount.map(|value| AsText(Minor { value: u128::from(value), units })),
            quantity: headroom.quantity,
            currency: AsText(currency),
        }
    }
}

#[derive(Debug, Serialize)]
struct WindowDocument {
    calendar: bool,
    start: Option<Time>,
    end: Time,
    frees_at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct AmountUsage {
    limit: Option<Amount>,
    used: Option<Amount>,
    remaining: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_rate: Option<String>,
}

#[derive(Debug, Serialize)]
struct QuantityUsage {
    limit: Option<u64>,
    used: u64,
    remaining: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FilterUsage {
    filter: &'static str,
    window: WindowDocument,
    span: String,
    scope: &'static str,
    owner: &'static str,
    mode: &'static str,
    currency: AsText<Currency>,
    amount: AmountUsage,
    quantity: QuantityUsage,
}

#[derive(Debug, Serialize)]
struct AmountRangeDocument {
    min: Option<Amount>,
    max: Option<Amount>,
    min_source: Option<&'static str>,
    max_source: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct SkippedGate {
    gate: &'static str,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct UsedRates<'a> {
    version: &'a str,
    as_of: Option<Time>,
    /// The customer's own that stood in for the table's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own: Vec<OwnRateDocument>,
}

#[derive(Debug, Serialize)]
struct ExplanationDocument<'a> {
    limits: Vec<FilterUsage>,
    amount_range: Option<AmountRangeDocument>,
    skipped_gates: Vec<SkippedGate>,
    rates: UsedRates<'a>,
}

/// The answer to a reserve, a payment or a check.
#[derive(Debug, Serialize)]
pub(crate) struct DecisionDocument<'a> {
    decision: &'static str,
    transaction_id: Option<&'a str>,
    status: &'static str,
    code: Option<u16>,
    reason: Option<&'static str>,
    codes: SmallVec<[CodeDocument<'a>; 2]>,
    customer: CustomerReference<'a>,
    level: Option<AppliedLevel>,
    gates: SmallVec<[&'static str; 4]>,
    remaining: RemainingDocument,
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
    explain: Option<ExplanationDocument<'a>>,
}

impl<'a> DecisionDocument<'a> {
    pub(crate) fn of(answer: &'a PaymentAnswer<'_>, rules: &'a Rules, in_stream: bool) -> Self {
        let first = answer.violations.first();
        let payment = DeniedPayment::of_answer(answer, rules);
        Self {
            decision: if first.is_none() { "allow" } else { "deny" },
            transaction_id: Some(answer.transaction_id).filter(|id| !id.is_empty()),
            status: answer.status.map_or("checked", |status| status.word()),
            code: first.map(|violation| violation.code.number()),
            reason: first.map(|violation| violation.code.reason()),
            codes: answer.violations.iter().map(|violation| CodeDocument { violation, payment }).collect(),
            customer: CustomerReference::of(&answer.customer, rules),
            level: answer.level.map(|(name, source)| AppliedLevel::of(name, source)),
            gates: answer.gates.iter().map(|gate| gate.as_str()).collect(),
            remaining: RemainingDocument::of(&answer.headroom, answer.currency, rules),
            expires_at: answer.expires_at.map(AsText),
            flags: answer.flags.iter().map(|flag| flag.word()).collect(),
            warnings: answer
                .warnings
                .iter()
                .map(|name| name.as_str())
                .chain(invalid_attribute_words(answer.invalid_attributes))
                .collect(),
            config_version: &rules.version,
            server_time: AsText(answer.now),
            replay: in_stream && answer.replay,
            explain: explain(answer, rules),
        }
    }
}

/// The attributes of a payment that are not of their form, as `warnings` names them.
pub(crate) fn invalid_attribute_words(invalid: AttributeSet) -> impl Iterator<Item = &'static str> {
    const WORDS: [(Attribute, &str); 3] = [
        (Attribute::Email, "customer.email"),
        (Attribute::Country, "customer.country"),
        (Attribute::DateOfBirth, "customer.date_of_birth"),
    ];
    let word = |attribute| WORDS.iter().find(|(known, _)| *known == attribute).map(|(_, word)| *word);
    invalid.iter().map(move |attribute| word(attribute).unwrap_or("customer"))
}

fn explain<'a>(answer: &PaymentAnswer<'_>, rules: &'a Rules) -> Option<ExplanationDocument<'a>> {
    let explanation = answer.explanation.as_deref()?;
    let units = rules.currencies.units(answer.currency);
    let amount = |value: u128| AsText(Minor { value, units });
    let limits = explanation.limits.iter().map(|limit| FilterUsage::of(limit, answer.currency, rules));
    Some(ExplanationDocument {
        limits: limits.collect(),
        amount_range: explanation.amount_range.map(|(min, max)| AmountRangeDocument {
            min: min.map(|(value, _)| amount(u128::from(value))),
            max: max.map(|(value, _)| amount(u128::from(value))),
            min_source: min.map(|(_, layer)| layer.word()),
            max_source: max.map(|(_, layer)| layer.word()),
        }),
        skipped_gates: explanation
            .skipped_gates
            .iter()
            .map(|(gate, reason)| SkippedGate { gate: gate.as_str(), reason: reason.word() })
            .collect(),
        rates: UsedRates {
            version: &rules.rates.version,
            as_of: rules.rates.as_of.map(AsText),
            own: explanation.own_rates.iter().map(OwnRateDocument::of).collect(),
        },
    })
}

impl FilterUsage {
    /// One filter as it was read.
    pub(crate) fn of(limit: &LimitExplained, currency: Currency, rules: &Rules) -> Self {
        let units = rules.currencies.units(currency);
        let amount = |value: u128| AsText(Minor { value, units });
        let filter = &limit.filter;
        let used = limit.amount_used.ok();
        let amount_limit = filter.amount_limit.map(u128::from);
        Self {
            filter: filter.name.as_str(),
            window: WindowDocument {
                calendar: filter.window.is_calendar(),
                start: limit.start.map(AsText),
                end: AsText(limit.end),
                frees_at: limit.frees_at.map(AsText),
            },
            span: span_word(filter.window),
            scope: filter.scope.word(),
            owner: limit.owner.word(),
            mode: filter.mode.word(),
            currency: AsText(currency),
            amount: AmountUsage {
                limit: amount_limit.map(amount),
                used: used.map(amount),
                remaining: amount_limit.zip(used).map(|(limit, used)| amount(limit.saturating_sub(used))),
                missing_rate: limit.amount_used.err().map(|pair| format!("{}/{}", pair.from, pair.to)),
            },
            quantity: QuantityUsage {
                limit: filter.quantity_limit,
                used: limit.quantity_used,
                remaining: filter.quantity_limit.map(|most| most.saturating_sub(limit.quantity_used)),
            },
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct MethodDocument {
    pub(crate) method: &'static str,
    pub(crate) min: Option<Amount>,
    pub(crate) max: Option<Amount>,
    pub(crate) gates: Vec<&'static str>,
    pub(crate) edited: bool,
}

/// What a cashier page needs.
#[derive(Debug, Serialize)]
pub(crate) struct PaymentFormDocument<'a> {
    pub(crate) methods: Vec<MethodDocument>,
    /// The stored instruments that may pay, the default first, then the last used one.
    pub(crate) payment_instruments: Vec<Value>,
    pub(crate) customer: CustomerReference<'a>,
    pub(crate) level: Option<AppliedLevel>,
    pub(crate) remaining: RemainingDocument,
    pub(crate) config_version: &'a str,
    pub(crate) server_time: Time,
}

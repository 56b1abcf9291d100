//! The shapes of answers. Field names are the contract's; amounts and times are texts.

use crate::{
    config::schema::{
        texts::{
            CurrencyPairText, DecisionStatus, IdentifierText, NameText, ReasonText, SpanText, TransactionIdText,
            VersionText,
        },
        words::WordOf,
    },
    domain::{
        customer::status::CustomerStatus,
        decision::{
            explanation::LimitExplained, gauge::Headroom, held_usage::HeldUsage, method_settings::SettingLayer,
        },
        routing::gates::SkipReason,
        rules::{
            configuration::Rules,
            filter::{FilterMode, FilterScope},
        },
        transaction::{
            opening::{CustomerResolution, LevelSource, Opening},
            status::Flag,
            violation::LimitOwner,
        },
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
        payments::code::{CodeDocument, CodeFields, DeniedPayment},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use smallvec::SmallVec;

/// The customer of a payment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CustomerReference<'a> {
    /// The id of the customer. `null`: a check about an unknown customer.
    customer_id: Option<AsText<&'a CustomerId<'a>>>,
    /// The merchant's own identifier, if the customer has one.
    #[schemars(with = "Option<IdentifierText>")]
    merchant_customer_identifier: Option<&'a str>,
    /// How the customer was found.
    #[schemars(with = "WordOf<CustomerResolution>")]
    resolution: &'static str,
    /// The status of the customer. `null`: there is no customer.
    #[schemars(with = "Option<WordOf<CustomerStatus>>")]
    status: Option<&'static str>,
    /// The labels of the customer; absent if there are none.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<NameText>")]
    labels: SmallVec<[&'static str; 1]>,
    /// The restrictions of the labels, for all systems that enforce them; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<NameText>")]
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
    let merchant = rules.merchant(customer.merchant.as_str()).filter(|_| !customer.labels.is_empty());
    merchant.map(|merchant| merchant.restrictions(&customer.labels)).unwrap_or_default()
}

/// The level that applies to a payment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AppliedLevel {
    /// The level under which the payment counts. `null`: no level applies.
    #[schemars(with = "Option<NameText>")]
    name: Option<&'static str>,
    /// Why this level applies.
    #[schemars(with = "WordOf<LevelSource>")]
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

/// What is left: the least of all filters that deny.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Remaining")]
pub(crate) struct RemainingDocument {
    /// The amount that is left. `null`: nothing limits it.
    amount: Option<Amount>,
    /// The number of transactions that is left. `null`: nothing limits it.
    quantity: Option<u64>,
    /// The currency of the amount.
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

/// The window of a filter.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LimitWindow")]
struct WindowDocument {
    /// Whether the window is aligned to the calendar; otherwise it rolls.
    calendar: bool,
    /// The start of the window. `null`: all of the past.
    start: Option<Time>,
    /// The end of the window.
    end: Time,
    /// When the usage next falls. `null`: it does not.
    frees_at: Option<Time>,
}

/// The amounts of a filter.
#[derive(Debug, Serialize, JsonSchema)]
struct AmountUsage {
    /// The limit. `null`: amounts are not limited.
    limit: Option<Amount>,
    /// What is used. `null`: a rate is missing.
    used: Option<Amount>,
    /// The part of the used amount that open holds keep; only in the usage of a customer. Absent: a rate is missing, or the
    /// customer has too many transactions in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Amount>,
    /// What is left. `null`: amounts are not limited, or a rate is missing.
    remaining: Option<Amount>,
    /// The currencies without a rate; absent if none is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CurrencyPairText>")]
    missing_rate: Option<String>,
}

/// The numbers of transactions of a filter.
#[derive(Debug, Serialize, JsonSchema)]
struct QuantityUsage {
    /// The limit. `null`: the number is not limited.
    limit: Option<u64>,
    /// The number of transactions.
    used: u64,
    /// The transactions that count only because of an open hold; only in the usage of a customer. Absent: the customer has too
    /// many transactions in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    /// What is left. `null`: the number is not limited.
    remaining: Option<u64>,
}

/// One filter: what is used and what is left.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FilterUsage {
    /// The name of the filter.
    #[schemars(with = "NameText")]
    filter: &'static str,
    /// Its window now.
    window: WindowDocument,
    /// The span of the window in words.
    #[schemars(with = "SpanText")]
    span: String,
    /// Which transactions it counts.
    #[schemars(with = "WordOf<FilterScope>")]
    scope: &'static str,
    /// Who set it.
    #[schemars(with = "WordOf<LimitOwner>")]
    owner: &'static str,
    /// Whether it denies payments.
    #[schemars(with = "WordOf<FilterMode>")]
    mode: &'static str,
    /// The currency of the amounts.
    currency: AsText<Currency>,
    /// The amounts.
    amount: AmountUsage,
    /// The numbers of transactions.
    quantity: QuantityUsage,
}

/// The amounts that a payment method takes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AmountRange")]
struct AmountRangeDocument {
    /// The smallest amount. `null`: there is none.
    min: Option<Amount>,
    /// The largest amount. `null`: there is none.
    max: Option<Amount>,
    /// Where the minimum comes from.
    #[schemars(with = "Option<WordOf<SettingLayer>>")]
    min_source: Option<&'static str>,
    /// Where the maximum comes from.
    #[schemars(with = "Option<WordOf<SettingLayer>>")]
    max_source: Option<&'static str>,
}

/// A gate that is left out.
#[derive(Debug, Serialize, JsonSchema)]
struct SkippedGate {
    /// The gate.
    #[schemars(with = "NameText")]
    gate: &'static str,
    /// Why it is left out.
    #[schemars(with = "WordOf<SkipReason>")]
    reason: &'static str,
}

/// The rates that were used.
#[derive(Debug, Serialize, JsonSchema)]
struct UsedRates<'a> {
    /// The version of the rate table.
    #[schemars(with = "VersionText")]
    version: &'a str,
    /// The time of the rates. `null`: none is known.
    as_of: Option<Time>,
    /// The customer's own rates that were used instead of the table's; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own: Vec<OwnRateDocument>,
}

/// Why a payment was decided so.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Explanation")]
struct ExplanationDocument<'a> {
    /// Every filter.
    limits: Vec<FilterUsage>,
    /// The amounts that the method takes. `null`: no range applies.
    amount_range: Option<AmountRangeDocument>,
    /// The gates that are left out.
    skipped_gates: Vec<SkippedGate>,
    /// The rates that were used.
    rates: UsedRates<'a>,
}

/// The answer to a reserve, a payment or a check.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Decision")]
pub(crate) struct DecisionDocument<'a> {
    /// Whether the payment may pass.
    #[schemars(extend("enum" = ["allow", "deny"]))]
    decision: &'static str,
    /// The transaction. `null`: a check without an id.
    #[schemars(with = "Option<TransactionIdText>")]
    transaction_id: Option<&'a str>,
    /// The status of the transaction now; `checked` for a check.
    #[schemars(with = "DecisionStatus")]
    status: &'static str,
    /// The first code of a denial; see `codes`. `null`: the payment is allowed.
    code: Option<u16>,
    /// The reason of the first code. `null`: the payment is allowed.
    #[schemars(with = "Option<ReasonText>")]
    reason: Option<&'static str>,
    /// Every reason of a denial, the first one first.
    #[schemars(with = "Vec<CodeFields<'static>>")]
    codes: SmallVec<[CodeDocument<'a>; 2]>,
    /// The customer.
    customer: CustomerReference<'a>,
    /// The level that applies. `null`: the customer rules were bypassed.
    level: Option<AppliedLevel>,
    /// The eligible gates, the best first; empty for a denial.
    #[schemars(with = "Vec<NameText>")]
    gates: SmallVec<[&'static str; 4]>,
    /// What is left after this payment; for a denial, as it is.
    remaining: RemainingDocument,
    /// The end of the hold. `null`: there is no hold, or it never ends.
    expires_at: Option<Time>,
    /// The flags of the transaction; absent if there are none.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<WordOf<Flag>>")]
    flags: SmallVec<[&'static str; 2]>,
    /// Filters whose `warn_at` the payment reaches, and invalid attributes; absent if there are none.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<NameText>")]
    warnings: SmallVec<[&'static str; 2]>,
    /// The rules by which the payment was decided.
    #[schemars(with = "VersionText")]
    config_version: &'a str,
    /// The time of the decision.
    server_time: Time,
    /// Only `true`, in a stream: the answer was given before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replay: bool,
    /// With `explain`.
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
                held: None,
                remaining: amount_limit.zip(used).map(|(limit, used)| amount(limit.saturating_sub(used))),
                missing_rate: limit.amount_used.err().map(|pair| format!("{}/{}", pair.from, pair.to)),
            },
            quantity: QuantityUsage {
                limit: filter.quantity_limit,
                used: limit.quantity_used,
                held: None,
                remaining: filter.quantity_limit.map(|most| most.saturating_sub(limit.quantity_used)),
            },
        }
    }

    /// The same with the part that open holds contribute. `None`: it is not known.
    pub(crate) fn with_held(mut self, held: Option<HeldUsage>, currency: Currency, rules: &Rules) -> Self {
        let units = rules.currencies.units(currency);
        let amount = held.and_then(|held| held.amount.ok());
        self.amount.held = amount.map(|value| AsText(Minor { value, units }));
        self.quantity.held = held.map(|held| held.quantity);
        self
    }
}

//! The codes of a denial as documents: what failed, whose limit it is, and the figures of the decision.
//!
//! The answer of a reserve and every later answer about the transaction show the same figures: those of the record.

use crate::{
    config::schema::{
        amounts::AmountText,
        texts::{
            CurrencyPairText, FieldText, InstrumentTokenText, NameText, ReasonText, SentenceText, SpanText,
            TokenNameText,
        },
        words::WordOf,
    },
    domain::{
        rules::{configuration::Rules, filter::FilterScope, labels::Restriction},
        transaction::{
            opening::Opening,
            violation::{CustomerBlocks, LimitFigures, LimitOwner, Violation, ViolationDetail},
        },
        vocabulary::{
            attributes::Attribute,
            denial_codes::DenialCode,
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::PaymentAnswer,
    service::documents::as_text::{Amount, AsText, Time, span_word},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

/// What the codes of a payment have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeniedPayment<'a> {
    currency: Currency,
    units: u8,
    /// Minor units.
    asked: u64,
    project: Name,
    instrument: Option<&'a str>,
}

impl<'a> DeniedPayment<'a> {
    pub(crate) fn of_answer(answer: &'a PaymentAnswer<'_>, rules: &Rules) -> Self {
        let &PaymentAnswer { currency, asked, project, instrument, .. } = answer;
        Self { currency, units: rules.currencies.units(currency), asked, project, instrument }
    }

    pub(crate) fn of_opening(opening: &'a Opening, rules: &Rules) -> Self {
        let (content, instrument) = (&opening.content, opening.instrument.as_deref());
        let units = rules.currencies.units(content.currency);
        Self { currency: content.currency, units, asked: content.amount, project: content.project, instrument }
    }

    fn amount(&self, value: u64) -> Amount {
        AsText(Minor { value: u128::from(value), units: self.units })
    }
}

/// One code of a denial. It is made when it is written, so it takes no room in the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeDocument<'a> {
    pub(crate) violation: &'a Violation,
    pub(crate) payment: DeniedPayment<'a>,
}

impl Serialize for CodeDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(serializer)
    }
}

/// One code of a denial, with the figures of the decision.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "DenialCode")]
pub(crate) struct CodeFields<'a> {
    /// The number of the code. It is stable.
    code: u16,
    /// Its reason.
    #[schemars(with = "ReasonText")]
    reason: &'static str,
    /// The filter that denies. `null`: the code comes from no filter.
    #[schemars(with = "Option<NameText>")]
    filter: Option<&'static str>,
    /// With 19104: the currencies without a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CurrencyPairText>")]
    pair: Option<String>,
    /// Which transactions the limit counts, as in `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WordOf<FilterScope>>")]
    scope: Option<&'static str>,
    /// Who set the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WordOf<LimitOwner>>")]
    owner: Option<&'static str>,
    /// Of a filter: its window.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowFields>,
    /// Of a filter: the span of the window in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SpanText>")]
    span: Option<String>,
    /// The currency of the amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<AsText<Currency>>,
    /// The amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<AmountFields>,
    /// The numbers of transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<QuantityFields>,
    /// With 19106: the blocked instrument, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<InstrumentTokenText>")]
    payment_instrument: Option<&'a str>,
    /// With 19106: the attribute in `customer` that names the blocked instrument, where the payment names none itself. Its
    /// value is not repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FieldText>")]
    attribute: Option<&'static str>,
    /// With 19100: every cause.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<BlockFields>")]
    blocked_by: SmallVec<[BlockFields; 1]>,
    /// False where the record of the denial has no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures_recorded: Option<bool>,
    /// With 19106, for staff: since when and by whom the instrument is blocked.
    #[serde(flatten)]
    origin: Option<OriginFields>,
}

/// Since when and by whom something is blocked. It is added to an answer for staff, from the histories.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BlockOrigin")]
pub(crate) struct OriginFields {
    /// When the block began.
    pub(crate) since: Time,
    /// The name of the token that set it. `null`: it is not shown.
    #[schemars(with = "Option<TokenNameText>")]
    pub(crate) by: Option<&'static str>,
}

/// A blocked instrument of a customer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BlockedInstrument")]
pub(crate) struct BlockedInstrument<'a> {
    /// The instrument.
    #[schemars(with = "InstrumentTokenText")]
    pub(crate) payment_instrument: &'a str,
    /// Since when and by whom it is blocked.
    #[serde(flatten)]
    pub(crate) origin: OriginFields,
}

/// The window of a filter that denies.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DenialWindow")]
struct WindowFields {
    /// Whether the window is aligned to the calendar; otherwise it rolls.
    calendar: bool,
    /// The start of the window. `null`: all of the past.
    start: Option<Time>,
    /// The end of the window.
    end: Time,
}

/// The amounts of a denial.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DenialAmount")]
struct AmountFields {
    /// The limit.
    limit: Amount,
    /// What was used before this payment. `null`: a rate was missing. Absent: a minimum or a maximum uses nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AmountText>")]
    used: Option<Option<Amount>>,
    /// The amount of the payment.
    asked: Amount,
}

/// The numbers of transactions of a denial.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DenialQuantity")]
struct QuantityFields {
    /// The limit.
    limit: u64,
    /// The number of transactions before this payment. `null`: it was not recorded.
    used: Option<u64>,
    /// Always 1.
    asked: u64,
}

/// One cause of a block.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "BlockCause")]
struct BlockFields {
    /// What blocks the customer.
    #[schemars(extend("enum" = ["erased", "status", "instrument", "label", "project"]))]
    cause: &'static str,
    /// Of `label`: the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    label: Option<&'static str>,
    /// Of `label`: its restriction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WordOf<Restriction>>")]
    restriction: Option<&'static str>,
    /// Of `project`: the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NameText>")]
    project: Option<&'static str>,
    /// The cause in words.
    #[schemars(with = "SentenceText")]
    detail: &'static str,
    /// For staff: since when and by whom the cause applies.
    #[serde(flatten)]
    origin: Option<OriginFields>,
    /// For staff, of `instrument`: the blocked instruments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<BlockedInstrument<'static>>")]
    payment_instruments: Vec<BlockedInstrument<'static>>,
}

impl<'a> CodeDocument<'a> {
    fn fields(&self) -> CodeFields<'a> {
        let Self { violation: &Violation { code, filter, pair, detail }, payment } = *self;
        let plain = CodeFields {
            code: code.number(),
            reason: code.reason(),
            filter: filter.map(Name::as_str),
            pair: pair.map(|pair| format!("{}/{}", pair.from, pair.to)),
            ..CodeFields::default()
        };
        match detail {
            Some(ViolationDetail::Limit(figures)) => with_figures(plain, code, &figures, &payment),
            Some(ViolationDetail::Bound { owner, bound }) => CodeFields {
                owner: Some(owner.word()),
                currency: Some(AsText(payment.currency)),
                amount: Some(AmountFields {
                    limit: payment.amount(bound),
                    used: None,
                    asked: payment.amount(payment.asked),
                }),
                ..plain
            },
            Some(ViolationDetail::Block(blocks)) => {
                CodeFields { blocked_by: causes(&blocks, payment.project), ..plain }
            }
            None if code == DenialCode::PaymentInstrumentBlocked => {
                let attribute = payment.instrument.is_none().then(|| Attribute::PaymentInstrument.word());
                CodeFields { payment_instrument: payment.instrument, attribute, ..plain }
            }
            None => CodeFields { figures_recorded: code.has_figures().then_some(false), ..plain },
        }
    }
}

fn with_figures<'a>(
    plain: CodeFields<'a>,
    code: DenialCode,
    figures: &LimitFigures,
    payment: &DeniedPayment<'_>,
) -> CodeFields<'a> {
    let LimitFigures { owner, scope, limit, used, window, start, end } = *figures;
    let fields = CodeFields {
        scope: Some(scope.word()),
        owner: Some(owner.word()),
        window: Some(WindowFields { calendar: window.is_calendar(), start: start.map(AsText), end: AsText(end) }),
        span: Some(span_word(window)),
        ..plain
    };
    if code.is_quantity() {
        return CodeFields { quantity: Some(QuantityFields { limit, used, asked: 1 }), ..fields };
    }
    let amount = AmountFields {
        limit: payment.amount(limit),
        used: Some(used.map(|used| payment.amount(used))),
        asked: payment.amount(payment.asked),
    };
    CodeFields { currency: Some(AsText(payment.currency)), amount: Some(amount), ..fields }
}

/// Every cause of a block. The history of the customer says when and by whom each was set.
fn causes(blocks: &CustomerBlocks, project: Name) -> SmallVec<[BlockFields; 1]> {
    let CustomerBlocks { fraud, instrument_fraud, erased, project: is_switched_off, label } = *blocks;
    let cause = |holds: bool, cause, detail| holds.then(|| BlockFields { cause, detail, ..BlockFields::default() });
    let of_project = cause(is_switched_off, "project", "the customer is switched off for the project");
    let of_label = cause(label.is_some(), "label", "a label of the customer forbids the payment");
    [
        cause(erased, "erased", "the customer is erased"),
        cause(fraud, "status", "the status is fraud: set by hand, or by a signal that names no instrument"),
        cause(
            instrument_fraud,
            "instrument",
            "an instrument of the customer is blocked, and the payment names no instrument",
        ),
        of_label.map(|fields| BlockFields {
            label: label.map(|(label, _)| label.as_str()),
            restriction: label.map(|(_, restriction)| restriction.word()),
            ..fields
        }),
        of_project.map(|fields| BlockFields { project: Some(project.as_str()), ..fields }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

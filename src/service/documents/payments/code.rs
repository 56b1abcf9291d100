//! The codes of a denial as documents: what failed, whose limit it is, and the figures of the decision.
//!
//! The answer of a reserve and every later answer about the transaction show the same figures: those of the record.

use crate::{
    domain::{
        rules::configuration::Rules,
        transaction::{
            opening::Opening,
            violation::{CustomerBlocks, LimitFigures, Violation, ViolationDetail},
        },
        vocabulary::{
            denial_codes::DenialCode,
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::PaymentAnswer,
    service::documents::as_text::{Amount, AsText, Time, span_word},
};
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

#[derive(Debug, Default, Serialize)]
struct CodeFields<'a> {
    code: u16,
    reason: &'static str,
    filter: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
    /// Which transactions the limit counts, as in `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    /// Who set the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<AsText<Currency>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<AmountFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<QuantityFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_instrument: Option<&'a str>,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    blocked_by: SmallVec<[BlockFields; 1]>,
    /// False where the record of the denial has no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures_recorded: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WindowFields {
    calendar: bool,
    start: Option<Time>,
    end: Time,
}

#[derive(Debug, Serialize)]
struct AmountFields {
    limit: Amount,
    /// Null: a rate was missing. Absent: a minimum or a maximum uses nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Option<Amount>>,
    asked: Amount,
}

#[derive(Debug, Serialize)]
struct QuantityFields {
    limit: u64,
    used: Option<u64>,
    asked: u64,
}

/// One cause of a block.
#[derive(Debug, Default, Serialize)]
struct BlockFields {
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restriction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'static str>,
    detail: &'static str,
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
                CodeFields { payment_instrument: payment.instrument, ..plain }
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

//! Transitions: approve, decline, cancel, refund, chargeback, extend, attempt.

use crate::{
    domain::{
        decision::payment::{Payment, PaymentPurpose},
        request::{
            fields::{check_length, check_no_control, check_transaction_id, parse_currency, parse_time, parse_word},
            identifier_text::{self},
            refusal::Refusal,
        },
        transaction::transition::{Approval, CaptureAmount, Operation, Reversal},
        vocabulary::{
            attributes::ATTRIBUTE_BYTES_MAX,
            money::{AmountError, MINOR_UNITS_MAX, parse_amount},
        },
    },
    ledger::{ExpectedContent, TransitionRequest},
    service::{
        documents::payments::{
            fields::{PaymentFields, TextField},
            transaction::TransitionDocument,
        },
        error::ServiceError,
        payments::{operation::OperationContext, payment_service::PaymentService, reserve::request},
        reply::{Answered, Reply, render},
    },
};
use std::borrow::Cow;

impl PaymentService {
    pub(super) fn transition(
        &self,
        context: OperationContext<'_>,
        fields: &PaymentFields<'_>,
        operation: impl FnOnce(&PaymentFields<'_>) -> Result<Operation, ServiceError>,
    ) -> Answered {
        let OperationContext { rules, merchant, is_in_stream } = context;
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = check_transaction_id(Cow::Borrowed(&id.0))?;
        let occurred_at = parse_time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let operation = operation(fields)?;
        let stamp = self.clock.stamp(occurred_at)?;
        let expected = ExpectedContent::default();
        let step = TransitionRequest {
            merchant,
            transaction_id: &id,
            operation: &operation,
            occurred_at,
            expected,
            in_stream: is_in_stream,
        };
        let moved = self.ledger.transition(rules, &step.stamped(stamp.is_accepted), None, stamp.at)?;
        self.meters.count_transition(moved.replay);
        if !moved.replay {
            self.count_attempt(rules, merchant, &operation);
        }
        let body = render(&TransitionDocument::of(&moved, rules, is_in_stream));
        let depends_on_lsn = Some(moved.depends_on_lsn);
        Ok(Reply { is_replay: moved.replay, depends_on_lsn, ..Reply::from_body(body) })
    }

    pub(super) fn approve(&self, context: OperationContext<'_>, fields: PaymentFields<'_>) -> Answered {
        let OperationContext { rules, merchant, is_in_stream } = context;
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = check_transaction_id(Cow::Owned(id.0.to_string()))?;
        let occurred_at = parse_time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let amount = fields.amount_text()?.map(Cow::into_owned);
        amount.as_deref().map(amount_form).transpose()?;
        let has_amount = amount.is_some();
        let operation = Operation::Approve(Approval {
            amount: amount.map_or(CaptureAmount::Left, CaptureAmount::Written),
            capture_id: opaque_text("capture_id", fields.capture_id.as_ref())?,
            is_final: fields.r#final.is_none_or(|flag| flag.0),
            gate: opaque_text("gate", fields.gate.as_ref())?,
            instrument: instrument(fields.payment_instrument.as_ref())?,
        });
        let expected = ExpectedContent {
            direction: fields.direction.as_ref().map(|text| parse_word("direction", &text.0)).transpose()?,
            currency: fields.currency.as_ref().map(|text| parse_currency(rules, &text.0)).transpose()?,
        };
        let reserves = expected.direction.is_some() && expected.currency.is_some();
        let request = request(fields)?;
        let late = || match has_amount {
            true => Payment::admit(rules, merchant, request.clone(), PaymentPurpose::Record),
            false => Err(Refusal::NeededToRecord("amount")),
        };
        let late: Option<&dyn Fn() -> _> = if reserves { Some(&late) } else { None };
        let stamp = self.clock.stamp(occurred_at)?;
        let step = TransitionRequest {
            merchant,
            transaction_id: &id,
            operation: &operation,
            occurred_at,
            expected,
            in_stream: is_in_stream,
        };
        let moved = self.ledger.transition(rules, &step.stamped(stamp.is_accepted), late, stamp.at)?;
        self.meters.count_transition(moved.replay);
        let body = render(&TransitionDocument::of(&moved, rules, is_in_stream));
        let depends_on_lsn = Some(moved.depends_on_lsn);
        Ok(Reply { is_replay: moved.replay, depends_on_lsn, ..Reply::from_body(body) })
    }
}

/// Checks the form of a transition's amount. The number of its digits depends on a currency that is not known yet.
fn amount_form(text: &str) -> Result<(), Refusal> {
    match parse_amount(text, MINOR_UNITS_MAX) {
        Err(error @ (AmountError::Malformed | AmountError::Zero)) => Err(Refusal::Amount { field: "amount", error }),
        _ => Ok(()),
    }
}

/// The money that a cancel, a refund or a chargeback gives back.
pub(super) fn take_back(
    fields: &PaymentFields<'_>,
    id: Option<&TextField<'_>>,
    id_field: &'static str,
) -> Result<Reversal, ServiceError> {
    let amount = fields.amount_text()?.map(Cow::into_owned);
    let id = opaque_text(id_field, id)?;
    if let Some(text) = &amount {
        amount_form(text)?;
    }
    Ok(Reversal { amount, id })
}

/// An opaque text: an id of a transition, or a gate or an outcome of an attempt. White space at its ends is part of it.
pub(super) fn opaque_text(field: &'static str, text: Option<&TextField<'_>>) -> Result<Option<String>, Refusal> {
    let Some(text) = text.filter(|text| !text.0.is_empty()) else { return Ok(None) };
    check_length(field, &text.0, ATTRIBUTE_BYTES_MAX)?;
    check_no_control(field, &text.0)?;
    Ok(Some(text.0.to_string()))
}

/// The token of a payment instrument.
fn instrument(text: Option<&TextField<'_>>) -> Result<Option<String>, Refusal> {
    const FIELD: &str = "payment_instrument";
    let id = identifier_text::parse(FIELD, text.map_or("", |text| &text.0))?;
    Ok(id.map(str::to_owned))
}

//! Transitions: approve, decline, cancel, refund, chargeback, extend, attempt.

use crate::{
    clock::Stamp,
    domain::{
        decision::payment::{Payment, PaymentPurpose},
        request::{
            fields::{check_length, check_no_control, check_transaction_id, parse_currency, parse_time, parse_word},
            identifier_text::{self},
            refusal::Refusal,
        },
        rules::configuration::Rules,
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
        payments::{
            admitted::{AdmittedOperation, AdmittedTransition, UnreservedRequest},
            operation::OperationContext,
            payment_service::PaymentService,
            reserve::request,
        },
        reply::{Answered, Reply, render},
    },
};
use std::borrow::Cow;

impl PaymentService {
    pub(super) fn transition(
        &self,
        context: OperationContext<'_>,
        admitted: &AdmittedTransition<'_>,
        stamp: Stamp,
    ) -> Answered {
        let OperationContext { rules, merchant, is_in_stream } = context;
        let AdmittedTransition { transaction_id, operation, occurred_at, expected, unreserved } = admitted;
        let payment = || match unreserved {
            Some(UnreservedRequest { request, has_amount: true }) => {
                Payment::admit(rules, merchant, request.clone(), PaymentPurpose::Record)
            }
            _ => Err(Refusal::NeededToRecord("amount")),
        };
        let payment: Option<&dyn Fn() -> _> = if unreserved.is_some() { Some(&payment) } else { None };
        let step = TransitionRequest {
            merchant,
            transaction_id,
            operation,
            occurred_at: *occurred_at,
            expected: *expected,
            in_stream: is_in_stream,
        };
        let moved = self.ledger.transition(rules, &step.stamped(stamp.is_accepted), payment, stamp.at)?;
        self.meters.count_transition(moved.replay);
        if !moved.replay {
            self.count_attempt(rules, merchant, operation);
        }
        let body = render(&TransitionDocument::of(&moved, rules, is_in_stream));
        let depends_on_lsn = Some(moved.depends_on_lsn);
        Ok(Reply { is_replay: moved.replay, depends_on_lsn, ..Reply::from_body(body) })
    }
}

/// Parses an operation on a transaction. `operation` reads what is its own.
pub(super) fn admit_transition<'a>(
    mut fields: PaymentFields<'a>,
    operation: impl FnOnce(&PaymentFields<'_>) -> Result<Operation, ServiceError>,
) -> Result<AdmittedOperation<'a>, ServiceError> {
    let id = fields.transaction_id.take().ok_or(Refusal::Missing("transaction_id"))?;
    let transaction_id = check_transaction_id(id.0)?;
    let occurred_at = parse_time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
    let operation = operation(&fields)?;
    let expected = ExpectedContent::default();
    Ok(AdmittedOperation::Transition(AdmittedTransition {
        transaction_id,
        operation,
        occurred_at,
        expected,
        unreserved: None,
    }))
}

/// Parses an approval, which may contain the fields of a reserve.
pub(super) fn admit_approve<'a>(
    rules: &Rules,
    fields: PaymentFields<'a>,
) -> Result<AdmittedOperation<'a>, ServiceError> {
    let id = fields.transaction_id.clone().ok_or(Refusal::Missing("transaction_id"))?;
    let transaction_id = check_transaction_id(id.0)?;
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
    let unreserved = reserves.then_some(UnreservedRequest { request, has_amount });
    Ok(AdmittedOperation::Transition(AdmittedTransition {
        transaction_id,
        operation,
        occurred_at,
        expected,
        unreserved,
    }))
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

//! From the bytes of a call or a line to the operation that they name.

use crate::{
    domain::{
        request::{
            fields::{parse_time, parse_word},
            refusal::Refusal,
        },
        transaction::{
            fact::CancelOf,
            transition::{Operation, ProcessorOutcome},
        },
        vocabulary::words::Word,
    },
    service::{
        commit::AnswerKind,
        documents::{
            card_guard::no_card_in_fields,
            payments::fields::{LINE_FIELDS, PaymentFields, TextField},
        },
        error::ServiceError,
        payments::{
            operation::{OperationContext, PaymentOperation, fields_taken},
            payment_service::PaymentService,
            precedence::{CallTarget, first_error},
            transitions::{opaque_text, take_back},
        },
        reply::Answered,
    },
};
use std::borrow::Cow;

impl PaymentService {
    /// Answers a line of a batch or a replay. `may_enter` says whether the caller may act for a merchant.
    ///
    /// # Errors
    /// The first refusal of the line.
    pub fn line(&self, line: &[u8], may_enter: impl Fn(&str) -> Result<(), ServiceError>) -> Answered {
        let answered = self.read_line(line, &may_enter);
        let state = (&self.ledger, &self.rules);
        answered.map_err(|error| first_error(state, CallTarget::default(), line, error, may_enter))
    }

    fn read_line(&self, line: &[u8], may_enter: impl Fn(&str) -> Result<(), ServiceError>) -> Answered {
        let mut fields = PaymentFields::read(line, || fields_of_line(line))?;
        // The settings of a merchant that the caller does not reach have no effect.
        let named = fields.merchant.as_ref().map(|text| text.0.as_ref());
        let guarded_as = named.filter(|merchant| may_enter(merchant).is_ok()).unwrap_or_default();
        self.refuse_card_numbers(&fields, guarded_as)?;
        let operation = match fields.op.as_ref() {
            Some(text) => parse_word::<PaymentOperation>("op", &text.0)?,
            None => return Err(Refusal::Missing("op").into()),
        };
        let Some(merchant) = fields.merchant.take() else { return Err(Refusal::Missing("merchant").into()) };
        may_enter(&merchant.0)?;
        if let Some(at) = fields.at.take() {
            if fields.occurred_at.is_some() {
                let detail = "`at` and `occurred_at` are the same field; send one of them";
                return Err(ServiceError::malformed("duplicate_field", detail).at("occurred_at"));
            }
            fields.occurred_at = Some(at);
        }
        self.operate(operation, &merchant.0, fields, LINE_FIELDS)
    }

    /// Answers a single call. The path names the operation, the merchant and, of a transition, the transaction.
    ///
    /// # Errors
    /// The first refusal.
    pub fn call(
        &self,
        operation: PaymentOperation,
        merchant: &str,
        transaction: Option<&str>,
        body: &[u8],
    ) -> Answered {
        // A transition that needs no field may have no body.
        let body: &[u8] = if transaction.is_some() && body.trim_ascii().is_empty() { b"{}" } else { body };
        let target = CallTarget { operation: Some(operation), merchant: Some(merchant), transaction };
        let answered = self.read_call(operation, merchant, transaction, body);
        let state = (&self.ledger, &self.rules);
        answered.map_err(|error| first_error(state, target, body, error, |_| Ok(())))
    }

    fn read_call(
        &self,
        operation: PaymentOperation,
        merchant: &str,
        transaction: Option<&str>,
        body: &[u8],
    ) -> Answered {
        let also_taken: &[&str] = if transaction.is_none() { &["transaction_id"] } else { &[] };
        let mut fields = PaymentFields::read(body, || [also_taken, &fields_taken(operation).concat()].concat())?;
        self.refuse_card_numbers(&fields, merchant)?;
        if let Some(id) = transaction {
            if fields.transaction_id.is_some() {
                let detail = "`transaction_id` is in the path";
                return Err(ServiceError::malformed("unknown_field", detail).at("transaction_id"));
            }
            fields.transaction_id = Some(TextField(Cow::Borrowed(id)));
            return self.operate(operation, merchant, fields, &["transaction_id"]);
        }
        self.operate(operation, merchant, fields, also_taken)
    }

    /// Does an operation with fields of which it takes its own and those in `also_taken`.
    fn operate(
        &self,
        operation: PaymentOperation,
        merchant: &str,
        fields: PaymentFields<'_>,
        also_taken: &'static [&'static str],
    ) -> Answered {
        let kind = if operation == PaymentOperation::Check { AnswerKind::Read } else { AnswerKind::Write };
        let _inside = self.ledger.block_renames();
        let rules = self.rules.load();
        let context = OperationContext { rules: &rules, merchant, is_in_stream: also_taken.contains(&"op") };
        let [first, second] = fields_taken(operation);
        let answered = fields.only(&[also_taken, first, second]).and_then(|fields| {
            self.gate.may_decide(kind)?;
            self.operate_in(context, operation, fields)
        });
        if let Err(error) = answered.as_ref()
            && error.is_unavailable()
        {
            self.meters.count_unavailable(&error.code);
        }
        answered
    }

    fn operate_in(
        &self,
        context: OperationContext<'_>,
        operation: PaymentOperation,
        fields: PaymentFields<'_>,
    ) -> Answered {
        match operation {
            PaymentOperation::Reserve => self.reserve(context, fields, None),
            PaymentOperation::Payment => {
                let outcome = fields
                    .outcome
                    .as_ref()
                    .map(|text| parse_word::<ProcessorOutcome>("outcome", &text.0))
                    .transpose()?;
                self.reserve(context, fields, Some(outcome.unwrap_or(ProcessorOutcome::Approved)))
            }
            PaymentOperation::Check => self.check(context, fields),
            PaymentOperation::Approve => self.approve(context, fields),
            PaymentOperation::Decline => self.transition(context, &fields, |_| Ok(Operation::Decline)),
            PaymentOperation::Cancel => self.transition(context, &fields, |f| {
                let of = f.of.as_ref().map(|text| parse_word::<CancelOf>("of", &text.0)).transpose()?;
                Ok(Operation::Cancel { back: take_back(f, f.cancel_id.as_ref(), "cancel_id")?, of })
            }),
            PaymentOperation::Refund => self.transition(context, &fields, |f| {
                Ok(Operation::Refund(take_back(f, f.refund_id.as_ref(), "refund_id")?))
            }),
            PaymentOperation::Chargeback => self.transition(context, &fields, |f| {
                Ok(Operation::Chargeback(take_back(f, f.chargeback_id.as_ref(), "chargeback_id")?))
            }),
            PaymentOperation::Extend => self.transition(context, &fields, |f| {
                let until = parse_time("until", f.until.as_ref().map(|text| text.0.as_ref()))?;
                Ok(Operation::Extend { until: until.ok_or(Refusal::Missing("until"))? })
            }),
            PaymentOperation::Attempt => self.transition(context, &fields, |f| {
                let required = |field, text| opaque_text(field, text)?.ok_or(Refusal::Missing(field));
                let attempt = f.attempt.ok_or(Refusal::Missing("attempt"))?.0;
                let (gate, outcome) = (required("gate", f.gate.as_ref())?, required("outcome", f.outcome.as_ref())?);
                Ok(Operation::Attempt { attempt, gate, outcome })
            }),
        }
    }

    /// Refuses fields with a full card number, by the settings of a merchant.
    pub(crate) fn refuse_card_numbers(&self, fields: &PaymentFields<'_>, merchant: &str) -> Result<(), Refusal> {
        let rules = self.rules.load();
        no_card_in_fields(fields, || rules.merchant(merchant).map(|merchant| &**merchant))
    }
}

/// The fields that the operation of a line takes; those of every operation where the line names none.
fn fields_of_line(line: &[u8]) -> Vec<&'static str> {
    let sent = serde_json::from_slice::<serde_json::Value>(line).ok();
    let operation = sent.as_ref().and_then(|sent| PaymentOperation::parse(sent.get("op")?.as_str()?));
    operation.map_or_else(
        || PaymentFields::NAMES.to_vec(),
        |operation| [LINE_FIELDS, &fields_taken(operation).concat()].concat(),
    )
}

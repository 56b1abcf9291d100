//! From the bytes of a call or a line to the operation that they name.

use crate::{
    clock::Stamp,
    domain::{
        decision::payment::{Payment, PaymentRequest},
        request::{
            fields::{parse_time, parse_word},
            refusal::Refusal,
        },
        rules::configuration::Rules,
        transaction::{fact::CancelOf, transition::Operation},
        vocabulary::words::Word,
    },
    ledger::PaymentKeys,
    service::{
        commit::AnswerKind,
        documents::{
            card_guard::no_card_in_fields,
            payments::fields::{LINE_FIELDS, PaymentFields, TextField, field_set},
        },
        error::ServiceError,
        payments::{
            admitted::AdmittedOperation,
            operation::{OperationContext, PaymentOperation, fields_taken, taken_set},
            payment_service::PaymentService,
            precedence::{CallTarget, first_error, first_error_inside},
            reserve::{admit_check, admit_paid, admit_reserve},
            transitions::{admit_approve, admit_transition, opaque_text, take_back},
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
        let _inside = self.ledger.block_renames();
        let rules = self.rules.load();
        let answered = read_line(&rules, line, &may_enter).and_then(|read| {
            let LineRequest { operation, merchant, fields } = read;
            let context = OperationContext { rules: &rules, merchant: &merchant, is_in_stream: true };
            self.operate_inside(context, operation, fields)
        });
        answered
            .map_err(|error| first_error_inside((&self.ledger, &rules), CallTarget::default(), line, error, may_enter))
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
        let _inside = self.ledger.block_renames();
        let rules = self.rules.load();
        let context = OperationContext { rules: &rules, merchant, is_in_stream: false };
        let [first, second] = fields_taken(operation);
        fields.only(&[also_taken, first, second])?;
        self.operate_inside(context, operation, fields)
    }

    /// Does an operation under the guard of [`crate::ledger::Ledger::block_renames`]. It takes all of the fields.
    fn operate_inside(
        &self,
        context: OperationContext<'_>,
        operation: PaymentOperation,
        fields: PaymentFields<'_>,
    ) -> Answered {
        self.counted(self.gate.may_decide(answer_kind(operation)).and_then(|()| {
            let OperationContext { rules, merchant, .. } = context;
            let admitted = admit(context, operation, fields, |request| self.admit_to_record(rules, merchant, request))?;
            let time = admitted.time(&self.clock)?;
            self.decide(context, &admitted, time)
        }))
    }

    /// Counts an operation that was refused because it can only succeed later.
    pub(super) fn counted<T>(&self, answered: Result<T, ServiceError>) -> Result<T, ServiceError> {
        if let Err(error) = answered.as_ref()
            && error.is_unavailable()
        {
            self.meters.count_unavailable(&error.code);
        }
        answered
    }

    /// Decides on an operation, records it and writes its answer.
    fn decide(&self, context: OperationContext<'_>, admitted: &AdmittedOperation<'_>, time: Stamp) -> Answered {
        match admitted {
            AdmittedOperation::Payment(payment) => self.reserve(context, payment, time.at),
            AdmittedOperation::Check { payment, as_of } => self.check(context, payment, *as_of, time.at),
            AdmittedOperation::Transition(transition) => self.transition(context, transition, time),
        }
    }

    /// Refuses fields with a full card number, by the settings of a merchant.
    pub(crate) fn refuse_card_numbers(&self, fields: &PaymentFields<'_>, merchant: &str) -> Result<(), Refusal> {
        let rules = self.rules.load();
        no_card_in_fields(fields, || rules.merchant(merchant).map(|merchant| &**merchant))
    }
}

/// Parses the fields of an operation against the rules. `admit_payment` admits a payment that is to be recorded.
///
/// # Errors
/// The first refusal.
fn admit<'a>(
    context: OperationContext<'a>,
    operation: PaymentOperation,
    fields: PaymentFields<'a>,
    admit_payment: impl FnOnce(PaymentRequest<'a>) -> Result<(Payment<'a>, PaymentKeys), Refusal>,
) -> Result<AdmittedOperation<'a>, ServiceError> {
    match operation {
        PaymentOperation::Reserve => admit_reserve(fields, admit_payment).map(AdmittedOperation::Payment),
        PaymentOperation::Payment => admit_paid(fields, admit_payment).map(AdmittedOperation::Payment),
        PaymentOperation::Check => admit_check(context, fields),
        PaymentOperation::Approve => admit_approve(context.rules, fields),
        PaymentOperation::Decline => admit_transition(fields, |_| Ok(Operation::Decline)),
        PaymentOperation::Cancel => admit_transition(fields, |f| {
            let of = f.of.as_ref().map(|text| parse_word::<CancelOf>("of", &text.0)).transpose()?;
            Ok(Operation::Cancel { back: take_back(f, f.cancel_id.as_ref(), "cancel_id")?, of })
        }),
        PaymentOperation::Refund => {
            admit_transition(fields, |f| Ok(Operation::Refund(take_back(f, f.refund_id.as_ref(), "refund_id")?)))
        }
        PaymentOperation::Chargeback => admit_transition(fields, |f| {
            Ok(Operation::Chargeback(take_back(f, f.chargeback_id.as_ref(), "chargeback_id")?))
        }),
        PaymentOperation::Extend => admit_transition(fields, |f| {
            let until = parse_time("until", f.until.as_ref().map(|text| text.0.as_ref()))?;
            Ok(Operation::Extend { until: until.ok_or(Refusal::Missing("until"))? })
        }),
        PaymentOperation::Attempt => admit_transition(fields, |f| {
            let required = |field, text| opaque_text(field, text)?.ok_or(Refusal::Missing(field));
            let attempt = f.attempt.ok_or(Refusal::Missing("attempt"))?.0;
            let (gate, outcome) = (required("gate", f.gate.as_ref())?, required("outcome", f.outcome.as_ref())?);
            Ok(Operation::Attempt { attempt, gate, outcome })
        }),
    }
}

/// Whether the answer to an operation is that of a read.
pub(super) fn answer_kind(operation: PaymentOperation) -> AnswerKind {
    if operation == PaymentOperation::Check { AnswerKind::Read } else { AnswerKind::Write }
}

/// What a line requests: an operation that takes all of its fields.
pub(super) struct LineRequest<'a> {
    pub(super) operation: PaymentOperation,
    pub(super) merchant: Cow<'a, str>,
    pub(super) fields: PaymentFields<'a>,
}

/// Reads a line of a batch or a replay. It looks nothing up but the rules.
///
/// # Errors
/// The first refusal.
pub(super) fn read_line<'a>(
    rules: &Rules,
    line: &'a [u8],
    may_enter: impl Fn(&str) -> Result<(), ServiceError>,
) -> Result<LineRequest<'a>, ServiceError> {
    let mut fields = PaymentFields::read(line, || fields_of_line(line))?;
    let named = fields.merchant.as_ref().map(|text| text.0.as_ref());
    let entered = named.map_or(Ok(()), may_enter);
    // The settings of a merchant that the caller does not reach have no effect.
    let guarded_as = named.filter(|_| entered.is_ok());
    no_card_in_fields(&fields, || {
        guarded_as.and_then(|merchant| rules.merchant(merchant)).map(|merchant| &**merchant)
    })?;
    let operation = match fields.op.take() {
        Some(text) => parse_word::<PaymentOperation>("op", &text.0)?,
        None => return Err(Refusal::Missing("op").into()),
    };
    let Some(merchant) = fields.merchant.take() else { return Err(Refusal::Missing("merchant").into()) };
    entered?;
    if let Some(at) = fields.at.take() {
        if fields.occurred_at.is_some() {
            let detail = "`at` and `occurred_at` are the same field; send one of them";
            return Err(ServiceError::malformed("duplicate_field", detail).at("occurred_at"));
        }
        fields.occurred_at = Some(at);
    }
    let [first, second] = fields_taken(operation);
    let set = const { field_set(LINE_FIELDS) } | taken_set(operation);
    fields.only_in(set, &[LINE_FIELDS, first, second])?;
    Ok(LineRequest { operation, merchant: merchant.0, fields })
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

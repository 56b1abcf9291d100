//! Reserve, payment and check: from fields to a decision.

use crate::{
    domain::{
        decision::payment::{Payment, PaymentPurpose, PaymentRequest},
        request::{
            fields::{parse_time, parse_word},
            refusal::{Refusal, RefusalKind},
        },
        rules::configuration::Rules,
        transaction::transition::ProcessorOutcome,
        vocabulary::time::Millis,
    },
    ledger::{PaymentAnswer, PaymentKeys},
    service::{
        documents::payments::{
            decision_json::decision_json,
            fields::{PaymentFields, TextField},
        },
        error::ServiceError,
        payments::{
            admitted::{AdmittedOperation, AdmittedPayment},
            operation::OperationContext,
            payment_service::PaymentService,
        },
        reply::{Answered, Reply},
    },
};
use std::{borrow::Cow, time::Instant};

impl PaymentService {
    pub(super) fn reserve(
        &self,
        context: OperationContext<'_>,
        admitted: &AdmittedPayment<'_>,
        now: Millis,
    ) -> Answered {
        let OperationContext { rules, is_in_stream, .. } = context;
        let answer = self.decide_payment(rules, admitted, now)?;
        let denied = answer.violations.first().map(|violation| violation.code.number());
        let body = decision_json(&answer, rules, is_in_stream);
        let depends_on_lsn = Some(answer.depends_on_lsn);
        Ok(Reply { denied, is_replay: answer.replay, depends_on_lsn, ..Reply::from_body(body) })
    }

    /// Decides on a payment and records it.
    pub(super) fn decide_payment<'a>(
        &self,
        rules: &'a Rules,
        admitted: &'a AdmittedPayment<'_>,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, ServiceError> {
        let AdmittedPayment { payment, keys, outcome } = admitted;
        let began = Instant::now();
        let answer = self.ledger.reserve_by_keys(rules, (payment, *keys), *outcome, now)?;
        let denied = answer.violations.first().map(|violation| violation.code);
        match answer.replay {
            true => self.meters.count_replay(),
            false if payment.merchant.sandbox => self.meters.count_sandbox_decision(payment.merchant.id, now, denied),
            false => {
                self.meters.count_decision(payment.merchant.id, now, denied, began.elapsed());
                self.count_filters(payment, &answer);
            }
        }
        Ok(answer)
    }

    /// A payment to be recorded, and its keys.
    ///
    /// # Errors
    /// The first refusal.
    pub(super) fn admit_to_record<'a>(
        &self,
        rules: &'a Rules,
        merchant: &str,
        request: PaymentRequest<'a>,
    ) -> Result<(Payment<'a>, PaymentKeys), Refusal> {
        let payment = self.admit_again(rules, merchant, request)?;
        let keys = self.ledger.payment_keys(&payment);
        Ok((payment, keys))
    }

    /// Admits a payment to be recorded. A payment whose id is known is compared with the recorded one before it counts as
    /// impossible: a difference is a conflict, and the same payment gets its recorded answer under any configuration.
    fn admit_again<'a>(
        &self,
        rules: &'a Rules,
        merchant: &str,
        request: PaymentRequest<'a>,
    ) -> Result<Payment<'a>, Refusal> {
        let refusal = match Payment::admit(rules, merchant, request.clone(), PaymentPurpose::Record) {
            Err(refusal) if refusal.kind() == RefusalKind::Impossible => refusal,
            admitted => return admitted,
        };
        let recorded = request.transaction_id.as_deref().and_then(|id| self.ledger.recorded_content(merchant, id));
        let Some((recorded, names)) = recorded else { return Err(refusal) };
        let is_other = |sent: &Option<Cow<'_, str>>, known: &str| {
            sent.as_deref().is_some_and(|sent| !sent.is_empty() && sent != known)
        };
        let wrong_identifier = |named| matches!(refusal, Refusal::WrongIdentifier { field, .. } if field == named);
        let differs = [
            ("direction", is_other(&request.direction, recorded.direction.word())),
            ("currency", is_other(&request.currency, &recorded.currency.to_string())),
            ("merchant_customer_identifier", wrong_identifier("merchant_customer_identifier")),
            ("customer_id", wrong_identifier("customer_id")),
            ("project", names.project && is_other(&request.project, recorded.project.as_str())),
            ("endpoint", names.endpoint && is_other(&request.endpoint, recorded.endpoint.as_str())),
        ];
        let fields: Vec<_> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        if !fields.is_empty() {
            return Err(Refusal::Conflict(fields));
        }
        // A project or endpoint that was left out is the recorded one.
        let completed = PaymentRequest {
            project: request.project.filter(|id| !id.is_empty()).or(Some(Cow::Borrowed(recorded.project.as_str()))),
            endpoint: request.endpoint.filter(|id| !id.is_empty()).or(Some(Cow::Borrowed(recorded.endpoint.as_str()))),
            ..request
        };
        if let Ok(payment) = Payment::admit(rules, merchant, completed.clone(), PaymentPurpose::Record) {
            return Ok(payment);
        }
        // No endpoint fits. The other fields are compared as if the endpoint were the recorded one.
        let project = Some(Cow::Borrowed(recorded.project.as_str()));
        let endpoint = Some(Cow::Borrowed(recorded.endpoint.as_str()));
        let placed =
            Payment::admit(rules, merchant, PaymentRequest { project, endpoint, ..completed }, PaymentPurpose::Record);
        let differences = placed.map_or_else(|_| Vec::new(), |payment| self.ledger.differences_from_recorded(&payment));
        Err(if differences.is_empty() { refusal } else { Refusal::Conflict(differences) })
    }

    pub(super) fn check(
        &self,
        context: OperationContext<'_>,
        payment: &Payment<'_>,
        as_of: Option<Millis>,
        now: Millis,
    ) -> Answered {
        let rules = context.rules;
        let answer = self.ledger.check(rules, payment, now, as_of)?;
        let denied = answer.violations.first().map(|violation| violation.code.number());
        self.meters.count_check();
        let body = decision_json(&answer, rules, false);
        Ok(Reply { denied, depends_on_lsn: Some(self.ledger.journal().last()), ..Reply::from_body(body) })
    }
}

/// Parses a reserve. `admit_payment` admits its fields.
pub(super) fn admit_reserve<'a>(
    fields: PaymentFields<'a>,
    admit_payment: impl FnOnce(PaymentRequest<'a>) -> Result<(Payment<'a>, PaymentKeys), Refusal>,
) -> Result<AdmittedPayment<'a>, ServiceError> {
    let (payment, keys) = admit_payment(request(fields)?)?;
    Ok(AdmittedPayment { payment, keys, outcome: None })
}

/// Parses a `payment`: a reserve with its outcome. `admit_payment` admits its fields.
pub(super) fn admit_paid<'a>(
    fields: PaymentFields<'a>,
    admit_payment: impl FnOnce(PaymentRequest<'a>) -> Result<(Payment<'a>, PaymentKeys), Refusal>,
) -> Result<AdmittedPayment<'a>, ServiceError> {
    let sent = fields.outcome.as_ref().map(|text| parse_word::<ProcessorOutcome>("outcome", &text.0)).transpose()?;
    let outcome = Some(sent.unwrap_or(ProcessorOutcome::Approved));
    Ok(AdmittedPayment { outcome, ..admit_reserve(fields, admit_payment)? })
}

/// Parses a check.
pub(super) fn admit_check<'a>(
    context: OperationContext<'a>,
    mut fields: PaymentFields<'a>,
) -> Result<AdmittedOperation<'a>, ServiceError> {
    let OperationContext { rules, merchant, .. } = context;
    let as_of = fields.as_of.take();
    let as_of = parse_time("as_of", as_of.as_ref().map(|text| text.0.as_ref()))?;
    let payment = Payment::admit(rules, merchant, request(fields)?, PaymentPurpose::Check)?;
    Ok(AdmittedOperation::Check { payment, as_of })
}

fn text_of(text: Option<TextField<'_>>) -> Option<Cow<'_, str>> {
    text.map(|text| text.0)
}

/// The request that fields describe.
pub(crate) fn request(fields: PaymentFields<'_>) -> Result<PaymentRequest<'_>, ServiceError> {
    let amount = fields.amount_text()?;
    Ok(PaymentRequest {
        transaction_id: text_of(fields.transaction_id),
        project: text_of(fields.project),
        endpoint: text_of(fields.endpoint),
        direction: text_of(fields.direction),
        amount,
        currency: text_of(fields.currency),
        payment_method: text_of(fields.payment_method),
        merchant_customer_identifier: text_of(fields.merchant_customer_identifier),
        customer_id: text_of(fields.customer_id),
        customer_level: text_of(fields.customer_level),
        customer: fields.customer.map_or_else(Vec::new, |attributes| attributes.0),
        payment_instrument: text_of(fields.payment_instrument),
        occurred_at: text_of(fields.occurred_at),
        explain: fields.explain.is_some_and(|flag| flag.0),
    })
}

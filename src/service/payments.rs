//! The desk: one operation in, one answer out. Single calls, batch lines and replay all come here, so that they give
//! the same bytes.

use crate::http::dto::{
    answers::DecisionOut,
    card_guard::Whose,
    facts::{MovedOut, TransactionOut},
    fields::{Fields, LINE, PAYMENT, Text},
    precedence::Called,
    problem::Problem,
};
use crate::{
    clock::Clock,
    domain::{
        decision::{
            payment::{Asks, Payment, Request, currency, short, time, transaction_id, word},
            refusal::{Kind, Refusal},
        },
        rules::configuration::{Rules, words},
        transaction::{
            record::CancelOf,
            transition::{Approval, CaptureAmount, Operation, Outcome, TakeBack},
        },
        vocabulary::{
            identifier_text::{self, no_control},
            time::Millis,
        },
    },
    ledger::{Ledger, Says, Step},
    storage::journal::Lsn,
    telemetry::metrics::Meters,
};
use arc_swap::ArcSwap;
use serde::Serialize;
use std::{borrow::Cow, sync::Arc};

words! {
    /// The operations of the hot path.
    Op {
        /// Check and record.
        Reserve = "reserve",
        /// Check.
        Check = "check",
        /// Reserve, and apply an outcome that is known.
        Payment = "payment",
        /// Money moved.
        Approve = "approve",
        /// The processor refused.
        Decline = "decline",
        /// Given back.
        Cancel = "cancel",
        /// Paid back.
        Refund = "refund",
        /// Paid back by force.
        Chargeback = "chargeback",
        /// A longer hold.
        Extend = "extend",
        /// One gate was tried.
        Attempt = "attempt",
    }
}

/// An answer on its way out.
#[derive(Debug)]
pub struct Reply {
    /// JSON.
    pub body: Vec<u8>,
    /// Whether this was answered before.
    pub replay: bool,
    /// `Some`: denied, by the first code; `None`: anything else.
    pub denied: Option<u16>,
    /// The record that it rests on, which must be committed before it is said.
    pub rests_on: Lsn,
}

/// Everything that an answer rests on.
pub struct PaymentService {
    /// All state.
    pub ledger: Ledger,
    /// The configuration in force.
    pub rules: ArcSwap<Rules>,
    /// The time.
    pub clock: Clock,
    /// What is counted for operators.
    pub meters: Meters,
    /// The most bytes of a body or a line.
    pub body_bytes_max: usize,
}

/// What a call comes to.
pub type Answered = Result<Reply, Problem>;

impl PaymentService {
    /// Answers a line of a batch.
    ///
    /// # Errors
    /// The problem document that stands in the answer's place.
    pub fn line(&self, line: &[u8], may_enter: impl Fn(&str) -> Result<(), Problem>) -> Answered {
        let answered = self.read_line(line, &may_enter);
        answered.map_err(|problem| self.first_refusal(Called::default(), line, problem, may_enter))
    }

    fn read_line(&self, line: &[u8], may_enter: impl Fn(&str) -> Result<(), Problem>) -> Answered {
        let mut fields = self.read(line, Whose::OfLine(&may_enter))?;
        let op = match fields.op.as_ref() {
            Some(op) => word::<Op>("op", &op.0)?,
            None => return Err(Refusal::Missing("op").into()),
        };
        let Some(merchant) = fields.merchant.take() else { return Err(Refusal::Missing("merchant").into()) };
        may_enter(&merchant.0)?;
        if let Some(at) = fields.at.take() {
            if fields.occurred_at.is_some() {
                let detail = "`at` is read as `occurred_at` is; send one of them";
                return Err(Problem::malformed("duplicate_field", detail).at("occurred_at"));
            }
            fields.occurred_at = Some(at);
        }
        self.operate(op, &merchant.0, fields, LINE)
    }

    /// Answers a single call: the operation and the merchant come from the path, a transition's transaction too.
    ///
    /// # Errors
    /// What is wrong.
    pub fn call(&self, op: Op, merchant: &str, transaction: Option<&str>, body: &[u8]) -> Answered {
        // A transition without anything to say may come without a body.
        let body: &[u8] = if transaction.is_some() && body.trim_ascii().is_empty() { b"{}" } else { body };
        let called = Called { op: Some(op), merchant: Some(merchant), transaction };
        let answered = self.read_call(op, merchant, transaction, body);
        answered.map_err(|problem| self.first_refusal(called, body, problem, |_| Ok(())))
    }

    fn read_call(&self, op: Op, merchant: &str, transaction: Option<&str>, body: &[u8]) -> Answered {
        let mut fields = self.read(body, Whose::OfPath(merchant))?;
        let beside: &[&str] = if transaction.is_none() { &["transaction_id"] } else { &[] };
        if let Some(id) = transaction {
            if fields.transaction_id.is_some() {
                let detail = "`transaction_id` stands in the path";
                return Err(Problem::malformed("unknown_field", detail).at("transaction_id"));
            }
            fields.transaction_id = Some(Text(Cow::Borrowed(id)));
            return self.operate(op, merchant, fields, &["transaction_id"]);
        }
        self.operate(op, merchant, fields, beside)
    }

    fn operate(&self, op: Op, merchant: &str, fields: Fields<'_>, beside: &'static [&'static str]) -> Answered {
        let answered = self.operate_on(op, merchant, fields, beside);
        if let Err(problem) = answered.as_ref()
            && problem.is_unavailable()
        {
            self.meters.unavailable(&problem.code);
        }
        answered
    }

    fn operate_on(&self, op: Op, merchant: &str, fields: Fields<'_>, beside: &'static [&'static str]) -> Answered {
        let _inside = self.ledger.enter();
        let rules = self.rules.load();
        let in_stream = beside.contains(&"op");
        let [first, second] = taken(op);
        let fields = fields.only(&[beside, first, second])?;
        match op {
            Op::Reserve => self.reserve(&rules, merchant, fields, None, in_stream),
            Op::Payment => {
                let outcome = fields.outcome.as_ref().map(|text| word::<Outcome>("outcome", &text.0)).transpose()?;
                self.reserve(&rules, merchant, fields, Some(outcome.unwrap_or(Outcome::Approved)), in_stream)
            }
            Op::Check => self.check(&rules, merchant, fields),
            Op::Approve => self.approve(&rules, merchant, fields, in_stream),
            Op::Decline => self.transition(&rules, merchant, &fields, in_stream, |_| Ok(Operation::Decline)),
            Op::Cancel => self.transition(&rules, merchant, &fields, in_stream, |f| {
                let of = f.of.as_ref().map(|text| word::<CancelOf>("of", &text.0)).transpose()?;
                Ok(Operation::Cancel { back: take_back(f, f.cancel_id.as_ref(), "cancel_id")?, of })
            }),
            Op::Refund => self.transition(&rules, merchant, &fields, in_stream, |f| {
                Ok(Operation::Refund(take_back(f, f.refund_id.as_ref(), "refund_id")?))
            }),
            Op::Chargeback => self.transition(&rules, merchant, &fields, in_stream, |f| {
                Ok(Operation::Chargeback(take_back(f, f.chargeback_id.as_ref(), "chargeback_id")?))
            }),
            Op::Extend => self.transition(&rules, merchant, &fields, in_stream, |f| {
                let until = time("until", f.until.as_ref().map(|text| text.0.as_ref()))?;
                Ok(Operation::Extend { until: until.ok_or(Refusal::Missing("until"))? })
            }),
            Op::Attempt => self.transition(&rules, merchant, &fields, in_stream, |f| {
                let named = |field, text| own(field, text)?.ok_or(Refusal::Missing(field));
                let attempt = f.attempt.ok_or(Refusal::Missing("attempt"))?.0;
                let (gate, outcome) = (named("gate", f.gate.as_ref())?, named("outcome", f.outcome.as_ref())?);
                Ok(Operation::Attempt { attempt, gate, outcome })
            }),
        }
    }

    fn reserve(
        &self,
        rules: &Rules,
        merchant: &str,
        fields: Fields<'_>,
        outcome: Option<Outcome>,
        in_stream: bool,
    ) -> Answered {
        let payment = self.admit_again(rules, merchant, request(fields)?)?;
        let now = self.clock.now(payment.occurred_at)?;
        let answer = self.ledger.reserve(rules, &payment, outcome, now)?;
        let denied = answer.violations.first().map(|violation| violation.code);
        self.meters.decided(answer.replay, denied);
        let body = render(&DecisionOut::of(&answer, rules, in_stream));
        let denied = denied.map(|code| code.number());
        Ok(Reply { body, replay: answer.replay, denied, rests_on: answer.rests_on })
    }

    /// Admits a payment to be recorded. One whose id is known is compared before it is called impossible: what differs
    /// is 409, and what was answered once is answered again under any later configuration.
    fn admit_again<'a>(&self, rules: &'a Rules, merchant: &str, request: Request<'a>) -> Result<Payment<'a>, Refusal> {
        let refusal = match Payment::admit(rules, merchant, request.clone(), Asks::ToRecord) {
            Err(refusal) if refusal.kind() == Kind::Impossible => refusal,
            admitted => return admitted,
        };
        let recorded = request.transaction_id.as_deref().and_then(|id| self.ledger.recorded(merchant, id));
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
        // The place that was left out is the recorded one.
        let completed = Request {
            project: request.project.filter(|id| !id.is_empty()).or(Some(Cow::Borrowed(recorded.project.as_str()))),
            endpoint: request.endpoint.filter(|id| !id.is_empty()).or(Some(Cow::Borrowed(recorded.endpoint.as_str()))),
            ..request
        };
        if let Ok(payment) = Payment::admit(rules, merchant, completed.clone(), Asks::ToRecord) {
            return Ok(payment);
        }
        // No endpoint fits. The rest is compared as if the place were the recorded one.
        let project = Some(Cow::Borrowed(recorded.project.as_str()));
        let endpoint = Some(Cow::Borrowed(recorded.endpoint.as_str()));
        let placed = Payment::admit(rules, merchant, Request { project, endpoint, ..completed }, Asks::ToRecord);
        let differences = placed.map_or_else(|_| Vec::new(), |payment| self.ledger.differences_from_recorded(&payment));
        Err(if differences.is_empty() { refusal } else { Refusal::Conflict(differences) })
    }

    fn check(&self, rules: &Rules, merchant: &str, mut fields: Fields<'_>) -> Answered {
        let as_of = fields.as_of.take();
        let as_of = time("as_of", as_of.as_ref().map(|text| text.0.as_ref()))?;
        let payment = Payment::admit(rules, merchant, request(fields)?, Asks::ToCheck)?;
        let now = self.clock.now(payment.occurred_at)?;
        let answer = self.ledger.check(rules, &payment, now, as_of)?;
        let denied = answer.violations.first().map(|violation| violation.code.number());
        self.meters.checked();
        let body = render(&DecisionOut::of(&answer, rules, false));
        Ok(Reply { body, replay: false, denied, rests_on: self.ledger.journal().last() })
    }

    fn transition(
        &self,
        rules: &Rules,
        merchant: &str,
        fields: &Fields<'_>,
        in_stream: bool,
        operation: impl FnOnce(&Fields<'_>) -> Result<Operation, Problem>,
    ) -> Answered {
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = transaction_id(Cow::Borrowed(&id.0))?;
        let occurred_at = time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let operation = operation(fields)?;
        let stamp = self.clock.stamp(occurred_at)?;
        let says = Says::default();
        let step = Step { merchant, transaction_id: &id, operation: &operation, occurred_at, says, in_stream };
        let moved = self.ledger.transition(rules, &step.stamped(stamp.is_accepted), None, stamp.at)?;
        self.meters.moved(moved.replay);
        let body = render(&MovedOut::of(&moved, rules, in_stream));
        Ok(Reply { body, replay: moved.replay, denied: None, rests_on: moved.rests_on })
    }

    fn approve(&self, rules: &Rules, merchant: &str, fields: Fields<'_>, in_stream: bool) -> Answered {
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = transaction_id(Cow::Owned(id.0.to_string()))?;
        let occurred_at = time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let amount = fields.amount_text()?.map(Cow::into_owned);
        amount.as_deref().map(amount_form).transpose()?;
        let has_amount = amount.is_some();
        let operation = Operation::Approve(Approval {
            amount: amount.map_or(CaptureAmount::Left, CaptureAmount::Written),
            capture_id: own("capture_id", fields.capture_id.as_ref())?,
            is_final: fields.r#final.is_none_or(|flag| flag.0),
            gate: own("gate", fields.gate.as_ref())?,
            instrument: instrument(fields.payment_instrument.as_ref())?,
        });
        let says = Says {
            direction: fields.direction.as_ref().map(|text| word("direction", &text.0)).transpose()?,
            currency: fields.currency.as_ref().map(|text| currency(rules, &text.0)).transpose()?,
        };
        let reserves = says.direction.is_some() && says.currency.is_some();
        let request = request(fields)?;
        let late = || match has_amount {
            true => Payment::admit(rules, merchant, request.clone(), Asks::ToRecord),
            false => Err(Refusal::NeededToRecord("amount")),
        };
        let late: Option<&dyn Fn() -> _> = if reserves { Some(&late) } else { None };
        let stamp = self.clock.stamp(occurred_at)?;
        let step = Step { merchant, transaction_id: &id, operation: &operation, occurred_at, says, in_stream };
        let moved = self.ledger.transition(rules, &step.stamped(stamp.is_accepted), late, stamp.at)?;
        self.meters.moved(moved.replay);
        let body = render(&MovedOut::of(&moved, rules, in_stream));
        Ok(Reply { body, replay: moved.replay, denied: None, rests_on: moved.rests_on })
    }

    /// Shows a transaction.
    ///
    /// # Errors
    /// It is not known.
    pub fn show(&self, merchant: &str, id: &str) -> Result<Vec<u8>, Problem> {
        self.show_resting(merchant, id).map(|(body, _)| body)
    }

    /// The same, and the record that it rests on.
    ///
    /// # Errors
    /// It is not known.
    pub(crate) fn show_resting(&self, merchant: &str, id: &str) -> Result<(Vec<u8>, Lsn), Problem> {
        let _inside = self.ledger.enter();
        let rules = self.rules.load();
        let now = self.time()?;
        let shown = self.ledger.show(&rules, merchant, id, now)?;
        Ok((render(&TransactionOut::of(&shown, &rules)), shown.rests_on))
    }

    /// The record that an answer rests on: a refusal rests on whatever was recorded before it.
    #[must_use]
    pub fn rests_on(&self, answered: &Answered) -> Lsn {
        answered.as_ref().map_or_else(|_| self.ledger.journal().last(), |reply| reply.rests_on)
    }

    /// The time for whatever goes on also while the system clock is not accepted; see [`crate::clock`].
    ///
    /// # Errors
    /// No request has said a time.
    pub fn time(&self) -> Result<Millis, Problem> {
        Ok(self.clock.stamp(None)?.at)
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}

/// The fields that an operation takes, besides those that name its transaction.
pub(crate) fn taken(op: Op) -> [&'static [&'static str]; 2] {
    const WHEN: &[&str] = &["occurred_at"];
    match op {
        Op::Reserve => [PAYMENT, &["amount"]],
        Op::Payment => [PAYMENT, &["amount", "outcome"]],
        Op::Check => [PAYMENT, &["amount", "as_of"]],
        Op::Approve => [PAYMENT, &["amount", "capture_id", "final", "gate"]],
        Op::Decline => [WHEN, &[]],
        Op::Cancel => [WHEN, &["amount", "cancel_id", "of"]],
        Op::Refund => [WHEN, &["amount", "refund_id"]],
        Op::Chargeback => [WHEN, &["amount", "chargeback_id"]],
        Op::Extend => [WHEN, &["until"]],
        Op::Attempt => [WHEN, &["attempt", "gate", "outcome"]],
    }
}

/// The form of a transition's amount. How many digits it may have depends on a currency that is not known yet.
fn amount_form(text: &str) -> Result<(), Refusal> {
    use crate::domain::vocabulary::money::{AmountError, MINOR_UNITS_MAX, parse_amount};
    match parse_amount(text, MINOR_UNITS_MAX) {
        Err(error @ (AmountError::Malformed | AmountError::Zero)) => Err(Refusal::Amount { field: "amount", error }),
        _ => Ok(()),
    }
}

fn take_back(fields: &Fields<'_>, id: Option<&Text<'_>>, id_field: &'static str) -> Result<TakeBack, Problem> {
    let amount = fields.amount_text()?.map(Cow::into_owned);
    let id = own(id_field, id)?;
    if let Some(text) = &amount {
        amount_form(text)?;
    }
    Ok(TakeBack { amount, id })
}

/// An opaque text: an id of a transition, or what an attempt says. White space at its ends is part of it.
fn own(field: &'static str, text: Option<&Text<'_>>) -> Result<Option<String>, Refusal> {
    let Some(text) = text.filter(|text| !text.0.is_empty()) else { return Ok(None) };
    short(field, &text.0, crate::domain::customer::attributes::ATTRIBUTE_BYTES_MAX)?;
    no_control(field, &text.0)?;
    Ok(Some(text.0.to_string()))
}

/// The token of a payment instrument.
fn instrument(text: Option<&Text<'_>>) -> Result<Option<String>, Refusal> {
    const FIELD: &str = "payment_instrument";
    let id = identifier_text::parse(FIELD, text.map_or("", |text| &text.0))?;
    Ok(id.map(str::to_owned))
}

fn bare(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|text| text.0)
}

pub(crate) fn request(fields: Fields<'_>) -> Result<Request<'_>, Problem> {
    let amount = fields.amount_text()?;
    Ok(Request {
        transaction_id: bare(fields.transaction_id),
        project: bare(fields.project),
        endpoint: bare(fields.endpoint),
        direction: bare(fields.direction),
        amount,
        currency: bare(fields.currency),
        payment_method: bare(fields.payment_method),
        merchant_customer_identifier: bare(fields.merchant_customer_identifier),
        customer_id: bare(fields.customer_id),
        customer_level: bare(fields.customer_level),
        customer: fields.customer.map_or_else(Vec::new, |attributes| attributes.0),
        payment_instrument: bare(fields.payment_instrument),
        occurred_at: bare(fields.occurred_at),
        explain: fields.explain.is_some_and(|flag| flag.0),
    })
}

/// JSON of a shape; the shapes hold nothing that could fail to be written.
pub(crate) fn render(shape: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(768);
    match serde_json::to_writer(&mut body, shape) {
        Ok(()) => body,
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            b"{}".to_vec()
        }
    }
}

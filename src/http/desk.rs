//! The desk: one operation in, one answer out. Single calls, batch lines and replay all come here, so that they give
//! the same bytes.

use super::{
    facts::{MovedOut, TransactionOut},
    fields::{Fields, LINE, PAYMENT, Text},
    problem::Problem,
    shapes::DecisionOut,
};
use crate::{
    clock::Clock,
    domain::{
        card::{no_card_id, no_card_number},
        identifier_text::{self, no_control},
        payment::{Asks, Payment, Request, currency, short, time, transaction_id, word},
        refusal::Refusal,
        rules::{Rules, words},
        time::Millis,
        transition::{Operation, Outcome, TakeBack},
    },
    journal::Lsn,
    ledger::{Ledger, Says, Step},
    metrics::Meters,
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
pub struct Desk {
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

impl Desk {
    /// Answers a line of a batch.
    ///
    /// # Errors
    /// The problem document that stands in the answer's place.
    pub fn line(&self, line: &[u8], may_enter: impl Fn(&str) -> Result<(), Problem>) -> Answered {
        let mut fields = Fields::read(line)?;
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
        let mut fields = Fields::read(body)?;
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
        const WHEN: &[&str] = &["occurred_at"];
        let _inside = self.ledger.enter();
        let rules = self.rules.load();
        match op {
            Op::Reserve => self.reserve(&rules, merchant, fields.only(&[beside, PAYMENT, &["amount"]])?, None),
            Op::Payment => {
                let fields = fields.only(&[beside, PAYMENT, &["amount", "outcome"]])?;
                let outcome = fields.outcome.as_ref().map(|text| word::<Outcome>("outcome", &text.0)).transpose()?;
                self.reserve(&rules, merchant, fields, Some(outcome.unwrap_or(Outcome::Approved)))
            }
            Op::Check => self.check(&rules, merchant, fields.only(&[beside, PAYMENT, &["amount", "as_of"]])?),
            Op::Approve => {
                let taken = ["amount", "capture_id", "gate"];
                self.approve(&rules, merchant, fields.only(&[beside, PAYMENT, &taken])?, beside.contains(&"op"))
            }
            Op::Decline => {
                self.transition(&rules, merchant, &fields.only(&[beside, WHEN])?, |_| Ok(Operation::Decline))
            }
            Op::Cancel => {
                let fields = fields.only(&[beside, WHEN, &["amount", "cancel_id"]])?;
                self.transition(&rules, merchant, &fields, |f| {
                    Ok(Operation::Cancel(take_back(f, f.cancel_id.as_ref(), "cancel_id")?))
                })
            }
            Op::Refund => {
                let fields = fields.only(&[beside, WHEN, &["amount", "refund_id"]])?;
                self.transition(&rules, merchant, &fields, |f| {
                    Ok(Operation::Refund(take_back(f, f.refund_id.as_ref(), "refund_id")?))
                })
            }
            Op::Chargeback => {
                let fields = fields.only(&[beside, WHEN, &["amount", "chargeback_id"]])?;
                self.transition(&rules, merchant, &fields, |f| {
                    Ok(Operation::Chargeback(take_back(f, f.chargeback_id.as_ref(), "chargeback_id")?))
                })
            }
            Op::Extend => {
                let fields = fields.only(&[beside, WHEN, &["until"]])?;
                self.transition(&rules, merchant, &fields, |f| {
                    let until = time("until", f.until.as_ref().map(|text| text.0.as_ref()))?;
                    Ok(Operation::Extend { until: until.ok_or(Refusal::Missing("until"))? })
                })
            }
            Op::Attempt => {
                let fields = fields.only(&[beside, WHEN, &["attempt", "gate", "outcome"]])?;
                self.transition(&rules, merchant, &fields, |f| {
                    let named = |field, text| own(field, text)?.ok_or(Refusal::Missing(field));
                    let attempt = f.attempt.ok_or(Refusal::Missing("attempt"))?.0;
                    let (gate, outcome) = (named("gate", f.gate.as_ref())?, named("outcome", f.outcome.as_ref())?);
                    Ok(Operation::Attempt { attempt, gate, outcome })
                })
            }
        }
    }

    fn reserve(&self, rules: &Rules, merchant: &str, fields: Fields<'_>, outcome: Option<Outcome>) -> Answered {
        let (payment, unless_the_same) = self.admit_again(rules, merchant, request(fields)?)?;
        let now = self.clock.now(payment.occurred_at)?;
        let answer = match (self.ledger.reserve(rules, &payment, outcome, now), unless_the_same) {
            (Err(Refusal::Conflict(_)), Some(refusal)) => return Err(refusal.into()),
            (answer, _) => answer?,
        };
        let denied = answer.violations.first().map(|violation| violation.code);
        self.meters.decided(answer.replay, denied);
        let body = render(&DecisionOut::of(&answer, rules));
        let denied = denied.map(|code| code.number());
        Ok(Reply { body, replay: answer.replay, denied, rests_on: answer.rests_on })
    }

    /// Admits a payment to be recorded. Where project and endpoint were left out and no longer say which one is meant,
    /// a known transaction says it: what was answered once is answered again whatever was configured since. The
    /// refusal beside it stands unless the rest says the same again.
    fn admit_again<'a>(
        &self,
        rules: &'a Rules,
        merchant: &str,
        request: Request<'a>,
    ) -> Result<(Payment<'a>, Option<Refusal>), Refusal> {
        let refusal = match Payment::admit(rules, merchant, request.clone(), Asks::ToRecord) {
            Ok(payment) => return Ok((payment, None)),
            Err(refusal @ (Refusal::Ambiguous { .. } | Refusal::NoEndpoint(_))) => refusal,
            Err(refusal) => return Err(refusal),
        };
        let entered = request.transaction_id.as_deref().and_then(|id| self.ledger.entered_by(merchant, id));
        let Some((project, endpoint)) = entered else { return Err(refusal) };
        let completed = Request {
            project: request.project.or(Some(Cow::Borrowed(project.as_str()))),
            endpoint: request.endpoint.or(Some(Cow::Borrowed(endpoint.as_str()))),
            ..request
        };
        match Payment::admit(rules, merchant, completed, Asks::ToRecord) {
            Ok(payment) => Ok((payment, Some(refusal))),
            Err(_) => Err(refusal),
        }
    }

    fn check(&self, rules: &Rules, merchant: &str, mut fields: Fields<'_>) -> Answered {
        let as_of = fields.as_of.take();
        let as_of = time("as_of", as_of.as_ref().map(|text| text.0.as_ref()))?;
        let payment = Payment::admit(rules, merchant, request(fields)?, Asks::ToCheck)?;
        let now = self.clock.now(payment.occurred_at)?;
        let answer = self.ledger.check(rules, &payment, now, as_of)?;
        let denied = answer.violations.first().map(|violation| violation.code.number());
        self.meters.checked();
        let body = render(&DecisionOut::of(&answer, rules));
        Ok(Reply { body, replay: false, denied, rests_on: self.ledger.journal().last() })
    }

    fn transition(
        &self,
        rules: &Rules,
        merchant: &str,
        fields: &Fields<'_>,
        operation: impl FnOnce(&Fields<'_>) -> Result<Operation, Problem>,
    ) -> Answered {
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = transaction_id(Cow::Borrowed(&id.0))?;
        let occurred_at = time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let operation = operation(fields)?;
        let now = self.clock.now(occurred_at)?;
        let (says, in_stream) = (Says::default(), false);
        let step = Step { merchant, transaction_id: &id, operation: &operation, occurred_at, says, in_stream };
        let moved = self.ledger.transition(rules, &step, None, now)?;
        self.meters.moved(moved.replay);
        let body = render(&MovedOut::of(&moved, rules));
        Ok(Reply { body, replay: moved.replay, denied: None, rests_on: moved.rests_on })
    }

    fn approve(&self, rules: &Rules, merchant: &str, fields: Fields<'_>, in_stream: bool) -> Answered {
        let id = fields.transaction_id.as_ref().ok_or(Refusal::Missing("transaction_id"))?;
        let id = transaction_id(Cow::Owned(id.0.to_string()))?;
        let occurred_at = time("occurred_at", fields.occurred_at.as_ref().map(|text| text.0.as_ref()))?;
        let operation = Operation::Approve {
            amount: fields.amount_text()?.map(Cow::into_owned),
            capture_id: own("capture_id", fields.capture_id.as_ref())?,
            gate: own("gate", fields.gate.as_ref())?,
            instrument: instrument(fields.payment_instrument.as_ref())?,
        };
        if let Operation::Approve { amount: Some(text), .. } = &operation {
            amount_form(text)?;
        }
        let says = Says {
            direction: fields.direction.as_ref().map(|text| word("direction", &text.0)).transpose()?,
            currency: fields.currency.as_ref().map(|text| currency(rules, &text.0)).transpose()?,
        };
        let reserves = says.direction.is_some() || says.currency.is_some();
        let request = request(fields)?;
        let late = || Payment::admit(rules, merchant, request.clone(), Asks::ToRecord);
        let late: Option<&dyn Fn() -> _> = if reserves { Some(&late) } else { None };
        let now = self.clock.now(occurred_at)?;
        let step = Step { merchant, transaction_id: &id, operation: &operation, occurred_at, says, in_stream };
        let moved = self.ledger.transition(rules, &step, late, now)?;
        self.meters.moved(moved.replay);
        let body = render(&MovedOut::of(&moved, rules));
        Ok(Reply { body, replay: moved.replay, denied: None, rests_on: moved.rests_on })
    }

    /// Shows a transaction.
    ///
    /// # Errors
    /// It is not known.
    pub fn show(&self, merchant: &str, id: &str) -> Result<Vec<u8>, Problem> {
        let _inside = self.ledger.enter();
        let rules = self.rules.load();
        let now = self.clock.now(None)?;
        let shown = self.ledger.show(&rules, merchant, id, now)?;
        Ok(render(&TransactionOut::of(&shown, &rules)))
    }

    /// The record that an answer rests on: a refusal rests on whatever was recorded before it.
    #[must_use]
    pub fn rests_on(&self, answered: &Answered) -> Lsn {
        answered.as_ref().map_or_else(|_| self.ledger.journal().last(), |reply| reply.rests_on)
    }

    /// The time of the daemon, for status.
    ///
    /// # Errors
    /// The time cannot be told.
    pub fn time(&self) -> Result<Millis, Problem> {
        Ok(self.clock.now(None)?)
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}

/// The form of a transition's amount. How many digits it may have depends on a currency that is not known yet.
fn amount_form(text: &str) -> Result<(), Refusal> {
    use crate::domain::money::{AmountError, MINOR_UNITS_MAX, parse_amount};
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
    short(field, &text.0, crate::domain::identity::ATTRIBUTE_BYTES_MAX)?;
    no_control(field, &text.0)?;
    no_card_id(field, &text.0)?;
    Ok(Some(text.0.to_string()))
}

/// The token of a payment instrument.
fn instrument(text: Option<&Text<'_>>) -> Result<Option<String>, Refusal> {
    const FIELD: &str = "payment_instrument";
    let id = identifier_text::parse(FIELD, text.map_or("", |text| &text.0))?;
    id.iter().try_for_each(|id| no_card_number(FIELD, id))?;
    Ok(id.map(str::to_owned))
}

fn bare(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|text| text.0)
}

pub(super) fn request(fields: Fields<'_>) -> Result<Request<'_>, Problem> {
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

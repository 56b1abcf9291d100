//! Lines that are parsed before their turn and rendered after it, so that several processors answer one stream.
//!
//! Only the decisions are made in the order of the lines. The bytes are those of [`answer_line`], as a test holds: a line is
//! parsed ahead only if it is a payment whose names are all known. Every other line, and every line whose rules have changed
//! since, is answered by [`answer_line`] at its turn.

use crate::{
    domain::{
        decision::payment::{Payment, PaymentPurpose, PaymentRequest},
        rules::configuration::Rules,
    },
    ledger::{Ledger, PaymentAnswer},
    service::{
        documents::{
            payments::decision_json::{ANSWER_BYTES, append_decision_json},
            problem::ProblemDocument,
        },
        error::ServiceError,
        payments::{
            admitted::AdmittedPayment,
            call::{LineRequest, answer_kind, read_line},
            lines::answer_line,
            operation::PaymentOperation,
            payment_service::PaymentService,
            precedence::{CallTarget, first_error_inside},
            reserve::{admit_paid, admit_reserve},
        },
        reply::render,
    },
};
use std::sync::Arc;

/// Usual lines have at least this many bytes.
const LINE_BYTES: usize = 128;

/// Lines in the order in which they arrived.
#[derive(Debug, Default)]
pub struct LineChunk {
    text: Vec<u8>,
    /// The end of each line in `text`, or the limit that the line exceeds.
    ends: Vec<Result<usize, usize>>,
}

impl LineChunk {
    /// An empty chunk with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), ends: Vec::with_capacity(bytes / LINE_BYTES + 1) }
    }

    /// Adds a line, or the limit that a line exceeds.
    pub fn push(&mut self, line: Result<&[u8], usize>) {
        let end = line.map(|line| {
            self.text.extend_from_slice(line);
            self.text.len()
        });
        self.ends.push(end);
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn lines(&self) -> impl Iterator<Item = Result<&[u8], usize>> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            end.map(|end| {
                let line = &self.text[begin..end];
                begin = end;
                line
            })
        })
    }
}

/// A line before its turn.
struct LineAhead<'a> {
    line: Result<&'a [u8], usize>,
    /// The payment of the line; `None`: the line is answered at its turn.
    payment: Option<AdmittedPayment<'a>>,
}

/// Lines that are parsed, and the state that they were parsed with.
pub struct LinesAhead<'a> {
    rules: &'a Arc<Rules>,
    /// See [`RenameGuard::changes`](crate::ledger::RenameGuard::changes).
    changes: u64,
    lines: Vec<LineAhead<'a>>,
}

/// A line after its turn.
enum DecidedLine<'a> {
    /// The decision is to be rendered.
    Payment(PaymentAnswer<'a>),
    /// The answer is rendered.
    Text(Vec<u8>),
}

/// Lines whose answers are to be rendered.
pub struct DecidedLines<'a> {
    rules: &'a Rules,
    lines: Vec<DecidedLine<'a>>,
}

impl PaymentService {
    /// Parses lines with `rules`, which are in force, and loads the memory that their decisions will read.
    pub fn parse_ahead<'a>(
        &self,
        rules: &'a Arc<Rules>,
        chunk: &'a LineChunk,
        may_enter: impl Fn(&str) -> Result<(), ServiceError>,
    ) -> LinesAhead<'a> {
        let changes = self.ledger.block_renames().changes();
        let parse = |line: Result<&'a [u8], usize>| {
            let payment = line.ok().and_then(|line| payment_ahead((&self.ledger, rules), line, &may_enter));
            LineAhead { line, payment }
        };
        let lines: Vec<LineAhead<'_>> = chunk.lines().map(parse).collect();
        let payments = lines.iter().filter_map(|line| line.payment.as_ref());
        self.ledger.prefetch_payments(payments.map(|admitted| (&admitted.payment, admitted.keys)));
        LinesAhead { rules, changes, lines }
    }

    /// Decides lines. The caller calls this for the chunks of a stream in their order.
    pub fn decide_in_turn<'a>(
        &self,
        ahead: &'a LinesAhead<'_>,
        may_enter: impl Fn(&str) -> Result<(), ServiceError>,
    ) -> DecidedLines<'a> {
        let decide = |line: &'a LineAhead<'_>| match &line.payment {
            Some(payment) => self.decide_ahead(ahead, line, payment, &may_enter),
            None => self.answer_in_turn(line, &may_enter),
        };
        DecidedLines { rules: ahead.rules, lines: ahead.lines.iter().map(decide).collect() }
    }

    fn decide_ahead<'a>(
        &self,
        ahead: &'a LinesAhead<'_>,
        line: &'a LineAhead<'_>,
        payment: &'a AdmittedPayment<'_>,
        may_enter: &impl Fn(&str) -> Result<(), ServiceError>,
    ) -> DecidedLine<'a> {
        let inside = self.ledger.block_renames();
        let is_current = inside.changes() == ahead.changes && Arc::ptr_eq(&self.rules.load(), ahead.rules);
        if !is_current {
            drop(inside);
            return self.answer_in_turn(line, may_enter);
        }
        let decided = self.counted(self.gate.may_decide(answer_kind(PaymentOperation::Reserve)).and_then(|()| {
            let time = self.clock.now(payment.payment.occurred_at)?;
            self.decide_payment(ahead.rules, payment, time)
        }));
        match decided {
            Ok(answer) => DecidedLine::Payment(answer),
            Err(error) => {
                let state = (&self.ledger, &**ahead.rules);
                let text = line.line.unwrap_or_default();
                let error = first_error_inside(state, CallTarget::default(), text, error, may_enter);
                let mut problem = ProblemDocument::from(error);
                problem.name_nearest_merchant(ahead.rules, |id| may_enter(id).is_ok());
                DecidedLine::Text(render(&problem))
            }
        }
    }

    fn answer_in_turn<'a>(
        &self,
        line: &LineAhead<'_>,
        may_enter: &impl Fn(&str) -> Result<(), ServiceError>,
    ) -> DecidedLine<'a> {
        let mut text = Vec::new();
        answer_line(self, line.line, &mut text, may_enter);
        text.pop();
        DecidedLine::Text(text)
    }
}

impl DecidedLines<'_> {
    /// The answers as lines.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.lines.len() * ANSWER_BYTES);
        for line in &self.lines {
            match line {
                DecidedLine::Payment(answer) => append_decision_json(&mut out, answer, self.rules, true),
                DecidedLine::Text(text) => out.extend_from_slice(text),
            }
            out.push(b'\n');
        }
        out
    }
}

/// The payment of a line; `None`: the line is something else, it is refused, or it has names that the daemon does not know
/// yet, which may be known at its turn.
fn payment_ahead<'a>(
    (ledger, rules): (&Ledger, &'a Rules),
    line: &'a [u8],
    may_enter: impl Fn(&str) -> Result<(), ServiceError>,
) -> Option<AdmittedPayment<'a>> {
    let LineRequest { operation, merchant, fields } = read_line(rules, line, may_enter).ok()?;
    let admit = |request: PaymentRequest<'a>| {
        let payment = Payment::admit(rules, &merchant, request, PaymentPurpose::Record)?;
        let keys = ledger.payment_keys(&payment);
        Ok((payment, keys))
    };
    let admitted = match operation {
        PaymentOperation::Reserve => admit_reserve(fields, admit),
        PaymentOperation::Payment => admit_paid(fields, admit),
        _ => return None,
    };
    admitted.ok().filter(|admitted| !admitted.payment.has_unknown_names())
}

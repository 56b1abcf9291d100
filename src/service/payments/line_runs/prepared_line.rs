//! Lines that are read and admitted: what can be done without the lines before them.

use crate::{
    domain::{
        decision::payment::{Payment, PaymentPurpose, SentIdentity},
        rules::configuration::Rules,
    },
    ledger::{Footprint, Reach, StateKey, TransactionName},
    service::{
        commit::AnswerKind,
        error::{ErrorKind, ServiceError},
        payments::{
            admitted::{AdmittedOperation, AdmittedPayment},
            call::{LineRequest, admit, answer_kind, read_line},
            line_runs::{line_order::KeyTable, line_run::LineRun},
            operation::{OperationContext, PaymentOperation},
            payment_service::PaymentService,
            precedence::may_be_preceded,
        },
    },
};
use serde_json::Value;
use std::{borrow::Cow, collections::hash_map::Entry};

/// Whether the caller may act for a merchant.
pub(super) type MayEnter<'a> = &'a dyn Fn(&str) -> Result<(), ServiceError>;

/// A line that is ready to be done in its order.
pub(super) struct PreparedLine<'a> {
    pub(super) text: &'a [u8],
    pub(super) step: LineStep<'a>,
    /// The line before it in its run with the same transaction.
    pub(super) same_transaction: Option<usize>,
    /// Whether a line before it in its run has one of its keys.
    pub(super) shares_keys: bool,
}

/// What is left to do for a line.
pub(super) enum LineStep<'a> {
    /// To answer with an error. With a kind, an error of the gate of answers comes first.
    Refuse { error: Box<ServiceError>, after_gate: Option<AnswerKind> },
    /// To read the line from the beginning.
    Read,
    /// To decide.
    Decide { merchant: &'a str, kind: AnswerKind, operation: Box<AdmittedOperation<'a>> },
    /// Nothing.
    Done,
}

impl LineStep<'_> {
    /// The payment of the line, and whether it is recorded.
    pub(super) fn payment(&self) -> Option<(&Payment<'_>, bool)> {
        let Self::Decide { operation, .. } = self else { return None };
        match &**operation {
            AdmittedOperation::Payment(AdmittedPayment { payment, .. }) => Some((payment, true)),
            AdmittedOperation::Check { payment, .. } => Some((payment, false)),
            AdmittedOperation::Transition(_) => None,
        }
    }

    /// Whether the customer is recognised by attributes, which an earlier line may give to another customer.
    pub(super) fn is_recognised_by_attributes(&self) -> bool {
        self.payment().is_some_and(|(payment, _)| matches!(payment.identity, SentIdentity::Attributes(_)))
    }

    /// The transaction that the line names.
    pub(super) fn transaction(&self) -> Option<TransactionName<'_>> {
        let Self::Decide { merchant, operation, .. } = self else { return None };
        let id = match &**operation {
            AdmittedOperation::Payment(AdmittedPayment { payment, .. }) => payment.transaction_id.as_ref(),
            AdmittedOperation::Check { .. } => return None,
            AdmittedOperation::Transition(transition) => transition.transaction_id.as_ref(),
        };
        Some(TransactionName { merchant, id })
    }
}

/// The lines of a run, their footprints, and the last line with each key.
pub(super) struct PreparedRun<'a> {
    pub(super) lines: Vec<PreparedLine<'a>>,
    pub(super) footprints: Vec<Footprint>,
    pub(super) keys: KeyTable,
}

impl PaymentService {
    /// Prepares the lines of a run by these rules.
    pub(super) fn prepare_run<'a>(
        &self,
        rules: &'a Rules,
        run: &'a LineRun,
        may_enter: MayEnter<'_>,
    ) -> PreparedRun<'a> {
        let mut prepared = PreparedRun {
            lines: Vec::with_capacity(run.len()),
            footprints: Vec::with_capacity(run.len()),
            keys: KeyTable::with_capacity_and_hasher(run.len() * 2, foldhash::fast::FixedState::default()),
        };
        for line in run.lines() {
            let (text, (step, footprint)) = match line {
                Ok(text) => (text, self.prepare_line(rules, text, may_enter)),
                Err(bytes_max) => (&[][..], refused(ServiceError::too_large(bytes_max), None)),
            };
            let number = prepared.lines.len();
            let same_transaction =
                footprint.transaction.and_then(|transaction| prepared.keys.get(&transaction).copied());
            let mut shares_keys = false;
            for key in footprint.all_keys() {
                shares_keys |= set_last(&mut prepared.keys, key, number);
            }
            prepared.lines.push(PreparedLine { text, step, same_transaction, shares_keys });
            prepared.footprints.push(footprint);
        }
        prepared
    }

    fn prepare_line<'a>(&self, rules: &'a Rules, text: &'a [u8], may_enter: MayEnter<'_>) -> (LineStep<'a>, Footprint) {
        let read = match read_line(rules, text, may_enter) {
            Ok(read) => read,
            Err(error) => return self.prepare_refusal(text, error, None),
        };
        let LineRequest { operation, merchant: Cow::Borrowed(merchant), fields } = read else { return unforeseeable() };
        let kind = answer_kind(operation);
        let context = OperationContext { rules, merchant, is_in_stream: true };
        let admitted =
            admit(context, operation, fields, |sent| Payment::admit(rules, merchant, sent, PaymentPurpose::Record));
        let mut admitted = match admitted {
            Ok(admitted) => admitted,
            // A payment whose id is known is compared with the recorded one.
            Err(error)
                if error.kind == ErrorKind::Impossible
                    && matches!(operation, PaymentOperation::Reserve | PaymentOperation::Payment) =>
            {
                return unforeseeable();
            }
            Err(error) => return self.prepare_refusal(text, error, Some(kind)),
        };
        let footprint = match &mut admitted {
            AdmittedOperation::Payment(AdmittedPayment { payment, lookup, .. }) => {
                let (footprint, found) = self.ledger.payment_footprint(payment, true);
                *lookup = Some(found);
                footprint
            }
            AdmittedOperation::Check { payment, .. } => self.ledger.payment_footprint(payment, false).0,
            AdmittedOperation::Transition(transition) => {
                let transaction = TransactionName { merchant, id: &transition.transaction_id };
                self.ledger.transition_footprint(transaction, transition.unreserved.is_some())
            }
        };
        (LineStep::Decide { merchant, kind, operation: Box::new(admitted) }, footprint)
    }

    /// A line that is refused. Whether its transaction is known decides which error comes first.
    fn prepare_refusal<'a>(
        &self,
        text: &'a [u8],
        error: ServiceError,
        after_gate: Option<AnswerKind>,
    ) -> (LineStep<'a>, Footprint) {
        if !may_be_preceded(&error) {
            return refused(error, after_gate);
        }
        let Ok(sent) = serde_json::from_slice::<Value>(text) else { return refused(error, after_gate) };
        let text_of = |field: &str| sent.get(field).and_then(Value::as_str);
        let footprint = match (text_of("merchant"), text_of("transaction_id")) {
            (Some(merchant), Some(id)) => self.ledger.transition_footprint(TransactionName { merchant, id }, false),
            _ => Footprint::empty(),
        };
        (LineStep::Read, footprint)
    }
}

/// Sets the last line with a key. Returns whether another line had it.
pub(super) fn set_last(keys: &mut KeyTable, key: StateKey, line: usize) -> bool {
    match keys.entry(key) {
        Entry::Occupied(mut known) => known.insert(line) != line,
        Entry::Vacant(none) => {
            none.insert(line);
            false
        }
    }
}

fn refused<'a>(error: ServiceError, after_gate: Option<AnswerKind>) -> (LineStep<'a>, Footprint) {
    (LineStep::Refuse { error: Box::new(error), after_gate }, Footprint::empty())
}

/// A line of which nothing is known before the lines before it are done.
fn unforeseeable<'a>() -> (LineStep<'a>, Footprint) {
    (LineStep::Read, Footprint { reach: Reach::All, ..Footprint::empty() })
}

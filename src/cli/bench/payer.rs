//! The callers of a run: payments of a workload, and the reserves that fill a daemon before it.

use crate::cli::bench::{
    connection::Answer,
    expected_usage::{ExpectedUsage, after},
    generator::Caller,
    requests::RequestWriter,
    workload::{Lane, Operation, Step, Transaction},
};
use std::{collections::BTreeMap, sync::Arc};

/// What the answers of a run were.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcomes {
    /// Answered with 200, by operation.
    pub(super) done: BTreeMap<&'static str, u64>,
    /// Reserves that were denied.
    pub(super) denied: u64,
    /// Other answers, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// The body of the first of them.
    pub(super) first_refusal: Option<String>,
}

impl Outcomes {
    /// Adds those of another connection.
    pub(super) fn add(&mut self, other: &Self) {
        other.done.iter().for_each(|(word, count)| *self.done.entry(word).or_default() += count);
        self.denied += other.denied;
        other.refused.iter().for_each(|(status, count)| *self.refused.entry(*status).or_default() += count);
        if self.first_refusal.is_none() {
            self.first_refusal.clone_from(&other.first_refusal);
        }
    }
}

/// What is sent over a connection.
#[derive(Debug)]
pub(super) enum Steps {
    /// The lane of a workload.
    Drawn(Box<Lane>),
    /// One reserve of each customer of a connection.
    Fill(Fill),
}

/// One reserve of every `stride`-th customer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    /// The next customer.
    pub(super) customer: u32,
    /// The number of customers.
    pub(super) customers: u32,
    /// The number of connections.
    pub(super) stride: u32,
}

/// The amount of a reserve that fills a daemon.
const FILL_CENTS: u32 = 1_000;

impl Steps {
    fn next(&mut self) -> Option<Step> {
        match self {
            Self::Drawn(lane) => Some(lane.next()),
            Self::Fill(fill) => {
                let customer = fill.customer;
                fill.customer = customer.saturating_add(fill.stride);
                let transaction = Transaction { number: customer, customer, cents: FILL_CENTS };
                let step = Step { operation: Operation::Reserve, transaction, is_approved: false };
                (customer < fill.customers).then_some(step)
            }
        }
    }
}

/// Sends payments over one connection, and adds up what they did.
#[derive(Debug)]
pub(super) struct Payer {
    steps: Steps,
    writer: RequestWriter,
    expected: Arc<ExpectedUsage>,
    /// The request that is not answered yet.
    waiting: Option<Step>,
    outcomes: Outcomes,
}

impl Payer {
    /// The payer of a connection.
    pub(super) fn new(steps: Steps, writer: RequestWriter, expected: Arc<ExpectedUsage>) -> Self {
        Self { steps, writer, expected, waiting: None, outcomes: Outcomes::default() }
    }

    /// The outcomes since the last call.
    pub(super) fn take_outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.outcomes)
    }

    fn accept(&mut self, step: &Step, body: &[u8]) {
        if step.operation == Operation::Reserve && !is_allowed(body) {
            self.outcomes.denied += 1;
            self.forget(step.transaction);
            return;
        }
        *self.outcomes.done.entry(step.operation.word()).or_default() += 1;
        self.expected.add(step, body);
    }

    fn forget(&mut self, transaction: Transaction) {
        if let Steps::Drawn(lane) = &mut self.steps {
            lane.forget(transaction);
        }
    }
}

fn is_allowed(body: &[u8]) -> bool {
    after(body, b"\"decision\":\"").is_some_and(|rest| rest.starts_with(b"allow\""))
}

impl Caller for Payer {
    fn next(&mut self, request: &mut Vec<u8>) -> Option<usize> {
        let step = self.steps.next()?;
        self.waiting = Some(step);
        self.writer.write(&step, request);
        Operation::ALL.iter().position(|&operation| operation == step.operation)
    }

    fn answered(&mut self, answer: Answer<'_>) -> anyhow::Result<()> {
        let Some(step) = self.waiting.take() else { return Ok(()) };
        if answer.status == 200 {
            self.accept(&step, answer.body);
            return Ok(());
        }
        *self.outcomes.refused.entry(answer.status).or_default() += 1;
        if self.outcomes.first_refusal.is_none() {
            self.outcomes.first_refusal = Some(String::from_utf8_lossy(answer.body).into_owned());
        }
        if step.operation != Operation::Check {
            self.expected.set_uncertain(step.transaction.customer);
        }
        if step.operation == Operation::Reserve {
            self.forget(step.transaction);
        }
        Ok(())
    }
}

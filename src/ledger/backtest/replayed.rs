//! What a step of a replayed history shows.

use crate::domain::{
    decision::recorded_payment::NotJudged,
    transaction::opening::Opening,
    vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
};

/// A decision of the history, and the same decision under the other rules.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedDecision<'a> {
    /// The number of the customer; below [`FIRST_CUSTOMER`](crate::ledger::FIRST_CUSTOMER): the payment had none.
    pub customer: u64,
    /// As recorded.
    pub recorded: &'a Opening,
    /// As the other rules decide.
    pub replayed: Result<&'a Opening, NotJudged>,
}

/// Money that moved for a payment that the other rules deny.
#[derive(Debug, Clone, Copy)]
pub struct RefusedApproval {
    /// The number of the customer.
    pub customer: u64,
    /// Minor units.
    pub amount: u64,
    /// The payment.
    pub payment: DeniedPayment,
}

/// What is remembered of a payment that only the other rules deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeniedPayment {
    /// The merchant.
    pub merchant: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// The currency of its amount.
    pub currency: Currency,
}

/// What a step of the history shows.
#[derive(Debug, Clone, Copy)]
pub enum Replayed<'a> {
    /// A decision.
    Decision(ReplayedDecision<'a>),
    /// Money that moved for a payment that the other rules deny.
    RefusedApproval(RefusedApproval),
    /// A reload of the configuration files that changed a merchant or the rates.
    Reload(Millis),
}

/// Takes what a step shows. Returns whether a decision counts in the report: then its approvals are passed on too.
pub type VisitReplayed<'v> = dyn FnMut(Replayed<'_>) -> bool + 'v;

//! What the ledger answers: owned, so that it leaves the locks behind.

use crate::domain::{
    customer::Customer,
    decide::{Decision, Explanation},
    limits::Headroom,
    money::Currency,
    name::Name,
    payment::{Payment, SentIdentity},
    standing::CustomerStatus,
    time::Millis,
    transaction::{Flag, LevelSource, Opened, Resolution, Status, Transaction, Violation},
};
use crate::journal::Lsn;
use smallvec::SmallVec;

/// The customer of an answer.
#[derive(Debug, Clone)]
pub struct CustomerShown {
    /// `None`: nobody was created, because nothing was recorded.
    pub customer_id: Option<String>,
    /// Where the customer has one.
    pub identifier: Option<String>,
    /// How the customer was found.
    pub resolution: Resolution,
    /// `None`: the rules were bypassed.
    pub status: Option<CustomerStatus>,
    /// The operator's labels.
    pub labels: SmallVec<[Name; 1]>,
    /// Whose.
    pub merchant: Name,
}

/// The answer to a reserve, a payment or a check.
#[derive(Debug, Clone)]
pub struct Answer {
    /// As sent; empty where a check had none.
    pub transaction_id: String,
    /// `None`: checked, nothing recorded.
    pub status: Option<Status>,
    /// None: allowed.
    pub violations: SmallVec<[Violation; 1]>,
    /// Who.
    pub customer: CustomerShown,
    /// Under which level; `None`: bypassed.
    pub level: Option<(Name, LevelSource)>,
    /// Best first; empty on a deny.
    pub gates: SmallVec<[Name; 4]>,
    /// What is left.
    pub headroom: Headroom,
    /// Of amounts here.
    pub currency: Currency,
    /// When the hold ends, where one is open.
    pub expires_at: Option<Millis>,
    /// What a reader should notice.
    pub flags: SmallVec<[Flag; 2]>,
    /// Filters whose `warn_at` was reached.
    pub warnings: SmallVec<[Name; 2]>,
    /// Why, where that was asked.
    pub explanation: Option<Box<Explanation>>,
    /// As of when.
    pub now: Millis,
    /// Whether this was answered before.
    pub replay: bool,
    /// The record that it rests on, which must be committed before it is said.
    pub rests_on: Lsn,
}

impl Answer {
    /// An answer to a question that recorded nothing.
    pub(crate) fn checked(
        payment: &Payment<'_>,
        decision: Decision<'_>,
        customer: Option<&Customer>,
        resolution: Resolution,
        now: Millis,
    ) -> Self {
        let sent = |wanted: bool, text: &str| wanted.then(|| text.to_owned());
        let known = customer.filter(|_| resolution != Resolution::Created);
        let (customer_id, identifier) = match (known, &payment.identity) {
            (Some(known), _) => (Some(known.number.to_string()), known.identifier.as_deref().map(str::to_owned)),
            (None, SentIdentity::Identifier(id)) => (None, sent(true, id)),
            (None, SentIdentity::CustomerId(id)) => (sent(true, id), None),
            (None, SentIdentity::Attributes(_)) => (None, None),
        };
        let gates = if decision.is_allowed() { decision.gates.ordered } else { SmallVec::new() };
        Self {
            transaction_id: payment.transaction_id.to_string(),
            status: None,
            violations: decision.violations,
            customer: CustomerShown {
                customer_id,
                identifier,
                resolution,
                status: customer.map(Customer::status),
                labels: customer.map(|c| SmallVec::from_slice(c.labels())).unwrap_or_default(),
                merchant: payment.merchant.id,
            },
            level: decision.level.map(|resolved| (resolved.in_force.name, resolved.in_force.source)),
            gates,
            headroom: decision.headroom,
            currency: payment.currency,
            expires_at: None,
            flags: SmallVec::new(),
            warnings: decision.warnings,
            explanation: decision.explanation,
            now,
            replay: false,
            rests_on: Lsn::NONE,
        }
    }

    /// An answer from what is recorded.
    pub(crate) fn recorded(
        transaction: Transaction,
        customer: CustomerShown,
        headroom: Headroom,
        now: Millis,
        rests_on: Lsn,
    ) -> Self {
        let (status, flags) = (transaction.status(now), transaction.flags());
        let opening = transaction.opening;
        Self {
            transaction_id: opening.id.into_string(),
            status: Some(status),
            violations: opening.violations,
            customer,
            level: opening.level.map(|level| (level, opening.level_source)),
            gates: if opening.opened == Opened::Denied { SmallVec::new() } else { opening.gates },
            headroom,
            currency: opening.content.currency,
            expires_at: transaction.hold_until.filter(|_| status == Status::Reserved),
            flags,
            warnings: SmallVec::new(),
            explanation: None,
            now,
            replay: true,
            rests_on,
        }
    }
}

/// Whose transaction it is: a customer with this identifier.
pub(crate) fn customer_of(transaction: &Transaction, customer: &Customer, identifier: Option<&str>) -> CustomerShown {
    let opening = &transaction.opening;
    if opening.resolution == Resolution::Bypassed {
        let customer_id = opening.stranger.as_deref().map(str::to_owned);
        let (resolution, labels, merchant) = (Resolution::Bypassed, SmallVec::new(), opening.merchant);
        return CustomerShown { customer_id, identifier: None, resolution, status: None, labels, merchant };
    }
    CustomerShown {
        customer_id: Some(customer.number.to_string()),
        identifier: identifier.map(str::to_owned),
        resolution: opening.resolution,
        status: Some(customer.status()),
        labels: SmallVec::from_slice(customer.labels()),
        merchant: customer.merchant,
    }
}

/// The answer to a transition.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which.
    pub transaction_id: String,
    /// As of now.
    pub status: Status,
    /// Minor units: what was approved, or asked for where nothing was.
    pub amount: u64,
    /// Minor units.
    pub cancelled: u64,
    /// Minor units.
    pub refunded: u64,
    /// What a reader should notice.
    pub flags: SmallVec<[Flag; 2]>,
    /// What is left for the customer under the transaction's level.
    pub headroom: Headroom,
    /// Of amounts here.
    pub currency: Currency,
    /// Whether this was answered before.
    pub replay: bool,
    /// The record that it rests on, which must be committed before it is said.
    pub rests_on: Lsn,
}

impl Moved {
    pub(crate) fn of(transaction: &Transaction, headroom: Headroom, now: Millis, replay: bool) -> Self {
        let totals = &transaction.totals;
        Self {
            transaction_id: transaction.opening.id.to_string(),
            status: transaction.status(now),
            amount: transaction.amount(),
            cancelled: totals.cancelled,
            refunded: totals.refunded,
            flags: transaction.flags(),
            headroom,
            currency: transaction.opening.content.currency,
            replay,
            rests_on: Lsn::NONE,
        }
    }
}

/// A transaction as it stands, whole, and what is left for its customer under its level.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The transaction.
    pub transaction: Transaction,
    /// Whose.
    pub customer: CustomerShown,
    /// What is left; `None` in a list, where nobody asks.
    pub headroom: Option<Headroom>,
    /// As of when.
    pub now: Millis,
}

//! What the ledger answers: it leaves the locks behind, and borrows nothing but the texts of the payment that asked.

use crate::domain::{
    customer::{aggregate::Customer, status::CustomerStatus},
    decision::{
        decide::{Decision, Explanation},
        payment::{Payment, SentIdentity},
    },
    transaction::{
        record::{Flag, LevelSource, Opened, Opening, Resolution, Status, Transaction, Violation},
        summary::{self, TransactionOutcome},
    },
    usage::limits::Headroom,
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use crate::storage::journal::Lsn;
use smallvec::SmallVec;
use std::{borrow::Cow, fmt};

/// A `customer_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerId<'a> {
    /// A customer's: the decimal text of the internal number.
    Number(u64),
    /// As sent, where nobody has it.
    Sent(Cow<'a, str>),
}

impl fmt::Display for CustomerId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Sent(id) => id.fmt(f),
        }
    }
}

/// The customer of an answer.
#[derive(Debug, Clone)]
pub struct CustomerShown<'a> {
    /// `None`: nobody was created, because nothing was recorded.
    pub customer_id: Option<CustomerId<'a>>,
    /// Where the customer has one.
    pub identifier: Option<Cow<'a, str>>,
    /// How the customer was found.
    pub resolution: Resolution,
    /// `None`: the rules were bypassed.
    pub status: Option<CustomerStatus>,
    /// The operator's labels.
    pub labels: SmallVec<[Name; 1]>,
    /// Whose.
    pub merchant: Name,
}

impl<'a> CustomerShown<'a> {
    /// A customer who is in memory, with this identifier.
    pub(crate) fn known(customer: &Customer, resolution: Resolution, identifier: Option<Cow<'a, str>>) -> Self {
        Self {
            customer_id: Some(CustomerId::Number(customer.number())),
            identifier,
            resolution,
            status: Some(customer.status()),
            labels: SmallVec::from_slice(customer.labels()),
            merchant: customer.merchant,
        }
    }

    /// Somebody whom the rules were not applied to.
    pub(crate) fn stranger(id: Option<Cow<'a, str>>, merchant: Name) -> Self {
        let customer_id = id.map(CustomerId::Sent);
        let (resolution, labels) = (Resolution::Bypassed, SmallVec::new());
        Self { customer_id, identifier: None, resolution, status: None, labels, merchant }
    }
}

/// The answer to a reserve, a payment or a check.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// As sent; empty where a check had none.
    pub transaction_id: &'a str,
    /// `None`: checked, nothing recorded.
    pub status: Option<Status>,
    /// None: allowed.
    pub violations: SmallVec<[Violation; 1]>,
    /// Who.
    pub customer: CustomerShown<'a>,
    /// Under which level, or under none where only the endpoint's settings apply; `None`: bypassed.
    pub level: Option<(Option<Name>, LevelSource)>,
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

impl<'a> Answer<'a> {
    /// An answer to a question that recorded nothing.
    pub(crate) fn checked(
        payment: &'a Payment<'_>,
        decision: Decision<'_>,
        customer: Option<&Customer>,
        resolution: Resolution,
        now: Millis,
    ) -> Self {
        let known = customer.filter(|_| resolution != Resolution::Created);
        let (customer_id, identifier) = match (known, &payment.identity) {
            (Some(known), _) => {
                let identifier = known.shown_identifier().map(|id| Cow::Owned(id.to_owned()));
                (Some(CustomerId::Number(known.number())), identifier)
            }
            (None, SentIdentity::Identifier(id)) => (None, Some(Cow::Borrowed(id.as_ref()))),
            (None, SentIdentity::CustomerId(id)) => (Some(CustomerId::Sent(Cow::Borrowed(id.as_ref()))), None),
            (None, SentIdentity::Attributes(_)) => (None, None),
        };
        let gates = if decision.is_allowed() { decision.gates.ordered } else { SmallVec::new() };
        Self {
            transaction_id: &payment.transaction_id,
            status: None,
            violations: decision.violations,
            customer: CustomerShown {
                customer_id,
                identifier,
                resolution,
                status: customer.map(|customer| customer.status()),
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

    /// An answer to a payment from what is recorded of it, and what that has come to.
    pub(crate) fn recorded<Text>(
        payment: &'a Payment<'_>,
        opening: &Opening<Text>,
        outcome: &TransactionOutcome,
        customer: CustomerShown<'a>,
        headroom: Headroom,
        now: Millis,
        rests_on: Lsn,
    ) -> Self {
        let status = outcome.status(now);
        let is_denied = opening.opened == Opened::Denied;
        Self {
            transaction_id: &payment.transaction_id,
            status: Some(status),
            violations: SmallVec::from_slice(&opening.violations),
            customer,
            level: opening.counts().then_some((opening.level, opening.level_source)),
            gates: if is_denied { SmallVec::new() } else { SmallVec::from_slice(&opening.gates) },
            headroom,
            currency: opening.content.currency,
            expires_at: outcome.expires_at(now),
            flags: summary::shown(outcome.flags),
            warnings: SmallVec::new(),
            explanation: None,
            now,
            replay: true,
            rests_on,
        }
    }
}

/// Whose transaction it is.
pub(crate) fn customer_of(transaction: &Transaction, customer: &Customer) -> CustomerShown<'static> {
    let opening = &transaction.opening;
    let kept = |text: Option<&str>| text.map(|text| Cow::Owned(text.to_owned()));
    match opening.resolution {
        Resolution::Bypassed => CustomerShown::stranger(kept(opening.stranger.as_deref()), opening.merchant),
        resolution => CustomerShown::known(customer, resolution, kept(customer.shown_identifier())),
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
    /// Minor units that are held for captures to follow, or for the approval.
    pub held: u64,
    /// Minor units of approved money that were cancelled.
    pub cancelled: u64,
    /// Minor units of the reservation that were released by cancels.
    pub released: u64,
    /// Minor units.
    pub refunded: u64,
    /// Minor units.
    pub charged_back: u64,
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
    /// `upshot` is the state of the transaction by the last record.
    pub(crate) fn of(
        transaction: &Transaction,
        outcome: &TransactionOutcome,
        headroom: Headroom,
        now: Millis,
        replay: bool,
    ) -> Self {
        let totals = &transaction.totals;
        Self {
            transaction_id: transaction.opening.id.to_string(),
            status: outcome.status(now),
            amount: transaction.amount(),
            held: outcome.held(now),
            cancelled: totals.cancelled,
            released: totals.released,
            refunded: totals.refunded,
            charged_back: totals.charged_back,
            flags: summary::shown(outcome.flags),
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
    /// Its state by the last record.
    pub outcome: TransactionOutcome,
    /// Whose.
    pub customer: CustomerShown<'static>,
    /// What is left; `None` in a list, where nobody asks.
    pub headroom: Option<Headroom>,
    /// As of when.
    pub now: Millis,
    /// The record that it rests on, which must be committed before it is said.
    pub rests_on: Lsn,
}

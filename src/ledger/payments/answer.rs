//! Answers of the ledger. They outlive the locks and borrow only the texts of the payment.

use crate::domain::{
    customer::{aggregate::Customer, status::CustomerStatus},
    decision::{
        decide::Decision,
        explanation::Explanation,
        gauge::Headroom,
        payment::{Payment, SentIdentity},
    },
    transaction::{
        opening::{CustomerResolution, LevelSource, Opening, OpeningKind},
        outcome::TransactionOutcome,
        state::Transaction,
        status::{Flag, Status, flag_list},
        violation::Violation,
    },
    vocabulary::{attributes::AttributeSet, calendar::LocalTime, money::Currency, names::Name, time::Millis},
};
use crate::ledger::index::identity_index::IdentityIndex;
use crate::storage::journal::Lsn;
use smallvec::SmallVec;
use std::{borrow::Cow, fmt};

/// A `customer_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerId<'a> {
    /// The decimal text of a customer's number.
    Number(u64),
    /// As sent, where no customer has it.
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
pub struct CustomerView<'a> {
    /// `None`: no customer was created, because nothing was recorded.
    pub customer_id: Option<CustomerId<'a>>,
    /// The `merchant_customer_identifier`, where the customer has one.
    pub identifier: Option<Cow<'a, str>>,
    /// How the customer was found.
    pub resolution: CustomerResolution,
    /// `None`: the rules were bypassed.
    pub status: Option<CustomerStatus>,
    /// The labels that operators set.
    pub labels: SmallVec<[Name; 1]>,
    /// The merchant of the customer.
    pub merchant: Name,
}

impl<'a> CustomerView<'a> {
    /// A customer in memory, with the identifier to show.
    pub(in crate::ledger) fn known(
        customer: &Customer,
        resolution: CustomerResolution,
        identifier: Option<Cow<'a, str>>,
        local: LocalTime<'_>,
    ) -> Self {
        Self {
            customer_id: Some(CustomerId::Number(customer.number())),
            identifier,
            resolution,
            status: Some(customer.status(local)),
            labels: SmallVec::from_slice(customer.labels()),
            merchant: customer.merchant,
        }
    }

    /// An unknown customer, for whom the rules were bypassed.
    pub(in crate::ledger) fn bypassed(id: Option<Cow<'a, str>>, merchant: Name) -> Self {
        let customer_id = id.map(CustomerId::Sent);
        let (resolution, labels) = (CustomerResolution::Bypassed, SmallVec::new());
        Self { customer_id, identifier: None, resolution, status: None, labels, merchant }
    }
}

/// A decision that is not recorded.
pub struct DryRun<'d> {
    /// The customer; a new one where the payment would create one, and `None` where the rules are bypassed.
    pub customer: Option<&'d Customer>,
    /// The decision.
    pub decision: Decision<'d>,
    /// How the customer was found.
    pub resolution: CustomerResolution,
    /// The time of the decision.
    pub now: Millis,
}

/// The answer to a reserve, a payment or a dry run.
#[derive(Debug, Clone)]
pub struct PaymentAnswer<'a> {
    /// As sent; empty where a dry run had none.
    pub transaction_id: &'a str,
    /// `None`: a dry run.
    pub status: Option<Status>,
    /// Empty: allowed.
    pub violations: SmallVec<[Violation; 1]>,
    /// The customer.
    pub customer: CustomerView<'a>,
    /// The level and its source. The name is `None` where only the endpoint's settings apply; the whole is `None` where the
    /// rules were bypassed.
    pub level: Option<(Option<Name>, LevelSource)>,
    /// The best gate first; empty where the payment is denied.
    pub gates: SmallVec<[Name; 4]>,
    /// What remains of the limits.
    pub headroom: Headroom,
    /// The currency of all amounts of the answer.
    pub currency: Currency,
    /// The amount of the payment, minor units.
    pub asked: u64,
    /// The project of the payment.
    pub project: Name,
    /// The instrument that the payment names.
    pub instrument: Option<&'a str>,
    /// When the hold ends, if one is open.
    pub expires_at: Option<Millis>,
    /// The flags of the transaction.
    pub flags: SmallVec<[Flag; 2]>,
    /// Filters whose `warn_at` was reached.
    pub warnings: SmallVec<[Name; 2]>,
    /// The level's filters in shadow mode that would have denied it; empty in the answer to a repetition.
    pub shadow_denials: SmallVec<[Name; 1]>,
    /// Attributes of the payment that are not of their form; empty in the answer to a repetition.
    pub invalid_attributes: AttributeSet,
    /// The reasons of the decision, where the caller requested them.
    pub explanation: Option<Box<Explanation>>,
    /// The time of the answer.
    pub now: Millis,
    /// Whether it is the answer to a repetition.
    pub replay: bool,
    /// The LSN that it depends on. The journal must have committed it before the answer is sent.
    pub depends_on_lsn: Lsn,
}

impl<'a> PaymentAnswer<'a> {
    /// The answer to a dry run.
    pub(crate) fn of_dry_run(payment: &'a Payment<'_>, dry_run: DryRun<'_>) -> Self {
        let DryRun { customer, decision, resolution, now } = dry_run;
        let local = LocalTime { calendar: &payment.merchant.calendar, now };
        let known = customer.filter(|_| resolution != CustomerResolution::Created);
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
            customer: CustomerView {
                customer_id,
                identifier,
                resolution,
                status: customer.map(|customer| customer.status(local)),
                labels: customer.map(|c| SmallVec::from_slice(c.labels())).unwrap_or_default(),
                merchant: payment.merchant.id,
            },
            level: decision.level.map(|resolved| (resolved.in_force.name, resolved.in_force.source)),
            gates,
            headroom: decision.headroom,
            currency: payment.currency,
            asked: payment.amount.unwrap_or(0),
            project: payment.project.id,
            instrument: payment.instrument.as_deref(),
            expires_at: None,
            flags: SmallVec::new(),
            warnings: decision.warnings,
            shadow_denials: decision.shadow_denials,
            invalid_attributes: payment.invalid_attributes(now),
            explanation: decision.explanation,
            now,
            replay: false,
            depends_on_lsn: Lsn::NONE,
        }
    }

    /// The answer to a payment from its recorded opening and its state.
    pub(in crate::ledger) fn recorded<Text>(
        payment: &'a Payment<'_>,
        opening: &Opening<Text>,
        customer: CustomerView<'a>,
        state: RecordedState,
    ) -> Self {
        let RecordedState { outcome, headroom, now, depends_on_lsn } = state;
        let status = outcome.status(now);
        let is_denied = opening.opened == OpeningKind::Denied;
        Self {
            transaction_id: &payment.transaction_id,
            status: Some(status),
            violations: SmallVec::from_slice(&opening.violations),
            customer,
            level: opening.counts().then_some((opening.level, opening.level_source)),
            gates: if is_denied { SmallVec::new() } else { SmallVec::from_slice(&opening.gates) },
            headroom,
            currency: opening.content.currency,
            asked: opening.content.amount,
            project: opening.content.project,
            instrument: payment.instrument.as_deref(),
            expires_at: outcome.expires_at(now),
            flags: flag_list(outcome.flags),
            warnings: SmallVec::new(),
            shadow_denials: SmallVec::new(),
            invalid_attributes: AttributeSet::default(),
            explanation: None,
            now,
            replay: true,
            depends_on_lsn,
        }
    }
}

/// The state of a transaction at the time of the answer; `outcome` is the outcome as the last record states it.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct RecordedState {
    pub(in crate::ledger) outcome: TransactionOutcome,
    pub(in crate::ledger) headroom: Headroom,
    pub(in crate::ledger) now: Millis,
    pub(in crate::ledger) depends_on_lsn: Lsn,
}

/// The customer of a transaction, for an answer.
pub(in crate::ledger) fn customer_of(
    transaction: &Transaction,
    customer: &Customer,
    identities: &IdentityIndex,
    local: LocalTime<'_>,
) -> CustomerView<'static> {
    let opening = &transaction.opening;
    let owned = |text: Option<&str>| text.map(|text| Cow::Owned(text.to_owned()));
    match opening.resolution {
        CustomerResolution::Bypassed if identities.names_by_identifier(opening) => {
            let identifier = owned(opening.bypassed_id.as_deref());
            CustomerView { identifier, ..CustomerView::bypassed(None, opening.merchant) }
        }
        CustomerResolution::Bypassed => CustomerView::bypassed(owned(opening.bypassed_id.as_deref()), opening.merchant),
        resolution => CustomerView::known(customer, resolution, owned(customer.shown_identifier()), local),
    }
}

/// The answer to a transition.
#[derive(Debug, Clone)]
pub struct TransitionAnswer {
    /// The transaction.
    pub transaction_id: String,
    /// The status now.
    pub status: Status,
    /// Minor units: the approved amount, or the requested amount where nothing is approved.
    pub amount: u64,
    /// Minor units that are held for later captures or for the approval.
    pub held_amount: u64,
    /// Minor units of the approved amount that were cancelled.
    pub cancelled: u64,
    /// Minor units of the reservation that cancels released.
    pub released: u64,
    /// Minor units.
    pub refunded: u64,
    /// Minor units.
    pub charged_back: u64,
    /// The flags of the transaction.
    pub flags: SmallVec<[Flag; 2]>,
    /// What remains of the limits for the customer under the transaction's level.
    pub headroom: Headroom,
    /// Attributes that are not of their form, of an approval that opened its transaction.
    pub invalid_attributes: AttributeSet,
    /// The currency of all amounts of the answer.
    pub currency: Currency,
    /// Whether it is the answer to a repetition.
    pub replay: bool,
    /// The LSN that it depends on. The journal must have committed it before the answer is sent.
    pub depends_on_lsn: Lsn,
}

impl TransitionAnswer {
    pub(in crate::ledger) fn of(transaction: &Transaction, state: RecordedState, replay: bool) -> Self {
        let RecordedState { outcome, headroom, now, depends_on_lsn } = state;
        let totals = &transaction.totals;
        Self {
            transaction_id: transaction.opening.id.to_string(),
            status: outcome.status(now),
            amount: transaction.amount(),
            held_amount: outcome.held_amount(now),
            cancelled: totals.cancelled,
            released: totals.released,
            refunded: totals.refunded,
            charged_back: totals.charged_back,
            flags: flag_list(outcome.flags),
            headroom,
            invalid_attributes: AttributeSet::default(),
            currency: transaction.opening.content.currency,
            replay,
            depends_on_lsn,
        }
    }
}

/// A transaction with all its facts, its customer, and the headroom under its level.
#[derive(Debug, Clone)]
pub struct TransactionView {
    /// The transaction.
    pub transaction: Transaction,
    /// Its outcome as the last record states it.
    pub outcome: TransactionOutcome,
    /// Its customer.
    pub customer: CustomerView<'static>,
    /// What remains of the limits; `None` in a list.
    pub headroom: Option<Headroom>,
    /// The time of the answer.
    pub now: Millis,
    /// The LSN that it depends on. The journal must have committed it before the answer is sent.
    pub depends_on_lsn: Lsn,
}

//! The shapes of transactions and of what happened to them.

use crate::config::schema::{
    texts::{InstrumentTokenText, NameText, OpaqueText, ReasonText, TransactionIdText},
    words::WordOf,
};
use crate::service::documents::{
    as_text::{Amount, AsText, Time},
    payments::{
        code::{CodeDocument, CodeFields, DeniedPayment},
        decision::{AppliedLevel, CustomerReference, RemainingDocument, invalid_attribute_words},
    },
};
use crate::{
    domain::{
        rules::configuration::Rules,
        transaction::{
            fact::{CancelOf, Fact, RecordedFact},
            status::{Flag, Flags, Status, flag_list},
        },
        vocabulary::{
            direction::Direction,
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::{TransactionView, TransitionAnswer},
};
use schemars::JsonSchema;
use serde::Serialize;
use smallvec::SmallVec;

/// The answer to a transition.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Transition")]
pub(crate) struct TransitionDocument<'a> {
    /// The transaction.
    #[schemars(with = "TransactionIdText")]
    transaction_id: &'a str,
    /// Its status now.
    #[schemars(with = "WordOf<Status>")]
    status: &'static str,
    /// The approved amount, or the reserved one where nothing is approved.
    amount: Amount,
    /// What is still held.
    held: Amount,
    /// What was cancelled of approved money.
    cancelled: Amount,
    /// What was released from the reservation.
    released: Amount,
    /// What was refunded.
    refunded: Amount,
    /// What was charged back.
    charged_back: Amount,
    /// The flags of the transaction.
    #[schemars(with = "Vec<WordOf<Flag>>")]
    flags: smallvec::SmallVec<[&'static str; 2]>,
    /// What is left now.
    remaining: RemainingDocument,
    /// Invalid attributes of an approval that records an unknown transaction; absent if there are none.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<NameText>")]
    warnings: SmallVec<[&'static str; 2]>,
    /// Only `true`, in a stream: the answer was given before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replay: bool,
}

impl<'a> TransitionDocument<'a> {
    pub(crate) fn of(moved: &'a TransitionAnswer, rules: &Rules, in_stream: bool) -> Self {
        let units = rules.currencies.units(moved.currency);
        let amount = |value: u64| AsText(Minor { value: u128::from(value), units });
        Self {
            transaction_id: &moved.transaction_id,
            status: moved.status.word(),
            amount: amount(moved.amount),
            held: amount(moved.held_amount),
            cancelled: amount(moved.cancelled),
            released: amount(moved.released),
            refunded: amount(moved.refunded),
            charged_back: amount(moved.charged_back),
            flags: moved.flags.iter().map(|flag| flag.word()).collect(),
            remaining: RemainingDocument::of(&moved.headroom, moved.currency, rules),
            warnings: invalid_attribute_words(moved.invalid_attributes).collect(),
            replay: in_stream && moved.replay,
        }
    }
}

/// What happened to a transaction after it was opened.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Fact")]
pub(crate) struct FactDocument<'a> {
    /// What happened.
    #[schemars(extend("enum" = ["reserve", "approve", "decline", "cancel", "refund", "chargeback", "extend", "attempt"]))]
    operation: &'static str,
    /// When it was recorded.
    at: Option<Time>,
    /// The id of the capture, cancel, refund or chargeback.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OpaqueText>")]
    id: Option<&'a str>,
    /// The amount of this fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// Of a capture or an attempt: the gate, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OpaqueText>")]
    gate: Option<&'a str>,
    /// The token, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<InstrumentTokenText>")]
    payment_instrument: Option<&'a str>,
    /// Of an extension: the new end.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    /// Of an attempt: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// Of an attempt: its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OpaqueText>")]
    outcome: Option<&'a str>,
    /// Of a cancel: which money.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WordOf<CancelOf>>")]
    of: Option<&'static str>,
    /// Of a capture: whether none follows.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    /// The first of `flags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WordOf<Flag>>")]
    flag: Option<&'static str>,
    /// What this fact flagged.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    #[schemars(with = "Vec<WordOf<Flag>>")]
    flags: SmallVec<[&'static str; 2]>,
}

impl<'a> FactDocument<'a> {
    pub(crate) fn of(recorded_fact: &'a RecordedFact, units: u8) -> Self {
        let amount = |value: u64| Some(AsText(Minor { value: u128::from(value), units }));
        let plain = Self { at: Some(AsText(recorded_fact.at)), ..Self::default() };
        let one = |flag: Flag, holds: bool| Flags::NONE.with(flag, holds);
        let (shape, flags) = match &recorded_fact.fact {
            Fact::Approved { capture_id, amount: value, is_final, gate, instrument, flags, .. } => {
                let shape = Self {
                    operation: "approve",
                    id: capture_id.as_deref(),
                    amount: amount(*value),
                    is_final: *is_final,
                    gate: gate.as_deref(),
                    payment_instrument: instrument.as_deref(),
                    ..plain
                };
                (shape, *flags)
            }
            Fact::Declined { conflict } => (Self { operation: "decline", ..plain }, one(Flag::Conflict, *conflict)),
            Fact::Cancelled { cancel_id, amount: value, of, .. } => {
                let of = of.map(CancelOf::word);
                (
                    Self { operation: "cancel", id: cancel_id.as_deref(), amount: amount(*value), of, ..plain },
                    Flags::NONE,
                )
            }
            Fact::Refunded { refund_id, amount: value, .. } => {
                (Self { operation: "refund", id: refund_id.as_deref(), amount: amount(*value), ..plain }, Flags::NONE)
            }
            Fact::ChargedBack { chargeback_id, amount: value, conflict, .. } => {
                let shape =
                    Self { operation: "chargeback", id: chargeback_id.as_deref(), amount: amount(*value), ..plain };
                (shape, one(Flag::Conflict, *conflict))
            }
            Fact::Extended { until } => {
                (Self { operation: "extend", until: Some(AsText(*until)), ..plain }, Flags::NONE)
            }
            Fact::Attempted { attempt, gate, outcome, unknown_gate } => {
                let shape = Self {
                    operation: "attempt",
                    attempt: Some(*attempt),
                    gate: Some(gate),
                    outcome: Some(outcome),
                    ..plain
                };
                (shape, one(Flag::UnknownGate, *unknown_gate))
            }
            Fact::ReservedLate { amount: value, content, .. } => {
                let instrument = content.as_ref().and_then(|content| content.instrument.as_deref());
                let shape =
                    Self { operation: "reserve", amount: amount(*value), payment_instrument: instrument, ..plain };
                (shape, Flags::NONE)
            }
        };
        let flags: SmallVec<[&'static str; 2]> = flag_list(flags).iter().map(|flag| flag.word()).collect();
        Self { flag: flags.first().copied(), flags, ..shape }
    }
}

/// A transaction, whole.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Transaction")]
pub(crate) struct TransactionDocument<'a> {
    /// The transaction.
    #[schemars(with = "TransactionIdText")]
    transaction_id: &'a str,
    /// The merchant.
    #[schemars(with = "NameText")]
    merchant: &'static str,
    /// The status now.
    #[schemars(with = "WordOf<Status>")]
    status: &'static str,
    /// Whether the payment was allowed.
    #[schemars(extend("enum" = ["allow", "deny"]))]
    decision: &'static str,
    /// The direction of the payment.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of all amounts.
    currency: AsText<Currency>,
    /// The approved amount, or the reserved one where nothing is approved.
    amount: Amount,
    /// What was reserved; zero after an unreserved approval.
    asked: Amount,
    /// What is approved.
    approved: Amount,
    /// What is still held.
    held: Amount,
    /// What was cancelled of approved money.
    cancelled: Amount,
    /// What was released from the reservation.
    released: Amount,
    /// What was refunded.
    refunded: Amount,
    /// What was charged back.
    charged_back: Amount,
    /// The method, as sent.
    #[schemars(with = "Option<NameText>")]
    payment_method: Option<&'static str>,
    /// The token, as sent.
    #[schemars(with = "Option<InstrumentTokenText>")]
    payment_instrument: Option<&'a str>,
    /// The project.
    #[schemars(with = "NameText")]
    project: &'static str,
    /// The endpoint.
    #[schemars(with = "NameText")]
    endpoint: &'static str,
    /// The customer.
    customer: CustomerReference<'a>,
    /// The level under which it counts. `null`: it bypassed the customer rules.
    level: Option<AppliedLevel>,
    /// Of a denial: the first code.
    code: Option<u16>,
    /// Of a denial: the reason of the first code.
    #[schemars(with = "Option<ReasonText>")]
    reason: Option<&'static str>,
    /// Of a denial: every code with the figures of the decision.
    #[schemars(with = "Vec<CodeFields<'static>>")]
    codes: Vec<CodeDocument<'a>>,
    /// The gates of the answer to the reserve.
    #[schemars(with = "Vec<NameText>")]
    gates: Vec<&'static str>,
    /// All flags.
    #[schemars(with = "Vec<WordOf<Flag>>")]
    flags: Vec<&'static str>,
    /// Its place in every window.
    occurred_at: Time,
    /// When it was recorded.
    recorded_at: Time,
    /// The end of an open hold. `null`: there is none.
    expires_at: Option<Time>,
    /// Its facts in the order of arrival.
    transitions: Vec<FactDocument<'a>>,
    /// What is left now; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<RemainingDocument>,
    /// The time of the answer.
    server_time: Time,
}

impl<'a> TransactionDocument<'a> {
    pub(crate) fn of(shown: &'a TransactionView, rules: &Rules) -> Self {
        let (transaction, opening) = (&shown.transaction, &shown.transaction.opening);
        let units = rules.currencies.units(opening.content.currency);
        let amount = |value: u64| AsText(Minor { value: u128::from(value), units });
        let first = opening.violations.first();
        let payment = DeniedPayment::of_opening(opening, rules);
        Self {
            transaction_id: &opening.id,
            merchant: opening.merchant.as_str(),
            status: shown.outcome.status(shown.now).word(),
            decision: if first.is_none() { "allow" } else { "deny" },
            direction: opening.content.direction.word(),
            currency: AsText(opening.content.currency),
            amount: amount(transaction.amount()),
            asked: amount(transaction.totals.reserved),
            approved: amount(transaction.totals.approved),
            held: amount(shown.outcome.held_amount(shown.now)),
            cancelled: amount(transaction.totals.cancelled),
            released: amount(transaction.totals.released),
            refunded: amount(transaction.totals.refunded),
            charged_back: amount(transaction.totals.charged_back),
            payment_method: opening.content.method.map(Name::as_str),
            payment_instrument: opening.instrument.as_deref(),
            project: opening.content.project.as_str(),
            endpoint: opening.content.endpoint.as_str(),
            customer: CustomerReference::of(&shown.customer, rules),
            level: AppliedLevel::of_opening(opening),
            code: first.map(|violation| violation.code.number()),
            reason: first.map(|violation| violation.code.reason()),
            codes: opening.violations.iter().map(|violation| CodeDocument { violation, payment }).collect(),
            gates: opening.gates.iter().map(|gate| gate.as_str()).collect(),
            flags: flag_list(shown.outcome.flags).iter().map(|flag| flag.word()).collect(),
            occurred_at: AsText(opening.at),
            recorded_at: AsText(opening.recorded_at),
            expires_at: shown.outcome.expires_at(shown.now).map(AsText),
            transitions: transaction.facts.iter().map(|recorded_fact| FactDocument::of(recorded_fact, units)).collect(),
            remaining: shown.headroom.map(|room| RemainingDocument::of(&room, opening.content.currency, rules)),
            server_time: AsText(shown.now),
        }
    }
}

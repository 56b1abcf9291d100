//! The shapes of transactions and of what happened to them.

use crate::service::documents::{
    as_text::{Amount, AsText, Time},
    payments::{
        code::{CodeDocument, DeniedPayment},
        decision::{AppliedLevel, CustomerReference, RemainingDocument, invalid_attribute_words},
    },
};
use crate::{
    domain::{
        rules::configuration::Rules,
        transaction::{
            fact::{CancelOf, Fact, RecordedFact},
            status::{Flag, Flags, flag_list},
        },
        vocabulary::{
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::{TransactionView, TransitionAnswer},
};
use serde::Serialize;
use smallvec::SmallVec;

/// The answer to a transition.
#[derive(Debug, Serialize)]
pub(crate) struct TransitionDocument<'a> {
    transaction_id: &'a str,
    status: &'static str,
    amount: Amount,
    held: Amount,
    cancelled: Amount,
    released: Amount,
    refunded: Amount,
    charged_back: Amount,
    flags: smallvec::SmallVec<[&'static str; 2]>,
    remaining: RemainingDocument,
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
    warnings: SmallVec<[&'static str; 2]>,
    /// Only in a stream, where no header can say it.
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
#[derive(Debug, Default, Serialize)]
pub(crate) struct FactDocument<'a> {
    operation: &'static str,
    at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_instrument: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    /// Of a cancel: which money.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    /// Of a capture: whether none follows.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    /// The first of `flags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    /// What this fact flagged.
    #[serde(skip_serializing_if = "SmallVec::is_empty")]
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
#[derive(Debug, Serialize)]
pub(crate) struct TransactionDocument<'a> {
    transaction_id: &'a str,
    merchant: &'static str,
    status: &'static str,
    decision: &'static str,
    direction: &'static str,
    currency: AsText<Currency>,
    amount: Amount,
    asked: Amount,
    approved: Amount,
    held: Amount,
    cancelled: Amount,
    released: Amount,
    refunded: Amount,
    charged_back: Amount,
    payment_method: Option<&'static str>,
    payment_instrument: Option<&'a str>,
    project: &'static str,
    endpoint: &'static str,
    customer: CustomerReference<'a>,
    level: Option<AppliedLevel>,
    code: Option<u16>,
    reason: Option<&'static str>,
    codes: Vec<CodeDocument<'a>>,
    gates: Vec<&'static str>,
    flags: Vec<&'static str>,
    occurred_at: Time,
    recorded_at: Time,
    expires_at: Option<Time>,
    transitions: Vec<FactDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<RemainingDocument>,
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

//! Since when a customer or an instrument is blocked, and by whom, for staff who ask about a denial.
//!
//! The record of a denial contains what blocked the payment, and not who set that: the histories contain it. They are read
//! when a transaction is shown to staff, and for a check with an explanation. A payment never waits for them.

use crate::{
    domain::{
        customer::{aggregate::Customer, status::Suspicion},
        rules::merchant::Merchant,
        vocabulary::{denial_codes::DenialCode, names::Name, time::Millis},
    },
    ledger::BlockChange,
    service::{
        documents::{
            as_text::AsText,
            payments::code::{BlockedInstrument, OriginFields},
        },
        payments::payment_service::PaymentService,
        reply::{Answered, Reply, render},
    },
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the caller is shown the name of a token: the name, and whether the token sent a signal.
type NamesAuthor<'a> = dyn Fn(Name, bool) -> bool + 'a;

/// What a document about a payment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentDocument {
    /// A check. Only one with an explanation gets the origins.
    Check,
    /// A recorded transaction, which was decided at `recorded_at`.
    Transaction,
}

/// When a block began, and the token that set it, if the caller is shown it.
#[derive(Debug, Clone, Copy)]
struct Origin {
    since: Millis,
    by: Option<Name>,
}

impl Origin {
    fn fields(self) -> OriginFields {
        OriginFields { since: AsText(self.since), by: self.by.map(Name::as_str) }
    }

    fn add_to(self, document: &mut Value) {
        let OriginFields { since, by } = self.fields();
        document["since"] = json!(since);
        document["by"] = json!(by);
    }
}

/// A cause of a block that a customer's history contains.
enum Cause {
    /// Fraud of the customer.
    Status,
    /// Fraud with named instruments.
    Instrument,
    Label(String),
    Project(Option<Name>),
    Erased,
}

impl Cause {
    /// The cause that an item of `blocked_by` shows.
    fn read(document: &Value) -> Option<Self> {
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        Some(match document["cause"].as_str()? {
            "status" => Self::Status,
            "instrument" => Self::Instrument,
            "label" => Self::Label(text("label")?),
            "project" => Self::Project(Name::existing(&text("project")?)),
            "erased" => Self::Erased,
            _ => return None,
        })
    }

    fn blocks(&self, customer: &Customer) -> bool {
        match self {
            Self::Status => customer.status_factors.suspicion() == Some(Suspicion::CustomerFraud),
            Self::Instrument => customer.status_factors.suspicion() == Some(Suspicion::InstrumentFraud),
            Self::Label(label) => customer.labels().iter().any(|known| known.as_str() == label),
            Self::Project(project) => project.is_some_and(|project| customer.is_project_disabled(project)),
            Self::Erased => customer.is_erased(),
        }
    }
}

impl PaymentService {
    /// The answer with `since` and `by` for each cause of a block, as far as the histories contain them. It can read many
    /// records from the disk. `names_author` says whether the caller is shown a token.
    pub(crate) fn with_block_origins(
        &self,
        merchant: &str,
        kind: PaymentDocument,
        answered: Answered,
        names_author: &dyn Fn(Name, Name, bool) -> bool,
    ) -> Answered {
        let reply = answered?;
        let rules = self.rules();
        let document: Option<Value> =
            may_show_block(&reply).then(|| serde_json::from_slice(&reply.body).ok()).flatten();
        let (Some(mut document), Some(merchant)) = (document, rules.merchant(merchant)) else { return Ok(reply) };
        let decided_at = match kind {
            PaymentDocument::Check if document.get("limits").is_none() => return Ok(reply),
            PaymentDocument::Check => Some(Millis::MAX),
            PaymentDocument::Transaction => document["recorded_at"].as_str().and_then(Millis::parse),
        };
        let Some(decided_at) = decided_at else { return Ok(reply) };
        let names_author = |name, is_signal| names_author(merchant.id, name, is_signal);
        let reader = OriginReader { payments: self, merchant, decided_at, names_author: &names_author };
        reader.add_origins(&mut document);
        // The histories can contain newer records than the document.
        Ok(Reply { body: render(&document), depends_on_lsn: None, ..reply })
    }
}

/// Whether an answer about a payment can have a block among its codes. Those of blocks come first.
pub(crate) fn may_show_block(reply: &Reply) -> bool {
    let blocks = [DenialCode::CustomerBlocked, DenialCode::PaymentInstrumentBlocked];
    reply.denied.is_some_and(|first| blocks.iter().any(|code| code.number() == first))
}

/// Reads the origins of the blocks of one decision.
struct OriginReader<'a> {
    payments: &'a PaymentService,
    merchant: &'a Merchant,
    decided_at: Millis,
    names_author: &'a NamesAuthor<'a>,
}

impl OriginReader<'_> {
    fn add_origins(&self, document: &mut Value) {
        let customer_id = document["customer"]["customer_id"].as_str().map(str::to_owned);
        for code in document["codes"].as_array_mut().into_iter().flatten() {
            if code["code"] == json!(DenialCode::PaymentInstrumentBlocked.number()) {
                let origin = code["payment_instrument"].as_str().and_then(|id| self.of_instrument(id));
                origin.into_iter().for_each(|origin| origin.add_to(code));
            }
            let blocks = code.get_mut("blocked_by").and_then(Value::as_array_mut);
            if let (Some(blocks), Some(customer_id)) = (blocks, &customer_id) {
                self.add_to_blocks(blocks, customer_id);
            }
        }
    }

    /// Adds the origins to the items of `blocked_by`.
    fn add_to_blocks(&self, blocks: &mut [Value], customer_id: &str) {
        let causes: Vec<Option<Cause>> = blocks.iter().map(Cause::read).collect();
        let (origins, instruments) = self.of_customer(customer_id, &causes);
        for ((block, cause), origin) in blocks.iter_mut().zip(&causes).zip(origins) {
            origin.into_iter().for_each(|origin| origin.add_to(block));
            if !matches!(cause, Some(Cause::Instrument)) {
                continue;
            }
            let blocked = instruments.iter().filter_map(|id| {
                let origin = self.of_instrument(id)?.fields();
                Some(json!(BlockedInstrument { payment_instrument: id, origin }))
            });
            let blocked: Vec<Value> = blocked.collect();
            if !blocked.is_empty() {
                block["payment_instruments"] = json!(blocked);
            }
        }
    }

    /// The origin of each cause that applied to a customer at the time of the decision, and every instrument that the
    /// customer had until then.
    fn of_customer(&self, customer_id: &str, causes: &[Option<Cause>]) -> (Vec<Option<Origin>>, BTreeSet<Box<str>>) {
        let none = || vec![None; causes.len()];
        // Customers that were merged have a state each.
        let mut of_members: BTreeMap<u64, Vec<Option<Origin>>> = BTreeMap::new();
        let mut instruments: BTreeSet<Box<str>> = BTreeSet::new();
        let ledger = &self.payments.ledger;
        let Ok(now) = self.payments.time() else { return (none(), instruments) };
        let read = ledger.history(self.merchant.id.as_str(), customer_id, now, &mut |step, before, after| {
            let at = step.audit_entry.at;
            if at > self.decided_at {
                return;
            }
            for instrument in after.instruments() {
                if !instruments.contains(&instrument.id) {
                    instruments.insert(instrument.id.clone());
                }
            }
            let by = step.audit_entry.by.filter(|by| (self.names_author)(*by, step.signal().is_some()));
            let origins = of_members.entry(before.number()).or_insert_with(none);
            for (origin, cause) in origins.iter_mut().zip(causes) {
                let Some(cause) = cause else { continue };
                match (cause.blocks(before), cause.blocks(after)) {
                    (false, true) => *origin = Some(Origin { since: at, by }),
                    // A step of the same millisecond can be a later one.
                    (true, false) if at < self.decided_at => *origin = None,
                    _ => {}
                }
            }
        });
        // Without a history there is nothing to add.
        read.map(drop).unwrap_or_default();
        let earliest = |index: usize| {
            let of_members = of_members.values().filter_map(|origins| origins.get(index).copied().flatten());
            of_members.min_by_key(|origin| origin.since)
        };
        ((0..causes.len()).map(earliest).collect(), instruments)
    }

    /// The origin of the block of an instrument at the time of the decision; `None`: it is not known.
    fn of_instrument(&self, id: &str) -> Option<Origin> {
        let changes = self.payments.ledger.instrument_block_changes(id.trim(), self.merchant.id).ok()?;
        let is_before =
            |change: &&BlockChange| change.at < self.decided_at || (change.at == self.decided_at && change.is_blocked);
        let BlockChange { at, by, is_blocked } = *changes.iter().rev().find(is_before)?;
        is_blocked.then(|| Origin { since: at, by: by.filter(|by| (self.names_author)(*by, true)) })
    }
}

//! Since when a customer or an instrument is blocked, and by whom, for staff who ask about a denial.
//!
//! The record of a denial contains what blocked the payment, and not who set that: the histories contain it. They are read
//! when a transaction or a page of at most [`PAGE_ROWS_MAX`] transactions is shown to staff, and for a check with an
//! explanation. A payment never waits for them.

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
use std::collections::BTreeMap;

/// Whether the caller is shown the name of a token: the name, and whether the token sent a signal.
type NamesAuthor<'a> = dyn Fn(Name, bool) -> bool + 'a;

/// The most transactions of a page with origins: a page of more customers would read too many histories.
pub(crate) const PAGE_ROWS_MAX: usize = 100;

/// What a document about a payment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentDocument {
    /// A check. Only one with an explanation gets the origins.
    Check,
    /// A recorded transaction, which was decided at `recorded_at`.
    Transaction,
    /// A page of them.
    Page,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let may_show = if kind == PaymentDocument::Page { may_list_block(&reply) } else { may_show_block(&reply) };
        let document: Option<Value> = may_show.then(|| serde_json::from_slice(&reply.body).ok()).flatten();
        let (Some(mut document), Some(merchant)) = (document, rules.merchant(merchant)) else { return Ok(reply) };
        let names_author = |name, is_signal| names_author(merchant.id, name, is_signal);
        let reader = OriginReader { payments: self, merchant, names_author: &names_author };
        let of_transaction =
            |document: &Value| document["recorded_at"].as_str().and_then(Millis::parse).unwrap_or(Millis::MIN);
        match kind {
            PaymentDocument::Check if document.get("limits").is_none() => return Ok(reply),
            PaymentDocument::Check => reader.add_origins(&mut [&mut document], &|_| Millis::MAX),
            PaymentDocument::Transaction => reader.add_origins(&mut [&mut document], &of_transaction),
            PaymentDocument::Page => {
                let mut rows: Vec<&mut Value> = document["transactions"].as_array_mut().into_iter().flatten().collect();
                if rows.len() > PAGE_ROWS_MAX {
                    return Ok(reply);
                }
                reader.add_origins(&mut rows, &of_transaction);
            }
        }
        // The histories can contain newer records than the document.
        Ok(Reply { body: render(&document), depends_on_lsn: None, ..reply })
    }
}

const BLOCKS: [DenialCode; 2] = [DenialCode::CustomerBlocked, DenialCode::PaymentInstrumentBlocked];

/// Whether an answer about a payment can have a block among its codes. Those of blocks come first.
pub(crate) fn may_show_block(reply: &Reply) -> bool {
    reply.denied.is_some_and(|first| BLOCKS.iter().any(|code| code.number() == first))
}

/// Whether a page of transactions can have a block among its codes.
pub(crate) fn may_list_block(reply: &Reply) -> bool {
    let has = |code: &DenialCode| memchr::memmem::find(&reply.body, code.reason().as_bytes()).is_some();
    BLOCKS.iter().any(has)
}

/// A begin or an end of a cause in the history of a customer.
struct Transition {
    /// The index of the cause.
    cause: usize,
    /// The customer: those that were merged have a state each.
    member: u64,
    at: Millis,
    /// The origin of the cause that begins; `None`: the cause ends.
    begun: Option<Origin>,
}

/// What the history of a customer says about causes.
#[derive(Default)]
struct BlockHistory {
    causes: Vec<Cause>,
    /// In the order of the history.
    transitions: Vec<Transition>,
    /// Every instrument that the customer had, and since when.
    instruments: BTreeMap<Box<str>, Millis>,
}

impl BlockHistory {
    /// The origin of a cause that applied at the time of a decision. Of merged customers it is the earliest.
    fn origin(&self, cause: &Cause, decided_at: Millis) -> Option<Origin> {
        let index = self.causes.iter().position(|known| known == cause)?;
        let mut of_members: BTreeMap<u64, Origin> = BTreeMap::new();
        for Transition { member, at, begun, .. } in self.transitions.iter().filter(|step| step.cause == index) {
            match begun {
                Some(origin) if *at <= decided_at => _ = of_members.insert(*member, *origin),
                // A step of the same millisecond can be a later one.
                None if *at < decided_at => _ = of_members.remove(member),
                _ => {}
            }
        }
        of_members.into_values().min_by_key(|origin| origin.since)
    }
}

/// Reads the origins of the blocks of decisions.
struct OriginReader<'a> {
    payments: &'a PaymentService,
    merchant: &'a Merchant,
    names_author: &'a NamesAuthor<'a>,
}

impl OriginReader<'_> {
    /// Adds the origins to documents of payments. The history of each customer is read once.
    fn add_origins(&self, documents: &mut [&mut Value], decided_at: &dyn Fn(&Value) -> Millis) {
        let customer_of = |document: &Value| document["customer"]["customer_id"].as_str().map(str::to_owned);
        let mut histories: BTreeMap<String, BlockHistory> = BTreeMap::new();
        for document in documents.iter() {
            let Some(customer_id) = customer_of(document) else { continue };
            let blocks = document["codes"].as_array().into_iter().flatten();
            let blocks = blocks.filter_map(|code| code.get("blocked_by")?.as_array()).flatten();
            for cause in blocks.filter_map(Cause::read) {
                let history = histories.entry(customer_id.clone()).or_default();
                if !history.causes.contains(&cause) {
                    history.causes.push(cause);
                }
            }
        }
        histories.iter_mut().for_each(|(customer_id, history)| self.read(customer_id, history));
        for document in documents {
            let (decided_at, history) = (decided_at(document), customer_of(document).and_then(|id| histories.get(&id)));
            for code in document["codes"].as_array_mut().into_iter().flatten() {
                if code["code"] == json!(DenialCode::PaymentInstrumentBlocked.number()) {
                    let origin = code["payment_instrument"].as_str().and_then(|id| self.of_instrument(id, decided_at));
                    origin.into_iter().for_each(|origin| origin.add_to(code));
                }
                let blocks = code.get_mut("blocked_by").and_then(Value::as_array_mut);
                if let (Some(blocks), Some(history)) = (blocks, history) {
                    self.add_to_blocks(blocks, history, decided_at);
                }
            }
        }
    }

    /// Adds the origins to the items of `blocked_by`.
    fn add_to_blocks(&self, blocks: &mut [Value], history: &BlockHistory, decided_at: Millis) {
        for block in blocks {
            let Some(cause) = Cause::read(block) else { continue };
            history.origin(&cause, decided_at).into_iter().for_each(|origin| origin.add_to(block));
            if cause != Cause::Instrument {
                continue;
            }
            let instruments = history.instruments.iter().filter(|(_, since)| **since <= decided_at);
            let blocked = instruments.filter_map(|(id, _)| {
                let origin = self.of_instrument(id, decided_at)?.fields();
                Some(json!(BlockedInstrument { payment_instrument: id, origin }))
            });
            let blocked: Vec<Value> = blocked.collect();
            if !blocked.is_empty() {
                block["payment_instruments"] = json!(blocked);
            }
        }
    }

    /// Reads what the history of a customer says about the causes.
    fn read(&self, customer_id: &str, history: &mut BlockHistory) {
        let BlockHistory { causes, transitions, instruments } = history;
        let Ok(now) = self.payments.time() else { return };
        let merchant = self.merchant.id.as_str();
        let read = self.payments.ledger.history(merchant, customer_id, now, &mut |step, before, after| {
            let at = step.audit_entry.at;
            for instrument in after.instruments() {
                if !instruments.contains_key(&instrument.id) {
                    instruments.insert(instrument.id.clone(), at);
                }
            }
            let by = step.audit_entry.by.filter(|by| (self.names_author)(*by, step.signal().is_some()));
            for (index, cause) in causes.iter().enumerate() {
                let begun = match (cause.blocks(before), cause.blocks(after)) {
                    (false, true) => Some(Origin { since: at, by }),
                    (true, false) => None,
                    (false, false) | (true, true) => continue,
                };
                transitions.push(Transition { cause: index, member: before.number(), at, begun });
            }
        });
        // Without a history there is nothing to add.
        read.map(drop).unwrap_or_default();
    }

    /// The origin of the block of an instrument at the time of a decision; `None`: it is not known.
    fn of_instrument(&self, id: &str, decided_at: Millis) -> Option<Origin> {
        let changes = self.payments.ledger.instrument_block_changes(id.trim(), self.merchant.id).ok()?;
        let is_before =
            |change: &&BlockChange| change.at < decided_at || (change.at == decided_at && change.is_blocked);
        let BlockChange { at, by, is_blocked } = *changes.iter().rev().find(is_before)?;
        is_blocked.then(|| Origin { since: at, by: by.filter(|by| (self.names_author)(*by, true)) })
    }
}

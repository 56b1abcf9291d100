//! The audit of a merchant: who changed what, over all customers, levels, rates and the configuration.

pub(crate) use crate::ledger::AuditKind;
use crate::{
    domain::{
        customer::instrument_blocks::BlockPlace,
        events::{audited_operation::OperationDetail, global_event::GlobalEvent},
        request::{
            fields::{check_no_control, parse_word},
            refusal::Refusal,
        },
        rules::level::LevelKey,
        vocabulary::{calendar::Calendar, names::Name, time::Millis},
    },
    ledger::{AuditEntry, AuditHead, AuditPage, AuditQuery, CustomerStepView},
    service::{
        customers::{customer_service::CustomerService, history::NamesAuthor},
        documents::{
            as_text::AsText,
            query::{TakenKeys, cursor, from_time, page_limit, to_time},
        },
        error::ServiceError,
        jobs::registry::parse_job_id,
        reply::{Answered, Reply},
    },
    storage::journal::{FollowError, Lsn},
};
use serde_json::{Value, json};
use std::{borrow::Cow, ops::ControlFlow};

/// The keys of an audit query.
pub(crate) const AUDIT_KEYS: TakenKeys =
    TakenKeys::once(&["from", "to", "by", "kind", "customer_id", "job", "limit", "cursor"]);
/// The most bytes of the entries of a page; the last entry may exceed it.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Which entries of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    from: Option<Millis>,
    to: Option<Millis>,
    /// Only what this token did.
    by: Option<String>,
    /// Only entries of this kind; `None`: of every kind but `payment`.
    kind: Option<AuditKind>,
    /// Only steps of this customer.
    customer_id: Option<String>,
    /// Only customers' steps of the upload or the bulk change with this id.
    job: Option<String>,
    limit: usize,
    before: Option<Lsn>,
}

impl AuditRequest {
    /// The request that pairs of a key and a text describe. `calendar` reads dates.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub fn read<'p>(
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
        calendar: Option<&Calendar>,
    ) -> Result<Self, ServiceError> {
        let mut request =
            Self { from: None, to: None, by: None, kind: None, customer_id: None, job: None, limit: 100, before: None };
        for (key, value) in AUDIT_KEYS.read(pairs)? {
            match key {
                "from" => request.from = Some(from_time("from", &value, calendar)?),
                "to" => request.to = Some(to_time("to", &value, calendar)?),
                "by" => request.by = Some(value),
                "kind" => request.kind = Some(parse_word::<AuditKind>("kind", &value)?),
                "customer_id" => {
                    check_no_control("customer_id", value.trim())?;
                    request.customer_id = Some(value.trim().to_owned());
                }
                "job" => request.job = Some(parse_job_id(value)?),
                "limit" => request.limit = page_limit(&value)?,
                _ => request.before = Some(cursor(&value, |text| text.parse().ok().map(Lsn))?),
            }
        }
        Ok(request)
    }
}

impl CustomerService<'_> {
    /// A page of the merchant's audit, the newest entry first. It can read many records, also from the disk.
    /// `names_author` says whether the caller is shown a token.
    ///
    /// # Errors
    /// The customer or the job is not known, or the journal cannot be read.
    pub fn audit(&self, request: &AuditRequest, names_author: &NamesAuthor<'_>) -> Answered {
        let AuditRequest { from, to, before, limit, kind, .. } = *request;
        let merchant = self.merchant.id;
        let ledger = &self.service.ledger;
        let find = |id: &String| ledger.merge_group_numbers(merchant.as_str(), id);
        let customers = request.customer_id.as_ref().map(find).transpose()?;
        let author = |head: &AuditHead| head.by.filter(|by| names_author(*by, head.is_signal));
        let is_by = |head: &AuditHead| {
            let wanted = request.by.as_deref();
            wanted.is_none_or(|wanted| author(head).is_some_and(|by| by.as_str() == wanted))
        };
        if let Some(id) = &request.job {
            self.jobs.check_known(merchant, id)?;
        }
        let is_of_job = |head: &AuditHead| {
            let wanted = request.job.as_deref();
            wanted.is_none_or(|wanted| head.job.is_some_and(|job| self.jobs.id_of(job) == wanted))
        };
        let includes = |head: &AuditHead| kind.is_none_or(|kind| head.kind == kind) && is_by(head) && is_of_job(head);
        let with_payments = kind == Some(AuditKind::Payment);
        let customers = customers.as_deref();
        let query = AuditQuery { merchant, before, from, to, customers, with_payments, limit, includes: &includes };
        let (mut entries, mut bytes): (Vec<Value>, usize) = (Vec::new(), 0);
        let read = ledger.read_audit(&query, &mut |entry| {
            let document = match entry {
                AuditEntry::Customer(head, view) => self.step_entry(&head, author(&head), &view),
                AuditEntry::Global(head, events) => self.global_entry(&head, author(&head), events),
                AuditEntry::Unreadable(records) => json!({
                    "lsn": records.first.0,
                    "last_lsn": records.last.0,
                    "kind": AuditKind::Unreadable.word(),
                    "reason": records.reason,
                }),
            };
            bytes += document.to_string().len();
            entries.push(document);
            let is_full = entries.len() >= limit || bytes >= PAGE_BYTES_MAX;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let AuditPage { next, begins_at, .. } = read.map_err(|error| match error {
            FollowError::Read(error) => ServiceError::from(Refusal::Unreadable(error.to_string())),
            FollowError::Gone { .. } | FollowError::Ahead { .. } => Refusal::Unreadable(error.to_string()).into(),
        })?;
        let next = next.map(|next| next.0.to_string());
        let document = json!({ "audit": entries, "next_cursor": next, "begins_at": begins_at.0 });
        // The records that it read are committed.
        Ok(Reply::new(&document).depending_on(Lsn::NONE))
    }

    fn step_entry(&self, head: &AuditHead, by: Option<Name>, view: &CustomerStepView<'_>) -> Value {
        let mut entry = entry_of(head, by);
        entry["customer_id"] = json!(view.number.to_string());
        entry["transaction_id"] = json!(view.step.transaction_id);
        entry["changes"] = json!(self.step_changes(view.step, view.before, view.after));
        if let Some(job) = head.job {
            entry["job"] = json!(self.jobs.id_of(job));
        }
        if let Some(instrument) = view.instrument {
            entry["payment_instrument"] = json!(instrument);
        }
        if view.is_partial {
            entry["old_is_partial"] = json!(true);
        }
        entry
    }

    /// A step that concerns no single customer.
    fn global_entry(&self, head: &AuditHead, by: Option<Name>, events: &[GlobalEvent]) -> Value {
        let mut entry = entry_of(head, by);
        let mut changes: Vec<Value> = Vec::new();
        for event in events {
            let was_blocked = self.was_blocked(head, event);
            changes.extend(event_changes(event, self.service.ledger.block_place(self.merchant.id), was_blocked));
            match event {
                GlobalEvent::OperationAudited(operation) => {
                    entry["operation"] = json!(operation.kind.word());
                    entry["config_version"] = json!(operation.version);
                }
                GlobalEvent::InstrumentBlocks { .. } if was_blocked.is_some() => {}
                // Records of earlier versions contain no old values.
                GlobalEvent::LevelPut { .. }
                | GlobalEvent::LevelDeleted { .. }
                | GlobalEvent::LevelFileApplied { .. }
                | GlobalEvent::RatesPut { .. }
                | GlobalEvent::InstrumentBlocks { .. }
                | GlobalEvent::InstrumentBlocked { .. } => entry["old_is_partial"] = json!(true),
                GlobalEvent::LevelCreated { .. }
                | GlobalEvent::LevelRenamed { .. }
                | GlobalEvent::ExternalIdsGenerated { .. }
                | GlobalEvent::ConfigurationApplied { .. }
                | GlobalEvent::RatesFileApplied { .. }
                | GlobalEvent::MerchantFileApplied { .. }
                | GlobalEvent::SegmentsReleased { .. }
                | GlobalEvent::ArchiveLossAccepted { .. }
                | GlobalEvent::ClockAccepted { .. } => {}
            }
        }
        entry["changes"] = json!(changes);
        entry
    }

    /// Whether payments with an instrument were blocked at the merchant before an event about its blocks; `None`: it is
    /// another event, or it is not known.
    fn was_blocked(&self, head: &AuditHead, event: &GlobalEvent) -> Option<bool> {
        let GlobalEvent::InstrumentBlocks { id, blocks, previous, .. } = event else { return None };
        match previous {
            Some(previous) => self.service.ledger.was_instrument_blocked(id, *previous, self.merchant.id),
            None => (!head.lifts_block && blocks.are_first()).then_some(false),
        }
    }
}

fn entry_of(head: &AuditHead, by: Option<Name>) -> Value {
    json!({
        "lsn": head.lsn.0,
        "at": AsText(head.at),
        "kind": head.kind.word(),
        "source": head.source.word(),
        "by": by.map(Name::as_str),
        "customer_id": null,
        "transaction_id": null,
        "changes": [],
    })
}

fn change(field: &str, old: &Value, new: &Value) -> Value {
    json!({ "field": field, "old": old, "new": new })
}

/// The change of the blocks of an instrument at a merchant; `None`: it is not known whether it was blocked before.
fn block_change(id: &str, was_blocked: Option<bool>, is_blocked: bool) -> Value {
    let state = |is_blocked| json!({ "payment_instrument": id, "is_blocked": is_blocked });
    change("instrument_block", &was_blocked.map_or(Value::Null, state), &state(is_blocked))
}

fn level_field(key: &LevelKey) -> String {
    format!("level {}", key.path())
}

/// The changes of an event, as far as they concern a merchant.
fn event_changes(event: &GlobalEvent, merchant: BlockPlace, was_blocked: Option<bool>) -> Vec<Value> {
    let one = |field: &str, old: &Value, new: &Value| vec![change(field, old, new)];
    match event {
        GlobalEvent::OperationAudited(operation) => operation.details.iter().map(detail_change).collect(),
        GlobalEvent::LevelPut { key, body, .. } => one(&level_field(key), &Value::Null, &json_or_text(body)),
        GlobalEvent::LevelDeleted { key, .. } => one(&level_field(key), &Value::Null, &Value::Null),
        GlobalEvent::LevelFileApplied { key, digest, .. } => {
            let new = if digest.is_some() { json!("the entry of the file") } else { Value::Null };
            one(&level_field(key), &Value::Null, &new)
        }
        GlobalEvent::LevelCreated { merchant, name, direction, currency, .. } => {
            let key = LevelKey { merchant: *merchant, direction: *direction, currency: *currency, name: *name };
            one(&level_field(&key), &Value::Null, &json!("named by a payment"))
        }
        GlobalEvent::LevelRenamed { direction, from, to, .. } => {
            one(&format!("level {}", direction.word()), &json!(from.as_str()), &json!(to.as_str()))
        }
        GlobalEvent::RatesPut { body, .. } => one("rates", &Value::Null, &json_or_text(body)),
        GlobalEvent::ClockAccepted { step, .. } => {
            let new = json!({ "time": AsText(step.after), "moves_future_entries": step.moves_entries });
            one("clock", &json!({ "time": AsText(step.before) }), &new)
        }
        GlobalEvent::ArchiveLossAccepted { first, last, .. } => {
            one("archive", &Value::Null, &json!({ "lost_records": { "first": first, "last": last } }))
        }
        GlobalEvent::InstrumentBlocks { id, blocks, .. } => {
            vec![block_change(id, was_blocked, blocks.act_at(merchant))]
        }
        GlobalEvent::InstrumentBlocked { id, blocked, .. } => vec![block_change(id, None, *blocked)],
        GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::SegmentsReleased { .. } => Vec::new(),
    }
}

fn detail_change(OperationDetail { subject, old, new, .. }: &OperationDetail) -> Value {
    let value = |text: &Option<Box<str>>| text.as_deref().map_or(Value::Null, json_or_text);
    change(subject, &value(old), &value(new))
}

/// The document of a text, or the text where it is none. A single value stays a text: an amount is no number.
fn json_or_text(text: &str) -> Value {
    let document = serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_array());
    document.unwrap_or_else(|| json!(text))
}

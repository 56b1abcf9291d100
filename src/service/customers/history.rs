//! The history of a customer or of one stored instrument: what each step changed of the document, with the old and the new
//! value.

use crate::{
    domain::{
        customer::{aggregate::Customer, audit::ChangeSource},
        vocabulary::{attributes::Attribute, names::Name, words::Word},
    },
    ledger::{BlockChange, HistoryStep, UnreadableStep},
    service::{
        customers::customer_service::CustomerService,
        documents::{as_text::AsText, customers::customer::CustomerContext},
        error::ServiceError,
        reply::{Answered, Reply},
    },
};
use serde_json::{Map, Value, json};

/// Members that follow from the rest of the document, or are no change by themselves.
const DERIVED: [&str; 4] = ["customer_id", "modified_at", "restrictions", "terminal_url"];

/// Whether the caller is shown the name of a token: the name, and whether the token sent a signal.
pub(crate) type NamesAuthor<'a> = dyn Fn(Name, bool) -> bool + 'a;

/// The changes of a step, from the document before it and after it; `None`: the page leaves the step out.
type StepChanges<'a> = dyn Fn(&HistoryStep, &Value, &Value) -> Option<Vec<Value>> + 'a;

/// A page of a history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryPage {
    /// The most steps.
    pub limit: usize,
    /// The number of steps before the end of the page, counted from the first one; 0: all.
    pub end: usize,
}

impl CustomerService<'_> {
    /// A page of a customer's history, the newest step first. `names_author` says whether the caller is shown
    /// a token.
    ///
    /// # Errors
    /// The merchant has no such customer, or the journal cannot be read.
    pub fn history(&self, customer_id: &str, page: HistoryPage, names_author: &NamesAuthor<'_>) -> Answered {
        let mut steps: Vec<Value> = Vec::new();
        // A step is shown also where it changes nothing of the document.
        let all = |step: &HistoryStep, old: &Value, new: &Value| Some(changes_of(step, old, new));
        let unreadable = self.each_step(customer_id, names_author, &all, &mut |step| steps.push(step))?;
        Ok(page_of(steps, unreadable, page))
    }

    /// The changes of one step.
    pub(super) fn step_changes(&self, step: &HistoryStep, before: &Customer, after: &Customer) -> Vec<Value> {
        let (old, new) = self.step_documents(step, before, after);
        changes_of(step, &old, &new)
    }

    /// The documents of a customer before and after a step, with every recorded instrument.
    fn step_documents(&self, step: &HistoryStep, before: &Customer, after: &Customer) -> (Value, Value) {
        // Blocks belong to no customer and are in no customer's history.
        let context = CustomerContext { ledger: None, ..self.context(step.audit_entry.at) };
        let document = |customer| without_counters(context.recorded_document(customer));
        let is_first = step.audit_entry.previous.is_none();
        (if is_first { Value::Null } else { document(before) }, document(after))
    }

    /// As [`Self::history`] for one instrument: the steps that changed it, and when payments with it became blocked at the
    /// merchant and when they were allowed again.
    ///
    /// # Errors
    /// Those of [`Self::history`].
    pub fn instrument_history(
        &self,
        customer_id: &str,
        instrument: &str,
        page: HistoryPage,
        names_author: &NamesAuthor<'_>,
    ) -> Answered {
        let id = instrument.trim();
        let (number, holds) = self.read(customer_id, |customer, _| (customer.number(), customer.has_instrument(id)))?;
        let mut steps: Vec<Value> = Vec::new();
        let changed = |_: &HistoryStep, old: &Value, new: &Value| {
            let changes = match (find_instrument(old, instrument), find_instrument(new, instrument)) {
                // It was removed, by a caller or to make room for others.
                (Some(old), None) => removed_fields(old),
                (old, Some(new)) => differences(old.unwrap_or(&Value::Null), new),
                (None, None) => Vec::new(),
            };
            (!changes.is_empty()).then_some(changes)
        };
        let unreadable = self.each_step(customer_id, names_author, &changed, &mut |step| steps.push(step))?;
        // A customer who never had the instrument has no history of it.
        if holds || !steps.is_empty() {
            let blocks = self.service.ledger.instrument_block_changes(id, self.merchant.id)?;
            let blocks = blocks.iter().map(|change| block_step(change, number, &|by| names_author(by, true))).collect();
            steps = merged_by_time(steps, blocks);
        }
        Ok(page_of(steps, unreadable, page))
    }

    /// Calls `each` with the documents of all steps of a customer's history, the oldest step first, and at the end with
    /// those that cannot be read.
    ///
    /// # Errors
    /// Those of [`Self::history`].
    pub(super) fn each_history_step(
        &self,
        customer_id: &str,
        names_author: &NamesAuthor<'_>,
        each: &mut dyn FnMut(Value),
    ) -> Result<(), ServiceError> {
        let unreadable =
            self.each_step(customer_id, names_author, &|step, old, new| Some(changes_of(step, old, new)), each)?;
        unreadable.into_iter().for_each(each);
        Ok(())
    }

    /// Calls `each` with the documents of the steps for which `changes` returns something. Returns those of the steps that
    /// cannot be read.
    fn each_step(
        &self,
        customer_id: &str,
        names_author: &NamesAuthor<'_>,
        changes: &StepChanges<'_>,
        each: &mut dyn FnMut(Value),
    ) -> Result<Vec<Value>, ServiceError> {
        let merchant = self.merchant.id.as_str();
        let unreadable =
            self.service.ledger.history(merchant, customer_id, self.now()?, &mut |chapter, before, after| {
                let (old, new) = self.step_documents(chapter, before, after);
                let Some(changes) = changes(chapter, &old, &new) else { return };
                // A signal reaches holders of an instrument at every merchant, and earlier versions recorded its token at
                // all of them.
                let signal = chapter.signal();
                let by = chapter.audit_entry.by.filter(|by| names_author(*by, signal.is_some()));
                let mut step = json!({
                    "at": AsText(chapter.audit_entry.at),
                    "customer_id": before.number().to_string(),
                    "source": chapter.audit_entry.source.word(),
                    "by": by.map(Name::as_str),
                    "transaction_id": chapter.transaction_id,
                    "changes": changes,
                });
                if let Some(job) = chapter.audit_entry.job {
                    step["job"] = json!(self.jobs.id_of(job));
                }
                if let Some((signal, names_instrument)) = signal {
                    step["signal"] = json!({ "signal": signal.word(), "names_instrument": names_instrument });
                }
                each(step);
            })?;
        Ok(unreadable.iter().map(unreadable_entry).collect())
    }
}

/// A page of steps, the newest first. `unreadable` are those that cannot be read.
fn page_of(mut steps: Vec<Value>, unreadable: Vec<Value>, page: HistoryPage) -> Reply {
    // The oldest entries: the history begins after them.
    steps.splice(0..0, unreadable);
    let total = steps.len();
    // Steps are counted from the first, so that new steps move no page.
    let end = if page.end == 0 { total } else { page.end.min(total) };
    let begin = end.saturating_sub(page.limit);
    let mut history: Vec<Value> = steps.drain(begin..end).collect();
    history.reverse();
    let next = (begin > 0).then(|| begin.to_string());
    Reply::new(&json!({ "history": history, "next_cursor": next }))
}

/// The step of a change of the blocks of an instrument. It names no token of other merchants.
fn block_step(change: &BlockChange, customer: u64, reaches_merchant: &dyn Fn(Name) -> bool) -> Value {
    let BlockChange { at, by, is_blocked } = *change;
    json!({
        "at": AsText(at),
        "customer_id": customer.to_string(),
        "source": ChangeSource::Api.word(),
        "by": by.filter(|by| reaches_merchant(*by)).map(Name::as_str),
        "transaction_id": null,
        "changes": [{ "field": "blocked", "old": !is_blocked, "new": is_blocked }],
    })
}

/// Two lists of steps as one in the order of time. Of steps with the same time, those of the first list come first.
fn merged_by_time(steps: Vec<Value>, others: Vec<Value>) -> Vec<Value> {
    let mut merged = Vec::with_capacity(steps.len() + others.len());
    let mut others = others.into_iter().peekable();
    for step in steps {
        // Times have one format, so their texts have their order.
        while let Some(earlier) = others.next_if(|other| other["at"].as_str() < step["at"].as_str()) {
            merged.push(earlier);
        }
        merged.push(step);
    }
    merged.extend(others);
    merged
}

fn changes_of(step: &HistoryStep, old: &Value, new: &Value) -> Vec<Value> {
    let mut changes = differences(old, new);
    if step.is_link {
        changes.push(json!({ "field": "transactions", "old": null, "new": step.transaction_id }));
    }
    changes
}

/// A step that cannot be read. The steps before it cannot be found, so the old values of later steps may be missing.
fn unreadable_entry(step: &UnreadableStep) -> Value {
    json!({
        "at": null,
        "customer_id": step.customer.to_string(),
        "source": null,
        "by": null,
        "transaction_id": null,
        "changes": [],
        "unreadable": format!("{}; this step and those before it are not shown, and old values may be missing after it", step.reason),
    })
}

fn find_instrument<'v>(document: &'v Value, id: &str) -> Option<&'v Value> {
    document["payment_instruments"].as_array()?.iter().find(|instrument| instrument["payment_instrument"] == id.trim())
}

/// A document without what payments count of its instruments: the history of transactions shows that.
fn without_counters(mut document: Value) -> Value {
    for instrument in document["payment_instruments"].as_array_mut().into_iter().flatten() {
        for counted in ["last_success_at", "successful_payments", "order"] {
            instrument.as_object_mut().map(|instrument| instrument.remove(counted));
        }
    }
    document
}

/// Every field of a removed instrument, with its last value.
fn removed_fields(old: &Value) -> Vec<Value> {
    let fields = old.as_object().into_iter().flatten().filter(|(field, value)| !is_empty(field, value));
    fields.map(|(field, old)| json!({ "field": field, "old": old, "new": null })).collect()
}

/// Whether the value of a field states nothing.
fn is_empty(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        // Of an attribute, false is a value, and its absence is null.
        Value::Bool(false) => Attribute::parse(field).is_none(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn differences(old: &Value, new: &Value) -> Vec<Value> {
    let none = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    let fields = new.iter().filter(|(field, _)| !DERIVED.contains(&field.as_str()));
    fields
        .filter_map(|(field, new)| {
            let old = old.get(field).unwrap_or(&Value::Null);
            let same = old == new || (is_empty(field, old) && is_empty(field, new));
            (!same).then(|| json!({ "field": field, "old": old, "new": new }))
        })
        .collect()
}

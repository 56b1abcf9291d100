//! Appends events to the journal and applies them.

use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, search_index::SearchKeys},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            audit::{Author, ChangeSource},
        },
        events::{
            customer_event::{CustomerEvent, RecordPosition},
            global_event::GlobalEvent,
        },
        transaction::{log_offset::LogOffset, opening::Opening},
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Appended, Lsn},
    },
};
use std::{borrow::Cow, cell::RefCell, sync::atomic::Ordering};

/// Who makes a change, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The author of the audit entry.
    pub author: Author,
    /// The time of the change.
    pub now: Millis,
}

impl Actor {
    /// The daemon itself.
    #[must_use]
    pub fn system(now: Millis) -> Self {
        Self { author: Author::SYSTEM, now }
    }

    /// A payment.
    #[must_use]
    pub fn payment(now: Millis) -> Self {
        Self { author: Author::PAYMENT, now }
    }
}

/// The actor and the transaction of a record.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct RecordContext {
    pub(in crate::ledger) actor: Actor,
    /// The key of the transaction that the events are about; 0: none.
    pub(in crate::ledger) key: u64,
}

impl From<Actor> for RecordContext {
    fn from(actor: Actor) -> Self {
        Self { actor, key: 0 }
    }
}

/// The events of one record about one customer, in their order.
#[derive(Clone, Copy, Default)]
pub(in crate::ledger) struct RecordEvents<'e> {
    pub(in crate::ledger) before: &'e [CustomerEvent],
    /// The slot and the opening of a new transaction. Texts are borrowed, so that a reserve copies none.
    pub(in crate::ledger) opened: Option<(u32, &'e Opening<&'e str>)>,
    pub(in crate::ledger) after: &'e [CustomerEvent],
}

/// One customer's part of a step that changes several customers.
pub(in crate::ledger) struct CustomerStep<'c> {
    pub(in crate::ledger) customer: &'c mut Customer,
    pub(in crate::ledger) context: RecordContext,
    pub(in crate::ledger) events: Vec<CustomerEvent>,
}

/// A step that was recorded as a group.
pub(in crate::ledger) struct RecordedGroup {
    /// How each customer's record was recorded, in the order of the steps.
    pub(in crate::ledger) customers: Vec<RecordPosition>,
    /// The offset of the record of the global event, if there is one.
    pub(in crate::ledger) global: Option<LogOffset>,
    /// The LSN that the whole step depends on.
    pub(in crate::ledger) last: Lsn,
}

/// A record that is ready to be encoded: identifiers are sealed, the audit entry is made.
struct PreparedRecord<'e> {
    before: Cow<'e, [CustomerEvent]>,
    opened: Option<(u32, &'e Opening<&'e str>)>,
    after: Cow<'e, [CustomerEvent]>,
    audit_entry: Option<CustomerEvent>,
    /// The customer's search keys before the record, where the record may change them.
    old_search_keys: Option<Option<SearchKeys>>,
}

impl Ledger {
    /// Appends events about one customer as one record and applies them. The caller holds the lock of the customer.
    pub(in crate::ledger) fn record(
        &self,
        customer: &mut Customer,
        context: impl Into<RecordContext>,
        events: RecordEvents<'_>,
    ) -> RecordPosition {
        // One buffer for each thread: a record costs no allocation.
        thread_local!(static BODY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        let context = context.into();
        let record = self.prepare(customer, context.actor, events);
        BODY.with_borrow_mut(|body| {
            body.clear();
            self.encode(customer.number(), &record, body);
            let appended = match record.audit_entry {
                Some(_) if context.actor.author.source != ChangeSource::Payment => {
                    self.journal.append(customer.number(), body)
                }
                _ => self.journal.append_unaudited(customer.number(), body),
            };
            self.apply(customer, context.key, appended, &record)
        })
    }

    /// Appends a step about several customers, and about none of them, as one group: recovery applies all of it or
    /// nothing. Applies it. The caller holds the locks of all customers.
    pub(in crate::ledger) fn record_group(
        &self,
        steps: Vec<CustomerStep<'_>>,
        global_event: Option<&GlobalEvent>,
    ) -> RecordedGroup {
        let mut parts: Vec<(u64, Vec<u8>)> = Vec::with_capacity(steps.len() + 1);
        let (mut targets, mut events) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
        for step in steps {
            targets.push((step.customer, step.context));
            events.push(step.events);
        }
        let mut records = Vec::with_capacity(targets.len());
        for ((customer, context), events) in targets.iter().zip(&events) {
            let record =
                self.prepare(customer, context.actor, RecordEvents { after: events, ..RecordEvents::default() });
            let mut body = Vec::with_capacity(64);
            self.encode(customer.number(), &record, &mut body);
            parts.push((customer.number(), body));
            records.push(record);
        }
        if let Some(global_event) = global_event {
            let mut body = Vec::with_capacity(64);
            encoding::encode_global(global_event, &mut body);
            parts.push((0, body));
        }
        let (appended, last) = match parts.as_slice() {
            [(only, body)] => {
                let appended = self.journal.append(*only, body);
                (vec![appended], appended.lsn)
            }
            _ => self.journal.append_group(&parts),
        };
        // The global event is the last part.
        let global = global_event.and_then(|_| appended.last()).map(|appended| appended.offset);
        let recorded = targets
            .into_iter()
            .zip(&records)
            .zip(appended)
            .map(|(((customer, context), record), appended)| self.apply(customer, context.key, appended, record));
        RecordedGroup { customers: recorded.collect(), global, last }
    }

    #[inline]
    fn prepare<'e>(&self, customer: &Customer, actor: Actor, events: RecordEvents<'e>) -> PreparedRecord<'e> {
        let RecordEvents { before, opened, after } = events;
        let is_audited = before.iter().chain(after).any(CustomerEvent::is_audited);
        PreparedRecord {
            before: self.with_sealed_identifiers(customer.merchant, before),
            opened,
            after: self.with_sealed_identifiers(customer.merchant, after),
            audit_entry: is_audited.then(|| customer.audit_entry(actor.author, actor.now)),
            old_search_keys: is_audited.then(|| self.search_keys(customer)),
        }
    }

    #[inline]
    fn encode(&self, number: u64, record: &PreparedRecord<'_>, body: &mut Vec<u8>) {
        let mut seal = |plain: &[u8], out: &mut Vec<u8>| self.seal(number, plain, out);
        record.before.iter().for_each(|event| encoding::encode(event, &mut seal, body));
        if let Some((slot, opening)) = record.opened {
            encoding::encode_opened(slot, opening, body);
        }
        record.after.iter().chain(&record.audit_entry).for_each(|event| encoding::encode(event, &mut seal, body));
    }

    #[inline]
    fn apply(
        &self,
        customer: &mut Customer,
        key: u64,
        appended: Appended,
        record: &PreparedRecord<'_>,
    ) -> RecordPosition {
        let recorded = RecordPosition { number: appended.lsn.0, offset: appended.offset, key };
        record.before.iter().for_each(|event| customer.apply(recorded, event));
        if let Some((slot, opening)) = record.opened {
            customer.apply_opened(recorded, slot, opening);
        }
        record.after.iter().chain(&record.audit_entry).for_each(|event| customer.apply(recorded, event));
        if let Some(old) = &record.old_search_keys {
            self.update_search_index(customer, old.as_ref());
        }
        recorded
    }

    /// The search keys of a customer. `None`: the customer is not recorded yet, or is merged into another.
    pub(in crate::ledger) fn search_keys(&self, customer: &Customer) -> Option<SearchKeys> {
        customer.last_audit_offset().filter(|_| customer.merged_into().is_none()).map(|_| SearchKeys::of(customer))
    }

    /// Replaces the search keys of a customer by its current ones. The caller holds the lock of the customer.
    pub(in crate::ledger) fn update_search_index(&self, customer: &Customer, old: Option<&SearchKeys>) {
        if customer.number() >= FIRST_CUSTOMER {
            let current = customer.merged_into().is_none().then(|| SearchKeys::of(customer));
            self.search.update(customer.merchant, customer.number(), old, current.as_ref());
        }
    }

    /// Seals personal data of a customer. Data that cannot be sealed is not stored: nothing personal is recorded in
    /// plain text.
    pub(in crate::ledger) fn seal(&self, customer: u64, plain: &[u8], out: &mut Vec<u8>) {
        if let Err(error) = self.keys.seal(customer, plain, out) {
            self.unsealed_count.fetch_add(1, Ordering::Relaxed);
            debug_assert!(false, "attributes are lost: {error}");
        }
    }
}

//! From memory to history and back: records are appended and applied here, and a transaction's facts are read again.
//!
//! A transaction is changed only by whoever holds the stripe of its id. So its facts are read without the customer's
//! lock, and what was read last lies in the stripe for whoever comes next.

use crate::ledger::{
    FIRST_CUSTOMER, Ledger,
    state::{
        index::{TransactionSlot, TransactionSlots},
        merge_group::MergeGroup,
        search_index::Marks,
    },
};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent, Recorded},
            profile::Author,
        },
        decision::refusal::Refusal,
        events::global_event::GlobalEvent,
        transaction::{
            record::{Content, Fact, LogOffset, NamedPlaces, Opening, RecordedFact, Transaction},
            summary::{Left, TransactionOutcome},
        },
        usage::series::UsageSeriesKey,
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Appended, Lsn, ReadError},
    },
};
use smallvec::SmallVec;
use std::{borrow::Cow, cell::RefCell, sync::atomic::Ordering};

/// A transaction with all its facts, and where it lives.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Recalled {
    key: u64,
    pub(in crate::ledger) transaction_slot: TransactionSlot,
    /// The last record about it.
    place: LogOffset,
    /// The one that its story begins with.
    pub(in crate::ledger) root: LogOffset,
    pub(in crate::ledger) transaction: Transaction,
    /// Its state by the last record about it, which is what usage holds. An older version may have judged the facts
    /// otherwise.
    pub(in crate::ledger) outcome: TransactionOutcome,
}

/// What lies in the stripe of an id.
#[derive(Default)]
pub(in crate::ledger) struct Stripe {
    /// The transaction that was looked at last.
    pub(in crate::ledger) held: Option<Box<Recalled>>,
    /// Where the transactions of its ids live.
    pub(in crate::ledger) transaction_slots: TransactionSlots,
}

/// Why a record could not be read, as the caller hears it.
pub(in crate::ledger) fn unread(error: &ReadError) -> Refusal {
    match error {
        ReadError::Lost { .. } => Refusal::RecordLost(error.to_string()),
        _ => Refusal::Unreadable(error.to_string()),
    }
}

impl Recalled {
    /// One that begins with its last record.
    pub(in crate::ledger) fn begun(
        key: u64,
        transaction_slot: TransactionSlot,
        place: LogOffset,
        transaction: Transaction,
    ) -> Self {
        let outcome = TransactionOutcome::of(&transaction);
        Self { key, transaction_slot, place, root: place, transaction, outcome }
    }

    fn is(&self, key: u64, merchant: &str, id: &str) -> bool {
        let opening = &self.transaction.opening;
        self.key == key && opening.id.as_ref() == id && opening.merchant.as_str() == merchant
    }
}

impl Ledger {
    /// Appends what happened to one customer as one record and applies it; the caller holds the customer's lock.
    pub(in crate::ledger) fn record(
        &self,
        customer: &mut Customer,
        key: u64,
        hand: (Author, Millis),
        events: &[CustomerEvent],
    ) -> Recorded {
        self.record_with(customer, key, hand, events, None, &[])
    }

    /// Appends and applies as one record what opens a transaction in a slot, with what comes before and behind it.
    pub(in crate::ledger) fn record_opened(
        &self,
        customer: &mut Customer,
        key: u64,
        before: &[CustomerEvent],
        opened: (u32, &Opening<&str>),
        behind: &[CustomerEvent],
    ) -> Recorded {
        let hand = (Author::PAYMENT, opened.1.recorded_at);
        self.record_with(customer, key, hand, before, Some(opened), behind)
    }

    fn record_with(
        &self,
        customer: &mut Customer,
        key: u64,
        (author, at): (Author, Millis),
        before: &[CustomerEvent],
        opened: Option<(u32, &Opening<&str>)>,
        behind: &[CustomerEvent],
    ) -> Recorded {
        // One buffer for each thread: a record costs no allocation.
        thread_local!(static BODY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        let audit_entry =
            before.iter().chain(behind).any(CustomerEvent::is_of_history).then(|| customer.audit_entry(author, at));
        let found_by = audit_entry.is_some().then(|| self.found_by(customer));
        let (before, behind) =
            [before, behind].map(|events| self.with_sealed_identifiers(customer.merchant, events)).into();
        let recorded = BODY.with_borrow_mut(|body| {
            body.clear();
            let number = customer.number();
            let mut seal = |plain: &[u8], out: &mut Vec<u8>| self.seal(number, plain, out);
            before.iter().for_each(|event| encoding::encode(event, &mut seal, body));
            if let Some((slot, opening)) = opened {
                encoding::encode_opened(slot, opening, body);
            }
            behind.iter().chain(&audit_entry).for_each(|event| encoding::encode(event, &mut seal, body));
            let appended = self.journal.append(number, body);
            let recorded = Recorded { number: appended.lsn.0, place: appended.place, key };
            before.iter().for_each(|event| customer.apply(recorded, event));
            if let Some((slot, opening)) = opened {
                customer.apply_opened(recorded, slot, opening);
            }
            behind.iter().chain(&audit_entry).for_each(|event| customer.apply(recorded, event));
            recorded
        });
        if let Some(before) = found_by {
            self.now_found_by(customer, before.as_ref());
        }
        recorded
    }

    /// Appends what happened to several customers in one step, each with the key of a transaction where it is about one,
    /// and what happened to none: all of it counts or nothing. Applies it; the caller holds the locks of all. Returns how
    /// each was recorded, and the record that all rests on.
    pub(in crate::ledger) fn record_together(
        &self,
        steps: Vec<(&mut Customer, u64, Vec<CustomerEvent>)>,
        common: Option<&GlobalEvent>,
        (author, at): (Author, Millis),
    ) -> (Vec<Recorded>, Lsn) {
        self.record_together_by(steps, common, &|_| author, at)
    }

    /// The same, where the customers are several merchants' and each history names another author.
    pub(in crate::ledger) fn record_together_by(
        &self,
        steps: Vec<(&mut Customer, u64, Vec<CustomerEvent>)>,
        common: Option<&GlobalEvent>,
        author_for: &dyn Fn(&Customer) -> Author,
        at: Millis,
    ) -> (Vec<Recorded>, Lsn) {
        let told = |(customer, key, mut events): (_, u64, Vec<CustomerEvent>)| {
            let customer: &mut Customer = customer;
            if let Cow::Owned(sealed) = self.with_sealed_identifiers(customer.merchant, &events) {
                events = sealed;
            }
            if events.iter().any(CustomerEvent::is_of_history) {
                events.push(customer.audit_entry(author_for(customer), at));
            }
            (customer, key, events)
        };
        let steps: Vec<_> = steps.into_iter().map(told).collect();
        let part = |(customer, _, events): &(&mut Customer, u64, Vec<CustomerEvent>)| {
            let (number, mut body) = (customer.number(), Vec::with_capacity(64));
            let mut seal = |plain: &[u8], out: &mut Vec<u8>| self.seal(number, plain, out);
            events.iter().for_each(|event| encoding::encode(event, &mut seal, &mut body));
            (number, body)
        };
        let mut parts: Vec<(u64, Vec<u8>)> = steps.iter().map(part).collect();
        if let Some(common) = common {
            let mut body = Vec::with_capacity(64);
            encoding::encode_common(common, &mut body);
            parts.push((0, body));
        }
        let (appended, last) = match parts.as_slice() {
            [(only, body)] => {
                let appended = self.journal.append(*only, body);
                (vec![appended], appended.lsn)
            }
            _ => self.journal.append_group(&parts),
        };
        let apply = |((customer, key, events), appended): ((&mut Customer, u64, Vec<CustomerEvent>), Appended)| {
            let before = self.found_by(customer);
            let recorded = Recorded { number: appended.lsn.0, place: appended.place, key };
            events.iter().for_each(|event| customer.apply(recorded, event));
            self.now_found_by(customer, before.as_ref());
            recorded
        };
        (steps.into_iter().zip(appended).map(apply).collect(), last)
    }

    /// What a customer is found by; `None`: the customer is only being made, or part of another.
    pub(in crate::ledger) fn found_by(&self, customer: &Customer) -> Option<Marks> {
        customer.history().filter(|_| customer.merged_into().is_none()).map(|_| Marks::of(customer))
    }

    /// Lets a customer be found by what it is now; the caller holds the customer's lock.
    pub(in crate::ledger) fn now_found_by(&self, customer: &Customer, before: Option<&Marks>) {
        if customer.number() >= FIRST_CUSTOMER {
            let now = customer.merged_into().is_none().then(|| Marks::of(customer));
            self.search.moved(customer.merchant, customer.number(), before, now.as_ref());
        }
    }

    /// Seals what is personal of a customer. What cannot be sealed is not kept: nothing personal stands in clear.
    pub(in crate::ledger) fn seal(&self, customer: u64, plain: &[u8], out: &mut Vec<u8>) {
        if let Err(error) = self.keys.seal(customer, plain, out) {
            self.unsealed.fetch_add(1, Ordering::Relaxed);
            debug_assert!(false, "attributes are lost: {error}");
        }
    }

    /// Records facts about a known transaction, with what else follows from them for the customer, who may be another
    /// by now than the one under whom it was opened; the caller holds the stripe of its id and the locks of both. Returns
    /// the number of the record; `None`: it is none of theirs.
    pub(in crate::ledger) fn note(
        &self,
        merge_group: &mut MergeGroup<'_>,
        known: &mut Recalled,
        facts: impl IntoIterator<Item = RecordedFact>,
        besides: impl IntoIterator<Item = CustomerEvent>,
    ) -> Option<Lsn> {
        let slot = known.transaction_slot.slot;
        let has_left = merge_group.member(known.transaction_slot.customer)?.summaries().get(slot).is_none();
        let mut events: SmallVec<[CustomerEvent; 2]> = SmallVec::new();
        let mut previous = known.place;
        let mut at = known.transaction.opening.recorded_at;
        for mut recorded_fact in facts {
            at = recorded_fact.at;
            // No queue watches the hold of what has left memory: it ends at once.
            if let Fact::Asked { hold_until, .. } = &mut recorded_fact.fact
                && has_left
            {
                *hold_until = Some(at);
            }
            let was = known.outcome.settled();
            known.transaction.note(recorded_fact.clone());
            known.outcome = TransactionOutcome::of(&known.transaction);
            let opening = &known.transaction.opening;
            let (direction, currency) = (opening.content.direction, opening.content.currency);
            let series = opening.counts().then_some(UsageSeriesKey { direction, currency, level: opening.level });
            let left = has_left.then_some(Left { key: known.key, series, at: Some(opening.at), was });
            events.push(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome: known.outcome, left });
            previous = LogOffset::HERE;
        }
        let (hand, mut besides) = ((Author::PAYMENT, at), besides.into_iter().peekable());
        let is_head = merge_group.head.number() == known.transaction_slot.customer;
        let (recorded, rests_on) = if is_head || besides.peek().is_none() {
            events.extend(besides);
            let recorded = self.record(merge_group.member(known.transaction_slot.customer)?, known.key, hand, &events);
            (recorded, Lsn(recorded.number))
        } else {
            let (head, others) = (&mut *merge_group.head, merge_group.others.iter_mut());
            let member =
                others.map(|other| &mut **other).find(|other| other.number() == known.transaction_slot.customer)?;
            let steps = vec![(member, known.key, events.into_vec()), (head, 0, besides.collect())];
            let (recorded, last) = self.record_together(steps, None, hand);
            (recorded.first().copied()?, last)
        };
        known.place = recorded.place;
        if has_left {
            self.late.insert(known.key, known.transaction_slot, recorded.place);
        }
        Some(rests_on)
    }

    /// The transaction of an id, read again where the stripe does not hold it; the caller holds the stripe.
    ///
    /// # Errors
    /// Its facts cannot be read.
    pub(in crate::ledger) fn find<'h>(
        &self,
        stripe: &'h mut Stripe,
        key: u64,
        merchant: &str,
        id: &str,
    ) -> Result<Option<&'h mut Recalled>, Refusal> {
        // What lies before the journal's beginning is gone, unless memory still holds it.
        let (held, gone_before) = (stripe.held.as_ref(), self.gone_before());
        if !held.is_some_and(|known| known.is(key, merchant, id) && known.place >= gone_before) {
            let Some(found) = self.look_up(&stripe.transaction_slots, key, merchant, id)? else { return Ok(None) };
            stripe.held = Some(found);
        }
        Ok(stripe.held.as_deref_mut())
    }

    /// The end of a hold that was moved with the clock is in memory only, until the next record about the transaction.
    fn take_moved_hold(&self, recalled: &mut Recalled) {
        if !self.clocks.has_moved() {
            return;
        }
        let TransactionSlot { customer, slot } = recalled.transaction_slot;
        let summary = self.customers.lock(customer).get(&customer).and_then(|c| c.summaries().get(slot).copied());
        if let Some(summary) = summary.filter(|summary| summary.place == recalled.place) {
            recalled.outcome.hold_until = summary.hold_until();
            recalled.transaction.hold_until = summary.hold_until();
        }
    }

    /// The content of a known transaction, and which of its places must be the same in a repetition.
    #[must_use]
    pub fn recorded(&self, merchant: &str, transaction_id: &str) -> Option<(Content, NamedPlaces)> {
        let key = self.key.transaction(merchant, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let known = self.find(&mut stripe, key, merchant, transaction_id).ok().flatten()?;
        let asked = known.transaction.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
            Fact::Asked { content: Some(asked), .. } => Some((asked.content, NamedPlaces::BOTH)),
            _ => None,
        });
        let opening = &known.transaction.opening;
        Some(asked.unwrap_or((opening.content, opening.names)))
    }

    fn look_up(
        &self,
        transaction_slots: &TransactionSlots,
        key: u64,
        merchant: &str,
        id: &str,
    ) -> Result<Option<Box<Recalled>>, Refusal> {
        for transaction_slot in transaction_slots.find(key) {
            let summary = self
                .customers
                .lock(transaction_slot.customer)
                .get(&transaction_slot.customer)
                .and_then(|c| c.summaries().get(transaction_slot.slot).copied());
            if let Some(summary) = summary.filter(|summary| summary.place >= self.begins_at) {
                let known = self.recall(key, transaction_slot, summary.place)?;
                if let Some(known) = known.filter(|known| known.is(key, merchant, id)) {
                    return Ok(Some(Box::new(known)));
                }
            }
        }
        for (transaction_slot, place) in self.past(key)? {
            let known = self.recall(key, transaction_slot, place)?;
            // Two ids may share a key; what the archive names for a key must have that key.
            if let Some(other) = known.as_ref().map(|known| &known.transaction.opening)
                && self.key.transaction(other.merchant.as_str(), &other.id) != key
            {
                let what = format!("the archive's index leads from an id to another one's record at place {}", place.0);
                return Err(Refusal::Unreadable(what));
            }
            if let Some(known) = known.filter(|known| known.is(key, merchant, id)) {
                return Ok(Some(Box::new(known)));
            }
        }
        Ok(None)
    }

    /// Where the last records about transactions of a key lie that have left memory.
    pub(in crate::ledger) fn past(&self, key: u64) -> Result<SmallVec<[(TransactionSlot, LogOffset); 1]>, Refusal> {
        if self.left.load(Ordering::Acquire) == 0 {
            return Ok(SmallVec::new());
        }
        let mut found = self.late.find(key);
        if let Some(past) = &self.past {
            let archived = past.transactions(key).map_err(|error| Refusal::Unreadable(error.to_string()))?;
            for (customer, slot, place) in archived {
                let transaction_slot = TransactionSlot { customer, slot };
                match found.iter_mut().find(|(known, _)| *known == transaction_slot) {
                    // Whichever is later: what came late may be in the archive by now, or have been followed there.
                    Some((_, known)) => *known = place.max(*known),
                    None => found.push((transaction_slot, place)),
                }
            }
        }
        let gone_before = self.gone_before();
        found.retain(|(_, place)| *place >= gone_before);
        // Of several with one id, the last: one that came again counts as new once the first is gone.
        found.sort_by_key(|(_, place)| std::cmp::Reverse(*place));
        Ok(found)
    }

    /// Reads a transaction from its last record back to the one that opened it; `None`: it was linked from here to a
    /// customer.
    pub(in crate::ledger) fn recall(
        &self,
        key: u64,
        transaction_slot: TransactionSlot,
        last: LogOffset,
    ) -> Result<Option<Recalled>, Refusal> {
        let unreadable = |what: String| Refusal::Unreadable(what);
        let mut body = Vec::with_capacity(512);
        let mut later: Vec<SmallVec<[RecordedFact; 1]>> = Vec::new();
        let (mut place, mut recorded) = (last, None);
        loop {
            let head = self.journal.read(place, &mut body).map_err(|error| unread(&error))?;
            if head.owner != transaction_slot.customer {
                return Err(unreadable(format!("the record at {} is about customer {}", place.0, head.owner)));
            }
            // Attributes are not needed here, so nothing is unsealed.
            let events = encoding::decode(&body, &mut |_| Ok(None)).map_err(|error| unreadable(error.to_string()))?;
            let (mut opened, mut recorded_fact, mut previous, mut outcome) = (None, SmallVec::new(), None, None);
            for event in events {
                match event {
                    encoding::Recorded::Customer(CustomerEvent::Opened { slot, opening })
                        if slot == transaction_slot.slot =>
                    {
                        outcome = Some(opening.outcome());
                        opened = Some(opening);
                    }
                    encoding::Recorded::Customer(
                        CustomerEvent::Compacted { slot, opening, facts, outcome: by_then, .. }
                        | CustomerEvent::Assigned { slot, opening, facts, outcome: by_then, .. },
                    ) if slot == transaction_slot.slot => {
                        outcome = Some(by_then);
                        opened = Some(opening);
                        recorded_fact.extend(facts);
                    }
                    encoding::Recorded::Customer(CustomerEvent::Unlinked { slot, .. })
                        if slot == transaction_slot.slot =>
                    {
                        return Ok(None);
                    }
                    encoding::Recorded::Customer(CustomerEvent::FactRecorded {
                        slot,
                        previous: before,
                        recorded_fact: fact,
                        outcome: by_then,
                        ..
                    }) if slot == transaction_slot.slot => {
                        outcome = Some(by_then);
                        previous.get_or_insert(before);
                        recorded_fact.push(fact);
                    }
                    _ => {}
                }
            }
            later.push(recorded_fact);
            recorded = recorded.or(outcome);
            if let Some(mut opening) = opened {
                let (merchant, direction) = (opening.merchant, opening.content.direction);
                let now = |level| self.made_levels.renames.now(merchant, direction, place, level);
                opening.level = opening.level.map(now);
                let mut transaction = Transaction::open(opening);
                later.into_iter().rev().flatten().for_each(|recorded_fact| transaction.note(recorded_fact));
                let outcome = recorded.unwrap_or_else(|| TransactionOutcome::of(&transaction));
                let mut recalled = Recalled { key, transaction_slot, place: last, root: place, transaction, outcome };
                self.take_moved_hold(&mut recalled);
                return Ok(Some(recalled));
            }
            match previous {
                // A chain only leads back.
                Some(before) if before < place => place = before,
                _ => return Err(unreadable(format!("the record at {} leads nowhere", place.0))),
            }
        }
    }
}

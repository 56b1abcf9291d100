//! From memory to history and back: records are appended and applied here, and a transaction's facts are read again.
//!
//! A transaction is changed only by whoever holds the stripe of its id. So its facts are read without the customer's
//! lock, and what was read last lies in the stripe for whoever comes next.

use super::{
    FIRST_CUSTOMER, Ledger,
    household::Household,
    index::{Seat, Seats},
    search::Marks,
};
use crate::{
    domain::{
        brief::{Left, Upshot},
        common::Common,
        customer::{Customer, Event, Recorded},
        profile::Author,
        refusal::Refusal,
        time::Millis,
        transaction::{Content, Fact, NamedPlaces, Noted, Opening, Place, Transaction},
        usage::BookKey,
    },
    journal::{Appended, Lsn, ReadError, event},
};
use smallvec::SmallVec;
use std::{borrow::Cow, cell::RefCell, sync::atomic::Ordering};

/// A transaction with all its facts, and where it lives.
#[derive(Debug, Clone)]
pub(super) struct Recalled {
    key: u64,
    pub(super) seat: Seat,
    /// The last record about it.
    place: Place,
    /// The one that its story begins with.
    pub(super) root: Place,
    pub(super) transaction: Transaction,
    /// Its state by the last record about it, which is what usage holds. An older version may have judged the facts
    /// otherwise.
    pub(super) upshot: Upshot,
}

/// What lies in the stripe of an id.
#[derive(Default)]
pub(super) struct Stripe {
    /// The transaction that was looked at last.
    pub(super) held: Option<Box<Recalled>>,
    /// Where the transactions of its ids live.
    pub(super) seats: Seats,
}

/// Why a record could not be read, as the caller hears it.
pub(super) fn unread(error: &ReadError) -> Refusal {
    match error {
        ReadError::Lost { .. } => Refusal::RecordLost(error.to_string()),
        _ => Refusal::Unreadable(error.to_string()),
    }
}

impl Recalled {
    /// One that begins with its last record.
    pub(super) fn begun(key: u64, seat: Seat, place: Place, transaction: Transaction) -> Self {
        let upshot = Upshot::of(&transaction);
        Self { key, seat, place, root: place, transaction, upshot }
    }

    fn is(&self, key: u64, merchant: &str, id: &str) -> bool {
        let opening = &self.transaction.opening;
        self.key == key && opening.id.as_ref() == id && opening.merchant.as_str() == merchant
    }
}

impl Ledger {
    /// Appends what happened to one customer as one record and applies it; the caller holds the customer's lock.
    pub(super) fn record(
        &self,
        customer: &mut Customer,
        key: u64,
        hand: (Author, Millis),
        events: &[Event],
    ) -> Recorded {
        self.record_with(customer, key, hand, events, None, &[])
    }

    /// Appends and applies as one record what opens a transaction in a slot, with what comes before and behind it.
    pub(super) fn record_opened(
        &self,
        customer: &mut Customer,
        key: u64,
        before: &[Event],
        opened: (u32, &Opening<&str>),
        behind: &[Event],
    ) -> Recorded {
        let hand = (Author::PAYMENT, opened.1.recorded_at);
        self.record_with(customer, key, hand, before, Some(opened), behind)
    }

    fn record_with(
        &self,
        customer: &mut Customer,
        key: u64,
        (author, at): (Author, Millis),
        before: &[Event],
        opened: Option<(u32, &Opening<&str>)>,
        behind: &[Event],
    ) -> Recorded {
        // One buffer for each thread: a record costs no allocation.
        thread_local!(static BODY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        let chronicle = before.iter().chain(behind).any(Event::is_of_history).then(|| customer.chronicle(author, at));
        let found_by = chronicle.is_some().then(|| self.found_by(customer));
        let (before, behind) =
            [before, behind].map(|events| self.with_sealed_identifiers(customer.merchant, events)).into();
        let recorded = BODY.with_borrow_mut(|body| {
            body.clear();
            let number = customer.number();
            let mut seal = |plain: &[u8], out: &mut Vec<u8>| self.seal(number, plain, out);
            before.iter().for_each(|event| event::encode(event, &mut seal, body));
            if let Some((slot, opening)) = opened {
                event::encode_opened(slot, opening, body);
            }
            behind.iter().chain(&chronicle).for_each(|event| event::encode(event, &mut seal, body));
            let appended = self.journal.append(number, body);
            let recorded = Recorded { number: appended.lsn.0, place: appended.place, key };
            before.iter().for_each(|event| customer.apply(recorded, event));
            if let Some((slot, opening)) = opened {
                customer.apply_opened(recorded, slot, opening);
            }
            behind.iter().chain(&chronicle).for_each(|event| customer.apply(recorded, event));
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
    pub(super) fn record_together(
        &self,
        steps: Vec<(&mut Customer, u64, Vec<Event>)>,
        common: Option<&Common>,
        (author, at): (Author, Millis),
    ) -> (Vec<Recorded>, Lsn) {
        self.record_together_by(steps, common, &|_| author, at)
    }

    /// The same, where the customers are several merchants' and each history names another author.
    pub(super) fn record_together_by(
        &self,
        steps: Vec<(&mut Customer, u64, Vec<Event>)>,
        common: Option<&Common>,
        author_for: &dyn Fn(&Customer) -> Author,
        at: Millis,
    ) -> (Vec<Recorded>, Lsn) {
        let told = |(customer, key, mut events): (_, u64, Vec<Event>)| {
            let customer: &mut Customer = customer;
            if let Cow::Owned(sealed) = self.with_sealed_identifiers(customer.merchant, &events) {
                events = sealed;
            }
            if events.iter().any(Event::is_of_history) {
                events.push(customer.chronicle(author_for(customer), at));
            }
            (customer, key, events)
        };
        let steps: Vec<_> = steps.into_iter().map(told).collect();
        let part = |(customer, _, events): &(&mut Customer, u64, Vec<Event>)| {
            let (number, mut body) = (customer.number(), Vec::with_capacity(64));
            let mut seal = |plain: &[u8], out: &mut Vec<u8>| self.seal(number, plain, out);
            events.iter().for_each(|event| event::encode(event, &mut seal, &mut body));
            (number, body)
        };
        let mut parts: Vec<(u64, Vec<u8>)> = steps.iter().map(part).collect();
        if let Some(common) = common {
            let mut body = Vec::with_capacity(64);
            event::encode_common(common, &mut body);
            parts.push((0, body));
        }
        let (appended, last) = match parts.as_slice() {
            [(only, body)] => {
                let appended = self.journal.append(*only, body);
                (vec![appended], appended.lsn)
            }
            _ => self.journal.append_group(&parts),
        };
        let apply = |((customer, key, events), appended): ((&mut Customer, u64, Vec<Event>), Appended)| {
            let before = self.found_by(customer);
            let recorded = Recorded { number: appended.lsn.0, place: appended.place, key };
            events.iter().for_each(|event| customer.apply(recorded, event));
            self.now_found_by(customer, before.as_ref());
            recorded
        };
        (steps.into_iter().zip(appended).map(apply).collect(), last)
    }

    /// What a customer is found by; `None`: the customer is only being made, or part of another.
    pub(super) fn found_by(&self, customer: &Customer) -> Option<Marks> {
        customer.history().filter(|_| customer.merged_into().is_none()).map(|_| Marks::of(customer))
    }

    /// Lets a customer be found by what it is now; the caller holds the customer's lock.
    pub(super) fn now_found_by(&self, customer: &Customer, before: Option<&Marks>) {
        if customer.number() >= FIRST_CUSTOMER {
            let now = customer.merged_into().is_none().then(|| Marks::of(customer));
            self.search.moved(customer.merchant, customer.number(), before, now.as_ref());
        }
    }

    /// Seals what is personal of a customer. What cannot be sealed is not kept: nothing personal stands in clear.
    pub(super) fn seal(&self, customer: u64, plain: &[u8], out: &mut Vec<u8>) {
        if let Err(error) = self.keys.seal(customer, plain, out) {
            self.unsealed.fetch_add(1, Ordering::Relaxed);
            debug_assert!(false, "attributes are lost: {error}");
        }
    }

    /// Records facts about a known transaction, with what else follows from them for the customer, who may be another
    /// by now than the one under whom it was opened; the caller holds the stripe of its id and the locks of both. Returns
    /// the number of the record; `None`: it is none of theirs.
    pub(super) fn note(
        &self,
        household: &mut Household<'_>,
        known: &mut Recalled,
        facts: impl IntoIterator<Item = Noted>,
        besides: impl IntoIterator<Item = Event>,
    ) -> Option<Lsn> {
        let slot = known.seat.slot;
        let has_left = household.member(known.seat.customer)?.briefs().get(slot).is_none();
        let mut events: SmallVec<[Event; 2]> = SmallVec::new();
        let mut previous = known.place;
        let mut at = known.transaction.opening.recorded_at;
        for mut noted in facts {
            at = noted.at;
            // No queue watches the hold of what has left memory: it ends at once.
            if let Fact::Asked { hold_until, .. } = &mut noted.fact
                && has_left
            {
                *hold_until = Some(at);
            }
            let was = known.upshot.settled();
            known.transaction.note(noted.clone());
            known.upshot = Upshot::of(&known.transaction);
            let opening = &known.transaction.opening;
            let (direction, currency) = (opening.content.direction, opening.content.currency);
            let book = opening.counts().then_some(BookKey { direction, currency, level: opening.level });
            let left = has_left.then_some(Left { key: known.key, book, at: Some(opening.at), was });
            events.push(Event::Happened { slot, previous, noted, upshot: known.upshot, left });
            previous = Place::HERE;
        }
        let (hand, mut besides) = ((Author::PAYMENT, at), besides.into_iter().peekable());
        let is_head = household.head.number() == known.seat.customer;
        let (recorded, rests_on) = if is_head || besides.peek().is_none() {
            events.extend(besides);
            let recorded = self.record(household.member(known.seat.customer)?, known.key, hand, &events);
            (recorded, Lsn(recorded.number))
        } else {
            let (head, others) = (&mut *household.head, household.others.iter_mut());
            let member = others.map(|other| &mut **other).find(|other| other.number() == known.seat.customer)?;
            let steps = vec![(member, known.key, events.into_vec()), (head, 0, besides.collect())];
            let (recorded, last) = self.record_together(steps, None, hand);
            (recorded.first().copied()?, last)
        };
        known.place = recorded.place;
        if has_left {
            self.late.insert(known.key, known.seat, recorded.place);
        }
        Some(rests_on)
    }

    /// The transaction of an id, read again where the stripe does not hold it; the caller holds the stripe.
    ///
    /// # Errors
    /// Its facts cannot be read.
    pub(super) fn find<'h>(
        &self,
        stripe: &'h mut Stripe,
        key: u64,
        merchant: &str,
        id: &str,
    ) -> Result<Option<&'h mut Recalled>, Refusal> {
        // What lies before the journal's beginning is gone, unless memory still holds it.
        let (held, gone_before) = (stripe.held.as_ref(), self.gone_before());
        if !held.is_some_and(|known| known.is(key, merchant, id) && known.place >= gone_before) {
            let Some(found) = self.look_up(&stripe.seats, key, merchant, id)? else { return Ok(None) };
            stripe.held = Some(found);
        }
        Ok(stripe.held.as_deref_mut())
    }

    /// The end of a hold that was moved with the clock is in memory only, until the next record about the transaction.
    fn take_moved_hold(&self, recalled: &mut Recalled) {
        if !self.clocks.has_moved() {
            return;
        }
        let Seat { customer, slot } = recalled.seat;
        let brief = self.customers.lock(customer).get(&customer).and_then(|c| c.briefs().get(slot).copied());
        if let Some(brief) = brief.filter(|brief| brief.place == recalled.place) {
            recalled.upshot.hold_until = brief.hold_until();
            recalled.transaction.hold_until = brief.hold_until();
        }
    }

    /// The content of a known transaction, and which of its places must be the same in a repetition.
    #[must_use]
    pub fn recorded(&self, merchant: &str, transaction_id: &str) -> Option<(Content, NamedPlaces)> {
        let key = self.key.transaction(merchant, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let known = self.find(&mut stripe, key, merchant, transaction_id).ok().flatten()?;
        let asked = known.transaction.facts.iter().find_map(|noted| match &noted.fact {
            Fact::Asked { content: Some(asked), .. } => Some((asked.content, NamedPlaces::BOTH)),
            _ => None,
        });
        let opening = &known.transaction.opening;
        Some(asked.unwrap_or((opening.content, opening.names)))
    }

    fn look_up(&self, seats: &Seats, key: u64, merchant: &str, id: &str) -> Result<Option<Box<Recalled>>, Refusal> {
        for seat in seats.find(key) {
            let brief =
                self.customers.lock(seat.customer).get(&seat.customer).and_then(|c| c.briefs().get(seat.slot).copied());
            if let Some(brief) = brief.filter(|brief| brief.place >= self.begins_at) {
                let known = self.recall(key, seat, brief.place)?;
                if let Some(known) = known.filter(|known| known.is(key, merchant, id)) {
                    return Ok(Some(Box::new(known)));
                }
            }
        }
        for (seat, place) in self.past(key)? {
            let known = self.recall(key, seat, place)?;
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
    pub(super) fn past(&self, key: u64) -> Result<SmallVec<[(Seat, Place); 1]>, Refusal> {
        if self.left.load(Ordering::Acquire) == 0 {
            return Ok(SmallVec::new());
        }
        let mut found = self.late.find(key);
        if let Some(past) = &self.past {
            let archived = past.transactions(key).map_err(|error| Refusal::Unreadable(error.to_string()))?;
            for (customer, slot, place) in archived {
                let seat = Seat { customer, slot };
                match found.iter_mut().find(|(known, _)| *known == seat) {
                    // Whichever is later: what came late may be in the archive by now, or have been followed there.
                    Some((_, known)) => *known = place.max(*known),
                    None => found.push((seat, place)),
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
    pub(super) fn recall(&self, key: u64, seat: Seat, last: Place) -> Result<Option<Recalled>, Refusal> {
        let unreadable = |what: String| Refusal::Unreadable(what);
        let mut body = Vec::with_capacity(512);
        let mut later: Vec<SmallVec<[Noted; 1]>> = Vec::new();
        let (mut place, mut recorded) = (last, None);
        loop {
            let head = self.journal.read(place, &mut body).map_err(|error| unread(&error))?;
            if head.owner != seat.customer {
                return Err(unreadable(format!("the record at {} is about customer {}", place.0, head.owner)));
            }
            // Attributes are not needed here, so nothing is unsealed.
            let events = event::decode(&body, &mut |_| Ok(None)).map_err(|error| unreadable(error.to_string()))?;
            let (mut opened, mut noted, mut previous, mut upshot) = (None, SmallVec::new(), None, None);
            for event in events {
                match event {
                    event::Recorded::Customer(Event::Opened { slot, opening }) if slot == seat.slot => {
                        upshot = Some(opening.upshot());
                        opened = Some(opening);
                    }
                    event::Recorded::Customer(
                        Event::Carried { slot, opening, facts, upshot: by_then, .. }
                        | Event::Linked { slot, opening, facts, upshot: by_then, .. },
                    ) if slot == seat.slot => {
                        upshot = Some(by_then);
                        opened = Some(opening);
                        noted.extend(facts);
                    }
                    event::Recorded::Customer(Event::Unlinked { slot, .. }) if slot == seat.slot => return Ok(None),
                    event::Recorded::Customer(Event::Happened {
                        slot,
                        previous: before,
                        noted: fact,
                        upshot: by_then,
                        ..
                    }) if slot == seat.slot => {
                        upshot = Some(by_then);
                        previous.get_or_insert(before);
                        noted.push(fact);
                    }
                    _ => {}
                }
            }
            later.push(noted);
            recorded = recorded.or(upshot);
            if let Some(mut opening) = opened {
                let (merchant, direction) = (opening.merchant, opening.content.direction);
                let now = |level| self.made_levels.renames.now(merchant, direction, place, level);
                opening.level = opening.level.map(now);
                let mut transaction = Transaction::open(opening);
                later.into_iter().rev().flatten().for_each(|noted| transaction.note(noted));
                let upshot = recorded.unwrap_or_else(|| Upshot::of(&transaction));
                let mut recalled = Recalled { key, seat, place: last, root: place, transaction, upshot };
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

//! The transactions of one customer by their time, the newest first.
//!
//! The order of recording is nearly the order of times: a payment can be placed in the past, or linked later. Neither the
//! summaries in memory nor the archive's index have to be read whole for it: the chunks of the summaries have bounds of
//! their times, and the archive has a table in the order of times. The members of a merge group are merged while they are
//! read. A cursor is a place in the order, and a time does not change. So transactions that arrive between two pages move
//! none from one page to another.

use crate::{
    domain::{
        request::refusal::Refusal,
        transaction::{log_offset::LogOffset, summaries::newest::TimedSlot},
        vocabulary::{calendar::LocalTime, time::Millis},
    },
    ledger::{
        index::{customer_numbers::FIRST_CUSTOMER, transaction_index::TransactionSlot},
        queries::transactions::{
            Candidate, LOADED_VISIT, TransactionCursor, TransactionPage, TransactionPosition, TransactionQuery,
            TransactionTime, VISITS_MAX, WINDOW_SLOTS_MAX,
        },
        state::ledger::Ledger,
    },
};
use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
};

/// The most summaries of one batch.
const BATCH_MAX: usize = WINDOW_SLOTS_MAX as usize;
/// The entries of the archive's index that are read at a time.
const ARCHIVE_ENTRIES: usize = 256;

/// A transaction that may be on the page.
struct TimedCandidate {
    place: TimedSlot,
    candidate: Candidate,
    /// Whether it has left memory, so that only its record shows whether it matches.
    is_archived: bool,
}

/// The transactions of one member of a merge group, the newest first, as far as they are read.
struct MemberTransactions {
    customer: u64,
    /// Read and not taken yet.
    batch: VecDeque<TimedCandidate>,
    /// Whether there may be more.
    has_more: bool,
    /// The next batch begins before this place; `None`: with the newest.
    before: Option<TimedSlot>,
    /// The most summaries of the next batch.
    batch_len: usize,
}

impl MemberTransactions {
    /// The place before which everything of the member is still to be read or taken; `None`: nothing is left.
    fn rest(&self) -> Option<TransactionTime> {
        let before = match self.batch.front() {
            // The next slot is after it in the order, and no other place is between them.
            Some(next) => TimedSlot { slot: next.place.slot.saturating_add(1), ..next.place },
            None if self.has_more => self.before.unwrap_or(TimedSlot { at: Millis(i64::MAX), slot: u32::MAX }),
            None => return None,
        };
        Some(TransactionTime { at: before.at, customer: self.customer, slot: before.slot })
    }
}

/// The place of a customer's transactions that are before a place of its merge group.
fn bound_of(customer: u64, before: TransactionTime) -> TimedSlot {
    match customer.cmp(&before.customer) {
        Ordering::Less => TimedSlot { at: Millis(before.at.0.saturating_add(1)), slot: 0 },
        Ordering::Equal => TimedSlot { at: before.at, slot: before.slot },
        Ordering::Greater => TimedSlot { at: before.at, slot: 0 },
    }
}

/// The query that a batch is read for.
struct BatchQuery<'a> {
    merchant: Option<&'a str>,
    query: &'a TransactionQuery,
    now: Millis,
}

/// The slots of a customer that are in memory.
struct SlotsInMemory {
    /// Every slot from this one on.
    first: u32,
    /// And these, ascending.
    pinned: Vec<u32>,
}

/// Candidates before a place.
struct Batch {
    /// In no order.
    candidates: Vec<TimedCandidate>,
    /// The last place that was examined; `None`: there is nothing more.
    end: Option<TimedSlot>,
    /// How much was examined.
    visited: u64,
}

impl Ledger {
    /// A page of a customer's transactions, those of merged customers included, the newest first. It takes a step for each
    /// 64 transactions of the customer in memory, and those that it examines.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub(super) fn list_newest_of_customer(
        &self,
        merchant: Option<&str>,
        customer_id: &str,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        let mut page = TransactionPage::default();
        let Ok(numbers) = self.merge_group_numbers(merchant.unwrap_or_default(), customer_id) else {
            return Ok(page);
        };
        let before = match query.after {
            Some(TransactionCursor::Before(place)) => Some(place),
            None | Some(TransactionCursor::After(_) | TransactionCursor::BeforeRecord(_)) => None,
        };
        // The time of a transaction is in its facts: an accepted clock may have moved that of its summary.
        let until = query.to.filter(|_| !self.clocks.has_moved_entries()).map(|at| TimedSlot { at, slot: 0 });
        let batch_len = (query.limit / numbers.len().max(1)).clamp(1, BATCH_MAX);
        let mut members: Vec<MemberTransactions> = numbers
            .into_iter()
            .map(|customer| {
                let before = before.map(|before| bound_of(customer, before));
                let before = before.into_iter().chain(until).min();
                MemberTransactions { customer, batch: VecDeque::new(), has_more: true, before, batch_len }
            })
            .collect();
        let mut rests: BinaryHeap<(TransactionTime, usize)> =
            members.iter().enumerate().filter_map(|(n, member)| Some((member.rest()?, n))).collect();
        let of_batch = BatchQuery { merchant, query, now: local.now };
        while let Some((rest, n)) = rests.pop() {
            if page.visited >= VISITS_MAX {
                page.next = Some(TransactionCursor::Before(rest));
                return Ok(page);
            }
            let Some(member) = members.get_mut(n) else { continue };
            match member.batch.pop_front() {
                None => page.visited += self.read_batch(member, &of_batch)?,
                Some(TimedCandidate { place, candidate, is_archived }) => {
                    page.visited += if is_archived || query.needs_facts() { LOADED_VISIT } else { 0 };
                    let (customer, TimedSlot { at, slot }) = (member.customer, place);
                    let viewed = self.view_candidate(&candidate, merchant, query, local.calendar);
                    if page.add(TransactionPosition { customer, slot }, viewed, query.limit) {
                        page.next = Some(TransactionCursor::Before(TransactionTime { at, customer, slot }));
                        return Ok(page);
                    }
                }
            }
            rests.extend(member.rest().map(|rest| (rest, n)));
        }
        Ok(page)
    }

    /// Reads the next batch of a member. Returns how much was examined.
    fn read_batch(&self, member: &mut MemberTransactions, of: &BatchQuery<'_>) -> Result<u64, Refusal> {
        let Some((mut batch, slots)) = self.batch_in_memory(member, of) else {
            member.has_more = false;
            return Ok(1);
        };
        let archived = self.archived_batch(member, &batch, &slots, of.now)?;
        // The next batch reads what comes after the end of either.
        let end = batch.end.max(archived.end);
        batch.candidates.extend(archived.candidates);
        batch.candidates.retain(|timed| end.is_none_or(|end| timed.place >= end));
        batch.candidates.sort_unstable_by_key(|timed| Reverse(timed.place));
        member.batch = batch.candidates.into();
        let is_wanted =
            |end: &TimedSlot| self.clocks.has_moved_entries() || of.query.from.is_none_or(|from| end.at >= from);
        member.has_more = end.filter(is_wanted).is_some();
        member.before = end;
        member.batch_len = (member.batch_len * 2).min(BATCH_MAX);
        Ok(batch.visited + archived.visited)
    }

    /// The transactions in memory before a place that match. `None`: the merchant has no such customer.
    fn batch_in_memory(&self, member: &MemberTransactions, of: &BatchQuery<'_>) -> Option<(Batch, SlotsInMemory)> {
        let number = member.customer;
        let mut shard = self.customers.lock(number);
        let customer = shard.get_mut(number)?;
        if number < FIRST_CUSTOMER || of.merchant.is_some_and(|merchant| customer.merchant.as_str() != merchant) {
            return None;
        }
        let now = self.settle(customer, of.now);
        let summaries = customer.summaries();
        let newest = summaries.newest_before(member.before, member.batch_len);
        let first = summaries.first_slot();
        let pinned = summaries.starting_at(0).map(|(slot, _)| slot).take_while(|slot| *slot < first).collect();
        let end = newest.last().filter(|_| newest.len() == member.batch_len);
        let end = end.map(|(slot, summary)| TimedSlot { at: summary.at, slot: *slot });
        let visited = 1 + newest.len() as u64;
        let any_time = TransactionQuery { from: None, to: None, ..of.query.clone() };
        let query = if self.clocks.has_moved_entries() { &any_time } else { of.query };
        let candidates = newest
            .into_iter()
            .filter(|(_, summary)| summary.offset >= self.journal_start)
            .filter(|(_, summary)| query.matches(summary.at, summary.status(now), summary.flags()))
            .map(|(slot, summary)| TimedCandidate {
                place: TimedSlot { at: summary.at, slot },
                candidate: Candidate {
                    key: summary.key,
                    slot: TransactionSlot { customer: number, slot },
                    last_record: summary.offset,
                    now,
                },
                is_archived: false,
            })
            .collect();
        Some((Batch { candidates, end, visited }, SlotsInMemory { first, pinned }))
    }

    /// The evicted transactions before a place, as far as the batch in memory goes.
    fn archived_batch(
        &self,
        member: &MemberTransactions,
        in_memory: &Batch,
        slots: &SlotsInMemory,
        now: Millis,
    ) -> Result<Batch, Refusal> {
        let mut batch = Batch { candidates: Vec::new(), end: None, visited: 0 };
        let Some(archive) = self.archive.as_ref().filter(|_| slots.first > 0) else { return Ok(batch) };
        let (number, forgotten_before) = (member.customer, self.forgotten_before());
        let mut before = member.before;
        loop {
            let entries = archive.newest_of_customer(number, before, ARCHIVE_ENTRIES);
            let entries = entries.map_err(|error| Refusal::Unreadable(error.to_string()))?;
            batch.visited += entries.len() as u64;
            for (place, offset) in &entries {
                if in_memory.end.is_some_and(|end| *place < end) {
                    return Ok(batch);
                }
                // The archive indexes also transactions that are still in memory, without their last facts.
                if place.slot >= slots.first || slots.pinned.binary_search(&place.slot).is_ok() {
                    continue;
                }
                let last_record = (*offset).max(self.newest_archived_fact(number, place.slot).unwrap_or(*offset));
                if last_record >= forgotten_before {
                    let slot = TransactionSlot { customer: number, slot: place.slot };
                    let candidate = Candidate { key: 0, slot, last_record, now };
                    batch.candidates.push(TimedCandidate { place: *place, candidate, is_archived: true });
                }
            }
            let Some((last, _)) = entries.last().filter(|_| entries.len() == ARCHIVE_ENTRIES) else { return Ok(batch) };
            before = Some(*last);
            if batch.candidates.len() >= member.batch_len || batch.visited >= VISITS_MAX {
                batch.end = before;
                return Ok(batch);
            }
        }
    }

    /// The last record about an evicted transaction that the archive does not index yet.
    fn newest_archived_fact(&self, customer: u64, slot: u32) -> Option<LogOffset> {
        let facts = self.archived_facts.of_customer(customer, slot..slot.saturating_add(1));
        facts.into_iter().map(|(_, offset)| offset).max()
    }
}

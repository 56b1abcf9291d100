//! A list by customer, and of each customer in the order of recording.

use crate::{
    domain::{
        request::refusal::Refusal,
        transaction::opening::CustomerResolution,
        vocabulary::{calendar::LocalTime, time::Millis},
    },
    ledger::{
        index::{customer_numbers::FIRST_CUSTOMER, sharding::SHARDS, transaction_index::TransactionSlot},
        queries::transactions::{
            Candidate, LOADED_VISIT, TransactionCursor, TransactionPage, TransactionPosition, TransactionQuery,
            VISITS_MAX, WINDOW_SLOTS_MAX,
        },
        state::ledger::Ledger,
    },
};
use std::sync::atomic::Ordering;

/// The slots of one customer that are examined.
struct SlotSpan {
    customer: u64,
    from: u32,
    /// The most slots.
    slots: u32,
}

/// The candidates in some slots of one customer.
struct Window {
    /// In the order of their slots.
    candidates: Vec<Candidate>,
    /// The number of slots that were examined, and one for the customer.
    visited: u64,
    /// The slot at which the next window begins; `None`: the customer has no more.
    next: Option<u32>,
}

impl Window {
    /// No customer, or one of another merchant.
    fn of_nothing() -> Self {
        Self { candidates: Vec::new(), visited: 1, next: None }
    }
}

impl Ledger {
    /// A page of the order of customers. The order is stable: a listed transaction keeps its position, and a new one comes
    /// after the others of its customer.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub(super) fn list_by_customer(
        &self,
        merchant: Option<&str>,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        let mut page = TransactionPage::default();
        let after = match query.after {
            Some(TransactionCursor::After(position)) => Some(position),
            None | Some(TransactionCursor::Before(_) | TransactionCursor::BeforeRecord(_)) => None,
        };
        let (first, first_slot) = after.map_or((0, 0), |after| (after.customer, after.slot.saturating_add(1)));
        let placeholders = SHARDS as u64;
        let numbers: Box<dyn Iterator<Item = u64>> = match query.customer_id.as_deref() {
            // No customer has a number between the placeholders and the first customer.
            None if query.resolution == Some(CustomerResolution::Bypassed) => {
                Box::new(first.min(placeholders)..placeholders)
            }
            None => {
                let end = self.next_customer.load(Ordering::Relaxed);
                Box::new((first.min(placeholders)..placeholders).chain(first.max(FIRST_CUSTOMER)..end))
            }
            Some(id) => {
                let Ok(mut numbers) = self.merge_group_numbers(merchant.unwrap_or_default(), id) else {
                    return Ok(page);
                };
                numbers.sort_unstable();
                Box::new(numbers.into_iter().filter(move |number| *number >= first))
            }
        };
        let (mut visits, visit) = (0_u64, if query.needs_facts() { LOADED_VISIT } else { 1 });
        // A page examines about as many slots as it shows, and more at a time while few match.
        let mut slots = u32::try_from(query.limit).unwrap_or(u32::MAX).clamp(1, WINDOW_SLOTS_MAX);
        for number in numbers {
            let mut from = Some(if number == first { first_slot } else { 0 });
            while let Some(slot) = from {
                let span = SlotSpan { customer: number, from: slot, slots };
                let window = self.window(&span, merchant, query, local.now)?;
                if window.next.is_some() {
                    slots = slots.saturating_mul(2).min(WINDOW_SLOTS_MAX);
                }
                visits += window.visited;
                page.visited += window.visited;
                for candidate in window.candidates {
                    visits += visit - 1;
                    let position = TransactionPosition { customer: number, slot: candidate.slot.slot };
                    let viewed = self.view_candidate(&candidate, merchant, query, local.calendar);
                    let is_full = page.add(position, viewed, query.limit);
                    if is_full || (visit > 1 && visits >= VISITS_MAX) {
                        page.next = Some(TransactionCursor::After(position));
                        return Ok(page);
                    }
                }
                from = window.next;
                if visits >= VISITS_MAX {
                    let slot = from.map_or(u32::MAX, |next| next - 1);
                    page.next = Some(TransactionCursor::After(TransactionPosition { customer: number, slot }));
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// The transactions of one customer in a span of slots that may be on the page: the matching ones in memory, and all
    /// evicted ones.
    fn window(
        &self,
        span: &SlotSpan,
        merchant: Option<&str>,
        query: &TransactionQuery,
        now: Millis,
    ) -> Result<Window, Refusal> {
        let SlotSpan { customer: number, from: from_slot, slots } = *span;
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(number) else { return Ok(Window::of_nothing()) };
        // Placeholders own transactions of every merchant.
        let is_of_another = merchant.is_some_and(|merchant| customer.merchant.as_str() != merchant);
        if number >= FIRST_CUSTOMER && is_of_another {
            return Ok(Window::of_nothing());
        }
        let now = self.settle(customer, now);
        let end = customer.summaries().next_slot().min(from_slot.saturating_add(slots));
        let next = (end < customer.summaries().next_slot()).then_some(end);
        let visited = 1 + u64::from(end.saturating_sub(from_slot));
        let first_kept = customer.summaries().first_slot().min(end);
        // Slots before `first_kept` that are still in memory. The archive may index them too, without their last facts.
        let in_memory: Vec<u32> = customer
            .summaries()
            .starting_at(from_slot)
            .map(|(slot, _)| slot)
            .take_while(|slot| *slot < first_kept)
            .collect();
        // An accepted clock may have moved the time of a summary; the time of the transaction is in its facts.
        let any_time = TransactionQuery { from: None, to: None, ..query.clone() };
        let summary_query = if self.clocks.has_moved_entries() { &any_time } else { query };
        let candidate = |slot, key, last_record| {
            let slot = TransactionSlot { customer: number, slot };
            Candidate { key, slot, last_record, now }
        };
        let mut candidates: Vec<Candidate> = customer
            .summaries()
            .starting_at(from_slot)
            .take_while(|(slot, _)| *slot < end)
            .filter(|(_, summary)| summary.offset >= self.journal_start)
            .filter(|(_, summary)| summary_query.matches(summary.at, summary.status(now), summary.flags()))
            .map(|(slot, summary)| candidate(slot, summary.key, summary.offset))
            .collect();
        drop(shard);
        if let Some(archive) = self.archive.as_ref().filter(|_| from_slot < first_kept) {
            let archived = archive.of_customer(number, from_slot, first_kept);
            let (newer, forgotten_before) =
                (self.archived_facts.of_customer(number, from_slot..first_kept), self.forgotten_before());
            for (slot, offset) in archived.map_err(|error| Refusal::Unreadable(error.to_string()))? {
                if in_memory.binary_search(&slot).is_err() {
                    let of_slot = newer.partition_point(|(known, _)| *known < slot);
                    let newer = newer[of_slot..].iter().take_while(|(known, _)| *known == slot);
                    let newer = newer.map(|(_, offset)| *offset).max();
                    let last_record = newer.map_or(offset, |newer| newer.max(offset));
                    if last_record >= forgotten_before {
                        candidates.push(candidate(slot, 0, last_record));
                    }
                }
            }
            candidates.sort_by_key(|candidate| candidate.slot.slot);
        }
        Ok(Window { candidates, visited, next })
    }
}

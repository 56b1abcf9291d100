//! Reads transactions: one by its id, or a list for reconciliation. A list locks one customer at a time.

use crate::domain::{
    customer::aggregate::Customer,
    request::refusal::Refusal,
    rules::configuration::Rules,
    transaction::{
        fact::Fact,
        log_offset::LogOffset,
        opening::CustomerResolution,
        state::Transaction,
        status::{Flag, Flags, Status},
    },
    vocabulary::{
        calendar::{Calendar, LocalTime},
        time::Millis,
    },
};
use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, sharding::SHARDS, transaction_index::TransactionSlot},
    payments::{
        answer::{TransactionView, customer_of},
        transaction_rules::headroom_of,
    },
    state::{ledger::Ledger, loaded_transaction::LoadedTransaction},
};
use std::sync::atomic::Ordering;

/// The most transactions of one page.
pub const PAGE_MAX: usize = 1_000;
/// The most customers and transactions that one page reads. A page with few matches ends there, and the next one
/// continues.
const VISITS_MAX: u64 = 200_000;
/// A transaction that is read from the journal to be compared counts as so many.
const LOADED_VISIT: u64 = 20;
/// The most slots of one customer that are examined at once. They are read under the customer's lock.
const WINDOW_SLOTS_MAX: u32 = 4_096;

/// A query for transactions. A transaction matches all filters.
#[derive(Debug, Clone, Default)]
pub struct TransactionQuery {
    /// In this status now.
    pub status: Option<Status>,
    /// With this flag.
    pub flag: Option<Flag>,
    /// Not earlier, by the time of the transaction.
    pub from: Option<Millis>,
    /// Earlier, by the time of the transaction.
    pub to: Option<Millis>,
    /// Of this customer.
    pub customer_id: Option<String>,
    /// The payment or one of its captures named this instrument.
    pub instrument: Option<String>,
    /// The customer was found so. Transactions without a customer are [`CustomerResolution::Bypassed`].
    pub resolution: Option<CustomerResolution>,
    /// The most transactions of the page.
    pub limit: usize,
    /// After this position.
    pub after: Option<TransactionPosition>,
}

/// A position in the order of transactions: by customer, and by slot within a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionPosition {
    /// The number of the customer.
    pub customer: u64,
    /// The slot.
    pub slot: u32,
}

impl TransactionQuery {
    fn matches(&self, at: Millis, status: Status, flags: Flags) -> bool {
        self.status.is_none_or(|wanted| status == wanted)
            && self.flag.is_none_or(|flag| flags.contains(flag))
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
    }
}

/// The calendar of a merchant, which need not be one of the current rules.
fn calendar_of<'r>(rules: &'r Rules, merchant: &str) -> &'r Calendar {
    rules.merchant(merchant).map_or(Calendar::utc(), |merchant| &merchant.calendar)
}

/// Whether a payment or one of its captures names an instrument. White space at the ends does not count; earlier versions
/// recorded it.
fn names_instrument(transaction: &Transaction, id: &str) -> bool {
    let is_same = |named: Option<&str>| named.is_some_and(|named| named.trim() == id.trim());
    is_same(transaction.opening.instrument.as_deref())
        || transaction.facts.iter().any(|recorded| match &recorded.fact {
            Fact::Approved { instrument, .. } => is_same(instrument.as_deref()),
            Fact::ReservedLate { content, .. } => {
                is_same(content.as_deref().and_then(|content| content.instrument.as_deref()))
            }
            Fact::Declined { .. }
            | Fact::Cancelled { .. }
            | Fact::Refunded { .. }
            | Fact::ChargedBack { .. }
            | Fact::Attempted { .. }
            | Fact::Extended { .. } => false,
        })
}

/// A page of transactions.
#[derive(Debug)]
pub struct TransactionPage {
    /// In the order of customers, and of each customer in the order of opening.
    pub transactions: Vec<TransactionView>,
    /// Those that may match and cannot be read.
    pub unreadable: Vec<UnreadableTransaction>,
    /// The position after which the next page begins; `None`: this is the last page.
    pub next: Option<TransactionPosition>,
    /// The number of customers and slots that were examined.
    pub visited: u64,
}

/// A transaction whose records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableTransaction {
    /// Its position in the list.
    pub position: TransactionPosition,
    /// Why it cannot be read.
    pub reason: String,
}

/// A transaction that may be on the page, and the time as of which its customer was read.
struct Candidate {
    key: u64,
    slot: TransactionSlot,
    last_record: LogOffset,
    now: Millis,
}

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
    /// Reads a transaction by its id.
    ///
    /// # Errors
    /// The transaction is unknown.
    pub fn show(
        &self,
        rules: &Rules,
        merchant: &str,
        transaction_id: &str,
        now: Millis,
    ) -> Result<TransactionView, Refusal> {
        let key = self.digest_key.transaction(merchant, transaction_id);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let mut stripe = self.id_stripes.lock(key);
        let known = self.find_transaction(&mut stripe, key, merchant, transaction_id)?.ok_or_else(unknown)?;
        let mut locked = self.lock_merge_group(known.slot.customer);
        let mut merge_group = locked.members().ok_or_else(unknown)?;
        let now = self.settle_group(&mut merge_group, now);
        Ok(TransactionView {
            transaction: known.transaction.clone(),
            outcome: known.outcome,
            customer: customer_of(
                &known.transaction,
                merge_group.head,
                &self.identities,
                LocalTime { calendar: calendar_of(rules, merchant), now },
            ),
            headroom: Some(headroom_of(rules, &merge_group, &known.transaction, now)),
            now,
            depends_on_lsn: self.depends_on_lsn(&merge_group),
        })
    }

    /// A page of a merchant's transactions. The order is stable: a listed transaction keeps its position, and a new one
    /// comes after the others of its customer. Facts are read without a lock. A transaction that cannot be read ends no page.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub fn list_transactions(
        &self,
        merchant: &str,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        self.list(Some(merchant), query, local)
    }

    /// [`Ledger::list_transactions`] of all merchants. The query names no customer. The status of a customer is that in
    /// UTC, because merchants have different time zones.
    ///
    /// # Errors
    /// The archive's index cannot be read.
    pub fn list_all_transactions(&self, query: &TransactionQuery, now: Millis) -> Result<TransactionPage, Refusal> {
        self.list(None, query, LocalTime::utc(now))
    }

    fn list(
        &self,
        merchant: Option<&str>,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        let mut page = TransactionPage { transactions: Vec::new(), unreadable: Vec::new(), next: None, visited: 0 };
        let (first, first_slot) = query.after.map_or((0, 0), |after| (after.customer, after.slot.saturating_add(1)));
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
        // Which instrument a transaction names, and how its customer was found, is only in its facts, which are read from
        // the journal.
        let is_loaded = query.instrument.is_some() || query.resolution.is_some();
        let (mut visits, visit) = (0_u64, if is_loaded { LOADED_VISIT } else { 1 });
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
                    match self.view_candidate(&candidate, merchant, query, local.calendar) {
                        Ok(transaction) => page.transactions.extend(transaction),
                        // A placeholder owns transactions of every merchant: it is not known whose this one is.
                        Err(refusal) => {
                            page.unreadable.push(UnreadableTransaction { position, reason: refusal.to_string() });
                        }
                    }
                    let is_full = page.transactions.len() + page.unreadable.len() >= query.limit;
                    if is_full || (visit > 1 && visits >= VISITS_MAX) {
                        page.next = Some(position);
                        return Ok(page);
                    }
                }
                from = window.next;
                if visits >= VISITS_MAX {
                    let slot = from.map_or(u32::MAX, |next| next - 1);
                    page.next = Some(TransactionPosition { customer: number, slot });
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

    fn view_candidate(
        &self,
        candidate: &Candidate,
        merchant: Option<&str>,
        query: &TransactionQuery,
        calendar: &Calendar,
    ) -> Result<Option<TransactionView>, Refusal> {
        let Candidate { key, slot, last_record, now } = *candidate;
        let loaded = match self.load_transaction(key, slot, last_record) {
            Ok(loaded) => loaded,
            // A list skips it like a deleted transaction. A read by its id answers 410.
            Err(Refusal::RecordLost(_)) => return Ok(None),
            Err(unreadable) => match self.last_record(slot)? {
                // Its segment was deleted in between, and the transaction was copied, or is forgotten.
                Some(offset) if offset != last_record => self.load_transaction(key, slot, offset)?,
                Some(_) => return Err(unreadable),
                None => return Ok(None),
            },
        };
        let Some(LoadedTransaction { transaction, outcome, .. }) = loaded else { return Ok(None) };
        let opening = &transaction.opening;
        let is_of_another = merchant.is_some_and(|merchant| opening.merchant.as_str() != merchant);
        let is_match = query.matches(opening.at, outcome.status(now), outcome.flags)
            && query.resolution.is_none_or(|wanted| opening.resolution == wanted)
            && query.instrument.as_deref().is_none_or(|id| names_instrument(&transaction, id));
        if is_of_another || !is_match {
            return Ok(None);
        }
        let mut locked = self.lock_merge_group(slot.customer);
        let local = LocalTime { calendar, now };
        let shown = |head: &Customer| customer_of(&transaction, head, &self.identities, local);
        let customer = locked.members().map(|merge_group| shown(merge_group.head));
        Ok(customer.map(|customer| TransactionView {
            transaction,
            outcome,
            customer,
            headroom: None,
            now,
            depends_on_lsn: self.journal.last(),
        }))
    }
}

#[cfg(test)]
mod tests;

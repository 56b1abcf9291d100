//! Reads transactions: one by its id, or a page of a list. A list locks one customer at a time.

mod by_customer;
mod newest_of_customer;
mod newest_recorded;

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
        words::words,
    },
};
use crate::ledger::{
    index::transaction_index::TransactionSlot,
    payments::{
        answer::{TransactionView, customer_of},
        transaction_rules::headroom_of,
    },
    state::{ledger::Ledger, loaded_transaction::LoadedTransaction},
};
use crate::storage::journal::Lsn;

/// The most transactions of one page.
pub const PAGE_MAX: usize = 1_000;
/// The most customers and transactions that one page reads. A page with few matches ends there, and the next one
/// continues.
const VISITS_MAX: u64 = 200_000;
/// A transaction that is read from the journal to be compared counts as so many.
const LOADED_VISIT: u64 = 20;
/// The most slots of one customer that are examined at once. They are read under the customer's lock.
const WINDOW_SLOTS_MAX: u32 = 4_096;

words! {
    /// The order of a list of transactions.
    #[derive(Default)]
    TransactionOrder {
        /// By customer, and of each customer in the order of recording. A listed transaction keeps its position, and a new
        /// one comes after the others of its customer.
        #[default]
        Oldest = "oldest",
        /// Of one customer: by the time of the transaction, the newest first. Of several customers: by the record of the
        /// opening, the newest first.
        Newest = "newest",
    }
}

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
    /// The order.
    pub order: TransactionOrder,
    /// The most transactions of the page.
    pub limit: usize,
    /// Where the page begins; `None`: at the begin of the list. A cursor of another order is one, too.
    pub after: Option<TransactionCursor>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionCursor {
    /// After this position, in the order of customers.
    After(TransactionPosition),
    /// Before this place in the order of time, for the transactions of one customer.
    Before(TransactionTime),
    /// Before this record, for the transactions of several customers.
    BeforeRecord(Lsn),
}

/// A place in the order of time of one customer's transactions. Of two with the same time, the one of the customer with the
/// higher number is newer, where customers were merged, and then the one that was recorded later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionTime {
    /// The time of the transaction.
    pub at: Millis,
    /// The number of the customer.
    pub customer: u64,
    /// The slot.
    pub slot: u32,
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
    /// Whether the cursor is one of the query's order.
    #[must_use]
    pub fn has_cursor_of_order(&self) -> bool {
        match self.after {
            None => true,
            Some(TransactionCursor::After(_)) => self.order == TransactionOrder::Oldest,
            Some(TransactionCursor::Before(_)) => self.order == TransactionOrder::Newest && self.customer_id.is_some(),
            Some(TransactionCursor::BeforeRecord(_)) => {
                self.order == TransactionOrder::Newest && self.customer_id.is_none()
            }
        }
    }

    /// Whether which transactions match is only in their facts, which are read from the journal.
    fn needs_facts(&self) -> bool {
        self.instrument.is_some() || self.resolution.is_some()
    }

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
#[derive(Debug, Default)]
pub struct TransactionPage {
    /// In the order of the query.
    pub transactions: Vec<TransactionView>,
    /// Those that may match and cannot be read.
    pub unreadable: Vec<UnreadableTransaction>,
    /// Where the next page begins; `None`: this is the last page.
    pub next: Option<TransactionCursor>,
    /// The number of customers, slots and records that were examined.
    pub visited: u64,
}

impl TransactionPage {
    /// Adds a transaction, or that it cannot be read. Returns whether the page is full.
    fn add(
        &mut self,
        position: TransactionPosition,
        viewed: Result<Option<TransactionView>, Refusal>,
        limit: usize,
    ) -> bool {
        match viewed {
            Ok(transaction) => self.transactions.extend(transaction),
            // A placeholder owns transactions of every merchant: it is not known whose this one is.
            Err(refusal) => {
                self.unreadable.push(UnreadableTransaction { position, reason: refusal.to_string() });
            }
        }
        self.transactions.len() + self.unreadable.len() >= limit
    }
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

    /// A page of a merchant's transactions. See [`TransactionOrder`] for their order. Facts are read without a lock. A
    /// transaction that cannot be read ends no page.
    ///
    /// # Errors
    /// The archive's index or the journal cannot be read.
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
    /// Those of [`Ledger::list_transactions`].
    pub fn list_all_transactions(&self, query: &TransactionQuery, now: Millis) -> Result<TransactionPage, Refusal> {
        self.list(None, query, LocalTime::utc(now))
    }

    fn list(
        &self,
        merchant: Option<&str>,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        match (query.order, query.customer_id.as_deref()) {
            (TransactionOrder::Oldest, _) => self.list_by_customer(merchant, query, local),
            (TransactionOrder::Newest, Some(id)) => self.list_newest_of_customer(merchant, id, query, local),
            (TransactionOrder::Newest, None) => self.list_newest_recorded(merchant, query, local),
        }
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

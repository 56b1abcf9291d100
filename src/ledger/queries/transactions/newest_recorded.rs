//! The transactions of a merchant by the records of their openings, the newest first.
//!
//! No index contains this order. The journal does, and a page reads it backwards in windows, archive included, until it is
//! full or has read [`READS_MAX`] records. So a page can be short and not the last. The cursor is the number of a record: what
//! is recorded later has a higher number, so it moves nothing. A transaction whose opening was deleted with its segment is
//! not in this order.

use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        transaction::{
            opening::{CustomerResolution, Opening, OpeningKind},
            status::Status,
        },
        vocabulary::{calendar::LocalTime, time::Millis},
    },
    ledger::{
        index::{customer_numbers::FIRST_CUSTOMER, transaction_index::TransactionSlot},
        payments::answer::TransactionView,
        queries::transactions::{
            Candidate, LOADED_VISIT, TransactionCursor, TransactionPage, TransactionPosition, TransactionQuery,
        },
        state::ledger::Ledger,
    },
    storage::{
        encoding::{self, RecordedEvent},
        journal::{FollowError, Lsn, Record, Visited},
    },
};

/// The most records that one page reads, and the rest of the last window. A transaction that is loaded counts as
/// [`LOADED_VISIT`].
const READS_MAX: u64 = 16_384;
/// The fewest and the most records of a window.
const WINDOW_RECORDS: (u64, u64) = (128, 4_096);
/// Records that are written within this time may be in another order than their times.
const ORDER_SKEW_MS: i64 = 600_000;

/// A transaction that was opened in a window, or a part of it that cannot be read.
struct OpenedInWindow {
    lsn: Lsn,
    content: Result<OpenedTransaction, Refusal>,
}

/// What an opening says about the way to the transaction.
struct OpenedTransaction {
    slot: TransactionSlot,
    id: Box<str>,
    merchant: &'static str,
}

/// The openings of a window of records.
#[derive(Default)]
struct OpeningWindow {
    /// Those that may match, in the order of their records.
    found: Vec<OpenedInWindow>,
    /// When the first transaction of the window was recorded, of any merchant.
    first_recorded: Option<Millis>,
}

impl OpeningWindow {
    fn add(&mut self, record: &Record<'_>, is_wanted: &dyn Fn(&Opening) -> bool) {
        // Attributes are not needed here, so nothing is unsealed.
        let events = match encoding::decode(record.events, &mut |_| Ok(None)) {
            Ok(events) => events,
            Err(error) => {
                let content = Err(Refusal::Unreadable(error.to_string()));
                self.found.push(OpenedInWindow { lsn: record.lsn, content });
                return;
            }
        };
        for event in events {
            let RecordedEvent::Customer(CustomerEvent::TransactionOpened { slot, opening }) = event else { continue };
            self.first_recorded = self.first_recorded.or(Some(opening.recorded_at));
            if is_wanted(&opening) {
                let slot = TransactionSlot { customer: record.owner, slot };
                let opened = OpenedTransaction { slot, merchant: opening.merchant.as_str(), id: opening.id };
                self.found.push(OpenedInWindow { lsn: record.lsn, content: Ok(opened) });
            }
        }
    }
}

impl TransactionQuery {
    /// Whether a transaction with an opening can match. Its status, its flags and its customer can have changed since.
    fn may_match(&self, opening: &Opening, ignores_time: bool) -> bool {
        let is_within = ignores_time
            || (self.from.is_none_or(|from| opening.at >= from) && self.to.is_none_or(|to| opening.at < to));
        let has_resolution = self.resolution.is_none_or(|wanted| {
            // A transaction without a customer is found by its identifier once it is linked to one.
            let is_linked = opening.resolution == CustomerResolution::Bypassed && wanted == CustomerResolution::Found;
            opening.resolution == wanted || is_linked
        });
        // Only a denied payment is denied now.
        is_within && has_resolution && (self.status != Some(Status::Denied) || opening.opened == OpeningKind::Denied)
    }
}

impl Ledger {
    /// A page of transactions in the order of the records of their openings, the newest first.
    ///
    /// # Errors
    /// The journal or the archive's index cannot be read.
    pub(super) fn list_newest_recorded(
        &self,
        merchant: Option<&str>,
        query: &TransactionQuery,
        local: LocalTime<'_>,
    ) -> Result<TransactionPage, Refusal> {
        let unreadable = |error: FollowError| Refusal::Unreadable(error.to_string());
        let mut page = TransactionPage::default();
        let (begins_at, committed) = (self.journal.begins_at(), self.journal.last_committed());
        let mut high = match query.after {
            Some(TransactionCursor::BeforeRecord(before)) => committed.min(Lsn(before.0.saturating_sub(1))),
            None | Some(TransactionCursor::After(_) | TransactionCursor::Before(_)) => committed,
        };
        let are_times_ordered = self.clocks.all().iter().all(|(_, step)| step.after >= step.before);
        let ignores_time = self.clocks.has_moved_entries();
        let is_wanted = |opening: &Opening| {
            merchant.is_none_or(|merchant| opening.merchant.as_str() == merchant)
                && query.may_match(opening, ignores_time)
        };
        let mut records = (query.limit as u64).saturating_mul(2).clamp(WINDOW_RECORDS.0, WINDOW_RECORDS.1);
        while high >= begins_at && high > Lsn::NONE {
            let low = Lsn(high.0.saturating_sub(records - 1)).max(begins_at);
            let mut window = OpeningWindow::default();
            let read = self.read_window(low, high, &mut |visited| match visited {
                Visited::Records(of_step) => {
                    let is_inside = |record: &&Record<'_>| (low..=high).contains(&record.lsn);
                    of_step.iter().filter(is_inside).for_each(|record| window.add(record, &is_wanted));
                }
                Visited::Unreadable(damaged) => {
                    let content = Err(Refusal::Unreadable(damaged.reason.clone()));
                    window.found.push(OpenedInWindow { lsn: damaged.first.max(low), content });
                }
            });
            read.map_err(unreadable)?;
            page.visited += high.0 - low.0 + 1;
            for OpenedInWindow { lsn, content } in window.found.into_iter().rev() {
                let position = content.as_ref().map_or(TransactionPosition { customer: 0, slot: 0 }, |opened| {
                    TransactionPosition { customer: opened.slot.customer, slot: opened.slot.slot }
                });
                let viewed = content.and_then(|opened| self.view_opened(&opened, query, local, &mut page.visited));
                if page.add(position, viewed, query.limit) || page.visited >= READS_MAX {
                    page.next = (lsn > begins_at).then_some(TransactionCursor::BeforeRecord(lsn));
                    return Ok(page);
                }
            }
            // No payment is placed after the time of its record.
            let is_before = |from| window.first_recorded.is_some_and(|first| first.plus(ORDER_SKEW_MS) < from);
            if low == begins_at || (are_times_ordered && !ignores_time && query.from.is_some_and(is_before)) {
                break;
            }
            high = Lsn(low.0 - 1);
            records = (records * 2).min(WINDOW_RECORDS.1);
            if page.visited >= READS_MAX {
                page.next = Some(TransactionCursor::BeforeRecord(low));
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// A transaction by its opening. `None`: it does not match, or is forgotten. Adds to `visited` what it loads.
    fn view_opened(
        &self,
        opened: &OpenedTransaction,
        query: &TransactionQuery,
        local: LocalTime<'_>,
        visited: &mut u64,
    ) -> Result<Option<TransactionView>, Refusal> {
        let OpenedTransaction { slot, id, merchant } = opened;
        let Some(candidate) = self.candidate_in(*slot, query, local.now)? else { return Ok(None) };
        *visited += LOADED_VISIT;
        let viewed = self.view_candidate(&candidate, Some(merchant), query, local.calendar)?;
        // A placeholder's transaction may have been linked to a customer since.
        if viewed.is_some() || slot.customer >= FIRST_CUSTOMER {
            return Ok(viewed);
        }
        let Some(linked) = self.slot_of(merchant, id)? else { return Ok(None) };
        if linked == *slot {
            return Ok(None);
        }
        let Some(candidate) = self.candidate_in(linked, query, local.now)? else { return Ok(None) };
        self.view_candidate(&candidate, Some(merchant), query, local.calendar)
    }

    /// The slot in which a transaction is now.
    fn slot_of(&self, merchant: &str, id: &str) -> Result<Option<TransactionSlot>, Refusal> {
        let key = self.digest_key.transaction(merchant, id);
        let mut stripe = self.id_stripes.lock(key);
        Ok(self.find_transaction(&mut stripe, key, merchant, id)?.map(|known| known.slot))
    }

    /// The transaction in a slot as a candidate. `None`: it does not match, or is forgotten.
    fn candidate_in(
        &self,
        slot: TransactionSlot,
        query: &TransactionQuery,
        now: Millis,
    ) -> Result<Option<Candidate>, Refusal> {
        let mut shard = self.customers.lock(slot.customer);
        let Some(customer) = shard.get_mut(slot.customer) else { return Ok(None) };
        let now = self.settle(customer, now);
        if let Some(summary) = customer.summaries().get(slot.slot) {
            // The summary of a placeholder does not say that its transaction was linked.
            let is_excluded = slot.customer >= FIRST_CUSTOMER
                && !self.clocks.has_moved_entries()
                && !query.matches(summary.at, summary.status(now), summary.flags());
            let is_here = summary.offset >= self.journal_start && !is_excluded;
            return Ok(is_here.then_some(Candidate { key: summary.key, slot, last_record: summary.offset, now }));
        }
        drop(shard);
        let last_record = self.last_record(slot)?;
        Ok(last_record.map(|last_record| Candidate { key: 0, slot, last_record, now }))
    }
}

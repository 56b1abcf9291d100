//! Lists of transactions, for reconciliation: off the hot path, one customer locked at a time.

use crate::domain::{
    decision::refusal::Refusal,
    transaction::{
        record::{Flag, LogOffset, Status},
        summary::Flags,
    },
    vocabulary::time::Millis,
};
use crate::ledger::{
    FIRST_CUSTOMER, Ledger,
    payments::{
        answer::{self, Shown},
        record::Recalled,
    },
    state::{index::TransactionSlot, shards::SHARDS},
};
use std::sync::atomic::Ordering;

/// The most transactions of one page.
pub const PAGE_MAX: usize = 1_000;
/// The most customers and transactions that one page looks at; a page that finds little ends here and goes on behind
/// its cursor.
const VISITS_MAX: u64 = 200_000;

/// Which transactions.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In this status now.
    pub status: Option<Status>,
    /// With this flag.
    pub flag: Option<Flag>,
    /// Not earlier, by their own time.
    pub from: Option<Millis>,
    /// Earlier, by their own time.
    pub to: Option<Millis>,
    /// Of this customer.
    pub customer_id: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Behind this place: a customer's number and a slot.
    pub after: Option<(u64, u32)>,
}

impl Wanted {
    fn takes(&self, at: Millis, status: Status, flags: Flags) -> bool {
        self.status.is_none_or(|wanted| status == wanted)
            && self.flag.is_none_or(|flag| flags.contains(flag))
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
    }
}

/// One page, and where the next begins; `None`: there is no next.
#[derive(Debug)]
pub struct Page {
    /// In the order of customers, and of each as they were opened.
    pub transactions: Vec<Shown>,
    /// Where to go on.
    pub next: Option<(u64, u32)>,
}

/// A transaction that may stand on the page, seen at a time.
struct Pick {
    key: u64,
    transaction_slot: TransactionSlot,
    place: LogOffset,
    now: Millis,
}

impl Ledger {
    /// A page of a merchant's transactions. The order is stable: what was listed stays where it is, and what is new
    /// comes behind in its customer. Facts are read without a lock.
    ///
    /// # Errors
    /// The facts of a transaction cannot be read.
    pub fn list(&self, merchant: &str, wanted: &Wanted, now: Millis) -> Result<Page, Refusal> {
        let mut page = Page { transactions: Vec::new(), next: None };
        let (first, first_slot) = wanted.after.map_or((0, 0), |(number, slot)| (number, slot.saturating_add(1)));
        let nobody = SHARDS as u64;
        let numbers: Box<dyn Iterator<Item = u64>> = match wanted.customer_id.as_deref() {
            // Between the numbers of nobody and the first customer there is nothing.
            None => {
                let end = self.next_customer.load(Ordering::Relaxed);
                Box::new((first.min(nobody)..nobody).chain(first.max(FIRST_CUSTOMER)..end))
            }
            Some(id) => {
                let Ok((_, mut numbers)) = self.household_at(merchant, id) else { return Ok(page) };
                numbers.sort_unstable();
                Box::new(numbers.into_iter().filter(move |number| *number >= first))
            }
        };
        let mut visits = 0_u64;
        for number in numbers {
            let from_slot = if number == first { first_slot } else { 0 };
            visits += 1;
            let picks = self.picks(number, from_slot, merchant, wanted, now)?;
            for pick in picks {
                visits += 1;
                let slot = pick.transaction_slot.slot;
                if let Some(shown) = self.shown(&pick, merchant, wanted)? {
                    page.transactions.push(shown);
                }
                if page.transactions.len() >= wanted.limit || visits >= VISITS_MAX {
                    page.next = Some((number, slot));
                    return Ok(page);
                }
            }
            if visits >= VISITS_MAX {
                page.next = Some((number, u32::MAX));
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// What of one customer may stand on the page: those in memory that are wanted, and all that have left it.
    fn picks(
        &self,
        number: u64,
        from_slot: u32,
        merchant: &str,
        wanted: &Wanted,
        now: Millis,
    ) -> Result<Vec<Pick>, Refusal> {
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(&number) else { return Ok(Vec::new()) };
        // Numbers of nobody hold transactions of every merchant.
        if number >= FIRST_CUSTOMER && customer.merchant.as_str() != merchant {
            return Ok(Vec::new());
        }
        let now = self.settle(customer, now);
        let first_kept = customer.summaries().first_slot();
        // The archive may know them too, and not what happened to them since.
        let in_memory: Vec<u32> = customer
            .summaries()
            .starting_at(from_slot)
            .map(|(slot, _)| slot)
            .take_while(|slot| *slot < first_kept)
            .collect();
        // Where the clock moved usage, the transactions' own times are in their facts.
        let any_time = Wanted { from: None, to: None, ..wanted.clone() };
        let in_brief = if self.clocks.has_moved() { &any_time } else { wanted };
        let mut picks: Vec<Pick> = customer
            .summaries()
            .starting_at(from_slot)
            .filter(|(_, summary)| summary.place >= self.begins_at)
            .filter(|(_, summary)| in_brief.takes(summary.at, summary.status(now), summary.flags()))
            .map(|(slot, b)| Pick {
                key: b.key,
                transaction_slot: TransactionSlot { customer: number, slot },
                place: b.place,
                now,
            })
            .collect();
        drop(shard);
        if let Some(past) = self.past.as_ref().filter(|_| from_slot < first_kept) {
            let archived = past.of_customer(number, from_slot, first_kept);
            let (late, gone_before) = (self.late.of_customer(number), self.gone_before());
            for (slot, place) in archived.map_err(|error| Refusal::Unreadable(error.to_string()))? {
                if in_memory.binary_search(&slot).is_err() {
                    let since = late.iter().find(|(late, _)| *late == slot).map(|(_, place)| *place);
                    let place = since.map_or(place, |since| since.max(place));
                    if place >= gone_before {
                        picks.push(Pick {
                            key: 0,
                            transaction_slot: TransactionSlot { customer: number, slot },
                            place,
                            now,
                        });
                    }
                }
            }
            picks.sort_by_key(|pick| pick.transaction_slot.slot);
        }
        Ok(picks)
    }

    fn shown(&self, pick: &Pick, merchant: &str, wanted: &Wanted) -> Result<Option<Shown>, Refusal> {
        let recalled = match self.recall(pick.key, pick.transaction_slot, pick.place) {
            Ok(recalled) => recalled,
            // As one that was deleted; asked for by its id it is 410.
            Err(Refusal::RecordLost(_)) => return Ok(None),
            Err(unreadable) => match self.place_of(pick.transaction_slot)? {
                // Its segment was deleted meanwhile: it was carried from there, or is gone.
                Some(place) if place != pick.place => self.recall(pick.key, pick.transaction_slot, place)?,
                Some(_) => return Err(unreadable),
                None => return Ok(None),
            },
        };
        let Some(Recalled { transaction, outcome, .. }) = recalled else { return Ok(None) };
        let (opening, now) = (&transaction.opening, pick.now);
        if opening.merchant.as_str() != merchant || !wanted.takes(opening.at, outcome.status(now), outcome.flags) {
            return Ok(None);
        }
        let mut locked = self.lock_household(pick.transaction_slot.customer);
        let customer = locked.merge_group().map(|merge_group| answer::customer_of(&transaction, merge_group.head));
        Ok(customer.map(|customer| Shown {
            transaction,
            outcome,
            customer,
            headroom: None,
            now,
            rests_on: self.journal.last(),
        }))
    }
}

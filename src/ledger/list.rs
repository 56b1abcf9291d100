//! Lists of transactions, for reconciliation: off the hot path, one customer locked at a time.

use super::{FIRST_CUSTOMER, Ledger, Shown, answer, index::number_of};
use crate::domain::{
    time::Millis,
    transaction::{Flag, Status, Transaction},
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
    fn takes(&self, transaction: &Transaction, now: Millis) -> bool {
        let at = transaction.opening.at;
        self.status.is_none_or(|status| transaction.status(now) == status)
            && self.flag.is_none_or(|flag| transaction.flags().contains(&flag))
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

impl Ledger {
    /// A page of a merchant's transactions. The order is stable: what was listed stays where it is, and what is new
    /// comes behind in its customer.
    #[must_use]
    pub fn list(&self, merchant: &str, wanted: &Wanted, now: Millis) -> Page {
        let mut page = Page { transactions: Vec::new(), next: None };
        let (mut first, end) = match wanted.customer_id.as_deref() {
            None => (0, self.next_customer.load(Ordering::Relaxed)),
            Some(id) => match number_of(id) {
                Some(number) => (number, number.saturating_add(1)),
                None => return page,
            },
        };
        let (mut from_slot, mut visits) = (0, 0_u64);
        if let Some((number, slot)) = wanted.after {
            first = first.max(number);
            from_slot = if first == number { slot.saturating_add(1) } else { 0 };
        }
        let mut number = first;
        while number < end {
            // Between the numbers of nobody and the first customer there is nothing.
            if number == super::shards::SHARDS as u64 {
                number = FIRST_CUSTOMER;
                continue;
            }
            visits += 1;
            let mut shard = self.customers.lock(number);
            if let Some(customer) = shard.get_mut(&number) {
                let now = self.settle(customer, now);
                for slot in from_slot..customer.next_slot() {
                    let Some(transaction) = customer.transaction(slot) else { break };
                    visits += 1;
                    if transaction.opening.merchant.as_str() == merchant && wanted.takes(transaction, now) {
                        page.transactions.push(Shown {
                            transaction: transaction.clone(),
                            customer: answer::customer_of(transaction, customer),
                            headroom: None,
                            now,
                        });
                    }
                    if page.transactions.len() >= wanted.limit || visits >= VISITS_MAX {
                        page.next = Some((number, slot));
                        return page;
                    }
                }
            }
            if visits >= VISITS_MAX {
                page.next = Some((number, u32::MAX));
                return page;
            }
            from_slot = 0;
            number += 1;
        }
        page
    }
}

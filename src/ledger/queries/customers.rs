//! Customer search: pages of the customers that match all filters.
//!
//! The indexes give the candidates of a page as a set, and the customers of the page are read one by one. Each is read
//! under its own lock, so a page does not show one instant. A customer that is added or changed in between moves no other
//! customer of an order by number or by creation.

use crate::domain::{
    customer::aggregate::Customer,
    request::refusal::Refusal,
    vocabulary::{calendar::LocalTime, names::Name, time::Millis},
};
use crate::ledger::{
    index::search_index::SearchQuery,
    queries::{
        customer_order::{by_creation, by_last_payment},
        customer_query::{CustomerMatcher, CustomerPosition, CustomerQuery, CustomerSort},
        customer_reader::{CustomerReader, PageEnd},
    },
    state::ledger::Ledger,
};
use roaring::RoaringBitmap;

/// The candidates that a search takes from the index at once if it reads customers one by one.
const SCAN_BATCH: usize = 4_096;

/// A page of customers.
#[derive(Debug)]
pub struct CustomerPage<T> {
    /// What the caller's function returned for each customer, in order.
    pub customers: Vec<T>,
    /// When each customer paid last, where the order is by that.
    pub last_payments: Vec<Option<Millis>>,
    /// The position after which the next page begins; `None`: this is the last page.
    pub next: Option<CustomerPosition>,
    /// The number of customers that were read.
    pub visited: u64,
}

impl Ledger {
    /// A page of customers.
    ///
    /// # Errors
    /// The order needs more customers than one page may read; the archive cannot be read.
    pub fn find_customers<T>(
        &self,
        merchant: Name,
        query: &CustomerQuery,
        local: LocalTime<'_>,
        mut show: impl FnMut(&Customer, Millis) -> T,
    ) -> Result<CustomerPage<T>, Refusal> {
        let mut customers = Vec::new();
        let mut collect = |customer: &Customer, now: Millis| customers.push(show(customer, now));
        let (sets, matcher) =
            (query.sets(self, merchant), CustomerMatcher::new(query, merchant, local, &self.identities));
        let mut reader = CustomerReader { ledger: self, merchant, query, matcher, local, visited: 0 };
        let PageEnd { next, last_payments } = match query.sort {
            CustomerSort::Number => by_number(&mut reader, &sets, &mut collect),
            CustomerSort::Created => by_creation(&mut reader, &sets, &mut collect)?,
            CustomerSort::LastPayment => by_last_payment(&mut reader, &sets, &mut collect)?,
        };
        Ok(CustomerPage { customers, last_payments, next, visited: reader.visited })
    }
}

/// A page in the order of numbers.
fn by_number(
    reader: &mut CustomerReader<'_>,
    sets: &[RoaringBitmap],
    show: &mut dyn FnMut(&Customer, Millis),
) -> PageEnd {
    let (query, mut after, mut shown) = (reader.query, reader.query.after_number(), 0);
    // One more than a page has, so that the last page is recognised. Of a search that no index answers, few match.
    let limit = if query.is_scan() { SCAN_BATCH } else { query.limit.saturating_add(1) };
    loop {
        let batch = SearchQuery { after, limit, ..reader.candidates(sets) };
        let candidates = reader.ledger.search.candidates(reader.merchant, &batch);
        let is_last = candidates.len() < limit;
        for (index, number) in candidates.iter().enumerate() {
            after = Some(*number);
            shown += usize::from(reader.show(u64::from(*number), show));
            let is_end = is_last && index + 1 == candidates.len();
            if (shown >= query.limit || reader.is_exhausted()) && !is_end {
                let next = after.map(|number| CustomerPosition { number: u64::from(number), at: None });
                return PageEnd { next, last_payments: Vec::new() };
            }
        }
        if is_last {
            return PageEnd { next: None, last_payments: Vec::new() };
        }
    }
}

#[cfg(test)]
mod tests;

//! Reads the candidates of a page of customers one by one, and counts them.

use crate::domain::{
    customer::aggregate::Customer,
    vocabulary::{calendar::LocalTime, names::Name, time::Millis},
};
use crate::ledger::{
    index::search_index::SearchQuery,
    queries::customer_query::{CustomerMatcher, CustomerPosition, CustomerQuery},
    state::{ledger::Ledger, merge_group::MergeGroup},
};
use crate::scheduling::give_way;
use roaring::RoaringBitmap;

/// The most customers that one page reads. A page with few matches ends there, and the next one continues.
pub(in crate::ledger) const VISITS_MAX: u64 = 50_000;

/// The end of a page.
pub(in crate::ledger) struct PageEnd {
    /// The position after which the next page begins; `None`: this is the last page.
    pub(in crate::ledger) next: Option<CustomerPosition>,
    pub(in crate::ledger) last_payments: Vec<Option<Millis>>,
}

/// Reads the customers of one page.
pub(in crate::ledger) struct CustomerReader<'q> {
    pub(in crate::ledger) ledger: &'q Ledger,
    pub(in crate::ledger) merchant: Name,
    pub(in crate::ledger) query: &'q CustomerQuery,
    pub(in crate::ledger) matcher: CustomerMatcher<'q>,
    /// The time of the query in the time zone of the merchant.
    pub(in crate::ledger) local: LocalTime<'q>,
    /// The number of customers that were read.
    pub(in crate::ledger) visited: u64,
}

impl<'q> CustomerReader<'q> {
    /// The query for all candidates.
    pub(in crate::ledger) fn candidates(&self, sets: &'q [RoaringBitmap]) -> SearchQuery<'q> {
        SearchQuery {
            keys: &self.query.keys,
            within: sets,
            month: self.local.month(),
            created_from: self.query.created_from,
            created_to: self.query.created_to,
            after: None,
            descending: self.query.descending,
            limit: usize::MAX,
        }
    }

    /// Whether the page has read as many customers as it may.
    pub(in crate::ledger) fn is_exhausted(&self) -> bool {
        self.visited >= VISITS_MAX
    }

    /// Calls `read` with a customer that matches. `None`: it does not match, or was merged in between and is listed as part
    /// of its target.
    pub(in crate::ledger) fn read<T>(&mut self, number: u64, read: impl FnOnce(&mut MergeGroup<'_>) -> T) -> Option<T> {
        give_way();
        self.visited += 1;
        let mut locked = self.ledger.lock_merge_group(number);
        let mut merge_group = locked.members().filter(|merge_group| merge_group.head.number() == number)?;
        self.matcher.matches(&merge_group).then(|| read(&mut merge_group))
    }

    /// Shows a customer that matches. Returns whether it does.
    pub(in crate::ledger) fn show(&mut self, number: u64, show: &mut dyn FnMut(&Customer, Millis)) -> bool {
        let (ledger, now) = (self.ledger, self.local.now);
        let shown = self.read(number, |merge_group| {
            let now = ledger.settle_group(merge_group, now);
            show(merge_group.head, now);
        });
        shown.is_some()
    }
}

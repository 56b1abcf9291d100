//! Customer search: a page of the customers that match all filters, in the order of their creation.

use crate::domain::{
    customer::aggregate::Customer,
    vocabulary::{attributes::Attributes, calendar::LocalTime, names::Name, time::Millis},
};
use crate::ledger::{
    index::{
        customer_numbers::{number_of, to_u32},
        identity_index::IdentityIndex,
        search_index::{SearchKey, SearchKeys, SearchQuery},
    },
    state::{ledger::Ledger, merge_group::MergeGroup},
};

/// The most customers that one page reads. A page with few matches ends there, and the next one continues.
const VISITS_MAX: u64 = 200_000;

/// A query for customers. A customer matches all filters.
#[derive(Debug, Clone, Default)]
pub struct CustomerQuery {
    /// The customer with this `customer_id`.
    pub customer_id: Option<String>,
    /// The customer that this identifier leads to.
    pub identifier: Option<String>,
    /// Customers with these attributes, compared in their normal form.
    pub attributes: Attributes,
    /// Customers with these levels, this status and these labels.
    pub keys: Vec<SearchKey>,
    /// Created at this time or later.
    pub created_from: Option<Millis>,
    /// Created before this time.
    pub created_to: Option<Millis>,
    /// The newest customer first.
    pub descending: bool,
    /// After this number, in the order of the page.
    pub after: Option<u64>,
    /// The most customers of a page.
    pub limit: usize,
}

/// A page of customers.
#[derive(Debug)]
pub struct CustomerPage<T> {
    /// What the caller's function returned for each customer, in order.
    pub customers: Vec<T>,
    /// The number after which the next page begins; `None`: this is the last page.
    pub next: Option<u64>,
    /// The number of customers that were read.
    pub visited: u64,
}

/// What the match of a customer depends on besides the query.
struct QueryView<'a> {
    merchant: Name,
    /// The time of the query in the time zone of the merchant.
    local: LocalTime<'a>,
    identities: &'a IdentityIndex,
}

impl CustomerQuery {
    fn matches(&self, view: &QueryView<'_>, merge_group: &MergeGroup<'_>) -> bool {
        let QueryView { merchant, local, identities } = *view;
        // The document of the customer is shown as of this time.
        let now = merge_group.members().map(|member| member.settled_at()).fold(local.now, Millis::max);
        let month = LocalTime { now, ..local }.month();
        let customer = &*merge_group.head;
        // The attributes of merged customers lead to the customer too.
        let has = |attribute, value: &str| {
            let mut own = merge_group.members().filter_map(|member| member.attributes.value(attribute));
            let value = identities.normalised(merchant, attribute, value);
            own.any(|own| identities.normalised(merchant, attribute, own) == value)
        };
        let keys = SearchKeys::of(customer);
        customer.merchant == merchant
            && self.identifier.as_deref().is_none_or(|id| identities.has_identifier(customer, id))
            && self.attributes.iter().all(|(attribute, value)| has(attribute, value))
            && self.keys.iter().all(|key| keys.contains(*key, month))
            && self.created_from.is_none_or(|from| customer.created >= from)
            && self.created_to.is_none_or(|to| customer.created < to)
    }

    /// Whether a number comes after the cursor.
    fn is_after(&self, number: u64) -> bool {
        self.after.is_none_or(|after| if self.descending { number < after } else { number > after })
    }
}

impl Ledger {
    /// A page of customers. Each is read under its own lock, so a page does not show one instant. A customer that is added
    /// or changed in between moves no other customer.
    pub fn find_customers<T>(
        &self,
        merchant: Name,
        query: &CustomerQuery,
        local: LocalTime<'_>,
        mut show: impl FnMut(&Customer, Millis) -> T,
    ) -> CustomerPage<T> {
        let view = QueryView { merchant, local, identities: &self.identities };
        let mut page = CustomerPage { customers: Vec::new(), next: None, visited: 0 };
        // A filter that matches one or a few customers is used first.
        let few: Option<Vec<u64>> = if let Some(id) = &query.customer_id {
            Some(number_of(id).map(|number| self.identities.merge_targets.current(number)).into_iter().collect())
        } else if let Some(id) = &query.identifier {
            Some(self.identities.customer_with_identifier(merchant, id).into_iter().collect())
        } else {
            query
                .attributes
                .iter()
                .next()
                .map(|(attribute, value)| self.identities.customers_with(merchant, attribute, value))
        };
        let is_few = few.is_some();
        let mut batch = few.unwrap_or_default();
        batch.sort_unstable();
        if query.descending {
            batch.reverse();
        }
        batch.retain(|number| query.is_after(*number));
        let mut after = query.after;
        loop {
            if !is_few {
                batch = self.batch(&view, query, after);
            }
            let is_last = is_few || batch.len() <= query.limit;
            for (place, &number) in batch.iter().enumerate() {
                page.visited += 1;
                after = Some(number);
                let mut locked = self.lock_merge_group(number);
                // A customer that was merged in between is listed as part of its target.
                let is_listed = |merge_group: &MergeGroup<'_>| {
                    merge_group.head.number() == number && query.matches(&view, merge_group)
                };
                if let Some(mut merge_group) = locked.members().filter(is_listed) {
                    let now = self.settle_group(&mut merge_group, local.now);
                    page.customers.push(show(merge_group.head, now));
                }
                let is_end = is_last && place + 1 == batch.len();
                if (page.customers.len() >= query.limit || page.visited >= VISITS_MAX) && !is_end {
                    page.next = after;
                    return page;
                }
            }
            if is_last {
                return page;
            }
        }
    }

    /// Candidates after a number: one more than a page has, so that the last page is recognised.
    fn batch(&self, view: &QueryView<'_>, query: &CustomerQuery, after: Option<u64>) -> Vec<u64> {
        let query = SearchQuery {
            keys: &query.keys,
            month: view.local.month(),
            created_from: query.created_from,
            created_to: query.created_to,
            after: after.map(to_u32),
            descending: query.descending,
            limit: query.limit.saturating_add(1),
        };
        self.search.candidates(view.merchant, &query).into_iter().map(u64::from).collect()
    }
}

#[cfg(test)]
mod tests;

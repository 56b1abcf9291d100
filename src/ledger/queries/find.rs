//! Finding customers: a page of those whom all filters take, in the order in which they were made.

use crate::domain::{
    customer::{aggregate::Customer, attributes::Attributes},
    vocabulary::{names::Name, time::Millis},
};
use crate::ledger::{
    Ledger,
    state::{
        index::{Identities, number_of},
        merge_group::MergeGroup,
        search_index::{Mark, Marks, Sought},
    },
};

/// The most customers that one page looks at; one that finds little ends here and goes on behind its cursor.
const VISITS_MAX: u64 = 200_000;

/// Whom to find. Every filter must take a customer.
#[derive(Debug, Clone, Default)]
pub struct Find {
    /// This one.
    pub customer_id: Option<String>,
    /// With this identifier.
    pub identifier: Option<String>,
    /// With these attributes, compared normalised.
    pub attributes: Attributes,
    /// With these levels, this status, these labels.
    pub marks: Vec<Mark>,
    /// Not made earlier.
    pub created_from: Option<Millis>,
    /// Made earlier.
    pub created_to: Option<Millis>,
    /// The newest first.
    pub descending: bool,
    /// Behind this number, in the order of the page.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// What was found.
#[derive(Debug)]
pub struct Findings<T> {
    /// As shown, in order.
    pub customers: Vec<T>,
    /// Behind which number to go on; `None`: there is no more.
    pub next: Option<u64>,
    /// How many customers were looked at.
    pub visited: u64,
}

impl Find {
    fn takes(&self, merchant: Name, merge_group: &MergeGroup<'_>, identities: &Identities) -> bool {
        let customer = &*merge_group.head;
        // What leads to anybody who is part of the customer leads to the customer.
        let is = |attribute, value: &str| {
            let mut own = merge_group.members().filter_map(|member| member.attributes.value(attribute));
            let value = identities.normalised(merchant, attribute, value);
            own.any(|own| identities.normalised(merchant, attribute, own) == value)
        };
        let marks = Marks::of(customer);
        customer.merchant == merchant
            && self.identifier.as_deref().is_none_or(|id| identities.leads_by(customer, id))
            && self.attributes.iter().all(|(attribute, value)| is(attribute, value))
            && self.marks.iter().all(|mark| marks.has(*mark))
            && self.created_from.is_none_or(|from| customer.created >= from)
            && self.created_to.is_none_or(|to| customer.created < to)
    }

    /// Whether a number comes behind the cursor.
    fn is_behind(&self, number: u64) -> bool {
        self.after.is_none_or(|after| if self.descending { number < after } else { number > after })
    }
}

impl Ledger {
    /// A page of customers. Each is looked at under its own lock, so that a page is no picture of one instant; who comes
    /// or goes meanwhile moves nobody else.
    pub fn find_customers<T>(
        &self,
        merchant: Name,
        find: &Find,
        now: Millis,
        mut show: impl FnMut(&Customer, Millis) -> T,
    ) -> Findings<T> {
        let mut found = Findings { customers: Vec::new(), next: None, visited: 0 };
        // What leads to one or a few is asked first.
        let few: Option<Vec<u64>> = if let Some(id) = &find.customer_id {
            Some(number_of(id).map(|number| self.identities.leads.of(number)).into_iter().collect())
        } else if let Some(id) = &find.identifier {
            Some(self.identities.of_identifier(merchant, id).into_iter().collect())
        } else {
            find.attributes.iter().next().map(|(attribute, value)| self.identities.having(merchant, attribute, value))
        };
        let is_few = few.is_some();
        let mut batch = few.unwrap_or_default();
        batch.sort_unstable();
        if find.descending {
            batch.reverse();
        }
        batch.retain(|number| find.is_behind(*number));
        let mut after = find.after;
        loop {
            if !is_few {
                batch = self.batch(merchant, find, after);
            }
            let is_last = is_few || batch.len() <= find.limit;
            for (place, &number) in batch.iter().enumerate() {
                found.visited += 1;
                after = Some(number);
                let mut locked = self.lock_household(number);
                // Who has become part of another meanwhile stands there.
                let stands = |merge_group: &MergeGroup<'_>| {
                    merge_group.head.number() == number && find.takes(merchant, merge_group, &self.identities)
                };
                if let Some(mut merge_group) = locked.merge_group().filter(stands) {
                    let now = self.settle_all(&mut merge_group, now);
                    found.customers.push(show(merge_group.head, now));
                }
                let is_end = is_last && place + 1 == batch.len();
                if (found.customers.len() >= find.limit || found.visited >= VISITS_MAX) && !is_end {
                    found.next = after;
                    return found;
                }
            }
            if is_last {
                return found;
            }
        }
    }

    /// Candidates behind a place: one more than a page has, so that the last page is known to be the last.
    fn batch(&self, merchant: Name, find: &Find, after: Option<u64>) -> Vec<u64> {
        // Numbers of customers end at the largest that fits; see `LAST_CUSTOMER`.
        let after = after.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let sought = Sought {
            marks: &find.marks,
            created_from: find.created_from,
            created_to: find.created_to,
            after,
            descending: find.descending,
            at_most: find.limit.saturating_add(1),
        };
        self.search.candidates(merchant, &sought).into_iter().map(u64::from).collect()
    }
}

#[cfg(test)]
mod tests;

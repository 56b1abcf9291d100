//! Reads one customer.

use crate::ledger::state::ledger::Ledger;
use crate::{
    domain::{
        customer::aggregate::Customer, request::refusal::Refusal, usage::series_set::UsageSeriesSet,
        vocabulary::time::Millis,
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;

/// A customer with the usage of all customers that are merged into it.
#[derive(Clone, Copy)]
pub struct CustomerWithUsage<'a> {
    /// The customer.
    pub customer: &'a Customer,
    /// The customers that are merged into it.
    pub merged: &'a [&'a Customer],
    /// The usage of the whole merge group.
    pub usage: UsageSeriesSet<'a>,
    /// The LSN that this state depends on. The journal must have committed it before the state is shown.
    pub depends_on_lsn: Lsn,
}

impl Ledger {
    /// Calls `read` with a customer as of now.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn with_customer<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        read: impl FnOnce(&Customer, Millis) -> T,
    ) -> Result<T, Refusal> {
        self.with_customer_usage(merchant, customer_id, now, |current, now| read(current.customer, now))
    }

    /// Calls `read` with a customer as of now and the usage of its merge group.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn with_customer_usage<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        read: impl FnOnce(CustomerWithUsage<'_>, Millis) -> T,
    ) -> Result<T, Refusal> {
        self.with_current_customer(merchant, customer_id, |merge_group| {
            let now = self.settle_group(merge_group, now);
            let depends_on_lsn = self.depends_on_lsn(merge_group);
            let (others, customer) = (merge_group.other_usage(), &*merge_group.head);
            let merged: SmallVec<[&Customer; 2]> = merge_group.others.iter().map(|other| &**other).collect();
            let usage = UsageSeriesSet::new(customer.usage_series(), &others);
            read(CustomerWithUsage { customer, merged: &merged, usage, depends_on_lsn }, now)
        })
    }
}

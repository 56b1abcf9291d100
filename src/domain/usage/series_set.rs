//! The usage series of a customer and of all customers merged into it.

use crate::domain::usage::series::UsageSeries;

/// A customer's usage: the series of the customer and of all customers merged into it.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageSeriesSet<'a> {
    own: &'a [UsageSeries],
    others: &'a [&'a [UsageSeries]],
}

impl<'a> UsageSeriesSet<'a> {
    /// The series of a customer and of all customers merged into it.
    #[must_use]
    pub fn new(own: &'a [UsageSeries], others: &'a [&'a [UsageSeries]]) -> Self {
        Self { own, others }
    }

    /// All series; several may have the same key.
    pub fn iter(self) -> impl Iterator<Item = &'a UsageSeries> {
        self.own.iter().chain(self.others.iter().copied().flatten())
    }

    /// [`UsageSeriesSet::iter`] for the hot path, which runs for each filter of each payment. Few customers have a second
    /// list.
    #[inline]
    pub(in crate::domain) fn each(self, mut read: impl FnMut(&'a UsageSeries)) {
        let (mut list, mut others) = (self.own, self.others);
        loop {
            list.iter().for_each(&mut read);
            let [next, rest @ ..] = others else { break };
            (list, others) = (next, rest);
        }
    }
}

//! Limits of one customer: what is asked for, what holds, and what waits; and an operator's, which end.

use serde_json::{Value, json};

use super::{Filter, in_order, money};

/// Limits of one (direction, currency).
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// What holds: sorted.
    pub(crate) held: Vec<Filter>,
    /// What is to hold instead some time, and when; nobody knows when until the daemon has said it.
    pub(crate) waits: Option<(Option<String>, Vec<Filter>)>,
    /// An operator's, and until when. Those that are over are none.
    pub(crate) operator: Option<(Vec<Filter>, &'static str)>,
}

impl Own {
    /// Others are asked for. As long as that is a raise both hold.
    pub(crate) fn asked(&mut self, mut filters: Vec<Filter>, raises_wait: bool) {
        filters.sort_unstable();
        let both = both(&self.held, &filters);
        let is_raise = both != filters;
        if !raises_wait || !is_raise {
            (self.held, self.waits) = (filters, None);
            return;
        }
        self.held = both;
        // The same once more waits no longer.
        if self.waits.as_ref().is_none_or(|(_, then)| *then != filters) {
            self.waits = Some((None, filters));
        }
    }

    /// An operator sets these, in the place of what was.
    pub(crate) fn lent(&mut self, mut filters: Vec<Filter>, until: &'static str) {
        filters.sort_unstable();
        self.operator = Some((filters, until)).filter(|(filters, _)| !filters.is_empty());
    }

    /// All in force.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Filter> {
        self.held.iter().chain(self.operator.iter().flat_map(|(filters, _)| filters))
    }

    /// Those of two customers who become one: nothing passes that either would refuse, now or later.
    pub(crate) fn joined(&self, other: &Own) -> Own {
        let held = both(&self.held, &other.held);
        let from = [self, other].iter().filter_map(|own| own.waits.as_ref()?.0.clone()).max();
        let then = both(self.at_last(), other.at_last());
        let waits = from.filter(|_| then != held).map(|from| (Some(from), then));
        let operator = match (&self.operator, &other.operator) {
            (Some((one, first)), Some((two, second))) => Some((both(one, two), *first.max(second))),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        Own { held, waits, operator }
    }

    fn at_last(&self) -> &[Filter] {
        self.waits.as_ref().map_or(&self.held, |(_, then)| then)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waits.is_none() && self.operator.is_none()
    }

    /// As an answer shows them, brought into an order.
    pub(crate) fn shown(&self) -> Value {
        let shown = |filters: &[Filter]| in_order(filters.iter().map(shown));
        let waits = self.waits.as_ref().map(|(from, then)| json!([from, shown(then)]));
        let operator = self.operator.as_ref().map(|(filters, until)| json!([until, shown(filters)]));
        json!([shown(&self.held), waits, operator])
    }
}

fn shown(filter: &Filter) -> Value {
    let amount = filter.amount.map(money);
    json!([filter.name, filter.window, amount, filter.quantity, filter.all, filter.subtract])
}

/// Every filter of two lists; of two that measure the same, the tighter bounds. Sorted.
fn both(one: &[Filter], other: &[Filter]) -> Vec<Filter> {
    let mut all: Vec<Filter> = Vec::new();
    for filter in one.iter().chain(other) {
        let measures = |of: &Filter| (of.name, of.window, of.all, of.subtract);
        match all.iter_mut().find(|known| measures(known) == measures(filter)) {
            Some(known) => {
                known.amount = known.amount.into_iter().chain(filter.amount).min();
                known.quantity = known.quantity.into_iter().chain(filter.quantity).min();
            }
            None => all.push(filter.clone()),
        }
    }
    all.sort_unstable();
    all
}

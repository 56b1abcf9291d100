//! A customer's own limits: what is asked for, what holds, and what waits.

use serde_json::{Value, json};

use super::{Filter, in_order, money};

/// Own limits of one (direction, currency).
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// What holds: sorted.
    pub(crate) held: Vec<Filter>,
    /// What is to hold instead some time, and when; nobody knows when until the daemon has said it.
    pub(crate) waits: Option<(Option<String>, Vec<Filter>)>,
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

    /// Those of two customers who become one: nothing passes that either would refuse, now or later.
    pub(crate) fn joined(&self, other: &Own) -> Own {
        let held = both(&self.held, &other.held);
        let from = [self, other].iter().filter_map(|own| own.waits.as_ref()?.0.clone()).max();
        let then = both(self.at_last(), other.at_last());
        let waits = from.filter(|_| then != held).map(|from| (Some(from), then));
        Own { held, waits }
    }

    fn at_last(&self) -> &[Filter] {
        self.waits.as_ref().map_or(&self.held, |(_, then)| then)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waits.is_none()
    }

    /// As an answer shows them, brought into an order.
    pub(crate) fn shown(&self) -> Value {
        let shown = |filters: &[Filter]| in_order(filters.iter().map(shown));
        json!([shown(&self.held), self.waits.as_ref().map(|(from, then)| json!([from, shown(then)]))])
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

//! Limits of one customer: requested, current and pending ones; and an operator's, which end.

use serde_json::{Value, json};

use super::{Filter, Rules, in_order, money};

/// Limits of one (direction, currency).
#[derive(Debug, Clone, Default)]
pub(crate) struct CustomerLimits {
    /// What holds: sorted.
    pub(crate) own_limits: Vec<Filter>,
    /// What is to hold instead some time.
    pub(crate) waits: Option<Raise>,
    /// Whether the last change was the confirmation of a raise.
    pub(crate) was_confirmed: bool,
    /// An operator's, and until when. Those that are over are none.
    pub(crate) operator: Option<(Vec<Filter>, &'static str)>,
}

/// A raise that is not in force yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raise {
    /// When it comes into force or can be confirmed, and when it lapses: unknown until the daemon has said it.
    pub(crate) times: Option<(String, Option<String>)>,
    needs: RaiseCondition,
    pub(crate) then: Vec<Filter>,
}

/// What brings a raise into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RaiseCondition {
    /// More time than any run takes.
    Time,
    /// A confirmation, after more time than any run takes.
    TimeAndConfirmation,
    /// A confirmation.
    Confirmation,
}

impl CustomerLimits {
    /// Requests other limits. While a raise waits, both apply.
    pub(crate) fn asked(&mut self, mut filters: Vec<Filter>, rules: &Rules) {
        filters.sort_unstable();
        let before = (self.own_limits.clone(), self.waits.clone());
        let both = both(&self.own_limits, &filters);
        let needs = match (rules.raise_delay == "0s", rules.raise_confirm) {
            _ if both == filters => None,
            (true, false) => None,
            (false, false) => Some(RaiseCondition::Time),
            (false, true) => Some(RaiseCondition::TimeAndConfirmation),
            (true, true) => Some(RaiseCondition::Confirmation),
        };
        match needs {
            None => (self.own_limits, self.waits) = (filters, None),
            Some(needs) => {
                self.own_limits = both;
                // The same request again waits no longer.
                if self.waits.as_ref().is_none_or(|raise| raise.then != filters) {
                    self.waits = Some(Raise { times: None, needs, then: filters });
                }
            }
        }
        self.was_confirmed &= before == (self.own_limits.clone(), self.waits.clone());
    }

    /// Whether a raise can be confirmed.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        self.waits.as_ref().is_some_and(|raise| raise.needs == RaiseCondition::Confirmation)
    }

    /// The raise is confirmed; whether that is taken.
    pub(crate) fn confirm(&mut self) -> bool {
        match self.waits.take_if(|raise| raise.needs == RaiseCondition::Confirmation) {
            Some(raise) => (self.own_limits, self.was_confirmed) = (raise.then, true),
            None if self.waits.is_some() => return false,
            None => {}
        }
        self.was_confirmed
    }

    /// An operator sets these, in the place of what was.
    pub(crate) fn lent(&mut self, mut filters: Vec<Filter>, until: &'static str) {
        filters.sort_unstable();
        self.operator = Some((filters, until)).filter(|(filters, _)| !filters.is_empty());
    }

    /// All in force.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Filter> {
        self.own_limits.iter().chain(self.operator.iter().flat_map(|(filters, _)| filters))
    }

    /// Those of two customers who become one: nothing passes that either would refuse, now or later.
    pub(crate) fn joined(&self, other: &CustomerLimits) -> CustomerLimits {
        let own_limits = both(&self.own_limits, &other.own_limits);
        let waits = self.joined_raise(other).filter(|raise| raise.then != own_limits);
        let operator = match (&self.operator, &other.operator) {
            (Some((one, first)), Some((two, second))) => Some((both(one, two), *first.max(second))),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        let was_confirmed = waits.is_none() && (self.was_confirmed || other.was_confirmed);
        CustomerLimits { own_limits, waits, was_confirmed, operator }
    }

    /// The later begin and the earlier end of both, where anything lies between them.
    fn joined_raise(&self, other: &CustomerLimits) -> Option<Raise> {
        let raises: Vec<&Raise> = [self, other].into_iter().filter_map(|own| own.waits.as_ref()).collect();
        let times = || raises.iter().filter_map(|raise| raise.times.clone());
        let (from, lapses) = (times().map(|(from, _)| from).max()?, times().filter_map(|(_, lapses)| lapses).min());
        let needs = match (&lapses, raises.iter().all(|raise| raise.needs == RaiseCondition::Confirmation)) {
            (Some(lapses), _) if *lapses <= from => return None,
            (None, _) => RaiseCondition::Time,
            (Some(_), true) => RaiseCondition::Confirmation,
            (Some(_), false) => RaiseCondition::TimeAndConfirmation,
        };
        Some(Raise { times: Some((from, lapses)), needs, then: both(self.at_last(), other.at_last()) })
    }

    fn at_last(&self) -> &[Filter] {
        self.waits.as_ref().map_or(&self.own_limits, |raise| &raise.then)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.own_limits.is_empty() && self.waits.is_none() && self.operator.is_none()
    }

    /// As an answer shows them, brought into an order.
    pub(crate) fn shown(&self) -> Value {
        let shown = |filters: &[Filter]| in_order(filters.iter().map(shown));
        let waits = self.waits.as_ref().map(|raise| {
            let state = if raise.needs == RaiseCondition::Confirmation { "awaiting_confirmation" } else { "waiting" };
            let (from, lapses) = raise.times.clone().unzip();
            json!([state, from, lapses, shown(&raise.then)])
        });
        let operator = self.operator.as_ref().map(|(filters, until)| json!([until, shown(filters)]));
        json!([shown(&self.own_limits), waits, operator, self.was_confirmed])
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

//! A customer's own limits: cuts, pending raises and confirmations.

use crate::domain::{
    rules::{
        filter::Filter,
        merchant::{Merchant, RefundPolicy},
        raise_policy::{ConfirmationError, RaisePolicy},
    },
    vocabulary::{calendar::Calendar, direction::Direction, money::Currency, time::Millis, words::words},
};
/// The maximum number of own filters of one customer in one (direction, currency).
pub const OWN_FILTERS_MAX: usize = 20;

/// Own limits of one customer in one (direction, currency), over all levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLimits {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payments and of the amounts.
    pub currency: Currency,
    /// The customer's own filters, in force until a pending raise is.
    pub own: Vec<Filter>,
    /// A requested raise that is pending.
    pub pending: Option<PendingRaise>,
    /// When the customer confirmed the raise that set the present filters; `None`: they were not set by a confirmation.
    pub confirmed_at: Option<Millis>,
    /// Set by an operator.
    pub operator: Vec<Filter>,
    /// The end of the operator's filters; `None`: until they are removed.
    pub until: Option<Millis>,
}

/// A requested raise that is not in force yet.
///
/// The merchant's policy at the time of the request sets its times: a later policy changes neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRaise {
    /// When it takes effect, or when it can be confirmed first.
    pub from: Millis,
    /// When it lapses. `Some`: it takes effect only by a confirmation. `None`: it takes effect without confirmation.
    pub confirm_until: Option<Millis>,
    /// All of the customer's own filters once it is in force.
    pub filters: Vec<Filter>,
}

words! {
    /// What a pending raise needs to take effect.
    RaiseState {
        /// Time.
        Waiting = "waiting",
        /// The customer's confirmation.
        AwaitingConfirmation = "awaiting_confirmation",
    }
}

impl PendingRaise {
    /// Whether it has taken effect without confirmation.
    fn is_in_force(&self, now: Millis) -> bool {
        self.confirm_until.is_none() && self.from <= now
    }

    /// Whether the time for its confirmation has ended.
    fn has_lapsed(&self, now: Millis) -> bool {
        self.confirm_until.is_some_and(|until| until <= now)
    }

    /// Its state, for a raise that is pending at `now`.
    #[must_use]
    pub fn state(&self, now: Millis) -> RaiseState {
        if self.from <= now { RaiseState::AwaitingConfirmation } else { RaiseState::Waiting }
    }
}

/// The terms that set the times of a raise: the merchant's policy and calendar.
#[derive(Debug, Clone, Copy)]
pub struct RaiseTerms<'a> {
    /// The delay, and whether a confirmation is needed.
    pub policy: RaisePolicy,
    /// The calendar of the merchant's time zone.
    pub calendar: &'a Calendar,
}

impl<'a> RaiseTerms<'a> {
    /// The terms of a merchant.
    #[must_use]
    pub fn of(merchant: &'a Merchant) -> Self {
        Self { policy: merchant.raises, calendar: &merchant.calendar }
    }

    /// The raise from `current` to `asked`, requested at `now`.
    fn raise(&self, current: &[Filter], asked: &[Filter], now: Millis) -> PendingRaise {
        let mut from = now.plus(self.policy.delay_ms);
        if self.policy.waits_for_period_end {
            // A payment of now leaves a window when the current period ends. A lifetime has no end.
            let raised = current.iter().filter(|current| is_raised(current, asked));
            let ends = raised.filter_map(|current| self.calendar.leaves_at(current.window, now.0, now));
            from = ends.fold(from, Millis::max);
        }
        let confirm_until = self.policy.confirm_within_ms.map(|within_ms| from.plus(within_ms));
        PendingRaise { from, confirm_until, filters: asked.to_vec() }
    }
}

impl OwnLimits {
    /// Empty limits of one (direction, currency).
    #[must_use]
    pub fn none(direction: Direction, currency: Currency) -> Self {
        Self {
            direction,
            currency,
            own: Vec::new(),
            pending: None,
            confirmed_at: None,
            operator: Vec::new(),
            until: None,
        }
    }

    /// Whether there are no filters, no pending raise and no confirmation to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.pending.is_none() && self.confirmed_at.is_none() && self.operator.is_empty()
    }

    /// The customer's own filters in force at a time.
    #[must_use]
    pub fn own_at(&self, now: Millis) -> &[Filter] {
        match &self.pending {
            Some(raise) if raise.is_in_force(now) => &raise.filters,
            _ => &self.own,
        }
    }

    /// The raise that is pending at a time: neither in force nor lapsed.
    #[must_use]
    pub fn pending_at(&self, now: Millis) -> Option<&PendingRaise> {
        self.pending.as_ref().filter(|raise| !raise.is_in_force(now) && !raise.has_lapsed(now))
    }

    /// The operator's filters in force at a time.
    #[must_use]
    pub fn operator_at(&self, now: Millis) -> &[Filter] {
        if self.until.is_some_and(|until| until <= now) { &[] } else { &self.operator }
    }

    /// The limits as of a time: a raise that has taken effect replaces the filters, and ended parts are removed.
    #[must_use]
    pub fn as_of(&self, now: Millis) -> Self {
        let operator = self.operator_at(now).to_vec();
        Self {
            own: self.own_at(now).to_vec(),
            pending: self.pending_at(now).cloned(),
            until: self.until.filter(|_| !operator.is_empty()),
            operator,
            ..*self
        }
    }

    /// All filters in force at a time.
    pub fn in_force(&self, now: Millis) -> impl Iterator<Item = &Filter> {
        self.own_at(now).iter().chain(self.operator_at(now))
    }

    /// The limits after a request for these own filters. A lower, narrower or new filter is in force immediately. A higher,
    /// wider or removed one is a raise and becomes pending: until it takes effect, old and new filters both apply.
    #[must_use]
    pub fn request(&self, filters: &[Filter], now: Millis, terms: &RaiseTerms<'_>) -> Self {
        let current = self.own_at(now);
        let strict = stricter_of(current, filters);
        let raise = (strict != filters).then(|| terms.raise(current, filters, now));
        let (own, pending) = match (raise, self.pending_at(now)) {
            (None, _) => (strict, None),
            (Some(raise), _) if raise.is_in_force(now) => (raise.filters, None),
            // A repetition of the request changes no time and is not a confirmation.
            (Some(_), Some(known)) if known.filters == filters => (strict, Some(known.clone())),
            (Some(raise), _) => (strict, Some(raise)),
        };
        let confirmed_at = self.confirmed_at.filter(|_| own == current && pending.is_none());
        Self { own, pending, confirmed_at, ..self.clone() }
    }

    /// The limits after the confirmation of the pending raise. A repeated confirmation changes nothing.
    ///
    /// # Errors
    /// No raise can be confirmed at this time.
    pub fn confirm(&self, now: Millis) -> Result<Self, ConfirmationError> {
        match &self.pending {
            None if self.confirmed_at.is_some() => Ok(self.clone()),
            None => Err(ConfirmationError::NothingPending),
            Some(raise) if raise.is_in_force(now) => Err(ConfirmationError::NothingPending),
            Some(PendingRaise { from, confirm_until, filters }) => match confirm_until {
                None => Err(ConfirmationError::NotNeeded(*from)),
                Some(until) if *until <= now => Err(ConfirmationError::Lapsed(*until)),
                Some(_) if now < *from => Err(ConfirmationError::TooEarly(*from)),
                Some(_) => Ok(Self { own: filters.clone(), pending: None, confirmed_at: Some(now), ..self.clone() }),
            },
        }
    }
}

impl OwnLimits {
    /// Limits that deny everything that either denies, now or later. A raise that is pending in one or both takes effect
    /// when the later of the two does, and needs a confirmation if one of the two does.
    #[must_use]
    pub fn intersection(&self, other: &Self, now: Millis) -> Self {
        let own = stricter_of(self.own_at(now), other.own_at(now));
        let pending = self.intersect_raises(other, now).filter(|raise| raise.filters != own);
        let (one, two) = (self.operator_at(now), other.operator_at(now));
        let until = match (one.is_empty(), two.is_empty()) {
            (false, true) => self.until,
            (true, false) => other.until,
            (true, true) => None,
            // If one of them has no end, the joined filters have none.
            (false, false) => self.until.zip(other.until).map(|(one, two)| one.max(two)),
        };
        let confirmed_at = self.confirmed_at.max(other.confirmed_at).filter(|_| pending.is_none());
        Self { own, pending, confirmed_at, operator: stricter_of(one, two), until, ..*self }
    }

    /// The raise that replaces both. It lapses when the first of them does: a raise that lapsed for one customer must not
    /// take effect by the confirmation of the other. `None` also if it would lapse before it can be confirmed.
    fn intersect_raises(&self, other: &Self, now: Millis) -> Option<PendingRaise> {
        let raises = || [self, other].into_iter().filter_map(|limits| limits.pending_at(now));
        let from = raises().map(|raise| raise.from).max()?;
        let confirm_until = raises().filter_map(|raise| raise.confirm_until).min();
        let raised = |limits: &Self| limits.pending_at(now).map_or(limits.own_at(now), |raise| &raise.filters).to_vec();
        let filters = stricter_of(&raised(self), &raised(other));
        let raise = PendingRaise { from, confirm_until, filters };
        (!raise.has_lapsed(from)).then_some(raise)
    }
}

/// Whether replacing a filter by others allows more.
fn is_raised(current: &Filter, asked: &[Filter]) -> bool {
    let is_within = |current: Option<u64>, asked: Option<u64>| {
        current.is_none_or(|current| asked.is_some_and(|asked| asked <= current))
    };
    !asked.iter().any(|asked| {
        measures_same(current, asked)
            && is_within(current.amount_limit, asked.amount_limit)
            && is_within(current.quantity_limit, asked.quantity_limit)
    })
}

/// The filters that apply while both lists apply: the new ones, with the lower limit of both where the old list measures
/// the same, and the old ones that the new list lacks.
fn stricter_of(old: &[Filter], new: &[Filter]) -> Vec<Filter> {
    let mut strict: Vec<Filter> = Vec::new();
    for asked in new {
        match old.iter().find(|current| measures_same(current, asked)) {
            Some(current) => strict.push(Filter {
                amount_limit: least(current.amount_limit, asked.amount_limit),
                quantity_limit: least(current.quantity_limit, asked.quantity_limit),
                ..asked.clone()
            }),
            None => strict.push(asked.clone()),
        }
    }
    strict.extend(old.iter().filter(|current| !new.iter().any(|asked| measures_same(current, asked))).cloned());
    strict
}

/// Whether two filters measure the same usage, so that they differ only in their limits.
fn measures_same(one: &Filter, other: &Filter) -> bool {
    let reach = |filter: &Filter| (filter.name, filter.window, filter.scope, filter.subtract_cancels, filter.mode);
    reach(one) == reach(other)
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

words! {
    /// The name of a customer's own limit. A regulator reserves the plain names for gross limits.
    LimitKind {
        /// Deposits, gross.
        Deposit = "deposit_limit",
        /// Deposits minus refunds and cancels.
        NetDeposit = "net_deposit_limit",
        /// Withdrawals, gross.
        Withdrawal = "withdrawal_limit",
        /// Withdrawals minus refunds and cancels.
        NetWithdrawal = "net_withdrawal_limit",
    }
}

impl LimitKind {
    /// The name of a filter's limit in a direction, at a merchant with this refund policy.
    #[must_use]
    pub fn of(filter: &Filter, direction: Direction, refunds: RefundPolicy) -> Self {
        let is_gross = !filter.subtract_cancels && refunds == RefundPolicy::None;
        match (direction, is_gross) {
            (Direction::Deposit, true) => Self::Deposit,
            (Direction::Deposit, false) => Self::NetDeposit,
            (Direction::Withdrawal, true) => Self::Withdrawal,
            (Direction::Withdrawal, false) => Self::NetWithdrawal,
        }
    }

    /// Whether nothing is subtracted.
    #[must_use]
    pub fn is_gross(self) -> bool {
        matches!(self, Self::Deposit | Self::Withdrawal)
    }
}

#[cfg(test)]
mod tests;

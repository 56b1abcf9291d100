//! What a customer has of own limits and own exchange rates.

use crate::domain::{
    rules::{
        configuration::{Direction, Filter, Merchant, Refunds, words},
        raise_policy::RaisePolicy,
    },
    vocabulary::{
        calendar::Calendar,
        money::{Currency, Decimal},
        time::Millis,
    },
};

/// The most filters of one customer's own in one (direction, currency).
pub const OWN_FILTERS_MAX: usize = 20;
/// The most rates of one customer's own.
pub const OWN_RATES_MAX: usize = 100;

/// Limits of one customer's own in one (direction, currency), over all levels. Without any filter they are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLimits {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payments and of the amounts.
    pub currency: Currency,
    /// The customer's own, in force until something pending is.
    pub own: Vec<Filter>,
    /// A raise that was requested after them.
    pub pending: Option<PendingRaise>,
    /// When the customer confirmed the raise that made them what they are; `None`: no confirmation did.
    pub confirmed_at: Option<Millis>,
    /// Set by an operator.
    pub operator: Vec<Filter>,
    /// Until when the operator's are in force; `None`: until they are taken away.
    pub until: Option<Millis>,
}

/// A raise that was requested and waits.
///
/// The merchant's policy at the time of the request decides about it: a later policy changes neither time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRaise {
    /// When it comes into force, or can be confirmed from.
    pub from: Millis,
    /// When it lapses. `Some`: it comes into force by a confirmation only. `None`: it comes into force by itself.
    pub confirm_until: Option<Millis>,
    /// All of the customer's own limits once it is in force.
    pub filters: Vec<Filter>,
}

words! {
    /// What a pending raise needs to come into force.
    RaiseState {
        /// Time.
        Waiting = "waiting",
        /// The customer's confirmation.
        AwaitingConfirmation = "awaiting_confirmation",
    }
}

impl PendingRaise {
    /// Whether it came into force by itself.
    fn is_in_force(&self, now: Millis) -> bool {
        self.confirm_until.is_none() && self.from <= now
    }

    /// Whether the time for its confirmation is over.
    fn has_lapsed(&self, now: Millis) -> bool {
        self.confirm_until.is_some_and(|until| until <= now)
    }

    /// Its state, for a raise that is pending at `now`.
    #[must_use]
    pub fn state(&self, now: Millis) -> RaiseState {
        if self.from <= now { RaiseState::AwaitingConfirmation } else { RaiseState::Waiting }
    }
}

/// Why a raise cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmed {
    /// Its wait is not over.
    #[error("the raise still waits: it can be confirmed from {0} on")]
    TooEarly(Millis),
    /// The time for the confirmation is over.
    #[error("the raise lapsed at {0}, because it was not confirmed before: request it again")]
    Lapsed(Millis),
    /// It comes into force by itself.
    #[error("the raise needs no confirmation: it comes into force at {0}")]
    NotNeeded(Millis),
    /// There is no pending raise, and the last change of the limits was no confirmation.
    #[error("no raise is pending; one that was not confirmed in time has lapsed: request it again")]
    NothingPending,
}

impl NotConfirmed {
    /// The stable name on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooEarly(_) => "raise_too_early",
            Self::Lapsed(_) => "raise_lapsed",
            Self::NotNeeded(_) => "confirmation_not_needed",
            Self::NothingPending => "nothing_pending",
        }
    }
}

/// By what a raise is given its times: the merchant's policy, and the calendar in which periods end.
#[derive(Debug, Clone, Copy)]
pub struct RaiseTerms<'a> {
    /// How long a raise waits, and whether it needs a confirmation.
    pub policy: RaisePolicy,
    /// Of the merchant's time zone.
    pub calendar: &'a Calendar,
}

impl<'a> RaiseTerms<'a> {
    /// A merchant's.
    #[must_use]
    pub fn of(merchant: &'a Merchant) -> Self {
        Self { policy: merchant.raises, calendar: &merchant.calendar }
    }

    /// The raise from `held` to `asked`, requested at `now`.
    fn raise(&self, held: &[Filter], asked: &[Filter], now: Millis) -> PendingRaise {
        let mut from = now.plus(self.policy.delay_ms);
        if self.policy.waits_for_period_end {
            // A payment of now leaves a window when the current period ends. A lifetime has no end.
            let raised = held.iter().filter(|held| is_raised(held, asked));
            let ends = raised.filter_map(|held| self.calendar.leaves_at(held.window, now.0, now));
            from = ends.fold(from, Millis::max);
        }
        let confirm_until = self.policy.confirm_within_ms.map(|within_ms| from.plus(within_ms));
        PendingRaise { from, confirm_until, filters: asked.to_vec() }
    }
}

impl OwnLimits {
    /// None, of one (direction, currency).
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

    /// Whether nothing limits, nor will, and no confirmation has to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.pending.is_none() && self.confirmed_at.is_none() && self.operator.is_empty()
    }

    /// The customer's own in force at a time.
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

    /// The operator's in force at a time.
    #[must_use]
    pub fn operator_at(&self, now: Millis) -> &[Filter] {
        if self.until.is_some_and(|until| until <= now) { &[] } else { &self.operator }
    }

    /// The same as of a time: what has come into force stands in its place, and what is over is gone.
    #[must_use]
    pub fn settled(&self, now: Millis) -> Self {
        let operator = self.operator_at(now).to_vec();
        Self {
            own: self.own_at(now).to_vec(),
            pending: self.pending_at(now).cloned(),
            until: self.until.filter(|_| !operator.is_empty()),
            operator,
            ..*self
        }
    }

    /// All in force at a time.
    pub fn in_force(&self, now: Millis) -> impl Iterator<Item = &Filter> {
        self.own_at(now).iter().chain(self.operator_at(now))
    }

    /// The limits once the customer's own are to be these. What is lower, narrower or new is in force at once; what is
    /// higher, wider or removed is a raise and becomes pending: until it is in force both hold.
    #[must_use]
    pub fn asked(&self, filters: &[Filter], now: Millis, terms: &RaiseTerms<'_>) -> Self {
        let held = self.own_at(now);
        let strict = stricter_of(held, filters);
        let raise = (strict != filters).then(|| terms.raise(held, filters, now));
        let (own, pending) = match (raise, self.pending_at(now)) {
            (None, _) => (strict, None),
            (Some(raise), _) if raise.is_in_force(now) => (raise.filters, None),
            // The same request again changes no time, and is no confirmation.
            (Some(_), Some(known)) if known.filters == filters => (strict, Some(known.clone())),
            (Some(raise), _) => (strict, Some(raise)),
        };
        let confirmed_at = self.confirmed_at.filter(|_| own == held && pending.is_none());
        Self { own, pending, confirmed_at, ..self.clone() }
    }

    /// The limits once the pending raise is confirmed. A confirmation that is repeated changes nothing.
    ///
    /// # Errors
    /// No raise can be confirmed at this time.
    pub fn confirmed(&self, now: Millis) -> Result<Self, NotConfirmed> {
        match &self.pending {
            None if self.confirmed_at.is_some() => Ok(self.clone()),
            None => Err(NotConfirmed::NothingPending),
            Some(raise) if raise.is_in_force(now) => Err(NotConfirmed::NothingPending),
            Some(PendingRaise { from, confirm_until, filters }) => match confirm_until {
                None => Err(NotConfirmed::NotNeeded(*from)),
                Some(until) if *until <= now => Err(NotConfirmed::Lapsed(*until)),
                Some(_) if now < *from => Err(NotConfirmed::TooEarly(*from)),
                Some(_) => Ok(Self { own: filters.clone(), pending: None, confirmed_at: Some(now), ..self.clone() }),
            },
        }
    }
}

impl OwnLimits {
    /// Limits under which nothing passes that either would refuse, now or later. What waits with one or with both is in
    /// force when the later of the two is, and needs a confirmation where one of the two does.
    #[must_use]
    pub fn narrower(&self, other: &Self, now: Millis) -> Self {
        let own = stricter_of(self.own_at(now), other.own_at(now));
        let pending = self.united_raise(other, now).filter(|raise| raise.filters != own);
        let (one, two) = (self.operator_at(now), other.operator_at(now));
        let until = match (one.is_empty(), two.is_empty()) {
            (false, true) => self.until,
            (true, false) => other.until,
            (true, true) => None,
            // Those that are not taken away by themselves hold for ever, and the others with them.
            (false, false) => self.until.zip(other.until).map(|(one, two)| one.max(two)),
        };
        let confirmed_at = self.confirmed_at.max(other.confirmed_at).filter(|_| pending.is_none());
        Self { own, pending, confirmed_at, operator: stricter_of(one, two), until, ..*self }
    }

    /// The one raise that takes the place of both. It lapses when the first of them does: a raise that lapsed for one
    /// customer must not take effect by the confirmation of the other. `None` also where it would lapse before it can
    /// be confirmed.
    fn united_raise(&self, other: &Self, now: Millis) -> Option<PendingRaise> {
        let raises = || [self, other].into_iter().filter_map(|limits| limits.pending_at(now));
        let from = raises().map(|raise| raise.from).max()?;
        let confirm_until = raises().filter_map(|raise| raise.confirm_until).min();
        let raised = |limits: &Self| limits.pending_at(now).map_or(limits.own_at(now), |raise| &raise.filters).to_vec();
        let filters = stricter_of(&raised(self), &raised(other));
        let raise = PendingRaise { from, confirm_until, filters };
        (!raise.has_lapsed(from)).then_some(raise)
    }
}

/// Whether a filter that holds lets more through once others are in its place.
fn is_raised(held: &Filter, asked: &[Filter]) -> bool {
    let is_within =
        |held: Option<u64>, asked: Option<u64>| held.is_none_or(|held| asked.is_some_and(|asked| asked <= held));
    !asked.iter().any(|asked| {
        same_reach(held, asked)
            && is_within(held.amount_limit, asked.amount_limit)
            && is_within(held.quantity_limit, asked.quantity_limit)
    })
}

/// What holds while both lists are to hold: the filters of the new one as asked where they are no wider, and of the old
/// one each that the new one lacks or widens.
fn stricter_of(old: &[Filter], new: &[Filter]) -> Vec<Filter> {
    let mut strict: Vec<Filter> = Vec::new();
    for asked in new {
        match old.iter().find(|held| same_reach(held, asked)) {
            Some(held) => strict.push(Filter {
                amount_limit: least(held.amount_limit, asked.amount_limit),
                quantity_limit: least(held.quantity_limit, asked.quantity_limit),
                ..asked.clone()
            }),
            None => strict.push(asked.clone()),
        }
    }
    strict.extend(old.iter().filter(|held| !new.iter().any(|asked| same_reach(held, asked))).cloned());
    strict
}

/// Whether two filters measure the same, so that only their limits tell which is wider.
fn same_reach(one: &Filter, other: &Filter) -> bool {
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
    /// The name of a customer's own limit: a regulator reserves the plain names for gross limits.
    LimitKind {
        /// Deposits, gross.
        Deposit = "deposit_limit",
        /// Deposits less what went back.
        NetDeposit = "net_deposit_limit",
        /// Withdrawals, gross.
        Withdrawal = "withdrawal_limit",
        /// Withdrawals less what went back.
        NetWithdrawal = "net_withdrawal_limit",
    }
}

impl LimitKind {
    /// Of a filter, in a direction, at a merchant with this rule of refunds.
    #[must_use]
    pub fn of(filter: &Filter, direction: Direction, refunds: Refunds) -> Self {
        let is_gross = !filter.subtract_cancels && refunds == Refunds::None;
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

/// An exchange rate of one customer's own: so many `from` are so many `to`; read in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRate {
    /// One currency.
    pub from: Currency,
    /// The other.
    pub to: Currency,
    /// Units of `to`, more than zero.
    pub rate: Decimal,
    /// For so many units of `from`, more than zero.
    pub units: u32,
    /// From when on; of several the latest that has begun holds.
    pub valid_from: Millis,
}

/// The newest rate between two currencies that is valid at a time.
#[must_use]
pub fn own_rate(rates: &[OwnRate], one: Currency, other: Currency, now: Millis) -> Option<&OwnRate> {
    let of_pair = rates.iter().filter(|rate| {
        rate.valid_from <= now && ((rate.from, rate.to) == (one, other) || (rate.from, rate.to) == (other, one))
    });
    of_pair.max_by_key(|rate| rate.valid_from)
}

#[cfg(test)]
mod tests;

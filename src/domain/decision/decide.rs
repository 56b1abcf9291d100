//! The decision: a pure function of customer, rules, payment and time. It reads; [`Customer::apply`] writes.
//!
//! All checks run and every violation is reported, in the order of [`crate::domain::decision::denial_codes::CODES`].

use crate::domain::{
    customer::{
        aggregate::{Customer, CustomerEvent, Head},
        attributes::{AttributeSet, Attributes},
        own_limits::OwnRate,
        profile::Change,
        status::CustomerStatus,
    },
    decision::{
        denial_codes::Code,
        level_choice::{self, Resolved},
        payment::{Payment, SentIdentity, SentLevel},
        refusal::Refusal,
    },
    routing::{Gates, Routed, SkipReason, route},
    rules::{
        configuration::{Direction, Filter, OperationMode, Rules},
        labels::Restriction,
        settings::{Bound, Layers},
    },
    transaction::record::{Content, LevelSource, NamedPlaces, Opened, Opening, Resolution, Violation},
    usage::{
        conversion::Unavailable,
        limits::{Gauges, Headroom, Measure, Own, UsageSeriesSet, least_headroom, violations, warnings},
    },
    vocabulary::{names::Name, time::Millis},
};
use smallvec::SmallVec;

/// What a decision rests on besides the customer.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The rules in force.
    pub rules: &'a Rules,
    /// What is asked.
    pub payment: &'a Payment<'a>,
    /// The time.
    pub now: Millis,
    /// Where the payment lies in time: `now`, or earlier.
    pub at: Millis,
    /// Whether the payment instrument is blocked.
    pub instrument_blocked: bool,
    /// See [`Measure::counts_future`].
    pub counts_future: bool,
}

/// The answer of the rules.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// None: allowed.
    pub violations: SmallVec<[Violation; 1]>,
    /// Ordered and left out.
    pub gates: Gates,
    /// The level, and what becomes of the stored one; `None`: bypassed.
    pub level: Option<Resolved<'a>>,
    /// Behind the payment where it is allowed, as it stands where not.
    pub headroom: Headroom,
    /// Filters whose `warn_at` an allowed payment reaches.
    pub warnings: SmallVec<[Name; 2]>,
    /// Why, where that was asked.
    pub explanation: Option<Box<Explanation>>,
}

impl Decision<'_> {
    /// Whether the payment may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Why a decision is what it is.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// Every filter that is not off, in the order of the level.
    pub limits: Vec<LimitExplained>,
    /// The range of the method, minor units, with the layers that the bounds come from. Without a method: from the lowest
    /// minimum to the highest maximum of those that may pay. `None`: no method may pay.
    pub amount_range: Option<(Bound, Bound)>,
    /// Gates left out and why.
    pub skipped_gates: Vec<(Name, SkipReason)>,
    /// The customer's own exchange rates that were read.
    pub own_rates: Vec<OwnRate>,
}

/// One filter as it was read.
#[derive(Debug, Clone)]
pub struct LimitExplained {
    /// Which.
    pub filter: Filter,
    /// The first instant inside; `None`: all of the past.
    pub start: Option<Millis>,
    /// The instant at which the window ends: for a rolling one, now.
    pub end: Millis,
    /// When usage next falls.
    pub frees_at: Option<Millis>,
    /// Minor units in the level's currency, or the pair without a rate.
    pub amount_used: Result<u128, Unavailable>,
    /// Transactions.
    pub quantity_used: u64,
}

/// Decides a payment of a known or new customer; `None` for one whom the rules do not apply to.
///
/// `books` are the customer's usage as of the question's time: [`Customer::books`] behind [`Customer::settle`], or
/// [`Customer::books_at`], with those of everybody who was merged into the customer.
#[must_use]
pub fn decide<'a>(question: &Question<'a>, customer: Option<&'a Customer>, books: UsageSeriesSet<'a>) -> Decision<'a> {
    let Question { rules, payment, now, at, instrument_blocked, counts_future } = *question;
    let merchant = payment.merchant;
    let customer: Option<&Head> = customer.map(|customer| &**customer);
    let labels = customer.map_or(&[][..], |customer| customer.labels());
    let forbids = |restriction| merchant.forbids(labels, restriction);
    let resolved = customer.map(|customer| {
        let stored = customer.levels[payment.direction as usize];
        let project = payment.project.id;
        // Whoever may not change the level has the stored one, whatever is sent.
        let sent = if forbids(Restriction::BlockLevelChange) { SentLevel::Absent } else { payment.level() };
        level_choice::resolve(merchant, stored, sent, payment.direction, payment.currency, project)
    });
    let in_force = resolved.map(|resolved| resolved.in_force);
    let layers = layers(payment, customer, resolved);
    let mut found: SmallVec<[Violation; 1]> = SmallVec::new();
    let mut refuse = |code| found.push(Violation { code, filter: None, pair: None });
    let direction_blocked = match payment.direction {
        Direction::Deposit => Restriction::BlockDeposits,
        Direction::Withdrawal => Restriction::BlockWithdrawals,
    };
    if customer.is_some_and(|c| c.standing.blocks(payment.instrument.is_some()))
        || forbids(Restriction::BlockTransactions)
        || forbids(direction_blocked)
        || customer.is_some_and(|c| c.is_switched_off(payment.project.id) || c.is_erased())
    {
        refuse(Code::CustomerBlocked);
    }
    if instrument_blocked {
        refuse(Code::PaymentInstrumentBlocked);
    }
    let named = payment.method();
    let method = named.map(|method| layers.method(method));
    let amount = payment.amount.unwrap_or(0);
    if let Some(offered) = &method {
        match offered.as_ref().filter(|effective| effective.may_pay(merchant.hidden_methods)) {
            // A method that cannot pay has no range to check.
            None => refuse(Code::PaymentMethodNotAvailable),
            Some(effective) => {
                if effective.min.is_some_and(|(min, _)| amount < min) {
                    refuse(Code::AmountBelowMinimum);
                }
                if effective.max.is_some_and(|(max, _)| amount > max) {
                    refuse(Code::AmountAboveMaximum);
                }
            }
        }
    } else if let Some(amount) = payment.amount {
        layers.refusal_without_method(merchant.hidden_methods, amount).into_iter().for_each(&mut refuse);
    }
    let measure = in_force.map(|level| Measure {
        rules,
        merchant,
        books,
        direction: payment.direction,
        currency: payment.currency,
        level,
        own: customer.map(|customer| Own::of(customer, payment.direction, payment.currency)).unwrap_or_default(),
        now,
        counts_future,
    });
    let mut gauges = Gauges::new();
    if let Some(measure) = &measure {
        measure.read_all(at, payment.explain, &mut gauges);
    }
    let over = violations(&gauges, amount);
    if !over.is_empty() {
        found.extend(over);
    }

    let effective = method.flatten();
    let (list, routing) = layers.gates(named);
    let routed = Routed {
        direction: payment.direction,
        currency: payment.currency,
        minor_units: rules.currencies.units(payment.currency),
        amount: payment.amount,
        method: named,
        transaction_id: &payment.transaction_id,
        explain: payment.explain,
    };
    let gates = route(merchant, &list.of(merchant), routing, &routed);
    if gates.ordered.is_empty() {
        found.push(Violation { code: Code::NoGateAvailable, filter: None, pair: None });
    }
    // A question without an amount counts nothing: a form shows what is left, not what would be.
    let counted = payment.amount.filter(|_| found.is_empty());
    let explanation = payment.explain.then(|| {
        Box::new(Explanation {
            limits: measure.as_ref().map_or_else(Vec::new, |measure| explain(measure, &gauges, counted, at)),
            amount_range: match named {
                None => layers.range_without_method(merchant.hidden_methods),
                // A method that cannot pay has no range here either.
                Some(_) => effective
                    .as_ref()
                    .filter(|effective| effective.may_pay(merchant.hidden_methods))
                    .map(|effective| (effective.min, effective.max)),
            },
            skipped_gates: gates.skipped.clone(),
            own_rates: measure.as_ref().map_or_else(Vec::new, |measure| measure.own_rates(&gauges)),
        })
    });
    Decision {
        headroom: least_headroom(&gauges, counted),
        warnings: if found.is_empty() { warnings(&gauges, amount) } else { SmallVec::new() },
        violations: found,
        gates,
        level: resolved,
        explanation,
    }
}

/// Where the settings of a payment's method are looked for. Individual ones that go because the payment brings another
/// level are gone for the payment that brings it: it is the first one under that level.
#[must_use]
pub fn layers<'a>(payment: &Payment<'a>, customer: Option<&'a Head>, level: Option<Resolved<'a>>) -> Layers<'a> {
    let (direction, currency) = (payment.direction, payment.currency);
    let keeps = level.filter(|level| level.stored.is_none() || !payment.merchant.reset_settings_on_level_change);
    Layers {
        individual: customer
            .zip(keeps)
            .and_then(|(c, level)| c.settings_for(direction, currency, level.in_force.name?)),
        level: level.and_then(|level| level.in_force.level),
        endpoint: payment.endpoint,
    }
}

/// What filters say, one by one; `counted` is the amount of a payment that is to be counted with what was.
#[must_use]
pub fn explain(measure: &Measure<'_>, gauges: &Gauges<'_>, counted: Option<u64>, at: Millis) -> Vec<LimitExplained> {
    use crate::domain::vocabulary::calendar::Window;
    let mut limits: Vec<LimitExplained> = Vec::new();
    for gauge in gauges {
        let filter = gauge.filter;
        let rolling = !filter.window.is_calendar();
        let counted = counted.filter(|_| gauge.holds_payment);
        let oldest = measure
            .counted(filter)
            .filter_map(|series| series.oldest_in(measure.counting(gauge.range), filter.subtract_cancels))
            .chain(counted.map(|_| at))
            .min();
        let frees_at = match filter.window {
            Window::Lifetime => None,
            window if rolling => oldest.and_then(|at| measure.merchant.calendar.leaves_at(window, at.0, measure.now)),
            // What is later than the window counts in it until the clock has passed the window in which it is.
            window => match oldest.filter(|at| at.0 >= gauge.range.to) {
                Some(later) => Some(Millis(measure.merchant.calendar.range(window, later).to)),
                None => Some(Millis(gauge.range.to)),
            },
        };
        // A rolling window excludes its start, which is one millisecond before the first instant inside.
        let start = match filter.window {
            Window::Lifetime => None,
            _ if rolling => Some(Millis(gauge.range.from - 1)),
            _ => Some(Millis(gauge.range.from)),
        };
        let amount_used = gauge.amount_used().unwrap_or(Ok(0));
        limits.push(LimitExplained {
            filter: filter.clone(),
            start,
            end: Millis(if rolling { measure.now.0 } else { gauge.range.to }),
            frees_at,
            amount_used: amount_used.map(|used| used.saturating_add(counted.map_or(0, u128::from))),
            quantity_used: gauge.quantity_used.saturating_add(u64::from(counted.is_some())),
        });
    }
    limits
}

/// How a payment is recorded besides what was decided.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// What it is opened by.
    pub opened: Opened,
    /// How the customer was found.
    pub resolution: Resolution,
    /// A keyed digest of the customer as sent.
    pub identity: u128,
    /// The `customer_id` as sent, where the rules were bypassed.
    pub stranger: Option<&'a str>,
}

/// What happens to the customer before the transaction is opened; `offered` are the attributes that may be filled.
#[must_use]
pub fn beforehand(
    question: &Question<'_>,
    customer: Option<&Customer>,
    decision: &Decision<'_>,
    resolution: Resolution,
    offered: &Attributes,
) -> Vec<CustomerEvent> {
    let Question { payment, now, .. } = *question;
    let mut events = Vec::new();
    let merchant = payment.merchant;
    if resolution == Resolution::Created {
        let identifier = match &payment.identity {
            SentIdentity::Identifier(id) => Some(id.as_ref().into()),
            _ => None,
        };
        events.push(CustomerEvent::Created { merchant: merchant.id, identifier, at: now });
        events.extend(merchant.default_label().map(|label| CustomerEvent::Changed(Change::Labels(vec![label.name]))));
    }
    if let Some((customer, resolved)) = customer.zip(decision.level) {
        let attributes = customer.attributes.missing_from(offered);
        // Of whoever is forgotten nothing is kept again.
        if !attributes.is_empty() && !customer.is_erased() {
            events.push(CustomerEvent::AttributesFilled { attributes, at: now });
        }
        if let Some(level) = resolved.stored {
            let drops_settings = merchant.reset_settings_on_level_change;
            events.push(CustomerEvent::LevelSet { direction: payment.direction, level, drops_settings, at: now });
        }
    }
    events
}

/// What opens the transaction of a decided payment.
#[must_use]
#[inline]
pub fn opening<'a>(
    question: &Question<'a>,
    customer: Option<&Customer>,
    decision: &Decision<'_>,
    recording: Recording<'a>,
) -> Opening<&'a str> {
    let Question { payment, now, .. } = *question;
    let merchant = payment.merchant;
    let in_force = decision.level.map(|resolved| resolved.in_force);
    let hold_until = match recording.opened {
        Opened::Reserved => merchant.hold_ms(payment.direction).map(|hold_ms| now.plus(hold_ms)),
        Opened::Denied | Opened::Unreserved => None,
    };
    let denied = recording.opened == Opened::Denied;
    Opening {
        id: &payment.transaction_id,
        merchant: merchant.id,
        at: question.at,
        recorded_at: now,
        opened: recording.opened,
        content: content(payment, recording.identity),
        hold_until,
        level: in_force.and_then(|level| level.name),
        level_source: in_force.map_or(LevelSource::Default, |level| level.source),
        resolution: recording.resolution,
        names: match recording.opened {
            Opened::Unreserved => payment.names,
            Opened::Reserved | Opened::Denied => NamedPlaces::BOTH,
        },
        stranger: recording.stranger,
        violations: if denied { decision.violations.clone() } else { SmallVec::new() },
        gates: if denied { SmallVec::new() } else { SmallVec::from_slice(&decision.gates.ordered) },
        instrument: payment.instrument.as_deref(),
        suspicious: customer.is_some_and(|c| c.status() == CustomerStatus::Suspicious),
        outlier: customer.is_some_and(|c| merchant.forbids(c.labels(), Restriction::MarkOutlier)),
    }
}

impl Opening<&str> {
    /// The same with texts of its own.
    #[must_use]
    pub fn kept(&self) -> Opening {
        Opening {
            id: Box::from(self.id),
            merchant: self.merchant,
            at: self.at,
            recorded_at: self.recorded_at,
            opened: self.opened,
            content: self.content,
            hold_until: self.hold_until,
            level: self.level,
            level_source: self.level_source,
            resolution: self.resolution,
            names: self.names,
            stranger: self.stranger.map(Box::from),
            violations: self.violations.clone(),
            gates: self.gates.clone(),
            instrument: self.instrument.map(Box::from),
            suspicious: self.suspicious,
            outlier: self.outlier,
        }
    }
}

/// What a repetition of this payment must say the same.
#[must_use]
#[inline]
pub fn content(payment: &Payment<'_>, identity: u128) -> Content {
    Content {
        direction: payment.direction,
        currency: payment.currency,
        amount: payment.amount.unwrap_or(0),
        identity,
        defined_by: AttributeSet::of(&payment.endpoint.client_definition),
        level: payment.level(),
        method: payment.method(),
        project: payment.project.id,
        endpoint: payment.endpoint.id,
    }
}

/// How far from now a payment or a fact may be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Milliseconds back.
    pub past_ms: i64,
    /// Milliseconds ahead.
    pub future_ms: i64,
}

impl Skew {
    /// Where a payment lies in time: what happened in the past stays there, what is a little ahead is taken as now.
    ///
    /// # Errors
    /// Too far from now.
    pub fn place(&self, occurred_at: Option<Millis>, now: Millis, field: &'static str) -> Result<Millis, Refusal> {
        let Some(occurred) = occurred_at else { return Ok(now) };
        let behind_ms = now.since(occurred);
        if behind_ms > self.past_ms {
            return Err(Refusal::TooFarBack { field, behind_ms, max_ms: self.past_ms });
        }
        if -behind_ms > self.future_ms {
            return Err(Refusal::TooFarAhead { field, ahead_ms: -behind_ms, max_ms: self.future_ms });
        }
        Ok(occurred.min(now))
    }
}

/// Whether a customer who is nowhere to be found by this payment could ever be found again.
///
/// # Errors
/// In `crm` mode, a payment without an identifier and without any attribute of the client definition.
pub fn can_be_made(payment: &Payment<'_>) -> Result<(), Refusal> {
    match (&payment.identity, payment.merchant.mode) {
        (SentIdentity::Attributes(sent), OperationMode::Crm) if sent.is_empty() => {
            let words: Vec<&str> = payment.endpoint.client_definition.iter().map(|a| a.word()).collect();
            Err(Refusal::Unidentifiable(if words.is_empty() { "which is empty".to_owned() } else { words.join(", ") }))
        }
        _ => Ok(()),
    }
}

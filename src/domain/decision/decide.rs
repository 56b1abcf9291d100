//! The decision: a pure function of customer, rules, payment and time. It reads; [`Customer::apply`] writes.
//!
//! All checks run and every violation is reported, in the order of [`crate::domain::vocabulary::denial_codes::DENIAL_CODES`].

use crate::domain::{
    customer::{
        aggregate::{core::CustomerCore, customer::Customer},
        status::Suspicion,
    },
    decision::{
        explanation::{Explanation, explain},
        gauge::{Gauges, Headroom, least_headroom, shadow_denials, violations, warnings},
        level_choice::{LevelChoice, LevelQuery},
        method_settings::{MethodSettingLayers, out_of_range},
        payment::Payment,
        sandbox::{self, SandboxTriggers},
        usage_meter::{OwnTerms, UsageMeter},
    },
    routing::{
        gates::RoutingRequest,
        strategies::{GateSelection, select_gates},
    },
    rules::{configuration::Rules, labels::Restriction},
    transaction::{
        opening::SentLevel,
        violation::{CustomerBlocks, Violation, ViolationDetail},
    },
    usage::series_set::UsageSeriesSet,
    vocabulary::{denial_codes::DenialCode, direction::Direction, names::Name, time::Millis},
};
use smallvec::{SmallVec, smallvec};

/// What a decision depends on besides the customer.
#[derive(Debug, Clone, Copy)]
pub struct DecisionInput<'a> {
    /// The rules in force.
    pub rules: &'a Rules,
    /// The payment to decide.
    pub payment: &'a Payment<'a>,
    /// The time.
    pub now: Millis,
    /// The time at which the payment counts: `now`, or earlier.
    pub at: Millis,
    /// Whether the payment instrument is blocked.
    pub instrument_blocked: bool,
    /// See [`UsageMeter::counts_future`].
    pub counts_future: bool,
}

/// The answer of the rules.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// Empty: the payment is allowed.
    pub violations: SmallVec<[Violation; 1]>,
    /// Gates in order, and those left out.
    pub gates: GateSelection,
    /// The level and the change of the stored level; `None`: the rules were bypassed.
    pub level: Option<LevelChoice<'a>>,
    /// The headroom after the payment if it is allowed, else the present headroom.
    pub headroom: Headroom,
    /// Filters whose `warn_at` an allowed payment reaches.
    pub warnings: SmallVec<[Name; 2]>,
    /// The level's filters in shadow mode that would have denied the payment.
    pub shadow_denials: SmallVec<[Name; 1]>,
    /// The explanation, where requested.
    pub explanation: Option<Box<Explanation>>,
}

impl Decision<'_> {
    /// Whether the payment may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Decides a payment of a known or new customer. `None`: the rules do not apply to the customer.
///
/// `usage` is the customer's usage at the time of the input: [`Customer::usage_series`] after
/// [`Customer::expire_holds`], or [`Customer::usage_series_at`], with the series of all merged customers.
#[must_use]
pub fn decide<'a>(
    question: &DecisionInput<'a>,
    customer: Option<&'a Customer>,
    usage: UsageSeriesSet<'a>,
) -> Decision<'a> {
    let DecisionInput { rules, payment, now, at, instrument_blocked, counts_future } = *question;
    let merchant = payment.merchant;
    let customer: Option<&CustomerCore> = customer.map(|customer| &**customer);
    let labels = customer.map_or(&[][..], |customer| customer.labels());
    let forbids = |restriction| merchant.forbids(labels, restriction);
    let resolved = customer.map(|customer| {
        let stored = customer.levels[payment.direction as usize];
        let project = payment.project.id;
        // A customer who may not change the level keeps the stored one and the sent level is ignored.
        let sent = if forbids(Restriction::BlockLevelChange) { SentLevel::Absent } else { payment.level() };
        LevelQuery { merchant, direction: payment.direction, currency: payment.currency, project }.choose(stored, sent)
    });
    let in_force = resolved.map(|resolved| resolved.in_force);
    let layers = layers(payment, customer, resolved);
    let mut found: SmallVec<[Violation; 1]> = SmallVec::new();
    let triggers = if merchant.sandbox { SandboxTriggers::of(payment, customer) } else { SandboxTriggers::default() };
    if let Some(blocks) = customer.map(|customer| blocks(payment, customer, &triggers)).filter(CustomerBlocks::any) {
        found.push(Violation::explained(DenialCode::CustomerBlocked, ViolationDetail::Block(blocks)));
    }
    if instrument_blocked || triggers.blocks_instrument {
        found.push(Violation::of(DenialCode::PaymentInstrumentBlocked));
    }
    let named = payment.method();
    let method = named.map(|method| layers.method(method));
    let amount = payment.amount.unwrap_or(0);
    if let Some(offered) = &method {
        match offered.as_ref().filter(|effective| effective.may_pay(merchant.hidden_methods)) {
            // A method that cannot pay has no range.
            None => found.push(Violation::of(DenialCode::PaymentMethodNotAvailable)),
            Some(effective) => {
                if let Some(min) = effective.min.filter(|(min, _)| amount < *min) {
                    found.push(out_of_range(DenialCode::AmountBelowMinimum, min));
                }
                if let Some(max) = effective.max.filter(|(max, _)| amount > *max) {
                    found.push(out_of_range(DenialCode::AmountAboveMaximum, max));
                }
            }
        }
    } else if let Some(amount) = payment.amount {
        found.extend(layers.refusal_without_method(merchant.hidden_methods, amount));
    }
    let measure = in_force.map(|level| UsageMeter {
        rules,
        merchant,
        usage,
        direction: payment.direction,
        currency: payment.currency,
        level,
        own: customer.map(|customer| OwnTerms::of(customer, payment.direction, payment.currency)).unwrap_or_default(),
        now,
        counts_future,
    });
    let mut gauges = Gauges::new();
    if let Some(measure) = &measure {
        measure.read_all(at, payment.explain, &mut gauges);
    }
    let over = violations(&gauges, amount, now);
    if !over.is_empty() {
        found.extend(over);
    }

    let effective = method.flatten();
    let (list, routing) = layers.gates(named);
    let routed = RoutingRequest {
        direction: payment.direction,
        currency: payment.currency,
        minor_units: rules.currencies.units(payment.currency),
        amount: payment.amount,
        method: named,
        transaction_id: &payment.transaction_id,
        explain: payment.explain,
    };
    let gates = select_gates(merchant, &list.of(merchant), routing, &routed);
    if gates.ordered.is_empty() {
        found.push(Violation::of(DenialCode::NoGateAvailable));
    }
    if let Some(code) = triggers.code {
        found = smallvec![sandbox::violation(code, payment, at)];
    }
    // Without an amount nothing is added: a form shows what remains now.
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
        shadow_denials: shadow_denials(&gauges, amount),
        violations: found,
        gates,
        level: resolved,
        explanation,
    }
}

/// What blocks a customer from this payment.
fn blocks(payment: &Payment<'_>, customer: &CustomerCore, triggers: &SandboxTriggers) -> CustomerBlocks {
    let direction_blocked = match payment.direction {
        Direction::Deposit => Restriction::BlockDeposits,
        Direction::Withdrawal => Restriction::BlockWithdrawals,
    };
    let forbidding = |restriction| {
        let label = payment.merchant.forbidding_label(customer.labels(), restriction)?;
        Some((label, restriction))
    };
    let is_blocked = customer.status_factors.blocks(payment.instrument.is_some());
    let is_fraud = customer.status_factors.suspicion() == Some(Suspicion::CustomerFraud);
    CustomerBlocks {
        fraud: is_blocked && is_fraud || triggers.blocks_customer,
        instrument_fraud: is_blocked && !is_fraud,
        erased: customer.is_erased(),
        project: customer.is_project_disabled(payment.project.id),
        label: forbidding(Restriction::BlockTransactions).or_else(|| forbidding(direction_blocked)),
    }
}

/// The layers that hold the settings of a payment's method. If the payment brings a new level and the merchant drops
/// individual settings on a level change, they do not apply to this payment: it is the first one under the new level.
#[must_use]
pub fn layers<'a>(
    payment: &Payment<'a>,
    customer: Option<&'a CustomerCore>,
    level: Option<LevelChoice<'a>>,
) -> MethodSettingLayers<'a> {
    let (direction, currency) = (payment.direction, payment.currency);
    let keeps = level.filter(|level| level.stored.is_none() || !payment.merchant.reset_settings_on_level_change);
    MethodSettingLayers {
        individual: customer
            .zip(keeps)
            .and_then(|(c, level)| c.settings_for(direction, currency, level.in_force.name?)),
        level: level.and_then(|level| level.in_force.level),
        endpoint: payment.endpoint,
    }
}

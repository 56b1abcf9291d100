//! Counts decisions by filter, and attempts by gate.

use crate::{
    domain::{
        decision::payment::Payment,
        rules::configuration::Rules,
        transaction::{
            transition::Operation,
            violation::{LimitOwner, Violation, ViolationDetail},
        },
        vocabulary::names::Name,
    },
    ledger::PaymentAnswer,
    service::payments::payment_service::PaymentService,
    telemetry::rule_counts::FilterKey,
};
use smallvec::SmallVec;

/// The filter of a level that is violated; `Some(None)`: a limit of the customer.
fn filter_of(violation: &Violation) -> Option<Option<Name>> {
    let filter = violation.filter?;
    match violation.detail {
        Some(ViolationDetail::Limit(figures)) if figures.owner == LimitOwner::Level => Some(Some(filter)),
        _ => Some(None),
    }
}

impl PaymentService {
    /// Counts the filters that have denied a new payment, and those in shadow mode that would have.
    #[inline]
    pub(super) fn count_filters(&self, payment: &Payment<'_>, answer: &PaymentAnswer<'_>) {
        if !(answer.violations.is_empty() && answer.shadow_denials.is_empty()) {
            self.count_denying_filters(payment, answer);
        }
    }

    #[cold]
    fn count_denying_filters(&self, payment: &Payment<'_>, answer: &PaymentAnswer<'_>) {
        let counts = &self.meters.rule_counts;
        let key = |filter| FilterKey {
            merchant: payment.merchant.id,
            direction: payment.direction,
            currency: answer.currency,
            level: answer.level.and_then(|(name, _)| name),
            filter,
        };
        // A filter that denies by amount and by number has denied one payment.
        let mut denying: SmallVec<[Option<Name>; 4]> = SmallVec::new();
        for filter in answer.violations.iter().filter_map(filter_of) {
            if !denying.contains(&filter) {
                denying.push(filter);
                counts.count_denial(key(filter));
            }
        }
        for filter in &answer.shadow_denials {
            counts.count_shadow_denial(key(Some(*filter)));
        }
    }

    /// Counts an attempt that was recorded, at a real merchant.
    pub(super) fn count_attempt(&self, rules: &Rules, merchant: &str, operation: &Operation) {
        let Operation::Attempt { gate, outcome, .. } = operation else { return };
        let Some(merchant) = rules.merchant(merchant).filter(|merchant| !merchant.sandbox) else { return };
        let gate = merchant.gates.iter().map(|known| known.id).find(|known| known.as_str() == gate);
        self.meters.rule_counts.count_attempt(merchant.id, gate, outcome);
    }
}

//! The opening of a decided payment's transaction, and the events before it.

use crate::domain::{
    customer::{aggregate::customer::Customer, change::CustomerChange, status::Suspicion},
    decision::{
        decide::{Decision, DecisionInput},
        payment::{Payment, SentIdentity},
    },
    events::customer_event::CustomerEvent,
    rules::labels::Restriction,
    transaction::opening::{CustomerResolution, ExplicitFields, LevelSource, Opening, OpeningKind, PaymentContent},
    vocabulary::attributes::{AttributeSet, Attributes},
};
use smallvec::SmallVec;

/// What an opening records besides the decision.
#[derive(Debug, Clone, Copy)]
pub struct OpeningInput<'a> {
    /// What opens the transaction.
    pub opened: OpeningKind,
    /// How the customer was found.
    pub resolution: CustomerResolution,
    /// A keyed digest of the customer as sent.
    pub identity: u128,
    /// The `customer_id`, or in `crm` mode the identifier, as sent, where the rules were bypassed.
    pub bypassed_id: Option<&'a str>,
}

/// The events of the customer before the transaction is opened; `offered` are the attributes of the payment.
#[must_use]
pub fn preceding_events(
    question: &DecisionInput<'_>,
    customer: Option<&Customer>,
    decision: &Decision<'_>,
    resolution: CustomerResolution,
    offered: &Attributes,
) -> Vec<CustomerEvent> {
    let DecisionInput { payment, now, .. } = *question;
    let mut events = Vec::new();
    let merchant = payment.merchant;
    if resolution == CustomerResolution::Created {
        let identifier = match &payment.identity {
            SentIdentity::Identifier(id) => Some(id.as_ref().into()),
            _ => None,
        };
        events.push(CustomerEvent::Created { merchant: merchant.id, identifier, at: now });
        events.extend(
            merchant
                .default_label()
                .map(|label| CustomerEvent::CustomerChanged(CustomerChange::Labels(vec![label.name]))),
        );
    }
    if let Some((customer, resolved)) = customer.zip(decision.level) {
        let attributes = customer.attributes.missing_from(offered);
        // An erased customer gets no attributes again.
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

/// The opening of a decided payment's transaction.
#[must_use]
#[inline]
pub fn opening<'a>(
    question: &DecisionInput<'a>,
    customer: Option<&Customer>,
    decision: &Decision<'_>,
    recording: OpeningInput<'a>,
) -> Opening<&'a str> {
    let DecisionInput { payment, now, .. } = *question;
    let merchant = payment.merchant;
    let in_force = decision.level.map(|resolved| resolved.in_force);
    let hold_until = match recording.opened {
        OpeningKind::Reserved => merchant.hold_ms(payment.direction).map(|hold_ms| now.plus(hold_ms)),
        OpeningKind::Denied | OpeningKind::Unreserved => None,
    };
    let denied = recording.opened == OpeningKind::Denied;
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
            OpeningKind::Unreserved => payment.names,
            OpeningKind::Reserved | OpeningKind::Denied => ExplicitFields::BOTH,
        },
        bypassed_id: recording.bypassed_id,
        violations: if denied { decision.violations.clone() } else { SmallVec::new() },
        gates: if denied { SmallVec::new() } else { SmallVec::from_slice(&decision.gates.ordered) },
        instrument: payment.instrument.as_deref(),
        suspicious: customer.is_some_and(|c| c.status_factors.suspicion() == Some(Suspicion::Flagged)),
        outlier: customer.is_some_and(|c| merchant.forbids(c.labels(), Restriction::MarkOutlier)),
    }
}

/// The content that a repetition of this payment must repeat.
#[must_use]
#[inline]
pub fn content(payment: &Payment<'_>, identity: u128) -> PaymentContent {
    PaymentContent {
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

//! The payment of a recorded decision, read from the opening of its transaction, so that other rules can judge it.

use crate::domain::{
    decision::{
        decide::Decision,
        payment::{AsSent, Payment, SentIdentity, Unrecorded},
        sandbox::BLOCKED_CUSTOMER,
    },
    rules::{configuration::Rules, merchant::Merchant, project::Endpoint},
    transaction::{
        opening::{LevelSource, Opening, OpeningKind},
        violation::{Violation, ViolationDetail},
    },
    vocabulary::{attributes::Attributes, denial_codes::DenialCode, words::words},
};
use smallvec::SmallVec;
use std::borrow::Cow;

words! {
    /// Why a recorded decision cannot be judged by other rules.
    NotJudged {
        /// The rules have no such merchant.
        MerchantMissing = "merchant_missing",
        /// The merchant has no such project.
        ProjectMissing = "project_missing",
        /// The project has no such endpoint, or the endpoint has another currency.
        EndpointMissing = "endpoint_missing",
        /// An import recorded it: no rules decided.
        Imported = "imported",
        /// Records about its customer are deleted.
        HistoryDeleted = "history_deleted",
    }
}

/// The payment of a recorded decision. The attributes of the request are not recorded: no rule of a decision reads them. The
/// customer is the recorded one, so the payment names none.
///
/// # Errors
/// The rules lack what the payment names.
pub fn recorded_payment<'a>(rules: &'a Rules, opening: &'a Opening) -> Result<Payment<'a>, NotJudged> {
    let content = &opening.content;
    let merchant = rules.merchant(opening.merchant.as_str()).ok_or(NotJudged::MerchantMissing)?;
    let project = merchant.project(content.project.as_str()).ok_or(NotJudged::ProjectMissing)?;
    let is_endpoint = |endpoint: &&Endpoint| (endpoint.id, endpoint.currency) == (content.endpoint, content.currency);
    let endpoint = project.endpoints.iter().find(is_endpoint).ok_or(NotJudged::EndpointMissing)?;
    Ok(Payment {
        merchant,
        transaction_id: Cow::Borrowed(&opening.id),
        direction: content.direction,
        currency: content.currency,
        amount: Some(content.amount),
        project,
        endpoint,
        names: opening.names,
        method: content.method,
        identity: recorded_identity(merchant, opening),
        level: content.level,
        unrecorded: Unrecorded::default(),
        attributes: Attributes::default(),
        as_sent: AsSent::default(),
        instrument: opening.instrument.as_deref().map(Cow::Borrowed),
        occurred_at: None,
        explain: false,
    })
}

/// The identity that the payment sent, as far as a decision reads it: at a test merchant, an identifier that blocks its
/// customer. The identifier itself may be erased since.
fn recorded_identity<'a>(merchant: &Merchant, opening: &Opening) -> SentIdentity<'a> {
    let is_fraud = |violation: &Violation| match violation.detail {
        Some(ViolationDetail::Block(blocks)) => blocks.fraud,
        _ => false,
    };
    match merchant.sandbox && opening.violations.iter().any(is_fraud) {
        true => SentIdentity::Identifier(Cow::Borrowed(BLOCKED_CUSTOMER)),
        false => SentIdentity::Attributes(Vec::new()),
    }
}

/// Whether an instrument of the payment was blocked when it was decided. Blocks are facts and no rules, and every violation
/// is recorded.
#[must_use]
pub fn was_instrument_blocked(opening: &Opening) -> bool {
    opening.violations.iter().any(|violation| violation.code == DenialCode::PaymentInstrumentBlocked)
}

/// The opening as another decision on the same payment would have recorded it.
#[must_use]
pub fn replayed_opening(opening: &Opening, payment: &Payment<'_>, decision: &Decision<'_>) -> Opening {
    let in_force = decision.level.map(|level| level.in_force);
    let is_allowed = decision.is_allowed();
    let hold_ms = payment.merchant.hold_ms(payment.direction).filter(|_| is_allowed);
    Opening {
        opened: if is_allowed { OpeningKind::Reserved } else { OpeningKind::Denied },
        hold_until: hold_ms.map(|hold_ms| opening.recorded_at.plus(hold_ms)),
        level: in_force.and_then(|level| level.name),
        level_source: in_force.map_or(LevelSource::Default, |level| level.source),
        violations: decision.violations.clone(),
        gates: if is_allowed { decision.gates.ordered.clone() } else { SmallVec::new() },
        ..opening.clone()
    }
}

//! A deletion request, and the erasure of personal attributes after the grace period.

use crate::domain::{
    customer::{aggregate::customer::Customer, change::CustomerChange},
    events::customer_event::CustomerEvent,
    rules::{labels::LabelKind, merchant::Merchant},
    vocabulary::{names::Name, time::Millis},
};
/// The events of a deletion request: the customer is labelled, and the personal attributes are erased after the
/// merchant's grace period.
#[must_use]
pub fn deletion_events(customer: &Customer, merchant: &Merchant, now: Millis) -> Vec<CustomerEvent> {
    let profile = customer.profile();
    if profile.is_some_and(|profile| profile.erased || profile.deletion_due.is_some()) {
        return Vec::new();
    }
    let due = CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(Some(now.plus(merchant.deletion_grace_ms))));
    relabelled(customer, merchant, LabelKind::PendingDeletion).into_iter().chain([due]).collect()
}

/// The events at the end of the grace period.
#[must_use]
pub fn erasure_events(customer: &Customer, merchant: Option<&Merchant>) -> Vec<CustomerEvent> {
    let labelled = merchant.and_then(|merchant| relabelled(customer, merchant, LabelKind::Deleted));
    labelled.into_iter().chain([CustomerEvent::CustomerChanged(CustomerChange::Erased)]).collect()
}

/// Replaces a label of a pending deletion by the merchant's first label of a kind.
fn relabelled(customer: &Customer, merchant: &Merchant, kind: LabelKind) -> Option<CustomerEvent> {
    let label = merchant.labels.iter().find(|label| label.kind == kind)?;
    let is_over = |name: &Name| merchant.label(*name).is_some_and(|label| label.kind == LabelKind::PendingDeletion);
    let mut labels: Vec<Name> = customer.labels().iter().copied().filter(|name| !is_over(name)).collect();
    if !labels.contains(&label.name) {
        labels.push(label.name);
    }
    Some(CustomerEvent::CustomerChanged(CustomerChange::Labels(labels)))
}

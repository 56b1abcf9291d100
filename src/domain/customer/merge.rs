//! The merge of two customers: what the target takes over from the source, and what forbids it.
//!
//! No transaction moves. The source stays a customer with its transactions and its usage, which is read together with
//! the target's. The events here change the data that a decision reads from the target only. A merge never relaxes a
//! restriction: blocks and limits of the source apply to the target.

use crate::domain::{
    customer::{
        aggregate::customer::Customer,
        change::CustomerChange,
        instruments::Instrument,
        own_limits::OwnLimits,
        profile::{IDENTIFIERS_MAX, MERGED_MAX},
        status::{Signal, Suspicion},
        stored_identifier::StoredIdentifier,
    },
    events::customer_event::CustomerEvent,
    request::refusal::Refusal,
    rules::{
        labels::{Label, LabelKind, Restriction},
        merchant::Merchant,
    },
    vocabulary::{attributes::Attributes, names::Name, time::Millis},
};
/// The events of the target of a merge. Afterwards the source and all customers merged into it are part of the target.
///
/// # Errors
/// A label of either forbids it, either is erased, or too many customers would be merged.
pub fn merge_events(
    target: &Customer,
    source: &Customer,
    merchant: &Merchant,
    now: Millis,
) -> Result<Vec<CustomerEvent>, Refusal> {
    for (customer, field) in [(source, "customer_id"), (target, "into")] {
        check_mergeable(customer, field, merchant)?;
    }
    let mut merged: Vec<u64> = [target.merged(), &[source.number()], source.merged()].concat();
    merged.sort_unstable();
    if merged.len() > MERGED_MAX {
        return Err(Refusal::TooMany { field: "into", most: MERGED_MAX });
    }
    let mut events = vec![CustomerEvent::CustomerChanged(CustomerChange::Merged(merged))];
    events.extend(identifier_event(target, source.all_identifiers())?);
    let attributes = target.attributes.missing_from(&source.attributes);
    if attributes != Attributes::default() {
        events.push(CustomerEvent::AttributesFilled { attributes, at: now });
    }
    events.extend(suspicion_event(target, source, now));
    let labels = merged_labels(target, source, merchant);
    if labels != target.labels() {
        events.push(CustomerEvent::CustomerChanged(CustomerChange::Labels(labels)));
    }
    // The earlier deletion date applies.
    let due = |customer: &Customer| customer.profile().and_then(|profile| profile.deletion_due);
    let earliest = due(target).into_iter().chain(due(source)).min();
    if earliest != due(target) {
        events.push(CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(earliest)));
    }
    let disabled_projects: Vec<Name> =
        source.disabled_projects().iter().copied().filter(|project| !target.is_project_disabled(*project)).collect();
    if !disabled_projects.is_empty() {
        events.push(CustomerEvent::CustomerChanged(CustomerChange::DisabledProjects(
            [target.disabled_projects(), &disabled_projects].concat(),
        )));
    }
    for limits in source.profile().map_or(&[][..], |profile| &profile.limits) {
        let none = OwnLimits::none(limits.direction, limits.currency);
        let known = target.limits_for(limits.direction, limits.currency).unwrap_or(&none);
        let narrower = known.intersection(limits, now);
        if narrower != *known {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Limits(narrower)));
        }
    }
    events.extend(
        merged_instruments(target, source)
            .into_iter()
            .map(|instrument| CustomerEvent::CustomerChanged(CustomerChange::Instrument(instrument))),
    );
    Ok(events)
}

/// The event that adds further identifiers to a customer.
///
/// # Errors
/// The customer would have too many identifiers.
pub fn identifier_event<'i>(
    target: &Customer,
    others: impl Iterator<Item = &'i StoredIdentifier>,
) -> Result<Option<CustomerEvent>, Refusal> {
    let mut identifiers = target.identifiers().to_vec();
    let known = identifiers.len();
    for other in others {
        if !target.has_identifier(other) && !identifiers.iter().any(|known| known.is_same(other)) {
            identifiers.push(other.clone());
        }
    }
    if identifiers.len() > IDENTIFIERS_MAX {
        return Err(Refusal::TooMany { field: "merchant_customer_identifier", most: IDENTIFIERS_MAX });
    }
    Ok((identifiers.len() > known).then_some(CustomerEvent::CustomerChanged(CustomerChange::Identifiers(identifiers))))
}

/// Checks whether a customer may be merged, as source or as target.
///
/// # Errors
/// A label has `block_merge`, or the personal attributes are erased, so that the identity is unknown.
pub fn check_mergeable(customer: &Customer, field: &'static str, merchant: &Merchant) -> Result<(), Refusal> {
    let number = customer.number();
    let because = |why: &str| {
        let reason = format!("leads to customer {number}, who may not be merged: {why}");
        Err(Refusal::NotAllowed { field, reason })
    };
    if let Some(label) = merchant.forbidding_label(customer.labels(), Restriction::BlockMerge) {
        return because(&format!("the label {:?} has block_merge", label.as_str()));
    }
    if customer.is_erased() {
        return because("the personal attributes are erased");
    }
    Ok(())
}

/// The suspicion of the source, if it is more severe than the target's.
fn suspicion_event(target: &Customer, source: &Customer, now: Millis) -> Option<CustomerEvent> {
    let suspicion = source.status_factors.suspicion()?;
    let signal = match suspicion {
        Suspicion::Flagged => Signal::FraudSuspected,
        Suspicion::InstrumentFraud | Suspicion::CustomerFraud => Signal::FraudConfirmed,
    };
    let names_instrument = suspicion == Suspicion::InstrumentFraud;
    let is_more_severe = target.status_factors.suspicion() < Some(suspicion);
    is_more_severe.then_some(CustomerEvent::SignalReceived { signal, names_instrument, at: now })
}

/// The target's labels, and the source's labels that restrict or express suspicion.
fn merged_labels(target: &Customer, source: &Customer, merchant: &Merchant) -> Vec<Name> {
    let restricts = |label: &Label| {
        !label.restrictions.is_empty() || !matches!(label.kind, LabelKind::Active | LabelKind::Internal)
    };
    let mut labels = target.labels().to_vec();
    for name in source.labels() {
        if !labels.contains(name) && merchant.label(*name).is_some_and(restricts) {
            labels.push(*name);
        }
    }
    labels
}

/// The source's instruments as the target gets them; an instrument that both have combines the data of both.
fn merged_instruments(target: &Customer, source: &Customer) -> Vec<Instrument> {
    let has_default = target.instruments().iter().any(|instrument| instrument.is_default);
    let combined = |other: &Instrument| match target.profile().and_then(|profile| profile.instrument(&other.id)) {
        None => Instrument { is_default: other.is_default && !has_default, ..other.clone() },
        // Only the source stored it.
        Some(known) if other.is_stored && !known.is_stored => {
            Instrument { id: known.id.clone(), is_default: other.is_default && !has_default, ..other.clone() }
        }
        Some(known) => Instrument {
            masked: known.masked.clone().or_else(|| other.masked.clone()),
            expires: known.expires.or(other.expires),
            saved_at: if other.is_stored || !known.is_stored {
                known.saved_at.min(other.saved_at)
            } else {
                known.saved_at
            },
            last_success_at: known.last_success_at.max(other.last_success_at),
            successes: known.successes.saturating_add(other.successes),
            on_file: known.on_file.or(other.on_file),
            sent_brand: known.sent_brand.clone().or_else(|| other.sent_brand.clone()),
            ..known.clone()
        },
    };
    source.instruments().iter().map(combined).collect()
}

//! Two customers become one: what the target takes over of the source, and what forbids it.
//!
//! Nothing moves. The source stays a customer of its own with its transactions and its usage, which everybody reads
//! together with the target's; what happens here is what a decision asks of the target alone. A merge loosens nothing:
//! whatever blocks or limits the source goes on doing so.

use crate::domain::{
    customer::{
        aggregate::{Customer, CustomerEvent},
        attributes::Attributes,
        own_limits::OwnLimits,
        profile::{Change, IDENTIFIERS_MAX, Instrument, MERGED_MAX},
        status::{Signal, Suspicion},
        stored_identifier::StoredIdentifier,
    },
    decision::refusal::Refusal,
    rules::{
        configuration::Merchant,
        labels::{Label, LabelKind, Restriction},
    },
    vocabulary::{names::Name, time::Millis},
};

/// What happens to the target of a merge; the source, and whoever is part of it, is part of the target then.
///
/// # Errors
/// A label of either forbids it, either is erased, or too many are to be one.
pub fn takes_over(
    target: &Customer,
    source: &Customer,
    merchant: &Merchant,
    now: Millis,
) -> Result<Vec<CustomerEvent>, Refusal> {
    for (customer, field) in [(source, "customer_id"), (target, "into")] {
        may_be_merged(customer, field, merchant)?;
    }
    let mut merged: Vec<u64> = [target.merged(), &[source.number()], source.merged()].concat();
    merged.sort_unstable();
    if merged.len() > MERGED_MAX {
        return Err(Refusal::TooMany { field: "into", most: MERGED_MAX });
    }
    let mut events = vec![CustomerEvent::Changed(Change::Merged(merged))];
    events.extend(led_by(target, source.all_identifiers())?);
    let attributes = target.attributes.missing_from(&source.attributes);
    if attributes != Attributes::default() {
        events.push(CustomerEvent::AttributesFilled { attributes, at: now });
    }
    events.extend(suspicion(target, source, now));
    let labels = labels(target, source, merchant);
    if labels != target.labels() {
        events.push(CustomerEvent::Changed(Change::Labels(labels)));
    }
    // Who asked to be forgotten is forgotten, and not later.
    let due = |customer: &Customer| customer.profile().and_then(|profile| profile.deletion_due);
    let earliest = due(target).into_iter().chain(due(source)).min();
    if earliest != due(target) {
        events.push(CustomerEvent::Changed(Change::DeletionDue(earliest)));
    }
    let switched_off: Vec<Name> =
        source.switched_off().iter().copied().filter(|project| !target.is_switched_off(*project)).collect();
    if !switched_off.is_empty() {
        events.push(CustomerEvent::Changed(Change::SwitchedOff([target.switched_off(), &switched_off].concat())));
    }
    for limits in source.profile().map_or(&[][..], |profile| &profile.limits) {
        let none = OwnLimits::none(limits.direction, limits.currency);
        let known = target.limits_for(limits.direction, limits.currency).unwrap_or(&none);
        let narrower = known.narrower(limits, now);
        if narrower != *known {
            events.push(CustomerEvent::Changed(Change::Limits(narrower)));
        }
    }
    events.extend(
        instruments(target, source)
            .into_iter()
            .map(|instrument| CustomerEvent::Changed(Change::Instrument(instrument))),
    );
    Ok(events)
}

/// What happens to a customer to whom further identifiers lead.
///
/// # Errors
/// Too many would.
pub fn led_by<'i>(
    target: &Customer,
    others: impl Iterator<Item = &'i StoredIdentifier>,
) -> Result<Option<CustomerEvent>, Refusal> {
    let mut identifiers = target.identifiers().to_vec();
    let known = identifiers.len();
    for other in others {
        if !target.goes_by(other) && !identifiers.iter().any(|known| known.is_same(other)) {
            identifiers.push(other.clone());
        }
    }
    if identifiers.len() > IDENTIFIERS_MAX {
        return Err(Refusal::TooMany { field: "merchant_customer_identifier", most: IDENTIFIERS_MAX });
    }
    Ok((identifiers.len() > known).then_some(CustomerEvent::Changed(Change::Identifiers(identifiers))))
}

/// Whether a customer may be merged, as source or as target.
///
/// # Errors
/// A label says `block_merge`, or the personal attributes are erased: nobody can tell any more who that was.
pub fn may_be_merged(customer: &Customer, field: &'static str, merchant: &Merchant) -> Result<(), Refusal> {
    let number = customer.number();
    let because = |why: &str| {
        let reason = format!("leads to customer {number}, who may not be merged: {why}");
        Err(Refusal::NotAllowed { field, reason })
    };
    if merchant.forbids(customer.labels(), Restriction::BlockMerge) {
        return because("a label says block_merge");
    }
    if customer.is_erased() {
        return because("the personal attributes are erased");
    }
    Ok(())
}

/// The suspicion that the source is under, where it is the graver one.
fn suspicion(target: &Customer, source: &Customer, now: Millis) -> Option<CustomerEvent> {
    let suspicion = source.standing.suspicion()?;
    let signal = match suspicion {
        Suspicion::Flagged => Signal::FraudSuspected,
        Suspicion::InstrumentFraud | Suspicion::CustomerFraud => Signal::FraudConfirmed,
    };
    let names_instrument = suspicion == Suspicion::InstrumentFraud;
    let is_graver = target.standing.suspicion() < Some(suspicion);
    is_graver.then_some(CustomerEvent::Signalled { signal, names_instrument, at: now })
}

/// The target's labels, and those of the source's that say more than who somebody is.
fn labels(target: &Customer, source: &Customer, merchant: &Merchant) -> Vec<Name> {
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

/// The source's instruments as the target is to hold them: one that both hold is known to both for what either knows.
fn instruments(target: &Customer, source: &Customer) -> Vec<Instrument> {
    let has_default = target.instruments().iter().any(|instrument| instrument.is_default);
    let united = |other: &Instrument| match target.profile().and_then(|profile| profile.instrument(&other.id)) {
        None => Instrument { is_default: other.is_default && !has_default, ..other.clone() },
        Some(known) => Instrument {
            masked: known.masked.clone().or_else(|| other.masked.clone()),
            expires: known.expires.or(other.expires),
            saved_at: known.saved_at.min(other.saved_at),
            last_success_at: known.last_success_at.max(other.last_success_at),
            successes: known.successes.saturating_add(other.successes),
            ..known.clone()
        },
    };
    source.instruments().iter().map(united).collect()
}

//! Registration: creates a customer, finds a known one, or merges into a known one, by the merchant's policy.

use crate::ledger::{
    customers::{
        registration::{AdditionalIdentities, IdentifierOwners, Registration, RegistrationOutcome, source_of},
        update::{CustomerRef, OfferedIdentities},
    },
    payments::record::{Actor, RecordEvents},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            change::CustomerChange,
            merge::{check_mergeable, identifier_event},
            stored_identifier::StoredIdentifier,
            update::{CustomerUpdate, UpdateContext, identifier_of},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::registration::{
            identifier::{Identifier, IdentifierSet},
            policy::RegistrationDecision,
        },
        vocabulary::{
            attributes::{Attribute, Attributes},
            names::Name,
            time::Millis,
        },
    },
    storage::journal::Lsn,
};
use std::{borrow::Cow, sync::atomic::Ordering};

/// Offered attributes, and the owners for which the policy judged them.
#[derive(Clone, Copy)]
struct JudgedIdentities<'a> {
    offered: &'a Attributes,
    owners: &'a IdentifierOwners,
}

impl Ledger {
    /// Registers a customer by the merchant's policy. Returns the outcome, and the LSN that it depends on.
    ///
    /// # Errors
    /// The policy refuses; the update is not allowed; all customer numbers are assigned.
    pub fn register(
        &self,
        registration: &Registration<'_>,
        now: Millis,
    ) -> Result<(RegistrationOutcome, Lsn), Refusal> {
        let _guard = self.block_renames();
        self.register_guarded(registration, now)
    }

    /// [`Ledger::register`] for a caller that holds the guard of [`Ledger::block_renames`].
    pub(in crate::ledger) fn register_guarded(
        &self,
        registration: &Registration<'_>,
        now: Millis,
    ) -> Result<(RegistrationOutcome, Lsn), Refusal> {
        let Registration { merchant, identifier, update, created, author, .. } = *registration;
        let now = self.limited_time(now);
        if created.is_some_and(|created| created > now) {
            self.limits.skew.place(created, now, "created_at")?;
        }
        let created_at = created.unwrap_or(now).min(now);
        let replaces_external_id = merchant.registration.replaces_external_id(source_of(author.source));
        let has_external_id = !replaces_external_id
            && update.attributes.iter().any(|(known, value)| *known == Attribute::ExternalId && !value.is_empty());
        // A retry generates another external id where a customer took the first one in between.
        let (generated, update, left_out, _stripes) = loop {
            let generated = match has_external_id || registration.is_trial {
                true => None,
                false => self.generate_external_id(merchant, source_of(author.source))?,
            };
            let mut update = Cow::Borrowed(update);
            if replaces_external_id {
                update.to_mut().attributes.retain(|(attribute, _)| *attribute != Attribute::ExternalId);
            }
            if let Some(generated) = &generated {
                update.to_mut().attributes.push((Attribute::ExternalId, generated.id.as_str().into()));
            }
            let mut offered = update.offered_attributes(merchant);
            let digests = self.identities.of_identities(merchant.id, identifier, &offered);
            let stripes = self.identity_stripes.lock_all(digests.into_iter());
            if generated.as_ref().is_some_and(|generated| self.is_external_id_taken(merchant.id, &generated.id)) {
                continue;
            }
            let owners = self.owners(merchant.id, identifier, &offered);
            match merchant.registration.evaluate(&owners.applicant(registration, &offered, created_at))? {
                RegistrationDecision::Create { left_out } => break (generated, update, left_out, stripes),
                RegistrationDecision::Registered { number, by, .. } => {
                    return Ok((RegistrationOutcome::Existing(number, by), self.journal.last()));
                }
                RegistrationDecision::Merge { into } if registration.is_trial => {
                    update.check_forms(now)?;
                    return Ok((RegistrationOutcome::Merged(into), self.journal.last()));
                }
                RegistrationDecision::Merge { into } => {
                    update.check_forms(now)?;
                    // The customer has an external id, or needs none.
                    generated.iter().for_each(|_| offered.set(Attribute::ExternalId, ""));
                    let additional = self.additional_identities(into, &offered, &owners);
                    let merged = match additional.is_empty() {
                        true => None,
                        false => {
                            let identities = AdditionalIdentities { offered: &offered, additional };
                            self.merge_new_customer(registration, into, identities, now)?
                        }
                    };
                    if let Some(lsn) = merged {
                        return Ok((RegistrationOutcome::Merged(into), lsn));
                    }
                    // Another request may take an identifier between the two locks. In that case the policy decides again.
                    let judged = self.owners(merchant.id, identifier, &offered);
                    drop((stripes, generated));
                    let identities = JudgedIdentities { offered: &offered, owners: &judged };
                    if let Some(lsn) = self.fill_missing(registration, into, identities, now)? {
                        return Ok((RegistrationOutcome::Merged(into), lsn));
                    }
                }
            }
        };
        let update = without(update, left_out);
        let identifier = identifier.filter(|_| !left_out.contains(Identifier::MerchantCustomerIdentifier));
        let mut customer = Customer::with_default_label(0, merchant, now);
        let knows_level = |direction, name| self.knows_level(merchant, direction, name);
        let level_list = |direction, sent: &str| self.level_list(merchant, (direction, None), sent);
        let context =
            UpdateContext { merchant, knows_level: &knows_level, level_list: &level_list, holder: &|_| None, now };
        let update_events = update.events(&customer, &context, true)?;
        if registration.is_trial {
            return Ok((RegistrationOutcome::Created(0), self.journal.last()));
        }
        customer.set_number(self.next_number()?);
        generated.into_iter().for_each(|generated| self.use_external_id(generated));
        let mut events = vec![CustomerEvent::Created {
            merchant: merchant.id,
            identifier: identifier.map(StoredIdentifier::clear),
            at: created_at,
        }];
        if !customer.labels().is_empty() {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Labels(customer.labels().to_vec())));
        }
        events.extend(update_events);
        let number = customer.number();
        // The record and the customer become visible in one step, so that no snapshot contains one without the other.
        let mut shard = self.customers.lock(number);
        let events = RecordEvents { after: &events, ..RecordEvents::default() };
        let recorded = self.record(&mut customer, Actor { author, now }, events);
        let digests = self.identities.of_customer(&customer);
        shard.insert(number, customer);
        self.customer_count.fetch_add(1, Ordering::Relaxed);
        drop(shard);
        self.identities.insert_all(digests, number);
        Ok((RegistrationOutcome::Created(number), Lsn(recorded.number)))
    }

    /// The offered identifiers that have no owner and differ from those of the customer that is to get them.
    fn additional_identities(&self, into: u64, offered: &Attributes, owners: &IdentifierOwners) -> Attributes {
        let mut additional = Attributes::default();
        let shard = self.customers.lock(into);
        let Some(customer) = shard.get(into) else { return additional };
        for (attribute, value) in offered.iter().filter(|(attribute, _)| identifier_of(*attribute).is_some()) {
            let form = |value| self.identities.normalised(customer.merchant, attribute, value);
            let differs = customer.attributes.value(attribute).is_some_and(|known| form(known) != form(value));
            if differs && owners.of(attribute, None).is_none() {
                additional.set(attribute, value);
            }
        }
        additional
    }

    /// Gives a customer the offered attributes that it lacks, and the identifier of the registration. Returns `None` if the
    /// owners of the identifiers are no longer those that the policy judged.
    fn fill_missing(
        &self,
        registration: &Registration<'_>,
        into: u64,
        identities: JudgedIdentities<'_>,
        now: Millis,
    ) -> Result<Option<Lsn>, Refusal> {
        let Registration { merchant, author, identifier, .. } = *registration;
        let JudgedIdentities { offered, owners: judged } = identities;
        let (customer_id, mut has_changed) = (into.to_string(), false);
        let customer = CustomerRef { merchant: merchant.id, customer_id: &customer_id };
        let stored = identifier.map(StoredIdentifier::clear);
        let identities = OfferedIdentities { identifier, attributes: offered };
        let lsn =
            self.change_with_owners(customer, Actor { author, now }, identities, &mut |customer, owners, now| {
                check_mergeable(customer, "merge_on_duplicate", merchant)?;
                has_changed = owners != judged;
                if has_changed {
                    return Ok(Vec::new());
                }
                let attributes = customer.attributes.missing_from(offered);
                let filled =
                    (!attributes.is_empty()).then_some(CustomerEvent::AttributesFilled { attributes, at: now });
                Ok(filled.into_iter().chain(identifier_event(customer, stored.iter())?).collect())
            })?;
        Ok((!has_changed).then_some(lsn))
    }

    pub(in crate::ledger) fn owners(
        &self,
        merchant: Name,
        identifier: Option<&str>,
        attributes: &Attributes,
    ) -> IdentifierOwners {
        // Other attributes do not identify a customer: they have no owner, and thousands of customers may share one.
        let identifying = attributes.iter().filter(|(attribute, _)| identifier_of(*attribute).is_some());
        let owners = |(attribute, value): (Attribute, &str)| {
            (attribute, self.identities.first_two_with(merchant, attribute, value))
        };
        IdentifierOwners {
            identifier: identifier.and_then(|id| self.identities.customer_with_identifier(merchant, id)),
            attributes: identifying.map(owners).collect(),
        }
    }
}

/// The update without identifiers that other customers own.
fn without(update: Cow<'_, CustomerUpdate>, left_out: IdentifierSet) -> Cow<'_, CustomerUpdate> {
    if left_out == IdentifierSet::default() {
        return update;
    }
    let mut update = update.into_owned();
    update.attributes.retain(|(attribute, _)| identifier_of(*attribute).is_none_or(|id| !left_out.contains(id)));
    Cow::Owned(update)
}

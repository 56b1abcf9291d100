//! Registration: whoever staff or a table name is made, is known already, or becomes one with a known customer, as the
//! merchant's policy says.

use crate::ledger::Ledger;
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            merge::{led_by, may_be_merged},
            profile::{Author, Change, Source},
            stored_identifier::StoredIdentifier,
            update::{CustomerUpdate, UpdateContext, identifier_of},
        },
        decision::refusal::Refusal,
        rules::{
            configuration::{Attribute, Merchant},
            registration::{self, Applicant, IDENTIFIERS, Identifier, Identifiers, Offer, Verdict},
        },
        vocabulary::{names::Name, time::Millis},
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;
use std::{borrow::Cow, sync::atomic::Ordering};

/// Somebody to be registered.
#[derive(Debug, Clone, Copy)]
pub struct Applying<'a> {
    /// Whose.
    pub merchant: &'a Merchant,
    /// Unique in the merchant where set.
    pub identifier: Option<&'a str>,
    /// What is said of the customer.
    pub said: &'a CustomerUpdate,
    /// When the customer was made, where that was earlier.
    pub created: Option<Millis>,
    /// Who says it.
    pub author: Author,
    /// Whether it is only tried: nothing is recorded.
    pub is_trial: bool,
}

/// What has become of somebody who was to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// A customer was made.
    Made(u64),
    /// It was this customer all along, by this identifier; nothing was changed.
    Known(u64, Identifier),
    /// What was said went to this customer, by the merchant's policy.
    Merged(u64),
}

/// Who has the identifiers that are said; of those who share one the two oldest.
#[derive(PartialEq, Eq)]
pub(in crate::ledger) struct Owners {
    identifier: Option<u64>,
    attributes: Vec<(Attribute, SmallVec<[u64; 2]>)>,
}

impl Owners {
    /// The oldest customer other than `but` who has an identifying attribute.
    pub(in crate::ledger) fn of(&self, attribute: Attribute, but: Option<u64>) -> Option<u64> {
        let (_, numbers) = self.attributes.iter().find(|(known, _)| *known == attribute)?;
        numbers.iter().copied().find(|number| Some(*number) != but)
    }

    fn applicant(&self, applying: &Applying<'_>, offered: &Attributes, at: Millis) -> Applicant {
        let offer = |identifier: Identifier| {
            let (is_offered, owner) = match attribute_of(identifier) {
                None => (applying.identifier.is_some(), self.identifier),
                Some(attribute) => (offered.value(attribute).is_some(), self.of(attribute, None)),
            };
            match (is_offered, owner) {
                (false, _) => Offer::Absent,
                (true, None) => Offer::Free,
                (true, Some(owner)) => Offer::Held(owner),
            }
        };
        Applicant { offers: IDENTIFIERS.map(offer), source: source_of(applying.author.source), at }
    }
}

fn source_of(source: Source) -> registration::Source {
    match source {
        Source::Payment => registration::Source::Payment,
        Source::Upload => registration::Source::Import,
        Source::Api | Source::System => registration::Source::Api,
    }
}

fn attribute_of(identifier: Identifier) -> Option<Attribute> {
    match identifier {
        Identifier::MerchantCustomerIdentifier => None,
        Identifier::Email => Some(Attribute::Email),
        Identifier::Phone => Some(Attribute::Phone),
        Identifier::ExternalId => Some(Attribute::ExternalId),
    }
}

impl Admitted {
    /// Who has come of it, where the customer may not have been known before: the number, and whether it is a new one.
    ///
    /// # Errors
    /// The customer was known.
    pub fn newly(self) -> Result<(u64, bool), Refusal> {
        match self {
            Self::Made(number) => Ok((number, true)),
            Self::Merged(number) => Ok((number, false)),
            Self::Known(number, by) => Err(Refusal::Taken { field: by.word(), customer_id: number.to_string() }),
        }
    }
}

impl Ledger {
    /// Registers a customer by the merchant's policy. Returns what has become of it, and the record that it rests on.
    ///
    /// # Errors
    /// The policy refuses; what is said cannot be; there are as many customers as there can be.
    pub fn register(&self, applying: &Applying<'_>, now: Millis) -> Result<(Admitted, Lsn), Refusal> {
        let _inside = self.enter();
        self.admit(applying, now)
    }

    /// [`Ledger::register`] for whoever is inside.
    pub(in crate::ledger) fn admit(&self, applying: &Applying<'_>, now: Millis) -> Result<(Admitted, Lsn), Refusal> {
        let Applying { merchant, identifier, said, created, author, .. } = *applying;
        let now = self.not_later(now);
        if created.is_some_and(|created| created > now) {
            self.bounds.skew.place(created, now, "created_at")?;
        }
        let made_at = created.unwrap_or(now).min(now);
        let is_said = said.attributes.iter().any(|(known, value)| *known == Attribute::ExternalId && !value.is_empty());
        // One that somebody takes while it is made is passed over.
        let (made, said, left_out, _alone) = loop {
            let made = match is_said || applying.is_trial {
                true => None,
                false => self.make_external_id(merchant, source_of(author.source))?,
            };
            let mut said = Cow::Borrowed(said);
            if let Some(made) = &made {
                said.to_mut().attributes.push((Attribute::ExternalId, made.id.as_str().into()));
            }
            let mut offered = said.offered(merchant);
            let digests = self.identities.of_all(merchant.id, identifier, &offered);
            let alone = self.identity_stripes.lock_all(digests.into_iter());
            if made.as_ref().is_some_and(|made| self.is_taken(merchant.id, &made.id)) {
                continue;
            }
            let owners = self.owners(merchant.id, identifier, &offered);
            match merchant.registration.judge(&owners.applicant(applying, &offered, made_at))? {
                Verdict::Create { left_out } => break (made, said, left_out, alone),
                Verdict::Registered { number, by, .. } => {
                    return Ok((Admitted::Known(number, by), self.journal.last()));
                }
                Verdict::Merge { into } if applying.is_trial => {
                    return Ok((Admitted::Merged(into), self.journal.last()));
                }
                Verdict::Merge { into } => {
                    // Whoever is merged has an id there, or needs none.
                    made.iter().for_each(|_| offered.set(Attribute::ExternalId, ""));
                    let apart = self.apart(into, &offered, &owners);
                    let absorbed = match apart.is_empty() {
                        true => None,
                        false => self.absorb(applying, into, (&offered, apart), now)?,
                    };
                    if let Some(lsn) = absorbed {
                        return Ok((Admitted::Merged(into), lsn));
                    }
                    // Another request may take an identifier between the two locks: then the policy decides again.
                    let judged = self.owners(merchant.id, identifier, &offered);
                    drop((alone, made));
                    if let Some(lsn) = self.fill(applying, into, (&offered, &judged), now)? {
                        return Ok((Admitted::Merged(into), lsn));
                    }
                }
            }
        };
        let said = without(said, left_out);
        let identifier = identifier.filter(|_| !left_out.contains(Identifier::MerchantCustomerIdentifier));
        let mut customer = Customer::newcomer(0, merchant, now);
        let knows_level = |direction, name| self.knows_level(merchant, direction, name);
        let context = UpdateContext { merchant, knows_level: &knows_level, holder: &|_| None, now };
        let events = said.events(&customer, &context, true)?;
        if applying.is_trial {
            return Ok((Admitted::Made(0), self.journal.last()));
        }
        customer.renumber(self.next_number()?);
        made.into_iter().for_each(|made| self.use_external_id(made));
        let mut all = vec![CustomerEvent::Created {
            merchant: merchant.id,
            identifier: identifier.map(StoredIdentifier::clear),
            at: made_at,
        }];
        if !customer.labels().is_empty() {
            all.push(CustomerEvent::Changed(Change::Labels(customer.labels().to_vec())));
        }
        all.extend(events);
        let number = customer.number();
        // The record and the customer become visible in one step, so that no snapshot falls between them.
        let mut shard = self.customers.lock(number);
        let recorded = self.record(&mut customer, 0, (author, now), &all);
        let digests = self.identities.of_customer(&customer);
        shard.insert(number, customer);
        self.customers_made.fetch_add(1, Ordering::Relaxed);
        drop(shard);
        self.identities.insert_all(digests, number);
        Ok((Admitted::Made(number), Lsn(recorded.number)))
    }

    /// The identifiers that are offered, nobody's, and other than those of the customer who is to get them.
    fn apart(&self, into: u64, offered: &Attributes, owners: &Owners) -> Attributes {
        let mut apart = Attributes::default();
        let shard = self.customers.lock(into);
        let Some(customer) = shard.get(&into) else { return apart };
        for (attribute, value) in offered.iter().filter(|(attribute, _)| identifier_of(*attribute).is_some()) {
            let form = |value| self.identities.normalised(customer.merchant, attribute, value);
            let is_other = customer.attributes.value(attribute).is_some_and(|known| form(known) != form(value));
            if is_other && owners.of(attribute, None).is_none() {
                apart.set(attribute, value);
            }
        }
        apart
    }

    /// Gives a customer the offered attributes that it lacks, and the applicant's identifier. Returns `None` if the
    /// owners of the identifiers are no longer those that the policy judged.
    fn fill(
        &self,
        applying: &Applying<'_>,
        into: u64,
        (offered, judged): (&Attributes, &Owners),
        now: Millis,
    ) -> Result<Option<Lsn>, Refusal> {
        let Applying { merchant, author, identifier, .. } = *applying;
        let (id, mut has_changed) = (into.to_string(), false);
        let leading = identifier.map(StoredIdentifier::clear);
        let hand = (author, now);
        let lsn =
            self.change_knowing(merchant.id, &id, hand, (identifier, offered), &mut |customer, owners, now| {
                may_be_merged(customer, "merge_on_duplicate", merchant)?;
                has_changed = owners != judged;
                if has_changed {
                    return Ok(Vec::new());
                }
                let attributes = customer.attributes.missing_from(offered);
                let filled =
                    (!attributes.is_empty()).then_some(CustomerEvent::AttributesFilled { attributes, at: now });
                Ok(filled.into_iter().chain(led_by(customer, leading.iter())?).collect())
            })?;
        Ok((!has_changed).then_some(lsn))
    }

    pub(in crate::ledger) fn owners(
        &self,
        merchant: Name,
        identifier: Option<&str>,
        attributes: &Attributes,
    ) -> Owners {
        // What is no identifier is nobody's, and thousands may share it.
        let identifying = attributes.iter().filter(|(attribute, _)| identifier_of(*attribute).is_some());
        let having = |(attribute, value): (Attribute, &str)| {
            (attribute, self.identities.first_having(merchant, attribute, value))
        };
        Owners {
            identifier: identifier.and_then(|id| self.identities.of_identifier(merchant, id)),
            attributes: identifying.map(having).collect(),
        }
    }
}

/// What is said but for identifiers that are somebody else's.
fn without(said: Cow<'_, CustomerUpdate>, left_out: Identifiers) -> Cow<'_, CustomerUpdate> {
    if left_out == Identifiers::default() {
        return said;
    }
    let mut said = said.into_owned();
    said.attributes.retain(|(attribute, _)| identifier_of(*attribute).is_none_or(|id| !left_out.contains(id)));
    Cow::Owned(said)
}

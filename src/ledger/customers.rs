//! Customers as a gateway's staff know them: registered, looked at, changed.

use super::{
    LAST_CUSTOMER, Ledger, Whole,
    index::{Seat, number_of},
    recall::Recalled,
};
use crate::{
    domain::{
        customer::{Customer, Event, Make},
        identity::Attributes,
        limits::Books,
        merge::{led_by, may_be_merged},
        name::Name,
        profile::{Author, Change, Source},
        refusal::Refusal,
        registration::{self, Applicant, IDENTIFIERS, Identifier, Identifiers, Offer, Verdict},
        rules::{Attribute, Direction, Merchant},
        said::{Around, Said, identifier_of},
        time::Millis,
        transaction::Status,
    },
    journal::Lsn,
};
use std::{borrow::Cow, sync::atomic::Ordering};

/// Somebody to be registered.
#[derive(Debug, Clone, Copy)]
pub struct Applying<'a> {
    /// Whose.
    pub merchant: &'a Merchant,
    /// Unique in the merchant where set.
    pub identifier: Option<&'a str>,
    /// What is said of the customer.
    pub said: &'a Said,
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
    /// It was this customer all along; nothing was changed.
    Known(u64),
    /// What was said went to this customer, by the merchant's policy.
    Merged(u64),
}

/// [`Make`], knowing who has the attributes that are said.
type MakeKnowing<'m> = dyn FnMut(&Customer, &Owners, Millis) -> Result<Vec<Event>, Refusal> + 'm;

/// What is otherwise once a transaction of a customer is opened, or somebody is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    number: u64,
    next_slot: u32,
    merged: usize,
}

impl Seen {
    fn of(customer: &Customer) -> Self {
        Self { number: customer.number, next_slot: customer.briefs.next_slot(), merged: customer.merged().len() }
    }
}

/// Who has the identifiers and attributes that are said.
struct Owners {
    identifier: Option<u64>,
    attributes: Vec<(Attribute, Vec<u64>)>,
}

impl Owners {
    /// The oldest customer other than `but` who has an attribute.
    fn of(&self, attribute: Attribute, but: Option<u64>) -> Option<u64> {
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
    pub(super) fn admit(&self, applying: &Applying<'_>, now: Millis) -> Result<(Admitted, Lsn), Refusal> {
        let Applying { merchant, identifier, said, created, author, .. } = *applying;
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
                Verdict::Registered { number, .. } => return Ok((Admitted::Known(number), self.journal.last())),
                Verdict::Merge { into } if applying.is_trial => {
                    return Ok((Admitted::Merged(into), self.journal.last()));
                }
                Verdict::Merge { into } => {
                    // Whoever is merged has an id there, or needs none.
                    made.iter().for_each(|_| offered.set(Attribute::ExternalId, ""));
                    drop((alone, made));
                    // Somebody else may have taken the identifier meanwhile: then it is judged once more.
                    if let Some(lsn) = self.fill(applying, into, &offered, now)? {
                        return Ok((Admitted::Merged(into), lsn));
                    }
                }
            }
        };
        let said = without(said, left_out);
        let identifier = identifier.filter(|_| !left_out.contains(Identifier::MerchantCustomerIdentifier));
        let mut customer = Customer::newcomer(0, merchant, now);
        let knows_level = |direction, name| self.knows_level(merchant, direction, name);
        let around = Around { merchant, knows_level: &knows_level, holder: &|_| None, now };
        let events = said.events(&customer, &around, true)?;
        if applying.is_trial {
            return Ok((Admitted::Made(0), self.journal.last()));
        }
        customer.number = self.next_number()?;
        made.into_iter().for_each(|made| self.use_external_id(made));
        let mut all =
            vec![Event::Created { merchant: merchant.id, identifier: identifier.map(Into::into), at: made_at }];
        if !customer.labels().is_empty() {
            all.push(Event::Changed(Change::Labels(customer.labels().to_vec())));
        }
        all.extend(events);
        let number = customer.number;
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

    /// Gives a customer what is offered and missing there, and lets the applicant's identifier lead there too; `None`:
    /// that is somebody else's by now.
    fn fill(
        &self,
        applying: &Applying<'_>,
        into: u64,
        offered: &Attributes,
        now: Millis,
    ) -> Result<Option<Lsn>, Refusal> {
        let Applying { merchant, author, identifier, .. } = *applying;
        let (id, mut is_taken) = (into.to_string(), false);
        let hand = (author, now);
        let lsn =
            self.change_knowing(merchant.id, &id, hand, (identifier, offered), &mut |customer, owners, now| {
                may_be_merged(customer, "merge_on_duplicate", merchant)?;
                is_taken = owners.identifier.is_some_and(|owner| owner != customer.number);
                if is_taken {
                    return Ok(Vec::new());
                }
                let attributes = customer.attributes.missing_from(offered);
                let filled = (!attributes.is_empty()).then_some(Event::AttributesFilled { attributes, at: now });
                Ok(filled.into_iter().chain(led_by(customer, identifier.into_iter())?).collect())
            })?;
        Ok((!is_taken).then_some(lsn))
    }

    /// Changes a customer as staff say; nothing happens where all of it is so already, or where it is only tried. Returns
    /// whether anything changes, and the record that it rests on.
    ///
    /// # Errors
    /// The customer is not known to the merchant; what is said cannot be.
    pub fn amend(
        &self,
        merchant: &Merchant,
        customer_id: &str,
        said: &Said,
        (author, now): (Author, Millis),
        is_trial: bool,
    ) -> Result<(bool, Lsn), Refusal> {
        let mut changes = false;
        let offered = said.offered(merchant);
        loop {
            // Facts are read before the customer is locked: whatever is opened meanwhile is to be looked at too.
            let seen =
                said.switched_off.as_ref().map(|projects| self.none_reserved(merchant.id, customer_id, projects, now));
            let seen = seen.transpose()?;
            let mut is_stale = false;
            let lsn = self.change_knowing(
                merchant.id,
                customer_id,
                (author, now),
                (None, &offered),
                &mut |customer, owners, now| {
                    is_stale = seen.is_some_and(|seen| seen != Seen::of(customer));
                    if is_stale {
                        return Ok(Vec::new());
                    }
                    let knows_level = |direction, name| self.knows_level(merchant, direction, name);
                    let holder = |attribute| owners.of(attribute, Some(customer.number));
                    let around = Around { merchant, knows_level: &knows_level, holder: &holder, now };
                    let events = said.events(customer, &around, false)?;
                    changes = !events.is_empty();
                    Ok(if is_trial { Vec::new() } else { events })
                },
            )?;
            if !is_stale {
                return Ok((changes, lsn));
            }
        }
    }

    /// Refuses where a transaction of the customer is still reserved in a project that is about to be switched off.
    /// Returns how the customer was seen.
    fn none_reserved(
        &self,
        merchant: Name,
        customer_id: &str,
        projects: &[Name],
        now: Millis,
    ) -> Result<Seen, Refusal> {
        let (seen, newly, waiting) = self.with_household(merchant.as_str(), customer_id, |household| {
            let now = self.settle_all(household, now);
            let customer = &*household.head;
            let newly: Vec<Name> =
                projects.iter().copied().filter(|project| !customer.is_switched_off(*project)).collect();
            let reserved = |member: &Customer| {
                let waiting = member.briefs.starting_at(0).filter(|(_, brief)| brief.status(now) == Status::Reserved);
                let seat = |slot| Seat { customer: member.number, slot };
                waiting.map(|(slot, brief)| (seat(slot), brief.key, brief.place)).collect::<Vec<_>>()
            };
            let waiting: Vec<_> = household.members().flat_map(reserved).collect();
            (Seen::of(customer), newly, waiting)
        })?;
        for (seat, key, place) in if newly.is_empty() { Vec::new() } else { waiting } {
            let Some(Recalled { transaction, .. }) = self.recall(key, seat, place)? else { continue };
            let project = transaction.opening.content.project;
            if newly.contains(&project) {
                let id = &transaction.opening.id;
                let reason = format!("cannot hold {project}: transaction {id:?} of the customer is reserved there");
                return Err(Refusal::NotAllowed { field: "disabled_projects", reason });
            }
        }
        Ok(seen)
    }

    /// Whether a level of this name exists in a direction, configured or made by a request.
    #[must_use]
    pub fn knows_level(&self, merchant: &Merchant, direction: Direction, name: Name) -> bool {
        // The merchant may have been looked at before a level got another name.
        let configured = merchant.levels.iter().any(|level| level.direction == direction && level.name == name)
            && !self.made_levels.is_renamed(merchant.id, direction, name);
        let made = || self.made_levels(merchant.id).iter().any(|level| level.name == name);
        configured || name.as_str() == crate::domain::rules::UNKNOWN_LEVEL || made()
    }

    /// The number of the next customer who is made, or a higher one.
    #[must_use]
    pub fn next_customer(&self) -> u64 {
        self.next_customer.load(Ordering::Relaxed)
    }

    /// The number of a customer who is about to be made.
    pub(super) fn next_number(&self) -> Result<u64, Refusal> {
        let number = self.next_customer.fetch_add(1, Ordering::Relaxed);
        if number > LAST_CUSTOMER {
            self.next_customer.store(LAST_CUSTOMER + 1, Ordering::Relaxed);
            return Err(Refusal::Full(LAST_CUSTOMER));
        }
        Ok(number)
    }

    fn owners(&self, merchant: Name, identifier: Option<&str>, attributes: &Attributes) -> Owners {
        let having =
            |(attribute, value): (Attribute, &str)| (attribute, self.identities.having(merchant, attribute, value));
        Owners {
            identifier: identifier.and_then(|id| self.identities.of_identifier(merchant, id)),
            attributes: attributes.iter().map(having).collect(),
        }
    }

    /// Changes a customer by what `make` says must happen, looking at the customer as it stands; nothing happens where it
    /// says nothing. `offered` are the attributes that may be set by it. Returns the record that it rests on.
    ///
    /// # Errors
    /// Those of `make`; the customer is not known to the merchant.
    pub fn change(
        &self,
        merchant: Name,
        customer_id: &str,
        hand: (Author, Millis),
        offered: &Attributes,
        make: &mut Make<'_>,
    ) -> Result<Lsn, Refusal> {
        self.change_knowing(merchant, customer_id, hand, (None, offered), &mut |customer, _, now| make(customer, now))
    }

    fn change_knowing(
        &self,
        merchant: Name,
        customer_id: &str,
        (author, now): (Author, Millis),
        (identifier, offered): (Option<&str>, &Attributes),
        make: &mut MakeKnowing<'_>,
    ) -> Result<Lsn, Refusal> {
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        loop {
            // Whoever is part of another by now is changed there.
            let number = self.identities.leads.of(number);
            // Stripes come before customers, and which ones depends on what the customer has now.
            let held = {
                let shard = self.customers.lock(number);
                let customer = shard.get(&number).filter(|customer| customer.merchant == merchant);
                customer.ok_or_else(unknown)?.attributes.clone()
            };
            let mut digests = self.identities.of_all(merchant, identifier, offered);
            digests.extend(self.identities.of_all(merchant, None, &held));
            let _alone = self.identity_stripes.lock_all(digests.into_iter());
            let owners = self.owners(merchant, identifier, offered);
            let mut shard = self.customers.lock(number);
            let customer = shard.get_mut(&number).ok_or_else(unknown)?;
            if customer.attributes != held || customer.merged_into().is_some() {
                continue;
            }
            let now = self.settle(customer, now);
            let mut events = make(customer, &owners, now)?;
            self.hold_stored(customer, &mut events, now);
            if events.is_empty() {
                return Ok(self.journal.last());
            }
            let recorded = self.record(customer, 0, (author, now), &events);
            self.identities.replace_attributes(merchant, number, &held, &customer.attributes);
            self.identities.insert_all(self.identities.of_identifiers(customer), number);
            return Ok(Lsn(recorded.number));
        }
    }

    /// Looks at a customer as of now.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub fn look<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        look: impl FnOnce(&Customer, Millis) -> T,
    ) -> Result<T, Refusal> {
        self.look_whole(merchant, customer_id, now, |whole, now| look(whole.customer, now))
    }

    /// The same, with the usage of all who were merged into the customer.
    ///
    /// # Errors
    /// The customer is not known to the merchant.
    pub fn look_whole<T>(
        &self,
        merchant: &str,
        customer_id: &str,
        now: Millis,
        look: impl FnOnce(Whole<'_>, Millis) -> T,
    ) -> Result<T, Refusal> {
        self.with_household(merchant, customer_id, |household| {
            let now = self.settle_all(household, now);
            let (others, customer) = (household.others(), &*household.head);
            look(Whole { customer, books: Books::new(&customer.books, &others) }, now)
        })
    }

    /// Whether payments by an instrument are blocked.
    #[must_use]
    pub fn blocks(&self, instrument: &str) -> bool {
        self.blocked_instruments.contains(instrument)
    }
}

/// What is said but for identifiers that are somebody else's.
fn without(said: Cow<'_, Said>, left_out: Identifiers) -> Cow<'_, Said> {
    if left_out == Identifiers::default() {
        return said;
    }
    let mut said = said.into_owned();
    said.attributes.retain(|(attribute, _)| identifier_of(*attribute).is_none_or(|id| !left_out.contains(id)));
    Cow::Owned(said)
}

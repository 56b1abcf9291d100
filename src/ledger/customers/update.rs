//! Customers as a gateway's staff know them: registered, looked at, changed.

use crate::ledger::{
    LAST_CUSTOMER, Ledger,
    customers::register::Owners,
    payments::record::Recalled,
    state::{
        index::{TransactionSlot, number_of},
        merge_group::Whole,
    },
};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent, Make},
            attributes::Attributes,
            profile::Author,
            update::{CustomerUpdate, UpdateContext},
        },
        decision::refusal::Refusal,
        rules::configuration::{Direction, Merchant},
        transaction::record::Status,
        usage::limits::UsageSeriesSet,
        vocabulary::{names::Name, time::Millis},
    },
    storage::journal::Lsn,
};
use std::sync::atomic::Ordering;

/// [`Make`], knowing who has the attributes that are said.
pub(in crate::ledger) type MakeKnowing<'m> =
    dyn FnMut(&Customer, &Owners, Millis) -> Result<Vec<CustomerEvent>, Refusal> + 'm;

/// What is otherwise once a transaction of a customer is opened, or somebody is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    number: u64,
    next_slot: u32,
    merged: usize,
}

impl Seen {
    fn of(customer: &Customer) -> Self {
        Self { number: customer.number(), next_slot: customer.summaries().next_slot(), merged: customer.merged().len() }
    }
}

impl Ledger {
    /// Changes a customer as staff say; nothing happens where all of it is so already, or where it is only tried. Returns
    /// whether anything changes, and the record that it rests on.
    ///
    /// # Errors
    /// The customer is not known to the merchant; what is said cannot be.
    pub fn amend(
        &self,
        merchant: &Merchant,
        customer_id: &str,
        said: &CustomerUpdate,
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
                    let holder = |attribute| owners.of(attribute, Some(customer.number()));
                    let context = UpdateContext { merchant, knows_level: &knows_level, holder: &holder, now };
                    let events = said.events(customer, &context, false)?;
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
        let (seen, newly, waiting) = self.with_household(merchant.as_str(), customer_id, |merge_group| {
            let now = self.settle_all(merge_group, now);
            let customer = &*merge_group.head;
            let newly: Vec<Name> =
                projects.iter().copied().filter(|project| !customer.is_switched_off(*project)).collect();
            let reserved = |member: &Customer| {
                let waiting =
                    member.summaries().starting_at(0).filter(|(_, summary)| summary.status(now) == Status::Reserved);
                let transaction_slot = |slot| TransactionSlot { customer: member.number(), slot };
                waiting.map(|(slot, summary)| (transaction_slot(slot), summary.key, summary.place)).collect::<Vec<_>>()
            };
            let waiting: Vec<_> = merge_group.members().flat_map(reserved).collect();
            (Seen::of(customer), newly, waiting)
        })?;
        for (transaction_slot, key, place) in if newly.is_empty() { Vec::new() } else { waiting } {
            let Some(Recalled { transaction, .. }) = self.recall(key, transaction_slot, place)? else { continue };
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
        configured || name.as_str() == crate::domain::rules::configuration::UNKNOWN_LEVEL || made()
    }

    /// The number of the next customer who is made, or a higher one.
    #[must_use]
    pub fn next_customer(&self) -> u64 {
        self.next_customer.load(Ordering::Relaxed)
    }

    /// The number of a customer who is about to be made.
    pub(in crate::ledger) fn next_number(&self) -> Result<u64, Refusal> {
        let number = self.next_customer.fetch_add(1, Ordering::Relaxed);
        if number > LAST_CUSTOMER {
            self.next_customer.store(LAST_CUSTOMER + 1, Ordering::Relaxed);
            return Err(Refusal::Full(LAST_CUSTOMER));
        }
        Ok(number)
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

    pub(in crate::ledger) fn change_knowing(
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
        self.with_household(merchant, customer_id, |merge_group| {
            let now = self.settle_all(merge_group, now);
            let rests_on = self.rests_on(merge_group);
            let (others, customer) = (merge_group.others(), &*merge_group.head);
            look(Whole { customer, books: UsageSeriesSet::new(customer.books(), &others), rests_on }, now)
        })
    }
}

//! Changes of customers.

use crate::ledger::{
    customers::registration::IdentifierOwners,
    index::{customer_numbers::number_of, transaction_index::TransactionSlot},
    payments::record::{Actor, RecordEvents},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, customer::DecideEvents},
            update::{CustomerUpdate, UpdateContext},
            updated_fields::UpdatedFields,
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::merchant::Merchant,
        transaction::{log_offset::LogOffset, status::Status, summary::TransactionSummary},
        vocabulary::{attributes::Attributes, names::Name, time::Millis},
    },
    storage::journal::Lsn,
};

/// A customer as a caller names it.
#[derive(Debug, Clone, Copy)]
pub struct CustomerRef<'a> {
    /// The customer must be this merchant's.
    pub merchant: Name,
    /// The `customer_id`.
    pub customer_id: &'a str,
}

/// A change of a customer by back-office staff, the API or an import.
#[derive(Debug, Clone, Copy)]
pub struct Amendment<'a> {
    /// The customer's merchant.
    pub merchant: &'a Merchant,
    /// The `customer_id`.
    pub customer_id: &'a str,
    /// What changes.
    pub update: &'a CustomerUpdate,
    /// Who changes it.
    pub actor: Actor,
    /// A dry run: nothing is recorded.
    pub is_trial: bool,
}

/// The identifiers that a change may set.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct OfferedIdentities<'a> {
    pub(in crate::ledger) identifier: Option<&'a str>,
    pub(in crate::ledger) attributes: &'a Attributes,
}

/// [`DecideEvents`] with the current owners of the offered identifiers.
pub(in crate::ledger) type MakeWithOwners<'m> =
    dyn FnMut(&Customer, &IdentifierOwners, Millis) -> Result<Vec<CustomerEvent>, Refusal> + 'm;

/// Changes whenever a transaction is opened for a customer or a customer is merged into it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TransactionsVersion {
    number: u64,
    next_slot: u32,
    merged: usize,
}

impl TransactionsVersion {
    fn of(customer: &Customer) -> Self {
        Self { number: customer.number(), next_slot: customer.summaries().next_slot(), merged: customer.merged().len() }
    }
}

/// A reserved transaction in memory.
struct ReservedTransaction {
    key: u64,
    slot: TransactionSlot,
    last_record: LogOffset,
}

impl Ledger {
    /// Changes a customer. An update to the current values is a no-op. Returns the fields that change, and the LSN that the
    /// result depends on.
    ///
    /// # Errors
    /// The merchant has no such customer; the update is not allowed.
    pub fn amend(&self, amendment: &Amendment<'_>) -> Result<(UpdatedFields, Lsn), Refusal> {
        let Amendment { merchant, customer_id, update, actor, is_trial } = *amendment;
        let customer = CustomerRef { merchant: merchant.id, customer_id };
        let attributes = update.offered_attributes(merchant);
        let offered = OfferedIdentities { identifier: None, attributes: &attributes };
        let mut fields = UpdatedFields::default();
        loop {
            // Facts are read before the customer is locked. A transaction that is opened in between is read by a retry.
            let disabled_projects = update.disabled_projects.as_ref();
            let version = disabled_projects.map(|projects| self.check_none_reserved(customer, projects, actor.now));
            let version = version.transpose()?;
            let mut is_stale = false;
            let lsn = self.change_with_owners(customer, actor, offered, &mut |customer, owners, now| {
                is_stale = version.is_some_and(|version| version != TransactionsVersion::of(customer));
                if is_stale {
                    return Ok(Vec::new());
                }
                let knows_level = |direction, name| self.knows_level(merchant, direction, name);
                let holder = |attribute| owners.of(attribute, Some(customer.number()));
                let level_list = |direction, sent: &str| self.level_list(merchant, (direction, None), sent);
                let context = UpdateContext {
                    merchant,
                    knows_level: &knows_level,
                    level_list: &level_list,
                    holder: &holder,
                    now,
                };
                let events = update.events(customer, &context, false)?;
                fields = UpdatedFields::of(&events, customer);
                Ok(if is_trial { Vec::new() } else { events })
            })?;
            if !is_stale {
                return Ok((fields, lsn));
            }
        }
    }

    /// Refuses where the customer has a reserved transaction in a project that is about to be switched off. Returns the
    /// version of the customer's transactions that was checked.
    fn check_none_reserved(
        &self,
        customer: CustomerRef<'_>,
        projects: &[Name],
        now: Millis,
    ) -> Result<TransactionsVersion, Refusal> {
        let CustomerRef { merchant, customer_id } = customer;
        let (version, projects, reserved) =
            self.with_current_customer(merchant.as_str(), customer_id, |merge_group| {
                let now = self.settle_group(merge_group, now);
                let customer = &*merge_group.head;
                let projects: Vec<Name> =
                    projects.iter().copied().filter(|project| !customer.is_project_disabled(*project)).collect();
                let reserved_of = |member: &Customer| {
                    let reserved = member
                        .summaries()
                        .starting_at(0)
                        .filter(|(_, summary)| summary.status(now) == Status::Reserved);
                    let customer = member.number();
                    let transaction = |(slot, summary): (u32, TransactionSummary)| {
                        let slot = TransactionSlot { customer, slot };
                        ReservedTransaction { key: summary.key, slot, last_record: summary.offset }
                    };
                    reserved.map(transaction).collect::<Vec<_>>()
                };
                let reserved: Vec<_> = merge_group.members().flat_map(reserved_of).collect();
                (TransactionsVersion::of(customer), projects, reserved)
            })?;
        for ReservedTransaction { key, slot, last_record } in if projects.is_empty() { Vec::new() } else { reserved } {
            let Some(loaded) = self.load_transaction(key, slot, last_record)? else { continue };
            let opening = &loaded.transaction.opening;
            let project = opening.content.project;
            if projects.contains(&project) {
                let id = &opening.id;
                let reason = format!("cannot contain {project}: transaction {id:?} of the customer is reserved there");
                return Err(Refusal::NotAllowed { field: "disabled_projects", reason });
            }
        }
        Ok(version)
    }

    /// Changes a customer by the events that `make` returns for its current state. Without events nothing is recorded.
    /// `offered` are the attributes that the events may set. Returns the LSN that the result depends on.
    ///
    /// # Errors
    /// The errors of `make`; the merchant has no such customer.
    pub fn change(
        &self,
        customer: CustomerRef<'_>,
        actor: Actor,
        offered: &Attributes,
        make: &mut DecideEvents<'_>,
    ) -> Result<Lsn, Refusal> {
        let offered = OfferedIdentities { identifier: None, attributes: offered };
        self.change_with_owners(customer, actor, offered, &mut |customer, _, now| make(customer, now))
    }

    /// [`Ledger::change`] with the current owners of the offered identifiers. The stripes of all identifiers are held, so
    /// that the owners do not change.
    pub(in crate::ledger) fn change_with_owners(
        &self,
        customer: CustomerRef<'_>,
        actor: Actor,
        offered: OfferedIdentities<'_>,
        make: &mut MakeWithOwners<'_>,
    ) -> Result<Lsn, Refusal> {
        let CustomerRef { merchant, customer_id } = customer;
        let OfferedIdentities { identifier, attributes } = offered;
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        self.retry_on_current(number_of(customer_id).ok_or_else(unknown)?, |number| {
            // Stripes are locked before customers, and the current attributes decide which stripes.
            let old = {
                let shard = self.customers.lock(number);
                let customer = shard.get(number).filter(|customer| customer.merchant == merchant);
                customer.ok_or_else(unknown)?.attributes.clone()
            };
            let mut digests = self.identities.of_identities(merchant, identifier, attributes);
            digests.extend(self.identities.of_identities(merchant, None, &old));
            let _stripes = self.identity_stripes.lock_all(digests.into_iter());
            let owners = self.owners(merchant, identifier, attributes);
            let mut shard = self.customers.lock(number);
            let customer = shard.get_mut(number).ok_or_else(unknown)?;
            if customer.attributes != old || customer.merged_into().is_some() {
                return Ok(None);
            }
            let now = self.settle(customer, actor.now);
            let mut events = make(customer, &owners, now)?;
            self.add_instrument_effects(customer, &mut events, now);
            if events.is_empty() {
                return Ok(Some(self.journal.last()));
            }
            let events = RecordEvents { after: &events, ..RecordEvents::default() };
            let recorded = self.record(customer, Actor { now, ..actor }, events);
            self.identities.replace_attributes(merchant, number, &old, &customer.attributes);
            self.identities.insert_all(self.identities.of_other_identifiers(customer), number);
            Ok(Some(Lsn(recorded.number)))
        })
    }
}

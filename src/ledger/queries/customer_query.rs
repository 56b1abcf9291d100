//! Queries for customers, and which customers match them.

use crate::domain::{
    customer::aggregate::Customer,
    vocabulary::{
        attributes::{Attribute, Attributes},
        calendar::LocalTime,
        names::Name,
        text::prefix::TextPrefix,
        time::Millis,
    },
};
use crate::ledger::{
    index::{
        customer_numbers::{number_of, to_u32},
        identity_index::IdentityIndex,
        search_index::{SearchKey, SearchKeys},
    },
    state::{ledger::Ledger, merge_group::MergeGroup},
};
use roaring::RoaringBitmap;
use std::borrow::Cow;

/// A query for customers. A customer matches all filters.
#[derive(Debug, Clone, Default)]
pub struct CustomerQuery {
    /// Customers with one of these values, for each of them.
    pub any_of: Vec<AnyOf>,
    /// Customers whose name begins so, or continues so after one of its words.
    pub name: Option<TextPrefix>,
    /// Customers whose e-mail address begins so.
    pub email: Option<TextPrefix>,
    /// Customers with these levels, this status and these labels.
    pub keys: Vec<SearchKey>,
    /// Created at this time or later.
    pub created_from: Option<Millis>,
    /// Created before this time.
    pub created_to: Option<Millis>,
    /// The order of the pages.
    pub sort: CustomerSort,
    /// The reverse order.
    pub descending: bool,
    /// After this position, in the order of the page.
    pub after: Option<CustomerPosition>,
    /// The most customers of a page.
    pub limit: usize,
}

/// Values by which customers are found. One of them must match.
#[derive(Debug, Clone)]
pub struct AnyOf {
    /// The kind of the values.
    pub by: CustomerCriterion,
    /// The values, compared in their normal form.
    pub values: Vec<String>,
}

/// The kind of a value by which customers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerCriterion {
    /// The `customer_id`.
    CustomerId,
    /// An identifier that leads to the customer.
    Identifier,
    /// An attribute.
    Attribute(Attribute),
    /// A payment instrument that the customer holds or has as an attribute.
    Instrument,
}

/// The order of customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CustomerSort {
    /// By number: in the order in which they were recorded.
    #[default]
    Number,
    /// By the time of their creation, which an import or a registration may place in the past.
    Created,
    /// By the time of their latest transaction; those without one are last.
    LastPayment,
}

/// The position of a customer in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerPosition {
    /// The number of the customer.
    pub number: u64,
    /// When it was created or last paid, where the order is by that.
    pub at: Option<Millis>,
}

impl CustomerQuery {
    /// The sets of customers that its values lead to. They contain merged customers' targets, and other merchants' holders
    /// of an instrument. Reading none of them takes the same time however many there are.
    pub(in crate::ledger) fn sets(&self, ledger: &Ledger, merchant: Name) -> Vec<RoaringBitmap> {
        let identities = &ledger.identities;
        let set_of = |any: &AnyOf| {
            let mut set = RoaringBitmap::new();
            for value in &any.values {
                match any.by {
                    CustomerCriterion::CustomerId => {
                        let current = number_of(value).map(|number| identities.merge_targets.current(number));
                        set.extend(current.map(to_u32));
                    }
                    CustomerCriterion::Identifier => {
                        set.extend(identities.customer_with_identifier(merchant, value).map(to_u32));
                    }
                    CustomerCriterion::Attribute(attribute) => set |= identities.all_with(merchant, attribute, value),
                    CustomerCriterion::Instrument => {
                        set |= identities.merge_targets.all_current(ledger.holders_of(value));
                        set |= identities.all_with(merchant, Attribute::PaymentInstrument, value);
                    }
                }
            }
            set
        };
        self.any_of.iter().map(set_of).collect()
    }

    /// Whether no index answers one of the filters.
    pub(in crate::ledger) fn is_scan(&self) -> bool {
        self.name.is_some() || self.email.is_some()
    }

    /// The cursor of a page in the order of numbers.
    pub(in crate::ledger) fn after_number(&self) -> Option<u32> {
        self.after.map(|after| to_u32(after.number))
    }
}

/// A query with its values in their normal form, so that they are read once for all customers.
pub(in crate::ledger) struct CustomerMatcher<'q> {
    query: &'q CustomerQuery,
    merchant: Name,
    /// The time of the query in the time zone of the merchant.
    local: LocalTime<'q>,
    identities: &'q IdentityIndex,
    normalised: Vec<Vec<Cow<'q, str>>>,
}

impl<'q> CustomerMatcher<'q> {
    pub(in crate::ledger) fn new(
        query: &'q CustomerQuery,
        merchant: Name,
        local: LocalTime<'q>,
        identities: &'q IdentityIndex,
    ) -> Self {
        let normalised = |any: &'q AnyOf| {
            let normalised = |value: &'q String| match any.by {
                CustomerCriterion::Attribute(attribute) => identities.normalised(merchant, attribute, value),
                CustomerCriterion::CustomerId | CustomerCriterion::Identifier | CustomerCriterion::Instrument => {
                    Cow::Borrowed(value.trim())
                }
            };
            any.values.iter().map(normalised).collect()
        };
        Self { query, merchant, local, identities, normalised: query.any_of.iter().map(normalised).collect() }
    }

    /// Whether a customer matches, with what was merged into it.
    pub(in crate::ledger) fn matches(&self, merge_group: &MergeGroup<'_>) -> bool {
        let (customer, query) = (&*merge_group.head, self.query);
        // The document of the customer is shown as of this time.
        let now = merge_group.members().map(|member| member.settled_at()).fold(self.local.now, Millis::max);
        let has_keys = || {
            let (keys, month) = (SearchKeys::of(customer), LocalTime { now, ..self.local }.month());
            query.keys.iter().all(|key| keys.contains(*key, month))
        };
        let begins = |prefix: &Option<TextPrefix>, begins: fn(&TextPrefix, &Attributes) -> bool| {
            let Some(prefix) = prefix else { return true };
            merge_group.members().any(|member| begins(prefix, &member.attributes))
        };
        customer.merchant == self.merchant
            && query.created_from.is_none_or(|from| customer.created >= from)
            && query.created_to.is_none_or(|to| customer.created < to)
            && (query.keys.is_empty() || has_keys())
            && query.any_of.iter().zip(&self.normalised).all(|(any, values)| self.has_one(merge_group, any.by, values))
            && begins(&query.name, TextPrefix::begins_name)
            && begins(&query.email, TextPrefix::begins_email)
    }

    /// Whether a customer or one merged into it has one of the values.
    fn has_one(&self, merge_group: &MergeGroup<'_>, by: CustomerCriterion, values: &[Cow<'_, str>]) -> bool {
        let mut members = merge_group.members();
        let holds = |member: &Customer, value: &str| {
            member.has_instrument(value)
                || member.attributes.value(Attribute::PaymentInstrument).is_some_and(|own| own.trim() == value)
        };
        match by {
            CustomerCriterion::CustomerId => {
                let numbers: Vec<u64> = values.iter().filter_map(|value| number_of(value)).collect();
                members.any(|member| numbers.contains(&member.number()))
            }
            CustomerCriterion::Identifier => {
                let has = |value: &Cow<'_, str>| self.identities.has_identifier(merge_group.head, value);
                values.iter().any(has)
            }
            CustomerCriterion::Attribute(attribute) => {
                let own = members.filter_map(|member| member.attributes.value(attribute));
                let mut own = own.map(|own| self.identities.normalised(self.merchant, attribute, own));
                own.any(|own| values.contains(&own))
            }
            CustomerCriterion::Instrument => members.any(|member| values.iter().any(|value| holds(member, value))),
        }
    }
}

//! The search for customers: the query of a customer list, or the filters of a bulk change.

use crate::{
    domain::{
        customer::{status::CustomerStatus, update::identifier_of},
        request::{
            fields::{check_no_control, parse_time, parse_word},
            identifier_text::is_identifier,
        },
        rules::merchant::Merchant,
        vocabulary::{attributes::Attribute, direction::Direction, names::Name, words::Word},
    },
    ledger::{CustomerQuery, SearchKey},
    service::{
        documents::query::{cursor, page_limit, unique_pairs},
        error::ServiceError,
    },
};
use std::borrow::Cow;

/// The keys of a customer list.
pub(crate) const SEARCH_KEYS: [&str; 14] = [
    "customer_id",
    "merchant_customer_identifier",
    "deposit_level",
    "withdrawal_level",
    "email",
    "phone",
    "external_id",
    "status",
    "label",
    "created_from",
    "created_to",
    "sort",
    "limit",
    "cursor",
];

/// The search that pairs of a key and a text describe; `None`: no customer can match.
pub(crate) fn customer_search<'p>(
    pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    merchant: &Merchant,
) -> Result<Option<CustomerQuery>, ServiceError> {
    let mut find = CustomerQuery { limit: 100, ..CustomerQuery::default() };
    let mut is_unmatchable = false;
    for (field, value) in unique_pairs(pairs, &SEARCH_KEYS)? {
        // No customer has a name that was never recorded, and a search does not record it.
        let mut mark = |of: fn(Name) -> SearchKey| match Name::existing(&value) {
            Some(name) => find.keys.push(of(name)),
            None => is_unmatchable = true,
        };
        match field {
            // No customer has a blank identifier.
            "customer_id" => {
                check_no_control(field, value.trim())?;
                find.customer_id = Some(value.trim().to_owned());
            }
            "merchant_customer_identifier" => {
                check_no_control(field, value.trim())?;
                is_unmatchable |= value.trim().is_empty();
                find.identifier = Some(value.trim().to_owned());
            }
            "deposit_level" if value.is_empty() => find.keys.push(SearchKey::Level(Direction::Deposit, None)),
            "withdrawal_level" if value.is_empty() => find.keys.push(SearchKey::Level(Direction::Withdrawal, None)),
            "deposit_level" => mark(|name| SearchKey::Level(Direction::Deposit, Some(name))),
            "withdrawal_level" => mark(|name| SearchKey::Level(Direction::Withdrawal, Some(name))),
            "label" => mark(SearchKey::Label),
            "status" => find.keys.push(SearchKey::Status(parse_word::<CustomerStatus>("status", &value)?)),
            "created_from" => find.created_from = parse_time("created_from", Some(&value))?,
            "created_to" => find.created_to = parse_time("created_to", Some(&value))?,
            "sort" => {
                find.descending = match value.as_str() {
                    "customer_id" => false,
                    "-customer_id" => true,
                    _ => {
                        let expected = "is customer_id (the oldest first) or -customer_id";
                        return Err(ServiceError::unknown_value("sort", expected));
                    }
                }
            }
            "limit" => find.limit = page_limit(&value)?,
            "cursor" => find.after = Some(cursor(&value, |text| text.parse().ok())?),
            _ => {
                if let Some(attribute) = Attribute::parse(field) {
                    if is_identifier(attribute) {
                        check_no_control(field, value.trim())?;
                    }
                    find.attributes.set(attribute, &merchant.registration.normalised(attribute, &value));
                    is_unmatchable |= value.trim().is_empty();
                }
            }
        }
    }
    Ok((!is_unmatchable).then_some(find))
}

/// Whether a search names one customer by an identifier.
pub(crate) fn names_one(find: &CustomerQuery) -> bool {
    find.customer_id.is_some()
        || find.identifier.is_some()
        || find.attributes.iter().any(|(attribute, _)| is_identifier(attribute) || identifier_of(attribute).is_some())
}

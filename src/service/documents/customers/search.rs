//! The search for customers: the query of a customer list, or the filters of a bulk change.

use crate::{
    domain::{
        customer::status::CustomerStatus,
        request::{
            fields::{check_no_control, parse_word},
            identifier_text::is_identifier,
            refusal::Refusal,
        },
        rules::merchant::Merchant,
        vocabulary::{
            attributes::Attribute,
            contact::email,
            direction::Direction,
            names::Name,
            text::{
                prefix::{PREFIX_CHARS_MIN, TextPrefix},
                suggest::did_you_mean,
            },
            time::Millis,
            words::Word,
        },
    },
    ledger::{AnyOf, CustomerCriterion, CustomerPosition, CustomerQuery, CustomerSort, SearchKey},
    service::{
        documents::query::{TakenKeys, cursor, from_time, page_limit, to_time},
        error::ServiceError,
    },
};
use std::borrow::Cow;

/// The keys of a customer list.
pub(crate) const SEARCH_KEYS: TakenKeys = TakenKeys {
    keys: &[
        "customer_id",
        "merchant_customer_identifier",
        "external_id",
        "payment_instrument",
        "email",
        "phone",
        "name",
        "deposit_level",
        "withdrawal_level",
        "status",
        "label",
        "created_from",
        "created_to",
        "sort",
        "limit",
        "cursor",
    ],
    repeatable: &["customer_id", "merchant_customer_identifier", "external_id", "payment_instrument"],
};

/// The most values of the keys that may come several times.
const VALUES_MAX: usize = 1_000;

/// The search that pairs of a key and a text describe; `None`: no customer can match.
pub(crate) fn customer_search<'p>(
    pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    merchant: &Merchant,
) -> Result<Option<CustomerQuery>, ServiceError> {
    let mut find = CustomerQuery { limit: 100, ..CustomerQuery::default() };
    let (mut is_unmatchable, mut after) = (false, None);
    let calendar = Some(&merchant.calendar);
    for (field, value) in SEARCH_KEYS.read(pairs)? {
        // No customer has a name that was never recorded, and a search does not record it.
        let mut mark = |of: fn(Name) -> SearchKey| match Name::existing(&value) {
            Some(name) => find.keys.push(of(name)),
            None => is_unmatchable = true,
        };
        match field {
            "customer_id" => add_value(&mut find, field, CustomerCriterion::CustomerId, &value)?,
            "merchant_customer_identifier" => add_value(&mut find, field, CustomerCriterion::Identifier, &value)?,
            "payment_instrument" => add_value(&mut find, field, CustomerCriterion::Instrument, &value)?,
            "email" if !value.trim().is_empty() && !is_whole_address(&value) => {
                find.email = Some(prefix("email", "an e-mail address", &value)?);
            }
            "name" if !value.trim().is_empty() => find.name = Some(prefix("name", "a name", &value)?),
            "name" => is_unmatchable = true,
            "deposit_level" if value.is_empty() => find.keys.push(SearchKey::Level(Direction::Deposit, None)),
            "withdrawal_level" if value.is_empty() => find.keys.push(SearchKey::Level(Direction::Withdrawal, None)),
            "deposit_level" => mark(|name| SearchKey::Level(Direction::Deposit, Some(name))),
            "withdrawal_level" => mark(|name| SearchKey::Level(Direction::Withdrawal, Some(name))),
            "label" => mark(SearchKey::Label),
            "status" => find.keys.push(SearchKey::Status(parse_word::<CustomerStatus>("status", &value)?)),
            "created_from" => find.created_from = Some(from_time("created_from", &value, calendar)?),
            "created_to" => find.created_to = Some(to_time("created_to", &value, calendar)?),
            "sort" => (find.sort, find.descending) = parse_sort(&value)?,
            "limit" => find.limit = page_limit(&value)?,
            "cursor" => after = Some(value),
            _ => {
                if let Some(attribute) = Attribute::parse(field) {
                    let value = with_plus(attribute, &value);
                    let value = merchant.registration.normalised(attribute, &value).into_owned();
                    add_value(&mut find, field, CustomerCriterion::Attribute(attribute), &value)?;
                }
            }
        }
    }
    if let Some(after) = after {
        find.after = Some(cursor(&after, |text| parse_position(find.sort, text))?);
    }
    // No customer has a blank identifier or attribute.
    is_unmatchable |= find.any_of.iter().any(|any| any.values.is_empty());
    Ok((!is_unmatchable).then_some(find))
}

/// A phone number as meant: a plus that a query does not escape arrives as a space.
fn with_plus(attribute: Attribute, value: &str) -> Cow<'_, str> {
    match value.strip_prefix(' ') {
        Some(rest) if attribute == Attribute::Phone && rest.starts_with(|c: char| c.is_ascii_digit()) => {
            Cow::Owned(format!("+{rest}"))
        }
        _ => Cow::Borrowed(value),
    }
}

/// Adds a value to those of which a customer has one. A blank one is none.
fn add_value(
    find: &mut CustomerQuery,
    field: &'static str,
    by: CustomerCriterion,
    value: &str,
) -> Result<(), ServiceError> {
    let value = value.trim();
    if !matches!(by, CustomerCriterion::Attribute(attribute) if !is_identifier(attribute)) {
        check_no_control(field, value)?;
    }
    let known = find.any_of.iter().position(|any| any.by == by);
    let index = known.unwrap_or_else(|| {
        find.any_of.push(AnyOf { by, values: Vec::new() });
        find.any_of.len() - 1
    });
    if !value.is_empty() {
        find.any_of[index].values.push(value.to_owned());
    }
    match find.any_of.iter().map(|any| any.values.len()).sum::<usize>() > VALUES_MAX {
        true => Err(Refusal::TooMany { field, most: VALUES_MAX }.into()),
        false => Ok(()),
    }
}

/// Whether the value of `email` is compared as a whole. Any other text is the beginning of an address, also a whole address
/// with a star at its end.
fn is_whole_address(value: &str) -> bool {
    !value.trim().ends_with('*') && email::is_address(value)
}

fn prefix(field: &str, what: &str, value: &str) -> Result<TextPrefix, ServiceError> {
    TextPrefix::parse(value).ok_or_else(|| {
        ServiceError::unknown_value(
            field,
            &format!("is the beginning of {what}, of at least {PREFIX_CHARS_MIN} characters"),
        )
    })
}

/// The order, and whether it is reversed.
fn parse_sort(value: &str) -> Result<(CustomerSort, bool), ServiceError> {
    let (word, descending) = value.strip_prefix('-').map_or((value, false), |word| (word, true));
    let sort = match word {
        "customer_id" => CustomerSort::Number,
        "created_at" => CustomerSort::Created,
        "last_payment" => CustomerSort::LastPayment,
        _ => {
            let near = did_you_mean(word, ["customer_id", "created_at", "last_payment"]);
            let expected =
                "is customer_id, created_at or last_payment (the oldest first), or one of them after a minus sign";
            return Err(ServiceError::unknown_value("sort", &format!("{expected}{near}")));
        }
    };
    Ok((sort, descending))
}

/// A position as [`position_text`] writes it.
fn parse_position(sort: CustomerSort, text: &str) -> Option<CustomerPosition> {
    if sort == CustomerSort::Number {
        return Some(CustomerPosition { number: text.parse().ok()?, at: None });
    }
    let (number, at) = text.split_once('_')?;
    let at = match at {
        "" if sort == CustomerSort::LastPayment => None,
        at => Some(Millis(at.parse().ok()?)),
    };
    Some(CustomerPosition { number: number.parse().ok()?, at })
}

/// The cursor of a position in an order.
pub(crate) fn position_text(sort: CustomerSort, position: CustomerPosition) -> String {
    let CustomerPosition { number, at } = position;
    match sort {
        CustomerSort::Number => number.to_string(),
        CustomerSort::Created | CustomerSort::LastPayment => {
            format!("{number}_{}", at.map(|at| at.0.to_string()).unwrap_or_default())
        }
    }
}

/// Whether a search names one customer by an identifier, a whole e-mail address or a phone number.
pub(crate) fn names_one_customer(find: &CustomerQuery) -> bool {
    find.any_of.iter().any(|any| any.by != CustomerCriterion::Instrument && any.values.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_of_a_position_is_read_as_the_position() {
        use CustomerSort::{Created, LastPayment, Number};
        let position = |number, at: Option<i64>| CustomerPosition { number, at: at.map(Millis) };
        for (sort, position) in [
            (Number, position(1_000_001, None)),
            (Created, position(1_000_001, Some(-5))),
            (Created, position(u64::MAX, Some(i64::MAX))),
            (LastPayment, position(1_000_001, Some(0))),
            (LastPayment, position(1_000_001, None)),
        ] {
            assert_eq!(parse_position(sort, &position_text(sort, position)), Some(position));
        }
        for (sort, bad) in
            [(Number, "1_2"), (Number, "x"), (Created, "1"), (Created, "1_"), (LastPayment, "_1"), (LastPayment, "1_x")]
        {
            assert_eq!(parse_position(sort, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_text_of_email_is_a_whole_address_or_a_beginning() {
        for (text, want) in [
            ("alice@example.com", true),
            (" Alice@Example.com. ", true),
            ("alice@example.com*", false),
            ("alice@example", false),
            ("alice@", false),
            ("ali", false),
        ] {
            assert_eq!(is_whole_address(text), want, "{text}");
        }
    }
}

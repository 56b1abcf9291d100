//! The filters of the list of customers: a form that adds them, and a chip with a link that removes it for each.
//!
//! A filter is a pair of the address. An empty field of a form is no filter, so customers without a level have a key of
//! their own.

use crate::{
    console::{
        document::spaced,
        links::query_text,
        parts::{choice, text_field},
    },
    domain::{
        customer::status::CustomerStatus,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::BTreeSet};

/// The text filters: the key of the service, the label, a hint, and whether it can have several values.
const TEXT_FILTERS: [(&str, &str, &str, bool); 7] = [
    ("customer_id", "Customer id", "1000001", true),
    ("merchant_customer_identifier", "Merchant's identifier", "", true),
    ("email", "E-mail", "whole, or its beginning", false),
    ("phone", "Phone", "", false),
    ("name", "Name", "its beginning", false),
    ("external_id", "External id", "", true),
    ("payment_instrument", "Payment instrument", "the token", true),
];
/// The key of the console for customers without a level of a direction, and the key of the service.
const WITHOUT_LEVEL: [(&str, &str, &str); 2] = [
    ("deposit", "deposit_level", "without a deposit level"),
    ("withdrawal", "withdrawal_level", "without a withdrawal level"),
];
const WITHOUT_LEVEL_KEY: &str = "no_level";
/// The orders of the list.
const SORTS: [(&str, &str); 5] = [
    ("customer_id", "oldest number first"),
    ("-customer_id", "newest number first"),
    ("created_at", "oldest first"),
    ("-created_at", "newest first"),
    ("-last_payment", "last payment first"),
];
/// Keys of the address that choose no customer.
const VIEW_KEYS: [&str; 6] = ["sort", "cursor", "limit", "column", "columns", "selected"];

/// The pairs of a request.
pub(in crate::console::pages) type Pairs = [(String, String)];

/// The names of the merchant's levels of a direction.
pub(in crate::console::pages) fn level_names(merchant: &Merchant, direction: Direction) -> BTreeSet<&'static str> {
    let levels = merchant.levels.iter().filter(|level| level.direction == direction);
    levels.map(|level| level.name.as_str()).collect()
}

/// The pairs that choose customers, as the address has them.
pub(in crate::console::pages) fn chosen(pairs: &Pairs) -> impl Iterator<Item = (&str, &str)> {
    let chooses = |(key, value): &&(String, String)| !VIEW_KEYS.contains(&key.as_str()) && !value.trim().is_empty();
    pairs.iter().filter(chooses).map(|(key, value)| (key.as_str(), value.trim()))
}

/// The filter of the service that a pair of the address means.
fn of_service<'p>((key, value): (&'p str, &'p str)) -> (&'p str, &'p str) {
    let without = WITHOUT_LEVEL.iter().find(|(direction, ..)| key == WITHOUT_LEVEL_KEY && *direction == value);
    without.map_or((key, value), |(_, key, _)| (*key, ""))
}

/// The filters for the service.
pub(in crate::console::pages) fn filters(pairs: &Pairs) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    chosen(pairs).map(of_service).map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)))
}

/// The filters as the selection of a bulk change; without any it is `all`.
pub(in crate::console::pages) fn selection(pairs: &Pairs) -> Value {
    let mut select: Map<String, Value> = Map::new();
    for (key, value) in chosen(pairs).map(of_service) {
        let is_repeatable = TEXT_FILTERS.iter().any(|(known, _, _, repeats)| *known == key && *repeats);
        match select.get_mut(key).and_then(Value::as_array_mut) {
            Some(values) => values.push(json!(value)),
            None => {
                _ = select.insert(key.to_owned(), if is_repeatable { json!([value]) } else { json!(value) });
            }
        }
    }
    if select.is_empty() { json!({ "all": true }) } else { Value::Object(select) }
}

/// A filter in words.
fn in_words(key: &str, value: &str) -> String {
    if let Some((.., words)) = WITHOUT_LEVEL.iter().find(|(name, ..)| key == WITHOUT_LEVEL_KEY && *name == value) {
        return (*words).to_owned();
    }
    let name = TEXT_FILTERS.iter().find(|(known, ..)| *known == key).map_or_else(|| spaced(key), |f| f.1.to_owned());
    format!("{name}: {}", if key == "status" { spaced(value) } else { value.to_owned() })
}

/// The address of the list with pairs, back on its first page.
fn address(pairs: &Pairs, keeps: impl Fn(usize, &str) -> bool) -> String {
    let kept = pairs.iter().enumerate().filter(|(n, (key, _))| key != "cursor" && keeps(*n, key));
    format!("customers{}", query_text(kept.map(|(_, (key, value))| (key.as_str(), value.as_str()))))
}

/// The filters of the list as chips, each with a link that removes it.
pub(super) fn chips(pairs: &Pairs) -> Markup {
    let filters = pairs
        .iter()
        .enumerate()
        .filter(|(_, (key, value))| !VIEW_KEYS.contains(&key.as_str()) && !value.trim().is_empty());
    let filters: Vec<_> = filters.collect();
    html! {
        @if !filters.is_empty() {
            ul class="chips" aria-label="Filters" {
                @for (place, (key, value)) in &filters {
                    @let words = in_words(key, value.trim());
                    li {
                        a class="chip" href=(address(pairs, |n, _| n != *place)) aria-label={ "Remove the filter " (words) } {
                            (words) " " span aria-hidden="true" { "\u{00d7}" }
                        }
                    }
                }
                @if filters.len() > 1 {
                    li { a href=(address(pairs, |_, key| VIEW_KEYS.contains(&key))) { "Remove all filters" } }
                }
            }
        }
    }
}

/// The form of the filters. A filter with several values adds one to those of the address.
pub(super) fn filter_form(pairs: &Pairs, merchant: &Merchant) -> Markup {
    let value = |wanted: &str| {
        pairs.iter().find(|(key, _)| key == wanted).map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let repeats = |wanted: &str| TEXT_FILTERS.iter().any(|(key, _, _, repeats)| *repeats && *key == wanted);
    let kept = pairs.iter().filter(|(key, value)| (repeats(key) || key == "column") && !value.trim().is_empty());
    let level =
        |key: &str, label: &str, direction| choice(key, label, &value(key), "any", level_names(merchant, direction));
    let sort = value("sort");
    html! {
        form method="get" class="filters" role="search" {
            (crate::console::forms::hidden_fields(kept.map(|(key, value)| (key.as_str(), value.as_str()))))
            @for (key, label, hint, repeats) in TEXT_FILTERS {
                @let shown = if repeats { String::new() } else { value(key) };
                (text_field(key, label, &shown, hint))
            }
            (level("deposit_level", "Deposit level", Direction::Deposit))
            (level("withdrawal_level", "Withdrawal level", Direction::Withdrawal))
            (choice(WITHOUT_LEVEL_KEY, "Without a level", &value(WITHOUT_LEVEL_KEY), "any",
                WITHOUT_LEVEL.iter().map(|(direction, ..)| *direction)))
            (choice("status", "Status", &value("status"), "any", CustomerStatus::WORDS.iter().map(|(word, _)| *word)))
            (choice("label", "Label", &value("label"), "any", merchant.labels.iter().map(|label| label.name.as_str())))
            @for (key, label) in [("created_from", "Created from"), ("created_to", "Created to")] {
                label class="field" { span { (label) } input type="date" name=(key) value=(value(key)); }
            }
            label class="field" { span { "Order" } select name="sort" {
                option value="" { "as found" }
                @for (word, name) in SORTS { option value=(word) selected[word == sort] { (name) } }
            } }
            div class="actions" { button { "Search" } " " a href="customers" { "Clear" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    #[test]
    fn a_selection_has_the_filters_of_the_address() {
        for (query, want) in [
            ("", json!({ "all": true })),
            ("sort=-created_at&column=email&cursor=7&name=+", json!({ "all": true })),
            ("status=new&label=vip", json!({ "status": "new", "label": "vip" })),
            ("customer_id=1&customer_id=2&email=ali", json!({ "customer_id": ["1", "2"], "email": "ali" })),
            ("no_level=withdrawal", json!({ "withdrawal_level": "" })),
        ] {
            assert_eq!(selection(&pairs(query)), want, "{query}");
        }
    }

    #[test]
    fn a_chip_removes_its_own_filter_alone() {
        let query = pairs("customer_id=1&customer_id=2&status=new&column=email&cursor=9");
        let shown = chips(&query).into_string();
        for link in [
            "customers?customer_id=2&amp;status=new&amp;column=email",
            "customers?customer_id=1&amp;status=new&amp;column=email",
            "customers?customer_id=1&amp;customer_id=2&amp;column=email",
            "customers?column=email",
        ] {
            assert!(shown.contains(&format!("href=\"{link}\"")), "{link}: {shown}");
        }
        assert!(chips(&pairs("column=email&sort=created_at")).into_string().is_empty());
    }
}

//! The columns of the list of customers, and the form that chooses them.

use crate::{
    console::{
        document::{text, words_at},
        forms::hidden_fields,
        pages::customers::filters::Pairs,
        parts::{badge, or_dash, time},
    },
    domain::rules::merchant::Merchant,
};
use maud::{Markup, html};
use serde_json::Value;

/// The columns: the word of the address, the name, and whether it is shown without a choice.
const COLUMNS: [(&str, &str, bool); 17] = [
    ("merchant_customer_identifier", "Identifier", true),
    ("name", "Name", true),
    ("email", "E-mail", true),
    ("phone", "Phone", false),
    ("external_id", "External id", false),
    ("status", "Status", true),
    ("levels", "Levels", true),
    ("labels", "Labels", true),
    ("country", "Country", false),
    ("city", "City", false),
    ("date_of_birth", "Date of birth", false),
    ("language", "Language", false),
    ("comment", "Comment", false),
    ("rating", "Rating", false),
    ("created_at", "Created", true),
    ("modified_at", "Changed", false),
    ("deletion_due", "Deletion due", false),
];
const COLUMN_KEY: &str = "column";

/// A column of the list.
pub(super) type Column = (&'static str, &'static str);

/// The columns that an address chooses, in the order of the list.
pub(super) fn columns_of(pairs: &Pairs) -> Vec<Column> {
    let chosen: Vec<&str> =
        pairs.iter().filter(|(key, _)| key == COLUMN_KEY).map(|(_, value)| value.as_str()).collect();
    let is_shown = |word: &str, default| if chosen.is_empty() { default } else { chosen.contains(&word) };
    COLUMNS.iter().filter(|(word, _, default)| is_shown(word, *default)).map(|(word, name, _)| (*word, *name)).collect()
}

/// The form that chooses the columns.
pub(super) fn column_form(pairs: &Pairs) -> Markup {
    let shown = columns_of(pairs);
    let kept = pairs.iter().filter(|(key, value)| key != COLUMN_KEY && key != "cursor" && !value.trim().is_empty());
    html! {
        details class="card" {
            summary { "Columns" }
            form method="get" {
                (hidden_fields(kept.map(|(key, value)| (key.as_str(), value.as_str()))))
                fieldset {
                    legend { "Columns of the list" }
                    @for (word, name, _) in COLUMNS {
                        label class="check" {
                            input type="checkbox" name=(COLUMN_KEY) value=(word)
                                checked[shown.iter().any(|(known, _)| *known == word)];
                            " " (name)
                        }
                    }
                }
                p class="actions" { button class="plain" { "Show these columns" } }
            }
        }
    }
}

/// A cell of the list.
pub(super) fn cell(customer: &Value, word: &str, merchant: &Merchant) -> Markup {
    match word {
        "name" => or_dash(&full_name(customer)),
        "levels" => or_dash(&levels_of(customer)),
        "status" => badge(text(customer, "/status")),
        "created_at" | "modified_at" | "deletion_due" => time(&merchant.calendar, text(customer, &format!("/{word}"))),
        _ => html! { (or_dash(&words_at(customer, &format!("/{word}")))) },
    }
}

/// The name of a customer: the whole one, or first and last name.
pub(in crate::console::pages) fn full_name(customer: &Value) -> String {
    let name = text(customer, "/name");
    if !name.is_empty() {
        return name.to_owned();
    }
    format!("{} {}", text(customer, "/first_name"), text(customer, "/last_name")).trim().to_owned()
}

/// The levels of a customer in words.
fn levels_of(customer: &Value) -> String {
    let [deposit, withdrawal] = ["/deposit_level", "/withdrawal_level"].map(|path| text(customer, path));
    match (deposit, withdrawal) {
        ("", "") => String::new(),
        (deposit, "") => format!("deposits {deposit}"),
        ("", withdrawal) => format!("withdrawals {withdrawal}"),
        (deposit, withdrawal) => format!("deposits {deposit}, withdrawals {withdrawal}"),
    }
}

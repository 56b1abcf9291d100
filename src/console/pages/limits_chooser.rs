//! Chooses the limits of a customer that are to be set.

use crate::domain::{
    rules::merchant::Merchant,
    vocabulary::{direction::Direction, words::Word},
};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The currencies of the merchant's endpoints and levels.
pub(super) fn currencies(merchant: &Merchant) -> BTreeSet<String> {
    let of_endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints);
    let of_endpoints = of_endpoints.map(|endpoint| endpoint.currency.to_string());
    of_endpoints.chain(merchant.levels.iter().map(|level| level.currency.to_string())).collect()
}

/// Chooses the limits to set: a form for the page of limits.
pub(super) fn chooser(merchant: &Merchant) -> Markup {
    html! {
        form method="get" action="limits/change" class="card filters" {
            label class="field" { span { "Direction" } select name="direction" {
                @for (word, _) in Direction::WORDS { option value=(word) { (word) } }
            } }
            label class="field" { span { "Currency" } select name="currency" {
                @for currency in currencies(merchant) { option value=(currency) { (currency) } }
            } }
            label class="field" { span { "Whose" } select name="owner" {
                option value="customer" { "the customer's own" }
                option value="operator" { "an operator's, with an end" }
            } }
            div class="actions" { button { "Set limits" } }
            p class="quiet" { "These limits count together with those of the level, and the tightest one decides. To allow more than \
                               the level, give the customer " a href="change" { "another level" } "." }
        }
    }
}

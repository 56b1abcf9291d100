//! Makes customers up, for trials of a merchant.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::words_at,
        forms::{alert, buttons, hidden_fields, refusal_alert, typed_confirmation},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        parts::facts,
    },
    domain::rules::merchant::Merchant,
};
use maud::{Markup, html};
use serde_json::json;

/// The most customers that one form makes up. The API makes more.
const COUNT_MAX: u64 = 10_000;

fn form(count: &str, seed: &str) -> Markup {
    html! {
        form method="post" action="mock" class="card narrow" {
            p { "Made-up customers have plausible names, addresses and levels of the merchant. They are customers like others: \
                 make them up at test merchants." }
            label class="field" { span { "How many (1 to " (COUNT_MAX) ")" }
                input type="text" name="count" value=(count) inputmode="numeric" autocomplete="off" required; }
            label class="field" { span { "Seed: the same seed makes the same customers" }
                input type="text" name="seed" value=(seed) inputmode="numeric" autocomplete="off"; }
            (buttons("preview", "Show what happens", "../customers"))
        }
    }
}

fn preview(merchant: &Merchant, count: u64, seed: u64) -> Markup {
    let (count, seed) = (count.to_string(), seed.to_string());
    html! {
        section class="card narrow" {
            h2 { (count) " customers will be created at " (merchant.name) }
            p { "Each row whose identifier is known already changes that customer instead." }
            form method="post" action="mock" {
                (hidden_fields([("count", count.as_str()), ("seed", seed.as_str())]))
                (typed_confirmation("typed", &format!("Type {count}, the number of customers"), ""))
                (buttons("confirm", "Create the customers", "mock"))
            }
        }
    }
}

fn page(request: &PageRequest, merchant: &Merchant, body: Markup) -> Outcome {
    let above = request.links.to(&["m", merchant.id.as_str(), "customers"]);
    Outcome::Page(Content::new("Made-up customers", body).below("Customers", above))
}

/// `GET /console/m/{merchant}/customers/mock`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    Ok(page(request, merchant, form("100", "1")))
}

/// `POST /console/m/{merchant}/customers/mock`: describes what happens, or makes the customers up.
pub(in crate::console) fn generate(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (count, seed) = (request.field("count"), request.field("seed"));
    let with_form = |words: &str| Ok(page(request, merchant, html! { (alert(words)) (form(count, seed)) }));
    let number = count.parse::<u64>().ok().filter(|number| (1..=COUNT_MAX).contains(number));
    let Some(number) = number else {
        return with_form(&format!("The number of customers is a whole number from 1 to {COUNT_MAX}."));
    };
    let Ok(seed_number) = (if seed.is_empty() { Ok(0) } else { seed.parse::<u64>() }) else {
        return with_form("The seed is a whole number.");
    };
    let preview = preview(merchant, number, seed_number);
    if request.field("step") != "confirm" {
        return Ok(page(request, merchant, preview));
    }
    if request.field("typed") != number.to_string() {
        let words = alert("The typed number is not the number of customers. Nothing was changed.");
        return Ok(page(request, merchant, html! { (words) (preview) }));
    }
    // A row whose identifier is known changes that customer, also the level.
    if let Some(write) = request.second_person_for([FourEyesWrite::Bulk, FourEyesWrite::RaiseLimit]) {
        return Ok(Outcome::NeedsSecondPerson(write));
    }
    let operation = WriteOperation::Generate { body: json!({ "count": number, "seed": seed_number }).to_string() };
    let write = CustomerWrite { merchant: merchant.id, customer: String::new(), operation };
    match commit(request, &write) {
        // The page of a second person is that of the confirmation.
        Ok(_) if request.has_second_person => {
            let list = request.links.to(&["m", merchant.id.as_str(), "customers"]);
            Ok(Outcome::Redirect(format!("{list}?sort=-created_at")))
        }
        Ok(outcome) => {
            let row = |name: &'static str, path: &str| (name, html! { (words_at(&outcome, path)) });
            let rows = [row("Created", "/created"), row("Changed", "/changed"), row("Not possible", "/bad")];
            let body = html! {
                p class="notice good" role="status" { "The customers are made up." }
                (facts(&rows))
                p { a class="button" href="../customers?sort=-created_at" { "Show them" } }
            };
            Ok(page(request, merchant, body))
        }
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => Ok(page(request, merchant, html! { (refusal_alert(&error)) (form(count, seed)) })),
    }
}

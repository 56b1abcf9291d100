//! The form that uploads a table of customers.

use crate::{
    console::{
        forms::refusal_alert,
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        upload::{UploadFields, takes_trials_only},
    },
    domain::{rules::merchant::Merchant, vocabulary::words::Word},
    service::{csv::Column, error::ServiceError},
};
use maud::{Markup, html};

/// The mode that changes nothing.
const TRIAL: &str = "trial";
/// The modes of an upload: the word of the service, and what it does.
const MODES: [(&str, &str); 3] = [
    (TRIAL, "Try it: nothing changes, and the next page lists what would change and which rows are bad"),
    ("all", "All rows or none: nothing changes if one row is bad"),
    ("partial", "The good rows: bad rows are listed and left out"),
];

fn form(request: &PageRequest, merchant: &Merchant, chosen: &str) -> Markup {
    let is_trial = takes_trials_only(&request.console);
    let columns: Vec<&str> = Column::WORDS.iter().map(|(word, _)| *word).collect();
    html! {
        form method="post" action="../customers.csv" enctype="multipart/form-data" class="card" {
            fieldset {
                legend { "What happens" }
                @if is_trial {
                    p class="notice" { "Changes need a second person here, and a table cannot wait for one. So the console takes \
                                        tables for a trial only. \"Change many customers\" on the list of customers can be confirmed \
                                        by a second person." }
                }
                @for (word, words) in MODES.into_iter().filter(|(word, _)| !is_trial || *word == TRIAL) {
                    p { label class="check" {
                        input type="radio" name="mode" value=(word) checked[word == chosen || is_trial];
                        " " (words)
                    } }
                }
            }
            label class="field narrow" { span { "A table as a file (CSV, UTF-8)" }
                input type="file" name="file" accept=".csv,text/csv"; }
            label class="field" { span { "Or its text" }
                textarea name="text" rows="8" spellcheck="false" { } }
            p class="actions" { button { "Upload" } " " a href="../customers" { "Cancel" } }
        }
        section class="card" {
            h2 { "The table" }
            p { "The first row names the columns, in any order. A row with a customer_id, or with an identifier that a customer \
                 has, changes that customer; another row creates one. An empty cell removes the value; a column that is not in \
                 the table stays as it is." }
            p { a href="template.csv" { "Download the template" } " with two example rows of " (merchant.name) "." }
            p class="quiet" { "Columns: " (columns.join(", ")) }
        }
    }
}

fn page(request: &PageRequest, merchant: &Merchant, body: Markup) -> Outcome {
    let above = request.links.to(&["m", merchant.id.as_str(), "customers"]);
    Outcome::Page(Content::new("Upload a table of customers", body).below("Customers", above))
}

/// `GET /console/m/{merchant}/customers/upload`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let chosen = MODES.iter().find(|(word, _)| *word == request.query("mode")).unwrap_or(&MODES[0]);
    Ok(page(request, merchant, form(request, merchant, chosen.0)))
}

/// The page of an upload that was refused as a whole, at the address to which the form was sent.
pub(in crate::console) fn refused_upload(request: &PageRequest, fields: &UploadFields, error: &ServiceError) -> Paged {
    let merchant = request.merchant()?;
    if error.is_unavailable() {
        return Err(error.clone());
    }
    let chosen = MODES.iter().find(|(word, _)| *word == fields.mode()).map_or("", |(word, _)| word);
    let retry = request.links.to(&["m", merchant.id.as_str(), "customers", "upload"]);
    let body = html! {
        (refusal_alert(error))
        p { "Nothing was changed. " a class="button" href={ (retry) @if !chosen.is_empty() { "?mode=" (chosen) } } { "Upload again" } }
    };
    Ok(page(request, merchant, body))
}

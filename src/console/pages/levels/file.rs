//! The file of a merchant: its text, and what a reload would change.

use crate::console::{
    document::{list, text},
    layout::Content,
    page_request::{Outcome, PageRequest, Paged},
};
use maud::{Markup, html};
use serde_json::Value;

fn sentences(title: &str, sentences: &[Value]) -> Markup {
    html! {
        @if !sentences.is_empty() {
            h3 { (title) }
            ul class="changes" { @for sentence in sentences { li { (sentence.as_str().unwrap_or_default()) } } }
        }
    }
}

/// `GET /console/m/{merchant}/levels/file`
pub(in crate::console) fn file(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let file = request.read(Ok(request.console.parts.status.control.merchant_file(merchant.id)?.reply()))?;
    let errors = list(&file, "/errors");
    let lists = [("Added", "/reload/added"), ("Changed", "/reload/changed"), ("Removed", "/reload/removed")];
    let is_same = lists.iter().all(|(_, path)| list(&file, path).is_empty());
    let body = html! {
        section class="card" {
            h2 { "What a reload would change" }
            @if !errors.is_empty() {
                div class="notice bad" role="alert" {
                    p { "A reload would be refused, and the rules in force would stay." }
                    ul { @for error in errors { li { (error.as_str().unwrap_or_default()) } } }
                }
            } @else if is_same {
                p { "Nothing: the file has no change that is not in force." }
            } @else {
                @for (title, path) in lists { (sentences(title, list(&file, path))) }
            }
            (sentences("Probably a mistake, or replaced", list(&file, "/warnings")))
            p class="quiet" { "What was set here or through the API stays until the entry of the level in the file changes." }
        }
        section {
            h2 { "The file " code { (text(&file, "/path")) } }
            div class="scroll" tabindex="0" role="region" aria-label="The text of the file" { pre { (text(&file, "/text")) } }
        }
    };
    let above = request.links.to(&["m", merchant.id.as_str(), "levels"]);
    Ok(Outcome::Page(Content::new("The merchant's file", body).below("Levels", above)))
}

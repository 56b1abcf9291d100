//! The gates of a level in order, with why each would be left out.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        page_request::{PageRequest, Paged},
        pages::levels::level_page::LevelPage,
        parts::{nothing, or_dash, text_field},
    },
    service::{configuration::level_gates::GateQuestion, error::ServiceError},
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The fields of the form, as the service names them.
const FIELDS: [(&str, &str, &str); 2] = [("payment_method", "Method", "any"), ("amount", "Amount", "any")];

fn ask(shown: &LevelPage<'_>) -> Result<Value, ServiceError> {
    let request = shown.request;
    let sent = FIELDS.iter().map(|(key, ..)| (*key, request.query(key))).filter(|(_, value)| !value.is_empty());
    let question = GateQuestion::read(sent.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value))))?;
    let payments = &request.console.parts.payments;
    request.read(payments.level_gates((&request.rules, shown.merchant), shown.key, &question))
}

fn gate_list(endpoint: &Value) -> Markup {
    let is_weighted = text(endpoint, "/routing") == "weighted";
    html! {
        section class="card" {
            h2 { (text(endpoint, "/project")) ", " (text(endpoint, "/endpoint")) }
            @if endpoint["applies"] != true {
                p { "The level does not apply to this project: its payments take the endpoint's gates." }
            }
            p class="quiet" {
                @if endpoint["edited"] == true { "A list of the level" } @else { "The list of the endpoint" }
                @if is_weighted { ", ordered by weight for each payment." } @else { ", in this order." }
            }
            div class="scroll" { table {
                thead { tr {
                    th scope="col" class="number" { "No." } th scope="col" { "Gate" } th scope="col" { "Route" }
                    @if is_weighted { th scope="col" class="number" { "Weight" } }
                    th scope="col" { "Would it be used?" }
                } }
                tbody { @for (n, gate) in list(endpoint, "/gates").iter().enumerate() {
                    @let reason = text(gate, "/reason");
                    tr {
                        td class="number" { (n.saturating_add(1)) }
                        th scope="row" { (text(gate, "/gate")) }
                        td { (or_dash(text(gate, "/route"))) }
                        @if is_weighted { td class="number" { (words_at(gate, "/weight")) } }
                        td { @if reason.is_empty() { span class="badge good" { "yes" } } @else {
                            span class="badge warn" { "no" } " " (spaced(reason))
                        } }
                    }
                } }
            } }
        }
    }
}

/// `GET .../levels/{direction}/{currency}/{level}/gates`
pub(in crate::console) fn gates(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let answer = ask(&shown);
    let body = html! {
        p { "Which gates a payment would take. Without a method and an amount, only what is true of every payment is looked at." }
        form method="get" class="filters" {
            @for (key, label, hint) in FIELDS { (text_field(key, label, request.query(key), hint)) }
            div class="actions" { button { "Show" } " " a href=(shown.to(&["gates"])) { "Clear" } }
        }
        @match &answer {
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(answer) => {
                @let lists = list(answer, "/lists");
                @if lists.is_empty() { (nothing("No endpoint takes payments in this currency.")) }
                @for endpoint in lists { (gate_list(endpoint)) }
            }
        }
        @if request.may_write() { p { a class="button" href=(shown.to(&["edit"])) { "Change the level's gates" } } }
    };
    Ok(shown.page("gates", &body))
}

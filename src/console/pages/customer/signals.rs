//! Reports a signal about a customer: fraud, consent, a card that is stolen or has expired.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, spaced, text},
        forms::{alert, buttons, hidden_fields, refusal_alert},
        page_request::{Outcome, PageRequest, Paged},
        pages::customer::{after_change, customer_of, form_page},
        parts::badge,
    },
    domain::{customer::status::Signal, vocabulary::words::Word},
};
use maud::{Markup, html};
use serde_json::{Value, json};

const TITLE: &str = "Report a signal";

/// The effect of a signal, with an instrument and without one.
fn effect(signal: Signal, has_instrument: bool) -> &'static str {
    match (signal, has_instrument) {
        (Signal::ConsentGiven, _) => "The customer has agreed to store a card: the status becomes member.",
        (Signal::ConsentRefused, _) => {
            "The customer has refused to store a card: the status becomes deny. Nothing is blocked."
        }
        (Signal::FraudSuspected, false) => "The customer becomes suspicious. Payments go on and are flagged.",
        (Signal::FraudSuspected, true) => {
            "Every customer of every merchant who holds the instrument becomes suspicious. Payments go on and are flagged."
        }
        (Signal::FraudConfirmed | Signal::CardStolen, false) => {
            "The customer becomes fraud: every payment of the customer is denied."
        }
        (Signal::FraudConfirmed | Signal::CardStolen, true) => {
            "Payments with the instrument are blocked, for every customer who holds it. The customer's other instruments pay on."
        }
        (Signal::Cleared, false) => "The suspicion against the customer is cleared. Blocked instruments stay blocked.",
        (Signal::Cleared, true) => "The block of the instrument is lifted, for every customer who holds it.",
        (Signal::CardExpired, _) => {
            "The instrument is expired. If all stored cards are expired or invalid, the customer becomes not active."
        }
        (Signal::CardInvalid, _) => {
            "The instrument is invalid. If all stored cards are expired or invalid, the customer becomes not active."
        }
    }
}

fn form(request: &PageRequest, customer: &Value) -> Markup {
    // A link of an instrument's page names both.
    let sent = |key| Some(request.field(key)).filter(|value| !value.is_empty()).unwrap_or_else(|| request.query(key));
    let (signal, instrument) = (sent("signal"), sent("payment_instrument"));
    html! {
        form method="post" action="signals" class="card narrow" {
            label class="field" { span { "Signal" } select name="signal" {
                @for (word, _) in Signal::WORDS { option value=(word) selected[*word == signal] { (spaced(word)) } }
            } }
            label class="field" { span { "Payment instrument; empty: the customer as a whole" }
                input type="text" name="payment_instrument" value=(instrument) list="instruments" autocomplete="off"; }
            datalist id="instruments" {
                @for stored in list(customer, "/payment_instruments") {
                    option value=(text(stored, "/payment_instrument")) { (text(stored, "/masked_number")) }
                }
            }
            (buttons("preview", "Show what happens", text(customer, "/customer_id")))
        }
    }
}

fn preview(customer: &Value, (word, signal): (&str, Signal), instrument: &str) -> Markup {
    html! {
        section class="card narrow" {
            h2 { "Signal: " (spaced(word)) }
            p { "Status now: " (badge(text(customer, "/status"))) }
            @if !instrument.is_empty() { p { "Instrument: " code { (instrument) } } }
            p { (effect(signal, !instrument.is_empty())) }
            form method="post" action="signals" {
                (hidden_fields([("signal", word), ("payment_instrument", instrument), ("seen", &seen(customer, instrument))]))
                (buttons("confirm", "Report the signal", "signals"))
            }
        }
    }
}

/// Whether a text names a stored instrument of the customer.
fn is_stored(customer: &Value, instrument: &str) -> bool {
    let mut stored = list(customer, "/payment_instruments").iter();
    stored.any(|stored| text(stored, "/payment_instrument") == instrument)
}

/// The state that a preview showed. A second person looks again where it has changed.
fn seen(customer: &Value, instrument: &str) -> String {
    let mut stored = list(customer, "/payment_instruments").iter();
    let stored = stored.find(|stored| text(stored, "/payment_instrument") == instrument);
    let state = stored.map_or("", |stored| text(stored, "/state"));
    format!("{} {} {state}", text(customer, "/modified_at"), text(customer, "/status")).trim_end().to_owned()
}

/// `GET .../customers/{customer}/signals`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    Ok(form_page(request, merchant, &customer, (TITLE, form(request, &customer))))
}

/// `POST .../customers/{customer}/signals`: describes the effect of a signal, or sends it.
pub(in crate::console) fn send(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    let (word, instrument) = (request.field("signal"), request.field("payment_instrument"));
    let with_form = |notice: Markup| {
        Ok(form_page(request, merchant, &customer, (TITLE, html! { (notice) (form(request, &customer)) })))
    };
    let Some(signal) = Signal::parse(word) else { return with_form(alert("Choose a signal.")) };
    if instrument.is_empty() && matches!(signal, Signal::CardExpired | Signal::CardInvalid) {
        return with_form(alert("This signal is about a payment instrument: name it."));
    }
    if request.field("step") != "confirm" {
        return Ok(form_page(request, merchant, &customer, (TITLE, preview(&customer, (word, signal), instrument))));
    }
    if signal == Signal::Cleared && request.requires_second_person(FourEyesWrite::Unblock) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::Unblock));
    }
    let mut body = json!({ "signal": word });
    if !instrument.is_empty() {
        body["payment_instrument"] = json!(instrument);
    }
    let operation = WriteOperation::Signal { body: body.to_string() };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) if is_stored(&customer, instrument) => {
            Ok(after_change(request, merchant, number, &["wallet", instrument]))
        }
        Ok(_) => Ok(after_change(request, merchant, number, &[])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with_form(refusal_alert(&error)),
    }
}

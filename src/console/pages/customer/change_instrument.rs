//! Changes a stored payment instrument: a form, a preview of what changes, and the change.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, spaced, text},
        forms::{alert, buttons, change_table, hidden_fields, refusal_alert},
        page_request::{Outcome, PageRequest, Paged},
        pages::customer::{
            after_change, customer_of, form_page,
            instrument::{address, instrument_of},
        },
        parts::text_field,
    },
    domain::{
        customer::instruments::{CardOnFileType, InstrumentState, InstrumentType},
        vocabulary::words::Word,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The members that the form changes, in its order.
const FIELDS: [&str; 8] =
    ["type", "masked_number", "brand", "expires", "state", "default", "card_on_file", "card_on_file_type"];
const BLOCKED: &str = "blocked";
/// The choices of the card on file that are no type of payments.
const NOT_ON_FILE: &str = "no";
const OF_UNKNOWN_TYPE: &str = "yes";

fn title(instrument: &str) -> String {
    format!("Change the instrument {instrument}")
}

/// The members that the form describes.
fn wanted(request: &PageRequest) -> Map<String, Value> {
    let optional = |key: &str| Some(request.field(key)).filter(|value| !value.is_empty());
    let (on_file, on_file_type) = match request.field("on_file") {
        NOT_ON_FILE => (false, None),
        OF_UNKNOWN_TYPE => (true, None),
        word => (true, Some(word)),
    };
    let mut members = Map::new();
    let mut set = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
    set("type", json!(request.field("type")));
    // An empty text removes the number.
    set("masked_number", json!(request.field("masked_number")));
    set("brand", json!(optional("brand")));
    set("expires", json!(optional("expires")));
    // The form of a blocked instrument has no state.
    if let Some(state) = optional("state") {
        set("state", json!(state));
    }
    set("default", json!(request.field("default") == "1"));
    set("card_on_file", json!(on_file));
    set("card_on_file_type", json!(on_file_type));
    members
}

/// The choice of the card on file by a document.
fn on_file(shown: &Value) -> &str {
    match (text(shown, "/card_on_file_type"), shown["card_on_file"] == true) {
        ("", true) => OF_UNKNOWN_TYPE,
        ("", false) => NOT_ON_FILE,
        (word, _) => word,
    }
}

fn word_choice<T: Word>(name: &str, label: &str, chosen: &str) -> Markup {
    html! {
        label class="field" { span { (label) } select name=(name) {
            @for (word, _) in T::WORDS { option value=(word) selected[*word == chosen] { (spaced(word)) } }
        } }
    }
}

/// The form with the values of a document; `stored`: the instrument as it is; `back`: the address of its page.
fn form(back: &str, stored: &Value, shown: &Value) -> Markup {
    let chosen = on_file(shown);
    html! {
        form method="post" action="change" class="card narrow" {
            (word_choice::<InstrumentType>("type", "Type", text(shown, "/type")))
            (text_field("masked_number", "Masked number: of a card the first six and the last four digits", text(shown, "/masked_number"), "411111******1111"))
            (text_field("brand", "Brand; empty: read from the masked number of a card", text(shown, "/brand"), "visa"))
            (text_field("expires", "Last month in which it is valid; empty: it does not expire", text(shown, "/expires"), "2028-04"))
            @if text(stored, "/state") == BLOCKED {
                p { "The instrument is blocked, also for other customers who hold it. The signal " em { "cleared" } " lifts the block." }
            } @else {
                (word_choice::<InstrumentState>("state", "State", text(shown, "/state")))
            }
            label class="field" { span { "The customer agreed to store it" } select name="on_file" {
                option value=(NOT_ON_FILE) selected[chosen == NOT_ON_FILE] { "no" }
                option value=(OF_UNKNOWN_TYPE) selected[chosen == OF_UNKNOWN_TYPE] { "yes" }
                @for (word, _) in CardOnFileType::WORDS {
                    option value=(word) selected[*word == chosen] { "yes, for " (word) " payments" }
                }
            } }
            label class="check" {
                input type="checkbox" name="default" value="1" checked[shown["default"] == true];
                " \u{2665} The default: the payment form offers it first"
            }
            p class="quiet" { "Times, the number of payments and the order of use follow from payments." }
            (buttons("preview", "Show what changes", back))
        }
    }
}

/// The members that differ between two documents of the instrument.
fn differences(now: &Value, then: &Value) -> Vec<(String, Value, Value)> {
    let row =
        |key: &&str| (now[*key] != then[*key]).then(|| ((*key).to_owned(), now[*key].clone(), then[*key].clone()));
    FIELDS.iter().filter_map(row).collect()
}

/// The status that follows from a change or a removal, in a sentence; `None`: it stays.
pub(super) fn status_effect(customer: &Value, tried: &Value) -> Option<String> {
    let (now, then) = (text(customer, "/status"), text(tried, "/status"));
    (now != then).then(|| format!("The status of the customer changes from {} to {}.", spaced(now), spaced(then)))
}

/// The consequences of a change.
fn effects(customer: &Value, now: &Value, tried: &Value) -> Vec<String> {
    let then = &tried["instrument"];
    let mut effects = Vec::new();
    let is_other =
        |other: &&Value| other["default"] == true && other["payment_instrument"] != now["payment_instrument"];
    if then["default"] == true
        && let Some(other) = list(customer, "/payment_instruments").iter().find(is_other)
    {
        effects.push(format!("{} is the default no more.", text(other, "/payment_instrument")));
    }
    match (text(now, "/state"), text(then, "/state")) {
        (now, then) if now == then => {}
        (_, "active") => effects.push("The payment form offers it again.".to_owned()),
        _ => effects.push("The payment form does not offer it. A payment that names it is still decided.".to_owned()),
    }
    effects.extend(status_effect(customer, tried));
    effects
}

/// What a preview showed. A person looks again where it has changed.
pub(super) fn seen(customer: &Value, stored: &Value) -> String {
    format!("{} {} {stored}", text(customer, "/modified_at"), text(customer, "/status"))
}

/// `GET .../customers/{customer}/wallet/{instrument}/change`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let stored = instrument_of(request, merchant)?;
    let body = form(&address(request, merchant), &stored, &stored);
    Ok(form_page(request, merchant, &customer, (&title(request.parameter("instrument")), body)))
}

/// `POST .../customers/{customer}/wallet/{instrument}/change`: previews the change, or makes it.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let customer = customer_of(request, merchant)?;
    let stored = instrument_of(request, merchant)?;
    let with = |notice: Markup, body: Markup| {
        Ok(form_page(request, merchant, &customer, (&title(token), html! { (notice) (body) })))
    };
    let wanted = wanted(request);
    let form = form(&address(request, merchant), &stored, &Value::Object(wanted.clone()));
    // A brand that follows from the number is not sent, so that it follows from another number too.
    let is_changed = |(key, value): &(String, Value)| {
        stored[key.as_str()] != *value && !(stored[key.as_str()].is_null() && *value == "")
    };
    let body = Value::Object(wanted.into_iter().filter(is_changed).collect()).to_string();
    let tried = match request.read(request.customers(merchant).try_instrument(number, token, body.as_bytes())) {
        Ok(tried) => tried,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with(refusal_alert(&error), form),
    };
    let rows = differences(&stored, &tried["instrument"]);
    if rows.is_empty() {
        let words = "Nothing changes: the instrument has these values already.";
        return with(alert(words), form);
    }
    let seen = seen(&customer, &stored);
    let sent = request.form.iter().filter(|(key, _)| key != "step" && key != "seen");
    let effects = effects(&customer, &stored, &tried);
    let preview = html! {
        section class="card narrow" {
            h2 { "This will change" }
            (change_table(&rows))
            @if !effects.is_empty() { ul { @for effect in &effects { li { (effect) } } } }
            form method="post" action="change" {
                (hidden_fields(sent.map(|(key, value)| (key.as_str(), value.as_str()))))
                input type="hidden" name="seen" value=(seen);
                (buttons("confirm", "Change the instrument", "change"))
            }
        }
    };
    if request.field("step") != "confirm" {
        return with(html! {}, preview);
    }
    if request.field("seen") != seen {
        return with(
            alert("The instrument or its customer has changed since the preview. Look at the changes again."),
            preview,
        );
    }
    let pays_again = text(&stored, "/state") != "active" && text(&tried, "/instrument/state") == "active";
    if pays_again && request.requires_second_person(FourEyesWrite::Unblock) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::Unblock));
    }
    let operation = WriteOperation::PutInstrument { instrument: token.to_owned(), body };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &["wallet", token])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with(refusal_alert(&error), form),
    }
}

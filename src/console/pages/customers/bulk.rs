//! Changes many customers: the form, the dry run of the service, and the change after the count was typed.

use crate::{
    console::{
        background_job::new_job_id,
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{in_words, list, spaced, text, words_at},
        forms::{
            CONFIRMED_CUSTOMERS, CONFIRMED_NUMBER, alert, buttons, hidden_fields, refusal_alert, typed_confirmation,
        },
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customers::filters::{Pairs, level_names, selection},
            four_eyes::writes_of_bulk,
            label_boxes::label_boxes,
            limits_chooser::currencies,
        },
        parts::{facts, or_dash},
    },
    domain::{
        customer::status::CustomerStatus,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
    service::{error::ServiceError, jobs::registry::parse_job_id},
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The fields that say what changes begin so; the others say whom.
const SET_PREFIX: &str = "set_";
/// Fields of the form that are neither.
const CONTROL_FIELDS: [&str; 4] = ["step", "count", "job", "seen"];
/// Why a confirmed change was not made.
const OTHER_CUSTOMERS: &str =
    "Other customers would change now than in the preview. Nothing was changed. Look at the effect again.";
const LEVELS: [(&str, &str, Direction); 2] = [
    ("deposit_level", "Deposit level", Direction::Deposit),
    ("withdrawal_level", "Withdrawal level", Direction::Withdrawal),
];

/// The selection of a request, in the words of its address.
fn selected(pairs: &Pairs) -> Vec<(String, String)> {
    let is_of_selection =
        |(key, _): &&(String, String)| !key.starts_with(SET_PREFIX) && !CONTROL_FIELDS.contains(&key.as_str());
    pairs.iter().filter(is_of_selection).cloned().collect()
}

/// The selection for the service.
///
/// # Errors
/// It selects no customer: no row was ticked, or the address does not say that all are meant.
fn select_of(pairs: &Pairs) -> Result<Value, ServiceError> {
    let value = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map_or("", |(_, value)| value.as_str());
    match value("selected") {
        "all" => Ok(selection(pairs)),
        "ids" => {
            let ids: Vec<&str> = pairs.iter().filter(|(key, _)| key == "id").map(|(_, id)| id.trim()).collect();
            if ids.is_empty() { Err(nobody()) } else { Ok(json!({ "ids": ids })) }
        }
        _ => Err(nobody()),
    }
}

fn nobody() -> ServiceError {
    ServiceError::malformed(
        "selection_empty",
        "no customer is selected; tick rows of the list, or choose all that match",
    )
}

/// The selection in words.
fn selection_in_words(select: &Value) -> String {
    if select["all"] == true {
        return "all customers of the merchant".to_owned();
    }
    match list(select, "/ids") {
        [] => format!("all customers who match: {}", in_words(select)),
        [one] => format!("customer {}", in_words(one)),
        ids => format!("{} selected customers", ids.len()),
    }
}

/// What the form wants to change, as the service takes it.
fn changes_of(request: &PageRequest) -> Value {
    let mut set: Map<String, Value> = Map::new();
    for (key, ..) in LEVELS {
        // The value begins with `=`, so that no level differs from no change.
        if let Some(level) = request.field(&format!("{SET_PREFIX}{key}")).strip_prefix('=') {
            set.insert(key.to_owned(), if level.is_empty() { Value::Null } else { json!(level) });
        }
    }
    if !request.field("set_status").is_empty() {
        set.insert("status".to_owned(), json!(request.field("set_status")));
    }
    if request.field("set_labels") == "1" {
        set.insert("labels".to_owned(), request.fields("set_label").collect());
    }
    if request.field("set_limit") == "1" {
        let mut limit: Map<String, Value> = Map::new();
        for key in ["direction", "currency", "level", "min_amount", "max_amount"] {
            let value = request.field(&format!("set_limit_{key}")).to_owned();
            if !value.is_empty() {
                limit.insert(key.to_owned(), json!(value));
            }
        }
        set.insert("global_limit".to_owned(), Value::Object(limit));
    }
    Value::Object(set)
}

/// The form with what is to change.
fn form(request: &PageRequest, merchant: &Merchant, pairs: &Pairs) -> Markup {
    let sent = |key: &str| request.field(key).to_owned();
    let labels: Vec<&str> = request.fields("set_label").collect();
    let bounds = [("set_limit_min_amount", "Least amount"), ("set_limit_max_amount", "Most amount")];
    html! {
        form method="post" action="bulk" class="card narrow" {
            (hidden_fields(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
            @for (key, label, direction) in LEVELS {
                @let chosen = sent(&format!("{SET_PREFIX}{key}"));
                label class="field" { span { (label) } select name={ (SET_PREFIX) (key) } {
                    option value="" { "leave as it is" }
                    option value="=" selected[chosen == "="] { "no level" }
                    @for name in level_names(merchant, direction) {
                        option value={ "=" (name) } selected[chosen.strip_prefix('=') == Some(name)] { (name) }
                    }
                } }
            }
            label class="field" { span { "Status" } select name="set_status" {
                option value="" { "leave as it is" }
                @for (word, _) in CustomerStatus::WORDS {
                    option value=(word) selected[*word == sent("set_status")] { (spaced(word)) }
                }
            } }
            @if !merchant.labels.is_empty() {
                fieldset {
                    legend { "Labels" }
                    label class="check" {
                        input type="checkbox" name="set_labels" value="1" checked[sent("set_labels") == "1"];
                        " Replace all labels by these:"
                    }
                    br;
                    (label_boxes(merchant, "set_label", &labels))
                }
            }
            fieldset {
                legend { "Global limit: the bounds of the amount of one payment" }
                label class="check" {
                    input type="checkbox" name="set_limit" value="1" checked[sent("set_limit") == "1"];
                    " Set the global limit; without amounts it is removed"
                }
                label class="field" { span { "Direction" } select name="set_limit_direction" {
                    @for (word, _) in Direction::WORDS {
                        option value=(word) selected[*word == sent("set_limit_direction")] { (word) }
                    }
                } }
                label class="field" { span { "Currency" } select name="set_limit_currency" {
                    @for currency in currencies(merchant) {
                        option value=(currency) selected[currency == sent("set_limit_currency")] { (currency) }
                    }
                } }
                label class="field" { span { "Under the level" } select name="set_limit_level" {
                    option value="" { "that each customer has" }
                    @let names = LEVELS.into_iter().flat_map(|(_, _, direction)| level_names(merchant, direction));
                    @for name in names.collect::<std::collections::BTreeSet<_>>() {
                        option value=(name) selected[name == sent("set_limit_level")] { (name) }
                    }
                } }
                @for (name, label) in bounds {
                    label class="field" { span { (label) }
                        input type="text" name=(name) value=(sent(name)) inputmode="decimal" autocomplete="off"; }
                }
            }
            (buttons("preview", "Show what changes", "../customers"))
        }
    }
}

/// The rows of the preview: what each changed field will be.
fn wanted_facts(set: &Value) -> Markup {
    let members = set.as_object().into_iter().flatten();
    let rows: Vec<(String, String)> = members
        .map(|(key, value)| {
            let words = if value.is_null() { "no level".to_owned() } else { in_words(value) };
            (spaced(key), if words.is_empty() { "none".to_owned() } else { words })
        })
        .collect();
    html! { ul { @for (name, value) in &rows { li { strong { (name) } ": " span class="new" { (value) } } } } }
}

/// The answer of the dry run, with the field for the count.
fn preview(
    request: &PageRequest,
    pairs: &Pairs,
    (select, set): (&Value, &Value),
    tried: &Value,
) -> Result<Markup, ServiceError> {
    let changed = words_at(tried, "/changed");
    let count = |name: &'static str, path: &str| (name, or_dash(&words_at(tried, path)));
    let counts = [
        count("Selected", "/selected"),
        count("Will change", "/changed"),
        count("Have these values already", "/unchanged"),
        count("Cannot be changed", "/refused"),
    ];
    let refusals = list(tried, "/refusals");
    let undo = text(tried, "/undo").split_once('?').map_or("", |(_, query)| query);
    let settings = words_at(tried, "/settings_changed");
    let sets = request.form.iter().filter(|(key, _)| key.starts_with(SET_PREFIX));
    let kept = pairs.iter().chain(sets).map(|(key, value)| (key.as_str(), value.as_str()));
    let job = match parse_job_id(request.field("job").to_owned()) {
        Ok(job) => job,
        Err(_) => new_job_id()?,
    };
    Ok(html! {
        section class="card narrow" {
            h2 { "This will change" }
            p { "For " (selection_in_words(select)) ":" }
            (wanted_facts(set))
            (facts(&counts))
            @if !settings.is_empty() {
                p { "The individual payment settings of " strong { (settings) } " customers change. No table contains them." }
            }
            @if !refusals.is_empty() {
                h3 { "Cannot be changed" }
                ul { @for refusal in refusals { li { (text(refusal, "/customer_id")) ": " (text(refusal, "/detail")) } } }
            }
            @if !undo.is_empty() {
                p { a href={ "../customers.csv?" (undo) } { "Download the table that undoes the change" }
                    ". Its upload sets the values of now again." }
            }
            @if tried["changed"] == 0 {
                p { strong { "Nothing changes." } }
                p class="actions" { a href={ "bulk" (query_text(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())))) } { "Back" } }
            } @else if request.is_confirmed_value_outdated("count", &changed) {
                (alert(CONFIRMED_NUMBER))
            } @else if request.is_confirmed_value_outdated("seen", text(tried, "/changed_digest")) {
                (alert(CONFIRMED_CUSTOMERS))
            } @else {
                form method="post" action="bulk" {
                    (hidden_fields(kept))
                    input type="hidden" name="job" value=(job);
                    input type="hidden" name="seen" value=(text(tried, "/changed_digest"));
                    @if request.has_second_person { (hidden_fields([("count", changed.as_str())])) } @else {
                        (typed_confirmation("count", &format!("Type {changed}, the number of customers who will change"), ""))
                    }
                    (buttons("confirm", "Change these customers", "../customers"))
                }
            }
        }
    })
}

fn page(request: &PageRequest, merchant: &Merchant, body: Markup) -> Outcome {
    let above = request.links.to(&["m", merchant.id.as_str(), "customers"]);
    Outcome::Page(Content::new("Change many customers", body).below("Customers", above))
}

/// `GET /console/m/{merchant}/customers/bulk`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let pairs = selected(&request.query);
    let body = match select_of(&pairs) {
        Ok(select) => html! {
            p { "What changes for " strong { (selection_in_words(&select)) } "? The next page shows the effect." }
            (form(request, merchant, &pairs))
        },
        Err(error) => html! { (alert(&error.detail)) p { a href="../customers" { "To the list of customers" } } },
    };
    Ok(page(request, merchant, body))
}

/// `POST /console/m/{merchant}/customers/bulk`: previews the change, or makes it.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let pairs = selected(&request.form);
    let select = match select_of(&pairs) {
        Ok(select) => select,
        Err(error) => {
            let body = html! { (alert(&error.detail)) p { a href="../customers" { "To the list of customers" } } };
            return Ok(page(request, merchant, body));
        }
    };
    let with_form = |error: &ServiceError| {
        let body = html! { (refusal_alert(error)) (form(request, merchant, &pairs)) };
        Ok(page(request, merchant, body))
    };
    let set = changes_of(request);
    if set.as_object().is_none_or(Map::is_empty) {
        return with_form(&ServiceError::malformed("field_missing", "nothing was chosen: choose at least one change"));
    }
    let jobs = &request.console.parts.jobs;
    let trial = json!({ "select": select, "set": set, "dry_run": true }).to_string();
    let customers = request.customers(merchant);
    let try_change = || customers.bulk_change(jobs, None, trial.as_bytes()).map(|tried| tried.answer);
    let tried = match try_change() {
        Ok(tried) => tried,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with_form(&error),
    };
    let with_preview = |tried: &Value, words: &str| {
        let preview = preview(request, &pairs, (&select, &set), tried)?;
        Ok(page(request, merchant, html! { @if !words.is_empty() { (alert(words)) } (preview) }))
    };
    if request.field("step") != "confirm" {
        return with_preview(&tried, "");
    }
    let digest = text(&tried, "/changed_digest");
    if request.field("seen") != digest {
        return with_preview(&tried, OTHER_CUSTOMERS);
    }
    if request.field("count") != words_at(&tried, "/changed") {
        let words = "The number is not the number of customers who will change. Nothing was changed.";
        return with_preview(&tried, words);
    }
    let job = parse_job_id(request.field("job").to_owned())?;
    if let Some(write) = request.second_person_for(writes_of_bulk(merchant, &set)) {
        return Ok(Outcome::NeedsSecondPerson(write));
    }
    let body = json!({ "select": select, "set": set, "changed_digest": digest }).to_string();
    let operation = WriteOperation::Bulk { job: job.clone(), body };
    let write = CustomerWrite { merchant: merchant.id, customer: String::new(), operation };
    match commit(request, &write) {
        Ok(_) => Ok(Outcome::Redirect(request.links.to(&["m", merchant.id.as_str(), "jobs", &job]))),
        Err(error) if error.is_unavailable() => Err(error),
        // A customer has changed between the trial above and the job.
        Err(error) if error.code == "selection_changed" => with_preview(&try_change()?, OTHER_CUSTOMERS),
        Err(error) => with_form(&error),
    }
}

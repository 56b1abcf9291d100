//! Sets a customer's own limits or an operator's limits for the customer: a form, a preview, and the change.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{customer_of, filter_list, title_of},
            four_eyes::is_raise,
        },
        parts::{badge, nothing, time},
    },
    domain::{
        request::fields::{parse_currency, parse_word},
        rules::merchant::Merchant,
        vocabulary::direction::Direction,
    },
    service::{
        customers::limits::LimitsKey,
        documents::{as_text::AsText, query::to_time},
        error::ServiceError,
    },
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The words of windows that the form suggests; others are typed.
const WINDOWS: [&str; 3] = ["daily", "weekly", "monthly"];
/// The columns of the form: the field, and its label.
const COLUMNS: [(&str, &str); 4] =
    [("name", "Name"), ("window", "Window"), ("amount_limit", "Most amount"), ("quantity_limit", "Most payments")];

/// The limits that a request is about, and whose they are.
struct Subject {
    direction: String,
    currency: String,
    key: LimitsKey,
    /// Whether they are an operator's; else they are the customer's own.
    of_operator: bool,
}

/// The subject of the query, or of the form.
fn subject(request: &PageRequest, value: impl Fn(&str) -> String) -> Result<Subject, ServiceError> {
    let (direction, currency) = (value("direction"), value("currency"));
    let key = LimitsKey {
        direction: parse_word::<Direction>("direction", &direction)?,
        currency: parse_currency(&request.rules, &currency)?,
    };
    Ok(Subject { direction, currency, key, of_operator: value("owner") == "operator" })
}

/// The filters of the subject that a document of limits shows.
fn filters_of<'v>(limits: &'v Value, subject: &Subject) -> &'v [Value] {
    match (subject.of_operator, limits["pending"].is_object()) {
        (true, _) => list(limits, "/operator/filters"),
        // What the customer last asked for.
        (false, true) => list(limits, "/pending/filters"),
        (false, false) => list(limits, "/filters"),
    }
}

/// The filters that the form describes. A row that names a filter that exists keeps its other options; a row without a limit
/// removes the filter.
fn wanted_filters(request: &PageRequest, known: &[Value]) -> Vec<Value> {
    let column = |key: &'static str| request.fields(key).map(str::trim).collect::<Vec<_>>();
    let [names, windows, amounts, quantities] = COLUMNS.map(|(key, _)| column(key));
    let mut filters = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let cell = |column: &[&str]| column.get(n).copied().unwrap_or_default().to_owned();
        let (window, amount, quantity) = (cell(&windows), cell(&amounts), cell(&quantities));
        if amount.is_empty() && quantity.is_empty() {
            continue;
        }
        let same_name = known.iter().find(|filter| text(filter, "/name") == *name);
        let mut filter = same_name.cloned().unwrap_or_else(|| json!({}));
        // It follows from the options.
        if let Some(members) = filter.as_object_mut() {
            members.remove("kind");
        }
        filter["name"] = json!(name);
        filter["window"] = json!(window);
        filter["amount_limit"] = if amount.is_empty() { Value::Null } else { json!(amount) };
        filter["quantity_limit"] = match quantity.parse::<u64>() {
            Ok(count) => json!(count),
            Err(_) if quantity.is_empty() => Value::Null,
            // The service refuses it and names the fault.
            Err(_) => json!(quantity),
        };
        filters.push(filter);
    }
    filters
}

/// The form with rows for the filters, and an empty one.
fn form(request: &PageRequest, subject: &Subject, filters: &[Value]) -> Markup {
    let empty = json!({});
    html! {
        form method="post" action="change" class="card" {
            (hidden_subject(subject))
            div class="scroll" { table {
                thead { tr { @for (_, label) in COLUMNS { th scope="col" { (label) } } } }
                tbody { @for filter in filters.iter().chain([&empty]) { tr {
                    @for (key, label) in COLUMNS { td {
                        input type="text" name=(key) value=(words_at(filter, &format!("/{key}"))) aria-label=(label)
                            list=[(key == "window").then_some("windows")] autocomplete="off";
                    } }
                } } }
            } }
            datalist id="windows" { @for window in WINDOWS { option value=(window) {} } }
            p class="quiet" { "A row without a limit is removed; without any limit all of them are removed. Windows: daily, weekly, monthly, or a time such as 6h or 30d. Amounts \
                               are in " (subject.currency) "." }
            @if subject.of_operator {
                label class="field narrow" { span { "Until the end of" }
                    input type="date" name="until" value=(request.field("until")); }
            }
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href="../limits" { "Cancel" } }
        }
    }
}

fn hidden_subject(subject: &Subject) -> Markup {
    html! {
        input type="hidden" name="direction" value=(subject.direction);
        input type="hidden" name="currency" value=(subject.currency);
        input type="hidden" name="owner" value=(if subject.of_operator { "operator" } else { "customer" });
    }
}

/// What the limits would be, with a button that sets them.
fn preview(
    request: &PageRequest,
    merchant: &Merchant,
    (subject, removes_all): (&Subject, bool),
    (now, then): (&Value, &Value),
) -> Markup {
    let (waits, currency) = (then["pending"].is_object() && !subject.of_operator, subject.currency.as_str());
    html! {
        section class="card" {
            h2 { @if removes_all { "All of these limits will be removed" } @else { "This will change" } }
            div class="columns" {
                div { h3 { "In force now" } (filters_or_none(in_force(now, subject), currency)) }
                div {
                    h3 { "In force then" }
                    (filters_or_none(in_force(then, subject), currency))
                    @if waits {
                        h3 { "Waits " (badge(text(then, "/pending/state"))) }
                        (filters_or_none(list(then, "/pending/filters"), currency))
                        p { "A higher or a removed limit takes effect at " (time(&merchant.calendar, text(then, "/pending/from"))) "." }
                    }
                    @if subject.of_operator && !removes_all { p { "Until " (time(&merchant.calendar, text(then, "/operator/until"))) "." } }
                }
            }
            @let warnings = list(then, "/warnings");
            @if !warnings.is_empty() { ul { @for warning in warnings { li { (warning.as_str().unwrap_or_default()) } } } }
            form method="post" action="change" {
                (hidden_subject(subject))
                input type="hidden" name="until" value=(request.field("until"));
                input type="hidden" name="seen" value=(fingerprint(now));
                @for (key, _) in COLUMNS { @for value in request.fields(key) { input type="hidden" name=(key) value=(value); } }
                p class="actions" {
                    button name="step" value="confirm" { @if removes_all { "Remove all limits" } @else { "Set the limits" } } " "
                    a href={ "change" (query_of(subject)) } { "Back" }
                }
            }
        }
    }
}

fn query_of(subject: &Subject) -> String {
    let owner = if subject.of_operator { "operator" } else { "customer" };
    query_text([("direction", &*subject.direction), ("currency", &*subject.currency), ("owner", owner)])
}

fn in_force<'v>(limits: &'v Value, subject: &Subject) -> &'v [Value] {
    list(limits, if subject.of_operator { "/operator/filters" } else { "/filters" })
}

fn filters_or_none(filters: &[Value], currency: &str) -> Markup {
    if filters.is_empty() { nothing("No limit.") } else { filter_list(filters, currency) }
}

/// The limits after the removal of the operator's.
fn without_operator_limits(now: &Value) -> Value {
    let mut then = now.clone();
    then["operator"] = Value::Null;
    then
}

/// The state that a preview showed, to be compared at the confirmation: the document itself.
fn fingerprint(limits: &Value) -> String {
    limits.to_string()
}

fn page(request: &PageRequest, merchant: &Merchant, (customer, subject): (&Value, &Subject), body: Markup) -> Outcome {
    let whose = if subject.of_operator { "Operator's limits" } else { "Customer's own limits" };
    let title = format!("{whose}: {}s in {}", spaced(&subject.direction), subject.currency);
    let base = ["m", merchant.id.as_str(), "customers"];
    let of_customer = request.links.to(&[&base[..], &[request.parameter("customer"), "limits"]].concat());
    Outcome::Page(
        Content::new(title, body).below("Customers", request.links.to(&base)).below(title_of(customer), of_customer),
    )
}

/// `GET .../customers/{customer}/limits/change`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let subject = subject(request, |key| request.query(key).to_owned())?;
    let limits = request.read(request.customers(merchant).limits(request.parameter("customer"), subject.key))?;
    let body = form(request, &subject, filters_of(&limits, &subject));
    Ok(page(request, merchant, (&customer, &subject), body))
}

/// `POST .../customers/{customer}/limits/change`: previews the limits, or sets them.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (customers, number) = (request.customers(merchant), request.parameter("customer"));
    let customer = customer_of(request, merchant)?;
    let subject = subject(request, |key| request.field(key).to_owned())?;
    let now = request.read(customers.limits(number, subject.key))?;
    let filters = wanted_filters(request, filters_of(&now, &subject));
    let with_form = |words: &str| {
        let body = html! {
            div class="notice bad" role="alert" { p { (words) } }
            (form(request, &subject, &filters))
        };
        Ok(page(request, merchant, (&customer, &subject), body))
    };
    let removes_all = filters.is_empty();
    if removes_all && filters_of(&now, &subject).is_empty() {
        return with_form("There is no limit to remove: fill in a row with an amount or a number of payments.");
    }
    let mut body = json!({ "filters": filters });
    // The removal of an operator's limits has no end.
    if subject.of_operator && !removes_all {
        match to_time("until", request.field("until"), Some(&merchant.calendar)) {
            Ok(until) => body["until"] = json!(AsText(until)),
            Err(error) => return with_form(&error.detail),
        }
    }
    let body = body.to_string();
    let tried = match (removes_all, subject.of_operator) {
        (true, true) => Ok(without_operator_limits(&now)),
        _ => customers.try_limits(number, subject.key, body.as_bytes()).and_then(|reply| request.read(Ok(reply))),
    };
    let then = match tried {
        Ok(then) => then,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with_form(&error.detail),
    };
    let is_confirmed = request.field("step") == "confirm";
    let has_changed = request.field("seen") != fingerprint(&now);
    if !is_confirmed || has_changed {
        let body = html! {
            @if is_confirmed {
                div class="notice bad" role="alert" {
                    p { "The limits have changed since the preview. Look at the changes again." }
                }
            }
            (preview(request, merchant, (&subject, removes_all), (&now, &then)))
        };
        return Ok(page(request, merchant, (&customer, &subject), body));
    }
    if is_raise(&now, &then) && request.requires_second_person(FourEyesWrite::RaiseLimit) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::RaiseLimit));
    }
    let (key, of_operator) = (subject.key, subject.of_operator);
    let operation = match removes_all {
        true => WriteOperation::DeleteLimits { key, of_operator },
        false => WriteOperation::PutLimits { key, body },
    };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => {
            let address = request.links.to(&["m", merchant.id.as_str(), "customers", number, "limits"]);
            Ok(Outcome::Redirect(format!("{address}?done=1")))
        }
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with_form(&error.detail),
    }
}

//! The limits of a level: the list, and the form for one with all its options.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        links::query_text,
        page_request::{PageRequest, Paged},
        pages::levels::{
            level_page::{LevelPage, entries, entry, optional},
            list::limit_of,
            preview::LevelWrite,
        },
        parts::{badge, choice, nothing, or_dash, text_field},
    },
    domain::{rules::filter::FilterMode, vocabulary::words::Word},
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The windows that the form suggests; others are typed.
const WINDOWS: [&str; 4] = ["daily", "weekly", "monthly", "lifetime"];
/// The options that are on or off, with their labels.
const SWITCHES: [(&str, &str); 3] = [
    ("calendar", "Aligned to the calendar of the merchant's time zone (daily, weekly, monthly)"),
    ("for_all_merchant_currencies", "Counts all levels and currencies of the merchant, converted"),
    ("subtract_cancel_transactions", "A cancelled amount no longer counts"),
];

/// Everything that a filter states besides its name and its limits.
fn options_of(filter: &Value) -> String {
    let shown = ["name", "window", "amount_limit", "quantity_limit", "mode"];
    let rest = filter.as_object().into_iter().flatten();
    let rest = rest
        .filter(|(name, value)| !shown.contains(&name.as_str()) && !value.is_null() && **value != Value::Bool(false));
    let words = rest.map(|(name, value)| match value {
        Value::Bool(_) => spaced(name),
        value => format!("{} {}", spaced(name), in_words(value)),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// `GET .../levels/{direction}/{currency}/{level}/filters`
pub(in crate::console) fn filters(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let (filters, currency) = (list(&shown.level, "/filters"), shown.currency());
    let body = html! {
        @if request.may_write() {
            p class="actions" { a class="button" href=(shown.to(&["filters", "change"])) { "Add a limit" } }
        }
        @if filters.is_empty() { (nothing("The level limits nothing.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Limit" } @if request.may_write() { th scope="col" { "Change" } } th scope="col" { "Window" } th scope="col" { "At most" }
                    th scope="col" { "Mode" } th scope="col" { "Options" } th scope="col" { "Customers" }
                } }
                tbody { @for filter in filters {
                    @let name = text(filter, "/name");
                    @let query = query_text([("filter", name)]);
                    tr {
                        th scope="row" { (name) }
                        @if request.may_write() {
                            td { a href={ (shown.to(&["filters", "change"])) (query) } aria-label={ "Change: " (name) } { "Change" } }
                        }
                        td { (text(filter, "/window")) }
                        td { (or_dash(&limit_of(filter, currency))) }
                        td { (badge(text(filter, "/mode"))) }
                        td { (or_dash(&options_of(filter))) }
                        td { a href={ (shown.to(&["above"])) (query) } aria-label={ "Above it now: " (name) } { "Above it now" } }
                    }
                } }
            } }
            p class="quiet" { "A limit in the mode shadow is reported and denies nothing." }
        }
    };
    Ok(shown.page("filters", &body))
}

/// The form with the values of a filter. `name`: the filter that is changed; empty: a new one.
fn form(shown: &LevelPage<'_>, name: &str, filter: &Value) -> Markup {
    let at = |key: &str| words_at(filter, &format!("/{key}"));
    let is_on = |key: &str| filter[key] == json!(true);
    let currency = shown.currency();
    html! {
        form method="post" class="card narrow" {
            input type="hidden" name="filter" value=(name);
            (text_field("name", "Name", &at("name"), "the window"))
            label class="field" { span { "Window" }
                input type="text" name="window" value=(at("window")) list="windows" autocomplete="off" placeholder="daily"; }
            datalist id="windows" { @for window in WINDOWS { option value=(window) {} } }
            p class="quiet" { "Windows: daily, weekly, monthly, lifetime, or a time such as 45m, 6h or 90d." }
            (text_field("amount_limit", &format!("Most amount, in {currency}"), &at("amount_limit"), "unlimited"))
            (text_field("quantity_limit", "Most payments", &at("quantity_limit"), "unlimited"))
            (choice("mode", "Mode", &at("mode"), "", FilterMode::WORDS.iter().map(|(word, _)| *word)))
            (text_field("warn_at", "Report from this share on", &at("warn_at"), "80%"))
            fieldset {
                legend { "Options" }
                @for (key, label) in SWITCHES {
                    label class="check" { input type="checkbox" name=(key) value="true" checked[is_on(key)]; " " (label) }
                }
            }
            (choice("week_starts_on", "A calendar week starts on", &at("week_starts_on"), "", ["monday", "sunday"]))
            (choice("month", "A rolling month is", &at("month"), "", ["30d", "same_day"]))
            p class="actions" {
                button name="step" value="preview" { "Show what changes" } " "
                @if !name.is_empty() { button class="plain" name="remove" value="yes" { "Remove this limit" } " " }
                a href=(shown.to(&["filters"])) { "Cancel" }
            }
        }
    }
}

fn write<'a>(shown: &LevelPage<'a>, name: &str) -> LevelWrite<'a> {
    let title = if name.is_empty() { "Add a limit".to_owned() } else { format!("Limit {name}") };
    shown.write(&title, "Change the level", "filters")
}

/// `GET .../levels/{direction}/{currency}/{level}/filters/change`: `?filter=` names the one to be changed.
pub(in crate::console) fn show_filter(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let known = entry(list(&shown.level, "/filters"), "name", request.query("filter"));
    let name = known.map_or("", |filter| text(filter, "/name"));
    let form = form(&shown, name, known.unwrap_or(&Value::Null));
    Ok(write(&shown, name).page(form))
}

/// The filter that the form describes. A choice that does not belong to the window is left out.
fn wanted(request: &PageRequest) -> Value {
    let at = |key: &str| optional(request.field(key));
    let (window, is_calendar) = (request.field("window"), request.field("calendar") == "true");
    let quantity = match request.field("quantity_limit") {
        "" => Value::Null,
        // The service refuses a text and names the fault.
        sent => sent.parse::<u64>().map_or_else(|_| json!(sent), |count| json!(count)),
    };
    let mut filter = json!({
        "name": at("name"),
        "window": at("window"),
        "amount_limit": at("amount_limit"),
        "quantity_limit": quantity,
        "mode": at("mode"),
        "warn_at": at("warn_at"),
    });
    for (key, _) in SWITCHES {
        filter[key] = json!(request.field(key) == "true");
    }
    match (window, is_calendar) {
        ("weekly", true) => filter["week_starts_on"] = at("week_starts_on"),
        ("monthly", false) => filter["month"] = at("month"),
        _ => {}
    }
    filter
}

/// `POST .../levels/{direction}/{currency}/{level}/filters/change`: previews the limit, or sets or removes it.
pub(in crate::console) fn change_filter(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let name = request.field("filter");
    let filter = wanted(request);
    let mut settings = shown.settings();
    let mut filters = entries(&settings, "filters");
    let place = filters.iter().position(|known| known["name"] == json!(name));
    match (place, request.field("remove")) {
        (Some(place), "yes") => _ = filters.remove(place),
        (Some(place), _) => filters[place] = filter.clone(),
        (None, _) => filters.push(filter.clone()),
    }
    settings.insert("filters".to_owned(), Value::Array(filters));
    let form = form(&shown, name, &filter);
    write(&shown, name).preview_or_commit(shown.put(settings), &form)
}

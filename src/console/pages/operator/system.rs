//! The daemon: configuration, snapshot, journal, archive, Redis, clock, limits, memory, settings.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::duration,
        parts::{badge, facts, nothing, or_dash, time},
    },
    domain::vocabulary::{calendar::Calendar, time::Millis},
    service::{monitoring::settings_document::SettingsDocument, reply::Reply},
    storage::journal::Lsn,
};
use maud::{Markup, html};
use serde_json::Value;

/// Whether the person may see what concerns the daemon and all merchants.
fn is_of_all(request: &PageRequest) -> bool {
    request.token.as_ref().is_none_or(|token| token.merchants.is_none())
}

/// Sentences under a title; nothing without one.
pub(super) fn sentences(title: &str, tone: &str, lines: &[Value]) -> Markup {
    html! {
        @if !lines.is_empty() {
            div class={ "notice " (tone) } { p { strong { (title) } } ul { @for line in lines { li { (in_words(line)) } } } }
        }
    }
}

/// What a configuration adds, changes and removes, in words.
pub(super) fn difference_lists(document: &Value) -> Markup {
    let parts = [("Added", "/added"), ("Changed", "/changed"), ("Removed", "/removed")];
    let has_any = parts.iter().any(|(_, path)| !list(document, path).is_empty());
    html! {
        @if !has_any { p class="quiet" { "No difference." } }
        @for (title, path) in parts {
            @let lines = list(document, path);
            @if !lines.is_empty() { h3 { (title) } ul class="changes" { @for line in lines { li { (in_words(line)) } } } }
        }
        (sentences("After a restart only", "", list(document, "/restart_needed")))
    }
}

fn configuration(status: &Value) -> Markup {
    let config = &status["config"];
    let utc = Calendar::utc();
    let failed_since = text(config, "/failed_since");
    let about = [
        ("Version", html! { code { (text(config, "/version")) } }),
        ("In force since", time(utc, text(config, "/applied_at"))),
        ("Last reload", time(utc, text(config, "/last_reload/at"))),
    ];
    html! {
        section class="card" {
            h2 { "Configuration" }
            @if !failed_since.is_empty() {
                div class="notice bad" role="alert" {
                    p { "Reloads fail since " (time(utc, failed_since)) ". The earlier configuration is in force." }
                }
                (sentences("Problems", "bad", list(config, "/problems")))
                (sentences("Warnings", "", list(config, "/warnings")))
            }
            (facts(&about))
            @if config["last_reload"].is_object() {
                details {
                    summary { "What the last reload changed" }
                    (difference_lists(&config["last_reload"]))
                    (sentences("Warnings", "", list(config, "/last_reload/warnings")))
                }
            }
        }
    }
}

/// The members of a part of the status as facts; times are times.
fn part(title: &str, document: &Value) -> Markup {
    let utc = Calendar::utc();
    let members = document.as_object().into_iter().flatten();
    let shown = |value: &Value| match value {
        Value::String(at) if Millis::parse(at).is_some() => time(utc, at),
        other => or_dash(&in_words(other)),
    };
    html! {
        @if document.is_object() {
            section class="card" {
                h2 { (title) }
                dl class="facts" { @for (name, value) in members { div { dt { (spaced(name)) } dd { (shown(value)) } } } }
            }
        }
    }
}

/// The copy in Redis, and whether it lags.
fn redis(document: &Value) -> Markup {
    let at = |path: &str| or_dash(&words_at(document, path));
    let seconds =
        |path: &str| document.pointer(path).and_then(Value::as_i64).map(|seconds| seconds.saturating_mul(1_000));
    let lag = match document["lag_records"].as_u64() {
        Some(0) => "none: Redis has every record".to_owned(),
        Some(records) => {
            let since = duration::in_words(seconds("/lag_seconds").unwrap_or_default());
            format!("{records} records, since {since}")
        }
        None => String::new(),
    };
    html! {
        section class="card" {
            h2 { "Redis" }
            @if document.is_object() {
                (facts(&[
                    ("State", badge(text(document, "/state"))),
                    ("Lag", or_dash(&lag)),
                    ("Confirms nothing since", or_dash(&seconds("/failing_seconds").map_or_else(String::new, duration::in_words))),
                    ("Reason", at("/reason")),
                    ("Last confirmed record", at("/shipped_lsn")),
                    ("Snapshot up to record", at("/snapshot_lsn")),
                ]))
            } @else { p class="quiet" { "This daemon does not use Redis." } }
        }
    }
}

/// Bytes in words: `12.3 MB`.
fn bytes_in_words(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

fn limits(settings: &Value) -> Markup {
    let memory = |path: &str| settings.pointer(path).and_then(Value::as_u64).map(bytes_in_words).unwrap_or_default();
    html! {
        section class="card" {
            h2 { "Limits and memory" }
            div class="scroll" { table {
                thead { tr { th scope="col" { "Limit" } th scope="col" { "Use" } th scope="col" class="number" { "Used" }
                    th scope="col" class="number" { "Most" } } }
                tbody { @for limit in list(settings, "/limits") {
                    @let [used, max] = ["used", "max"].map(|name| limit[name].as_u64().unwrap_or_default());
                    @let name = spaced(text(limit, "/limit"));
                    @let shown = |value| if name.ends_with("bytes") { bytes_in_words(value) } else { value.to_string() };
                    tr {
                        th scope="row" { (name) }
                        td { meter min="0" max=(max) value=(used) aria-label={ (name) ": " (shown(used)) " of " (shown(max)) } {} }
                        td class="number" { (shown(used)) } td class="number" { (shown(max)) }
                    }
                } }
            } }
            (facts(&[
                ("Memory now", or_dash(&memory("/memory/resident_bytes"))),
                ("Most memory since the start", or_dash(&memory("/memory/resident_bytes_max"))),
            ]))
        }
    }
}

fn settings_table(settings: &Value) -> Markup {
    html! {
        section class="card" {
            h2 { "Settings in force" }
            details {
                summary { "All settings" }
                div class="scroll" { table {
                    thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } } }
                    tbody { @for setting in list(settings, "/settings") { tr {
                        th scope="row" { code { (text(setting, "/name")) } }
                        td { @if setting["is_secret"] == true { span class="quiet" { "not shown" } } @else { (or_dash(&words_at(setting, "/value"))) } }
                    } } }
                } }
            }
        }
    }
}

/// The actions of an operator of all merchants.
fn actions() -> Markup {
    html! {
        section class="card" {
            h2 { "Actions" }
            p class="actions" { a class="button" href="system/reload" { "Show what a reload would change" } }
            form method="post" action="system/snapshot" {
                p class="quiet" { "A snapshot makes the next start faster. Payments are answered while it is written." }
                p class="actions" { button class="plain" { "Take a snapshot" } }
            }
        }
    }
}

fn notice(request: &PageRequest) -> Markup {
    let words = match request.query("done") {
        "reload" => "The configuration was reloaded.",
        "snapshot" => "A snapshot was taken.",
        _ => "",
    };
    html! { @if !words.is_empty() { div class="notice good" role="status" { p { (words) } } } }
}

/// `GET /console/system`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let parts = &request.console.parts;
    let reply = Reply::new(&parts.status.document(request.token.as_deref())).depending_on(Lsn::NONE);
    let status = request.read(Ok(reply))?;
    let settings = SettingsDocument::of(&*parts.status.control, &parts.payments);
    let settings = request.read(Ok(Reply::new(&settings).depending_on(Lsn::NONE)))?;
    let uptime = status["uptime_seconds"].as_i64().unwrap_or_default();
    let uptime = duration::in_words(uptime.saturating_mul(1_000));
    let about = [
        ("Version", or_dash(text(&status, "/version"))),
        ("Runs for", html! { (uptime) }),
        ("Role", badge(text(&status, "/role"))),
        ("Store", or_dash(text(&status, "/store"))),
        ("Durability", or_dash(text(&status, "/keeps"))),
        ("Customers", or_dash(&words_at(&status, "/customers"))),
        ("Transactions in memory", or_dash(&words_at(&status, "/transactions"))),
        ("Time zone data", or_dash(text(&status, "/zone_data_version"))),
    ];
    let journal = [
        ("Last record", or_dash(&words_at(&status, "/lsn"))),
        ("Last synced record", or_dash(&words_at(&status, "/synced_lsn"))),
        ("Levels that payments could not create", or_dash(&words_at(&status, "/levels_turned_away"))),
    ];
    let body = html! {
        (notice(request))
        (configuration(&status))
        div class="columns" {
            section class="card" { h2 { "Daemon" } (facts(&about)) }
            @if is_of_all(request) {
                section class="card" { h2 { "Journal" } (facts(&journal)) }
                (part("Snapshot", &status["snapshot"]))
                (part("Archive", &status["archive"]))
            }
            (redis(&status["redis"]))
            (part("Standby", &status["standby"]))
            (part("Clock", &status["clock_state"]))
        }
        @if is_of_all(request) { (limits(&settings)) (settings_table(&settings)) } @else {
            (nothing("Your token is for some merchants. What concerns the daemon and other merchants is not shown."))
        }
        @if request.may_operate_daemon() { (actions()) }
    };
    Ok(Outcome::Page(Content::new("System", body)))
}

/// `POST /console/system/snapshot`
pub(in crate::console) fn snapshot(request: &PageRequest) -> Paged {
    request.console.parts.status.control.snapshot()?;
    Ok(Outcome::Redirect(format!("{}?done=snapshot", request.links.to(&["system"]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lag_of_redis_is_in_words() {
        let behind = json!({ "state": "outage", "lag_records": 7, "lag_seconds": 120, "failing_seconds": 130 });
        for (document, words) in [
            (json!({ "state": "shipping", "lag_records": 0 }), "none: Redis has every record"),
            (behind.clone(), "7 records, since 2 minutes"),
            (behind, "<dd>2 minutes</dd>"),
            (Value::Null, "does not use Redis"),
        ] {
            let shown = redis(&document).into_string();
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[test]
    fn bytes_have_a_unit() {
        let words = [17, 20_500, 1_234_567].map(bytes_in_words);
        assert_eq!(words, ["17 bytes", "20 kB", "1.2 MB"]);
    }
}

//! Jobs: uploads of tables and changes of many customers, with their progress, their outcome, and their files.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        layout::Content,
        page_request::{Download, DownloadContent, Outcome, PageRequest, Paged},
        parts::{badge, facts, nothing, or_dash, time},
    },
    domain::{rules::merchant::Merchant, vocabulary::names::Name},
    service::{error::ServiceError, reply::Reply},
};
use maud::{Markup, html};
use serde_json::Value;

/// The jobs of the list.
const JOBS_MAX: usize = 100;
/// The faults that the page of a job lists. The file has all that are known.
const BAD_ROWS_SHOWN_MAX: usize = 100;
/// The seconds between two looks at a job that is under way.
const REFRESH_S: u8 = 2;

/// The counts of an outcome, in the order of the page.
const COUNTS: [(&str, &str); 8] = [
    ("rows", "Rows"),
    ("selected", "Selected"),
    ("created", "Created"),
    ("changed", "Changed"),
    ("unchanged", "Unchanged"),
    ("bad", "Bad rows"),
    ("refused", "Refused"),
    ("values_removed", "Values that empty cells remove"),
];

fn job_of(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let shows_name = |name: &str| Name::existing(name).is_none_or(|name| request.shows_name(name));
    let shown = request.console.parts.jobs.show(merchant.id, request.parameter("job"), &shows_name);
    request.read(shown.map(|document| Reply::new(&document)))
}

/// The kind of a job, in words.
fn kind_in_words(job: &Value) -> &'static str {
    match (text(job, "/kind"), text(job, "/mode")) {
        ("upload", "trial") => "Trial of a table",
        ("upload", "partial") => "Upload of a table, good rows only",
        ("upload", _) => "Upload of a table, all rows or none",
        _ => "Change of many customers",
    }
}

/// What a phase means for the customers.
fn state_in_words(state: &str) -> &'static str {
    match state {
        "trying" => "It is tried. Nothing has changed yet.",
        "applying" => "It is being done. A stop of the daemon only delays it.",
        "done" => "It is done.",
        "tried" => "It was tried, and nothing was changed.",
        "refused" => "It was refused, and nothing was changed.",
        "interrupted" => "It stopped between two steps. The next start of the daemon finishes it if it has begun.",
        _ => "",
    }
}

fn is_under_way(state: &str) -> bool {
    matches!(state, "trying" | "applying")
}

/// `GET /console/m/{merchant}/jobs`
pub(in crate::console) fn list_jobs(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let shows_name = |name: &str| Name::existing(name).is_none_or(|name| request.shows_name(name));
    let jobs = request.console.parts.jobs.list(merchant.id, JOBS_MAX, &shows_name);
    let jobs = request.read(Ok(Reply::new(&jobs)))?;
    let jobs = list(&jobs, "/jobs");
    let body = html! {
        @if jobs.is_empty() { (nothing("No table was uploaded and no change of many customers was made.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Job" } th scope="col" { "What" } th scope="col" { "State" }
                    th scope="col" class="number" { "Rows" } th scope="col" { "By" } th scope="col" { "Begun" }
                } }
                tbody { @for job in jobs {
                    @let id = text(job, "/id");
                    tr {
                        th scope="row" { a href=(request.links.to(&["m", merchant.id.as_str(), "jobs", id])) { (id) } }
                        td { (kind_in_words(job)) }
                        td { (badge(text(job, "/state"))) }
                        td class="number" { (words_at(job, "/rows_done")) " of " (words_at(job, "/rows")) }
                        td { (or_dash(text(job, "/by"))) }
                        td { (time(&merchant.calendar, text(job, "/begun_at"))) }
                    }
                } }
            } }
            p class="quiet" { "The newest " (JOBS_MAX) " jobs." }
        }
    };
    let above = request.links.to(&["m", merchant.id.as_str(), "customers"]);
    Ok(Outcome::Page(Content::new("Jobs", body).below("Customers", above)))
}

/// The faults of rows, with line, column and reason.
fn bad_row_table(rows: &[Value]) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr { th scope="col" class="number" { "Line" } th scope="col" { "Column" } th scope="col" { "Reason" } } }
            tbody { @for row in rows.iter().take(BAD_ROWS_SHOWN_MAX) { tr {
                td class="number" { (words_at(row, "/line")) }
                td { (or_dash(text(row, "/column"))) }
                td { (text(row, "/reason")) }
            } } }
        } }
        @if rows.len() > BAD_ROWS_SHOWN_MAX {
            p class="quiet" { "The first " (BAD_ROWS_SHOWN_MAX) " of " (rows.len()) " faults; the file has all of them." }
        }
    }
}

/// The name of a count. A job that was tried or refused has changed nothing.
fn count_in_words(name: &'static str, state: &str) -> &'static str {
    match (name, state) {
        ("Created", "tried" | "refused") => "Would be created",
        ("Changed", "tried" | "refused") => "Would change",
        _ => name,
    }
}

/// The outcome of a job, as far as it is known.
fn outcome(request: &PageRequest, merchant: &Merchant, job: &Value) -> Markup {
    let answer = &job["answer"];
    let base = ["m", merchant.id.as_str(), "jobs", text(job, "/id")];
    let file = |name: &str| request.links.to(&[&base[..], &[name]].concat());
    let counts: Vec<(&str, Markup)> = COUNTS
        .iter()
        .filter(|(key, _)| answer[key].is_u64())
        .map(|(key, name)| {
            (count_in_words(name, text(job, "/state")), html! { (words_at(answer, &format!("/{key}"))) })
        })
        .collect();
    let (bad, refusals, removed) =
        (list(answer, "/bad_rows"), list(answer, "/refusals"), list(answer, "/removed_values"));
    let number_of_bad = answer["bad"].as_u64().unwrap_or_default();
    let undo = text(answer, "/undo").split_once('?').map_or("", |(_, query)| query);
    let customers = request.links.to(&["m", merchant.id.as_str(), "customers.csv"]);
    html! {
        @if !counts.is_empty() {
            section class="card" { h2 { "Outcome" } (facts(&counts))
                @if !words_at(answer, "/settings_changed").is_empty() {
                    p { "Individual payment settings would change for " (words_at(answer, "/settings_changed"))
                        " customers. No table contains them." }
                }
                p class="actions" {
                    a class="button plain" href=(file("result.json")) { "Download the result" }
                    @if !undo.is_empty() {
                        " " a class="button plain" href={ (customers) "?" (undo) } { "Download the table that undoes it" }
                    }
                    @if text(job, "/state") == "done" && answer["changed"].as_u64().is_some_and(|changed| changed > 0) {
                        " " a class="button plain" href=(file("undo.csv")) { "Download the table that undoes it" }
                    }
                    @if text(job, "/kind") == "upload" && text(job, "/state") != "done" {
                        " " a class="button" href=(request.links.to(&["m", merchant.id.as_str(), "customers", "upload"])) {
                            "Upload a table"
                        }
                    }
                }
            }
        }
        @if number_of_bad > 0 {
            section {
                h2 { "Bad rows" }
                @if bad.is_empty() { (nothing("Their reasons are not kept over a restart of the daemon.")) } @else {
                    (bad_row_table(bad))
                    p { a class="button plain" href=(file("bad_rows.csv")) { "Download the bad rows" } }
                }
            }
        }
        @if !refusals.is_empty() {
            section { h2 { "Customers who were not changed" }
                ul { @for refusal in refusals { li {
                    a href=(request.links.to(&["m", merchant.id.as_str(), "customers", text(refusal, "/customer_id")])) {
                        (text(refusal, "/customer_id"))
                    }
                    ": " (text(refusal, "/detail"))
                } } }
            }
        }
        @if !removed.is_empty() {
            section { h2 { "Values that empty cells would remove" }
                ul { @for value in removed.iter().take(BAD_ROWS_SHOWN_MAX) { li {
                    "line " (words_at(value, "/line")) ", " (spaced(text(value, "/column"))) " of customer "
                    (text(value, "/customer_id")) ": " (text(value, "/value"))
                } } }
            }
        }
    }
}

/// `GET /console/m/{merchant}/jobs/{job}`: as long as the job is under way, the page loads itself again.
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let job = job_of(request, merchant)?;
    let (state, rows, done) = (text(&job, "/state"), words_at(&job, "/rows"), words_at(&job, "/rows_done"));
    let about = [
        ("By", or_dash(text(&job, "/by"))),
        ("Begun", time(&merchant.calendar, text(&job, "/begun_at"))),
        ("Ended", time(&merchant.calendar, text(&job, "/ended_at"))),
    ];
    let body = html! {
        p class="badges" role="status" { (badge(state)) " " (state_in_words(state)) }
        section class="card" {
            h2 { (kind_in_words(&job)) }
            @if is_under_way(state) {
                div class="usage" {
                    meter min="0" max=(rows) value=(done) aria-label={ (done) " of " (rows) " rows" } {}
                    span { (done) " of " (rows) " rows so far" }
                }
                p { a href=(text(&job, "/id")) { "Look again" } ". The page does it every " (REFRESH_S) " seconds." }
            }
            (facts(&about))
        }
        // A change of many customers that was refused has counts only where other customers would have changed.
        @if state == "refused" && text(&job, "/kind") == "bulk" && job["answer"].is_object() {
            p { "Other customers would change now than in the preview. Choose the customers again." }
        }
        (outcome(request, merchant, &job))
    };
    let base = ["m", merchant.id.as_str()];
    let content = Content::new(format!("Job {}", text(&job, "/id")), body)
        .below("Customers", request.links.to(&[&base[..], &["customers"]].concat()))
        .below("Jobs", request.links.to(&[&base[..], &["jobs"]].concat()));
    Ok(Outcome::Page(Content { refresh_s: is_under_way(state).then_some(REFRESH_S), ..content }))
}

/// `GET .../jobs/{job}/bad_rows.csv`: line, column and reason of each fault.
pub(in crate::console) fn bad_rows(request: &PageRequest) -> Result<Download, ServiceError> {
    let job = job_of(request, request.merchant()?)?;
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = table.write_record(["line", "column", "reason"]).and_then(|()| {
        list(&job, "/answer/bad_rows").iter().try_for_each(|row| {
            let (line, column) = (words_at(row, "/line"), literal(text(row, "/column")));
            table.write_record([line, column, literal(text(row, "/reason"))])
        })
    });
    let bytes = written.ok().and_then(|()| table.into_inner().ok()).ok_or_else(ServiceError::internal)?;
    Ok(Download::table("bad_rows.csv", bytes))
}

/// A text as a cell that no spreadsheet evaluates.
fn literal(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

/// `GET .../jobs/{job}/result.json`: the job as the API shows it.
pub(in crate::console) fn result(request: &PageRequest) -> Result<Download, ServiceError> {
    let job = job_of(request, request.merchant()?)?;
    let bytes = serde_json::to_vec_pretty(&job).map_err(|_| ServiceError::internal())?;
    let content = DownloadContent::Bytes(bytes);
    Ok(Download { file_name: "result.json".to_owned(), media_type: "application/json", content })
}

/// `GET .../jobs/{job}/undo.csv`: the table whose upload sets the values before the job again.
pub(in crate::console) fn undo(request: &PageRequest) -> Result<Download, ServiceError> {
    let merchant = request.merchant()?;
    let job = job_of(request, merchant)?;
    let id = text(&job, "/id").to_owned();
    let columns = request.customers(merchant).undo_columns(&id)?;
    if columns.is_empty() {
        return Ok(Download::table("undo.csv", b"customer_id\r\n".to_vec()));
    }
    let of_thread = request.clone();
    Ok(Download::written_table("undo.csv", move |output| {
        let merchant = of_thread.merchant().map_err(std::io::Error::other)?;
        of_thread.customers(merchant).write_undo_table(&id, columns, output)
    }))
}

//! The writes that wait for a second person: the list, one of them as it would be now, and its confirmation.

use crate::{
    config::FourEyesWrite,
    console::{
        actor::Actor,
        layout::Content,
        links::Links,
        make_page::make_page,
        page_request::{Outcome, PageRequest, Paged},
        page_table::{Handler, PAGES, PageMethod},
        parts::{nothing, time},
        pending_changes::{AGE_MAX_MS, KeptRequest, NewChange, PendingChange},
        preview_form::{confirming_fields, without_forms},
        state::Console,
    },
    domain::{
        rules::configuration::Rules,
        vocabulary::{calendar::Calendar, time::Millis},
    },
    service::{
        access::{
            access_tokens::{AccessToken, Role},
            author_text::two_authors,
        },
        commit::AnswerKind,
        error::{ErrorKind, ServiceError},
    },
    storage::journal::Lsn,
};
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use std::{cell::Cell, sync::Arc};

/// A write in words.
fn in_words(write: FourEyesWrite) -> &'static str {
    match write {
        FourEyesWrite::RaiseLimit => "allow more",
        FourEyesWrite::Unblock => "end a block",
        FourEyesWrite::Erase => "erase a customer",
        FourEyesWrite::Bulk => "change many customers",
    }
}

/// What a preview showed, to be compared at the confirmation: its hidden fields, with the state that it is about.
fn fingerprint(fields: &[(String, String)]) -> String {
    let digest = Sha256::digest(format!("{fields:?}").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request for one of these pages.
pub(super) struct ConfirmationCall {
    pub(super) console: Arc<Console>,
    pub(super) rules: Arc<Rules>,
    pub(super) actor: Actor,
    pub(super) links: Links,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) form: Vec<(String, String)>,
}

fn value_of<'p>(pairs: &'p [(String, String)], key: &str) -> &'p str {
    pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value.trim())
}

impl ConfirmationCall {
    /// The call of an admitted request.
    pub(super) fn of(actor: Actor, request: PageRequest) -> Self {
        let PageRequest { console, rules, links, parameters, query, form, .. } = request;
        Self { console, rules, actor, links, parameters, query, form }
    }

    fn parameter(&self, name: &str) -> &str {
        value_of(&self.parameters, name)
    }

    fn query(&self, key: &str) -> &str {
        value_of(&self.query, key)
    }

    fn field(&self, key: &str) -> &str {
        value_of(&self.form, key)
    }
}

/// The writes that wait and that a person may confirm.
pub(super) fn waiting(console: &Console, actor: &Actor) -> Vec<Arc<PendingChange>> {
    let mut changes = console.pending.all(console.parts.payments.clock.running_ms());
    changes.retain(|change| {
        let merchant = change.request.parameter("merchant");
        actor.token.as_ref().is_none_or(|token| token.reaches(merchant).is_ok())
    });
    changes
}

/// Keeps a write that a handler did not make, and leads to its page. `path` is that of the row in the table of pages.
///
/// # Errors
/// Too many wait.
pub(super) fn keep(actor: &Actor, path: &'static str, asked: PageRequest, write: FourEyesWrite) -> Paged {
    let PageRequest { console, links, parameters, query, form, .. } = asked;
    let request = KeptRequest { path, parameters, query, form };
    let clock = &console.parts.payments.clock;
    let merchant = request.parameter("merchant").to_owned();
    let (person, author) = (actor.name().to_owned(), actor.author());
    tracing::info!("{author} asks to {} of merchant {merchant}: it waits for a second person", in_words(write));
    let change = NewChange { write, request, person, author, token: actor.token.clone(), at: clock.wall() };
    let id = console.pending.keep(change, clock.running_ms())?;
    Ok(Outcome::Redirect(format!("{}?kept=1", links.to(&["m", &merchant, "confirmations", &id]))))
}

/// `GET /console/confirmations`
pub(super) fn list(call: &ConfirmationCall) -> Paged {
    let four_eyes = &call.console.parts.four_eyes;
    let changes = waiting(&call.console, &call.actor);
    let body = html! {
        @if call.query("done") == "1" { p class="notice good" role="status" { "The change was dropped." } }
        @if four_eyes.is_empty() {
            (nothing("No change needs a second person. The people who run the daemon list such changes in four_eyes."))
        } @else {
            p {
                "These changes need a second person: "
                @for (n, write) in four_eyes.iter().enumerate() { @if n > 0 { ", " } (in_words(*write)) } ". "
                "They wait in the memory of the daemon for 24 hours; a restart drops them."
            }
            @if changes.is_empty() { (nothing("No change waits.")) } @else { (table(call, &changes)) }
        }
    };
    Ok(Outcome::Page(Content::new("Confirmations", body)))
}

fn table(call: &ConfirmationCall, changes: &[Arc<PendingChange>]) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Change" } th scope="col" { "Merchant" } th scope="col" { "Customer" }
                th scope="col" { "Asked for by" } th scope="col" { "At" } th scope="col" { "Dropped at" }
            } }
            tbody { @for change in changes {
                @let merchant = change.request.parameter("merchant");
                @let customer = change.request.parameter("customer");
                tr {
                    th scope="row" {
                        a href=(call.links.to(&["m", merchant, "confirmations", &change.id])) { (in_words(change.write)) }
                    }
                    td { (merchant) }
                    td { @if customer.is_empty() { "several" } @else {
                        a href=(call.links.to(&["m", merchant, "customers", customer])) { (customer) }
                    } }
                    td { (change.author) @if change.person == call.actor.name() { " " span class="quiet" { "(you)" } } }
                    td { (asked_at(call, change)) }
                    td { (dropped_at(call, change)) }
                }
            } }
        } }
    }
}

fn calendar<'a>(call: &'a ConfirmationCall, change: &PendingChange) -> &'a Calendar {
    let merchant = call.rules.merchant(change.request.parameter("merchant"));
    merchant.map_or(Calendar::utc(), |merchant| &merchant.calendar)
}

fn asked_at(call: &ConfirmationCall, change: &PendingChange) -> Markup {
    time(calendar(call, change), &change.at.to_string())
}

fn dropped_at(call: &ConfirmationCall, change: &PendingChange) -> Markup {
    time(calendar(call, change), &Millis(change.at.0.saturating_add(AGE_MAX_MS)).to_string())
}

/// The write of the path.
fn change_of(call: &ConfirmationCall) -> Result<Arc<PendingChange>, ServiceError> {
    let (merchant, id) = (call.parameter("merchant"), call.parameter("change"));
    let all = call.console.pending.all(call.console.parts.payments.clock.running_ms());
    let found = all.into_iter().find(|change| change.id == id && change.request.parameter("merchant") == merchant);
    found.ok_or_else(gone)
}

fn gone() -> ServiceError {
    let detail = "this change does not wait: it was confirmed or dropped, 24 hours have passed, or the daemon was started \
                  again";
    ServiceError::new(ErrorKind::NotFound, "no_such_change", detail)
}

/// Calls the page of a write again with another form, for the second person.
async fn made_again(
    call: &ConfirmationCall,
    change: &PendingChange,
    form: Vec<(String, String)>,
    kind: AnswerKind,
) -> Paged {
    let rows = PAGES.iter().filter(|row| row.method == PageMethod::Post && row.path == change.request.path);
    let page = rows.into_iter().find_map(|row| if let Handler::Page(page) = row.handler { Some(page) } else { None });
    let page = page.ok_or_else(ServiceError::internal)?;
    let author = two_authors(&change.author, &call.actor.author());
    let merchant = call.rules.merchant(change.request.parameter("merchant")).map(|merchant| merchant.id);
    let again = PageRequest {
        console: Arc::clone(&call.console),
        rules: Arc::clone(&call.rules),
        token: call.actor.token_as(&author, kind, merchant)?,
        links: call.links.clone(),
        parameters: change.request.parameters.clone(),
        query: change.request.query.clone(),
        form,
        depends_on: Cell::new(Lsn::NONE),
        has_second_person: true,
    };
    make_page(&call.console, kind, page, again).await
}

/// The preview of a write as it would be made now.
struct Preview {
    content: Content,
    /// The hidden fields of its form; `None`: it cannot be made any more, and the preview says why.
    fields: Option<Vec<(String, String)>>,
}

async fn preview(call: &ConfirmationCall, change: &PendingChange) -> Result<Preview, ServiceError> {
    let without_step = change.request.form.iter().filter(|(key, _)| key != "step").cloned();
    let form = without_step.chain([("step".to_owned(), "preview".to_owned())]).collect();
    match made_again(call, change, form, AnswerKind::Read).await? {
        Outcome::Page(content) => Ok(Preview { fields: confirming_fields(&content.body.0), content }),
        Outcome::Redirect(_) | Outcome::NeedsSecondPerson(_) => Err(ServiceError::internal()),
    }
}

/// `GET /console/m/{merchant}/confirmations/{change}`
pub(super) async fn show(call: &ConfirmationCall) -> Paged {
    let change = change_of(call)?;
    show_change(call, &change, None).await
}

async fn show_change(call: &ConfirmationCall, change: &PendingChange, notice: Option<&str>) -> Paged {
    let is_own = change.person == call.actor.name();
    let preview = preview(call, change).await;
    let fields = preview.as_ref().ok().and_then(|preview| preview.fields.as_ref());
    let (merchant, customer) = (change.request.parameter("merchant"), change.request.parameter("customer"));
    let body = html! {
        @if call.query("kept") == "1" {
            p class="notice" role="status" { "Nothing has changed yet: the change waits for a second person. Send them the address of this page." }
        }
        @if let Some(notice) = notice { div class="notice bad" role="alert" { p { (notice) } } }
        p {
            strong { (change.author) } " asked for it at " (asked_at(call, change)) ". It is dropped at "
            (dropped_at(call, change)) ", and when the daemon is started again."
        }
        @if !customer.is_empty() {
            p { a href=(call.links.to(&["m", merchant, "customers", customer])) { "The customer as it is now" } }
        }
        @match &preview {
            Ok(Preview { content, .. }) => { h2 { (content.title) } (PreEscaped(without_forms(&content.body.0))) },
            Err(error) => div class="notice bad" role="alert" { p { "It cannot be made now: " (error.detail) } },
        }
        form method="post" action=(change.id) {
            @if is_own { p { "Another person must confirm it. You can only drop it." } }
            p class="actions" {
                @if let Some(fields) = fields.filter(|_| !is_own) {
                    input type="hidden" name="seen" value=(fingerprint(fields));
                    button name="step" value="confirm" { "Confirm the change" } " "
                }
                button class="plain" name="step" value="drop" { @if is_own { "Drop it" } @else { "Reject" } }
            }
        }
    };
    let content = Content::new(format!("To confirm: {}", in_words(change.write)), body);
    Ok(Outcome::Page(content.below("Confirmations", call.links.to(&["confirmations"]))))
}

/// `POST /console/m/{merchant}/confirmations/{change}`: makes the write, or drops it.
pub(super) async fn decide(call: &ConfirmationCall) -> Paged {
    let change = change_of(call)?;
    match call.field("step") {
        "drop" => {
            let now_ms = call.console.parts.payments.clock.running_ms();
            call.console.pending.take(&change.id, now_ms).ok_or_else(gone)?;
            tracing::info!("{} has dropped what {} asked for", call.actor.author(), change.author);
            Ok(Outcome::Redirect(format!("{}?done=1", call.links.to(&["confirmations"]))))
        }
        "confirm" => confirm(call, &change).await,
        _ => show_change(call, &change, None).await,
    }
}

async fn confirm(call: &ConfirmationCall, change: &PendingChange) -> Paged {
    let parts = &call.console.parts;
    if change.person == call.actor.name() {
        return Err(ServiceError::forbidden("the person who asked for a change cannot confirm it; another one must"));
    }
    let merchant = change.request.parameter("merchant");
    let first = parts.access.current(change.token.as_deref(), parts.payments.clock.wall());
    let may_write = |token: &Option<Arc<AccessToken>>| match token.as_deref() {
        Some(token) => Role::Operator == token.role && token.reaches(merchant).is_ok(),
        None => true,
    };
    if !first.as_ref().is_ok_and(may_write) {
        let detail = format!("{} may not make this change any more; reject it", change.author);
        return Err(ServiceError::forbidden(detail));
    }
    let fields = preview(call, change).await?.fields;
    let Some(fields) = fields.filter(|fields| fingerprint(fields) == call.field("seen")) else {
        return show_change(call, change, Some("It has changed since you looked at it. Look at it again.")).await;
    };
    let is_fresh = |key: &str| key == "step" || fields.iter().any(|(known, _)| known == key);
    let kept = change.request.form.iter().filter(|(key, _)| !is_fresh(key)).cloned();
    let form = kept.chain(fields.clone()).chain([("step".to_owned(), "confirm".to_owned())]).collect();
    // Two people can confirm at the same time; one of them makes it.
    let taken = call.console.pending.take(&change.id, parts.payments.clock.running_ms()).ok_or_else(gone)?;
    match made_again(call, &taken, form, AnswerKind::Write).await {
        Ok(Outcome::Redirect(address)) => {
            tracing::info!("{} has confirmed what {} asked for", call.actor.author(), taken.author);
            Ok(Outcome::Redirect(address))
        }
        // It was not made: the page shows why.
        outcome => {
            call.console.pending.put_back(Arc::clone(&taken));
            outcome.and(show_change(call, &taken, Some("The change was not made; look at it again.")).await)
        }
    }
}

//! The router of the pages, and the admission of a request: session, role, merchant, origin.

use crate::{
    console::{
        actor::{Actor, Refused, is_known},
        confirmations::{self, ConfirmationCall},
        error_page::error_content,
        file_download::download_response,
        layout::{Content, Frame, page},
        links::{Links, query_text},
        make_page::make_page,
        page_request::{Outcome, PageRequest},
        page_table::{Handler, PAGES, PageMethod, PageRole, PageRow},
        pages::customers::upload::refused_upload,
        problem::{FOUND, METHOD_NOT_ALLOWED, status_of},
        respond::{PART_HEADER, load_page_anew, page_response, redirect},
        sign_in::{self, SignInRequest},
        state::Console,
        stylesheet,
        upload::{self, Uploaded},
    },
    domain::{rules::configuration::Rules, vocabulary::names::Name},
    service::{
        access::{
            access_tokens::{AccessToken, Role},
            origin,
            peer::Peer,
        },
        commit::AnswerKind,
        documents::card_guard::no_card_text,
        error::{ErrorKind, ServiceError},
    },
    storage::journal::Lsn,
    telemetry::traces::Span,
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
    response::Response,
    routing::{MethodFilter, on},
};
use std::{cell::Cell, sync::Arc};

/// The most bytes of a form.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// The most bytes of a form of an operator: a profile with all its texts, or the exchange rates of a customer.
const LONG_FORM_BYTES_MAX: usize = 128 * 1024;

/// The pages, to be merged with the routes of the main listener.
pub fn routes(console: &Arc<Console>) -> Router {
    let mut router = Router::new();
    for row in PAGES {
        let console = Arc::clone(console);
        let filter = match row.method {
            PageMethod::Get => MethodFilter::GET,
            PageMethod::Post => MethodFilter::POST,
        };
        router = router.route(row.path, on(filter, move |request| answer(Arc::clone(&console), row, request)));
    }
    router.method_not_allowed_fallback(method_not_allowed)
}

async fn method_not_allowed(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A refusal before the end of the body can be lost.
    _ = to_bytes(body, FORM_BYTES_MAX).await;
    let detail = "this address does not take this method; open it with a link or a form of the console";
    let error = ServiceError::new(ErrorKind::Malformed, "method_not_allowed", detail);
    let mut response = refusal(&Links::of_page(parts.uri.path()), &error);
    *response.status_mut() = METHOD_NOT_ALLOWED;
    response
}

/// The most bytes of the form of a request. A long form needs a session, because bodies of more than the least one are not
/// covered by the number of connections.
fn form_bytes_max(console: &Console, row: &PageRow, headers: &HeaderMap) -> usize {
    let is_long = row.role == PageRole::Operator && is_known(console, headers);
    if is_long { LONG_FORM_BYTES_MAX } else { FORM_BYTES_MAX }
}

async fn answer(console: Arc<Console>, row: &'static PageRow, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unknown);
    let foreign = origin::check(&request, peer).err().filter(|_| console.parts.access.is_open());
    let (mut parts, body) = request.into_parts();
    let links = Links::of_page(parts.uri.path());
    // A table is streamed once its sender is admitted. The body of another request is read also where it is refused: a
    // refusal before the end of the body can be lost.
    let is_streamed = matches!(row.handler, Handler::Upload);
    let form_bytes_max = form_bytes_max(&console, row, &parts.headers);
    let (body, stream) = match row.method {
        PageMethod::Post if is_streamed => (Ok(Bytes::new()), Some(body)),
        PageMethod::Post => (to_bytes(body, form_bytes_max).await, None),
        PageMethod::Get => (Ok(Bytes::new()), None),
    };
    let Ok(body) = body else {
        return refusal(&links, &ServiceError::too_large(form_bytes_max));
    };
    if let Some((reason, error)) = foreign {
        console.parts.failed_logins.record(peer, reason);
        return refusal(&links, &error);
    }
    if row.method == PageMethod::Post
        && let Err(error) = check_origin(&parts.headers)
    {
        return refusal(&links, &error);
    }
    let sent = SignInRequest { console: &console, peer, links: &links, headers: &parts.headers };
    let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
    match row.handler {
        Handler::SignInForm => sign_in::form(&sent, &query),
        Handler::SignIn => sign_in::begin(&sent, &pairs(&body)).await,
        Handler::SignOut => sign_in::end(&sent),
        Handler::File => {
            let name = parts.uri.path().rsplit('/').next().unwrap_or_default();
            stylesheet::file(name).unwrap_or_else(|| refusal(&links, &no_such_page()))
        }
        Handler::Page(_)
        | Handler::Download(_)
        | Handler::Upload
        | Handler::Confirmations
        | Handler::Confirmation
        | Handler::Unknown => {
            let parameters = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
            let parameters = parameters.map(|Path(parameters)| parameters).unwrap_or_default();
            let call = PageCall { parts, peer, links, parameters, query, form: pairs(&body), stream };
            page_answer(console, row, call).await
        }
    }
}

/// A request for a page, as it arrived.
struct PageCall {
    parts: Parts,
    peer: Peer,
    links: Links,
    parameters: Vec<(String, String)>,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    /// The body of an upload.
    stream: Option<Body>,
}

async fn page_answer(console: Arc<Console>, row: &'static PageRow, call: PageCall) -> Response {
    let method = if row.method == PageMethod::Get { "GET" } else { "POST" };
    let traceparent = call.parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let span = Span::begin_request(method, row.path, traceparent);
    let response = span.scope(make_answer(console, row, call)).await;
    span.set_number("http.response.status_code", response.status().as_u16().into());
    if response.status().is_server_error() {
        span.fail();
    }
    response
}

async fn make_answer(console: Arc<Console>, row: &'static PageRow, call: PageCall) -> Response {
    let PageCall { parts, peer, links, parameters, query, form, stream } = call;
    let merchant = parameters.iter().find(|(name, _)| name == "merchant").map(|(_, id)| id.clone());
    let actor = match Actor::of_request(&console, &parts.headers, peer).await {
        Ok(actor) => actor,
        Err(Refused::Error(error)) => return refusal(&links, &error),
        // A script would put the sign-in into the page.
        Err(Refused::NotSignedIn) if parts.headers.contains_key(PART_HEADER) => return load_page_anew(),
        Err(Refused::NotSignedIn) => {
            let wanted = parts.uri.path_and_query().map_or("", |wanted| wanted.as_str());
            let wanted = if row.method == PageMethod::Get { wanted } else { "" };
            return redirect(&format!("{}{}", links.to(&["login"]), query_text([("to", wanted)])));
        }
    };
    let rules = console.parts.payments.rules();
    let token = actor.token.clone();
    let is_shown =
        |id: &&str| rules.merchant(id).is_some() && token.as_ref().is_none_or(|token| token.reaches(id).is_ok());
    let shown_merchant = merchant.as_deref().filter(is_shown).map(str::to_owned);
    let is_confirmer =
        !console.parts.four_eyes.is_empty() && permit(token.as_deref(), PageRole::Operator, None).is_ok();
    let frame = Frame {
        links: &links,
        person: Some((actor.name(), actor.role())),
        has_session: actor.has_session,
        merchant: shown_merchant.as_deref(),
        section: section_of(row.path),
        to_confirm: is_confirmer.then(|| confirmations::waiting(&console, &actor).len()),
    };
    let kind = if row.method == PageMethod::Get { AnswerKind::Read } else { AnswerKind::Write };
    let admitted = permit(token.as_deref(), row.role, merchant.as_deref())
        .and_then(|()| console.parts.payments.gate.may_decide(kind))
        .and_then(|()| {
            let of_merchant =
                || shown_merchant.as_deref().and_then(|id| rules.merchant(id)).map(|merchant| &**merchant);
            let values = parameters.iter().chain(&query).chain(&form);
            values.into_iter().try_for_each(|(key, value)| Ok(no_card_text(key, value, of_merchant)?))
        })
        .and_then(|()| actor.token_as(&actor.author(), kind, merchant_name(&rules, shown_merchant.as_deref())));
    let request = PageRequest {
        console: Arc::clone(&console),
        rules: Arc::clone(&rules),
        token: admitted.as_ref().map_or(None, Clone::clone),
        links: links.clone(),
        parameters,
        query,
        form,
        depends_on: Cell::new(Lsn::NONE),
        has_second_person: false,
    };
    let outcome = match (admitted, row.handler) {
        (Err(error), _) => {
            if let Some(stream) = stream {
                upload::discard(stream).await;
            }
            Err(error)
        }
        (Ok(_), Handler::Page(handler)) => {
            let asked = (!console.parts.four_eyes.is_empty()).then(|| request.clone());
            match (make_page(&console, kind, handler, request).await, asked) {
                (Ok(Outcome::NeedsSecondPerson(write)), Some(asked)) => {
                    confirmations::keep(&actor, row.path, asked, write)
                }
                (outcome, _) => outcome,
            }
        }
        (Ok(_), Handler::Download(handler)) => {
            let file = make_page(&console, kind, handler, request).await;
            match file.and_then(|file| download_response(&console, token.clone(), file)) {
                Ok(response) => return response,
                Err(error) => Err(error),
            }
        }
        (Ok(_), Handler::Upload) => {
            uploaded(&console, row, request, (&parts.headers, stream.unwrap_or_default())).await
        }
        (Ok(_), Handler::Confirmations) => confirmations::list(&ConfirmationCall::of(actor.clone(), request)),
        (Ok(_), Handler::Confirmation) => {
            let call = ConfirmationCall::of(actor.clone(), request);
            if kind == AnswerKind::Read { confirmations::show(&call).await } else { confirmations::decide(&call).await }
        }
        (Ok(_), _) => Err(no_such_page()),
    };
    match outcome {
        Ok(Outcome::Page(content)) => page_response(FOUND, page(&frame, &content)),
        Ok(Outcome::Redirect(address)) => redirect(&address),
        Ok(Outcome::NeedsSecondPerson(_)) => refusal(&links, &ServiceError::internal()),
        Err(error) => page_response(status_of(error.kind), page(&frame, &error_content(&error))),
    }
}

/// Receives a table, and leads to the page of its job.
async fn uploaded(
    console: &Arc<Console>,
    row: &PageRow,
    request: PageRequest,
    sent: (&HeaderMap, Body),
) -> Result<Outcome, ServiceError> {
    let merchant = request.parameter("merchant").to_owned();
    let (token, of_token) = (request.token.clone(), merchant.clone());
    // A token that is revoked while the table arrives imports nothing.
    let is_admitted = || {
        let parts = &console.parts;
        let current = parts.access.current(token.as_deref(), parts.payments.clock.wall())?;
        permit(current.as_deref(), row.role, Some(&of_token))?;
        permit(token.as_deref(), row.role, Some(&of_token))?;
        Ok(token.as_ref().map(|token| token.name))
    };
    match upload::receive(console, &merchant, sent, &is_admitted).await {
        Uploaded::Job(id) => {
            console.parts.payments.leave(None, AnswerKind::Write).await?;
            Ok(Outcome::Redirect(request.links.to(&["m", &merchant, "jobs", &id])))
        }
        Uploaded::Refused(fields, error) => refused_upload(&request, &fields, &error),
    }
}

fn merchant_name(rules: &Rules, id: Option<&str>) -> Option<Name> {
    id.and_then(|id| rules.merchant(id)).map(|merchant| merchant.id)
}

/// Refuses a token whose role or merchants do not allow a page.
fn permit(token: Option<&AccessToken>, needed: PageRole, merchant: Option<&str>) -> Result<(), ServiceError> {
    let Some(token) = token else { return Ok(()) };
    let allowed = match needed {
        PageRole::Public => true,
        PageRole::Staff => matches!(token.role, Role::Viewer | Role::Operator),
        PageRole::Operator => token.role == Role::Operator,
        PageRole::DaemonOperator => token.role == Role::Operator && token.merchants.is_none(),
    };
    if !allowed {
        let role = token.role.word();
        let needed = match needed {
            PageRole::Public | PageRole::Staff => "viewer or operator",
            PageRole::Operator => "operator",
            PageRole::DaemonOperator => "operator for all merchants",
        };
        return Err(ServiceError::forbidden(format!(
            "this page needs a token of role {needed}; the role of this token is {role}"
        )));
    }
    merchant.map_or(Ok(()), |merchant| token.reaches(merchant))
}

/// Refuses a form that comes from a page of another site. Every browser sends `Origin` with a form.
fn check_origin(headers: &HeaderMap) -> Result<(), ServiceError> {
    let one = |name| {
        let mut sent = headers.get_all(name).into_iter();
        let value = sent.next().and_then(|value| value.to_str().ok());
        value.filter(|_| sent.next().is_none())
    };
    let origin = one(header::ORIGIN);
    let origin_host = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    match (origin_host, one(header::HOST)) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => {
            let sent = origin.unwrap_or("none");
            let detail = format!(
                "this form does not come from the console (Origin: {sent}); open the page again. A proxy must pass the \
                 headers Origin and Host as the browser sent them"
            );
            Err(ServiceError::forbidden(detail).at("Origin"))
        }
    }
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// The section of a merchant that a path belongs to.
fn section_of(path: &'static str) -> &'static str {
    let rest = path.strip_prefix("/console/m/{merchant}/").or_else(|| path.strip_prefix("/console/"));
    let word = rest.filter(|rest| !rest.starts_with("m/")).and_then(|rest| rest.split('/').next());
    match word.unwrap_or_default() {
        "jobs" | "customers.csv" => "customers",
        word => word,
    }
}

fn no_such_page() -> ServiceError {
    ServiceError::new(ErrorKind::NotFound, "path_not_found", "there is no page at this address")
}

/// A refusal of a request that is not admitted: it shows no merchant and no person.
fn refusal(links: &Links, error: &ServiceError) -> Response {
    let frame = Frame { links, person: None, has_session: false, merchant: None, section: "", to_confirm: None };
    let content: Content = error_content(error);
    page_response(status_of(error.kind), page(&frame, &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_refused() {
        for (host, origin, want) in [
            ("lg.example", Some("https://lg.example"), true),
            ("127.0.0.1:7400", Some("http://127.0.0.1:7400"), true),
            ("lg.example", Some("https://LG.example"), true),
            ("lg.example", Some("https://evil.example"), false),
            ("lg.example", Some("https://lg.example:8443"), false),
            ("lg.example", Some("https://lg.example.evil.example"), false),
            ("lg.example", Some("null"), false),
            ("lg.example", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(check_origin(&headers).is_ok(), want, "{host} {origin:?}");
        }
    }

    #[test]
    fn the_section_of_a_path() {
        assert_eq!(section_of("/console/m/{merchant}"), "");
        assert_eq!(section_of("/console/m/{merchant}/customers/{customer}/usage"), "customers");
        assert_eq!(section_of("/console"), "");
        assert_eq!(section_of("/console/system/reload"), "system");
    }
}

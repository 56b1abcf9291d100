//! Signing in with a token, and signing out.

use crate::{
    console::{
        actor::person_of,
        error_page::error_content,
        layout::{Content, Frame, page},
        links::Links,
        problem::{FOUND, status_of},
        respond::{page_response, redirect},
        session_cookie::{session_id, set_cookie},
        sessions::SignedIn,
        state::Console,
    },
    service::{
        access::{
            access_tokens::{Role, TokenError},
            peer::Peer,
        },
        error::ServiceError,
    },
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use maud::{Markup, html};
use std::sync::Arc;

/// A request to sign in or out.
pub(super) struct SignInRequest<'a> {
    pub(super) console: &'a Arc<Console>,
    pub(super) peer: Peer,
    pub(super) links: &'a Links,
    pub(super) headers: &'a HeaderMap,
}

fn value_of<'p>(pairs: &'p [(String, String)], key: &str) -> &'p str {
    pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value.trim())
}

/// The page that the browser asked for before the sign-in, if it is one of the console.
fn wanted_page(pairs: &[(String, String)]) -> Option<&str> {
    let wanted = value_of(pairs, "to");
    let is_plain = wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_inside = wanted == "/console" || wanted.starts_with("/console/") || wanted.starts_with("/console?");
    Some(wanted).filter(|_| is_plain && is_inside && !wanted.contains(".."))
}

fn form_markup(wanted: Option<&str>, error: Option<&ServiceError>) -> Markup {
    html! {
        @if let Some(error) = error { div class="notice bad" role="alert" { p { (error.detail) } } }
        form method="post" action="login" class="card narrow" {
            // Password managers and browsers want a name with a password.
            input type="text" name="username" value="levelgate" autocomplete="username" hidden;
            label class="field" {
                span { "Access token" }
                input type="password" name="token" required autocomplete="current-password" autofocus;
            }
            @if let Some(wanted) = wanted { input type="hidden" name="to" value=(wanted); }
            p class="quiet" { "The token of a viewer or an operator, from the people who run the daemon. The session ends after 30 \
                               minutes without a request." }
            button { "Sign in" }
        }
    }
}

fn answer(sent: &SignInRequest<'_>, status: StatusCode, body: Markup) -> Response {
    let frame =
        Frame { links: sent.links, person: None, has_session: false, merchant: None, section: "", to_confirm: None };
    page_response(status, page(&frame, &Content::new("Sign in", body)))
}

/// The form. Without tokens there is no sign-in.
pub(super) fn form(sent: &SignInRequest<'_>, query: &[(String, String)]) -> Response {
    if sent.console.parts.access.is_open() {
        return redirect(&sent.links.to(&[]));
    }
    answer(sent, FOUND, form_markup(wanted_page(query), None))
}

/// Begins a session. Failed attempts are counted and delayed as those of the API are.
pub(super) async fn begin(sent: &SignInRequest<'_>, form: &[(String, String)]) -> Response {
    let parts = &sent.console.parts;
    let wanted = wanted_page(form);
    let person = match person_of(sent.console, sent.headers, sent.peer) {
        Ok(person) => person.map(|person| person.name),
        Err(error) => return answer(sent, status_of(error.kind), form_markup(wanted, Some(&error))),
    };
    let token = match parts.access.of_text(value_of(form, "token"), parts.payments.clock.wall()) {
        Ok(token) => token,
        Err(rejected) => {
            parts.failed_logins.delay(sent.peer, rejected).await;
            let detail = match rejected {
                TokenError::Expired => "this token has expired; ask the people who run the daemon for another one",
                TokenError::Missing
                | TokenError::Malformed
                | TokenError::Unknown
                | TokenError::UnknownCertificate
                | TokenError::ExpiredCertificate => "this is not a token of this daemon; check that it is complete",
            };
            let error = ServiceError { detail: detail.to_owned(), ..ServiceError::from(rejected) };
            return answer(sent, status_of(error.kind), form_markup(wanted, Some(&error)));
        }
    };
    if token.role == Role::Gateway {
        let detail = "this token is for a gateway; sign in with the token of a viewer or an operator";
        let error = ServiceError::forbidden(detail);
        return answer(sent, status_of(error.kind), form_markup(wanted, Some(&error)));
    }
    // A session that the browser still has ends: one sign-in, one session.
    session_id(sent.headers).into_iter().for_each(|id| sent.console.sessions.end(id));
    let begun = sent.console.sessions.begin(SignedIn { token, person }, parts.payments.clock.running_ms());
    let cookie = begun.ok().and_then(|id| set_cookie(Some(&id), parts.secure_cookie));
    let Some(cookie) = cookie else {
        let error = ServiceError::internal();
        return answer(sent, status_of(error.kind), error_content(&error).body);
    };
    let address = wanted.map_or_else(|| sent.links.to(&[]), |wanted| sent.links.to_path(wanted));
    let mut response = redirect(&address);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// Ends the session.
pub(super) fn end(sent: &SignInRequest<'_>) -> Response {
    session_id(sent.headers).into_iter().for_each(|id| sent.console.sessions.end(id));
    let mut response = redirect(&sent.links.to(&["login"]));
    if let Some(cookie) = set_cookie(None, sent.console.parts.secure_cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_the_console_only() {
        for (wanted, want) in [
            ("/console", true),
            ("/console?q=a", true),
            ("/console/m/acme/customers?email=a%40b", true),
            ("//evil.example/console/", false),
            ("https://evil.example/console", false),
            ("/v1/merchants", false),
            ("/consoles", false),
            ("/console/../v1/merchants", false),
            ("/console/\\evil.example", false),
            ("/console/a b", false),
            ("", false),
        ] {
            let pairs = [("to".to_owned(), wanted.to_owned())];
            assert_eq!(wanted_page(&pairs).is_some(), want, "{wanted}");
        }
    }
}

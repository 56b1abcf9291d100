//! Who acts: the person who sends a request, and the token whose rights the person has.

use crate::{
    console::{respond::PART_HEADER, session_cookie::session_id, state::Console},
    domain::vocabulary::names::Name,
    service::{
        access::{
            access_tokens::{AccessToken, Role},
            author_text::person_with_token,
            bearer::bearer_token,
            peer::Peer,
            proxy_users::Person,
        },
        commit::AnswerKind,
        error::{ErrorKind, ServiceError},
    },
};
use axum::http::{HeaderMap, header};
use std::sync::Arc;

/// Why a request is not admitted.
pub(super) enum Refused {
    /// The request has no session.
    NotSignedIn,
    Error(ServiceError),
}

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        Self::Error(error)
    }
}

/// Who acts.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    /// The token of the session, or the one that the proxy sends; `None`: the daemon has no tokens, and everyone on this
    /// machine is an operator.
    pub(super) token: Option<Arc<AccessToken>>,
    /// The person whom the proxy named.
    person: Option<Person>,
    /// Whether there is a session that can be ended.
    pub(super) has_session: bool,
}

impl Actor {
    /// The actor of a request.
    ///
    /// # Errors
    /// There is no session, it is another person's, or its token is not valid; the peer may not name people; the token has
    /// sent as many requests as it may.
    pub(super) async fn of_request(console: &Console, headers: &HeaderMap, peer: Peer) -> Result<Self, Refused> {
        let parts = &console.parts;
        if parts.access.is_open() {
            return Ok(Self { token: None, person: None, has_session: false });
        }
        let person = person_of(console, headers, peer)?;
        let (clock, wall) = (&parts.payments.clock, parts.payments.clock.wall());
        // A session is of a browser; a token in the request is that of the proxy, which has signed the person in.
        let of_proxy = person.is_some() && headers.contains_key(header::AUTHORIZATION);
        let token = if of_proxy {
            let sent = bearer_token(headers).and_then(|text| parts.access.of_text(text, wall));
            match sent {
                Ok(token) => token,
                Err(rejected) => {
                    parts.failed_logins.delay(peer, rejected).await;
                    return Err(ServiceError::from(rejected).into());
                }
            }
        } else {
            let id = session_id(headers).ok_or(Refused::NotSignedIn)?;
            // A page that refreshes itself is no sign of a person.
            let (is_refresh, now) = (headers.contains_key(PART_HEADER), clock.running_ms());
            let signed_in =
                if is_refresh { console.sessions.peek(id, now) } else { console.sessions.signed_in(id, now) };
            let signed_in = signed_in.ok_or(Refused::NotSignedIn)?;
            if signed_in.person.as_ref() != person.as_ref().map(|person| &person.name) {
                return Err(Refused::NotSignedIn);
            }
            let Ok(Some(token)) = parts.access.current(Some(&signed_in.token), wall) else {
                console.sessions.end(id);
                return Err(Refused::NotSignedIn);
            };
            token
        };
        token.admit_request(|| clock.running_ns())?;
        let role = person.as_ref().map_or(token.role, |person| person.role_with(token.role));
        let token =
            if role == token.role { token } else { Arc::new(AccessToken { role, ..AccessToken::clone(&token) }) };
        Ok(Self { token: Some(token), person, has_session: !of_proxy })
    }

    /// The name that tells people apart: of the person, or of the token.
    pub(super) fn name(&self) -> &str {
        match (&self.person, &self.token) {
            (Some(person), _) => &person.name,
            (None, Some(token)) => token.name.as_str(),
            (None, None) => "this machine",
        }
    }

    /// The word of the role.
    pub(super) fn role(&self) -> &'static str {
        self.token.as_ref().map_or(Role::Operator, |token| token.role).word()
    }

    /// The name in histories: the token, or the person with the token.
    pub(super) fn author(&self) -> String {
        match (&self.person, &self.token) {
            (Some(person), Some(token)) => person_with_token(&person.name, token.name.as_str()),
            _ => self.name().to_owned(),
        }
    }

    /// The token with the name of an author, which histories show. Only a write keeps a new name; it is one of the merchant
    /// of the path, if there is one.
    ///
    /// # Errors
    /// The name cannot be recorded.
    pub(super) fn token_as(
        &self,
        author: &str,
        kind: AnswerKind,
        merchant: Option<Name>,
    ) -> Result<Option<Arc<AccessToken>>, ServiceError> {
        let Some(token) = &self.token else { return Ok(None) };
        if token.name.as_str() == author {
            return Ok(Some(Arc::clone(token)));
        }
        let name = match (kind, merchant) {
            (AnswerKind::Read, _) => Ok(Name::existing(author).unwrap_or_else(Name::unrecorded)),
            (AnswerKind::Write, Some(merchant)) => Name::intern_for(merchant, author),
            (AnswerKind::Write, None) => Name::parse(author),
        };
        let name = name.map_err(|error| {
            let detail = format!("the history cannot name {author}: {error}");
            ServiceError::new(ErrorKind::Impossible, "user_invalid", detail)
        })?;
        Ok(Some(Arc::new(AccessToken { name, ..AccessToken::clone(token) })))
    }
}

/// Whether a request has a session, or the valid token of a proxy. It admits nothing.
pub(super) fn is_known(console: &Console, headers: &HeaderMap) -> bool {
    let (parts, clock) = (&console.parts, &console.parts.payments.clock);
    let has_session = || session_id(headers).is_some_and(|id| console.sessions.peek(id, clock.running_ms()).is_some());
    let has_token = || bearer_token(headers).is_ok_and(|text| parts.access.of_text(text, clock.wall()).is_ok());
    parts.access.is_open() || has_session() || parts.proxy_users.is_some() && has_token()
}

/// The person whom the proxy names; `None`: no proxy names people.
///
/// # Errors
/// The peer may not name people, or names none.
pub(super) fn person_of(console: &Console, headers: &HeaderMap, peer: Peer) -> Result<Option<Person>, ServiceError> {
    let Some(users) = &console.parts.proxy_users else { return Ok(None) };
    users.person(headers, peer).map(Some).map_err(|(reason, error)| {
        console.parts.failed_logins.record(peer, reason);
        error
    })
}

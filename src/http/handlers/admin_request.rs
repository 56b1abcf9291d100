//! Calls of a gateway's staff: what every one of them needs, taken from the request once.

use crate::http::{
    dto::{
        card_guard::no_card_in_json,
        customer::Shown,
        problem::{Problem, Told},
    },
    handlers::handlers::{Daemon, json, read_body},
    server::grants::{Grant, Role},
};
use crate::{
    config::parse::body::Refused,
    domain::{
        customer::{
            aggregate::CustomerEvent,
            profile::{Author, Source},
        },
        decision::{
            payment::{asked, currency, keep_name, word},
            refusal::Refusal,
        },
        rules::configuration::{Direction, Merchant, Rules},
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// A call about a merchant's customers, levels or rates.
pub(crate) struct Staff {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) merchant: Arc<Merchant>,
    /// What the path names behind the merchant, in its order.
    named: Vec<String>,
    /// As it stands in the address; empty where there is none.
    pub(crate) query: String,
    pub(crate) body: Bytes,
    /// Who calls.
    pub(crate) author: Author,
    /// The caller's token; `None` without tokens.
    grant: Option<Grant>,
}

impl FromRequest<Arc<Daemon>> for Staff {
    type Rejection = Response;

    async fn from_request(request: Request, daemon: &Arc<Daemon>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, daemon).await;
        let Ok(Path(segments)) = path else { return Err(Problem::no_such_path().into_response()) };
        let mut named = segments.into_iter().map(|(_, id)| id);
        let merchant = named.next().unwrap_or_default();
        let named = named.collect();
        let grant = parts.extensions.remove::<Grant>();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = read_body(daemon, body).await.map_err(IntoResponse::into_response)?;
        let still = daemon.admits_still(grant.as_ref(), &parts.method, parts.uri.path());
        still.map_err(IntoResponse::into_response)?;
        let rules = daemon.desk.rules();
        let Some(merchant) = rules.merchant(&merchant).map(Arc::clone) else {
            return Err(Problem::from(Refusal::UnknownMerchant(merchant)).into_response());
        };
        no_card_in_json(&body, Some(&merchant)).map_err(IntoResponse::into_response)?;
        let author = Author { source: Source::Api, by: grant.as_ref().map(|grant| grant.name) };
        Ok(Self { daemon: Arc::clone(daemon), rules, merchant, named, query, body, author, grant })
    }
}

impl Staff {
    /// Refuses what is an operator's alone in a call that others may make too.
    pub(crate) fn operates(&self, what: &str) -> Result<(), Problem> {
        self.grant.as_ref().map_or(Ok(()), |grant| grant.operates(what))
    }

    /// The caller's token; `None` without tokens.
    pub(crate) fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// Whether the caller's role is `gateway`.
    pub(crate) fn is_gateway(&self) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.role == Role::Gateway)
    }

    /// The token to name in a history of the merchant for a step that is recorded as one's; `None`: nobody is named. A
    /// signal reaches holders of an instrument at every merchant, and earlier versions recorded its token everywhere.
    pub(crate) fn named_in_history(&self, by: Name, events: &[CustomerEvent]) -> Option<Name> {
        let is_signal = events.iter().any(|event| matches!(event, CustomerEvent::Signalled { .. }));
        let access = &self.daemon.access;
        let is_own = || access.is_open() || access.name_reaches(by, self.merchant.id) == Some(true);
        (!is_signal || is_own()).then_some(by)
    }

    /// What the path names at a place behind the merchant.
    pub(crate) fn named(&self, place: usize) -> &str {
        self.named.get(place).map_or("", String::as_str)
    }

    /// The direction that the path names at a place.
    pub(crate) fn direction(&self, place: usize) -> Result<Direction, Problem> {
        Ok(word::<Direction>("direction", self.named(place))?)
    }

    /// The currency that the path names at a place.
    pub(crate) fn currency(&self, place: usize) -> Result<Currency, Problem> {
        Ok(currency(&self.rules, self.named(place))?)
    }

    /// The name that the path names at a place: one that is known, or [`Name::unrecorded`].
    pub(crate) fn name(&self, place: usize, field: &'static str) -> Result<Name, Problem> {
        Ok(asked(field, self.named(place))?)
    }

    /// The name that the path names at a place, for a call that records it.
    pub(crate) fn new_name(&self, place: usize, field: &'static str) -> Result<Name, Problem> {
        Ok(keep_name(field, self.merchant.id, self.named(place))?)
    }

    /// The time.
    pub(crate) fn now(&self) -> Result<Millis, Problem> {
        self.daemon.desk.time()
    }

    /// Does what may take long off the threads that answer payments, and says what came of it.
    pub(crate) async fn aside(self, work: impl FnOnce(&Self) -> Result<Told, Problem> + Send + 'static) -> Response {
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&self);
            (self, done)
        });
        match done.await {
            Ok((staff, done)) => staff.tell(done).await,
            Err(error) => Problem::unfinished(&error).into_response(),
        }
    }

    /// The customer's surroundings in a document of now.
    pub(crate) fn shown(&self, now: Millis) -> Shown<'_> {
        Shown { rules: &self.rules, merchant: &self.merchant, ledger: Some(&self.daemon.desk.ledger), now }
    }

    /// Says what was read or done, once all that it may rest on is committed.
    pub(crate) async fn tell(&self, said: Result<Told, Problem>) -> Response {
        let journal = self.daemon.desk.ledger.journal();
        let rests_on = said.as_ref().ok().and_then(Told::rests_on).unwrap_or_else(|| journal.last());
        if journal.committed(rests_on).await.is_err() {
            return Problem::outcome_unknown().into_response();
        }
        match said {
            Err(problem) => problem.into_response(),
            Ok(told) => told.over(json),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.problems.first().cloned().unwrap_or_default();
        let mut problem = Self::malformed("body_invalid", detail);
        problem.field = refused.field;
        problem.problems = refused.problems;
        problem
    }
}

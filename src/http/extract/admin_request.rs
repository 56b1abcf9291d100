//! Requests of a merchant's back office: what every one of them needs, taken from the request once.

use crate::{
    domain::{
        customer::audit::{Author, ChangeSource},
        request::refusal::Refusal,
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::names::Name,
    },
    http::{
        dto::problem::Problem,
        extract::{
            body::read_body,
            path::{PathParameters, PathSegments},
            query::QueryPairs,
        },
        response::respond,
        server::admission::Admission,
        state::AppState,
    },
    scheduling::background,
    service::{
        access::access_tokens::{AccessToken, Role},
        commit::AnswerKind,
        customers::CustomerService,
        documents::card_guard::no_card_in_json,
        error::ServiceError,
        reply::Answered,
    },
    telemetry::traces::carry,
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::Method,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// A request about a merchant's customers, levels or transactions, with its typed path.
pub(crate) struct AdminRequest<P = ()> {
    pub(crate) state: Arc<AppState>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) merchant: Arc<Merchant>,
    /// The path after the merchant.
    pub(crate) path: P,
    pub(crate) query: QueryPairs,
    pub(crate) body: Bytes,
    /// Whether the request changes something.
    pub(crate) kind: AnswerKind,
    /// The caller, for histories.
    pub(crate) author: Author,
    /// The token of the request; `None` without tokens.
    pub(crate) admission: Option<Admission>,
}

impl<P: PathParameters> FromRequest<Arc<AppState>> for AdminRequest<P> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, state).await;
        let Ok(Path(segments)) = path else { return Err(Problem::no_such_path().into_response()) };
        let admission = parts.extensions.remove::<Admission>();
        let query = parts.extensions.remove::<QueryPairs>().unwrap_or_default();
        let read = async {
            let body = read_body(state, body).await?;
            state.readmit(admission.as_ref(), parts.uri.path())?;
            let rules = state.payments.rules();
            let id = segments.iter().find(|(name, _)| name == "merchant").map_or("", |(_, id)| id.as_str());
            let merchant = rules.merchant(id).map(Arc::clone);
            let merchant = merchant.ok_or_else(|| Refusal::UnknownMerchant(id.to_owned()))?;
            no_card_in_json(&body, Some(&merchant))?;
            let path = P::parse(&PathSegments { named: &segments, rules: &rules, merchant: &merchant })?;
            Ok((body, rules, merchant, path))
        };
        let (body, rules, merchant, path) = read.await.map_err(|problem: Problem| problem.into_response())?;
        let by = admission.as_ref().map(|admission| admission.token.name);
        let author = Author { source: ChangeSource::Api, by, job: None };
        let kind = kind_of(&parts.method);
        Ok(Self { state: Arc::clone(state), rules, merchant, path, query, body, kind, author, admission })
    }
}

/// Every request of the back office that is no `GET` changes something.
fn kind_of(method: &Method) -> AnswerKind {
    if matches!(*method, Method::GET | Method::HEAD) { AnswerKind::Read } else { AnswerKind::Write }
}

impl<P> AdminRequest<P> {
    /// The caller's token; `None` without tokens.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        self.admission.as_ref().map(|admission| &*admission.token)
    }

    /// Whether the caller's role is `gateway`.
    pub(crate) fn is_gateway(&self) -> bool {
        self.token().is_some_and(|token| token.role == Role::Gateway)
    }

    /// The customers of the merchant, for this caller.
    pub(crate) fn customers(&self) -> CustomerService<'_> {
        CustomerService {
            service: &self.state.payments,
            jobs: &self.state.jobs,
            rules: &self.rules,
            merchant: &self.merchant,
            author: self.author,
            lesser: self.token().and_then(AccessToken::lesser),
        }
    }

    /// Whether the caller is shown the name of a token in a history.
    pub(crate) fn names_author(&self, token_name: Name, is_signal: bool) -> bool {
        self.state.access.names_author(self.token(), self.merchant.id, (token_name, is_signal))
    }

    /// Whether the caller is shown the name of a token.
    pub(crate) fn shows_name(&self, token_name: Name) -> bool {
        self.state.access.shows_name(self.token(), token_name)
    }

    /// Does work that can take long, off the threads that answer payments, and answers with its result.
    pub(crate) async fn run_blocking(self, work: impl FnOnce(&Self) -> Answered + Send + 'static) -> Response
    where
        P: Send + 'static,
    {
        let done = background::run(carry(move || {
            let answered = work(&self);
            (self, answered)
        }));
        match done.await {
            Ok((request, answered)) => request.answer(answered).await,
            Err(error) => ServiceError::unfinished(&error).into_response(),
        }
    }

    /// Answers once every record that the answer depends on is committed.
    pub(crate) async fn answer(&self, answered: Answered) -> Response {
        respond(&self.state.payments, answered, self.kind).await
    }
}

//! Admits requests: the token, the role and the merchant that a row of the operation table requires, and its query.

use crate::http::{
    dto::{
        card_guard::no_card_in_uri,
        problem::{Problem, ProblemCode, with_nearest_merchant},
    },
    extract::{body::discard_rest, query::QueryPairs},
    handlers::standby_status::{LAG_HEADER, lag_value},
    operations::operation::{AccessRule, Availability, Operation, QueryKeys, RequiredRole},
    server::{
        admission::{Admission, permit},
        request_id::RequestId,
        request_latency::RequestLatency,
    },
    state::AppState,
};
use crate::service::{
    access::{
        access_tokens::{AccessToken, TokenError},
        bearer::bearer_token,
        client_certificate::ClientCertificate,
        origin,
        peer::Peer,
    },
    error::ServiceError,
};
use crate::telemetry::traces::Span;
use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Instant};

/// A row, the state that its requests share, and their times.
pub(crate) type RowState = (Arc<AppState>, &'static Operation, &'static RequestLatency);

/// Admits a request to an operation, or refuses it before its body is read.
pub(crate) async fn authorize(
    State((state, operation, latency)): State<RowState>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let request_id = RequestId::of(&request);
    let span = match operation.availability {
        // Probes are no work.
        Availability::Always => Span::none(),
        _ => Span::begin_request(operation.method.word(), operation.path, traceparent(request.headers())),
    };
    // Before the request is answered: the answer may be newer.
    let lag = state.payments.gate.standby().map(|standby| lag_value(standby));
    let mut response = span.scope(admit_and_answer(&state, operation, request, next)).await;
    if let Some(lag) = lag {
        response.headers_mut().insert(LAG_HEADER, lag);
    }
    latency.record(response.status(), began.elapsed());
    span.set_number("http.response.status_code", response.status().as_u16().into());
    if response.status().is_server_error() {
        span.fail();
    }
    request_id.put_into(response, operation.path).await
}

/// The caller's span.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get("traceparent").and_then(|value| value.to_str().ok())
}

async fn admit_and_answer(
    state: &Arc<AppState>,
    operation: &'static Operation,
    mut request: Request,
    next: Next,
) -> Response {
    if !operation.takes(request.uri().path()) {
        return admit_unmatched(state, request, async |_| Problem::method_not_allowed().into_response()).await;
    }
    let token = match admit(state, operation.access_rule(), &request) {
        Ok(token) => token,
        Err(refused) => return refused.answer(state, request).await,
    };
    if let Some(token) = token.clone() {
        request.extensions_mut().insert(Admission { token, operation });
    }
    let checked = check_uri(state, operation.query, &mut request);
    let checked = checked.and_then(|()| Ok(may_decide(state, operation)?));
    if let Err(problem) = checked {
        discard_rest(request).await;
        return problem.into_response();
    }
    let response = Problem::in_words(next.run(request).await);
    let response = with_nearest_merchant(response, || state.payments.rules(), token.as_deref());
    report_unlisted(operation, &response);
    response
}

/// Reports a response that the row of an operation does not list. Release builds do not look.
pub(crate) fn report_unlisted(operation: &Operation, response: &Response) {
    if cfg!(debug_assertions) && !is_listed(operation, response) {
        let code = response.extensions().get::<ProblemCode>();
        tracing::error!("the row of {} lists no answer {} {code:?}", operation.path, response.status());
    }
}

/// Refuses an operation that this daemon may not decide now. Health, metrics and status are always answered.
fn may_decide(state: &AppState, operation: &Operation) -> Result<(), ServiceError> {
    match operation.role {
        RequiredRole::Public => Ok(()),
        _ if operation.availability == Availability::Always => Ok(()),
        _ => state.payments.gate.may_decide(operation.answer_kind()),
    }
}

/// Whether the row of an operation lists a response.
fn is_listed(operation: &Operation, response: &Response) -> bool {
    match response.extensions().get::<ProblemCode>() {
        Some(ProblemCode(code)) => operation.problem_codes().any(|listed| listed == code),
        None => operation.answers.iter().any(|answer| answer.status == response.status().as_u16()),
    }
}

/// The same for a request that no operation takes: it is answered with 404 or 405.
pub(crate) async fn authorize_unmatched(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let request_id = RequestId::of(&request);
    let response = admit_unmatched(&state, request, async |request| next.run(request).await).await;
    request_id.put_into(response, "no operation").await
}

async fn admit_unmatched(
    state: &AppState,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if let Err(refused) = admit(state, AccessRule::of_unmatched(request.uri().path()), &request) {
        return refused.answer(state, request).await;
    }
    if let Err(problem) = check_uri(state, QueryKeys::Ignored, &mut request) {
        discard_rest(request).await;
        return problem.into_response();
    }
    Problem::in_words(answer(request).await)
}

/// A request that is not admitted.
struct Refused {
    problem: Problem,
    /// The peer of a request without a valid token: its answer is delayed.
    failed_login: Option<(Peer, TokenError)>,
}

impl Refused {
    async fn answer(self, state: &AppState, request: Request) -> Response {
        if let Some((peer, error)) = self.failed_login {
            state.failed_logins.delay(peer, error).await;
        }
        discard_rest(request).await;
        self.problem.into_response()
    }
}

/// The token of a request that a rule allows; `None`: it needs none.
fn admit(state: &AppState, rule: AccessRule, request: &Request) -> Result<Option<Arc<AccessToken>>, Refused> {
    let refused = |problem| Refused { problem, failed_login: None };
    if rule.role == RequiredRole::Public {
        return Ok(None);
    }
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unknown);
    if state.access.is_open() {
        return match origin::check(request, peer) {
            Ok(()) => Ok(None),
            Err((reason, error)) => {
                state.failed_logins.record(peer, reason);
                Err(refused(error.into()))
            }
        };
    }
    let now = state.payments.clock.wall();
    let found = match (bearer_token(request.headers()), request.extensions().get::<Arc<ClientCertificate>>()) {
        // A token that is sent decides, also if it is wrong.
        (Err(TokenError::Missing), Some(certificate)) => {
            let entry = state.access.of_certificate(certificate, now);
            entry.map(|entry| {
                Arc::new(AccessToken { certificate_ends: Some(certificate.ends), ..AccessToken::clone(&entry) })
            })
        }
        (sent, _) => sent.and_then(|token| state.access.of_text(token, now)),
    };
    let token = found
        .map_err(|error| Refused { problem: ServiceError::from(error).into(), failed_login: Some((peer, error)) })?;
    token.admit_request(|| state.payments.clock.running_ns()).map_err(|error| refused(error.into()))?;
    permit(&token, rule, request.uri().path()).map_err(|error| refused(error.into()))?;
    Ok(Some(token))
}

/// Refuses a full card number in the path or the query, and a query that the operation does not take. A query that it
/// takes becomes an extension of the request.
fn check_uri(state: &AppState, keys: QueryKeys, request: &mut Request) -> Result<(), Problem> {
    no_card_in_uri(request.uri(), &state.payments.rules.load())?;
    if let Some(pairs) = QueryPairs::parse(request.uri().query(), keys)? {
        request.extensions_mut().insert(pairs);
    }
    Ok(())
}

//! Payments and their transitions.

use crate::{
    http::{
        extract::{
            gateway_request::GatewayRequest,
            path::{MerchantPath, TransactionPath},
        },
        operations::operation::RequiredRole,
        response::{reply_response, respond},
        server::admission::Admission,
        state::AppState,
    },
    service::{
        access::access_tokens::AccessToken,
        commit::AnswerKind,
        error::ServiceError,
        payments::{
            PaymentOperation, PaymentService,
            block_origins::{PaymentDocument, may_show_block},
        },
        reply::Answered,
    },
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A payment operation: what its path names, and its body.
pub(crate) struct PaymentCall<'a> {
    pub(crate) operation: PaymentOperation,
    pub(crate) merchant: &'a str,
    /// The transaction of a transition.
    pub(crate) transaction: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// Does an operation, and returns its outcome once that may be sent: an error is that of the operation, or says that its
/// outcome is unknown. Also returns the time since `started`.
pub(crate) async fn decide(payments: &PaymentService, call: PaymentCall<'_>, started: Instant) -> (Answered, Duration) {
    let PaymentCall { operation, merchant, transaction, body } = call;
    let answered = payments.call(operation, merchant, transaction, body);
    let kind = if operation == PaymentOperation::Check { AnswerKind::Read } else { AnswerKind::Write };
    when_committed(payments, started, answered, kind).await
}

/// The outcome of an operation, once it may be sent, and the time since `started`.
async fn when_committed(
    payments: &PaymentService,
    started: Instant,
    answered: Answered,
    kind: AnswerKind,
) -> (Answered, Duration) {
    let depends_on_lsn = payments.depends_on_lsn(&answered);
    let committed = payments.leave(Some(depends_on_lsn), kind).await;
    let took = started.elapsed();
    payments.meters.answer_seconds.record(took);
    let answered = committed.inspect_err(|error| payments.meters.count_unavailable(&error.code)).and(answered);
    (answered, took)
}

/// An operation on the path of a merchant.
pub(crate) async fn operate(operation: PaymentOperation, request: GatewayRequest<MerchantPath>) -> Response {
    let started = Instant::now();
    let GatewayRequest { state, path: MerchantPath { merchant }, body, token } = request;
    let answered = state.payments.call(operation, &merchant, None, &body);
    if operation != PaymentOperation::Check {
        return response(when_committed(&state.payments, started, answered, AnswerKind::Write).await.0);
    }
    let answered = with_block_origins(&state, token, (merchant, PaymentDocument::Check), answered).await;
    response(when_committed(&state.payments, started, answered, AnswerKind::Read).await.0)
}

/// An answer about a payment. For staff it says since when and by whom a denied payment is blocked, which is read off the
/// threads that answer payments.
async fn with_block_origins(
    state: &Arc<AppState>,
    token: Option<Arc<AccessToken>>,
    (merchant, kind): (String, PaymentDocument),
    answered: Answered,
) -> Answered {
    if !is_staff(token.as_deref()) || !answered.as_ref().is_ok_and(may_show_block) {
        return answered;
    }
    let state = Arc::clone(state);
    let read = tokio::task::spawn_blocking(move || {
        let names_author =
            |merchant, author, is_signal| state.access.names_author(token.as_deref(), merchant, (author, is_signal));
        state.payments.with_block_origins(&merchant, kind, answered, &names_author)
    });
    read.await.unwrap_or_else(|error| Err(ServiceError::unfinished(&error)))
}

fn is_staff(token: Option<&AccessToken>) -> bool {
    token.is_none_or(|token| RequiredRole::BackOffice.allows(token.role))
}

/// A page of transactions. For staff it says since when and by whom the denied payments are blocked. It can read from the
/// disk.
pub(crate) fn page_with_block_origins(
    state: &AppState,
    token: Option<&AccessToken>,
    merchant: &str,
    page: Answered,
) -> Answered {
    if !is_staff(token) {
        return page;
    }
    let names_author = |merchant, author, is_signal| state.access.names_author(token, merchant, (author, is_signal));
    state.payments.with_block_origins(merchant, PaymentDocument::Page, page, &names_author)
}

/// An operation on the path of a transaction.
pub(crate) async fn transition(operation: PaymentOperation, request: GatewayRequest<TransactionPath>) -> Response {
    let GatewayRequest { state, path: TransactionPath { merchant, transaction }, body, .. } = &request;
    let call = PaymentCall { operation, merchant, transaction: Some(transaction), body };
    response(decide(&state.payments, call, Instant::now()).await.0)
}

fn response(answered: Answered) -> Response {
    answered.map_or_else(IntoResponse::into_response, reply_response)
}

/// `POST /v1/merchants/{merchant}/payment-form`
pub(crate) async fn payment_form(request: GatewayRequest<MerchantPath>) -> Response {
    let payments = &request.state.payments;
    respond(payments, payments.payment_form(&request.path.merchant, &request.body), AnswerKind::Read).await
}

/// `GET /v1/merchants/{merchant}/transactions/{transaction}`
pub(crate) async fn show_transaction(
    State(state): State<Arc<AppState>>,
    Path(TransactionPath { merchant, transaction }): Path<TransactionPath>,
    admission: Option<Admission>,
) -> Response {
    let shown = state.payments.transaction(&merchant, &transaction);
    let token = admission.map(|admission| admission.token);
    let shown = with_block_origins(&state, token, (merchant, PaymentDocument::Transaction), shown).await;
    respond(&state.payments, shown, AnswerKind::Read).await
}

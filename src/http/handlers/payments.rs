//! Payments and their transitions.

use crate::{
    http::{
        extract::{
            gateway_request::GatewayRequest,
            path::{MerchantPath, TransactionPath},
        },
        response::{reply_response, respond},
        state::AppState,
    },
    service::{commit::AnswerKind, payments::PaymentOperation, reply::Answered},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Instant};

/// An operation on the path of a merchant.
pub(crate) async fn operate(operation: PaymentOperation, request: GatewayRequest<MerchantPath>) -> Response {
    let started = Instant::now();
    let answered = request.state.payments.call(operation, &request.path.merchant, None, &request.body);
    let kind = if operation == PaymentOperation::Check { AnswerKind::Read } else { AnswerKind::Write };
    answer(&request.state, started, answered, kind).await
}

/// An operation on the path of a transaction.
pub(crate) async fn transition(operation: PaymentOperation, request: GatewayRequest<TransactionPath>) -> Response {
    let started = Instant::now();
    let TransactionPath { merchant, transaction } = &request.path;
    let answered = request.state.payments.call(operation, merchant, Some(transaction), &request.body);
    answer(&request.state, started, answered, AnswerKind::Write).await
}

async fn answer(state: &AppState, started: Instant, answered: Answered, kind: AnswerKind) -> Response {
    let payments = &state.payments;
    let depends_on_lsn = payments.depends_on_lsn(&answered);
    let committed = payments.leave(Some(depends_on_lsn), kind).await;
    payments.meters.answer_seconds.record(started.elapsed());
    match (committed, answered) {
        (Err(error), _) => {
            payments.meters.count_unavailable(&error.code);
            error.into_response()
        }
        (Ok(()), Ok(reply)) => reply_response(reply),
        (Ok(()), Err(error)) => error.into_response(),
    }
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
) -> Response {
    respond(&state.payments, state.payments.transaction(&merchant, &transaction), AnswerKind::Read).await
}

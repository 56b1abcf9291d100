//! Customers as a table: export, import, template, generated customers.

use crate::{
    http::{
        download::download,
        dto::problem::Problem,
        extract::{admin_request::AdminRequest, body::broken_body, path::MerchantPath, query::QueryPairs},
        response::respond,
        server::admission::Admission,
        state::AppState,
    },
    scheduling::background,
    service::{
        commit::AnswerKind,
        error::ServiceError,
        import_export::{
            arriving_table::{ArrivingTable, UploadRequest},
            export::{TableSelection, export},
        },
        reply::Reply,
    },
    telemetry::traces::carry,
};
use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

fn as_csv(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"customers.csv\""));
    response
}

/// `GET /v1/merchants/{merchant}/customers/template.csv`
pub(crate) async fn template_table(request: AdminRequest) -> Response {
    match background::run(move || request.customers().template()).await {
        Ok(Ok(bytes)) => as_csv(Body::from(bytes)),
        Ok(Err(error)) => error.into_response(),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `GET /v1/merchants/{merchant}/customers.csv`: a stream, with a page of customers in memory at a time. The query selects
/// columns and customers.
pub(crate) async fn download_table(request: AdminRequest) -> Response {
    let now = match request.state.payments.time() {
        Ok(now) => now,
        Err(error) => return error.into_response(),
    };
    let selection = match TableSelection::read(request.query.pairs(), &request.merchant) {
        Ok(selection) => selection,
        Err(error) => return error.into_response(),
    };
    let (state, admission) = (Arc::clone(&request.state), request.admission.clone());
    let body = download(&state, admission.as_ref(), move |output| {
        export(&request.state.payments.ledger, &request.merchant, selection, now, output).map(drop)
    });
    body.map_or_else(IntoResponse::into_response, as_csv)
}

/// `POST /v1/merchants/{merchant}/customers.csv`: imports all rows or none; `?mode=partial` imports the good rows,
/// `?mode=trial` none. `?job=ID` names the job.
pub(crate) async fn upload(
    State(state): State<Arc<AppState>>,
    Path(MerchantPath { merchant }): Path<MerchantPath>,
    query: QueryPairs,
    request: Request,
) -> Response {
    match receive(&state, merchant, &query, request).await {
        Ok(reply) => respond(&state.payments, Ok(reply), AnswerKind::Write).await,
        Err(problem) => problem.into_response(),
    }
}

/// Receives a table and imports it. An error does not wait for a commit.
async fn receive(
    state: &Arc<AppState>,
    merchant: String,
    query: &QueryPairs,
    request: Request,
) -> Result<Reply, Problem> {
    let (parts, body) = request.into_parts();
    let admission = parts.extensions.get::<Admission>();
    let mut upload = UploadRequest::by(admission.map(|admission| admission.token.name));
    query.pairs().try_for_each(|(key, value)| upload.set(&key, &value))?;
    let mut table = spool(state, &merchant, body).await?;
    state.readmit(admission, parts.uri.path())?;
    table.wait_for_slot(state.stopping.clone()).await?;
    let importer = Arc::clone(state);
    let done = background::run(carry(move || table.import(&importer.payments, &importer.jobs, &upload)));
    let done = done.await.map_err(|error| ServiceError::unfinished(&error))??;
    Ok(Reply { is_replay: done.is_replay, ..Reply::new(&done.answer) })
}

/// Writes a table to a sealed file as it arrives.
async fn spool(state: &AppState, merchant: &str, mut body: Body) -> Result<ArrivingTable, Problem> {
    let announced = axum::body::HttpBody::size_hint(&body).exact().unwrap_or(0);
    let mut table = ArrivingTable::begin(&state.payments, &state.jobs, merchant, announced).await?;
    let mut pace = state.capacity.upload_limits().pace();
    while let Some(frame) = pace.next(&mut body, false).await? {
        let frame = frame.map_err(|error| broken_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        table = table.take(data).await?;
    }
    Ok(table)
}

/// `POST /v1/merchants/{merchant}/customers/mock`
pub(crate) async fn generate(request: AdminRequest) -> Response {
    request.run_blocking(|request| request.customers().generate(&request.body)).await
}

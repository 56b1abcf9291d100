//! Customers as a table: export, import, template, generated customers.

use crate::{
    domain::{request::refusal::Refusal, vocabulary::names::Name},
    http::{
        download::download,
        dto::problem::Problem,
        extract::{admin_request::AdminRequest, body::broken_body, path::MerchantPath, query::QueryPairs},
        response::respond,
        server::admission::Admission,
        state::AppState,
    },
    service::{
        commit::AnswerKind,
        error::ServiceError,
        import_export::{
            export::{TableSelection, export},
            import_job::{UploadedTable, import_table},
            outcome::ImportMode,
            row::ImportTarget,
        },
        jobs::{
            limits::JobPermit,
            registry::{file_failed, parse_job_id},
            tracked_job::JobReply,
        },
        reply::Reply,
    },
    storage::jobs::Draft,
};
use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::{io::Write, sync::Arc};

fn as_csv(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"customers.csv\""));
    response
}

/// `GET /v1/merchants/{merchant}/customers/template.csv`
pub(crate) async fn template_table(request: AdminRequest) -> Response {
    match tokio::task::block_in_place(|| request.customers().template()) {
        Ok(bytes) => as_csv(Body::from(bytes)),
        Err(error) => error.into_response(),
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

/// The query of an upload and its caller.
struct UploadRequest {
    mode: ImportMode,
    job_id: Option<String>,
    by: Option<Name>,
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
    let upload = read_query(query, admission.map(|admission| admission.token.name))?;
    let known = state.payments.rules().merchant(&merchant).map(|merchant| merchant.id);
    let known = known.ok_or_else(|| Refusal::UnknownMerchant(merchant.clone()))?;
    let mut permit = state.jobs.limits().arrive(known)?;
    let table = spool(state, body, &mut permit).await?;
    state.readmit(admission, parts.uri.path())?;
    permit.work(state.stopping.clone()).await?;
    let importer = Arc::clone(state);
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        import(&importer, &merchant, &upload, table)
    });
    let done = done.await.map_err(|error| ServiceError::unfinished(&error))??;
    Ok(Reply { is_replay: done.is_replay, ..Reply::new(&done.answer) })
}

fn read_query(query: &QueryPairs, by: Option<Name>) -> Result<UploadRequest, ServiceError> {
    let mut upload = UploadRequest { mode: ImportMode::AllOrNothing, job_id: None, by };
    for (key, value) in query.pairs() {
        if key == "job" {
            upload.job_id = Some(parse_job_id(value.into_owned())?);
            continue;
        }
        let modes = [ImportMode::AllOrNothing, ImportMode::Partial, ImportMode::Trial];
        let known = modes.into_iter().find(|mode| mode.word() == value);
        let expected = "is all (the default), partial or trial";
        upload.mode = known.ok_or_else(|| ServiceError::unknown_value("mode", expected))?;
    }
    Ok(upload)
}

/// A table that has arrived.
struct SpooledTable {
    /// `None` once the import has taken it. It is dropped off the threads that answer payments, because its file is
    /// removed then.
    draft: Option<Draft>,
    digest: u128,
}

impl Drop for SpooledTable {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            tokio::task::spawn_blocking(move || drop(draft));
        }
    }
}

/// Writes a table to a sealed file as it arrives.
async fn spool(state: &AppState, mut body: Body, permit: &mut JobPermit) -> Result<SpooledTable, Problem> {
    let now = state.payments.time()?;
    let announced = axum::body::HttpBody::size_hint(&body).exact().unwrap_or(0);
    let draft = tokio::task::block_in_place(|| {
        state.jobs.check_room(announced)?;
        state.jobs.draft(now).map_err(file_failed)
    });
    let mut table = SpooledTable { draft: Some(draft?), digest: 0 };
    let mut digester = state.payments.ledger.digester();
    let mut pace = state.capacity.upload_pace();
    while let Some(frame) = pace.next(&mut body, false).await? {
        let frame = frame.map_err(|error| broken_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        permit.hold(data.len() as u64)?;
        digester.take(&data);
        // A write waits for the disk where the cache is full. Other requests must not wait with it.
        let mut draft = table.draft.iter_mut();
        tokio::task::block_in_place(|| draft.try_for_each(|draft| draft.write_all(&data))).map_err(file_failed)?;
    }
    table.digest = digester.digest();
    Ok(table)
}

fn import(
    state: &AppState,
    merchant: &str,
    upload: &UploadRequest,
    mut table: SpooledTable,
) -> Result<JobReply, ServiceError> {
    let rules = state.payments.rules();
    let merchant = rules.merchant(merchant).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
    let (ledger, now) = (&state.payments.ledger, state.payments.time()?);
    let target = ImportTarget {
        ledger,
        merchant,
        by: upload.by,
        job: None,
        now,
        new_from: ledger.next_customer(),
        resumed_after: None,
    };
    let draft = table.draft.take().ok_or_else(ServiceError::internal)?;
    let (mode, job_id) = (upload.mode, upload.job_id.as_deref());
    import_table(&state.jobs, &target, UploadedTable { mode, job_id, draft, digest: table.digest })
}

/// `POST /v1/merchants/{merchant}/customers/mock`
pub(crate) async fn generate(request: AdminRequest) -> Response {
    request.run_blocking(|request| request.customers().generate(&request.body)).await
}

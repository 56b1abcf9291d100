//! Jobs: the change of many customers at once, and the state of imports and bulk changes.

use crate::{
    domain::vocabulary::names::Name,
    http::extract::{admin_request::AdminRequest, path::JobPath, query::QueryPairs},
    service::{
        documents::query::page_limit,
        error::ServiceError,
        jobs::registry::parse_job_id,
        reply::{Answered, Reply},
    },
};
use axum::response::Response;

/// `GET /v1/merchants/{merchant}/customers/jobs`
pub(crate) async fn list(request: AdminRequest) -> Response {
    let limit = read_limit(&request.query);
    let shows_name = |name: &str| shows_name(&request, name);
    let answered = limit.map(|limit| Reply::new(&request.state.jobs.list(request.merchant.id, limit, &shows_name)));
    request.answer(answered).await
}

/// Whether the caller is shown the name of the token that began a job.
fn shows_name<P>(request: &AdminRequest<P>, name: &str) -> bool {
    Name::existing(name).is_none_or(|name| request.shows_name(name))
}

fn read_limit(query: &QueryPairs) -> Result<usize, ServiceError> {
    query.pairs().find(|(key, _)| key == "limit").map_or(Ok(100), |(_, value)| page_limit(&value))
}

/// `GET /v1/merchants/{merchant}/customers/jobs/{job}`
pub(crate) async fn show(request: AdminRequest<JobPath>) -> Response {
    let shown = request.state.jobs.show(request.merchant.id, &request.path.job, &|name| shows_name(&request, name));
    request.answer(shown.map(|document| Reply::new(&document))).await
}

/// `POST /v1/merchants/{merchant}/customers/bulk`: `?job=ID` names the job.
pub(crate) async fn bulk_change(request: AdminRequest) -> Response {
    request.run_blocking(change_many).await
}

fn change_many(request: &AdminRequest) -> Answered {
    let job_id = request.query.pairs().find(|(key, _)| key == "job").map(|(_, value)| value.into_owned());
    let job_id = job_id.map(parse_job_id).transpose()?;
    let done = request.customers().bulk_change(&request.state.jobs, job_id.as_deref(), &request.body)?;
    Ok(Reply { is_replay: done.is_replay, ..Reply::new(&done.answer) })
}

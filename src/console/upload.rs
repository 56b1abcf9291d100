//! Receives an uploaded table: a form with files whose body is streamed to the service, with the limits of the API's uploads.

use crate::{
    console::{
        background_job::{END_WAIT_MAX, new_job_id},
        multipart::{MultipartReader, boundary_of},
        state::Console,
    },
    domain::vocabulary::names::Name,
    scheduling::background,
    service::{
        error::{ErrorKind, ServiceError},
        import_export::{
            arriving_table::{ArrivingTable, UploadRequest},
            outcome::ImportMode,
        },
    },
};
use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, header},
};
use std::{sync::Arc, time::Duration};

/// The most bytes of a field of the form besides the table.
const FIELD_BYTES_MAX: usize = 256;
/// The most bytes of a refused upload that are read, and for how long: a refusal before the end of the body can be lost.
const DISCARDED_BYTES_MAX: usize = 1 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);

/// An upload that has arrived, as far as the form describes it.
#[derive(Debug, Default)]
pub(super) struct UploadFields {
    mode: String,
    job: String,
}

impl UploadFields {
    /// The treatment of bad rows that was chosen.
    pub(super) fn mode(&self) -> &str {
        &self.mode
    }
}

/// What an upload led to.
pub(super) enum Uploaded {
    /// The job of this id has ended or goes on.
    Job(String),
    /// Nothing was begun, or the table was refused.
    Refused(UploadFields, ServiceError),
}

/// Whether the console takes tables for a trial only. A table changes many customers, with their levels, status and labels,
/// and it cannot wait for a second person.
pub(super) fn takes_trials_only(console: &Console) -> bool {
    !console.parts.four_eyes.is_empty()
}

/// Refuses a table that would change something where it cannot.
fn check_mode(console: &Console, fields: &UploadFields) -> Result<(), ServiceError> {
    if fields.mode.trim() == ImportMode::Trial.word() || !takes_trials_only(console) {
        return Ok(());
    }
    let detail = "changes need a second person here, and a table cannot wait for one: the console takes tables for a trial \
                  only. The form names the mode before the table";
    Err(ServiceError::forbidden(detail).at("mode"))
}

/// Reads the rest of a request that is refused.
pub(super) async fn discard(body: Body) {
    let _ = tokio::time::timeout(DISCARD_TIME_MAX, axum::body::to_bytes(body, DISCARDED_BYTES_MAX)).await;
}

/// Whether the person may still upload once the table has arrived, and the name of the token.
pub(super) type Readmit<'a> = dyn Fn() -> Result<Option<Name>, ServiceError> + Sync + 'a;

/// Receives a table for a merchant and imports it as a job.
pub(super) async fn receive(
    console: &Arc<Console>,
    merchant: &str,
    (headers, mut body): (&HeaderMap, Body),
    readmit: &Readmit<'_>,
) -> Uploaded {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut fields = UploadFields::default();
    let Some(reader) = boundary_of(content_type).map(MultipartReader::new) else {
        discard(body).await;
        return Uploaded::Refused(fields, ServiceError::malformed("body_broken", "choose a file, or paste a table"));
    };
    let table = match spool(console, merchant, reader, (&mut fields, &mut body)).await {
        Ok(table) => table,
        Err(error) => {
            discard(body).await;
            return Uploaded::Refused(fields, error);
        }
    };
    let imported = match readmit() {
        Ok(by) => import(console, table, &fields, by).await,
        Err(error) => Err(error),
    };
    match imported {
        Ok(job) => Uploaded::Job(job),
        Err(error) => Uploaded::Refused(fields, error),
    }
}

/// Writes the table of a form to its file as it arrives.
async fn spool(
    console: &Console,
    merchant: &str,
    mut reader: MultipartReader,
    (fields, body): (&mut UploadFields, &mut Body),
) -> Result<ArrivingTable, ServiceError> {
    let parts = &console.parts;
    let announced = body.size_hint().exact().unwrap_or(0);
    let mut table = ArrivingTable::begin(&parts.payments, &parts.jobs, merchant, announced).await?;
    let mut source: Option<String> = None;
    let mut pace = parts.upload_limits.pace();
    let too_slow = |_| ServiceError::malformed("request_too_slow", "the table did not arrive in time; try again");
    while let Some(frame) = pace.next(body, false).await.map_err(too_slow)? {
        let frame = frame.map_err(|error| ServiceError::malformed("body_broken", error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let mut piece = Vec::with_capacity(data.len());
        let mut take = |name: &str, bytes: &[u8]| match name {
            "mode" => add(&mut fields.mode, name, bytes),
            "job" => add(&mut fields.job, name, bytes),
            "file" | "text" => {
                if source.get_or_insert_with(|| name.to_owned()) != name {
                    return Err(ServiceError::malformed("duplicate_field", "choose a file or paste a table, not both"));
                }
                check_mode(console, fields)?;
                piece.extend_from_slice(bytes);
                Ok(())
            }
            _ => Err(ServiceError::unknown_field(name, "mode, job, file, text")),
        };
        reader.push(&data, &mut take)?;
        if !piece.is_empty() {
            table = table.take(piece.into()).await?;
        }
    }
    reader.finish()?;
    // The mode can follow the table.
    check_mode(console, fields)?;
    if source.is_none() {
        return Err(ServiceError::malformed("field_missing", "choose a file, or paste a table").at("file"));
    }
    Ok(table)
}

/// Adds bytes to a field.
fn add(field: &mut String, name: &str, bytes: &[u8]) -> Result<(), ServiceError> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| field.len() + text.len() <= FIELD_BYTES_MAX);
    field.push_str(text.ok_or_else(|| ServiceError::malformed("value_unknown", "the field is too long").at(name))?);
    Ok(())
}

/// Imports a table that has arrived, and waits a moment for the end; returns the id of the job.
async fn import(
    console: &Arc<Console>,
    mut table: ArrivingTable,
    fields: &UploadFields,
    by: Option<Name>,
) -> Result<String, ServiceError> {
    let mut upload = UploadRequest::by(by);
    upload.set("mode", fields.mode.trim())?;
    let job = if fields.job.trim().is_empty() { new_job_id()? } else { fields.job.trim().to_owned() };
    upload.set("job", &job)?;
    table.wait_for_slot(console.parts.stopping.clone()).await?;
    let importer = Arc::clone(console);
    let work = background::run(move || table.import(&importer.parts.payments, &importer.parts.jobs, &upload));
    match tokio::time::timeout(END_WAIT_MAX, work).await {
        // It goes on, and its page shows the progress.
        Err(_) => Ok(job),
        Ok(Err(error)) => Err(ServiceError::unfinished(&error)),
        Ok(Ok(Ok(_))) => Ok(job),
        // The job of a table with bad rows is known, and its page lists them.
        Ok(Ok(Err(error))) if error.kind == ErrorKind::Impossible && !error.bad_rows.is_empty() => Ok(job),
        Ok(Ok(Err(error))) => Err(error),
    }
}

//! The job that imports an uploaded table: tried first, then imported by steps that a start can continue.

use crate::{
    service::{
        error::ServiceError,
        import_export::{
            import::{TrialFindings, TriedTable, import_rows, try_rows},
            outcome::{ImportMode, ImportOutcome},
            row::ImportTarget,
        },
        jobs::{
            registry::{ActiveJob, Admission, JobRequest, Jobs, file_failed},
            resume_context::ResumeContext,
            tracked_job::{JobAnswer, JobDescription, JobKind, JobReply, Phase},
        },
    },
    storage::jobs::{Draft, Job},
    telemetry::traces::in_span,
};
use roaring::RoaringTreemap;
use serde_json::Value;
use std::{
    fmt,
    io::{BufReader, Write},
};

/// A table that has arrived.
pub struct UploadedTable<'a> {
    /// The treatment of a table that has bad rows.
    pub mode: ImportMode,
    /// The caller's id of the job.
    pub job_id: Option<&'a str>,
    /// The content.
    pub draft: Draft,
    /// The digest of the content.
    pub digest: u128,
}

fn unreadable(error: impl fmt::Display) -> ServiceError {
    tracing::error!("the file of an import could not be written or read: {error}");
    ServiceError::store_unavailable()
}

fn document(outcome: &ImportOutcome) -> Value {
    serde_json::to_value(outcome.shown()).unwrap_or_default()
}

/// Tries the rows of a table in a draft, and imports them as the mode says.
///
/// # Errors
/// Rows are bad, and nothing was changed; the job's id belongs to another table; a file has failed.
pub fn import_table(
    jobs: &Jobs,
    target: &ImportTarget<'_>,
    table: UploadedTable<'_>,
) -> Result<JobReply, ServiceError> {
    in_span("upload", |span| {
        span.set_word("levelgate.upload.mode", table.mode.word());
        let imported = try_and_import(jobs, target, table);
        span.note(&imported);
        imported
    })
}

fn try_and_import(jobs: &Jobs, target: &ImportTarget<'_>, table: UploadedTable<'_>) -> Result<JobReply, ServiceError> {
    let UploadedTable { mode, job_id, mut draft, digest } = table;
    draft.flush().map_err(file_failed)?;
    let request = JobRequest {
        merchant: target.merchant.id,
        id: job_id,
        kind: JobKind::Upload,
        mode: mode.word(),
        by: target.by,
        digest,
        now: target.now,
    };
    let active = match jobs.admit(&draft, &request)? {
        Admission::New(active) => active,
        Admission::Known(answer) => return Ok(JobReply { answer, is_replay: true }),
    };
    let mut step = |rows| {
        active.count(rows);
        active.step(rows)
    };
    let tried =
        try_rows(target, BufReader::new(draft.reader()), &mut step).map_err(|error| active.interrupted(&error))?;
    let TriedTable { outcome, findings } = tried;
    active.count(outcome.rows);
    // There is no row to import where the header cannot be read.
    let is_refused = outcome.bad > 0 && (mode == ImportMode::AllOrNothing || outcome.rows == 0);
    if mode == ImportMode::Trial || is_refused {
        let phase = if mode == ImportMode::Trial { Phase::Tried } else { Phase::Refused };
        let answer = document(&outcome);
        let now = active.time(target.now);
        active.leave(phase, Some((answer.clone(), now)));
        return match phase {
            Phase::Tried => Ok(JobReply { answer: active.with_job(answer, phase, Some(now)), is_replay: false }),
            _ => Err(ServiceError::bad_table(&outcome)),
        };
    }
    let mut parameters = target.new_from.to_le_bytes().to_vec();
    findings.bad_lines.serialize_into(&mut parameters).map_err(unreadable)?;
    let job = active.begin(draft, &parameters).map_err(file_failed)?;
    let begun = ImportOutcome { bad_rows: outcome.bad_rows, ..ImportOutcome::default() };
    let answer = import_all(target, (&active, job), findings, begun)?;
    Ok(JobReply { answer, is_replay: false })
}

/// Imports the rows after those that are imported already.
fn import_all(
    target: &ImportTarget<'_>,
    (active, mut job): (&ActiveJob<'_>, Job),
    findings: TrialFindings,
    mut outcome: ImportOutcome,
) -> Result<Value, ServiceError> {
    let target = &ImportTarget { job: Some(job.number()), ..*target };
    let journal = target.ledger.journal();
    let rows = BufReader::new(job.reader());
    let mut step = |so_far: &ImportOutcome| {
        active.step(so_far.rows)?;
        active.mark(&mut job, journal, so_far.rows, &so_far.counts())
    };
    let done = import_rows(target, rows, findings, &mut outcome, &mut step);
    done.map_err(|error| active.interrupted(&error))?;
    let answer = JobAnswer { shown: document(&outcome), stored: document(&outcome.counts()) };
    active.end(job, journal, answer, target.now).map_err(|error| active.interrupted(&error))
}

/// Continues an import that a start found unfinished.
pub(crate) fn resume_import(
    context: &ResumeContext<'_>,
    job: Job,
    active: &ActiveJob<'_>,
) -> Result<Value, ServiceError> {
    let (merchant, by) = context.merchant_and_caller(active.description())?;
    let what = job.what.clone();
    let (_, parameters) = JobDescription::parse(&what).map_err(unreadable)?;
    let (new_from, parameters) =
        parameters.split_first_chunk().ok_or_else(|| unreadable("its parameters end early"))?;
    let (ledger, now, new_from) = (context.ledger, context.now, u64::from_le_bytes(*new_from));
    let bad_lines = RoaringTreemap::deserialize_from(parameters).map_err(unreadable)?;
    let imported = match job.progress.data.as_slice() {
        [] => ImportOutcome::default(),
        kept => serde_json::from_slice(kept).map_err(unreadable)?,
    };
    let resumed_after = Some(imported.newest.max(new_from.saturating_sub(1)));
    let target = ImportTarget { ledger, merchant, by, job: None, now, new_from, resumed_after };
    let findings = TrialFindings { bad_lines, ..TrialFindings::default() };
    import_all(&target, (active, job), findings, imported)
}

//! All jobs: those in progress, and those that have ended and are remembered.

use crate::{
    domain::vocabulary::{names::Name, time::Millis},
    service::{
        error::ServiceError,
        jobs::{
            audited_job::record_end,
            limits::JobLimits,
            tracked_job::{EndedJob, JobAnswer, JobDescription, JobDocument, JobKind, Phase, TrackedJob},
        },
        reply::render,
    },
    storage::{
        fs::NoRoom,
        jobs::{Draft, Job, JobError, JobProgress, JobStore, JobsOnDisk, is_full},
        journal::Journal,
    },
};
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The most ended jobs of one merchant that are remembered; the oldest are forgotten. The limit is per merchant: a job of
/// another merchant that is forgotten and sent again would be done twice.
const ENDED_MAX: usize = 1_000;
/// The most bytes of an id.
const ID_BYTES_MAX: usize = 64;
/// About how many bytes on the disk a step needs: its record in the journal and its mark.
const STEP_BYTES: u64 = 512;
/// The number of steps after which a job waits for the journal, so that it does not outrun the writes.
const COMMIT_EVERY: u64 = 256;

/// A request for a job.
pub(crate) struct JobRequest<'a> {
    pub(crate) merchant: Name,
    /// The caller's id; the daemon chooses one where it is absent.
    pub(crate) id: Option<&'a str>,
    pub(crate) kind: JobKind,
    pub(crate) mode: &'a str,
    pub(crate) by: Option<Name>,
    /// The digest of the content.
    pub(crate) digest: u128,
    pub(crate) now: Millis,
}

/// What a request for a job leads to.
pub(crate) enum Admission<'a> {
    /// A new job, to be tried and done.
    New(ActiveJob<'a>),
    /// The answer of the same job, which was done before.
    Known(Value),
}

/// A job on which this process works. One that is dropped before its end is refused or, when it has begun, interrupted.
pub(crate) struct ActiveJob<'a> {
    jobs: &'a Jobs,
    job: Arc<TrackedJob>,
}

impl std::ops::Deref for ActiveJob<'_> {
    type Target = TrackedJob;

    fn deref(&self) -> &TrackedJob {
        &self.job
    }
}

impl Drop for ActiveJob<'_> {
    fn drop(&mut self) {
        match self.job.phase() {
            Phase::Trying => self.leave(Phase::Refused, None),
            Phase::Applying => self.leave(Phase::Interrupted, None),
            Phase::Done | Phase::Tried | Phase::Refused | Phase::Interrupted => {}
        }
    }
}

impl ActiveJob<'_> {
    /// Shows how many steps are done; fails when the daemon stops.
    pub(crate) fn step(&self, done: u64) -> io::Result<()> {
        self.job.done.store(done, Ordering::Relaxed);
        if self.jobs.is_stopping.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// Ends the job in a phase, with its answer and the time.
    pub(crate) fn leave(&self, phase: Phase, ended: Option<(Value, Millis)>) {
        let known = self.jobs.known.lock();
        let mut status = self.job.status.lock();
        let (answer, at) = ended.unzip();
        (status.phase, status.ended_at, status.answer) = (phase, at, answer);
        drop((status, known));
        self.jobs.has_ended.notify_all();
    }

    /// Commits to the job: from here on it is finished, now or by the next start. `parameters` are what its steps need.
    ///
    /// # Errors
    /// Nothing was begun.
    pub(crate) fn begin(&self, draft: Draft, parameters: &[u8]) -> Result<Job, JobError> {
        let rows = self.job.rows.load(Ordering::Relaxed);
        let description = JobDescription { rows, ..self.job.description.clone() };
        draft.check_room(rows.saturating_mul(STEP_BYTES))?;
        let job = draft.begin(&description.write(parameters))?;
        self.job.done.store(0, Ordering::Relaxed);
        self.job.status.lock().phase = Phase::Applying;
        Ok(job)
    }

    /// Records after a step how many are done, for a start that finds the job. `counts` are stored unencrypted.
    ///
    /// # Errors
    /// The journal or the job's file has failed.
    pub(crate) fn mark(&self, job: &mut Job, journal: &Journal, done: u64, counts: &impl Serialize) -> io::Result<()> {
        let last = journal.last();
        // A mark counts only where the journal has its record, so it need not wait for the commit.
        if done.is_multiple_of(COMMIT_EVERY) {
            journal.commit(last).map_err(io::Error::other)?;
        }
        job.write_mark(&JobProgress { steps_done: done, data: render(counts) }, last)
    }

    /// Ends a job whose steps are all done. `begun` is the time when this process began it.
    ///
    /// # Errors
    /// The journal or the folder has failed; the next start finds the job.
    pub(crate) fn end(&self, job: Job, journal: &Journal, answer: JobAnswer, begun: Millis) -> io::Result<Value> {
        let (rows, now) = (self.job.rows.load(Ordering::Relaxed), self.job.time(begun));
        record_end(journal, &self.job.description, &answer.stored, now);
        journal.sync().map_err(io::Error::other)?;
        self.job.done.store(rows, Ordering::Relaxed);
        let with_job = |answer| self.job.with_job(answer, Phase::Done, Some(now));
        let (shown, stored) = (with_job(answer.shown), with_job(answer.stored));
        let description = JobDescription { rows, ..self.job.description.clone() };
        let ended = render(&EndedJob { description, ended_at: now.0, answer: stored });
        job.end(&ended).map_err(io::Error::other)?;
        self.leave(Phase::Done, Some((shown.clone(), now)));
        Ok(shown)
    }

    /// The error of a job that stops between two steps.
    pub(crate) fn interrupted(&self, error: &io::Error) -> ServiceError {
        let id = &self.job.description.id;
        tracing::error!("job {id} stops between two steps: {error}");
        ServiceError::job_interrupted(id)
    }
}

/// All jobs.
pub struct Jobs {
    store: Arc<JobStore>,
    known: Mutex<BTreeMap<u64, Arc<TrackedJob>>>,
    /// Notified when a job ends.
    has_ended: Condvar,
    limits: Arc<JobLimits>,
    unfinished: Mutex<Vec<(Job, Arc<TrackedJob>)>>,
    is_stopping: AtomicBool,
}

impl Jobs {
    /// The jobs of a store, with those that a start found in it.
    ///
    /// # Errors
    /// A stored job has a form that this version does not know.
    pub fn new(store: Arc<JobStore>, found: JobsOnDisk) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        let mut unfinished = Vec::new();
        for (number, stored) in found.ended {
            let ended: EndedJob = serde_json::from_slice(&stored).map_err(|error| format!("job {number}: {error}"))?;
            let job = TrackedJob::new(ended.description, Phase::Done, 0);
            job.done.store(job.description.rows, Ordering::Relaxed);
            {
                let mut status = job.status.lock();
                (status.ended_at, status.answer) = (Some(Millis(ended.ended_at)), Some(ended.answer));
            }
            known.insert(number, job);
        }
        for job in found.unfinished {
            let parsed = JobDescription::parse(&job.what).map_err(|error| format!("job {}: {error}", job.number()))?;
            let tracked = TrackedJob::new(parsed.0, Phase::Applying, job.progress.steps_done);
            known.insert(job.number(), Arc::clone(&tracked));
            unfinished.push((job, tracked));
        }
        Ok(Self {
            store,
            known: Mutex::new(known),
            has_ended: Condvar::new(),
            limits: Arc::default(),
            unfinished: Mutex::new(unfinished),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// Stops the active jobs between two steps; the next start continues them.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// The limits of jobs.
    pub(crate) fn limits(&self) -> &Arc<JobLimits> {
        &self.limits
    }

    /// Refuses a job whose file needs more bytes than the disk has room for.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), ServiceError> {
        self.store.headroom().check("a table that is uploaded", bytes).map_err(file_failed)
    }

    /// Creates the file for the content of a job.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn draft(&self, now: Millis) -> Result<Draft, JobError> {
        self.store.draft(now)
    }

    /// Admits a request, or returns the answer of the same job. Waits for the same job where it is active.
    ///
    /// # Errors
    /// The id belongs to another content, or the job is interrupted.
    pub(crate) fn admit(&self, draft: &Draft, request: &JobRequest<'_>) -> Result<Admission<'_>, ServiceError> {
        let id = request.id.map_or_else(|| draft.number().to_string(), str::to_owned);
        let description = JobDescription {
            id,
            merchant: request.merchant.to_string(),
            kind: request.kind.word().to_owned(),
            mode: request.mode.to_owned(),
            by: request.by.map(|by| by.to_string()),
            begun_at: request.now.0,
            digest: format!("{:032x}", request.digest),
            rows: 0,
        };
        let mut known = self.known.lock();
        while let Some(other) = find_holder(&known, &description) {
            if !other.description.is_same(&description) {
                return Err(ServiceError::other_job(&description.id));
            }
            let (phase, answer) = {
                let status = other.status.lock();
                (status.phase, status.answer.clone())
            };
            match (phase, answer) {
                (Phase::Done, Some(answer)) => return Ok(Admission::Known(answer)),
                (Phase::Interrupted, _) => return Err(ServiceError::job_interrupted(&description.id)),
                _ => self.has_ended.wait(&mut known),
            }
        }
        let job = TrackedJob::new(description, Phase::Trying, 0);
        known.insert(draft.number(), Arc::clone(&job));
        let forgotten = remove_oldest_ended(&mut known, &job.description.merchant);
        drop(known);
        for number in forgotten {
            if let Err(error) = self.store.forget(number) {
                tracing::error!("the file of the ended job {number} could not be removed: {error}");
            }
        }
        Ok(Admission::New(ActiveJob { jobs: self, job }))
    }

    /// The jobs of a merchant, the newest first.
    pub(crate) fn list(&self, merchant: Name, limit: usize, shows_name: &dyn Fn(&str) -> bool) -> Value {
        let known = self.known.lock();
        let of_merchant = known.values().rev().filter(|job| job.description.merchant == merchant.as_str());
        let shown: Vec<JobDocument> =
            of_merchant.take(limit).map(|job| job.document().with_shown_author(shows_name)).collect();
        serde_json::json!({ "jobs": shown })
    }

    /// The newest job of an id, with its answer where it has one. `shows_name` says whether the token that began it is named.
    ///
    /// # Errors
    /// The merchant has no job of this id.
    pub fn show(&self, merchant: Name, id: &str, shows_name: &dyn Fn(&str) -> bool) -> Result<Value, ServiceError> {
        let known = self.known.lock();
        let is_it = |job: &&Arc<TrackedJob>| job.description.merchant == merchant.as_str() && job.description.id == id;
        let job = known.values().rev().find(is_it).ok_or_else(|| ServiceError::unknown_job(id))?;
        let mut shown = serde_json::to_value(job.document().with_shown_author(shows_name)).unwrap_or_default();
        let mut answer = job.status.lock().answer.clone().unwrap_or_default();
        answer.as_object_mut().map(|answer| answer.remove("job"));
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("answer".to_owned(), answer);
        }
        Ok(shown)
    }

    /// Refuses an id that names no job of a merchant. A number may name a job that is no longer known.
    ///
    /// # Errors
    /// The merchant has no job of this id.
    pub(crate) fn check_known(&self, merchant: Name, id: &str) -> Result<(), ServiceError> {
        let is_number = id.parse::<u64>().is_ok();
        if is_number { Ok(()) } else { self.show(merchant, id, &|_| false).map(drop) }
    }

    /// The id of the job of a number, or the number where the job is no longer known.
    pub(crate) fn id_of(&self, number: u64) -> String {
        let known = self.known.lock();
        known.get(&number).map_or_else(|| number.to_string(), |job| job.description.id.clone())
    }

    /// The jobs that a start found unfinished, the oldest first.
    pub(crate) fn take_unfinished(&self) -> Vec<(Job, ActiveJob<'_>)> {
        let unfinished = std::mem::take(&mut *self.unfinished.lock());
        unfinished.into_iter().map(|(stored, job)| (stored, ActiveJob { jobs: self, job })).collect()
    }
}

/// The error of a job whose file could not be written; nothing of the job is left. The caller can be a token for some
/// merchants, so it names no path of the machine: the log does.
pub(crate) fn file_failed(error: impl Into<io::Error>) -> ServiceError {
    let error = error.into();
    if is_full(&error) {
        metrics::counter!("levelgate_jobs_without_space_total").increment(1);
        tracing::warn!("a table or a bulk change was refused because the disk has no room: {error}");
        let no_room = error.get_ref().and_then(|error| error.downcast_ref::<NoRoom>());
        let why = no_room.map_or_else(|| "the disk has no room".to_owned(), NoRoom::without_path);
        return ServiceError::storage_full(format!("nothing was changed, and the file of the job was removed: {why}"));
    }
    tracing::error!("the file of a table or a bulk change could not be written: {error}");
    ServiceError::internal()
}

/// The job that holds an id. A job that was refused or only tried holds its id no more.
fn find_holder(known: &BTreeMap<u64, Arc<TrackedJob>>, request: &JobDescription) -> Option<Arc<TrackedJob>> {
    let is_it = |job: &&Arc<TrackedJob>| {
        (&job.description.merchant, &job.description.id) == (&request.merchant, &request.id)
            && !matches!(job.phase(), Phase::Refused | Phase::Tried)
    };
    known.values().find(is_it).map(Arc::clone)
}

/// Removes the oldest ended jobs of a merchant beyond [`ENDED_MAX`] and returns their numbers.
fn remove_oldest_ended(known: &mut BTreeMap<u64, Arc<TrackedJob>>, merchant: &str) -> Vec<u64> {
    let has_ended = |job: &TrackedJob| {
        job.description.merchant == merchant
            && !matches!(job.phase(), Phase::Trying | Phase::Applying | Phase::Interrupted)
    };
    let ended: Vec<u64> = known.iter().filter(|(_, job)| has_ended(job)).map(|(number, _)| *number).collect();
    let old: Vec<u64> = ended.iter().take(ended.len().saturating_sub(ENDED_MAX)).copied().collect();
    old.iter().for_each(|number| _ = known.remove(number));
    old
}

/// Parses an id that a caller chooses for a job.
pub(crate) fn parse_job_id(text: String) -> Result<String, ServiceError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text);
    }
    let expected = format!("is 1 to {ID_BYTES_MAX} letters, digits, `-`, `_` and `.`");
    Err(ServiceError::unknown_value("job", &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_merchant_push_out_only_its_own() {
        let of = |merchant: &str, n: u64| JobDescription {
            id: n.to_string(),
            merchant: merchant.to_owned(),
            kind: JobKind::Upload.word().to_owned(),
            mode: "all".to_owned(),
            by: None,
            begun_at: 0,
            digest: String::new(),
            rows: 0,
        };
        let mut known: BTreeMap<u64, Arc<TrackedJob>> = BTreeMap::new();
        known.insert(0, TrackedJob::new(of("other", 0), Phase::Done, 0));
        for n in 1..=ENDED_MAX as u64 + 2 {
            known.insert(n, TrackedJob::new(of("busy", n), Phase::Done, 0));
        }
        assert_eq!(remove_oldest_ended(&mut known, "busy"), [1, 2]);
        assert!(remove_oldest_ended(&mut known, "busy").is_empty());
        assert!(known.contains_key(&0) && known.len() == ENDED_MAX + 1);
    }
}

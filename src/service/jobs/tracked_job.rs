//! One job: its description, its progress and its stored forms.

use crate::{
    clock::{Clock, Source},
    config::schema::{
        texts::{AddressText, JobIdText, TokenNameText},
        words::WordOf,
    },
    domain::vocabulary::{time::Millis, words::words},
    service::{
        documents::{as_text::AsText, links::audit_of_job},
        reply::render,
    },
};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

words! {
    /// The kind of a job.
    JobKind {
        /// Imports a table of customers.
        Upload = "upload",
        /// Changes many customers.
        Bulk = "bulk",
    }
}

words! {
    /// The phase of a job.
    Phase {
        /// The steps are tried; a stop leaves nothing.
        Trying = "trying",
        /// The steps are done; a stop only delays them.
        Applying = "applying",
        /// All steps are done.
        Done = "done",
        /// The steps were tried, as requested, and none was done.
        Tried = "tried",
        /// No step was done, because not all could be.
        Refused = "refused",
        /// The job stopped between two steps; the next start finishes it if it has begun.
        Interrupted = "interrupted",
    }
}

/// JobDescription a job is, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobDescription {
    pub(crate) id: String,
    pub(crate) merchant: String,
    pub(crate) kind: String,
    /// How the job is done. A repeated request must have the same mode.
    pub(crate) mode: String,
    pub(crate) by: Option<String>,
    pub(crate) begun_at: i64,
    /// The digest of the content.
    pub(crate) digest: String,
    /// The number of steps.
    pub(crate) rows: u64,
}

/// A job that has ended, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndedJob {
    #[serde(rename = "what")]
    pub(crate) description: JobDescription,
    pub(crate) ended_at: i64,
    pub(crate) answer: Value,
}

/// A job and its progress.
pub struct TrackedJob {
    pub(crate) description: JobDescription,
    pub(crate) rows: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) status: Mutex<JobStatus>,
    /// Runs since this process works on the job.
    stopwatch: Clock,
}

/// The phase of a job, and its answer when it has ended.
pub(crate) struct JobStatus {
    pub(crate) phase: Phase,
    pub(crate) ended_at: Option<Millis>,
    pub(crate) answer: Option<Value>,
}

/// The answer of a job that ends.
pub(crate) struct JobAnswer {
    /// As the caller gets it.
    pub(crate) shown: Value,
    /// The part that is stored unencrypted: nothing personal.
    pub(crate) stored: Value,
}

/// The answer of a job to its caller.
#[derive(Debug)]
pub struct JobReply {
    /// The document.
    pub answer: Value,
    /// Whether the job was done before.
    pub is_replay: bool,
}

/// A job as a document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobProgress")]
pub(crate) struct JobDocument {
    /// The id of the job.
    #[schemars(with = "JobIdText")]
    id: String,
    /// What it does.
    #[schemars(with = "WordOf<JobKind>")]
    kind: String,
    /// Of an upload: what happens to a table with bad rows.
    #[schemars(extend("enum" = ["all", "partial", "trial"]))]
    mode: String,
    /// The phase of the job.
    #[schemars(with = "WordOf<Phase>")]
    state: &'static str,
    /// The number of steps counted so far.
    rows: u64,
    /// The number of steps that are done.
    rows_done: u64,
    /// The name of the token that began it. `null`: it is not known or not shown.
    #[schemars(with = "Option<TokenNameText>")]
    by: Option<String>,
    /// When it began.
    begun_at: AsText<Millis>,
    /// When it ended. `null`: it has not ended.
    ended_at: Option<AsText<Millis>>,
    /// The path of what the job changed. `null`: it changes nothing.
    #[schemars(with = "Option<AddressText>")]
    audit: Option<String>,
}

impl JobDocument {
    /// The same without the name of the token, unless `shows_name` selects it.
    pub(crate) fn with_shown_author(self, shows_name: &dyn Fn(&str) -> bool) -> Self {
        Self { by: self.by.filter(|by| shows_name(by)), ..self }
    }
}

impl JobDescription {
    /// Whether another request is for the same content in the same mode.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.kind, &self.mode, &self.digest) == (&other.kind, &other.mode, &other.digest)
    }
}

impl TrackedJob {
    /// A job in a phase, with the number of steps that are done.
    pub(crate) fn new(description: JobDescription, phase: Phase, done: u64) -> Arc<Self> {
        let status = JobStatus { phase, ended_at: None, answer: None };
        let stopwatch = Clock::new(Source::System);
        Arc::new(Self {
            rows: description.rows.into(),
            done: done.into(),
            description,
            status: Mutex::new(status),
            stopwatch,
        })
    }

    /// The time now; `begun` is the time when this process began the job.
    pub(crate) fn time(&self, begun: Millis) -> Millis {
        begun.plus(self.stopwatch.running_ms())
    }

    pub(crate) fn description(&self) -> &JobDescription {
        &self.description
    }

    /// Sets the number of steps.
    pub(crate) fn count(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
    }

    /// The phase.
    pub(crate) fn phase(&self) -> Phase {
        self.status.lock().phase
    }

    /// The job as a document.
    pub(crate) fn document(&self) -> JobDocument {
        let JobStatus { phase, ended_at, .. } = *self.status.lock();
        self.document_as(phase, ended_at)
    }

    fn document_as(&self, phase: Phase, ended_at: Option<Millis>) -> JobDocument {
        let JobDescription { id, merchant, kind, mode, by, begun_at, .. } = self.description.clone();
        let audit = match phase {
            Phase::Applying | Phase::Done | Phase::Interrupted => Some(audit_of_job(&merchant, &id)),
            Phase::Trying | Phase::Tried | Phase::Refused => None,
        };
        let rows = self.rows.load(Ordering::Relaxed);
        let rows_done = self.done.load(Ordering::Relaxed);
        let (begun_at, ended_at) = (AsText(Millis(begun_at)), ended_at.map(AsText));
        JobDocument { id, kind, mode, state: phase.word(), rows, rows_done, by, begun_at, ended_at, audit }
    }

    /// An answer with the job that gives it, in a phase.
    pub(crate) fn with_job(&self, mut answer: Value, phase: Phase, ended_at: Option<Millis>) -> Value {
        if let Some(fields) = answer.as_object_mut() {
            fields
                .insert("job".to_owned(), serde_json::to_value(self.document_as(phase, ended_at)).unwrap_or_default());
        }
        answer
    }
}

impl JobDescription {
    /// The stored form: the description, then the parameters of the steps.
    pub(crate) fn write(&self, parameters: &[u8]) -> Vec<u8> {
        let description = render(self);
        let mut bytes = u32::try_from(description.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend_from_slice(&description);
        bytes.extend_from_slice(parameters);
        bytes
    }

    /// The description and the parameters of a stored form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let (len, rest) = bytes.split_first_chunk().ok_or("its description is missing")?;
        let (description, parameters) =
            rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or("its description ends early")?;
        let description = serde_json::from_slice(description).map_err(|error| error.to_string())?;
        Ok((description, parameters))
    }
}

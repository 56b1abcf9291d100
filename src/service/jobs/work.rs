//! One job: what it is, how it is kept, where it stands.

use crate::{
    clock::{Clock, Source},
    domain::{rules::configuration::words, vocabulary::time::Millis},
    http::dto::answers::Shows,
    service::payments::render,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

words! {
    /// What a job does.
    Kind {
        /// Takes a table of customers.
        Upload = "upload",
        /// Changes many customers.
        Bulk = "bulk",
    }
}

words! {
    /// Where a job stands.
    Phase {
        /// Its steps are tried; a stop leaves nothing of it.
        Trying = "trying",
        /// They are done; a stop only delays it.
        Applying = "applying",
        /// All are done.
        Done = "done",
        /// Nothing was to be done but trying.
        Tried = "tried",
        /// Nothing was done, because not all of it could be.
        Refused = "refused",
        /// The next start finishes it, if it had begun.
        Interrupted = "interrupted",
    }
}

/// What a job is, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct What {
    pub(crate) id: String,
    pub(crate) merchant: String,
    pub(crate) kind: String,
    /// How it is done, which belongs to what is compared when it is sent again.
    pub(crate) mode: String,
    pub(crate) by: Option<String>,
    pub(crate) begun_at: i64,
    /// Of the content.
    pub(crate) digest: String,
    /// How many steps.
    pub(crate) rows: u64,
}

/// How a job ended, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) what: What,
    pub(crate) ended_at: i64,
    pub(crate) answer: Value,
}

/// One job, as everybody sees it.
pub struct Work {
    pub(crate) what: What,
    pub(crate) rows: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) stand: Mutex<Stand>,
    /// Runs since somebody works on it.
    watch: Clock,
}

/// How it stands.
pub(crate) struct Stand {
    pub(crate) phase: Phase,
    pub(crate) ended_at: Option<Millis>,
    pub(crate) answer: Option<Value>,
}

/// A job over the wire.
#[derive(Serialize)]
pub(crate) struct JobOut {
    id: String,
    kind: String,
    mode: String,
    state: &'static str,
    /// As far as they are counted.
    rows: u64,
    rows_done: u64,
    by: Option<String>,
    begun_at: Shows<Millis>,
    ended_at: Option<Shows<Millis>>,
}

impl What {
    /// Whether the same is to be done in the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.kind, &self.mode, &self.digest) == (&other.kind, &other.mode, &other.digest)
    }
}

impl Work {
    /// One that is there in a phase, so many of its steps done.
    pub(crate) fn new(what: What, phase: Phase, done: u64) -> Arc<Self> {
        let stand = Stand { phase, ended_at: None, answer: None };
        let watch = Clock::new(Source::System);
        Arc::new(Self { rows: what.rows.into(), done: done.into(), what, stand: Mutex::new(stand), watch })
    }

    /// The time, for whoever began to work on it at another.
    pub(crate) fn time(&self, begun: Millis) -> Millis {
        begun.plus(self.watch.running_ms())
    }

    pub(crate) fn what(&self) -> &What {
        &self.what
    }

    /// So many steps are known.
    pub(crate) fn count(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
    }

    /// Where it stands.
    pub(crate) fn phase(&self) -> Phase {
        self.stand.lock().phase
    }

    /// As it is shown.
    pub(crate) fn out(&self) -> JobOut {
        let Stand { phase, ended_at, .. } = *self.stand.lock();
        self.out_as(phase, ended_at)
    }

    fn out_as(&self, phase: Phase, ended_at: Option<Millis>) -> JobOut {
        let What { id, kind, mode, by, begun_at, .. } = self.what.clone();
        let rows = self.rows.load(Ordering::Relaxed);
        let rows_done = self.done.load(Ordering::Relaxed);
        let (begun_at, ended_at) = (Shows(Millis(begun_at)), ended_at.map(Shows));
        JobOut { id, kind, mode, state: phase.word(), rows, rows_done, by, begun_at, ended_at }
    }

    /// An answer with the job that gives it, standing so.
    pub(crate) fn signed_as(&self, mut answer: Value, phase: Phase, ended_at: Option<Millis>) -> Value {
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("job".to_owned(), serde_json::to_value(self.out_as(phase, ended_at)).unwrap_or_default());
        }
        answer
    }
}

impl What {
    /// With what its steps need to know behind it.
    pub(crate) fn write(&self, besides: &[u8]) -> Vec<u8> {
        let what = render(self);
        let mut bytes = u32::try_from(what.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend_from_slice(&what);
        bytes.extend_from_slice(besides);
        bytes
    }

    /// And back.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let (len, rest) = bytes.split_first_chunk().ok_or("nothing says what it is")?;
        let (what, besides) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or("it ends early")?;
        let what = serde_json::from_slice(what).map_err(|error| error.to_string())?;
        Ok((what, besides))
    }
}

//! Jobs: what takes many steps and is done wholly or not at all, with an id by which it is asked for and taken up again.
//!
//! What is to be done is tried first, then committed to with one file that is on the medium before the first step, then
//! done. A daemon that stops in between finishes it at its next start. The same content sent again with the same id
//! is answered as before, or waits for the answer.

mod limits;
pub mod work;

pub(crate) use crate::service::jobs::limits::{Limits, Permit};
pub(crate) use crate::service::jobs::work::{Kind, Phase, What, Work};

use crate::{
    domain::{
        decision::refusal::Refusal,
        rules::configuration::{Merchant, Rules},
        vocabulary::{names::Name, time::Millis},
    },
    ledger::Ledger,
    storage::{
        jobs::{Draft, Found, Job, JobError, Mark, Shelf, is_full},
        journal::Journal,
    },
};
use crate::{
    http::{
        dto::problem::{Problem, Told},
        handlers::{
            admin_request::Staff,
            bulk,
            customers::{limit, once_each},
            import_export,
        },
    },
    service::payments::render,
};
use axum::response::Response;
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

use crate::service::jobs::work::{Ended, JobOut};

/// The most jobs of one merchant that are known when they have ended; the oldest are forgotten. No merchant's jobs make those
/// of another forgotten, which would then be done a second time where they are sent again.
pub(crate) const ENDED_MAX: usize = 1_000;
/// The most bytes of an id.
const ID_BYTES_MAX: usize = 64;
/// About how many bytes of the disk a step needs: its record in the journal and its mark.
const STEP_BYTES: u64 = 512;
/// Steps after which the journal is waited for, so that no job fills it faster than it is written.
const COMMIT_EVERY: u64 = 256;

/// What is sent to be done.
pub(crate) struct Sent<'a> {
    pub(crate) merchant: Name,
    /// The caller's id for it; the daemon makes one where there is none.
    pub(crate) id: Option<&'a str>,
    pub(crate) kind: Kind,
    pub(crate) mode: &'a str,
    pub(crate) by: Option<Name>,
    pub(crate) digest: u128,
    pub(crate) now: Millis,
}

/// A job that somebody works on. One that is dropped before its end was given up, or waits for the next start.
pub(crate) struct Running<'a> {
    jobs: &'a Jobs,
    work: Arc<Work>,
}

impl std::ops::Deref for Running<'_> {
    type Target = Work;

    fn deref(&self) -> &Work {
        &self.work
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        match self.work.phase() {
            Phase::Trying => self.jobs.leave(&self.work, Phase::Refused, None),
            Phase::Applying => self.jobs.leave(&self.work, Phase::Interrupted, None),
            _ => {}
        }
    }
}

/// What has become of something that was sent.
pub(crate) enum Admitted<'a> {
    /// It is to be tried, and done.
    New(Running<'a>),
    /// It was done before: its answer.
    Known(Value),
}

/// All jobs.
pub struct Jobs {
    shelf: Arc<Shelf>,
    known: Mutex<BTreeMap<u64, Arc<Work>>>,
    /// Rung whenever one ends.
    ended: Condvar,
    limits: Arc<Limits>,
    unfinished: Mutex<Vec<(Job, Arc<Work>)>>,
    is_stopping: AtomicBool,
}

impl Jobs {
    /// The jobs of a shelf, and what a start found on it.
    ///
    /// # Errors
    /// What was found is no job that this version knows.
    pub fn new(shelf: Arc<Shelf>, found: Found) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        let mut unfinished = Vec::new();
        for (number, how) in found.ended {
            let ended: Ended = serde_json::from_slice(&how).map_err(|error| format!("job {number}: {error}"))?;
            let work = Work::new(ended.what, Phase::Done, 0);
            work.done.store(work.what.rows, Ordering::Relaxed);
            {
                let mut stand = work.stand.lock();
                (stand.ended_at, stand.answer) = (Some(Millis(ended.ended_at)), Some(ended.answer));
            }
            known.insert(number, work);
        }
        for job in found.unfinished {
            let what = What::parse(&job.what).map_err(|error| format!("job {}: {error}", job.number()))?;
            let work = Work::new(what.0, Phase::Applying, job.mark.done);
            known.insert(job.number(), Arc::clone(&work));
            unfinished.push((job, work));
        }
        Ok(Self {
            shelf,
            known: Mutex::new(known),
            ended: Condvar::new(),
            limits: Arc::default(),
            unfinished: Mutex::new(unfinished),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// Stops what is under way between two steps; the next start goes on.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// The limits of what is under way.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Refuses a job whose file needs so many bytes, if the disk has no room for it.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), Problem> {
        self.shelf.headroom().check("a table that is uploaded", bytes).map_err(not_kept)
    }

    /// Begins to write down what is sent.
    ///
    /// # Errors
    /// Its file cannot be made.
    pub fn draft(&self, now: Millis) -> Result<Draft, JobError> {
        self.shelf.draft(now)
    }

    /// Takes what was sent, or answers what was answered when it was sent before. Waits for one that is under way.
    ///
    /// # Errors
    /// The id cannot be one, or belongs to another content.
    pub(crate) fn admit(&self, draft: &Draft, sent: &Sent<'_>) -> Result<Admitted<'_>, Problem> {
        let id = sent.id.map_or_else(|| draft.number().to_string(), str::to_owned);
        let what = What {
            id,
            merchant: sent.merchant.to_string(),
            kind: sent.kind.word().to_owned(),
            mode: sent.mode.to_owned(),
            by: sent.by.map(|by| by.to_string()),
            begun_at: sent.now.0,
            digest: format!("{:032x}", sent.digest),
            rows: 0,
        };
        let mut known = self.known.lock();
        while let Some(other) = holder(&known, &what) {
            if !other.what.is_same(&what) {
                return Err(Problem::other_job(&what.id));
            }
            let (phase, answer) = {
                let stand = other.stand.lock();
                (stand.phase, stand.answer.clone())
            };
            match (phase, answer) {
                (Phase::Done, Some(answer)) => return Ok(Admitted::Known(answer)),
                (Phase::Interrupted, _) => return Err(Problem::job_interrupted(&what.id)),
                _ => self.ended.wait(&mut known),
            }
        }
        let work = Work::new(what, Phase::Trying, 0);
        known.insert(draft.number(), Arc::clone(&work));
        let forgotten = too_many(&mut known, &work.what.merchant);
        drop(known);
        for number in forgotten {
            if let Err(error) = self.shelf.forget(number) {
                tracing::error!("what is known of an old job could not be removed: {error}");
            }
        }
        Ok(Admitted::New(Running { jobs: self, work }))
    }

    /// Says how far one is, to whoever asks; stops it where the daemon stops.
    pub(crate) fn step(&self, work: &Work, done: u64) -> io::Result<()> {
        work.done.store(done, Ordering::Relaxed);
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// Ends one of which nothing was done.
    pub(crate) fn leave(&self, work: &Work, phase: Phase, ended: Option<(Value, Millis)>) {
        let known = self.known.lock();
        let mut stand = work.stand.lock();
        let (answer, at) = ended.unzip();
        (stand.phase, stand.ended_at, stand.answer) = (phase, at, answer);
        drop((stand, known));
        self.ended.notify_all();
    }

    /// Commits to one: from here on it is finished, now or by the next start. `besides` is what its steps need to know.
    ///
    /// # Errors
    /// Nothing was begun.
    pub(crate) fn begin(&self, work: &Work, draft: Draft, besides: &[u8]) -> Result<Job, JobError> {
        let what = What { rows: work.rows.load(Ordering::Relaxed), ..work.what.clone() };
        draft.check_room(what.rows.saturating_mul(STEP_BYTES))?;
        let job = draft.begin(&what.write(besides))?;
        work.done.store(0, Ordering::Relaxed);
        work.stand.lock().phase = Phase::Applying;
        Ok(job)
    }

    /// Says behind each step how far one is, to whoever finds it at a start. `kept` are counts.
    ///
    /// # Errors
    /// The journal or the job's file has failed.
    pub(crate) fn mark(&self, job: &mut Job, journal: &Journal, done: u64, kept: &impl Serialize) -> io::Result<()> {
        let last = journal.last();
        // A mark is believed only where the journal has its record, so it need not wait for that.
        if done.is_multiple_of(COMMIT_EVERY) {
            journal.commit(last).map_err(io::Error::other)?;
        }
        job.mark(&Mark { done, kept: render(kept) }, last)
    }

    /// Ends one whose steps are all done, and which was begun at a time. `kept` is its answer without what may be
    /// personal.
    ///
    /// # Errors
    /// The journal or the folder has failed; the next start finds what is to be done.
    pub(crate) fn end(
        &self,
        work: &Work,
        job: Job,
        journal: &Journal,
        (answer, kept): (Value, Value),
        now: Millis,
    ) -> io::Result<Value> {
        journal.sync().map_err(io::Error::other)?;
        let (rows, now) = (work.rows.load(Ordering::Relaxed), work.time(now));
        let ended = |answer| {
            let what = What { rows, ..work.what.clone() };
            render(&Ended { what, ended_at: now.0, answer })
        };
        work.done.store(rows, Ordering::Relaxed);
        let as_done = |answer| work.signed_as(answer, Phase::Done, Some(now));
        let (answer, kept) = (as_done(answer), as_done(kept));
        job.end(&ended(kept)).map_err(io::Error::other)?;
        self.leave(work, Phase::Done, Some((answer.clone(), now)));
        Ok(answer)
    }

    /// The jobs of a merchant, the newest first.
    pub(crate) fn list(&self, merchant: Name, most: usize) -> Value {
        let known = self.known.lock();
        let of_it = known.values().rev().filter(|work| work.what.merchant == merchant.as_str());
        let shown: Vec<JobOut> = of_it.take(most).map(|work| work.out()).collect();
        serde_json::json!({ "jobs": shown })
    }

    /// A job, the newest of this id, and its answer where it has one.
    ///
    /// # Errors
    /// The merchant has none of this id.
    pub fn show(&self, merchant: Name, id: &str) -> Result<Value, Problem> {
        let known = self.known.lock();
        let mut newest_first = known.values().rev();
        let is_it = |work: &&Arc<Work>| work.what.merchant == merchant.as_str() && work.what.id == id;
        let work = newest_first.find(is_it).ok_or_else(|| Problem::unknown_job(id))?;
        let mut shown = serde_json::to_value(work.out()).unwrap_or_default();
        let mut answer = work.stand.lock().answer.clone().unwrap_or_default();
        answer.as_object_mut().map(|answer| answer.remove("job"));
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("answer".to_owned(), answer);
        }
        Ok(shown)
    }

    /// Finishes what a start found unfinished, one after another.
    pub fn finish(&self, ledger: &Ledger, rules: &Rules, now: Millis) {
        for (job, work) in std::mem::take(&mut *self.unfinished.lock()) {
            let running = Running { jobs: self, work };
            let What { id, merchant, kind, .. } = running.what.clone();
            tracing::info!("job {id} of {merchant} goes on behind step {}", job.mark.done);
            let finish = if kind == Kind::Bulk.word() { bulk::finish } else { import_export::finish };
            match finish(&Finishing { jobs: self, ledger, rules, now }, job, &running) {
                Ok(_) => tracing::info!("job {id} of {merchant} is done"),
                Err(problem) => tracing::error!("job {id} of {merchant} stays unfinished: {}", problem.detail),
            }
        }
    }
}

/// What a job needs that is finished behind a start.
pub(crate) struct Finishing<'a> {
    pub(crate) jobs: &'a Jobs,
    pub(crate) ledger: &'a Ledger,
    pub(crate) rules: &'a Rules,
    pub(crate) now: Millis,
}

impl<'a> Finishing<'a> {
    /// Whose customers a job is about, and who brought it.
    pub(crate) fn whose(&self, what: &What) -> Result<(&'a Arc<Merchant>, Option<Name>), Problem> {
        let unknown = || Refusal::UnknownMerchant(what.merchant.clone());
        let by = what.by.as_deref().and_then(|by| Name::parse(by).ok());
        Ok((self.rules.merchant(&what.merchant).ok_or_else(unknown)?, by))
    }
}

/// What a caller is told when the file of a job could not be written; nothing of the job is left.
pub(crate) fn not_kept(error: impl Into<io::Error>) -> Problem {
    let error = error.into();
    if is_full(&error) {
        metrics::counter!("levelgate_jobs_without_space_total").increment(1);
        tracing::warn!("a table or a bulk change was refused for want of space: {error}");
        return Problem::storage_full(format!("nothing was changed, and the file of the job was removed: {error}"));
    }
    tracing::error!("the file of a table or a bulk change could not be written: {error}");
    Problem::internal()
}

/// `GET /v1/merchants/{m}/customers/jobs`.
pub(crate) async fn list(staff: Staff) -> Response {
    let listed = read_list(&staff);
    staff.tell(listed).await
}

fn read_list(staff: &Staff) -> Result<Told, Problem> {
    let mut most = 100;
    for (_, value) in once_each(&staff.query, &["limit"])? {
        most = limit(&value)?;
    }
    Ok(Told::of(render(&staff.daemon.jobs.list(staff.merchant.id, most))))
}

/// `GET /v1/merchants/{m}/customers/jobs/{id}`.
pub(crate) async fn show(staff: Staff) -> Response {
    let shown = staff.daemon.jobs.show(staff.merchant.id, staff.named(0));
    staff.tell(shown.map(|shown| Told::of(render(&shown)))).await
}

/// Whoever holds the id: a refused one, or one that was only tried, holds it no more.
fn holder(known: &BTreeMap<u64, Arc<Work>>, what: &What) -> Option<Arc<Work>> {
    let is_it = |work: &&Arc<Work>| {
        (&work.what.merchant, &work.what.id) == (&what.merchant, &what.id)
            && !matches!(work.phase(), Phase::Refused | Phase::Tried)
    };
    known.values().find(is_it).map(Arc::clone)
}

/// Forgets the oldest jobs of a merchant that have ended, beyond [`ENDED_MAX`]; returns their numbers.
fn too_many(known: &mut BTreeMap<u64, Arc<Work>>, merchant: &str) -> Vec<u64> {
    let has_ended = |work: &Work| {
        work.what.merchant == merchant && !matches!(work.phase(), Phase::Trying | Phase::Applying | Phase::Interrupted)
    };
    let ended: Vec<u64> = known.iter().filter(|(_, work)| has_ended(work)).map(|(number, _)| *number).collect();
    let old: Vec<u64> = ended.iter().take(ended.len().saturating_sub(ENDED_MAX)).copied().collect();
    old.iter().for_each(|number| _ = known.remove(number));
    old
}

/// An id as a caller names it.
pub(crate) fn id_of(sent: String) -> Result<String, Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=ID_BYTES_MAX).contains(&sent.len()) && sent.bytes().all(is_plain) {
        return Ok(sent);
    }
    let detail = format!("`job` is 1 to {ID_BYTES_MAX} letters, digits, `-`, `_` and `.`");
    Err(Problem::malformed("value_unknown", detail).at("job"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_merchant_s_jobs_make_only_its_own_forgotten() {
        let of = |merchant: &str, n: u64| What {
            id: n.to_string(),
            merchant: merchant.to_owned(),
            kind: Kind::Upload.word().to_owned(),
            mode: "all".to_owned(),
            by: None,
            begun_at: 0,
            digest: String::new(),
            rows: 0,
        };
        let mut known: BTreeMap<u64, Arc<Work>> = BTreeMap::new();
        known.insert(0, Work::new(of("other", 0), Phase::Done, 0));
        for n in 1..=ENDED_MAX as u64 + 2 {
            known.insert(n, Work::new(of("busy", n), Phase::Done, 0));
        }
        assert_eq!(too_many(&mut known, "busy"), [1, 2]);
        assert!(too_many(&mut known, "busy").is_empty());
        assert!(known.contains_key(&0) && known.len() == ENDED_MAX + 1);
    }
}

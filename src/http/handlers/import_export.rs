//! The table of customers over the wire: down, up, made up.

use crate::{
    config::parse::body::object,
    domain::{decision::refusal::Refusal, rules::configuration::Direction, vocabulary::names::Name},
    service::csv::{Levels, Mock, template},
    storage::jobs::{Draft, Job},
};
use crate::{
    http::{
        dto::problem::{Problem, Told},
        handlers::{
            admin_request::Staff,
            handlers::{Daemon, broken_body},
        },
        server::grants::Grant,
    },
    service::{
        import_export::{self, Imported, Mode, Tried},
        jobs::{self, Admitted, Finishing, Jobs, Kind, Permit, Phase, Running, Sent, What, not_kept},
        payments::render,
    },
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use roaring::RoaringTreemap;
use serde_json::Value;
use std::{
    io::{self, BufReader, BufWriter, Write},
    sync::Arc,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// The most customers that one call makes up.
pub const MOCK_MAX: u64 = 1_000_000;
/// Bytes of a table on its way out that are sent together, and how many such pieces may wait for a slow reader.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES_MAX: usize = 8;

fn as_csv(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"customers.csv\""));
    response
}

/// `GET /v1/merchants/{m}/customers/template.csv`.
pub(crate) async fn example(_: Staff) -> Response {
    match template() {
        Ok(bytes) => as_csv(Body::from(bytes)),
        Err(_) => Problem::internal().into_response(),
    }
}

/// RecoveryWorkers on each piece that is written; nobody reads: an error.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `GET /v1/merchants/{m}/customers.csv`: streamed, a page of customers in memory at a time.
pub(crate) async fn download(staff: Staff) -> Response {
    let now = match staff.now() {
        Ok(now) => now,
        Err(problem) => return problem.into_response(),
    };
    let place = match staff.daemon.capacity.download() {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let (daemon, grant) = (Arc::clone(&staff.daemon), staff.grant().cloned());
    let (out, pieces) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        // The place is for the thread: it waits for a slow reader.
        let _place = place;
        let pieces = BufWriter::with_capacity(PIECE_BYTES, Pieces(out));
        let written = import_export::export(&staff.daemon.desk.ledger, &staff.merchant, now, pieces);
        if let Err(error) = written {
            tracing::debug!(%error, "a table ended early");
        }
    });
    let kept = ReceiverStream::new(pieces).then(move |piece: io::Result<Bytes>| {
        // A token that is revoked meanwhile gets no more of the table.
        let admitted = daemon.granted_now(grant.as_ref());
        let journal = Arc::clone(daemon.desk.ledger.journal());
        async move {
            admitted.map_err(|problem| io::Error::other(problem.detail))?;
            journal.committed(journal.last()).await.map_err(io::Error::other)?;
            piece
        }
    });
    as_csv(Body::from_stream(kept))
}

/// What is asked of a table besides its content.
struct Asked {
    mode: Mode,
    job: Option<String>,
    by: Option<Name>,
}

/// `POST /v1/merchants/{m}/customers.csv`: all rows or none; `?mode=partial` takes the good ones, `?mode=trial` none.
/// `?job=ID` names the job.
pub(crate) async fn upload(
    State(daemon): State<Arc<Daemon>>,
    Path(merchant): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let by = parts.extensions.get::<Grant>().map(|grant| grant.name);
    let asked = asked(query.as_deref().unwrap_or_default(), by);
    let known = daemon.desk.rules().merchant(&merchant).map(|merchant| merchant.id);
    let known = known.ok_or_else(|| Problem::from(Refusal::UnknownMerchant(merchant.clone())));
    let permit = known.and_then(|merchant| daemon.jobs.limits().arrive(merchant));
    let (asked, mut permit) = match asked.and_then(|asked| Ok((asked, permit?))) {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    let still = |daemon: &Daemon| daemon.admits_still(parts.extensions.get(), &parts.method, parts.uri.path());
    let coming = match spool(&daemon, body, &mut permit).await.and_then(|coming| still(&daemon).map(|()| coming)) {
        Ok(coming) => coming,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = permit.work(daemon.stopping.clone()).await {
        return problem.into_response();
    }
    let done = tokio::task::spawn_blocking(move || {
        let _within_limits = permit;
        take(&daemon, &merchant, &asked, coming).map(|done| (daemon, done))
    });
    match done.await {
        Ok(Ok((daemon, (answer, is_replay)))) => {
            let mut response = crate::http::handlers::handlers::told(&daemon.desk, Ok(render(&answer))).await;
            if is_replay && response.status().is_success() {
                response
                    .headers_mut()
                    .insert(crate::http::handlers::handlers::REPLAY, HeaderValue::from_static("true"));
            }
            response
        }
        Ok(Err(problem)) => problem.into_response(),
        Err(error) => Problem::unfinished(&error).into_response(),
    }
}

fn asked(query: &str, by: Option<Name>) -> Result<Asked, Problem> {
    let mut asked = Asked { mode: Mode::AllOrNothing, job: None, by };
    for (field, value) in crate::http::handlers::customers::once_each(query, &["mode", "job"])? {
        if field == "job" {
            asked.job = Some(jobs::id_of(value)?);
            continue;
        }
        let known = [Mode::AllOrNothing, Mode::Partial, Mode::Trial].into_iter().find(|mode| mode.word() == value);
        let detail = "`mode` is all (the default), partial or trial";
        asked.mode = known.ok_or_else(|| Problem::malformed("value_unknown", detail).at(field))?;
    }
    Ok(asked)
}

/// A table on its way in.
struct Coming {
    /// Taken by whoever reads it; dropped off the threads that answer payments, because files go with it.
    draft: Option<Draft>,
    digest: u128,
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            tokio::task::spawn_blocking(move || drop(draft));
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!("a table could not be kept or read again: {error}");
    Problem::store_unavailable()
}

/// Writes a table down, sealed, as it comes.
async fn spool(daemon: &Daemon, mut body: Body, permit: &mut Permit) -> Result<Coming, Problem> {
    let now = daemon.desk.time()?;
    let announced = axum::body::HttpBody::size_hint(&body).exact().unwrap_or(0);
    let draft = tokio::task::block_in_place(|| {
        daemon.jobs.check_room(announced)?;
        daemon.jobs.draft(now).map_err(not_kept)
    });
    let mut coming = Coming { draft: Some(draft?), digest: 0 };
    let mut digester = daemon.desk.ledger.digester();
    let mut pace = daemon.capacity.upload_pace();
    while let Some(frame) = pace.next(&mut body, false).await? {
        let frame = frame.map_err(|error| broken_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        permit.hold(data.len() as u64)?;
        digester.take(&data);
        // A full cache makes a write wait for the medium; nobody else is to wait with it.
        let mut draft = coming.draft.iter_mut();
        tokio::task::block_in_place(|| draft.try_for_each(|draft| draft.write_all(&data))).map_err(not_kept)?;
    }
    coming.digest = digester.digest();
    Ok(coming)
}

fn take(daemon: &Daemon, merchant: &str, asked: &Asked, mut coming: Coming) -> Result<(Value, bool), Problem> {
    let rules = daemon.desk.rules();
    let merchant = rules.merchant(merchant).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
    let (ledger, now) = (&daemon.desk.ledger, daemon.desk.time()?);
    let into = import_export::Into { ledger, merchant, by: asked.by, now, new_from: ledger.next_customer() };
    let draft = coming.draft.take().ok_or_else(Problem::internal)?;
    take_table(&daemon.jobs, &into, (asked.mode, asked.job.as_deref()), draft, coming.digest)
}

/// Tries the rows of a table that was written down, and takes them as the mode says. Says whether the answer is one that
/// was given before.
///
/// # Errors
/// Rows are bad, and nothing was changed; the job's id belongs to another table; a file has failed.
pub fn take_table(
    jobs: &Jobs,
    into: &import_export::Into<'_>,
    (mode, id): (Mode, Option<&str>),
    mut draft: Draft,
    digest: u128,
) -> Result<(Value, bool), Problem> {
    draft.flush().map_err(not_kept)?;
    let (merchant, kind) = (into.merchant.id, Kind::Upload);
    let sent = Sent { merchant, id, kind, mode: mode.word(), by: into.by, digest, now: into.now };
    let running = match jobs.admit(&draft, &sent)? {
        Admitted::New(running) => running,
        Admitted::Known(answer) => return Ok((answer, true)),
    };
    let interrupted = |error: io::Error| interrupted(&running, &error);
    let mut step = |rows| {
        running.count(rows);
        jobs.step(&running, rows)
    };
    let tried = import_export::try_rows(into, BufReader::new(draft.reader()), &mut step).map_err(interrupted)?;
    let Tried { imported, bad_lines } = tried;
    running.count(imported.rows);
    // Where not even the header can be read, there is no row to take.
    let is_refused = imported.bad > 0 && (mode == Mode::AllOrNothing || imported.rows == 0);
    if mode == Mode::Trial || is_refused {
        let phase = if mode == Mode::Trial { Phase::Tried } else { Phase::Refused };
        let told = value(&imported);
        let now = running.time(into.now);
        jobs.leave(&running, phase, Some((told.clone(), now)));
        return if phase == Phase::Tried {
            Ok((running.signed_as(told, phase, Some(now)), false))
        } else {
            Err(Problem::bad_table(&imported))
        };
    }
    let mut besides = into.new_from.to_le_bytes().to_vec();
    bad_lines.serialize_into(&mut besides).map_err(broken)?;
    let job = jobs.begin(&running, draft, &besides).map_err(not_kept)?;
    let begun = Imported { bad_rows: imported.bad_rows, ..Imported::default() };
    Ok((take_all(jobs, into, job, (&running, &bad_lines), begun)?, false))
}

fn interrupted(running: &Running<'_>, error: &io::Error) -> Problem {
    let id = &running.what().id;
    tracing::error!("job {id} stops in the middle: {error}");
    Problem::job_interrupted(id)
}

fn value(imported: &Imported) -> Value {
    serde_json::to_value(imported).unwrap_or_default()
}

/// Takes the rows behind those that are taken.
fn take_all(
    jobs: &Jobs,
    into: &import_export::Into<'_>,
    mut job: Job,
    (running, bad_lines): (&Running<'_>, &RoaringTreemap),
    mut imported: Imported,
) -> Result<Value, Problem> {
    let journal = into.ledger.journal();
    let rows = BufReader::new(job.reader());
    let mut step = |so_far: &Imported| {
        jobs.step(running, so_far.rows)?;
        jobs.mark(&mut job, journal, so_far.rows, &so_far.counts())
    };
    let done = import_export::take_rows(into, rows, bad_lines, &mut imported, &mut step);
    done.map_err(|error| interrupted(running, &error))?;
    let answers = (value(&imported), value(&imported.counts()));
    jobs.end(running, job, journal, answers, into.now).map_err(|error| interrupted(running, &error))
}

/// Goes on with one that a start found unfinished.
pub(crate) fn finish(with: &Finishing<'_>, job: Job, running: &Running<'_>) -> Result<Value, Problem> {
    let (merchant, by) = with.whose(running.what())?;
    let what = job.what.clone();
    let (_, besides) = What::parse(&what).map_err(broken)?;
    let (new_from, besides) = besides.split_first_chunk().ok_or_else(|| broken("it ends early"))?;
    let (ledger, now, new_from) = (with.ledger, with.now, u64::from_le_bytes(*new_from));
    let into = import_export::Into { ledger, merchant, by, now, new_from };
    let bad_lines = RoaringTreemap::deserialize_from(besides).map_err(broken)?;
    let taken = match job.mark.kept.as_slice() {
        [] => Imported::default(),
        kept => serde_json::from_slice(kept).map_err(broken)?,
    };
    take_all(with.jobs, &into, job, (running, &bad_lines), taken)
}

/// `POST /v1/merchants/{m}/customers/mock`: `{"count": 1000, "seed": 1}`.
pub(crate) async fn mock(staff: Staff) -> Response {
    staff.aside(make_up).await
}

fn make_up(staff: &Staff) -> Result<Told, Problem> {
    let (mut count, mut seed) = (None, 0_u64);
    for (key, raw) in object(&staff.body)?.0 {
        let wrong = |what: &str| Problem::malformed("value_unknown", format!("`{key}` is {what}")).at(&key);
        match key.as_str() {
            "count" => {
                let sent = raw.get().parse().ok().filter(|count| (1..=MOCK_MAX).contains(count));
                count = Some(sent.ok_or_else(|| wrong(&format!("a number from 1 to {MOCK_MAX}")))?);
            }
            "seed" => seed = raw.get().parse().map_err(|_| wrong("a whole number"))?,
            _ => {
                let detail = format!("`{key}` is not taken here; taken are count, seed");
                return Err(Problem::malformed("unknown_field", detail).at(&key));
            }
        }
    }
    let count = count.ok_or(Refusal::Missing("count"))?;
    let merchant = &staff.merchant;
    let (ledger, by, now) = (&staff.daemon.desk.ledger, staff.author.by, staff.now()?);
    let into = import_export::Into { ledger, merchant, by, now, new_from: u64::MAX };
    Ok(Told::of(render(&import_export::make(&into, Mock::new(count, seed, levels_of(merchant))))))
}

/// The names of a merchant's levels, for customers who are made up.
#[must_use]
pub fn levels_of(merchant: &crate::domain::rules::configuration::Merchant) -> Levels {
    let of = |direction: Direction| {
        let mut names: Vec<_> =
            merchant.levels.iter().filter(|level| level.direction == direction).map(|level| level.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    Levels { deposit: of(Direction::Deposit), withdrawal: of(Direction::Withdrawal) }
}

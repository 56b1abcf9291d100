//! The table of customers over the wire: down, up, made up.

use super::{
    access::Grant,
    desk::render,
    handlers::Daemon,
    problem::{Problem, Told},
    staff::Staff,
    table::{self, Mode},
};
use crate::{
    config::body::object,
    csv::{Levels, Mock, template},
    domain::{refusal::Refusal, rules::Direction},
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use std::{
    fs::File,
    io::{self, BufReader, Seek, Write},
    sync::Arc,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// The most bytes of one table.
const TABLE_BYTES_MAX: u64 = 1 << 30;
/// The most customers that one call makes up.
const MOCK_MAX: u64 = 1_000_000;
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

/// Hands on what is written, in pieces; nobody reads: an error.
struct Pieces {
    held: Vec<u8>,
    out: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.held, Vec::with_capacity(PIECE_BYTES));
        self.out.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// `GET /v1/merchants/{m}/customers.csv`: streamed, a page of customers in memory at a time.
pub(crate) async fn download(staff: Staff) -> Response {
    let now = match staff.now() {
        Ok(now) => now,
        Err(problem) => return problem.into_response(),
    };
    let journal = Arc::clone(staff.daemon.desk.ledger.journal());
    let (out, pieces) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let held = Vec::with_capacity(PIECE_BYTES);
        let written = table::export(&staff.daemon.desk.ledger, &staff.merchant, now, Pieces { held, out });
        if let Err(error) = written {
            tracing::debug!(%error, "a table ended early");
        }
    });
    let kept = ReceiverStream::new(pieces).then(move |piece: io::Result<Bytes>| {
        let journal = Arc::clone(&journal);
        async move {
            journal.committed(journal.last()).await.map_err(io::Error::other)?;
            piece
        }
    });
    as_csv(Body::from_stream(kept))
}

/// `POST /v1/merchants/{m}/customers.csv`: all rows or none; `?mode=partial` takes the good ones, `?mode=trial` none.
pub(crate) async fn upload(
    State(daemon): State<Arc<Daemon>>,
    Path(merchant): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let by = request.extensions().get::<Grant>().map(|grant| grant.name);
    let mode = match mode_of(query.as_deref().unwrap_or_default()) {
        Ok(mode) => mode,
        Err(problem) => return problem.into_response(),
    };
    let file = match spool(request.into_body()).await {
        Ok(file) => file,
        Err(problem) => return problem.into_response(),
    };
    let done =
        tokio::task::spawn_blocking(move || take(&daemon, &merchant, mode, by, &file).map(|body| (daemon, body)));
    match done.await {
        Ok(Ok((daemon, body))) => super::handlers::told(&daemon.desk, Ok(body)).await,
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

fn mode_of(query: &str) -> Result<Mode, Problem> {
    let mut mode = Mode::AllOrNothing;
    for (field, value) in super::customers::once_each(query, &["mode"])? {
        let known = [Mode::AllOrNothing, Mode::Partial, Mode::Trial].into_iter().find(|mode| mode.word() == value);
        let detail = "`mode` is all (the default), partial or trial";
        mode = known.ok_or_else(|| Problem::malformed("value_unknown", detail).at(field))?;
    }
    Ok(mode)
}

/// A table is read twice, so it is kept in a file without a name while it is.
async fn spool(mut body: Body) -> Result<File, Problem> {
    let broken = |error: io::Error| {
        tracing::error!(%error, "a table could not be kept while it is read");
        Problem::internal()
    };
    let mut file = tempfile::tempfile().map_err(broken)?;
    let mut bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::malformed("body_broken", error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > TABLE_BYTES_MAX {
            return Err(Problem::table_too_large(TABLE_BYTES_MAX));
        }
        // A full cache makes a write wait for the medium; nobody else is to wait with it.
        tokio::task::block_in_place(|| file.write_all(&data)).map_err(broken)?;
    }
    Ok(file)
}

fn take(
    daemon: &Daemon,
    merchant: &str,
    mode: Mode,
    by: Option<crate::domain::name::Name>,
    file: &File,
) -> Result<Vec<u8>, Problem> {
    let rules = daemon.desk.rules();
    let merchant = rules.merchant(merchant).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
    let into = table::Into { ledger: &daemon.desk.ledger, merchant, by, now: daemon.desk.time()? };
    let open = || {
        let mut again = file.try_clone()?;
        again.rewind()?;
        Ok(BufReader::new(again))
    };
    let imported = table::import(&into, mode, &open, &mut |_| {}).map_err(|error| {
        tracing::error!(%error, "a table could not be read again");
        Problem::internal()
    })?;
    if imported.bad > 0 && mode == Mode::AllOrNothing {
        return Err(Problem::bad_table(&imported));
    }
    Ok(render(&imported))
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
    let into = table::Into { ledger: &staff.daemon.desk.ledger, merchant, by: staff.author.by, now: staff.now()? };
    Ok(Told::of(render(&table::make(&into, Mock::new(count, seed, levels_of(merchant))))))
}

/// The names of a merchant's levels, for customers who are made up.
#[must_use]
pub fn levels_of(merchant: &crate::domain::rules::Merchant) -> Levels {
    let of = |direction: Direction| {
        let mut names: Vec<_> =
            merchant.levels.iter().filter(|level| level.direction == direction).map(|level| level.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    Levels { deposit: of(Direction::Deposit), withdrawal: of(Direction::Withdrawal) }
}

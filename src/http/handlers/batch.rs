//! Batches: one answer line for each request line, in the same order. A batch has no limit on its length.
//!
//! The lines are answered in runs, several at a time; see [`crate::service::payments::line_runs`]. A run that is short is
//! answered by the task that reads it, unless earlier ones are in work: a caller who waits for each answer gets it without
//! another thread.

use crate::{
    config::Http,
    http::{
        extract::body::discard_rest,
        server::{
            admission::Admission,
            capacity::{BatchPermit, guard_bytes},
        },
        state::AppState,
    },
    service::{
        commit::AnswerKind,
        payments::line_runs::{AnsweredRun, LineOrder, LineRun, LineStream, RunSplitter},
        reply::render,
    },
    storage::journal::Lsn,
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// The most pieces of the answer that wait for a slow reader; beyond them its lines wait.
const PIECES_MAX: usize = 16;
/// The most runs that are answered and not sent yet.
const RUNS_MAX: usize = 4;
/// The most bytes of lines of a run.
const RUN_BYTES_MAX: usize = 16 * 1024;
/// The fewest bytes of lines of a run whose answers are long.
const RUN_BYTES_MIN: usize = 256;
/// A run of at most this many bytes is answered by the task that reads it, if no other is in work.
const SHORT_RUN_BYTES: usize = 4 * 1024;
/// After a longer piece, the next runs have half as many bytes of lines: an answer may be many times as long as its line.
const PIECE_BYTES: usize = 64 * 1024;
/// The bytes of answers for which a run takes room, for each byte of its lines.
const ANSWER_BYTES_A_LINE_BYTE: usize = 3;

/// `POST /v1/batch`: answers while the client is still sending.
pub(crate) async fn batch(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let permit = match state.capacity.batch() {
        Ok(permit) => Arc::new(permit),
        Err(problem) => {
            discard_rest(request).await;
            return problem.into_response();
        }
    };
    let admission = request.extensions().get::<Admission>().cloned();
    let (pieces_in, pieces) = mpsc::channel::<(Bytes, Lsn)>(PIECES_MAX);
    let (runs_in, runs) = mpsc::channel(RUNS_MAX);
    let payments = Arc::clone(&state.payments);
    let lines = Arc::new(BatchLines {
        state,
        admission,
        order: LineOrder::default(),
        in_work: AtomicUsize::new(0),
        run_bytes: AtomicUsize::new(SHORT_RUN_BYTES),
    });
    let reader = BatchReader { lines, runs: runs_in, unsent: Arc::default(), next_run: 0 };
    tokio::spawn(reader.read(request.into_body()));
    tokio::spawn(send_answers(runs, pieces_in, Arc::clone(&permit)));
    // The next lines are decided while earlier answers wait for the records that they depend on to be committed.
    let committed = ReceiverStream::new(pieces).then(move |(piece, depends_on_lsn)| {
        let (payments, _permit) = (Arc::clone(&payments), &permit);
        async move {
            let left = payments.leave(Some(depends_on_lsn), AnswerKind::Write).await;
            left.map(|()| piece).map_err(std::io::Error::other)
        }
    });
    let mut response = Response::new(Body::from_stream(committed));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// The lines of a batch.
struct BatchLines {
    state: Arc<AppState>,
    admission: Option<Admission>,
    order: LineOrder,
    /// The number of runs that other threads answer.
    in_work: AtomicUsize,
    /// The bytes of lines of the next run.
    run_bytes: AtomicUsize,
}

impl BatchLines {
    fn answer(&self, number: u64, run: &LineRun, mut room: Room) -> Piece {
        // A batch may last for hours: each line needs the rights that its token has when the line arrives.
        let may_enter = |merchant: &str| self.state.readmit_line(self.admission.as_ref(), merchant);
        let stream = LineStream { service: &self.state.payments, order: &self.order, may_enter: &may_enter };
        let AnsweredRun { bytes, depends_on_lsn, .. } = stream.answer(number, run);
        room.resize(bytes.len());
        let run_bytes = self.run_bytes.load(Ordering::Relaxed);
        let next = if bytes.len() > PIECE_BYTES { run_bytes / 2 } else { run_bytes * 2 };
        self.run_bytes.store(next.clamp(RUN_BYTES_MIN, RUN_BYTES_MAX), Ordering::Relaxed);
        Piece { bytes, depends_on_lsn, room }
    }
}

/// The bytes of answers that are in work or unsent.
#[derive(Default)]
struct UnsentBytes {
    bytes: AtomicUsize,
    shrunk: Notify,
}

impl UnsentBytes {
    /// Waits until there is room for so many bytes. More than the bound wait until there are no others.
    async fn room_for(self: &Arc<Self>, bytes: usize) -> Room {
        loop {
            let known = self.bytes.load(Ordering::Acquire);
            if known == 0 || known + bytes <= Http::BATCH_ANSWER_BYTES_MAX {
                self.bytes.fetch_add(bytes, Ordering::AcqRel);
                return Room { unsent: Arc::clone(self), bytes };
            }
            self.shrunk.notified().await;
        }
    }
}

/// Room for a piece of the answer, until it is written to the socket.
struct Room {
    unsent: Arc<UnsentBytes>,
    bytes: usize,
}

impl Room {
    /// Takes as many bytes as the piece has, also beyond the bound.
    fn resize(&mut self, bytes: usize) {
        self.unsent.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.unsent.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.unsent.shrunk.notify_one();
        self.bytes = bytes;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.unsent.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.unsent.shrunk.notify_one();
    }
}

/// The answers to a run, with the room that they take.
struct Piece {
    bytes: Vec<u8>,
    depends_on_lsn: Lsn,
    room: Room,
}

enum StartedRun {
    Answered(Piece),
    InWork(JoinHandle<Piece>),
}

/// Reads the body of a batch and starts its runs.
struct BatchReader {
    lines: Arc<BatchLines>,
    runs: mpsc::Sender<StartedRun>,
    unsent: Arc<UnsentBytes>,
    next_run: u64,
}

impl BatchReader {
    async fn read(mut self, mut body: Body) {
        let lines = Arc::clone(&self.lines);
        let mut splitter = RunSplitter::new(lines.state.payments.body_bytes_max);
        let mut pace = lines.state.capacity.line_pace();
        loop {
            // Between two lines only the idle timer of the connection runs.
            if splitter.is_between_lines() {
                pace.restart();
            }
            let frame = match pace.next(&mut body, splitter.is_between_lines()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    // The client disconnected or broke the framing. The answers so far are valid.
                    tracing::debug!(%error, "a batch ended early");
                    return;
                }
                Err(problem) => {
                    let mut bytes = render(&problem);
                    bytes.push(b'\n');
                    if let Some(room) = self.room_for(bytes.len()).await {
                        let depends_on_lsn = lines.state.payments.ledger.journal().last();
                        let piece = Piece { bytes, depends_on_lsn, room };
                        // If the client has disconnected, the answer is dropped.
                        let _ = self.runs.send(StartedRun::Answered(piece)).await;
                    }
                    return;
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            let mut rest = &data[..];
            while !rest.is_empty() {
                let missing = lines.run_bytes.load(Ordering::Relaxed).saturating_sub(splitter.bytes_len()).max(1);
                let (now, later) = rest.split_at(missing.min(rest.len()));
                rest = later;
                if splitter.feed(now) {
                    pace.restart();
                }
                let is_full = splitter.bytes_len() >= lines.run_bytes.load(Ordering::Relaxed);
                if (is_full || rest.is_empty()) && !self.start(splitter.take()).await {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
        splitter.end();
        // If the client has disconnected, the answer is dropped.
        let _ = self.start(splitter.take()).await;
    }

    /// Starts a run once there is room for its answers; `false`: the client has disconnected.
    async fn start(&mut self, run: Option<LineRun>) -> bool {
        let Some(run) = run else { return true };
        let Some(room) = self.room_for(run.bytes_len() * ANSWER_BYTES_A_LINE_BYTE).await else { return false };
        let (lines, number) = (Arc::clone(&self.lines), self.next_run);
        self.next_run += 1;
        let is_alone = lines.in_work.load(Ordering::Acquire) == 0;
        let started = if is_alone && run.bytes_len() <= SHORT_RUN_BYTES {
            StartedRun::Answered(lines.answer(number, &run, room))
        } else {
            let Ok(worker) = Arc::clone(lines.state.capacity.line_workers()).acquire_owned().await else {
                return false;
            };
            lines.in_work.fetch_add(1, Ordering::AcqRel);
            StartedRun::InWork(tokio::task::spawn_blocking(move || {
                let piece = lines.answer(number, &run, room);
                lines.in_work.fetch_sub(1, Ordering::AcqRel);
                drop(worker);
                piece
            }))
        };
        self.runs.send(started).await.is_ok()
    }

    /// Room for answers of so many bytes; `None`: the client has disconnected.
    async fn room_for(&self, bytes: usize) -> Option<Room> {
        tokio::select! {
            room = self.unsent.room_for(bytes) => Some(room),
            // Earlier pieces may wait for the journal; they are dropped when the client disconnects.
            () = self.runs.closed() => None,
        }
    }
}

/// Sends the answers to the runs in their order. `permit` is kept until the last piece is written.
async fn send_answers(
    mut runs: mpsc::Receiver<StartedRun>,
    pieces: mpsc::Sender<(Bytes, Lsn)>,
    permit: Arc<BatchPermit>,
) {
    while let Some(started) = runs.recv().await {
        let piece = match started {
            StartedRun::Answered(piece) => piece,
            StartedRun::InWork(run) => match run.await {
                Ok(piece) => piece,
                // The thread has panicked: the batch ends.
                Err(_) => return,
            },
        };
        let Piece { bytes, depends_on_lsn, room } = piece;
        if !bytes.is_empty()
            && pieces.send((guard_bytes(bytes, (room, Arc::clone(&permit))), depends_on_lsn)).await.is_err()
        {
            return;
        }
    }
}

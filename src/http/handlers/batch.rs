//! Batches: one answer line for each request line, in the same order. A batch has no limit on its length.

use crate::{config::Http, storage::journal::Lsn};
use crate::{
    http::{
        dto::problem::Problem,
        extract::body::discard_rest,
        server::{
            admission::Admission,
            capacity::{BatchPermit, guard_bytes},
        },
        state::AppState,
    },
    service::{
        commit::AnswerKind,
        payments::{lines::LineSplitter, lines_ahead::LineChunk},
        reply::render,
    },
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// The most pieces of the answer that wait for a slow reader; beyond them its lines wait.
const PIECES_MAX: usize = 16;
/// The most bytes of lines whose answers form one piece.
const LINES_BYTES_MAX: usize = 16 * 1024;
/// The bytes of the first lines whose answers form one piece: what their answers take is not known yet.
const LINES_BYTES_FIRST: usize = 4 * 1024;
/// The fewest bytes of lines whose answers form one piece.
const LINES_BYTES_MIN: usize = 256;
/// After a longer piece, the next one answers half as many bytes of lines: an answer may be many times as long as its line.
const PIECE_BYTES: usize = 64 * 1024;

/// `POST /v1/batch`: answers while the client is still sending.
pub(crate) async fn batch(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let admission = request.extensions().get::<Admission>().cloned();
    let token = state.current_token(admission.as_ref()).ok().flatten();
    let permit = match state.capacity.batch(token.as_ref().and_then(|token| token.limit.as_ref())) {
        Ok(permit) => Arc::new(permit),
        Err(problem) => {
            discard_rest(request).await;
            return problem.into_response();
        }
    };
    let (sender, pieces) = mpsc::channel::<(Bytes, Lsn)>(PIECES_MAX);
    let unsent = Arc::new(Semaphore::new(Http::BATCH_ANSWER_BYTES_MAX));
    let answers = AnswerSender { sender, unsent, permit: Arc::clone(&permit) };
    let payments = Arc::clone(&state.payments);
    tokio::spawn(answer_lines(state, admission, request.into_body(), answers));
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

/// Sends the pieces of an answer. The bytes that are not yet written to the socket are bounded.
struct AnswerSender {
    sender: mpsc::Sender<(Bytes, Lsn)>,
    /// The bytes that may still be unsent.
    unsent: Arc<Semaphore>,
    /// Kept until the last piece is written.
    permit: Arc<BatchPermit>,
}

impl AnswerSender {
    /// Sends a piece once there is room for it; `false`: the client has disconnected.
    async fn send(&self, piece: Vec<u8>, depends_on_lsn: Lsn) -> bool {
        // A piece that is longer than the bound waits until no other is unsent.
        let bytes = piece.len().min(Http::BATCH_ANSWER_BYTES_MAX);
        let room = Arc::clone(&self.unsent).acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX));
        let room = tokio::select! {
            room = room => room,
            // Earlier pieces may wait for the journal; they are dropped when the client disconnects.
            () = self.sender.closed() => return false,
        };
        let Ok(room) = room else { return false };
        self.sender.send((guard_bytes(piece, (room, Arc::clone(&self.permit))), depends_on_lsn)).await.is_ok()
    }
}

/// The answers to a chunk of lines, and the record that they depend on.
type ChunkAnswers = (Vec<u8>, Lsn);

/// Answers chunks of lines, several at a time: one is decided while others are parsed or rendered.
struct ChunkPipeline {
    state: Arc<AppState>,
    admission: Option<Admission>,
    /// The chunks whose answers are not yet sent, in order.
    answered: mpsc::Sender<JoinHandle<Option<ChunkAnswers>>>,
    /// Completes when the last chunk is decided; `None`: there is none yet.
    turn: Option<oneshot::Receiver<()>>,
    /// The bytes of lines whose answers form one piece.
    lines_bytes: Arc<AtomicUsize>,
}

impl ChunkPipeline {
    /// Begins to answer a chunk, once there is room for its answers; `false`: the client has disconnected.
    async fn answer(&mut self, chunk: LineChunk) -> bool {
        let Ok(room) = self.answered.reserve().await else { return false };
        let (decided, next_turn) = oneshot::channel();
        let turn = self.turn.replace(next_turn);
        let (state, admission) = (Arc::clone(&self.state), self.admission.clone());
        let lines_bytes = Arc::clone(&self.lines_bytes);
        room.send(tokio::spawn(async move {
            let payments = &state.payments;
            // A batch may last for hours: each line needs the rights that its token has when the line arrives.
            let may_enter = |merchant: &str| state.readmit_line(admission.as_ref(), merchant);
            let rules = payments.rules();
            let ahead = payments.parse_ahead(&rules, &chunk, may_enter);
            if let Some(turn) = turn {
                // The chunk before was not decided, so this one is not either.
                turn.await.ok()?;
            }
            let lines = payments.decide_in_turn(&ahead, may_enter);
            let depends_on_lsn = payments.ledger.journal().last();
            // If the batch has ended, no chunk waits for this one.
            let _ = decided.send(());
            // The next chunk is now in the slot of this worker from which no other worker takes. A new task moves it to the
            // queue, so that it is decided while this chunk is rendered.
            drop(tokio::spawn(std::future::ready(())));
            let out = lines.render();
            let bytes = lines_bytes.load(Ordering::Relaxed);
            let bytes = if out.len() > PIECE_BYTES { (bytes / 2).max(LINES_BYTES_MIN) } else { bytes * 2 };
            lines_bytes.store(bytes.min(LINES_BYTES_MAX), Ordering::Relaxed);
            Some((out, depends_on_lsn))
        }));
        true
    }

    /// Sends a text after the answers to all chunks so far.
    async fn send(&self, text: Vec<u8>) {
        let depends_on_lsn = self.state.payments.ledger.journal().last();
        // If the client has disconnected, the text is dropped.
        let _ = self.answered.send(tokio::spawn(async move { Some((text, depends_on_lsn)) })).await;
    }
}

/// Sends the answers to chunks in their order, until the client disconnects.
async fn send_answers(mut answered: mpsc::Receiver<JoinHandle<Option<ChunkAnswers>>>, answers: AnswerSender) {
    while let Some(chunk) = answered.recv().await {
        let Ok(Some((out, depends_on_lsn))) = chunk.await else { return };
        if !answers.send(out, depends_on_lsn).await {
            return;
        }
    }
}

async fn answer_lines(state: Arc<AppState>, admission: Option<Admission>, mut body: Body, answers: AnswerSender) {
    let mut lines = LineSplitter::new(state.payments.body_bytes_max);
    let mut pace = state.capacity.line_pace();
    let disconnected = answers.sender.clone();
    let (sender, answered) = mpsc::channel(Http::BATCH_CHUNKS_MAX);
    tokio::spawn(send_answers(answered, answers));
    let lines_bytes = Arc::new(AtomicUsize::new(LINES_BYTES_FIRST));
    let turns = Turns { state: Arc::clone(&state), admission: admission.clone(), disconnected };
    let mut pipeline =
        ChunkPipeline { state, admission, answered: sender, turn: None, lines_bytes: Arc::clone(&lines_bytes) };
    loop {
        // Between two lines only the idle timer of the connection runs.
        if lines.is_between_lines() {
            pace.restart();
        }
        let frame = match pace.next(&mut body, lines.is_between_lines()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                // The client disconnected or broke the framing. The answers so far are valid.
                tracing::debug!(%error, "a batch ended early");
                return;
            }
            Err(too_slow) => {
                let mut out = render(&Problem::from(too_slow));
                out.push(b'\n');
                return pipeline.send(out).await;
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        let mut rest = &data[..];
        while !rest.is_empty() {
            let mut bytes = lines_bytes.load(Ordering::Relaxed).min(rest.len());
            if turns.are_limited()
                && let Some(end) = rest.iter().take(bytes).position(|byte| *byte == b'\n')
            {
                // One line at a time, so that each waits for its own turn.
                bytes = end + 1;
                if !turns.wait().await {
                    return;
                }
            }
            let (now, later) = rest.split_at(bytes);
            rest = later;
            let mut chunk = LineChunk::default();
            lines.feed(now, |line| chunk.push(line));
            if !chunk.is_empty() {
                pace.restart();
                if !pipeline.answer(chunk).await {
                    return;
                }
            }
        }
    }
    if !lines.is_between_lines() && !turns.wait().await {
        return;
    }
    let mut chunk = LineChunk::default();
    lines.end(|line| chunk.push(line));
    if !chunk.is_empty() {
        // If the client has disconnected, the answer is dropped.
        let _ = pipeline.answer(chunk).await;
    }
}

/// The waits of a batch whose token has a limit on its requests.
struct Turns {
    state: Arc<AppState>,
    admission: Option<Admission>,
    /// Closed when the client has disconnected.
    disconnected: mpsc::Sender<(Bytes, Lsn)>,
}

impl Turns {
    /// Whether the token has a limit.
    fn are_limited(&self) -> bool {
        let current = |admission| self.state.current_token(Some(admission));
        self.admission
            .as_ref()
            .is_some_and(|admission| matches!(current(admission), Ok(Some(token)) if token.limit.is_some()))
    }

    /// Waits until the token may send one more line. A token that is no longer valid does not wait: its lines are refused.
    /// `false`: the client has disconnected.
    async fn wait(&self) -> bool {
        let mut has_waited = false;
        loop {
            // Again after each wait: a reload may have changed the limit.
            let Ok(Some(token)) = self.state.current_token(self.admission.as_ref()) else { return true };
            let Err(early_ns) = token.take_request(|| self.state.payments.clock.running_ns()) else { return true };
            if !std::mem::replace(&mut has_waited, true) {
                metrics::counter!("levelgate_rate_limit_waits_total", "token" => token.name.as_str()).increment(1);
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_nanos(early_ns)) => {}
                () = self.disconnected.closed() => return false,
            }
        }
    }
}

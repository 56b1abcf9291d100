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
        streamed_answer::{Piece, parts},
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
use tokio_stream::StreamExt;

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
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let unsent = Arc::new(Semaphore::new(Http::BATCH_ANSWER_BYTES_MAX));
    let answers = AnswerSender { sender, unsent, permit: Arc::clone(&permit) };
    let payments = Arc::clone(&state.payments);
    tokio::spawn(answer_batch(state, admission, request.into_body(), answers));
    // The next lines are decided while earlier answers wait for the records that they depend on to be committed.
    let committed = parts(pieces).then(move |part| {
        let (payments, _permit) = (Arc::clone(&payments), &permit);
        async move {
            let (lines, depends_on_lsn) = part?;
            let left = payments.leave(Some(depends_on_lsn), AnswerKind::Write).await;
            left.map(|()| lines).map_err(std::io::Error::other)
        }
    });
    let mut response = Response::new(Body::from_stream(committed));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// Lines of an answer, and the record that they depend on.
type AnswerPiece = Piece<(Bytes, Lsn)>;

/// Sends the pieces of an answer. The bytes that are not yet written to the socket are bounded.
struct AnswerSender {
    sender: mpsc::Sender<AnswerPiece>,
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
        let lines = guard_bytes(piece, (room, Arc::clone(&self.permit)));
        self.sender.send(Piece::Part((lines, depends_on_lsn))).await.is_ok()
    }

    /// Sends the end of the answer: whole, or broken off.
    async fn end(self, end: AnswerPiece) {
        // If the client has disconnected, the end is dropped.
        let _ = self.sender.send(end).await;
    }
}

/// The answers to a chunk of lines, and the record that they depend on. `None`: a chunk before has panicked.
type ChunkAnswers = Option<(Vec<u8>, Lsn)>;
/// A chunk whose answers are being made.
type ChunkPiece = Piece<JoinHandle<ChunkAnswers>>;

/// Answers chunks of lines, several at a time: one is decided while others are parsed or rendered.
struct ChunkPipeline {
    state: Arc<AppState>,
    admission: Option<Admission>,
    /// The chunks whose answers are not yet sent, in order.
    answered: mpsc::Sender<ChunkPiece>,
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
        room.send(Piece::Part(tokio::spawn(async move {
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
        })));
        true
    }

    /// Sends a text after the answers to all chunks so far.
    async fn send(&self, text: Vec<u8>) {
        let depends_on_lsn = self.state.payments.ledger.journal().last();
        // If the client has disconnected, the text is dropped.
        let _ = self.answered.send(Piece::Part(tokio::spawn(async move { Some((text, depends_on_lsn)) }))).await;
    }

    /// Ends the answer after the answers to all chunks so far.
    async fn end(self) {
        // If the client has disconnected, or the answer has broken off, this is dropped.
        let _ = self.answered.send(Piece::End).await;
    }
}

/// Sends the answers to chunks in their order, until the client disconnects. If a chunk has panicked, the answer breaks off:
/// the client sends the lines without an answer again.
async fn send_answers(mut answered: mpsc::Receiver<ChunkPiece>, answers: AnswerSender) {
    loop {
        match answered.recv().await {
            Some(Piece::Part(chunk)) => match chunk.await {
                Ok(Some((out, depends_on_lsn))) => {
                    if !answers.send(out, depends_on_lsn).await {
                        return;
                    }
                }
                Ok(None) | Err(_) => break,
            },
            Some(Piece::End) => return answers.end(Piece::End).await,
            Some(Piece::Lost) | None => break,
        }
    }
    tracing::error!("a batch failed because of a defect of the daemon; its answer breaks off");
    answers.end(Piece::Lost).await;
}

/// Answers a batch, and ends its answer. A panic leaves the answer without an end.
async fn answer_batch(state: Arc<AppState>, admission: Option<Admission>, body: Body, answers: AnswerSender) {
    let disconnected = answers.sender.clone();
    let (sender, answered) = mpsc::channel(Http::BATCH_CHUNKS_MAX);
    tokio::spawn(send_answers(answered, answers));
    let lines_bytes = Arc::new(AtomicUsize::new(LINES_BYTES_FIRST));
    let turns = Turns { state: Arc::clone(&state), admission: admission.clone(), disconnected };
    let mut pipeline = ChunkPipeline { state, admission, answered: sender, turn: None, lines_bytes };
    answer_lines(&mut pipeline, &turns, body).await;
    pipeline.end().await;
}

async fn answer_lines(pipeline: &mut ChunkPipeline, turns: &Turns, mut body: Body) {
    let mut lines = LineSplitter::new(pipeline.state.payments.body_bytes_max);
    let mut pace = pipeline.state.capacity.line_pace();
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
            let mut bytes = pipeline.lines_bytes.load(Ordering::Relaxed).min(rest.len());
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
            let mut chunk = LineChunk::with_capacity(now.len());
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
    disconnected: mpsc::Sender<AnswerPiece>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Source, http::operations::tests::state_with};

    /// The lines that a client gets when its chunks end like this, and whether the answer is whole.
    async fn sent(chunks: Vec<ChunkPiece>) -> (Vec<u8>, bool) {
        let state = state_with(&[], Source::System);
        let permit = Arc::new(state.capacity.batch(None).unwrap());
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let unsent = Arc::new(Semaphore::new(Http::BATCH_ANSWER_BYTES_MAX));
        let (chunk_sender, answered) = mpsc::channel(8);
        for chunk in chunks {
            chunk_sender.send(chunk).await.unwrap();
        }
        drop(chunk_sender);
        send_answers(answered, AnswerSender { sender, unsent, permit }).await;
        let mut parts = Box::pin(parts(pieces));
        let mut lines = Vec::new();
        loop {
            match parts.next().await {
                Some(Ok((part, _))) => lines.extend_from_slice(&part),
                Some(Err(_)) => return (lines, false),
                None => return (lines, true),
            }
        }
    }

    fn chunk(lines: &'static str) -> ChunkPiece {
        Piece::Part(tokio::spawn(async move { Some((lines.as_bytes().to_vec(), Lsn::default())) }))
    }

    #[tokio::test]
    async fn an_answer_breaks_off_at_a_chunk_that_panics() {
        let panics = || Piece::Part(tokio::spawn(async { panic!("as planted") }));
        let not_decided = || Piece::Part(tokio::spawn(async { None }));
        assert_eq!(sent(vec![chunk("a\n"), chunk("b\n"), Piece::End]).await, (b"a\nb\n".to_vec(), true));
        assert_eq!(sent(vec![chunk("a\n"), panics(), not_decided(), Piece::End]).await, (b"a\n".to_vec(), false));
        assert_eq!(sent(vec![chunk("a\n"), not_decided(), Piece::End]).await, (b"a\n".to_vec(), false));
        // The task that reads the lines has panicked.
        assert_eq!(sent(vec![chunk("a\n")]).await, (b"a\n".to_vec(), false));
    }
}

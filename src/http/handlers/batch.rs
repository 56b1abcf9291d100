//! Batches: one answer line for each request line, in the same order. A batch has no limit on its length.

use crate::{config::Http, storage::journal::Lsn};
use crate::{
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
        payments::lines::{LineSplitter, answer_line},
        reply::render,
    },
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// The most pieces of the answer that wait for a slow reader; beyond them its lines wait.
const PIECES_MAX: usize = 16;
/// The most bytes of lines whose answers form one piece.
const LINES_BYTES_MAX: usize = 4 * 1024;
/// The fewest bytes of lines whose answers form one piece.
const LINES_BYTES_MIN: usize = 256;
/// After a longer piece, the next one answers half as many bytes of lines: an answer may be many times as long as its line.
const PIECE_BYTES: usize = 32 * 1024;

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

async fn answer_lines(state: Arc<AppState>, admission: Option<Admission>, mut body: Body, answers: AnswerSender) {
    let payments = &state.payments;
    // A batch may last for hours: each line needs the rights that its token has when the line arrives.
    let may_enter = |merchant: &str| state.readmit_line(admission.as_ref(), merchant);
    let mut lines = LineSplitter::new(payments.body_bytes_max);
    let (mut pace, mut lines_bytes) = (state.capacity.line_pace(), LINES_BYTES_MAX);
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
            Err(problem) => {
                let mut out = render(&problem);
                out.push(b'\n');
                // If the client has disconnected, the answer is dropped.
                let _ = answers.send(out, payments.ledger.journal().last()).await;
                return;
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        let mut rest = &data[..];
        while !rest.is_empty() {
            let mut bytes = lines_bytes.min(rest.len());
            if is_limited(&state, admission.as_ref())
                && let Some(end) = rest.iter().take(bytes).position(|byte| *byte == b'\n')
            {
                // One line at a time, so that each waits for its own turn.
                bytes = end + 1;
                if !wait_for_turn(&state, admission.as_ref(), &answers).await {
                    return;
                }
            }
            let (now, later) = rest.split_at(bytes);
            rest = later;
            let mut out = Vec::new();
            lines.feed(now, |line| {
                pace.restart();
                answer_line(payments, line, &mut out, may_enter)
            });
            lines_bytes = match out.len() > PIECE_BYTES {
                true => (lines_bytes / 2).max(LINES_BYTES_MIN),
                false => (lines_bytes * 2).min(LINES_BYTES_MAX),
            };
            if !out.is_empty() && !answers.send(out, payments.ledger.journal().last()).await {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
    if !lines.is_between_lines() && !wait_for_turn(&state, admission.as_ref(), &answers).await {
        return;
    }
    let mut out = Vec::new();
    lines.end(|line| answer_line(payments, line, &mut out, may_enter));
    if !out.is_empty() {
        // If the client has disconnected, the answer is dropped.
        let _ = answers.send(out, payments.ledger.journal().last()).await;
    }
}

/// Whether the token of a batch has a limit on its requests.
fn is_limited(state: &AppState, admission: Option<&Admission>) -> bool {
    admission.is_some() && matches!(state.current_token(admission), Ok(Some(token)) if token.limit.is_some())
}

/// Waits until the token of a batch may send one more line. A token that is no longer valid does not wait: its lines are
/// refused. `false`: the client has disconnected.
async fn wait_for_turn(state: &AppState, admission: Option<&Admission>, answers: &AnswerSender) -> bool {
    let mut has_waited = false;
    loop {
        // Again after each wait: a reload may have changed the limit.
        let Ok(Some(token)) = state.current_token(admission) else { return true };
        let Err(early_ns) = token.take_request(|| state.payments.clock.running_ns()) else { return true };
        if !std::mem::replace(&mut has_waited, true) {
            metrics::counter!("levelgate_rate_limit_waits_total", "token" => token.name.as_str()).increment(1);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_nanos(early_ns)) => {}
            () = answers.sender.closed() => return false,
        }
    }
}

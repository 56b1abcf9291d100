//! Batches: lines in, lines out, in the same order, of any length.

use crate::{config::Http, storage::journal::Lsn};
use crate::{
    http::{
        dto::problem::Problem,
        handlers::handlers::Daemon,
        server::{
            capacity::{BatchPlace, hold_bytes},
            grants::Grant,
        },
    },
    service::payments::PaymentService,
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// Where batches are sent.
pub(crate) const PATH: &str = "/v1/batch";
/// How many pieces of the answer may wait for a slow reader; then its lines wait.
const PIECES_MAX: usize = 16;
/// Bytes of lines that one piece of the answer answers at most.
const LINES_BYTES_MAX: usize = 4 * 1024;
/// Bytes of lines that one piece answers at least, and its length from which on fewer are tried: an answer may be many
/// times as long as its line.
const LINES_BYTES_MIN: usize = 256;
const PIECE_BYTES: usize = 32 * 1024;

/// Answers `POST /v1/batch` while it is still being sent.
pub(crate) async fn batch(State(daemon): State<Arc<Daemon>>, request: Request) -> Response {
    let place = match daemon.capacity.batch() {
        Ok(place) => Arc::new(place),
        Err(problem) => {
            crate::http::read_rest(request).await;
            return problem.into_response();
        }
    };
    let grant = request.extensions().get::<Grant>().cloned();
    let (sender, pieces) = mpsc::channel::<(Bytes, Lsn)>(PIECES_MAX);
    let waiting = Arc::new(Semaphore::new(Http::BATCH_ANSWER_BYTES_MAX));
    let answers = Answers { sender, waiting, place: Arc::clone(&place) };
    let journal = Arc::clone(daemon.desk.ledger.journal());
    tokio::spawn(answer_lines(daemon, grant, request.into_body(), answers));
    // Lines go on being decided while the answers to earlier ones wait until the journal holds what they rest on.
    let kept = ReceiverStream::new(pieces).then(move |(piece, rests_on)| {
        let (journal, _place) = (Arc::clone(&journal), &place);
        async move { journal.committed(rests_on).await.map(|()| piece).map_err(std::io::Error::other) }
    });
    let mut response = Response::new(Body::from_stream(kept));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// Where the pieces of an answer go. What is not yet written to the socket is bounded in bytes.
struct Answers {
    sender: mpsc::Sender<(Bytes, Lsn)>,
    waiting: Arc<Semaphore>,
    /// Held until the last piece is made.
    place: Arc<BatchPlace>,
}

impl Answers {
    /// Sends a piece once there is room for it. False: the reader has gone.
    async fn send(&self, piece: Vec<u8>, rests_on: Lsn) -> bool {
        // A longer one waits until it is alone.
        let bytes = piece.len().min(Http::BATCH_ANSWER_BYTES_MAX);
        let room = Arc::clone(&self.waiting).acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX));
        let room = tokio::select! {
            room = room => room,
            // Its pieces may wait for the journal and are given up with the reader.
            () = self.sender.closed() => return false,
        };
        let Ok(room) = room else { return false };
        self.sender.send((hold_bytes(piece, (room, Arc::clone(&self.place))), rests_on)).await.is_ok()
    }
}

async fn answer_lines(daemon: Arc<Daemon>, grant: Option<Grant>, mut body: Body, answers: Answers) {
    let desk = &daemon.desk;
    // A batch may be sent for hours: each line goes by what its token may do when the line comes.
    let may_enter = |merchant: &str| daemon.admits_line(grant.as_ref(), merchant);
    let mut lines = Lines::new(desk.body_bytes_max);
    let (mut pace, mut lines_bytes) = (daemon.capacity.line_pace(), LINES_BYTES_MAX);
    loop {
        // Between two lines only silence is limited.
        if lines.is_between() {
            pace.restart();
        }
        let frame = match pace.next(&mut body, lines.is_between()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                // The caller went away or broke the framing; what was answered stands.
                tracing::debug!(%error, "a batch ended early");
                return;
            }
            Err(problem) => {
                let mut out = crate::service::payments::render(&problem);
                out.push(b'\n');
                // The reader may be gone; then nobody waits for the answer.
                let _ = answers.send(out, desk.ledger.journal().last()).await;
                return;
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(lines_bytes.min(rest.len()));
            rest = later;
            let mut out = Vec::new();
            lines.feed(now, |line| {
                pace.restart();
                answer_line(desk, line, &mut out, may_enter)
            });
            lines_bytes = match out.len() > PIECE_BYTES {
                true => (lines_bytes / 2).max(LINES_BYTES_MIN),
                false => (lines_bytes * 2).min(LINES_BYTES_MAX),
            };
            if !out.is_empty() && !answers.send(out, desk.ledger.journal().last()).await {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
    let mut out = Vec::new();
    lines.end(|line| answer_line(desk, line, &mut out, may_enter));
    if !out.is_empty() {
        // The reader may be gone; then nobody waits for the answer.
        let _ = answers.send(out, desk.ledger.journal().last()).await;
    }
}

/// Answers one line with one line: an answer, or a problem document.
pub fn answer_line(
    desk: &PaymentService,
    line: Result<&[u8], usize>,
    out: &mut Vec<u8>,
    may_enter: impl Fn(&str) -> Result<(), Problem>,
) -> Option<Problem> {
    let answered = match line {
        Ok(line) => desk.line(line, may_enter),
        Err(bytes_max) => Err(Problem::too_large(bytes_max)),
    };
    let problem = match answered {
        Ok(reply) => {
            out.extend_from_slice(&reply.body);
            None
        }
        Err(problem) => {
            out.extend_from_slice(&crate::service::payments::render(&problem));
            Some(problem)
        }
    };
    out.push(b'\n');
    problem
}

/// Cuts a stream of bytes into lines. Blank lines are no lines; an over-long one is told of once and skipped.
pub struct Lines {
    bytes_max: usize,
    rest: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Lines of at most so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, rest: Vec::new(), skipping: false }
    }

    /// Whether no line has begun that has not ended.
    fn is_between(&self) -> bool {
        self.rest.is_empty() && !self.skipping
    }

    /// Takes the next bytes and hands on the lines that they complete, or the limit that one was over.
    pub fn feed<T>(&mut self, mut data: &[u8], mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        while let Some(end) = data.iter().position(|&byte| byte == b'\n') {
            let (piece, rest) = data.split_at(end);
            data = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.rest.is_empty() {
                self.hand_on(piece, &mut line);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(piece);
                self.hand_on(&whole, &mut line);
                whole.clear();
                self.rest = whole;
            }
        }
        if !self.skipping {
            self.rest.extend_from_slice(data);
            if self.rest.len() > self.bytes_max {
                self.rest = Vec::new();
                self.skipping = true;
                line(Err(self.bytes_max));
            }
        }
    }

    /// RecoveryWorkers on the last line, where it has no end.
    pub fn end<T>(&mut self, mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        let rest = std::mem::take(&mut self.rest);
        if !self.skipping {
            self.hand_on(&rest, &mut line);
        }
    }

    fn hand_on<T>(&self, text: &[u8], line: &mut impl FnMut(Result<&[u8], usize>) -> T) {
        let text = text.trim_ascii();
        if text.len() > self.bytes_max {
            line(Err(self.bytes_max));
        } else if !text.is_empty() {
            line(Ok(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = b"one\r\n\n  two  \nthis line is too long\nthree\n\nlast";
        for size in 1..=text.len() {
            let (mut lines, mut got) = (Lines::new(10), Vec::new());
            let mut keep = |line: Result<&[u8], usize>| got.push(line.map(<[u8]>::to_vec).map_err(|_| ()));
            text.chunks(size).for_each(|piece| lines.feed(piece, &mut keep));
            lines.end(&mut keep);
            let want = [Ok("one"), Ok("two"), Err(()), Ok("three"), Ok("last")];
            assert_eq!(got, want.map(|line| line.map(|text| text.as_bytes().to_vec())), "pieces of {size}");
        }
    }
}
